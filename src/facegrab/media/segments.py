"""Where a video's segments begin, told by its packets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Generic, Protocol, TypeVar

from facegrab.media.ahead import MAX_HELD, MAX_HELD_BYTES, Ranks

SEGMENT_SECONDS = 20
"""From one segment's first frame to the next one's, at least. A killed run loses no more than one
segment, and what is done once a segment (a seek, a transaction) is little against it."""
IMAGES_PER_SEGMENT = 100
"""Images of a sequence that are looked at in one segment."""


class KeyedPacket(Protocol):
    """What is asked of a packet; av.Packet has it."""

    pts: int | None
    size: int
    is_discard: bool
    is_keyframe: bool
    pos: int | None


P = TypeVar("P", bound=KeyedPacket)


class Cuts(Generic[P]):
    """Tells of frames as they come out whether a segment begins with them.

    It does with the first key frame so many ticks after the segment's first frame, if the packets
    up to there, and as many after it as may be shown before it, have times, each its own and none
    too late to be in order. A key packet that may be such a one is held back until that is certain,
    so that the answer does not depend on how far ahead of the frames the packets are. Once the
    times have been out of order no segment begins any more.

    Iterate over it for the packets; tell of the first frame (`begin`), then ask of each (`begins`).

    Args:
        packets: of one stream, in the file's order; None or one of no bytes ends the stream.
        ticks: from a segment's first frame to the next one's, at least.
        start: time of the key frame that is shown first; earlier ones do not count. None: all do.
    """

    def __init__(
        self, packets: Iterable[P | None], ticks: Fraction, start: int | None = None
    ) -> None:
        self._packets = packets
        self._ticks = ticks
        self._start = self._begun = start
        self._drops = start is not None
        self._ranks = Ranks()
        self._held: deque[P | None] = deque()
        self._held_bytes = 0
        self._settled = 0
        # Of key frames, by their times, first bytes and how many packets come before them, while
        # their places are not certain yet; then places too.
        self._keys: dict[int, tuple[int | None, int]] = {}
        self._place: dict[int, tuple[int, int | None, int]] = {}
        self._place_before = 0
        self.is_ordered = True
        """Whether all packets so far had times in order."""
        self.packet_count = 0
        """Packets so far, but those that are not shown."""

    def __iter__(self) -> Iterator[P | None]:
        """The packets as they are, some of them a little later."""
        for packet in self._packets:
            self._held.append(packet)
            self._held_bytes += packet.size if packet else 0
            self._see(packet)
            while self._held and not self._waits(self._held[0]):
                yield self._release()
        while self._held:
            yield self._release()

    def begin(self, pts: int | None) -> None:
        """The source's first frame came out; the first segment begins."""
        self._begun = pts

    def begins(self, pts: int | None) -> tuple[int, int | None] | None:
        """Of a frame with which a segment begins: packets of the one before, its own first byte.

        None where the segment goes on.
        """
        if pts is None or self._begun is None or pts not in self._place:
            return None
        while (first := next(iter(self._place))) < pts:
            del self._place[first]
        if pts - self._begun < self._ticks:
            return None
        self._drops = True
        self._begun, before = pts, self._place_before
        self._place_before, pos, _ = self._place[pts]
        return self._place_before - before, pos

    def parts(self, packet: P | None) -> bool:
        """Whether a segment begins with a packet's frame, if it is sound and a key frame.

        And nothing that comes after it is shown before it. To be asked of each packet when it is
        decoded.
        """
        pts = packet.pts if packet else None
        if pts is None or self._begun is None or pts not in self._place:
            return False
        place, _, packets = self._place[pts]
        return place == packets and pts - self._begun >= self._ticks

    def is_past(self, pts: int | None) -> bool:
        """It comes late, as some do after damage, and belongs to a segment that has ended."""
        if pts is None or self._begun is None:
            return False
        return self._drops and self.is_ordered and pts < self._begun

    @property
    def packets_in_segment(self) -> int:
        """Packets so far since the segment began."""
        return self.packet_count - self._place_before

    def _release(self) -> P | None:
        packet = self._held.popleft()
        self._held_bytes -= packet.size if packet else 0
        return packet

    def _see(self, packet: P | None) -> None:
        if packet is None or not packet.size:
            self._settle(0)
            return
        if packet.is_discard or self._leads(packet.pts):
            return
        self.packet_count += 1
        if not self.is_ordered:
            return
        full = len(self._held) > MAX_HELD or self._held_bytes > MAX_HELD_BYTES
        self.is_ordered = self._ranks.add(packet.pts) and not full
        if packet.is_keyframe and self.is_ordered and packet.pts is not None:
            self._keys[packet.pts] = packet.pos, self.packet_count - 1
        self._settle()

    def _leads(self, pts: int | None) -> bool:
        """It comes after the key frame with which reading starts, and is shown before it."""
        return (
            pts is not None
            and self._start is not None
            and not self._settled
            and (pts < self._start)
        )

    def _settle(self, *waiting: int) -> None:
        if not self.is_ordered:
            return
        for pts in self._ranks.settled(*waiting):
            if pts in self._keys:
                self._place[pts] = self._settled, *self._keys.pop(pts)
            self._settled += 1

    def _waits(self, packet: P | None) -> bool:
        if packet is None or packet.pts is None or not self.is_ordered:
            return False
        late = self._begun is None or packet.pts - self._begun >= self._ticks
        return late and packet.pts in self._keys
