"""In place of a reader: what others have read."""

from __future__ import annotations

from facegrab.media import FrameReader
from facegrab.task import Part
from facegrab.types import Segment


class Relay(FrameReader):
    """Stands in for a reader whose frames others read.

    Args:
        reader: of the source, which tells about it.
        start: where reading goes on.
    """

    def __init__(self, reader: FrameReader, start: Segment) -> None:
        super().__init__(reader.path, reader.every)
        self.width, self.height = reader.width, reader.height
        self.frame_count, self.duration_seconds = reader.frame_count, reader.duration_seconds
        self._segments = [start]
        self._warnings: list[str] = []
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
        self._tally.read, self._tally.damaged = part.frames_read, part.frames_damaged
        self._warnings = list(part.warnings)
        self._origin = part.origin

    @property
    def warnings(self) -> list[str]:
        """What went wrong so far, one line each."""
        return self._behind.warnings if self._behind else self._warnings

    def close(self) -> None:
        """There is nothing to close."""
