"""A crew: processes that each look through a segment, with the very results of one."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Self

from facegrab.cores import usable_cores
from facegrab.errors import DeviceError
from facegrab.memory import in_own_process
from facegrab.task import Orders, Part, Task, Worker


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

    def ready(self) -> None:
        """They begin when there is something to do."""

    def see(self, task: Task) -> Future[Part]:
        """Has a segment looked through, when one of the processes comes to it."""
        future = self._pool.submit(_see, task)
        self._waiting.add(future)
        return future

    def take(self, future: Future[Part]) -> Part:
        """What came of a segment, see Engine.

        Raises:
            DeviceError: the process died.
            whatever looking raises.
        """
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise DeviceError(
                "a process of --jobs was ended from outside, perhaps for want of memory: run the "
                "same command again with fewer --jobs; it goes on where it stopped"
            ) from error

    def drop(self, future: Future[Part]) -> None:
        """Nobody waits for a segment any more."""
        future.cancel()


_worker: Worker | None = None


def _begin(orders: Orders) -> None:
    global _worker  # noqa: PLW0603 - one a process
    # Ctrl-C in a terminal goes to all processes; the first one says what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    in_own_process()
    _worker = Worker(orders)


def _see(task: Task) -> Part:
    assert _worker is not None
    return _worker.see(task)
