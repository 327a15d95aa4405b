"""Walking through sources: those that the index does not know are looked at."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Protocol

from facegrab.early import Early
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError
from facegrab.media import FrameReader, open_source
from facegrab.media.content import content_key
from facegrab.media.source import Source, is_pattern
from facegrab.people.link import Linker, frames_needed
from facegrab.scan import scan_as
from facegrab.settings import ProcessSettings
from facegrab.store.index import Request, Seen
from facegrab.summary import Plan, Summary, Watcher
from facegrab.survey import Begins, Gather, Survey, segment_of
from facegrab.types import Frame, Segment
from facegrab.vision.look import Look

logger = logging.getLogger(__name__)


class Store(Begins, Protocol):
    """Where what is seen goes: store.library.Library or store.output.Output."""

    @property
    def exists(self) -> bool:
        """Whether there is anything on disk."""

    def moved(self, seen: Seen, path: Path, images: Sequence[Path]) -> None:
        """Notes where a source lies now."""

    def forget_from(self, scan: int, content: str, number: int, first_frame: int) -> None:
        """Forgets the part of a segment."""

    def write_table(self) -> None:
        """Writes what is there for people."""


class Walk:
    """Goes through sources and looks at those that the index does not know.

    Args:
        look: opens the networks, which is done when something has to be looked at.
        asked: which faces are looked for.
        settings: how sources are read.
        store: where to.
        watcher: is told how it goes.
        early: may have one of the sources open already.
    """

    def __init__(
        self,
        look: Callable[[], Look],
        asked: Request,
        settings: ProcessSettings,
        store: Store,
        watcher: Watcher,
        early: Early | None = None,
    ) -> None:
        self._early = early
        self._open_look = look
        self._look: Look | None = None
        self._asked = asked
        self._settings = settings
        self._store = store
        self._watcher = watcher
        self._summary = Summary()
        self._done: dict[str, Path] = {}

    def over(self, sources: Sequence[Source]) -> Summary:
        """Does all sources, one after the other.

        Raises:
            MediaError, MissingError, AccessError: none of them can be read.
            OutputError, AccessError, StoreError: the output cannot be written.
        """
        start = time.perf_counter()
        try:
            for source in sources:
                self._source(source, last_hope=len(self._summary.failed) == len(sources) - 1)
        except KeyboardInterrupt:
            self._summary.interrupted = True
        except (FaceGrabError, MemoryError):
            for line in self._summary.not_read():  # no summary will tell of them
                logger.warning(line)
            with suppress(FaceGrabError):  # the first error is the one to tell
                self._store.write_table()
            raise
        self._write_table()
        if self._look:
            self._summary.seconds.update(self._look.seconds)
        if self._early:
            self._summary.add_seconds("decode", self._early.seconds)
        self._summary.seconds["all"] = time.perf_counter() - start
        return self._summary

    def _write_table(self) -> None:
        """A table that cannot be replaced, open in a spreadsheet say, does not spoil the run."""
        try:
            self._store.write_table()
        except AccessError as error:
            self._summary.warnings.append(f"{error}; facegrab.db holds the same")

    def _source(self, source: Source, *, last_hope: bool) -> None:
        """Does one source; an unreadable one is noted, unless no other was or will be readable."""
        with ExitStack() as stack:
            try:
                content = content_key(source)
                if self._is_done(content, source):
                    return
                seen = self._known(content)
                start = opened = None
                if seen is None or not seen.complete:
                    start = self._start_of(content, seen)
                    opened = self._open(source, start, stack)
                    seen = self._known(content)  # less what was forgotten
            # An output that may not be written is no matter of this source.
            except (MediaError, MissingError, AccessError) as error:
                self._failed(source, error, last_hope=last_hope)
                return
            try:
                if opened:
                    seen = self._survey(source, content, seen, start, *opened)
                if seen:
                    self._answer(source, content, seen, surveyed=opened is not None)
                self._done[content] = source.path
            except (MediaError, MissingError) as error:
                self._failed(source, error, last_hope=last_hope)

    def _failed(self, source: Source, error: Exception, *, last_hope: bool) -> None:
        if last_hope:
            raise error
        self._summary.failed.append((source.path, str(error)))

    def _is_done(self, content: str, source: Source) -> bool:
        """Whether the run has had the very same file, or files, by another name."""
        first = self._done.get(content)
        if first is not None:
            self._summary.warnings.append(f"{source.path} is the same as {first}: read once")
        return first is not None

    def _known(self, content: str) -> Seen | None:
        return self._store.index.find(content, self._asked) if self._store.exists else None

    def _start_of(self, content: str, seen: Seen | None) -> Segment | None:
        """Where to go on; the part of a segment that something interrupted is forgotten."""
        if seen is None:
            return None
        segments = self._store.index.segments(seen.row)
        if segments and not segments[-1].whole:
            part = segments.pop()
            first_frame = self._segment(part.start).first_frame
            self._store.forget_from(seen.row, content, part.number, first_frame)
        following = segments[-1].next if segments else None
        return None if following is None else self._segment(following)

    def _segment(self, text: str) -> Segment:
        return segment_of(text, self._store.index.database.path)

    def _open(
        self, source: Source, start: Segment | None, stack: ExitStack
    ) -> tuple[FrameReader, Iterator[Frame]]:
        """A reader and its frames, which the stack closes."""
        early = self._early.take(source, stack) if self._early and start is None else None
        if early:
            return early
        every, device = self._settings.skip_frames + 1, self._settings.device
        reader = stack.enter_context(open_source(source, every, device, start))
        return reader, self._timed_decode(reader)

    def _survey(
        self,
        source: Source,
        content: str,
        seen: Seen | None,
        start: Segment | None,
        reader: FrameReader,
        frames: Iterator[Frame],
    ) -> Seen:
        """Looks through a source, or through what is left of it."""
        look = self._look = self._look or self._open_look()
        computed = self._summary.computed = look.eyes.computed
        known = seen.frames_looked_at if seen else 0
        self._watcher.begin(self._plan(source, reader, look))
        gather = self._gather(source, content, seen)
        gather.computed = computed
        if seen:
            reader.recall(seen.warnings)
        linker = self._linker(source, seen, look)
        frame_bytes = None if source.images else reader.frame_bytes
        try:
            with closing(scan_as(frames, look, self._settings, frame_bytes)) as batches:
                Survey(reader, linker, gather).over(batches)
            return gather.seen
        except BaseException:
            self._interrupted(gather)
            raise
        finally:
            self._watcher.end()
            summary = self._summary
            summary.add_seconds("extract", gather.seconds)
            summary.frames_read += reader.frames_read
            summary.frames_damaged += reader.frames_damaged
            summary.frames_looked_at += known + gather.frames_looked_at
            summary.frames_known += start.frames_read if start else 0
            summary.warnings += [
                line if str(source.path) in line else f"{source.path}: {line}"
                for line in reader.warnings
            ]

    def _linker(self, source: Source, seen: Seen | None, look: Look) -> Linker:
        """Joins faces to tracks, on from where the last segment ended."""
        spec = look.eyes.recogniser.spec
        linker = Linker(spec, follows=not source.images or is_pattern(source.path.name))
        segments = self._store.index.segments(seen.row) if seen else []
        if seen and segments:
            path, state = self._store.index.database.path, segments[-1].state
            recent = self._store.index.faces(seen.row, since=frames_needed(state, path))
            linker.resume(state, recent, spec, path)
        return linker

    def _gather(self, source: Source, content: str, seen: Seen | None) -> Gather:
        return Gather(source, content, self._asked, seen, self._store, self._watcher.step)

    def _interrupted(self, gather: Gather) -> None:
        """What was gathered stays, though something stopped the survey."""

    def _answer(self, source: Source, content: str, seen: Seen, *, surveyed: bool) -> None:
        """A source was seen to its end, now or before."""
        if surveyed:
            self._summary.faces_found += self._store.index.count(seen.row)
            return
        self._store.moved(seen, source.path, source.images)
        self._watcher.begin(self._plan_of(source, seen))
        self._count_known(seen)
        self._summary.faces_found += self._store.index.count(seen.row)
        self._watcher.end()

    def _count_known(self, seen: Seen) -> None:
        """Adds a source that was not looked at again."""
        summary = self._summary
        summary.sources_known += 1
        summary.frames_read += seen.frames_read
        summary.frames_known += seen.frames_read
        summary.frames_looked_at += seen.frames_looked_at
        summary.frames_damaged += seen.frames_damaged
        summary.computed = summary.computed or seen.computed
        summary.warnings += [f"{seen.path}: {line}" for line in seen.warnings]

    def _plan_of(self, source: Source, seen: Seen) -> Plan:
        """Of a source that is in the index."""
        return Plan(
            source=source.path,
            width=seen.width,
            height=seen.height,
            frame_count=seen.frame_count,
            every=self._settings.skip_frames + 1,
            smallest_face_px=round(max(seen.request.smallest_px, self._asked.smallest_px)),
            fed_width=0,
            fed_height=0,
            known=True,
        )

    def _plan(self, source: Source, reader: FrameReader, look: Look) -> Plan:
        feed = look.feed(reader.width, reader.height)
        fed_width, fed_height = feed.size(reader.width, reader.height)
        return Plan(
            source=source.path,
            width=reader.width,
            height=reader.height,
            frame_count=reader.frame_count,
            every=self._settings.skip_frames + 1,
            smallest_face_px=feed.smallest_source_px(look.eyes.detector.smallest_px),
            fed_width=fed_width,
            fed_height=fed_height,
        )

    def _timed_decode(self, reader: FrameReader) -> Iterator[Frame]:
        frames = iter(reader)
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self._summary.add_seconds("decode", time.perf_counter() - start)
            if frame is None:
                return
            yield frame
