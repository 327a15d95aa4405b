"""Items made ahead by a thread of their own, which always ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TypeVar

POLL_SECONDS = 0.1
"""Who waits is woken as often, because a thread that waits for ever hears no Ctrl-C on Windows."""

T = TypeVar("T")


@contextmanager
def prefetched(items: Iterable[T], ahead: int = 1) -> Iterator[Iterator[T]]:
    """The same items, made ahead by a thread that has ended when the block ends.

    Args:
        items: iterated in the thread.
        ahead: how many wait at most; one more is being made.
    """
    queue: Queue[T | _End] = Queue(maxsize=ahead)
    stop = threading.Event()

    def put(item: T | _End) -> bool:
        while not stop.is_set():
            try:
                queue.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
            return True
        return False

    def fill() -> None:
        try:
            for item in items:
                if not put(item):
                    return
                del item
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer
            put(_End(error))
        else:
            put(_End(None))

    thread = threading.Thread(target=fill, name="facegrab-decode", daemon=True)
    try:
        thread.start()
        yield _drain(queue)
    finally:
        stop.set()
        join(thread)


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def join(thread: threading.Thread) -> None:
    """Waits for the thread whatever comes: its source is closed next, which it may be reading."""
    interrupted = False
    while thread.is_alive():
        try:
            thread.join(POLL_SECONDS)
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt


def _drain(queue: Queue[T | _End]) -> Iterator[T]:
    while True:
        try:
            # Woken now and then, because a thread that waits for ever hears no Ctrl-C on Windows.
            item = queue.get(timeout=POLL_SECONDS)
        except Empty:
            continue
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return
        yield item
        del item
