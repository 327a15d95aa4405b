"""The engine of a run that has none: it looks through a segment when it is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Self

from facegrab.task import Orders, Part, Task, Worker
from facegrab.vision.look import Look


class Alone:
    """Looks through segments in this process, one after the other; see Engine.

    Args:
        orders: what there is to know.
        look: opens the networks.
    """

    def __init__(self, orders: Orders, look: Callable[[], Look]) -> None:
        self._orders = orders
        self._open = look
        self._worker: Worker | None = None
        self._tasks: dict[Future[Part], Task] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._tasks.clear()

    @property
    def is_busy(self) -> bool:
        """There is nobody for whom more would have to be begun."""
        return True

    def ready(self) -> None:
        """It always is."""

    def see(self, task: Task) -> Future[Part]:
        """Notes what is to be looked through."""
        future = Future[Part]()
        self._tasks[future] = task
        return future

    def take(self, future: Future[Part]) -> Part:
        """Looks through a segment.

        Raises:
            whatever looking raises.
        """
        self._worker = self._worker or Worker(self._orders, self._open())
        return self._worker.see(self._tasks.pop(future))

    def drop(self, future: Future[Part]) -> None:
        """Nobody waits for a segment any more."""
        self._tasks.pop(future, None)
