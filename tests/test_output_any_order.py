"""Whatever is done to an output folder in whatever order, and killed, index and folder agree."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from fakes import query, random_faces
from hypothesis import given, settings
from hypothesis import strategies as st
from stopped import in_memory

from facegrab.store.answers import Answers, Extract, Rows
from facegrab.store.database import Database
from facegrab.store.index import Request, SegmentRow
from facegrab.store.origin import Origin
from facegrab.store.output import Output
from facegrab.types import Faces

ASKED = Request("painted", 1, 20)
SOURCES = ("one", "two")
FRAMES = 2
"""Of a segment, with two faces each."""

FILMS = Path("/films")

Tables: TypeAlias = dict[str, list[tuple[Any, ...]]]


def origin(file: str) -> Origin:
    box, points = np.zeros(4, np.float32), np.zeros((68, 2), np.float32)
    matrix = np.zeros((2, 3))
    return Origin(
        "film", 0, 0.0, None, box, points[:5], points, matrix, file, 8, 1.0, "d", "r", 0.1, 9.0
    )


class Folder:
    """An output folder that is used as runs use it, one source at a time, without their order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.output = Output(path, {"tolerance": 0.6})

    def close(self) -> None:
        self.output.__exit__()

    def reopen(self) -> None:
        self.close()
        self.output = Output(self.path, {"tolerance": 0.6})

    def look(self, name: str) -> int:
        """The row of the look through a source, which begins if it has not."""
        seen = self.output.index.find(name, ASKED)
        return (seen or self.output.begin(name, ASKED, FILMS / name, width=8)).row

    def enter(self, name: str, content: str = "") -> int:
        """The row of a source, or of what lies in its place now."""
        content = content or name
        scan = self.look(content)
        return self.output.enter(content, FILMS / name, name, ASKED, scan).row

    def commit(self, name: str, kept: int, *, whole: bool) -> None:
        """A segment, with images of which some are kept."""
        scan, row = self.look(name), self.enter(name)
        segments = self.output.index.segments(scan)
        if segments and not segments[-1].whole:
            return
        number = len(segments)
        faces = segment_faces(number)
        extracts = [self._write(name, faces, face, label) for face in range(4) for label in "ab"]
        wanted = [each for place, each in enumerate(extracts) if kept >> place & 1]
        segment = SegmentRow(number, "{}", None, FRAMES, "{}", whole)
        index = self.output.index
        self.output.commit(
            rows_of(row, faces, wanted),
            more=lambda: index.add(scan, segment, faces, [None] * len(faces)),
        )

    def _write(self, name: str, faces: Faces, face: int, label: str) -> Extract:
        file = f"{label}/{name}_{faces.frame[face]}_{faces.number[face]}.png"
        self.output.write(file, np.zeros((8, 8, 3), np.uint8), origin(file))
        return Extract(face, label, file, 8, 1.0)

    def answer(self, name: str, kept: int) -> None:
        """Other images than before: some go, some come."""
        row, faces = self.enter(name), self.output.index.faces(self.look(name))
        have = self.output.extracts_of(row, 0, 2**40)
        keys = [(face, label) for face in range(len(faces)) for label in "ab"]
        wanted = {keys[n] for n in range(len(keys)) if kept >> n % 16 & 1}
        rows = rows_of(row, faces, [])
        key_of = {(*rows.key(face), label): (face, label) for face, label in keys}
        self.output.commit(
            rows, gone=[file for key, file in have.items() if key_of[key] not in wanted]
        )
        missing = [
            (face, label)
            for key, (face, label) in key_of.items()
            if (face, label) in wanted and key not in have
        ]
        extracts = [self._write(name, faces, face, label) for face, label in missing]
        self.output.commit(rows_of(row, faces, extracts))
        self.output.finish(row)

    def forget(self, name: str) -> None:
        """The last segment."""
        scan = self.look(name)
        segments = self.output.index.segments(scan)
        if segments:
            number = segments[-1].number
            self.output.forget_from(scan, name, number, FRAMES * number)

    def drop(self, name: str) -> None:
        """Images that are handed over and not committed."""
        self._write(name, segment_faces(99), 0, "a")
        self.output.drop()


def segment_faces(number: int) -> Faces:
    faces = random_faces(2 * FRAMES, seed=number)
    return replace(faces, frame=faces.frame + FRAMES * number)


def rows_of(source: int, faces: Faces, extracts: list[Extract]) -> Rows:
    count = len(faces)
    within, no = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    return Rows(source, faces, within.astype(np.float32), within, no, [None] * count, extracts)


