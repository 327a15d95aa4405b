"""What somebody has said of faces: kept in a folder's index, read back with every bound checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facegrab.errors import StoreError
from facegrab.store.album import is_of_a_folder
from facegrab.store.database import Database
from facegrab.types import Faces, FloatArray, IntArray

IS, IS_NOT, SKIPPED, APART, ONE = "is", "not", "skip", "apart", "one"
"""What can be said of faces: they are a person's; they are not; somebody has looked and could not
say; they stand apart from the rest of their track; all of them are one person, whoever that is."""
SAID = (IS, IS_NOT, SKIPPED, APART, ONE)
TICKS_PER_SECOND = 1_000_000
"""Times are kept in whole microseconds: finer than any clock of a video, and exact to compare."""
MOST_FACES = 1 << 20
"""Of a part that is read: at 24 bytes a face an index that claims more is no index of ours."""
EXAMPLES = 3
"""Embeddings that are kept of each part, by which the person is known in other sources."""
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Faces of one source that something was said of.

    Attributes:
        content: what the source is known by.
        recogniser: key of what described them.
        ticks: int64 (F,), microseconds since the source's first frame, ascending.
        box: float32 (F, 4), corner pixels in the full frame.
        embedding: float32 (E, D), of some of them; none where none may be kept.
    """

    content: str
    recogniser: str
    ticks: IntArray
    box: FloatArray
    embedding: FloatArray

    @classmethod
    def of(cls, content: str, recogniser: str, faces: Faces, *, keep: bool = True) -> Part:
        """The part that some faces of a source are, in the order of their frames.

        Args:
            content: what the source is known by.
            recogniser: key of what described them.
            faces: at least one.
            keep: embeddings of the sharpest.
        """
        best = np.argsort(-faces.sharpness, kind="stable")[: EXAMPLES if keep else 0]
        return cls(content, recogniser, ticks_of(faces), faces.box, faces.embedding[np.sort(best)])


@dataclass(frozen=True, slots=True, eq=False)
class Review:
    """One thing that was said.

    Attributes:
        row: of it in the index; later ones count more.
        said: one of SAID.
        person: whose the faces are, or are not; "" also for the one person of a folder.
        parts: the faces.
    """

    row: int
    said: str
    person: str
    parts: tuple[Part, ...]


def ticks_of(faces: Faces) -> IntArray:
    """int64 (N,): times of faces in microseconds."""
    return np.asarray(np.rint(faces.pts_seconds * TICKS_PER_SECOND), np.int64)


class Reviews:
    """What was said, in an open database of a folder.

    Args:
        database: that of the folder.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, said: str, person: str, parts: Sequence[Part]) -> int:
        """Keeps what was said, on disk when this returns; gives its row.

        Raises:
            StoreError, OutputError: the index is in use or cannot be written.
        """
        if not _can_be_read(said, person):
            raise ValueError(f"{said!r} of {person[:40]!r} cannot be said")
        with self._db.transaction():
            cursor = self._db.execute(
                "INSERT INTO review (said, person) VALUES (?, ?)", (said, person)
            )
            row = int(cursor.lastrowid or 0)
            self._db.executemany(
                "INSERT INTO review_part VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (row, each.content, each.recogniser, each.ticks.astype("<i8").tobytes(),
                     each.box.astype("<f4").tobytes(), len(each.embedding),
                     each.embedding.astype("<f2").tobytes())
                    for each in parts
                ),
            )  # fmt: skip
        return row

    def undo(self, row: int) -> bool:
        """Takes back what was said; False if it is not there any more.

        Raises:
            StoreError, OutputError: the index is in use or cannot be written.
        """
        with self._db.transaction():
            self._db.execute("DELETE FROM review_part WHERE review = ?", (row,))
            return self._db.execute("DELETE FROM review WHERE id = ?", (row,)).rowcount > 0

    def forget(self, content: str) -> None:
        """Forgets what was said of one source; in a transaction."""
        self._db.execute("DELETE FROM review_part WHERE content = ?", (content,))
        self._db.execute("DELETE FROM review WHERE id NOT IN (SELECT review FROM review_part)")

    def forget_examples(self) -> None:
        """Forgets what the faces look like; where they are stays said. In a transaction."""
        self._db.execute("UPDATE review_part SET examples = 0, embedding = x''")

    def rows(self) -> list[int]:
        """Of all that is said, in order."""
        return [int(row) for (row,) in self._db.fetch("SELECT id FROM review ORDER BY id")]

    def all(self) -> tuple[Review, ...]:
        """All that is said, in order.

        Raises:
            StoreError: the index is damaged.
        """
        parts: dict[int, list[Part]] = {}
        lengths: dict[str, int] = {}
        for review, *columns in self._db.fetch(
            "SELECT review, content, recogniser, ticks, box, examples, embedding"
            " FROM review_part ORDER BY rowid"
        ):
            part = self._part(*columns)
            parts.setdefault(review, []).append(part)
            if len(part.embedding):
                length = part.embedding.shape[1]
                if lengths.setdefault(part.recogniser, length) != length:
                    raise self._damaged()
        rows = self._db.fetch("SELECT id, said, person FROM review ORDER BY id")
        for _, said, person in rows:
            if not _can_be_read(said, person):
                raise self._damaged()
        return tuple(Review(row, said, who, tuple(parts.get(row, ()))) for row, said, who in rows)

    def _part(self, content: Any, recogniser: Any, ticks: Any, box: Any, *rest: Any) -> Part:
        examples, embedding = rest
        if not all(type(each) is str for each in (content, recogniser)):
            raise self._damaged()
        if not all(type(each) is bytes for each in (ticks, box, embedding)):
            raise self._damaged()
        if not len(ticks) % 8 == 0 < len(ticks) <= 8 * MOST_FACES or len(box) != 2 * len(ticks):
            raise self._damaged()
        when = np.frombuffer(ticks, "<i8").astype(np.int64)
        place = np.frombuffer(box, "<f4").astype(np.float32).reshape(-1, 4)
        if (np.diff(when) < 0).any() or not np.isfinite(place).all():
            raise self._damaged()
        return Part(content, recogniser, when, place, self._examples(examples, embedding))

    def _examples(self, count: Any, content: bytes) -> FloatArray:
        if not count and not content:
            return np.empty((0, 0), np.float32)
        if count not in range(1, EXAMPLES + 1) or not content or len(content) % (2 * count):
            raise self._damaged()
        values = np.frombuffer(content, "<f2").astype(np.float32)
        if not np.isfinite(values).all():
            raise self._damaged()
        return values.reshape(count, -1)

    def _damaged(self) -> StoreError:
        return StoreError(
            f"{self._db.path} is damaged (what was said of faces): choose another folder, or "
            "remove it"
        )


def in_effect(rows: Sequence[int]) -> str:
    """Names what is in effect: "" for nothing, else the same only for the very same."""
    text = ",".join(map(str, sorted(rows)))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def _can_be_read(said: Any, person: Any) -> bool:
    """Whether it is something that can be said, of somebody whose extracts can have a folder."""
    if said not in SAID or type(person) is not str or len(person) > LONGEST_NAME:
        return False
    return not person or is_of_a_folder(person)
