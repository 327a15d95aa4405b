"""The folder of the best extracts: copies beside the originals, of which no index knows."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facegrab.errors import OutputError
from facegrab.store.album import leads_inside
from facegrab.store.files import PART, make_folder, writing

BEST = "best"
"""Folder below that of the run; no person has this name, see people/who.py."""
TABLE, SHEET, BEFORE = "best.csv", "best.jpg", "before.jpg"
"""In it, or in each person's below it: why these, all at a glance, and as many at random."""
COLUMNS = (
    "rank", "file", "extract", "source", "pts_seconds", "frame", "shot", "worth", "clear", "large",
    "lit", "free", "inside", "size_px", "clarity", "yaw", "pitch",
)  # fmt: skip
_OTHERS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What systems leave in folders that somebody looked into."""
_MOST_TABLE_BYTES = 32 * 2**20


def copies(folder: Path) -> dict[str, str]:
    """The copies in a run's folder, and the extracts they are of, by paths below the folder.

    Only what a table lists that FaceGrab wrote, and whose name leads nowhere else.

    Args:
        folder: that of the run.
    """
    found: dict[str, str] = {}
    for place in _places(folder / BEST):
        below = place.relative_to(folder).as_posix()
        for file, extract in _listed(place / TABLE):
            if leads_inside(f"{below}/{file}"):
                found[f"{below}/{file}"] = extract
    return found


def files(folder: Path) -> frozenset[str]:
    """All images in it that are ours, by paths below the folder."""
    sheets = (
        (place / name).relative_to(folder).as_posix()
        for place in _places(folder / BEST)
        for name in (SHEET, BEFORE)
    )
    return frozenset(copies(folder)).union(sheets)


def check(folder: Path) -> None:
    """Files of somebody else's must not be lost when the folder is made anew.

    Raises:
        OutputError: there is one, or something else has the folder's name.
    """
    best = folder / BEST
    if not os.path.lexists(best):
        return
    if best.is_symlink() or not best.is_dir():
        raise OutputError(f"{best} is no folder: move it away, the best extracts go there")
    ours = files(folder) | {
        (place / TABLE).relative_to(folder).as_posix() for place in _places(best)
    }
    with writing(best):
        for inside, _, names in os.walk(best):
            for name in names:
                path = Path(inside, name)
                if path.relative_to(folder).as_posix() not in ours and name not in _OTHERS:
                    raise OutputError(
                        f"{path} is not FaceGrab's, and {best} is made anew: move it elsewhere"
                    )


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to write the best into, which takes the old one's place when the block ends well.

    Args:
        folder: that of the run.

    Raises:
        OutputError, AccessError: see ``check``; or it cannot be written.
    """
    best, new = folder / BEST, _hidden(folder, "new")
    old = _hidden(folder, "old")
    check(folder)
    sweep(folder)
    try:
        make_folder(new)
        yield new
        check(folder)  # it may have taken a while
        with writing(best):
            if best.exists():
                best.rename(old)
            try:
                new.rename(best)
            finally:
                if old.exists() and not best.exists():
                    old.replace(best)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def remove(folder: Path) -> bool:
    """Removes the best with all that shows them; somebody else's files in it stay.

    Args:
        folder: that of the run.

    Returns:
        whether there was anything.
    """
    sweep(folder)
    best = folder / BEST
    ours = sorted(files(folder))
    places = _places(best)
    for name in ours:
        with suppress(OSError):
            (folder / name).unlink()
    for place in places:  # last: it is what tells which are ours
        with suppress(OSError):
            (place / TABLE).unlink()
    below = {parent for name in ours for parent in Path(name).parents if parent.parts}
    for parent in sorted(below, reverse=True):
        with suppress(OSError):  # something else is in it
            (folder / parent).rmdir()
    return bool(places)


def sweep(folder: Path) -> None:
    """Removes what a process that died left half done."""
    for path in folder.glob(f".{BEST}.*{PART}"):
        if not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _hidden(folder: Path, what: str) -> Path:
    return folder / f".{BEST}.{what}.{os.getpid()}{PART}"


def _places(best: Path) -> list[Path]:
    """The folders with a table: the best's own, or one a person below it."""
    if best.is_symlink() or not best.is_dir():
        return []
    with suppress(OSError):
        below = [each for each in sorted(best.iterdir()) if each.is_dir()]
        places = [best, *(each for each in below if not each.is_symlink())]
        return [each for each in places if (each / TABLE).is_file()]
    return []


def _listed(table: Path) -> Iterator[tuple[str, str]]:
    """Copy and extract of each row; nothing where the table is none that FaceGrab wrote."""
    with suppress(OSError, ValueError, csv.Error):
        if table.stat().st_size > _MOST_TABLE_BYTES:
            return
        with table.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                return
            for row in rows:
                yield str(row["file"]), str(row["extract"])
