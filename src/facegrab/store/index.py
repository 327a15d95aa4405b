"""The index: every face that was seen, so that nothing has to be looked at twice."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facegrab.errors import StoreError
from facegrab.store.database import OWN, Database
from facegrab.store.files import as_text
from facegrab.store.rows import COLUMNS, of_faces, to_faces
from facegrab.types import Faces


@dataclass(frozen=True, slots=True)
class Request:
    """Which faces are asked for.

    Attributes:
        detection: what found and described them, in words of which two are the same or not.
        every: one frame in so many is looked at.
        smallest_px: side of the smallest face looked for, in source pixels.
        largest_px: of the largest, or None.
    """

    detection: str
    every: int
    smallest_px: float
    largest_px: float | None = None

    def answers(self, asked: Request) -> bool:
        """Whether faces found by this request hold all that another one asks for."""
        return (
            self.detection == asked.detection
            and asked.every % self.every == 0
            and self.smallest_px <= asked.smallest_px
            and (
                self.largest_px is None
                or (asked.largest_px is not None and asked.largest_px <= self.largest_px)
            )
        )

    def narrows(self, asked: Request) -> Request:
        """What is to be sifted out of faces of this request for another one, see Index.faces."""
        same_size = self.smallest_px == asked.smallest_px
        return Request(
            asked.detection,
            asked.every,
            0.0 if same_size else asked.smallest_px,
            None if self.largest_px == asked.largest_px else asked.largest_px,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A look through one source, done or begun.

    Attributes:
        row: of the table scan.
        request: what was asked for.
        path: where the source lay last.
        width: of its frames in pixels.
        height: of its frames in pixels.
        duration_seconds: of the source, if known.
        frame_count: of the source, if known.
        origin: ticks of its first frame, by which frames are found again; None if unknown.
        frames_read: frames gone past.
        frames_looked_at: frames searched for faces.
        frames_damaged: frames that could not be decoded.
        warnings: what was odd about the source, a line each.
        computed: what the networks ran on.
        complete: to the source's end.
        forgotten: faces of other people were removed, so that it answers nothing else.
    """

    row: int
    request: Request
    path: str
    width: int
    height: int
    duration_seconds: float | None
    frame_count: int | None
    origin: int | None
    frames_read: int
    frames_looked_at: int
    frames_damaged: int
    warnings: tuple[str, ...]
    computed: str
    complete: bool
    forgotten: bool


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A committed segment.

    Attributes:
        number: from 0.
        start: where it begins, as its reader says.
        next: where the next one begins; None after the last.
        frames_looked_at: in it.
        state: what shots and tracks go on from behind it.
        whole: to its end; else it is a part of it, kept when something stopped the run, and will
            be seen anew.
    """

    number: int
    start: str
    next: str | None
    frames_looked_at: int
    state: str
    whole: bool = True


_ROWS = 1000
"""Faces read at a time."""
BLOCK = 2000
"""Faces answered for at a time: 3 MB, and some more for what is said of them."""
_SCAN_COLUMNS = (
    "id, detection, every, smallest_px, largest_px, path, width, height, duration_seconds,"
    " frame_count, origin, frames_read, frames_looked_at, frames_damaged, warnings, computed,"
    " complete, forgotten"
)


class Index:
    """What was seen, in an open database.

    Args:
        database: that holds it.
        schema: which of its files does.
    """

    def __init__(self, database: Database, schema: str = OWN) -> None:
        self.database = database
        self.schema = schema

    def find(self, content: str, asked: Request) -> Seen | None:
        """A look through a source that answers a request, or one that began to; None if none does.

        Args:
            content: what the source is known by.
            asked: what is asked for.
        """
        seen = self._scans("WHERE content = ? AND NOT forgotten", (content,))
        done = [each for each in seen if each.complete and each.request.answers(asked)]
        if done:  # the one with the least to be sifted out
            return max(done, key=lambda each: (each.request.every, each.request.smallest_px))
        begun = (each for each in seen if not each.complete and each.request == asked)
        return next(begun, None)

    def find_row(self, row: int, content: str) -> Seen | None:
        """The look of a row, if it is there and through that source."""
        found = self._scans("WHERE id = ? AND content = ?", (row, content))
        return found[0] if found else None

    def scan(self, row: int) -> Seen:
        """The look of a row that is there."""
        return self._scans("WHERE id = ?", (row,))[0]

    def scans(self) -> list[Seen]:
        """All looks, in the order in which they began."""
        return self._scans("")

    def begin(self, content: str, asked: Request, path: Path) -> int:
        """Enters a look through a source and gives its row; call it in a transaction."""
        cursor = self.database.execute(
            f"INSERT INTO {self.schema}.scan (content, detection, every, smallest_px, largest_px,"
            " path) VALUES (?, ?, ?, ?, ?, ?)",
            (content, asked.detection, asked.every, asked.smallest_px, asked.largest_px,
             as_text(path)),
        )  # fmt: skip
        return int(cursor.lastrowid or 0)

    def update(self, row: int, **columns: int | float | str | None) -> None:
        """Sets columns of a look; call it in a transaction."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.database.execute(
            f"UPDATE {self.schema}.scan SET {names} WHERE id = ?", (*columns.values(), row)
        )

    def moved(self, row: int, path: Path, images: Sequence[Path]) -> None:
        """Notes where a source lies now; call it in a transaction.

        Args:
            row: of the look.
            path: of the video or the folder.
            images: of a sequence, in order.
        """
        self.update(row, path=as_text(path))
        self.database.executemany(
            f"UPDATE {self.schema}.face SET picture = ? WHERE scan = ? AND frame = ?",
            ((as_text(image.absolute()), row, frame) for frame, image in enumerate(images)),
        )

    def add(
        self, row: int, segment: SegmentRow, faces: Faces, pictures: Sequence[Path | None]
    ) -> None:
        """Enters a segment and its faces; call it in a transaction."""
        self.database.execute(
            f"INSERT INTO {self.schema}.segment VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row, segment.number, segment.start, segment.next, segment.frames_looked_at,
             segment.state, int(segment.whole)),
        )  # fmt: skip
        self.database.executemany(
            f"INSERT INTO {self.schema}.face VALUES ({', '.join('?' * 17)})",
            of_faces(row, faces, pictures),
        )

    def segments(self, row: int) -> list[SegmentRow]:
        """The committed segments of a look, in order."""
        rows = self.database.fetch(
            "SELECT number, start, next, frames_looked_at, state, whole"
            f" FROM {self.schema}.segment WHERE scan = ? ORDER BY number",
            (row,),
        )
        return [
            SegmentRow(number, start, following, looked_at, state, bool(whole))
            for number, start, following, looked_at, state, whole in rows
        ]

    def remove_segment(self, row: int, number: int, first_frame: int) -> None:
        """Removes the last segment of a look and its faces; call it in a transaction."""
        self.database.execute(
            f"DELETE FROM {self.schema}.face WHERE scan = ? AND frame >= ?", (row, first_frame)
        )
        self.database.execute(
            f"DELETE FROM {self.schema}.segment WHERE scan = ? AND number = ?", (row, number)
        )
        looked_at = f"SELECT total(frames_looked_at) FROM {self.schema}.segment WHERE scan = ?"
        self.database.execute(
            f"UPDATE {self.schema}.scan SET frames_looked_at = ({looked_at}) WHERE id = ?",
            (row, row),
        )

    def remove_faces(self, row: int, faces: Faces) -> None:
        """Removes some faces of a look, which then answers nothing else; in a transaction."""
        self.database.executemany(
            f"DELETE FROM {self.schema}.face WHERE scan = ? AND frame = ? AND number = ?",
            zip([row] * len(faces), faces.frame.tolist(), faces.number.tolist(), strict=True),
        )
        self.update(row, forgotten=1)

    def content(self, row: int) -> str | None:
        """What the source of a look is known by; None in an index of before that was noted."""
        rows = self.database.fetch(f"SELECT content FROM {self.schema}.scan WHERE id = ?", (row,))
        return rows[0][0] if rows else None

    def replaced(self, path: Path, content: str) -> list[int]:
        """Looks through what lay in a source's place before."""
        rows = self.database.fetch(
            f"SELECT id FROM {self.schema}.scan WHERE path = ? AND content != ?",
            (as_text(path), content),
        )
        return [int(row) for (row,) in rows]

    def faces(self, row: int, sift: Request | None = None, since: int = 0) -> Faces:
        """Faces of a look, in the order of frames and numbers.

        Args:
            row: of the look.
            sift: only those of every so many frames, and of these sizes; None for all.
            since: only those of this frame and later ones.

        Raises:
            StoreError: the index is damaged.
        """
        return Faces.concatenate(list(self._parts(row, sift, since)))

    def blocks(self, row: int, sift: Request | None, least: int = BLOCK) -> Iterator[Faces]:
        """Faces of a look, in their order, some at a time: so many at least, and of whole shots.

        What a track is, never goes across the end of a block. Between two blocks the index may be
        written.

        Args:
            row: of the look.
            sift: see faces.
            least: faces in every block but the last one.

        Raises:
            StoreError: the index is damaged.
        """
        since: int | None = 0
        while since is not None:
            block, since = self._block(row, sift, since, least)
            if len(block):
                yield block

    def _block(
        self, row: int, sift: Request | None, since: int, least: int
    ) -> tuple[Faces, int | None]:
        """Faces from a frame on, and the frame that the next block begins with."""
        parts: list[Faces] = []
        count, last = 0, (-1, -1)
        with closing(self._parts(row, sift, since)) as read:
            for part in read:
                steps = np.diff(part.shot, prepend=last[0]) * np.diff(part.frame, prepend=last[1])
                begins = np.flatnonzero(steps)
                late = begins[begins + count >= least]
                if len(late):
                    parts.append(part.select(np.arange(late[0])))
                    return Faces.concatenate(parts), int(part.frame[late[0]])
                parts.append(part)
                count, last = count + len(part), (int(part.shot[-1]), int(part.frame[-1]))
        return Faces.concatenate(parts), None

    def _parts(self, row: int, sift: Request | None, since: int) -> Generator[Faces, None, None]:
        """Faces part by part: as Python's numbers one takes several times its arrays' memory."""
        where, values = self._sifted(row, sift)
        length = None
        with self.database.errors(self.schema):
            found = self.database.execute(
                f"SELECT {COLUMNS} FROM {self.schema}.face WHERE {where} AND frame >= ?"
                " ORDER BY frame, number",
                (*values, since),
            )
            with closing(found):
                while rows := found.fetchmany(_ROWS):
                    part = to_faces(rows, self.database.path)
                    if length not in (None, part.embedding.shape[1]):
                        raise StoreError(
                            f"{self.database.path} is damaged (embeddings of several lengths): "
                            "scan again into another folder"
                        )
                    length = part.embedding.shape[1]
                    yield part

    def count(self, row: int) -> int:
        """How many faces a look has."""
        (found,) = self.database.fetch(
            f"SELECT count(*) FROM {self.schema}.face WHERE scan = ?", (row,)
        )
        return int(found[0])

    def remove(self, row: int) -> None:
        """Removes a look and its faces; call it in a transaction."""
        for table in ("face", "segment"):
            self.database.execute(f"DELETE FROM {self.schema}.{table} WHERE scan = ?", (row,))
        self.database.execute(f"DELETE FROM {self.schema}.scan WHERE id = ?", (row,))

    def _sifted(self, row: int, sift: Request | None) -> tuple[str, tuple[float, ...]]:
        if sift is None:
            return "scan = ?", (row,)
        where, values = "scan = ? AND frame % ? = 0 AND size_px >= ?", (row, sift.every)
        if sift.largest_px is None:
            return where, (*values, sift.smallest_px)
        return f"{where} AND size_px <= ?", (*values, sift.smallest_px, sift.largest_px)

    def _scans(self, where: str, values: Sequence[Any] = ()) -> list[Seen]:
        rows = self.database.fetch(
            f"SELECT {_SCAN_COLUMNS} FROM {self.schema}.scan {where} ORDER BY id", values
        )
        try:
            return [_seen(each) for each in rows]
        except (ValueError, TypeError, RecursionError) as error:
            raise StoreError(
                f"{self.database.path} is damaged: choose another index, or remove it"
            ) from error


def _seen(row: Sequence[Any]) -> Seen:
    """A row of the table scan; ValueError, TypeError or RecursionError if it is none of ours."""
    number, detection, every, smallest_px, largest_px, path, width, height, *rest = row
    seconds, frames, origin, read, looked_at, damaged, warnings, computed, *flags = rest
    complete, forgotten = flags
    lines = json.loads(warnings)
    whole = (every, width or 0, height or 0, frames or 0, read, looked_at, damaged)
    broken = (smallest_px, largest_px or 0.0, seconds or 0.0)
    texts = (detection, path, computed or "")
    if (
        not all(type(each) is int and each >= 0 for each in whole)
        or not all(type(each) in (int, float) for each in broken)
        or not all(type(each) is str for each in (*texts, *lines))
        or type(lines) is not list
        or every < 1
        or type(origin or 0) is not int
    ):
        raise ValueError("no look of FaceGrab")
    return Seen(
        number,
        Request(detection, every, smallest_px, largest_px),
        path,
        width or 0,
        height or 0,
        seconds,
        frames,
        origin,
        read,
        looked_at,
        damaged,
        tuple(lines),
        computed or "",
        bool(complete),
        bool(forgotten),
    )
