"""Decoding before the run: the same frames, in order, and every thread ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import CLIP_FRAMES, contents, our_threads, painted_eyes

from facegrab import FaceGrab, ProcessSettings
from facegrab.early import Early, begun
from facegrab.errors import DeviceError, GalleryError, MediaError
from facegrab.media import FrameReader, open_source
from facegrab.media.source import Source, find_sources
from facegrab.types import Frame

EVERY_4 = ProcessSettings(skip_frames=3, batch_size=2, scale=0.5, extract_size=64)


def source_of(path: Path) -> Source:
    (source,) = find_sources([str(path)])
    return source


def test_the_frames_are_those_of_the_source(clip: Path) -> None:
    with ExitStack() as stack, Early(source_of(clip), EVERY_4) as early:
        taken = early.take(source_of(clip), stack)
        assert taken is not None
        reader, frames = taken
        assert [frame.index for frame in frames] == list(range(0, CLIP_FRAMES, 4))
        assert reader.frames_read == CLIP_FRAMES
        assert early.seconds > 0
    assert our_threads() == []


def test_nobody_waits_while_it_is_opened(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_open = threading.Event()

    def open_late(*arguments: Any, **options: Any) -> FrameReader:
        assert may_open.wait(10)
        return open_source(*arguments, **options)

    monkeypatch.setattr("facegrab.early.open_source", open_late)
    with ExitStack() as stack, Early(source_of(clip), EVERY_4) as early:
        may_open.set()
        taken = early.take(source_of(clip), stack)
        assert taken is not None
        assert next(taken[1]).index == 0
    assert our_threads() == []


def blank(index: int) -> Frame:
    return Frame(index, index / 25, np.zeros((10, 10, 3), np.uint8))


def test_no_more_are_made_than_there_is_room_for() -> None:
    made = threading.Semaphore(0)

    def frames() -> Iterator[Frame]:
        for index in range(50):
            made.release()
            yield blank(index)

    with begun(frames(), 1000) as ahead:
        for _ in range(4):  # of 300 bytes each: the fourth one fills it
            assert made.acquire(timeout=10)
        assert [frame.index for frame in ahead] == list(range(50))
    assert our_threads() == []


def test_what_fails_early_fails_in_its_turn() -> None:
    def frames() -> Iterator[Frame]:
        yield blank(0)
        yield blank(1)
        raise MediaError("cut off")

    with begun(frames(), 10**6) as ahead:
        assert [next(ahead).index, next(ahead).index] == [0, 1]
        with pytest.raises(MediaError, match="cut off"):
            next(ahead)
    assert our_threads() == []


def test_it_is_taken_once_and_by_its_own_source_only(clip: Path, red: Path) -> None:
    with ExitStack() as stack, Early(source_of(clip), EVERY_4) as early:
        assert early.take(source_of(red), stack) is None
        assert early.take(source_of(clip), stack) is not None
        assert early.take(source_of(clip), stack) is None


def test_who_takes_it_closes_it(clip: Path) -> None:
    stack = ExitStack()
    with Early(source_of(clip), EVERY_4) as early:
        taken = early.take(source_of(clip), stack)
        assert taken is not None
    assert next(taken[1]).index == 0  # still open
    stack.close()
    assert our_threads() == []


def test_what_nobody_takes_is_closed(clip: Path) -> None:
    with pytest.raises(GalleryError), Early(source_of(clip), EVERY_4):
        raise GalleryError("no usable face in any reference")
    assert our_threads() == []


def test_a_run_gives_the_same_files_with_it(clip: Path, red: Path, tmp_path: Path) -> None:
    for name in ("with", "without"):
        grab = FaceGrab(red, process=EVERY_4, eyes=painted_eyes())
        with Early(source_of(clip), EVERY_4) as early:
            first = early if name == "with" else None
            summary = grab.process(clip, tmp_path / name, early=first)
        assert summary.frames_looked_at == -(-CLIP_FRAMES // 4)
    assert contents(tmp_path / "with") == contents(tmp_path / "without")


def test_a_source_that_does_not_open_is_left_to_the_run(tmp_path: Path, red: Path) -> None:
    (broken := tmp_path / "broken.mp4").write_bytes(b"no video at all")
    grab = FaceGrab(red, process=EVERY_4, eyes=painted_eyes())
    with Early(source_of(broken), EVERY_4) as early, pytest.raises(MediaError, match="broken"):
        grab.process(broken, tmp_path / "out", early=early)


def test_what_else_goes_wrong_is_told_where_it_is_taken(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks_a_library(*_: object, **__: object) -> None:
        raise DeviceError("not installed")

    monkeypatch.setattr("facegrab.early.open_source", lacks_a_library)
    with Early(source_of(clip), EVERY_4) as early, pytest.raises(DeviceError, match="installed"):
        early.take(source_of(clip), ExitStack())
    assert our_threads() == []
