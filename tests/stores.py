"""Small stores of random faces for tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from facegrab.store.answers import Answers, Extract, Rows
from facegrab.store.database import OWN, Database
from facegrab.store.index import Index, Request, SegmentRow
from facegrab.types import Faces

SETTINGS = {"tolerance": 0.6, "references": "abc"}
ASKED = Request('{"detector": "painted"}', 7, 64.0)


def rows_of(source: int, faces: Faces) -> Rows:
    """Every face of a source with an extract."""
    count = len(faces)
    return Rows(
        source,
        faces,
        np.full(count, 0.5, np.float32),
        np.ones(count, np.int64),
        np.zeros(count, np.bool_),
        [None] * count,
        [Extract(row, "mean-face-256", f"{source}-{row}.jpg", 256, 0.5) for row in range(count)],
    )


def segment(number: int, following: int | None = None, *, whole: bool = True) -> SegmentRow:
    """A segment that says nothing but its number and which one follows."""
    return SegmentRow(number, str(number), None if following is None else str(following), 3, "s",
                      whole)  # fmt: skip


def add_scan(
    index: Index,
    faces: Faces,
    content: str = "abc",
    asked: Request = ASKED,
    path: str = "/a.mp4",
    *,
    complete: bool = True,
) -> int:
    """A look through a source of one segment."""
    with index.database.transaction():
        row = index.begin(content, asked, Path(path))
        index.add(row, segment(0), faces, [None] * len(faces))
        index.update(row, complete=int(complete), frames_looked_at=3)
    return row


@contextmanager
def indexed(path: Path) -> Iterator[Index]:
    """The index of a file."""
    with Database(path) as database:
        yield Index(database)


@contextmanager
def answered(path: Path, settings: dict[str, Any] = SETTINGS) -> Iterator[Answers]:
    """The answers of a file that is an index, too."""
    with Database(path) as database:
        yield Answers(database, OWN, settings)


def write(path: Path, faces: Faces) -> int:
    """A file of a look through a.mp4, with an extract of every face; the source's row."""
    with Database(path) as database:
        scan = add_scan(Index(database), faces)
        answers = Answers(database, OWN, SETTINGS)
        with database.transaction():
            row = answers.enter("abc", Path("/a.mp4"), "a", ASKED, scan).row
            answers.put(rows_of(row, faces))
    return row


def assert_same(one: Faces, other: Faces) -> None:
    """To the last bit."""
    for field in fields(Faces):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, err_msg=field.name)


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a file answers."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def change(path: Path, sql: str) -> None:
    """Changes a file behind FaceGrab's back."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(sql)


def dump(path: Path) -> list[str]:
    """All that a file holds, as text."""
    with closing(sqlite3.connect(path)) as database:
        return [*database.iterdump(), str(database.execute("PRAGMA user_version").fetchone())]
