"""A source whose first frames are decoded while the networks load."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media import FrameReader, open_source
from facegrab.media.source import Source
from facegrab.scan import chunks, prefetched
from facegrab.settings import LOCAL, ProcessSettings
from facegrab.types import Frame

BATCHES_AHEAD = 2
"""That wait, besides the one being decoded: they take about as long as the networks to load."""


class Early:
    """Decodes the first source of a run before the run begins; use it as a context manager.

    A source that cannot be opened is left to the run, which says so.

    Args:
        source: the first one.
        settings: how it will be read.
        index: nothing is decoded if there is such a file: it may know the source, or where to go
            on with it.
    """

    def __init__(
        self, source: Source, settings: ProcessSettings, index: Path | None = None
    ) -> None:
        given_away = settings.jobs > 1 or settings.engine != LOCAL or settings.shard is not None
        known = index is not None and os.path.exists(index)  # noqa: PTH110 - no name is too long
        self._idle = given_away or known
        self._source = source
        self._settings = settings
        self._stack = ExitStack()
        self._open: tuple[FrameReader, Iterator[Frame]] | None = None
        self.seconds = 0.0
        """Spent on decoding so far."""

    def __enter__(self) -> Early:
        if self._idle:
            return self
        settings = self._settings
        try:
            every = settings.skip_frames + 1
            reader = self._stack.enter_context(open_source(self._source, every, settings.device))
        except (MediaError, MissingError, AccessError):
            return self
        # What belongs together is put together by the scan.
        batches = prefetched(chunks(self._timed(reader), settings.batch_size), BATCHES_AHEAD)
        self._open = reader, _flat(self._stack.enter_context(batches))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, source: Source, stack: ExitStack) -> tuple[FrameReader, Iterator[Frame]] | None:
        """The open reader and its frames, once, if they are this source's.

        Args:
            source: what is wanted.
            stack: closes them in place of this object.
        """
        if self._open is None or source != self._source:
            return None
        taken, self._open = self._open, None
        stack.push(self._stack.pop_all())
        return taken

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


def _flat(batches: Iterator[tuple[Frame, ...]]) -> Iterator[Frame]:
    for batch in batches:
        yield from batch
        del batch
