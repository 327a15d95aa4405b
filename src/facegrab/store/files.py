"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facegrab.address import Address
from facegrab.errors import AccessError, FaceGrabError, OutputError

LONGEST_NAME_BYTES = 150
"""What a source's name may take of a file's: file systems end at 255 bytes."""

LONGEST_PICTURE_BYTES = 60
"""What a picture's own name may take beside it."""

PART = ".part"
"""What a file is called after that is not whole yet."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_MEANT = re.compile(r"(s3|gs|https?|file):", re.IGNORECASE)
_JOINERS = "\u200c\u200d"
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to ``path`` when the block ends well, removed when it does not.

    Raises:
        OutputError: it cannot be written: a full disk, a missing folder.
        AccessError: it may not be.
    """
    part = part_of(path)
    try:
        with writing(path):
            yield part
            part.replace(path)
    finally:
        with writing(path):
            part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """The name of a file while it is being written, hidden and of this process alone."""
    return path.with_name(f".{path.name}.{os.getpid()}{PART}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's errors into ours, which name the file and the way out.

    Raises:
        OutputError, AccessError: see above.
    """
    try:
        yield
    except FaceGrabError:
        raise
    except PermissionError as error:
        raise AccessError(f"no permission to write {path}: choose another output") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(path) from error
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def no_space(path: Path) -> OutputError:
    """The error of a full disk."""
    return OutputError(
        f"no space left to write {path}: free some and run again; what is done is kept"
    )


def make_folder(path: Path) -> None:
    """Makes a folder and those above it.

    Raises:
        OutputError: something else has its name, or the disk is full.
        AccessError: no permission.
    """
    with writing(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise OutputError(f"{path} is no folder: choose another output") from error
    if not os.access(path, os.W_OK):
        raise AccessError(f"no permission to write into {path}: choose another output folder")


def require_here(path: Path) -> None:
    """Refuses a path that was meant as an address: it would become a folder called ``s3:``.

    Raises:
        OutputError: it is one.
    """
    scheme, *rest = path.parts or ("",)
    if _MEANT.fullmatch(scheme):
        raise OutputError(
            f"{scheme}//{'/'.join(rest)} is elsewhere: this is written to this machine's "
            "folders only, from where they can be copied"
        )


def as_text(path: Path) -> str:
    r"""The path; bytes in it that are no UTF-8, which no table or terminal takes, as ``\udcxx``."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def real_path(path: Path) -> Path:
    """The path by which the system itself knows it; an address stays."""
    return path if isinstance(path, Address) else Path(os.path.realpath(path))


def printable(text: str) -> str:
    """The text with backslashes for what is no character to see: names may tell others anything.

    That goes for line breaks, terminals' commands and marks that turn the direction of writing. Two
    joiners stay, without which some scripts cannot be written.
    """
    if text.isprintable():
        return text
    return "".join(
        each
        if each.isprintable() or each in _JOINERS
        else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def safe_name(text: str, longest_bytes: int = LONGEST_NAME_BYTES) -> str:
    """A name that every file system takes: no separators, no control characters, not too long."""
    name = unicodedata.normalize("NFC", text).encode("utf-8", "replace").decode("utf-8")
    name = _UNSAFE.sub("_", name).encode("utf-8")[:longest_bytes].decode("utf-8", "ignore")
    name = name.strip(". ")
    return f"_{name}" if not name or _RESERVED.match(name) else name
