"""A folder of files that were made once and can be made again.

Every file carries a checksum of its content in its name, so that one that was damaged is told
from a good one by reading it once; and it gets its name only when it is complete. So processes
may make the same file at the same time, and one that is killed leaves at most a temporary file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import WeightsError

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "FACEGRAB_CACHE"
"""Environment variable that names another folder."""

MEMO_NAME = "known.json"
"""Remembers the hashes of files that were hashed before."""
LARGEST_MEMO_BYTES = 1 << 20
MOST_MEMOS = 100

TEMPORARY = ".tmp"
ABANDONED_SECONDS = 24 * 3600
"""Age from which a temporary file belongs to nobody that still runs."""

BLOCK_WORDS = 512

Bytes = NDArray[np.uint8]


def cache_folder() -> Path:
    """The folder, which may not exist yet: FACEGRAB_CACHE, or the system's place for caches.

    Raises:
        WeightsError: the user has no home and FACEGRAB_CACHE is not set.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    try:
        return Path(chosen).expanduser().absolute() if chosen else _user_cache() / "facegrab"
    except RuntimeError as error:
        raise WeightsError(
            f"no home folder to keep the models in: set {FOLDER_VARIABLE} to a folder"
        ) from error


def _user_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # XDG Base Directory Specification: a relative path is to be ignored.
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"


def find(name: str, suffix: str) -> tuple[Path, Bytes] | None:
    """The sound file of that name and its content, or None; damaged ones are logged.

    Args:
        name: what the file was called when it was put here.
        suffix: its ending, with the dot.
    """
    for path in sorted(cache_folder().glob(f"{name}-*{suffix}")):
        content = _sound_content(path, name, suffix)
        if content is not None:
            return path, content
        log.warning("%s is damaged: making it anew", path)
    return None


def put(name: str, suffix: str, parts: Iterable[bytes | memoryview]) -> Path:
    """Writes the parts, one after the other, to a file that ``find`` will find.

    Raises:
        WeightsError: the folder cannot be written.
    """
    folder = cache_folder()
    with _writing(folder), _temporary(folder) as part:
        with part.open("wb") as file:
            file.writelines(parts)
            file.flush()
            # Else a power failure may leave the new name on an empty file.
            os.fsync(file.fileno())
        path = folder / _full_name(name, np.fromfile(part, np.uint8), suffix)
        _remove_damaged(folder, name, suffix)
        # Another process may have been faster, and Windows replaces no file that is open.
        if not path.exists():
            part.replace(path)
    return path


def _full_name(name: str, content: Bytes, suffix: str) -> str:
    return f"{name}-{checksum(content):016x}{suffix}"


def _sound_content(path: Path, name: str, suffix: str) -> Bytes | None:
    """What the file holds, or None if that is not what its name says."""
    try:
        content = _mapped(path)
    except OSError:
        return None
    return content if path.name == _full_name(name, content, suffix) else None


def _mapped(path: Path) -> Bytes:
    """The file's content, not copied; nobody changes a file of the cache in place."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return np.empty(0, np.uint8)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _remove_damaged(folder: Path, name: str, suffix: str) -> None:
    for path in folder.glob(f"{name}-*{suffix}"):
        if _sound_content(path, name, suffix) is None:
            path.unlink(missing_ok=True)


def content_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, remembered from last time.

    Hashing 100 MB takes longer than a start should; what is remembered counts as long as the
    file's size and times of change are the same, which is what ``git`` and ``make`` go by. A
    memory that cannot be kept only costs time.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        memos = _memos()
        known = memos.get(str(path))
        if known is not None and known[:-1] == stamp:
            return str(known[-1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    memos.pop(str(path), None)
    _remember({**memos, str(path): [*stamp, digest]})
    return digest


def checksum(content: Bytes) -> int:
    """64 bits that change when bytes are flipped, zeroed, cut off or moved by blocks.

    A weighted sum of sums in the manner of Fletcher's, modulo 2^64: against accidents, not against
    intent. Over the largest file, 67 MB, it takes 4 ms; CRC-32 takes 20 to 60, SHA-256 40 to 170.
    """
    total = len(content)
    block_bytes = 8 * BLOCK_WORDS
    whole = len(content) - len(content) % block_bytes
    rest = np.zeros(block_bytes, np.uint8)
    rest[: len(content) - whole] = content[whole:]
    for part in (content[:whole], rest):
        sums = part.view("<u8").reshape(-1, BLOCK_WORDS).sum(axis=1, dtype=np.uint64)
        weights = np.arange(1, 2 * len(sums), 2, dtype=np.uint64)
        total += int((sums * weights).sum(dtype=np.uint64))
        total *= 3
    return total % (1 << 64)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Makes the folder, and says which one it was that could not be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise WeightsError(
            f"cannot write the model cache {folder} ({error.strerror or error}): "
            f"set {FOLDER_VARIABLE} to a folder that can be written"
        ) from error


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A new file of a name of its own, removed at the end unless it was renamed."""
    _remove_abandoned(folder)
    # Not of tempfile's making: those only their owner may read, and a cache may be shared.
    path = folder / f"{os.urandom(16).hex()}{TEMPORARY}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"*{TEMPORARY}"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        except OSError:
            log.debug("cannot remove %s", path)


def _memos() -> dict[str, list[Any]]:
    """Path to size, two times and hash; what is not of that kind is left out."""
    path = cache_folder() / MEMO_NAME
    try:
        if path.stat().st_size > LARGEST_MEMO_BYTES:
            return {}
        memos = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(memos, dict):
        return {}
    return {key: memo for key, memo in memos.items() if _is_memo(memo)}


def _is_memo(memo: Any) -> bool:
    if not isinstance(memo, list) or len(memo) != 4:
        return False
    digest = memo[-1]
    return isinstance(digest, str) and len(digest) == 64 and digest.isalnum() and digest.isascii()


def _remember(memos: dict[str, list[Any]]) -> None:
    folder = cache_folder()
    latest = dict(list(memos.items())[-MOST_MEMOS:])
    try:
        with _writing(folder), _temporary(folder) as part:
            part.write_text(json.dumps(latest, indent=1), "utf-8")
            part.replace(folder / MEMO_NAME)
    except WeightsError as error:
        log.debug("%s", error)
