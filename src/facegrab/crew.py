"""A crew: processes that each look through a segment, with the very results of one."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from facegrab.choice import Opener, choice_of
from facegrab.errors import DeviceError
from facegrab.harvest import cut
from facegrab.media import FrameReader, open_source
from facegrab.media.source import Source
from facegrab.models.compute import usable_cores
from facegrab.people.judge import Asked
from facegrab.question import Place, Question
from facegrab.scan import Scanned, scan_as
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.album import Album
from facegrab.types import Frame, Segment
from facegrab.vision.look import Eyes

_NO_PIXELS = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Orders:
    """What every process of a crew has to know.

    Attributes:
        process: how sources are read; with as many threads as one of the processes may use.
        recognition: how faces are compared.
        asked: who is asked for; None where nothing is cut out.
        folder: where what is cut out is put; None likewise.
        eyes: networks to use in place of those of the settings.
    """

    process: ProcessSettings
    recognition: RecognitionSettings
    asked: Asked | None = None
    folder: Path | None = None
    eyes: Eyes | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A segment to look through.

    Attributes:
        source: that it is of.
        start: where it begins.
        place: the source as the answers speak of it; None where nothing is cut out.
    """

    source: Source
    start: Segment
    place: Place | None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What was seen in a segment.

    Attributes:
        batches: frames without their pixels, faces, and what was cut out.
        following: where the next segment begins; None if there is none.
        frames_read: of the source, up to the segment's end.
        frames_damaged: of the source, up to there.
        origin: of the reader.
        warnings: of the reader.
        seconds: spent, by stage.
    """

    batches: tuple[Scanned, ...]
    following: Segment | None
    frames_read: int
    frames_damaged: int
    origin: int | None
    warnings: tuple[str, ...]
    seconds: dict[str, float]


class Crew:
    """Processes that look through segments; use it as a context manager.

    Args:
        jobs: how many.
        orders: what they have to know.
    """

    def __init__(self, jobs: int, orders: Orders) -> None:
        threads = max((orders.process.threads or usable_cores()) // jobs, 1)
        process = replace(orders.process, threads=threads)
        # Started anew, not forked: a fork takes the threads' locks along, but not the threads.
        self._pool = ProcessPoolExecutor(
            jobs,
            multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(replace(orders, process=process),),
        )
        self._jobs = jobs
        self._waiting: set[Future[Part]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # Nobody waits for what they are at; files that they leave are swept.
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def is_busy(self) -> bool:
        """Whether there is enough to do for all until something comes back."""
        self._waiting = {each for each in self._waiting if not each.done()}
        return len(self._waiting) >= 2 * self._jobs

    def see(self, task: Task) -> Future[Part]:
        """Has a segment looked through, when one of the processes comes to it."""
        future = self._pool.submit(_see, task)
        self._waiting.add(future)
        return future


def result(future: Future[Part]) -> Part:
    """What came of a segment.

    Raises:
        DeviceError: the process died.
        whatever looking raises.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise DeviceError(
            "a process of --jobs was ended from outside, perhaps for want of memory: run the same "
            "command again with fewer --jobs; it goes on where it stopped"
        ) from error


class Relay(FrameReader):
    """Stands in for a reader whose frames others read.

    Args:
        reader: of the source, which tells about it.
        start: where reading goes on.
    """

    def __init__(self, reader: FrameReader, start: Segment) -> None:
        super().__init__(reader.path, reader.every)
        self.width, self.height = reader.width, reader.height
        self.frame_count, self.duration_seconds = reader.frame_count, reader.duration_seconds
        self._segments = [start]
        self._warnings: list[str] = []
        self._origin: int | None = None
        self._behind: FrameReader | None = None

    def go_on(self, reader: FrameReader) -> None:
        """From here on a reader of this process reads, from the last segment begun."""
        self._behind = reader

    @property
    def frames_read(self) -> int:
        """See FrameReader."""
        return self._behind.frames_read if self._behind else super().frames_read

    @property
    def frames_damaged(self) -> int:
        """See FrameReader."""
        return self._behind.frames_damaged if self._behind else super().frames_damaged

    @property
    def origin(self) -> int | None:
        """See FrameReader."""
        return self._behind.origin if self._behind else self._origin

    @property
    def segments(self) -> tuple[Segment, ...]:
        """See FrameReader."""
        own = super().segments
        return own if self._behind is None else (*own[:-1], *self._behind.segments)

    def take(self, part: Part) -> None:
        """A segment was looked through."""
        if part.following is not None:
            self._segments.append(part.following)
        self._tally.read, self._tally.damaged = part.frames_read, part.frames_damaged
        self._warnings = list(part.warnings)
        self._origin = part.origin

    @property
    def warnings(self) -> list[str]:
        """What went wrong so far, one line each."""
        return self._behind.warnings if self._behind else self._warnings

    def close(self) -> None:
        """There is nothing to close."""


class _Worker:
    """What a process keeps from one segment to the next."""

    def __init__(self, orders: Orders) -> None:
        self._process = orders.process
        choice = choice_of(orders.recognition, orders.process, orders.eyes)
        self._look = Opener(choice, orders.process, orders.eyes)()
        self._question, self._album = None, None
        if orders.asked is not None and orders.folder is not None:
            self._question = Question(orders.asked, choice, orders.process)
            self._album = Album(orders.folder)

    def see(self, task: Task) -> Part:
        process = self._process
        self._look.seconds.clear()
        every, device = process.skip_frames + 1, process.device
        with open_source(task.source, every, device, task.start, only=True) as reader:
            frame_bytes = None if task.source.images else reader.frame_bytes
            with closing(scan_as(reader, self._look, process, frame_bytes)) as batches:
                seen = tuple(self._cut(batches, task.place))
            following = reader.segments[1] if len(reader.segments) > 1 else None
            return Part(
                seen,
                following,
                reader.frames_read,
                reader.frames_damaged,
                reader.origin,
                tuple(reader.warnings),
                dict(self._look.seconds),
            )

    def _cut(self, batches: Iterator[Scanned], place: Place | None) -> Iterator[Scanned]:
        for scanned in batches:
            extracts = None
            if self._question and self._album and place:
                names, _ = cut(self._question, place, scanned.frames, scanned.faces, self._album)
                extracts = tuple(self._album.leave(names).items())
            frames = tuple(
                Frame(each.index, each.pts_seconds, _NO_PIXELS, each.segment)
                for each in scanned.frames
            )
            yield replace(scanned, frames=frames, extracts=extracts)


_worker: _Worker | None = None


def _begin(orders: Orders) -> None:
    global _worker  # noqa: PLW0603 - one a process
    # Ctrl-C in a terminal goes to all processes; the first one says what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = _Worker(orders)


def _see(task: Task) -> Part:
    assert _worker is not None
    return _worker.see(task)
