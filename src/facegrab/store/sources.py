"""A folder's sources, and the look that answers for each."""

from __future__ import annotations

from dataclasses import dataclass

from facegrab.errors import StoreError
from facegrab.store.database import Database
from facegrab.store.index import Index, Request, Seen


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source of a folder.

    Attributes:
        row: of it.
        content: what it is known by.
        path: where it lay last.
        name: of its extracts.
        scan: row of the look that answers for it.
        every: one frame in so many counts.
        smallest_px: of the faces that count.
        largest_px: likewise, or None.
    """

    row: int
    content: str
    path: str
    name: str
    scan: int
    every: int
    smallest_px: float
    largest_px: float | None

    def seen(self, index: Index) -> Seen | None:
        """The look that answers for it; None if it is gone, or not done."""
        seen = index.find_row(self.scan, self.content)
        return seen if seen is not None and seen.complete else None

    def sift(self, seen: Seen) -> Request:
        """Which of the faces of that look count, see Index.faces."""
        asked = Request(seen.request.detection, self.every, self.smallest_px, self.largest_px)
        return seen.request.narrows(asked)


def source_rows(database: Database) -> list[SourceRow]:
    """The sources of a folder that are known by their content, as they were entered.

    Raises:
        StoreError: the index is damaged.
    """
    rows = database.fetch(
        "SELECT id, content, path, name, scan, every, smallest_px, largest_px FROM main.source"
        " WHERE content NOT NULL AND scan NOT NULL ORDER BY id"
    )
    for row in rows:
        whole, texts, broken = (row[0], row[4], row[5]), row[1:4], (row[6], row[7] or 0)
        if (
            not all(type(each) is int for each in whole)
            or not all(type(each) is str for each in texts)
            or not all(type(each) in (int, float) for each in broken)
            or row[5] < 1
        ):
            raise StoreError(f"{database.path} is damaged: choose another folder, or remove it")
    return [SourceRow(*row) for row in rows]


MOST_PICTURES = 10_000_000
"""In a folder of pictures: an index that claims more is none of ours."""


def pictures(index: Index, scan: int) -> dict[int, str]:
    """Paths of the pictures that have faces, by their frames; of a video none.

    Raises:
        StoreError: the index is damaged.
    """
    found = dict(
        index.database.fetch(
            f"SELECT DISTINCT frame, picture FROM {index.schema}.face"
            " WHERE scan = ? AND picture NOT NULL",
            (scan,),
        )
    )
    for frame, picture in found.items():
        if type(frame) is not int or not 0 <= frame < MOST_PICTURES or type(picture) is not str:
            raise StoreError(f"{index.database.path} is damaged: scan again into another folder")
    return found
