"""Presentation times -> seconds since the first frame."""

from __future__ import annotations

from fractions import Fraction

# A step back of more than this is a break in the stream (two recordings joined, a counter that
# wrapped): the clock goes on from there. Less is disorder, and the time stands still.
_BREAK_SECONDS = 1


class Clock:
    """Seconds since the first frame: pts x time_base, never falling.

    The first frame is second 0 wherever the stream's times start. A frame without a time comes one
    average frame after the one before it.

    Args:
        time_base: seconds per tick of the pts.
        frame_seconds: average duration of a frame.
        origin: ticks of the source's first frame, where another is the first one here.

    Attributes:
        is_steady: every frame so far had a time of its own, in order: time x time_base from the
            first one's, as it is in the file.
    """

    def __init__(
        self, time_base: Fraction, frame_seconds: Fraction, origin: int | None = None
    ) -> None:
        self._time_base = time_base
        self._step = max(1, round(frame_seconds / time_base))
        self._break = round(_BREAK_SECONDS / time_base)
        self._origin = origin
        self._last = -self._step
        self._is_whole = True
        self._is_first = origin is None
        self.is_steady = True

    def is_later(self, pts: int | None) -> bool:
        """Whether the time is later than all so far, on a clock that never broke."""
        if pts is None or self._origin is None or not self._is_whole:
            return False
        return pts - self._origin > self._last

    def seconds(self, pts: int | None) -> float:
        """The next frame's time in seconds; pts in ticks, None where the stream has none."""
        follows = self._last + self._step
        self.is_steady &= self.is_later(pts) or (pts is not None and self._is_first)
        self._is_first = False
        if pts is None:
            ticks = follows
        else:
            if self._origin is None or pts - self._origin < self._last - self._break:
                self._is_whole = self._origin is None
                self._origin = pts - follows
            ticks = max(pts - self._origin, self._last)
        self._last = ticks
        return float(ticks * self._time_base)
