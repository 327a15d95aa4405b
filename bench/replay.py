"""An engine that looks once and shows the same again and again: the rest is the driver's work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Self

from facegrab.question import Place
from facegrab.scan import Scanned
from facegrab.store.album import Tray
from facegrab.task import NO_PIXELS, Orders, Part, Task, Worker
from facegrab.types import Frame, Segment


class Replay:
    """Looks at the first segment; of each other it says the very same, later by their distance.

    See Engine.

    Args:
        orders: what there is to know.
    """

    def __init__(self, orders: Orders) -> None:
        orders = replace(orders, folder=None)
        self._every = orders.process.skip_frames + 1
        self._worker = Worker(orders, tray=Tray())
        self._tasks: dict[Future[Part], Task] = {}
        self._planned: dict[str, list[Segment]] = {}
        self._first: tuple[Task, Part] | None = None
        self.began = 0.0
        """When the second segment was asked for: the first one is looked at."""
        self.own_seconds = 0.0
        """Spent here since then, which workers would spend."""
        self.segments = self.faces = self.extracts = 0
        """Handed out since then."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tasks.clear()

    @property
    def is_busy(self) -> bool:
        """There is always something to do."""
        return True

    @property
    def part(self) -> Part:
        """What was seen in the first segment."""
        assert self._first is not None
        return self._first[1]

    def ready(self) -> None:
        """It always is."""

    def see(self, task: Task) -> Future[Part]:
        """Notes a segment."""
        future = Future[Part]()
        self._tasks[future] = task
        self._planned.setdefault(task.content, []).append(task.start)
        return future

    def take(self, future: Future[Part]) -> Part:
        """What is said to be seen in it."""
        task = self._tasks.pop(future)
        if self._first is None:
            self._first = task, self._worker.see(task)
            return self._first[1]
        start = time.perf_counter()
        self.began = self.began or start
        part = self._shifted(task)
        self.segments += 1
        self.faces += sum(len(batch.faces) for batch in part.batches)
        self.extracts += sum(len(batch.extracts or ()) for batch in part.batches)
        self.own_seconds += time.perf_counter() - start
        return part

    def drop(self, future: Future[Part]) -> None:
        """Nobody waits for it."""
        self._tasks.pop(future, None)

    def _shifted(self, task: Task) -> Part:
        assert self._first is not None
        first, part = self._first
        later = [each for each in self._planned[task.content] if each.number > task.start.number]
        frames = task.start.first_frame - first.start.first_frame
        frames += -frames % self._every
        end = later[0].first_frame if later else 2**62
        there = [batch for batch in part.batches if batch.frames[-1].index + frames < end]
        moved = [_moved(batch, task, frames) for batch in there]
        if moved and first.place and task.place:
            names = _renamed(there, first.place, moved, task.place)
            images = part.batches[-1].extracts or ()
            given = tuple((names[name], image) for name, image in images if name in names)
            moved[-1] = replace(moved[-1], extracts=given)
        return Part(
            tuple(moved),
            later[0] if later else None,
            later[0].frames_read if later else task.start.frames_read + part.frames_read,
            0, task.start.origin, (), {},
        )  # fmt: skip


def _moved(batch: Scanned, task: Task, frames: int) -> Scanned:
    """The batch, so many frames later."""
    seconds = frames / 25
    faces = replace(
        batch.faces,
        frame=batch.faces.frame + frames,
        pts_seconds=batch.faces.pts_seconds + seconds,
    )
    shown = (
        Frame(each.index + frames, each.pts_seconds + seconds, NO_PIXELS, task.start.number)
        for each in batch.frames
    )
    return replace(batch, faces=faces, frames=tuple(shown))


def _renamed(
    first: Sequence[Scanned], first_place: Place, moved: Sequence[Scanned], place: Place
) -> dict[str, str]:
    """What each of the first segment's images is called in another one."""
    return {
        first_place.name(one.faces, row): place.name(other.faces, row)
        for one, other in zip(first, moved, strict=True)
        for row in range(len(one.faces))
    }
