"""The cache folder: where it is, whether it can be written, how full it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryFile

from facegrab.doctor.facts import MB, Cache, Problem
from facegrab.errors import WeightsError

NEEDED_MB = 100
"""What the networks that come with FaceGrab take when they are prepared."""


def cache() -> Cache:
    """The cache folder. It is not made, and nothing stays in it.

    Raises:
        WeightsError: there is none, or nobody may look into it.
    """
    from facegrab.cache import FOLDER_VARIABLE, cache_folder
    from facegrab.store.files import as_text

    folder = cache_folder()
    try:
        there = _nearest(folder)
        return Cache(
            path=as_text(folder),
            exists=folder.is_dir(),
            writable=_writable(there),
            size_mb=_size_bytes(folder) / MB if folder.is_dir() else 0.0,
            free_mb=shutil.disk_usage(there).free // MB,
        )
    except OSError as error:
        raise WeightsError(
            f"cannot look into the model cache {folder} ({error.strerror or error}): "
            f"set {FOLDER_VARIABLE} to another folder"
        ) from error


def cache_problems(found: Cache) -> list[Problem]:
    """A cache that cannot be written, or a disk without room for it."""
    from facegrab.cache import FOLDER_VARIABLE

    if not found.writable:
        return [
            Problem(
                f"the model cache {found.path} cannot be written: set {FOLDER_VARIABLE} to a "
                "folder that can, or runs may have to prepare the networks and cannot"
            )
        ]
    if found.free_mb < NEEDED_MB and found.size_mb < NEEDED_MB:
        return [
            Problem(
                f"{found.free_mb} MB are free where the model cache is ({found.path}), and it "
                f"takes {NEEDED_MB}: free some, or set {FOLDER_VARIABLE} to another folder"
            )
        ]
    return []


def _nearest(folder: Path) -> Path:
    """The folder, or that of those above it which exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _writable(there: Path) -> bool:
    """Tried, because permissions do not tell of disks that are mounted for reading only."""
    try:
        TemporaryFile(dir=there).close()
    except OSError:
        return False
    return True


def _size_bytes(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.is_file())
