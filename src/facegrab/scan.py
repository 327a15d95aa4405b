"""Scanning: a source in, batches of frames with every face in them out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from facegrab.follow import ALONE, Runs
from facegrab.models import compute
from facegrab.prefetch import POLL_SECONDS, prefetched
from facegrab.settings import ProcessSettings
from facegrab.types import Faces, Frame
from facegrab.vision.detect import Trail
from facegrab.vision.look import Look
from facegrab.vision.shots import Signature, signature

BATCH_BYTES = 32 * 2**20
"""Pixels of one batch, at most: 5 frames of 1080p. Larger ones gain nothing on a CPU."""
CUDA_BATCH_BYTES = 512 * 2**20
"""The same for a graphics card, which is kept busy by many frames at a time: 86 of 1080p, and 128,
the most that batch_size allows, up to 1440x960. Four such batches are 2 GB of the processor's
memory."""
BATCHES_BESIDE = 3
"""Batches alive at a time, besides one for each looker: one is being decoded, one waits for a
looker, and one is with the consumer. Wherever they are: more of them wait for lookers as long as
these have none, and fewer while the consumer commits. Were there no such bound, a long film would
come to more of them than a short one, because more often all wait for each other."""
LARGE_FRAME_BYTES = BATCH_BYTES // 2
"""More than that has a frame, as of 4K, that is a batch by itself on a CPU."""
LARGE_BATCHES_BESIDE = 1
"""The same where one large frame is a batch: there lookers wait for frames, and few are alive at
most times. A film ten times as long took 5 % more memory with three beside and takes 1 to 2 % more
with one, in the same time (an AMD EPYC; bench: 4k)."""

_NO_PIXELS = np.empty((0, 0, 3), np.uint8)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """A batch of frames of one segment and every face in them.

    Attributes:
        frames: in order.
        faces: of them all.
        signatures: of each frame, for the detection of shots.
        extracts: names of extracts that were cut out already and where they lie, or what is to be
            in their files; None if that is still to be done.
    """

    frames: tuple[Frame, ...]
    faces: Faces
    signatures: tuple[Signature, ...] = ()
    extracts: tuple[tuple[str, Path | bytes], ...] | None = None


def scan(
    frames: Iterable[Frame],
    look: Look,
    batch_size: int,
    lookers: int = 1,
    batch_bytes: int = BATCH_BYTES,
    runs: Runs = ALONE,
) -> Generator[Scanned, None, None]:
    """Looks at frames while a thread of its own decodes the next ones.

    What is found does not depend on the number of threads.

    Args:
        frames: in order; iterated in another thread.
        look: finds and describes the faces; called by several threads at once.
        batch_size: frames that go through together, at most.
        lookers: threads that look, each at a batch of its own.
        batch_bytes: pixels that go through together, at most.
        runs: which frames follow on each other.

    Yields:
        every batch, also those without a face, the short last one included, in order.

    Raises:
        whatever decoding or looking raises; the threads have ended then, as they have when the
        consumer stops early (close the generator).
    """
    chunked = chunks(frames, batch_size, batch_bytes)
    alive = lookers + BATCHES_BESIDE
    room = _Room(alive, BATCHES_BESIDE - LARGE_BATCHES_BESIDE)
    with prefetched(room.filled(chunked), alive) as batches, room, _pool(lookers) as pool:
        looking: deque[Future[Scanned]] = deque()
        for future in _submitted(pool, batches, look, runs):
            looking.append(future)
            if len(looking) > lookers:
                yield _result(looking.popleft())
                room.give_back()
        while looking:
            yield _result(looking.popleft())
            room.give_back()


def scan_as(
    frames: Iterable[Frame], look: Look, settings: ProcessSettings, *, pictures: bool
) -> Generator[Scanned, None, None]:
    """Looks at frames as settings ask for; see scan.

    Args:
        frames: in order.
        look: finds and describes the faces.
        settings: batch size, threads, device, and whether frames between are spared.
        pictures: they are those of a folder, which need not follow on each other.
    """
    batch_bytes = CUDA_BATCH_BYTES if settings.device == compute.CUDA else BATCH_BYTES
    runs = ALONE
    if look.can_follow and not pictures and not settings.full_scan:
        runs = Runs.of(settings.skip_frames)
    lookers = compute.lookers(settings.threads, settings.device)
    return scan(frames, look, settings.batch_size, lookers, batch_bytes, runs)


class _Room:
    """Room for so many batches; when the block ends nobody waits for it any more.

    Args:
        batches: how many.
        spared: so many less from the first large frame on that is a batch by itself.
    """

    def __init__(self, batches: int, spared: int) -> None:
        self._free = batches
        self._spared = spared
        self._changed = threading.Condition()
        self._closed = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def filled(self, batches: Iterator[tuple[Frame, ...]]) -> Iterator[tuple[Frame, ...]]:
        """The same batches, each made when there is room for it."""
        while self._taken():
            try:
                batch = next(batches)
            except StopIteration:
                return
            if self._spared and len(batch) == 1 and batch[0].image.nbytes > LARGE_FRAME_BYTES:
                self._narrow()
            yield batch
            del batch

    def give_back(self) -> None:
        """There is room for one more."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def _narrow(self) -> None:
        with self._changed:
            self._free -= self._spared
            self._spared = 0

    def _taken(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0 or self._closed)
            self._free -= 1
            return not self._closed


