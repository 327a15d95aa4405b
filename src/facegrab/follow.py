"""Which frames follow so closely on each other that not all of each has to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from facegrab.types import Frame

FOLLOWED = 28
"""Source frames after which all of a frame is looked at again: a second or so."""
GROUP_BYTES = 32 * 2**20
"""Pixels of a group, at most, for its frames are kept together: 5 frames of 1080p."""
SHORTEST = 2
"""Frames of a group, also where these are larger."""


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
    def of(cls, skip_frames: int, frame_bytes: int) -> Runs:
        """Groups of at most FOLLOWED source frames and about GROUP_BYTES.

        Args:
            skip_frames: as in the settings.
            frame_bytes: of one frame's pixels.
        """
        every = skip_frames + 1
        room = max(GROUP_BYTES // frame_bytes, SHORTEST)
        return cls(every, max(min(FOLLOWED // every, room), 1))

    def parted(self, frame: Frame, before: Frame) -> bool:
        """Whether two frames are of different groups, which their indices alone decide."""
        return self.length == 1 or self._group(frame) != self._group(before)

    def follows(self, frames: Sequence[Frame]) -> list[bool]:
        """For each frame, whether it is the next one of the group of the frame before it."""
        found = [False] * len(frames)
        for number, (before, frame) in enumerate(pairwise(frames), 1):
            near = frame.index - before.index == self.every
            found[number] = near and not self.parted(frame, before)
        return found

    def _group(self, frame: Frame) -> int:
        return frame.index // self.every // self.length


ALONE = Runs()
"""Each frame is looked at all over."""