names = st.sampled_from(SOURCES)
some = st.integers(0, 2**16 - 1)
# What it is called, and its arguments.
actions = st.one_of(
    st.tuples(st.just("commit"), names, some, st.booleans()),
    st.tuples(st.just("answer"), names, some),
    st.tuples(st.just("forget"), names),
    st.tuples(st.just("replace"), names),
    st.tuples(st.just("drop"), names),
    st.tuples(st.just("reopen")),
)


def act(folder: Folder, action: tuple[Any, ...]) -> None:
    kind, *rest = action
    if kind == "commit":
        folder.commit(rest[0], rest[1], whole=rest[2])
    elif kind == "replace":  # another film in the place of the one before
        folder.enter(rest[0], f"{rest[0]} replaced")
        folder.enter(rest[0])
    else:
        getattr(folder, kind)(*rest)


@contextmanager
def snapshot_at(step: int, folder: Path, copy: Path) -> Iterator[Callable[[], bool]]:
    """Copies a folder as it is at a step: that is what a process leaves that is killed there.

    Yields:
        tells whether it came to the step.
    """
    counted = itertools.count(1)
    taken = False

    def happen() -> None:
        nonlocal taken
        if threading.current_thread() is threading.main_thread() and next(counted) == step:
            shutil.copytree(folder, copy)
            taken = True

    def hooked(owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            happen()
            value = real(*arguments, **options)
            happen()
            return value

        patch.setattr(owner, name, call)

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in [
            (Path, "replace"), (Path, "unlink"), (os, "fsync"), (Database, "execute"),
            (Database, "executemany"), (Answers, "announce"), (Answers, "put"), (Answers, "files"),
        ]:  # fmt: skip
            hooked(owner, name)
        yield lambda: taken


def tables(folder: Path) -> Tables:
    return {
        name: sorted(query(folder, f"SELECT * FROM {name}"), key=repr)
        for name in ("scan", "segment", "face", "source", "outcome", "extract")
    }


def assert_agree(folder: Path) -> None:
    """Every image has its row, every row its image, and nothing else lies about."""
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    files = {file for (file,) in query(folder, "SELECT file FROM extract")}
    assert there == files | {"facegrab.db"}
    assert not query(folder, "SELECT file FROM coming")


def opened(path: Path) -> None:
    """The next run comes, and has nothing to do."""
    folder = Folder(path)
    assert folder.output.index.scans() is not None
    folder.close()


@settings(max_examples=50)
@given(st.lists(st.tuples(actions, st.integers(0, 60)), min_size=1, max_size=8))
def test_index_and_folder_agree(steps: list[tuple[tuple[Any, ...], int]]) -> None:
    """After whatever was done, and after a kill as soon as the next run has opened the folder."""
    with in_memory() as room:
        path = room / "0"
        for number, (action, step) in enumerate(steps, 1):
            folder, copy = Folder(path), room / str(number)
            with snapshot_at(step, path, copy) as killed:
                act(folder, action)
            folder.close()
            if not (path / "facegrab.db").exists():
                continue
            assert_agree(path)
            if killed():
                path = copy
                opened(path)
                assert_agree(path)


@settings(max_examples=50)
@given(st.lists(actions, max_size=4), names, some, st.booleans(), st.integers(1, 60))
def test_a_segment_is_there_whole_or_not_at_all(
    before: list[tuple[Any, ...]], name: str, kept: int, whole: bool, step: int
) -> None:
    with in_memory() as room:
        folder, copy = Folder(room / "a"), room / "b"
        for action in before:
            act(folder, action)
        folder.enter(name)
        folder.close()
        old = tables(folder.path)
        folder = Folder(folder.path)
        with snapshot_at(step, folder.path, copy) as killed:
            folder.commit(name, kept, whole=whole)
        folder.close()
        new = tables(folder.path)
        if killed():
            opened(copy)
            assert_agree(copy)
            assert tables(copy) in (old, new)


@pytest.mark.parametrize(
    "action", [("answer", "one", 0x0F0F), ("forget", "one"), ("replace", "one")]
)
def test_killed_at_every_step_of_what_removes_images(action: tuple[Any, ...]) -> None:
    with in_memory() as room:
        folder = Folder(room / "a")
        folder.commit("one", 0x3C3C, whole=True)
        folder.close()
        for step in itertools.count(1):
            place, copy = room / f"{step}", room / f"{step} killed"
            shutil.copytree(room / "a", place)
            folder = Folder(place)
            with snapshot_at(step, place, copy) as killed:
                act(folder, action)
            folder.close()
            if not killed():
                break
            opened(copy)
            assert_agree(copy)
        assert step > 20
        assert_agree(place)
