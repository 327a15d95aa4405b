"""Shares of one look, linked one segment after the other as one run would have linked them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facegrab.address import located
from facegrab.errors import MediaError
from facegrab.media.source import Source
from facegrab.people.link import Linker
from facegrab.relay import Relay
from facegrab.scan import Scanned
from facegrab.shard import Kept, Shard, is_sound, kept_of, owner
from facegrab.store.copies import faces_between, pictures_between
from facegrab.store.index import Index, Request, Seen, SegmentRow
from facegrab.survey import Gather, Survey, segment_of
from facegrab.types import Faces


@dataclass(frozen=True, slots=True)
class Look:
    """A look in one of several indexes.

    Attributes:
        index: that holds it.
        seen: what it says.
        shard: which share it is; None if it stands by itself.
    """

    index: Index
    seen: Seen
    shard: Shard | None

    @property
    def path(self) -> Path:
        """Of the index."""
        return self.index.database.path

    @property
    def whole_segments(self) -> int:
        """How many it has to their ends."""
        return sum(each.whole for each in self.index.segments(self.seen.row))


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment in a share.

    Attributes:
        look: the share.
        row: the segment there.
    """

    look: Look
    row: SegmentRow

    @property
    def span(self) -> tuple[int, int | None]:
        """Its first frame, and the next segment's; None if there is none."""
        begin = segment_of(self.row.start, self.look.path).first_frame
        if self.row.next is None:
            return begin, None
        return begin, segment_of(self.row.next, self.look.path).first_frame

    @property
    def kept(self) -> Kept:
        """All of it.

        Raises:
            StoreError: the index is damaged.
        """
        faces = faces_between(self.look.index, self.look.seen.row, *self.span)
        return kept_of(self.row, faces, self.look.path)

    def is_like(self, other: Placed) -> bool:
        """Whether two saw the same, besides the faces."""
        one, two = self.kept, other.kept
        return self.span == other.span and one.is_like(two)


class Chain:
    """The segments of a source, wherever they lie, in order.

    Args:
        shares: of one look, at least one.
    """

    def __init__(self, shares: Sequence[Look]) -> None:
        self.shares = shares
        self.twice: list[tuple[Placed, Placed]] = []
        """Segments that are in two shares."""
        self.placed: dict[int, Placed] = {}
        """By number."""
        for share in shares:
            for row in share.index.segments(share.seen.row):
                placed = Placed(share, row)
                there = self.placed.setdefault(row.number, placed)
                if there is not placed:
                    self.twice.append((there, placed))

    @property
    def sound(self) -> list[Placed]:
        """From the first on, those that came out as announced."""
        found: list[Placed] = []
        while (placed := self.placed.get(len(found))) and is_sound(placed.row):
            found.append(placed)
            if placed.row.next is None:
                break
        return found

    @property
    def is_whole(self) -> bool:
        """Whether they go to the source's end."""
        sound = self.sound
        return bool(sound) and sound[-1].row.next is None

    def lacking(self, content: str) -> str:
        """The share of the first segment that is missing; empty if none is.

        Args:
            content: what the source is known by.
        """
        number = len(self.sound)
        if self.is_whole or number in self.placed:
            return ""
        count = max(each.shard.count for each in self.shares if each.shard)
        return f"{owner(content, number, count)}/{count}"


class _Into:
    """An index in which a look can begin, whatever lay in the source's place; see survey.Begins."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def hold(self) -> None:
        """It is held already."""

    def begin(self, content: str, asked: Request, path: Path, **facts: int | float | None) -> Seen:
        """Enters a look."""
        with self.index.database.transaction():
            row = self.index.begin(content, asked, path)
            self.index.update(row, **facts)
        return self.index.scan(row)


class _Joined(Gather):
    """Takes shares into an index.

    Args:
        chain: of the segments.
        content: what the source is known by.
        asked: what was asked of all shares.
        index: that gets them.
    """

    def __init__(self, chain: Chain, content: str, asked: Request, index: Index) -> None:
        source = Source(located(chain.shares[0].seen.path))
        super().__init__(source, content, asked, None, _Into(index), lambda *_: None)
        self._chain = chain

    def _pictures(self, segment: SegmentRow, faces: Faces) -> Sequence[Path | None]:
        placed = self._chain.placed[segment.number]
        return pictures_between(placed.look.index, placed.look.seen.row, *placed.span)

    def _enter(self, segment: SegmentRow, faces: Faces) -> None:
        self.computed = self._chain.placed[segment.number].look.seen.computed
        super()._enter(segment, faces)


@dataclass(frozen=True, slots=True)
class _Facts:
    path: Path
    every: int
    width: int
    height: int
    frame_count: int | None
    duration_seconds: float | None


def join(chain: Chain, content: str, asked: Request, index: Index) -> Seen | None:
    """Enters a look that is put together from shares.

    Args:
        chain: of the segments.
        content: what the source is known by.
        asked: what was asked of all shares.
        index: that gets it.

    Returns:
        what came of it; not complete where a segment is not sound, because only whoever reads on
        from the one before knows what is in it. None if there is not even a frame.

    Raises:
        StoreError: a share is damaged.
    """
    sound = chain.sound
    if not sound:
        return None
    first, seen = sound[0].kept, chain.shares[0].seen
    facts = _Facts(
        located(seen.path), asked.every, seen.width, seen.height, seen.frame_count,
        seen.duration_seconds,
    )  # fmt: skip
    relay = Relay(facts, first.segment)
    gather = _Joined(chain, content, asked, index)
    linker = Linker(first.terms, follows=first.terms.follows)
    try:
        Survey(relay, linker, gather).over(_batches(chain, relay))
    except MediaError:  # what there is was kept
        if gather.frames_looked_at == 0:
            return None
    return gather.seen


def _batches(chain: Chain, relay: Relay) -> Iterator[Scanned]:
    for placed in chain.sound:
        part = placed.kept.part
        relay.take(part)
        yield from part.batches
    if not chain.is_whole:
        raise MediaError("a segment is not sound")
