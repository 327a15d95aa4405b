"""Who is on screen when: spans of a video in lanes, a person each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facegrab.store.found import Appearance, SourceFound, State
from facegrab.view.charts import ticks
from facegrab.view.links import clock

FINEST = 1000
"""Spans in a lane, at most: nearer ones are drawn as one. At the largest zoom and 1600 px that is
25 px."""
ZOOMS = (1, 4, 16)
TICKS = 5
"""Times below a timeline that is as wide as a telephone."""
SHORTEST_SECONDS = 0.04
"""A picture's time on screen where nothing is known of the next: one frame of 25 a second."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a lane.

    Attributes:
        start_seconds: where it begins.
        end_seconds: where it ends.
        faces: seen in it.
        track: that it begins with.
        left: where it begins, in percent of the lane.
        width: of it, in percent of the lane.
    """

    start_seconds: float
    end_seconds: float
    faces: int
    track: int
    left: float = 0.0
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Lane:
    """Spans of one person that the same became of.

    Attributes:
        person: whose; '' where only one is asked for.
        state: what became of the faces.
        spans: in the order of their times.
    """

    person: str
    state: State
    spans: Sequence[Span]

    @property
    def faces(self) -> int:
        """In all spans."""
        return sum(each.faces for each in self.spans)


@dataclass(frozen=True, slots=True)
class Tick:
    """A time below the lanes.

    Attributes:
        left: in percent.
        label: the time.
        zoom: from which on it is shown.
    """

    left: float
    label: str
    zoom: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Of one source.

    Attributes:
        source: which.
        seconds: that it covers.
        lanes: from the person's to the strangers'.
        ticks: times.
        on_screen: seconds for which each person has extracts that are not in doubt, by name.
    """

    source: SourceFound
    seconds: float
    lanes: Sequence[Lane]
    ticks: Sequence[Tick]
    on_screen: dict[str, float]


_ORDER: tuple[State, ...] = ("kept", "ask", "left", "other")


def timeline(source: SourceFound, appearances: Iterable[Appearance]) -> Timeline:
    """Arranges the appearances of a source.

    Args:
        source: which.
        appearances: of it.
    """
    by_lane: dict[tuple[bool, str, int], list[Appearance]] = {}
    for each in appearances:
        stranger = each.state == "other"
        key = (stranger, "" if stranger else each.person, _ORDER.index(each.state))
        by_lane.setdefault(key, []).append(each)
    last = max((each.end_seconds for lane in by_lane.values() for each in lane), default=0.0)
    seconds = max(source.seconds or 0.0, last) or 1.0
    step = _step(source)
    lanes = [
        Lane(person, _ORDER[state], _spans(lane, step, seconds))
        for (_, person, state), lane in sorted(by_lane.items())
    ]
    people = sorted({each.person for each in lanes if each.state == "kept"})
    on_screen = {
        person: _union(by_lane[False, person, _ORDER.index("kept")], step) for person in people
    }
    # A picture has no time: of them only the order can be shown.
    shown = () if source.pictures else _ticks(seconds)
    return Timeline(source, seconds, lanes, shown, on_screen)


def _step(source: SourceFound) -> float:
    """Seconds from one frame that counts to the next: so long is who is seen once."""
    if source.seconds and source.frame_count:
        return max(source.seconds / source.frame_count * source.every, SHORTEST_SECONDS)
    return SHORTEST_SECONDS


def _union(lane: Sequence[Appearance], step: float) -> float:
    """Seconds for which anybody of a lane is there."""
    total, until = 0.0, float("-inf")
    for each in sorted(lane, key=lambda each: each.start_seconds):
        end = each.end_seconds + step
        total += max(end - max(each.start_seconds, until), 0.0)
        until = max(until, end)
    return total


def _spans(lane: Sequence[Appearance], step: float, seconds: float) -> list[Span]:
    gap = max(seconds / FINEST, step)
    whole: list[Span] = []
    for each in sorted(lane, key=lambda each: (each.start_seconds, each.track)):
        end = min(each.end_seconds + step, max(seconds, each.end_seconds))
        before = whole[-1] if whole else None
        if before and each.start_seconds <= before.end_seconds + gap:
            end = max(end, before.end_seconds)
            faces = before.faces + each.faces
            whole[-1] = Span(before.start_seconds, end, faces, before.track)
        else:
            whole.append(Span(each.start_seconds, end, each.faces, each.track))
    return [
        Span(
            each.start_seconds,
            each.end_seconds,
            each.faces,
            each.track,
            round(100 * each.start_seconds / seconds, 3),
            round(100 * (each.end_seconds - each.start_seconds) / seconds, 3),
        )
        for each in whole
    ]


def _ticks(seconds: float) -> list[Tick]:
    """Round times; the more, the larger the zoom."""
    found: dict[float, Tick] = {}
    for zoom in ZOOMS:
        for value in _times(seconds, TICKS * zoom):
            left = round(100 * value / seconds, 3)
            if left < 98 and value not in found:  # the last one's words would not fit
                found[value] = Tick(left, clock(value), zoom)
    return [found[value] for value in sorted(found)]


def _times(seconds: float, most: int) -> list[float]:
    for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200):
        if seconds / step < most:
            return [float(each) for each in range(0, int(seconds) + 1, step)]
    return ticks(0, seconds, most)