def _submitted(
    pool: ThreadPoolExecutor, batches: Iterator[tuple[Frame, ...]], look: Look, runs: Runs
) -> Iterator[Future[Scanned]]:
    """The batches, each handed to a looker; what decoding raises comes last, as a result."""
    last: Frame | None = None
    trail = Future[Trail | None]()
    while True:
        try:
            batch = next(batches, None)
        except Exception as error:  # noqa: BLE001 - raised behind the batches before it
            failed: Future[Scanned] = Future()
            failed.set_exception(error)
            yield failed
            return
        if batch is None:
            return
        follows = runs.follows(batch, last) if runs.length > 1 else []
        before, trail = trail, Future[Trail | None]()
        last = replace(batch[-1], image=_NO_PIXELS)
        future = pool.submit(_scanned, batch, look, follows, before, trail)
        future.add_done_callback(partial(_nothing_left, trail))
        del batch  # a name kept while waiting keeps 32 MB of frames
        yield future


def _scanned(
    batch: tuple[Frame, ...],
    look: Look,
    follows: Sequence[bool],
    before: Future[Trail | None],
    trail: Future[Trail | None],
) -> Scanned:
    """Looks at a batch.

    Args:
        batch: the frames.
        look: at them.
        follows: see Look.detected.
        before: what the batch before leaves; its looker, who began earlier, is waited for.
        trail: what this one does: there as soon as its faces are found.
    """
    try:
        known = before.result() if any(follows[:1]) else None
        found, left = look.detected(batch, follows, known)
        trail.set_result(left)
    except BaseException as error:
        trail.set_exception(error)
        raise
    faces = look.described(batch, found)
    return Scanned(batch, faces, tuple(signature(frame.image) for frame in batch))


def _nothing_left(trail: Future[Trail | None], look: Future[Scanned]) -> None:
    """Whoever waits for what a batch leaves waits for nothing if nobody looks at that any more.

    A pool that ends cancels what nobody has begun, one batch after the other; meanwhile a looker
    may take the next one.
    """
    if look.cancelled():
        trail.cancel()


@contextmanager
def _pool(lookers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that have ended when the block ends; what none of them has begun is not done."""
    pool = ThreadPoolExecutor(lookers, thread_name_prefix="facegrab-look")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[T]) -> T:
    while True:
        try:
            # Woken now and then, because a thread that waits for ever hears no Ctrl-C on Windows.
            return future.result(timeout=POLL_SECONDS)
        except FutureTimeoutError:
            if future.done():  # meanwhile, or it was the look's own error
                return future.result()


def chunks(
    frames: Iterable[Frame],
    batch_size: int,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[tuple[Frame, ...]]:
    """Frames in batches of at most batch_size and batch_bytes of pixels; the last may be short.

    A batch is of one segment.
    """
    batch: list[Frame] = []
    size_bytes = 0
    for frame in frames:
        if batch and frame.segment != batch[-1].segment:
            yield tuple(batch)
            batch, size_bytes = [], 0
        if batch and size_bytes + frame.image.nbytes > batch_bytes:
            yield tuple(batch)
            batch, size_bytes = [], 0
        batch.append(frame)
        size_bytes += frame.image.nbytes
        if len(batch) == batch_size:
            yield tuple(batch)
            batch, size_bytes = [], 0
    if batch:
        yield tuple(batch)
