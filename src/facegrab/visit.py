"""A source on its way through a run, and what a run asks of the place where results go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from facegrab.media import FrameReader
from facegrab.media.source import Source
from facegrab.store.index import Request, Seen
from facegrab.summary import Plan
from facegrab.survey import Begins, Gather
from facegrab.task import Part
from facegrab.types import Frame, Segment
from facegrab.vision.look import Look


class Store(Begins, Protocol):
    """Where what is seen goes: store.library.Library or store.output.Output."""

    @property
    def exists(self) -> bool:
        """Whether there is anything on disk."""

    def find(self, content: str, asked: Request) -> Seen | None:
        """The look that answers a request for a source, or that began to."""

    def moved(self, seen: Seen, path: Path, images: Sequence[Path]) -> None:
        """Notes where a source lies now."""

    def forget_from(self, scan: int, content: str, number: int, first_frame: int) -> None:
        """Forgets the part of a segment."""

    def sweep(self) -> None:
        """Removes what processes that are gone have left."""

    def write_table(self) -> None:
        """Writes what is there for people."""


class NotReadError(Exception):
    """A source cannot be read; others may."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(slots=True)
class Visit:
    """A source on its way.

    Attributes:
        source: which.
        content: what it is known by.
        stack: closes what is open.
        seen: what the index says of it, if anything.
        start: where reading goes on; None for the beginning.
        reader: of what is not known; None if all is.
        frames: of the reader.
        gather: takes what is seen.
        planned: all of its segments, where they are known without looking.
        parts: segments that others look through, and what comes of it; less those had already.
    """

    source: Source
    content: str
    stack: ExitStack
    seen: Seen | None
    start: Segment | None = None
    reader: FrameReader | None = None
    frames: Iterator[Frame] = field(default_factory=lambda: iter(()))
    gather: Gather | None = None
    planned: tuple[Segment, ...] = ()
    parts: deque[tuple[Segment, Future[Part]]] = field(default_factory=deque)

    @property
    def done(self) -> Seen:
        """What the index says of a source that was seen to its end."""
        assert self.seen is not None
        return self.seen


def plan_of(source: Source, reader: FrameReader, look: Look, every: int) -> Plan:
    """What will be done with a source that is looked at.

    Args:
        source: which.
        reader: of it.
        look: at it.
        every: one frame in so many.
    """
    feed = look.feed(reader.width, reader.height)
    fed_width, fed_height = feed.size(reader.width, reader.height)
    return Plan(
        source=source.path,
        width=reader.width,
        height=reader.height,
        frame_count=reader.frame_count,
        every=every,
        smallest_face_px=feed.smallest_source_px(look.eyes.detector.smallest_px),
        fed_width=fed_width,
        fed_height=fed_height,
    )


def plan_of_known(source: Source, seen: Seen, asked: Request) -> Plan:
    """What will be done with a source that is in the index.

    Args:
        source: which.
        seen: what the index says of it.
        asked: which of its faces are asked for.
    """
    return Plan(
        source=source.path,
        width=seen.width,
        height=seen.height,
        frame_count=seen.frame_count,
        every=asked.every,
        smallest_face_px=round(max(seen.request.smallest_px, asked.smallest_px)),
        fed_width=0,
        fed_height=0,
        known=True,
    )
