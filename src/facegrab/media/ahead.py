"""Which frame a packet holds, known before it is decoded, so that others can be left out."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Generic, Protocol, TypeVar

# The most frames that may come before a frame in the file and after it on the screen: the decoded
# picture buffer holds no more (ITU-T H.264, A.3.1: MaxDpbFrames; H.265, A.4.2: MaxDpbSize).
MAX_REORDER = 16
# Frames that must come out one by one as they were announced before the first is left out.
TRIAL_FRAMES = 2 * MAX_REORDER
# The frames that come out of order, `TRIAL_FRAMES` points each, one off for each in order, after
# which the times are taken to be wrong; damage throws some tens of frames out of order at most.
MAX_DISORDER = MAX_REORDER * TRIAL_FRAMES
# A packet waits for all that are shown before it; for no more than these, though.
MAX_HELD = 64
MAX_HELD_BYTES = 2**26


class TimedPacket(Protocol):
    """What is asked of a packet; av.Packet has it."""

    pts: int | None
    size: int
    is_discard: bool


P = TypeVar("P", bound=TimedPacket)


class Ranks:
    """Presentation times in order, each as soon as its place among all of them is certain.

    It is once `MAX_REORDER` later times have been seen. This asks nothing of the decoding times,
    which some containers lack or invent.
    """

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._last: int | None = None

    def add(self, pts: int | None) -> bool:
        """False where there is no place: no time, one that was there, one that comes too late."""
        if pts is None or pts in self._waiting:
            return False
        if self._last is not None and pts <= self._last:
            return False
        heapq.heappush(self._waiting, pts)
        return True

    def settled(self, waiting: int = MAX_REORDER) -> Iterator[int]:
        """The times that are certain now; all but so many of the latest."""
        while len(self._waiting) > waiting:
            self._last = heapq.heappop(self._waiting)
            yield self._last


class Ahead(Generic[P]):
    """Tells of every packet whether its frame is wanted, and of every frame its index.

    A packet is held back until the place of its time among all times is certain. That place is the
    index of its frame, whether or not the frames before it come out; number 0 is the first that
    does come out.

    In the beginning all frames are wanted, until `TRIAL_FRAMES` came out as announced. If they do
    not, because a frame fills two packets, say, or one is lost, nothing is ever left out, and
    frames are counted as they come. Later, too, a packet whose time has no place (there is none, or
    it is there twice, or it steps back), a frame whose time was not announced and frames that keep
    coming out of order end the looking ahead: from the next packet on all frames are wanted and
    counted, on from the last index.

    Iterate over it, decode each packet, and ask `number` for each frame that comes out.

    Args:
        packets: of one stream, in the file's order; None or one of no bytes ends the stream.
        every: frames whose index it divides are wanted.
        look: False: all frames are wanted and counted as they come; no packet is held back.
        first: index of the first frame that comes out.
        start: its time, where packets of earlier ones may come: those have no index.
        trial: frames that must come out as announced.
    """

    def __init__(
        self,
        packets: Iterable[P | None],
        every: int,
        *,
        look: bool = True,
        first: int = 0,
        start: int | None = None,
        trial: int = TRIAL_FRAMES,
    ) -> None:
        self._packets = packets
        self._every = every
        self._first = first
        self._start = start
        self._ranks = Ranks()
        self._looking = self._choosing = look
        # Whether all packets so far had places.
        self._ordered = look
        # Each with whether it has no index: it is cut away, or earlier than the start.
        self._held: deque[tuple[P | None, bool]] = deque()
        self._held_bytes = 0
        # Place of each held packet's frame, by its time.
        self._place: dict[int, int] = {}
        self._announced = first
        # Times of the frames to come, in order; True where one was left out.
        self._due: dict[int, bool] = {}
        self._trial = trial if look else 0
        self._next = first
        self._dropped = self._disorder = 0
        # Times of the first frame that came out and of the last.
        self._span: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[tuple[P | None, bool]]:
        """Every packet in order, and whether its frame is wanted."""
        for packet in self._packets:
            self._hold(packet)
            while self._held and self._is_placed(*self._held[0]):
                yield self._release()
        self._looking = False
        while self._held:
            yield self._release()

    @property
    def trial(self) -> int | None:
        """Frames that must still come out as announced; None: they are counted as they come."""
        return self._trial if self._ordered else None

    def want_all(self) -> None:
        """From the next packet on leave nothing out; indices go on as they would have."""
        self._choosing = False

    def number(self, pts: int | None) -> tuple[int | None, int]:
        """The index of the next frame that came out, and how many were left out just before it.

        None for one that comes out of the order of the times, as some do after damage. Call it once
        for every frame, in order.

        Args:
            pts: its time, of the clock of the packets; None where it has none.
        """
        if self._trial:
            self._try(pts)
        if self._is_out_of_order(pts):
            return None, 0
        passed = self._pass(pts)
        index = self._next + len(passed)
        self._next = index + 1
        if self._ordered and pts is not None:
            self._span = (self._span[0] if self._span else pts, pts)
        return index, sum(passed)

    def rest(self) -> int:
        """How many frames were left out after the last one that came out."""
        return sum(self._due.values())

    def _hold(self, packet: P | None) -> None:
        apart = packet is not None and self._is_apart(packet)
        self._held.append((packet, apart))
        self._held_bytes += packet.size if packet else 0
        if not self._looking:
            return
        if packet is None or not packet.size:
            self._announce(0)
            self._looking = False
        elif not apart:
            self._looking = self._ranks.add(packet.pts) and not self._is_full()
            self._ordered = self._looking
            self._announce(MAX_REORDER)

    def _is_apart(self, packet: P) -> bool:
        """Its frame is not among those that are numbered."""
        if packet.is_discard:
            return True
        if packet.pts is None or self._start is None or self._announced > self._first:
            return False
        return packet.pts < self._start

    def _is_full(self) -> bool:
        return len(self._held) > MAX_HELD or self._held_bytes > MAX_HELD_BYTES

    def _announce(self, waiting: int) -> None:
        for pts in self._ranks.settled(waiting):
            self._place[pts] = self._announced
            self._due[pts] = False
            self._announced += 1

    def _is_placed(self, packet: P | None, apart: bool) -> bool:
        if not self._looking or packet is None or apart:
            return True
        return packet.pts in self._place

    def _release(self) -> tuple[P | None, bool]:
        packet, apart = self._held.popleft()
        if packet is None:
            return None, True
        self._held_bytes -= packet.size
        if apart:
            # What an edit list cuts away is decoded only for those that refer to it.
            return packet, not self._leaves_out()
        place = None if packet.pts is None else self._place.pop(packet.pts, None)
        if place is None or not self._leaves_out():
            return packet, True
        wanted = (place - self._dropped) % self._every == 0
        if not wanted and packet.pts in self._due:
            self._due[packet.pts] = True
        return packet, wanted

    def _leaves_out(self) -> bool:
        return self._choosing and not self._trial

    def _try(self, pts: int | None) -> None:
        if self._next == self._first and pts is not None:
            self._dropped = len(self._pass_before(pts))
        if pts is not None and pts == next(iter(self._due), None):
            self._trial -= 1
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._looking = self._ordered = self._choosing = False
        self._trial = 0
        self._due.clear()

    def _is_out_of_order(self, pts: int | None) -> bool:
        if not self._is_late(pts) and not self._is_early(pts):
            self._disorder = max(0, self._disorder - 1)
            return False
        self._choosing = False
        self._disorder += TRIAL_FRAMES
        if self._disorder > MAX_DISORDER:
            self._give_up()
        return True

    def _is_late(self, pts: int | None) -> bool:
        """It comes after a later one, where packets say that there is none such."""
        if not self._ordered or pts is None or self._span is None:
            return False
        return self._span[0] <= pts <= self._span[1]

    def _is_early(self, pts: int | None) -> bool:
        """It comes when not even all packets of earlier ones were given to the decoder."""
        if pts is None or pts not in self._due:
            return False
        return any(time in self._place for time in takewhile(lambda time: time < pts, self._due))

    def _pass(self, pts: int | None) -> list[bool]:
        """Of each frame that was to come before this one whether it was left out.

        They and this one are due no more.
        """
        if pts is None or pts not in self._due:
            return self._pass_unannounced()
        passed = self._pass_before(pts)
        del self._due[pts]
        return passed

    def _pass_before(self, pts: int) -> list[bool]:
        passed = []
        while self._due and (first := next(iter(self._due))) < pts:
            passed.append(self._due.pop(first))
        return passed

    def _pass_unannounced(self) -> list[bool]:
        """The same for a frame whose packet had no place."""
        self._choosing = False
        if self._looking:
            # There is no such packet: frames and packets have different times.
            self._give_up()
        if self._place:
            return []
        # All that had places were given to the decoder: this one follows them.
        passed = list(self._due.values())
        self._due.clear()
        return passed
