"""Walking through sources: those that the index does not know are looked at."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import chain
from math import ceil
from pathlib import Path

from facegrab.early import Early
from facegrab.engines import engine_of
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError
from facegrab.media import FrameReader, open_source
from facegrab.media.content import content_key
from facegrab.media.source import Source, follow_on_each_other
from facegrab.people.link import Linker, frames_needed
from facegrab.relay import Relay
from facegrab.scan import Scanned, scan_as
from facegrab.settings import ProcessSettings
from facegrab.store.index import Request, Seen
from facegrab.summary import Summary, Watcher
from facegrab.survey import Gather, Survey, segment_of
from facegrab.task import Engine, Orders, Part, SetAsideError, Task
from facegrab.types import Frame, Segment
from facegrab.vision.look import Look
from facegrab.visit import NotReadError, Store, Visit, plan_of, plan_of_known

logger = logging.getLogger(__name__)


MOST_ON_THE_WAY = 64
"""Sources begun at a time, by those of an engine: short ones shall not be waited for."""


def first_of(segments: Iterable[Segment]) -> Segment | None:
    """The first one, if there is one."""
    return next(iter(segments), None)


def is_sound(part: Part, segment: Segment, planned: Segment | None) -> bool:
    """Whether a segment came out as its packets had announced."""
    if part.frames_damaged > segment.frames_damaged:
        return False
    ends = [each and (each.pts, each.first_frame) for each in (part.following, planned)]
    return ends[0] == ends[1]


class Walk:
    """Goes through sources and looks at those that the index does not know.

    Args:
        look: opens the networks, which is done when something has to be looked at.
        asked: which faces are looked for.
        settings: how sources are read.
        store: where to.
        watcher: is told how it goes.
        early: may have one of the sources open already.
        orders: for those of an engine; needed where the settings ask for one.
    """

    def __init__(
        self,
        look: Callable[[], Look],
        asked: Request,
        settings: ProcessSettings,
        store: Store,
        watcher: Watcher,
        early: Early | None = None,
        orders: Orders | None = None,
    ) -> None:
        self._orders = orders
        self._engine: Engine | None = None
        self._early = early
        self._open_look = look
        self._look: Look | None = None
        self._asked = asked
        self._settings = settings
        self._store = store
        self._watcher = watcher
        self._summary = Summary()
        self._done: dict[str, Path] = {}
        self._last_error: Exception | None = None

    def over(self, sources: Sequence[Source]) -> Summary:
        """Does all sources, in order.

        Raises:
            MediaError, MissingError, AccessError: none of them can be read.
            OutputError, AccessError, StoreError: the output cannot be written.
        """
        start = time.perf_counter()
        try:
            try:
                self._visit_all(sources)
            finally:
                if self._engine:  # what was looked at in vain
                    self._store.sweep()
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

    def _visit_all(self, sources: Sequence[Source]) -> None:
        """Does all sources; what cannot be read is noted, unless it is all that there is."""
        on_the_way: deque[Visit] = deque()
        with ExitStack() as stack:
            if self._orders:
                self._engine = self._entered(self._orders, stack)
            for source in sources:
                with self._noting(source):
                    visit = self._prepared(source, stack.enter_context(ExitStack()))
                    on_the_way += [visit] if visit else []
                while on_the_way and not self._has_room(len(on_the_way)):
                    self._finish_first(on_the_way)
            while on_the_way:
                self._finish_first(on_the_way)
        if self._last_error and len(self._summary.failed) == len(sources):
            self._summary.failed.pop()  # it is told by the error
            raise self._last_error

    def _entered(self, orders: Orders, stack: ExitStack) -> Engine | None:
        """The engine, which the stack closes; one that began early if there is one."""
        early = self._early.take_engine(orders, stack) if self._early else None
        if early:
            return early
        engine = self._engine_of(orders)
        return stack.enter_context(engine) if engine else None

    def _engine_of(self, orders: Orders) -> Engine | None:
        return engine_of(orders)

    def _has_room(self, on_the_way: int) -> bool:
        """Whether another source may be begun before those on their way are done."""
        return (
            self._engine is not None and not self._engine.is_busy and on_the_way < MOST_ON_THE_WAY
        )

    def _finish_first(self, on_the_way: deque[Visit]) -> None:
        visit = on_the_way.popleft()
        with self._noting(visit.source), visit.stack:
            self._finish(visit)

    @contextmanager
    def _noting(self, source: Source) -> Iterator[None]:
        """A source that cannot be read is noted; others may be read."""
        try:
            yield
        except NotReadError as error:
            self._last_error = error.why
            self._summary.failed.append((source.path, str(error.why)))

    def _write_table(self) -> None:
        """A table that cannot be replaced, open in a spreadsheet say, does not spoil the run."""
        try:
            self._store.write_table()
        except AccessError as error:
            self._summary.warnings.append(f"{error}; facegrab.db holds the same")

    def _prepared(self, source: Source, stack: ExitStack) -> Visit | None:
        """A source that can be read, or is known; None for one that the run has had.

        Args:
            source: which.
            stack: closes what is opened.

        Raises:
            NotReadError: it cannot be read.
        """
        try:
            content = content_key(source)
            if self._is_done(content, source):
                return None
            seen = self._known(content)
            if seen is not None and seen.complete:
                return Visit(source, content, stack, seen)
            start = self._start_of(content, seen)
            reader, frames = self._open(source, start, stack)
            planned = self._planned(source, start) if self._engine else None
        # Only here: an output that may not be written is no matter of a source.
        except (MediaError, MissingError, AccessError) as error:
            raise NotReadError(error) from error
        if self._engine:  # which has begun while the source was planned
            self._engine.ready()
        # Known once more, less what was forgotten.
        visit = Visit(source, content, stack, self._known(content), start, reader, frames)
        visit.gather = self._gather(visit)
        self._done[content] = source.path
        if planned:
            visit.gather.begin(reader)
            reader.close()
            visit.reader = Relay(reader, planned[0])
            self._give_away(visit, planned)
        elif self._engine:
            self._begin_in_turn(visit, reader)
        return visit

    def _begin_in_turn(self, visit: Visit, reader: FrameReader) -> None:
        """Sources after it begin before it is looked at, and have later rows all the same.

        Raises:
            NotReadError: it cannot be read.
        """
        assert visit.gather is not None
        try:
            first = next(visit.frames, None)
        except (MediaError, MissingError) as error:
            raise NotReadError(error) from error
        if first is not None:
            visit.frames = chain([first], visit.frames)
            visit.gather.begin(reader)

    def _opened_look(self) -> Look:
        self._look = self._look or self._open_look()
        return self._look

    def _give_away(self, visit: Visit, planned: Sequence[Segment]) -> None:
        """Others look through the segments."""
        assert self._engine is not None
        engine, place = self._engine, visit.gather.place if visit.gather else None
        visit.parts.extend(
            (each, engine.see(Task(visit.source, each, place, visit.content))) for each in planned
        )

        def drop() -> None:
            for _, future in visit.parts:
                engine.drop(future)

        visit.stack.callback(drop)

    def _planned(self, source: Source, start: Segment | None) -> tuple[Segment, ...] | None:
        """The segments that are left, where they are known without looking."""
        from facegrab.media.plan import plan  # for those of an engine

        planned = plan(source, self._settings.skip_frames + 1, self._settings.threads)
        if planned is None or start is None:
            return planned
        left = tuple(each for each in planned if each.number >= start.number)
        return left if left and left[0] == start else None

    def _finish(self, visit: Visit) -> None:
        """Looks at what is not known, and answers.

        Raises:
            NotReadError: the source cannot be read to its end.
        """
        try:
            if visit.reader is None:
                self._answer(visit)
            else:
                visit.seen = self._survey(visit, visit.reader)
                self._answer(visit)
        except (MediaError, MissingError) as error:
            self._done.pop(visit.content, None)
            raise NotReadError(error) from error
        self._done[visit.content] = visit.source.path

    def _is_done(self, content: str, source: Source) -> bool:
        """Whether the run has had the very same file, or files, by another name."""
        first = self._done.get(content)
        if first is not None:
            self._summary.warnings.append(f"{source.path} is the same as {first}: read once")
        return first is not None

    def _known(self, content: str) -> Seen | None:
        return self._store.find(content, self._asked) if self._store.exists else None

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
        reader = stack.enter_context(self._reader(source, start))
        return reader, self._timed_decode(reader)

    def _reader(self, source: Source, start: Segment | None) -> FrameReader:
        settings = self._settings
        every = settings.skip_frames + 1
        return open_source(source, every, settings.device, start, threads=settings.threads)

    def _survey(self, visit: Visit, reader: FrameReader) -> Seen:
        """Looks through a source, or through what is left of it."""
        source, seen, start = visit.source, visit.seen, visit.start
        look = self._opened_look()
        self._summary.computed = look.eyes.computed
        known = seen.frames_looked_at if seen else 0
        self._watcher.begin(plan_of(source, reader, look, self._settings.skip_frames + 1))
        assert visit.gather is not None
        gather = visit.gather
        gather.computed = look.eyes.computed
        if seen:
            reader.recall(seen.warnings)
        linker = self._linker(source, seen, look)
        try:
            with closing(self._batches(visit, reader, look)) as batches:
                Survey(reader, linker, gather).over(self._shown(batches))
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

    def _shown(self, batches: Iterator[Scanned]) -> Iterator[Scanned]:
        """The same; who looks on is shown each."""
        return batches

    def _batches(
        self, visit: Visit, reader: FrameReader, look: Look
    ) -> Generator[Scanned, None, None]:
        """Frames and their faces, looked at here or by others."""
        if isinstance(reader, Relay):
            return self._relayed(visit, reader, look)
        return scan_as(visit.frames, look, self._settings, pictures=bool(visit.source.images))

    def _relayed(self, visit: Visit, relay: Relay, look: Look) -> Generator[Scanned, None, None]:
        """What others see, in order. From the segment before one that holds damage it is seen here.

        Damage may throw the frames' numbers off, and then only whoever has read all that is before
        knows them. And only who begins a segment decodes its first frame: if that is damaged, the
        segment before goes on.
        """
        last: tuple[Segment, Part] | None = None
        while visit.parts:
            segment, future = visit.parts.popleft()
            after = first_of(each for each, _ in visit.parts)
            part = self._taken(segment, future, after)
            goes_on = part is not None and is_sound(part, segment, after)
            if last and (goes_on or last[1].aside):  # nobody can look at that one again
                yield from self._passed_on(last[1], relay)
                last = None
            if part is None or not goes_on:
                reader = self._reader(visit.source, last[0] if last else segment)
                relay.go_on(visit.stack.enter_context(reader))
                visit.frames = self._timed_decode(reader)
                yield from self._batches(visit, reader, look)
                return
            last = segment, part
        if last:
            yield from self._passed_on(last[1], relay)

    def _passed_on(self, part: Part, relay: Relay) -> tuple[Scanned, ...]:
        """The batches of a segment that others have seen."""
        relay.take(part)
        for stage, seconds in part.seconds.items():
            self._summary.add_seconds(stage, seconds)
        return part.batches

    def _taken(self, segment: Segment, future: Future[Part], after: Segment | None) -> Part | None:
        """What came of a segment; None if it does not begin as was planned."""
        assert self._engine is not None
        try:
            return self._engine.take(future)
        except MediaError:
            return None
        except SetAsideError as error:
            return Part.set_aside(segment, after, str(error))

    def _linker(self, source: Source, seen: Seen | None, look: Look) -> Linker:
        """Joins faces to tracks, on from where the last segment ended."""
        spec = look.eyes.recogniser.spec
        linker = Linker(spec, follows=follow_on_each_other(source))
        segments = self._store.index.segments(seen.row) if seen else []
        if seen and segments:
            path, state = self._store.index.database.path, segments[-1].state
            recent = self._store.index.faces(seen.row, since=frames_needed(state, path))
            linker.resume(state, recent, spec, path)
        return linker

    def _gather(self, visit: Visit) -> Gather:
        return Gather(
            visit.source, visit.content, self._asked, visit.seen, self._store, self._watcher.step
        )

    def _interrupted(self, gather: Gather) -> None:
        """What was gathered stays, though something stopped the survey."""

    def _answer(self, visit: Visit) -> None:
        """A source was seen to its end, now or before."""
        seen = visit.done
        if visit.reader is None:
            self._store.moved(seen, visit.source.path, visit.source.images)
            self._watcher.begin(plan_of_known(visit.source, seen, self._asked))
            self._count_known(seen)
            self._watcher.end()
        self._summary.faces_found += self._store.index.count(seen.row)

    def _count_known(self, seen: Seen) -> None:
        """Adds a source that was not looked at again."""
        summary = self._summary
        summary.sources_known += 1
        summary.frames_read += seen.frames_read
        summary.frames_known += seen.frames_read
        # Of a finer look only those that this one asks for.
        summary.frames_looked_at += ceil(
            seen.frames_looked_at * seen.request.every / self._asked.every
        )
        summary.frames_damaged += seen.frames_damaged
        summary.computed = summary.computed or seen.computed
        summary.warnings += [f"{seen.path}: {line}" for line in seen.warnings]

    def _timed_decode(self, reader: FrameReader) -> Iterator[Frame]:
        frames = iter(reader)
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self._summary.add_seconds("decode", time.perf_counter() - start)
            if frame is None:
                return
            yield frame
