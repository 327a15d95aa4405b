"""A share of all sources' segments into an index, by a machine that knows of no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from facegrab.alone import Alone
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError
from facegrab.media.content import content_key
from facegrab.media.plan import plan
from facegrab.media.source import Source, follow_on_each_other
from facegrab.settings import ProcessSettings
from facegrab.shard import Kept, Shard, Terms, marked
from facegrab.store.index import Request, Seen
from facegrab.summary import Summary, Watcher
from facegrab.survey import pictures_of
from facegrab.task import Engine, Orders, Part
from facegrab.types import Segment
from facegrab.vision.look import Look
from facegrab.visit import NotReadError, Store, Visit, plan_of
from facegrab.walk import Walk, first_of, is_sound


class Sharding(Walk):
    """Looks through a share of the segments of sources, each by itself: shots and tracks go across.

    Every source gets a look of the shard's own, also those of which it has nothing, so that whoever
    joins the shards knows of all and of their order.

    Args:
        look: opens the networks, which is done when something has to be looked at.
        asked: which faces are looked for.
        settings: how sources are read, and which share.
        store: where to.
        watcher: is told how it goes.
        orders: for those who look.
    """

    def __init__(
        self,
        look: Callable[[], Look],
        asked: Request,
        settings: ProcessSettings,
        store: Store,
        watcher: Watcher,
        orders: Orders,
    ) -> None:
        assert settings.shard is not None
        self._shard = Shard.of(settings.shard)
        super().__init__(look, marked(asked, self._shard), settings, store, watcher, orders=orders)
        self._summary.shard = settings.shard
        self.whole: list[Source] = []
        """Sources of this share whose segments nobody can tell beforehand: to be walked through."""

    def _engine_of(self, orders: Orders) -> Engine:
        return super()._engine_of(orders) or Alone(orders, self._opened_look)

    def _prepared(self, source: Source, stack: ExitStack) -> Visit | None:
        try:
            content = content_key(source)
            if self._is_done(content, source):
                return None
            self._done[content] = source.path
            seen = self._known(content)
            if seen is not None and seen.complete:
                return Visit(source, content, stack, seen)
            reader, _ = self._open(source, None, stack)
            planned = plan(source, self._settings.skip_frames + 1, self._settings.threads)
        except (MediaError, MissingError, AccessError) as error:
            raise NotReadError(error) from error
        assert self._engine is not None
        self._engine.ready()
        reader.close()
        self._store.hold()
        seen = seen or self._store.begin(
            content, self._asked, source.path, width=reader.width, height=reader.height,
            duration_seconds=reader.duration_seconds, frame_count=reader.frame_count,
        )  # fmt: skip
        if planned is None and self._shard.owns(content, 0):
            self.whole.append(source)
        visit = Visit(source, content, stack, seen, reader=reader)
        visit.planned = planned or ()
        self._give_away(visit, self._left(visit))
        return visit

    def _left(self, visit: Visit) -> list[Segment]:
        """The segments of this share that are not in the index yet."""
        there = {each.number for each in self._store.index.segments(visit.done.row)}
        return [
            each
            for each in visit.planned
            if each.number not in there and self._shard.owns(visit.content, each.number)
        ]

    def _finish(self, visit: Visit) -> None:
        if visit.parts:
            look = self._opened_look()
            assert visit.reader is not None
            self._summary.computed = look.eyes.computed
            every = self._settings.skip_frames + 1
            self._watcher.begin(plan_of(visit.source, visit.reader, look, every))
        try:
            while visit.parts:
                self._look_through(visit)
        except (MediaError, MissingError, AccessError) as error:
            raise NotReadError(error) from error
        finally:
            self._watcher.end()
        self._complete(visit.done)

    def _look_through(self, visit: Visit) -> None:
        """The next segment."""
        segment, future = visit.parts.popleft()
        after = first_of(each for each in visit.planned if each.number == segment.number + 1)
        part = self._taken(segment, future, after)
        if part is None:
            part = Part((), None, segment.frames_read, segment.frames_damaged + 1, None, (), {})
        for stage, seconds in part.seconds.items():
            self._summary.add_seconds(stage, seconds)
        spec = self._opened_look().eyes.recogniser.spec
        follows = follow_on_each_other(visit.source)
        terms = Terms.of(spec, follows=follows)
        self._keep(visit, Kept(segment, part, terms, is_sound(part, segment, after)))

    def _keep(self, visit: Visit, kept: Kept) -> None:
        """Commits a segment."""
        index, faces, row, part = self._store.index, kept.faces, kept.row(), kept.part
        seen = index.scan(visit.done.row)
        with index.database.transaction():
            index.add(seen.row, row, faces, pictures_of(visit.source, faces))
            index.update(
                seen.row,
                frames_looked_at=seen.frames_looked_at + row.frames_looked_at,
                frames_read=seen.frames_read + part.frames_read - kept.segment.frames_read,
                frames_damaged=seen.frames_damaged + part.frames_damaged
                - kept.segment.frames_damaged,
                warnings=json.dumps(list(dict.fromkeys([*seen.warnings, *part.warnings]))),
                computed=self._summary.computed,
                origin=part.origin,
            )  # fmt: skip
        self._watcher.step(part.frames_read, index.count(seen.row), 0)

    def _complete(self, seen: Seen) -> None:
        """All of a source that is this share's is in the index."""
        index, summary = self._store.index, self._summary
        now = index.scan(seen.row)
        if not now.complete:
            with index.database.transaction():
                index.update(seen.row, complete=1)
        summary.sources_known += seen.complete
        summary.frames_known += seen.frames_read
        summary.frames_read += now.frames_read
        summary.frames_damaged += now.frames_damaged
        summary.frames_looked_at += now.frames_looked_at
        summary.faces_found += index.count(seen.row)
        summary.warnings += [
            line if str(seen.path) in line else f"{seen.path}: {line}" for line in now.warnings
        ]


def share(
    look: Callable[[], Look],
    asked: Request,
    settings: ProcessSettings,
    store: Store,
    watcher: Watcher,
    orders: Orders,
    sources: Sequence[Source],
) -> Summary:
    """Does a shard: its segments, then the sources of its share that have none beforehand.

    Args:
        look: see Sharding, as are those that follow.
        sources: all of them.

    Raises:
        see Walk.over.
    """
    sharding = Sharding(look, asked, settings, store, watcher, orders)
    summary = sharding.over(sources)
    if sharding.whole and not summary.interrupted:
        try:
            summary.add(Walk(look, asked, settings, store, watcher).over(sharding.whole))
        except (MediaError, MissingError, AccessError) as error:  # all of these, not of all
            summary.failed += [(each.path, str(error)) for each in sharding.whole]
    return summary


def unknown(sources: Sequence[Source], store: Store, asked: Request) -> list[Source]:
    """The sources of which an index does not hold all that is asked for."""
    return [each for each in sources if not _knows(each, store, asked)]


def _knows(source: Source, store: Store, asked: Request) -> bool:
    try:
        seen = store.find(content_key(source), asked) if store.exists else None
    except (MediaError, MissingError, AccessError):  # whoever reads it will say so
        return False
    return seen is not None and seen.complete


def own(sources: Sequence[Source], shard: Shard) -> list[Source]:
    """The sources that are a share's as a whole."""
    return [each for each in sources if _is_own(each, shard)]


def _is_own(source: Source, shard: Shard) -> bool:
    try:
        return shard.owns(content_key(source), 0)
    except FaceGrabError:
        return shard.number == 1
