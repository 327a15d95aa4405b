"""How many frames of a source were gone past, and how many were damaged."""

from __future__ import annotations


class Tally:
    """Counts, and at the end of each segment puts right what only its end tells.

    Attributes:
        read: sound frames gone past so far, those that were left out too.
        damaged: frames that could not be decoded so far.

    Args:
        read: before the first segment that is counted here.
        damaged: likewise.
    """

    def __init__(self, read: int = 0, damaged: int = 0) -> None:
        self.read = read
        self.damaged = damaged
        self._begin()

    def _begin(self) -> None:
        self._read_before, self._damaged_before = self.read, self.damaged
        self._sound = self._left_out = 0

    def add_sound(self) -> None:
        """A frame was decoded; whoever has it says when it is gone past."""
        self._sound += 1

    def add_left_out(self, count: int) -> None:
        """So many frames were gone past without decoding."""
        self.read += count
        self._left_out += count

    def end_segment(self, packets: int) -> None:
        """Count what a decoder dropped without a word while it waited for a sound key frame.

        Only where damage was seen: packets without a frame of their own are nothing unusual.

        Args:
            packets: of the segment, each of one frame.
        """
        if self.damaged:
            lost = packets - self._sound - self._left_out
            here = max(self.damaged - self._damaged_before, lost)
            self.damaged = self._damaged_before + here
            # The packets of some that were left out, and so counted as read, may have raised
            # errors.
            twice = self.read - self._read_before + here - packets
            self.read -= max(0, min(twice, self._left_out))
        self._begin()
