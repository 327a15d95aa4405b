"""One file out of a zip archive: found by its exact name, bounded in size, never by its path."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from facegrab.errors import WeightsError
from facegrab.models import folder

BLOCK_BYTES = 1 << 20
ENCRYPTED = 1
"""Bit of a member's flags (APPNOTE.TXT, 4.4.4)."""
MOST_MEMBERS = 1000


def extract(archive: Path, names: Sequence[str], target: Path, most_bytes: int) -> None:
    """Writes a member's content to ``target``.

    Args:
        archive: a zip file.
        names: the member's, any of them; exactly one has to be there.
        target: a new file.
        most_bytes: that the content may have.

    Raises:
        WeightsError: the archive is damaged, or has not what is looked for.
        OutputError, AccessError: it cannot be written.
    """
    try:
        with ZipFile(archive) as zipped:
            member = _member(archive, zipped.infolist(), names)
            _copy(zipped, member, target, most_bytes)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise WeightsError(f"{archive} is damaged: {error}") from error


def _member(archive: Path, members: Sequence[ZipInfo], names: Sequence[str]) -> ZipInfo:
    found = [each for each in members if each.filename in names]
    if len(members) > MOST_MEMBERS or len(found) != 1:
        raise WeightsError(f"{archive} holds {len(found)} files called {' or '.join(names)}, not 1")
    if found[0].flag_bits & ENCRYPTED:
        raise WeightsError(f"{archive} is encrypted")
    return found[0]


def _copy(zipped: ZipFile, member: ZipInfo, target: Path, most_bytes: int) -> None:
    """Copies in blocks: what the archive says of a size need not be true."""
    copied = 0
    with zipped.open(member) as source, folder.writing(target), target.open("wb") as file:
        while block := source.read(BLOCK_BYTES):
            copied += len(block)
            if copied > most_bytes:
                raise WeightsError(f"{zipped.filename} holds more than {most_bytes >> 20} MB")
            file.write(block)
