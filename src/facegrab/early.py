"""What begins while modules and networks load: decoding a source, or the workers of a cluster."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media import FrameReader, open_source
from facegrab.media.source import Source
from facegrab.prefetch import POLL_SECONDS, join
from facegrab.settings import LOCAL, RAY, ProcessSettings, RecognitionSettings
from facegrab.types import Frame

if TYPE_CHECKING:
    from facegrab.cluster import Cluster
    from facegrab.task import Engine, Orders

MOST_BYTES = 128 * 2**20
"""Of frames decoded before the run: four batches, less than the run itself keeps alive."""


class Early:
    """Decodes the first source of a run before the run begins; use it as a context manager.

    A thread opens it, too, so that nobody waits until the first frame is there. A source that
    cannot be opened is left to the run, which says so. Where a cluster does it, its workers begin:
    they load networks, too, and who is asked for they need not know for that.

    Args:
        source: the first one.
        settings: how it will be read.
        index: nothing is decoded if there is such a file: it may know the source, or where to go
            on with it.
        recognition: how faces will be compared.
        bucket: that workers of a cluster put extracts into, if they do.

    Raises:
        DeviceError: as a context manager: there is no such cluster.
    """

    def __init__(
        self,
        source: Source,
        settings: ProcessSettings,
        index: Path | None = None,
        recognition: RecognitionSettings | None = None,
        bucket: str | None = None,
    ) -> None:
        given_away = settings.jobs > 1 or settings.engine != LOCAL or settings.shard is not None
        known = index is not None and os.path.exists(index)  # noqa: PTH110 - no name is too long
        self._idle = given_away or known
        self._source = source
        self._settings = settings
        self._recognition = recognition or RecognitionSettings()
        self._bucket = bucket
        self._cluster: Cluster | None = None
        self._stack = ExitStack()
        self._frames: Iterator[Frame] | None = None
        self._reader: FrameReader | None = None
        self._failed: BaseException | None = None
        self._opened = threading.Event()
        self.seconds = 0.0
        """Spent on decoding so far."""

    def __enter__(self) -> Early:
        if self._settings.engine == RAY and self._settings.shard is None:
            self._cluster = self._stack.enter_context(self._workers())
        if not self._idle:
            # Left after the thread has ended, which puts the reader into it.
            closing = self._stack.enter_context(ExitStack())
            frames = begun(self._decoded(closing), MOST_BYTES)
            self._frames = self._stack.enter_context(frames)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, source: Source, stack: ExitStack) -> tuple[FrameReader, Iterator[Frame]] | None:
        """The open reader and its frames, once, if they are this source's.

        Args:
            source: what is wanted.
            stack: closes them in place of this object.
        """
        if self._frames is None or source != self._source:
            return None
        while not self._opened.wait(POLL_SECONDS):
            pass
        failed, self._failed = self._failed, None
        if failed:
            raise failed
        frames, self._frames = self._frames, None
        if self._reader is None:
            return None
        stack.push(self._stack.pop_all())
        return self._reader, frames

    def take_engine(self, orders: Orders, stack: ExitStack) -> Engine | None:
        """The workers of a cluster, once, if they began with what these orders say.

        If they did not they are ended: others would wait for their places.

        Args:
            orders: what they have to know.
            stack: closes them in place of this object.
        """
        cluster, self._cluster = self._cluster, None
        if cluster is None:
            return None
        if not cluster.ask(orders):
            self._stack.close()
            return None
        stack.push(self._stack.pop_all())
        return cluster

    def _workers(self) -> Cluster:
        from facegrab.cluster import Cluster  # Ray is loaded where it is asked for
        from facegrab.task import Orders

        return Cluster(Orders(self._settings, self._recognition, bucket=self._bucket))

    def _decoded(self, stack: ExitStack) -> Iterator[Frame]:
        """The source's frames; none if it cannot be opened. In a thread of its own."""
        settings = self._settings
        every = settings.skip_frames + 1
        try:
            opened = open_source(self._source, every, settings.device, threads=settings.threads)
            self._reader = stack.enter_context(opened)
        except (MediaError, MissingError, AccessError):
            return
        except BaseException as error:  # noqa: BLE001 - raised again where it is taken
            self._failed = error
            return
        finally:
            self._opened.set()
        yield from self._timed(opened)

    def _timed(self, reader: FrameReader) -> Iterator[Frame]:
        frames = iter(reader)
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self.seconds += time.perf_counter() - start
            if frame is None:
                return
            yield frame
            del frame


@contextmanager
def begun(frames: Iterator[Frame], most_bytes: int) -> Iterator[Iterator[Frame]]:
    """The same frames, the first of which a thread makes until somebody asks for one.

    Args:
        frames: iterated in the thread, then by whoever iterates what this gives.
        most_bytes: of their pixels, from which on it waits to be asked.
    """
    made: deque[Frame] = deque()
    failed: list[BaseException] = []
    asked = threading.Event()

    def make() -> None:
        room_bytes = most_bytes
        try:
            while room_bytes > 0 and not asked.is_set():
                frame = next(frames, None)
                if frame is None:
                    return
                made.append(frame)
                room_bytes -= frame.image.nbytes
                del frame
        except BaseException as error:  # noqa: BLE001 - raised again behind the frames before it
            failed.append(error)

    def all_of_them() -> Iterator[Frame]:
        asked.set()
        thread.join()  # it ends with the frame that it is at
        while made:
            yield made.popleft()
        if failed:
            raise failed.pop()
        yield from frames

    thread = threading.Thread(target=make, name="facegrab-early", daemon=True)
    try:
        thread.start()
        yield all_of_them()
    finally:
        asked.set()
        join(thread)
