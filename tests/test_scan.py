"""Batches: every frame once, in order, decoded ahead by a thread that always ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from fakes import our_threads, painted_eyes, scene
from hypothesis import given
from hypothesis import strategies as st

from facegrab import prefetch
from facegrab import scan as scanning
from facegrab.follow import Runs
from facegrab.prefetch import prefetched
from facegrab.scan import BATCH_BYTES, Scanned, chunks, scan
from facegrab.types import Detections, Frame, Image
from facegrab.vision.detect import Trail
from facegrab.vision.feed import Feed, Wanted
from facegrab.vision.look import Look


def blank(size: int) -> Image:
    """An image of size x 1000 pixels, of any size without memory."""
    return np.broadcast_to(np.uint8(0), (size, 1000, 3))


@given(
    st.lists(st.integers(1, BATCH_BYTES // 3000 * 2), max_size=60),
    st.integers(2, 128),
)
def test_chunks_hold_every_frame_once_in_order_and_bounded(
    sizes: list[int], batch_size: int
) -> None:
    frames = [Frame(index, index / 25, blank(size)) for index, size in enumerate(sizes)]
    batches = list(chunks(frames, batch_size))
    assert [frame for batch in batches for frame in batch] == frames
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or sum(f.image.nbytes for f in batch) <= BATCH_BYTES
    # No batch is shorter than it has to be: the next frame did not fit.
    for batch, following in pairwise(batches):
        fits = sum(f.image.nbytes for f in (*batch, following[0])) <= BATCH_BYTES
        assert len(batch) == batch_size or not fits


def test_the_last_short_chunk_is_there() -> None:
    frames = [Frame(index, 0.0, blank(1)) for index in range(10)]
    assert [len(batch) for batch in chunks(frames, 4)] == [4, 4, 2]
    assert list(chunks([], 4)) == []


def look() -> Look:
    return Look(painted_eyes(), Wanted(0.5, extract_size=64))


def painted(count: int) -> Iterator[Frame]:
    for index in range(count):
        yield Frame(index, index / 25, scene(red=(10 + index, 20)))


def test_every_batch_comes_also_without_a_face() -> None:
    frames = [Frame(index, 0.0, scene()) for index in range(5)]
    batches = list(scan(frames, look(), 2))
    assert [len(batch.frames) for batch in batches] == [2, 2, 1]
    assert [len(batch.faces) for batch in batches] == [0, 0, 0]


def test_faces_tell_their_frame() -> None:
    batches: list[Scanned] = list(scan(painted(5), look(), 2))
    assert [batch.faces.frame.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    assert batches[2].faces.pts_seconds.tolist() == [4 / 25]


class TestPrefetched:
    def test_the_same_items_in_order(self) -> None:
        with prefetched(range(100)) as items:
            assert list(items) == list(range(100))

    def test_items_are_made_by_another_thread_one_ahead(self) -> None:
        ahead = threading.Event()
        makers = set()

        def items() -> Iterator[int]:
            makers.add(threading.current_thread())
            yield 0
            ahead.set()
            yield 1

        with prefetched(items()) as made:
            assert next(made) == 0
            assert ahead.wait(10)  # made while nobody asked for it
            assert list(made) == [1]
        assert threading.current_thread() not in makers

    def test_no_more_than_two_items_wait(self) -> None:
        made = 0

        def items() -> Iterator[int]:
            nonlocal made
            while made < 1000:
                made += 1
                yield made

        with prefetched(items()) as batches:
            for taken in range(1, 50):
                assert next(batches) == taken
                # One in the queue, one in the thread's hand.
                assert made <= taken + 2

    @pytest.mark.parametrize("lookers", [1, 3])
    @pytest.mark.parametrize("large", [False, True])
    def test_batches_alive_are_bounded(
        self, monkeypatch: pytest.MonkeyPatch, lookers: int, large: bool
    ) -> None:
        """However slow the consumer is: it waits until there are as many as may be."""
        beside = scanning.BATCHES_BESIDE
        if large:
            monkeypatch.setattr(scanning, "LARGE_FRAME_BYTES", 0)
            beside = scanning.LARGE_BATCHES_BESIDE
        room, made, done, most = lookers + beside, 0, 0, 0
        changed = threading.Condition()

        def frames() -> Iterator[Frame]:
            nonlocal made, most
            for frame in painted(40):
                with changed:
                    made += 1
                    most = max(most, made - done)
                    changed.notify_all()
                yield frame

        for _ in scan(frames(), look(), 1, lookers):
            with changed:
                while made < min(done + room, 40):
                    assert changed.wait(timeout=10)
                done += 1
        assert most == room

    def test_an_error_comes_after_the_items_before_it(self) -> None:
        def items() -> Iterator[int]:
            yield 1
            raise OSError("the disk is gone")

        with prefetched(items()) as made:
            assert next(made) == 1
            with pytest.raises(OSError, match="the disk is gone"):
                next(made)
        assert our_threads() == []

    def test_the_thread_ends_when_the_consumer_raises(self) -> None:
        with pytest.raises(ZeroDivisionError), prefetched(iter(range(10**9))) as made:
            1 / next(made)
        assert our_threads() == []

    def test_the_thread_ends_when_a_scan_is_closed(self) -> None:
        with closing(scan(painted(50), look(), 2)) as batches:
            next(batches)
            assert sorted(our_threads()) == ["facegrab-decode", "facegrab-look_0"]
        assert our_threads() == []

    def test_ctrl_c_while_waiting_ends_the_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: object) -> Iterator[int]:
            raise KeyboardInterrupt
            yield 0

        monkeypatch.setattr(prefetch, "_drain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(scan(painted(50), look(), 2))
        assert our_threads() == []


class Following:
    """Sees one face whose score says how many frames ago all of a frame was looked at.

    Args:
        fails_at: frame that it cannot look at.
    """

    smallest_px, longest_fed_px = 20, 1000

    def __init__(self, fails_at: int | None = None) -> None:
        self._fails_at = fails_at

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        return self.following(images, feeds, [False] * len(images))[0]

    def following(
        self,
        images: Sequence[Image],
        feeds: Sequence[Feed],
        follows: Sequence[bool],
        before: Trail | None = None,
    ) -> tuple[list[Detections], Trail]:
        found: list[Detections] = []
        for image, follow in zip(images, follows, strict=True):
            if image[0, 0, 0] == self._fails_at:
                raise RuntimeError("no look at this one")
            ago = before.found.score[0] + 1 if follow and before else 0
            box = np.array([[30, 20, 69, 59]], np.float32)
            found.append(Detections.without_points(box, np.array([ago], np.float32)))
            before = Trail((90, 120), image, found[-1])
        assert before is not None
        return found, before


def numbered(count: int) -> Iterator[Frame]:
    """Frames that show their number, 60 to a segment."""
    for index in range(count):
        yield Frame(index, index / 25, np.full((90, 120, 3), index, np.uint8), index // 60)


def following(fails_at: int | None = None) -> Look:
    return Look(replace(painted_eyes(), detector=Following(fails_at)), Wanted(min_face=20))


@pytest.mark.parametrize("lookers", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [2, 3, 28, 100])
def test_a_batch_goes_on_where_the_one_before_it_ended(lookers: int, batch_size: int) -> None:
    batches = scan(numbered(130), following(), batch_size, lookers, runs=Runs(1, 28))
    score = np.concatenate([each.faces.score for each in batches])
    # From the last multiple of 28, or the segment's beginning.
    expected = [frame - max(frame // 28 * 28, frame // 60 * 60) for frame in range(130)]
    assert score.tolist() == expected


@pytest.mark.parametrize("lookers", [1, 4])
def test_who_waits_for_a_look_that_fails_ends_too(lookers: int) -> None:
    seen: list[Frame] = []
    batches = scan(numbered(200), following(31), 4, lookers, runs=Runs(1, 28))
    with pytest.raises(RuntimeError, match="no look at this one"):
        seen.extend(frame for each in batches for frame in each.frames)
    assert [frame.index for frame in seen] == list(range(28))
    assert our_threads() == []


class Idle:
    """A pool whose threads begin nothing."""

    def __init__(self) -> None:
        self.given: list[tuple[Any, ...]] = []

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        self.given.append(arguments)
        return Future()


def test_who_waits_for_a_look_that_is_cancelled_ends_too() -> None:
    """When a scan is ended a looker may take a batch behind one that was cancelled."""
    pool = Idle()
    batches = chunks(numbered(8), 4)
    first, _ = scanning._submitted(pool, batches, following(), Runs(1, 28))  # type: ignore[arg-type]
    assert first.cancel()
    before: Future[Any] = pool.given[1][3]
    assert before.done()
    with pytest.raises(CancelledError):
        scanning._scanned(*pool.given[1])
