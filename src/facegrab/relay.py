"""In place of a reader: what others have read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from facegrab.media import FrameReader
from facegrab.task import Part
from facegrab.types import Segment


class Facts(Protocol):
    """What is known of a source before it is read; FrameReader has it."""

    @property
    def path(self) -> Path:
        """The video or the images' folder."""

    @property
    def every(self) -> int:
        """One frame in so many is looked at."""

    @property
    def width(self) -> int:
        """Of its frames in pixels."""

    @property
    def height(self) -> int:
        """Of its frames in pixels."""

    @property
    def frame_count(self) -> int | None:
        """If known."""

    @property
    def duration_seconds(self) -> float | None:
        """If known."""


class Relay(FrameReader):
    """Stands in for a reader whose frames others read.

    Args:
        facts: of the source.
        start: where reading goes on.
    """

    def __init__(self, facts: Facts, start: Segment) -> None:
        super().__init__(facts.path, facts.every)
        self.width, self.height = facts.width, facts.height
        self.frame_count, self.duration_seconds = facts.frame_count, facts.duration_seconds
        self._segments = [start]
        self._warnings: list[str] = []
        self._notes: list[str] = []
        self._origin: int | None = None
        self._behind: FrameReader | None = None

    def go_on(self, reader: FrameReader) -> None:
        """From here on a reader of this process reads, from the last segment begun."""
        self._behind = reader

    @property
    def frames_read(self) -> int:
        """See FrameReader."""
        return self._behind.frames_read if self._behind else super().frames_read

    @property
    def frames_damaged(self) -> int:
        """See FrameReader."""
        return self._behind.frames_damaged if self._behind else super().frames_damaged

    @property
    def origin(self) -> int | None:
        """See FrameReader."""
        return self._behind.origin if self._behind else self._origin

    @property
    def segments(self) -> tuple[Segment, ...]:
        """See FrameReader."""
        own = super().segments
        return own if self._behind is None else (*own[:-1], *self._behind.segments)

    def take(self, part: Part) -> None:
        """A segment was looked through."""
        if part.following is not None:
            self._segments.append(part.following)
        if part.aside:
            self._notes += part.warnings
            self._tally.read = part.frames_read
            return
        self._tally.read, self._tally.damaged = part.frames_read, part.frames_damaged
        self._warnings = list(part.warnings)
        self._origin = part.origin

    @property
    def warnings(self) -> list[str]:
        """What went wrong so far, one line each."""
        return [*self._notes, *(self._behind.warnings if self._behind else self._warnings)]

    def close(self) -> None:
        """There is nothing to close."""
