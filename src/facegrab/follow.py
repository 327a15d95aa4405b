"""Which frames follow so closely on each other that not all of each has to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from facegrab.types import Frame

FOLLOWED = 28
"""Source frames after which all of a frame is looked at again: a second or so."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Groups of frames of which the first is looked at all over.

    Attributes:
        every: frames from one that is looked at to the next.
        length: frames of a group, at most; 1 where each is looked at all over.
    """

    every: int = 1
    length: int = 1

    @classmethod
    def of(cls, skip_frames: int) -> Runs:
        """Groups of at most FOLLOWED source frames.

        Args:
            skip_frames: as in the settings.
        """
        every = skip_frames + 1
        return cls(every, max(FOLLOWED // every, 1))

    def follows(self, frames: Sequence[Frame], before: Frame | None = None) -> list[bool]:
        """For each frame, whether it is the next one of the group of the frame before it.

        Args:
            frames: in order.
            before: the frame before the first one, if there is one.
        """
        found = [self._follows(*each) for each in pairwise(frames)]
        if frames:
            found.insert(0, before is not None and self._follows(before, frames[0]))
        return found

    def _follows(self, before: Frame, frame: Frame) -> bool:
        """Their indices alone decide, and that what is seen in a segment hangs on nothing else."""
        near = frame.index - before.index == self.every and frame.segment == before.segment
        return near and self._group(frame) == self._group(before)

    def _group(self, frame: Frame) -> int:
        return frame.index // self.every // self.length


ALONE = Runs()
"""Each frame is looked at all over."""
