"""What somebody has said of a source's faces, found again among those that a scan saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facegrab.store.reviews import APART, IS, IS_NOT, ONE, TICKS_PER_SECOND, Review, ticks_of
from facegrab.types import Faces, FloatArray, IntArray

SAME_TICKS = 1000
"""Microseconds between two readings of one frame's time, at most."""
SAME_PLACE = 0.5
"""Overlap (intersection over union) of a face's box with what was kept of it, at least."""
ABOUT_THERE = 0.3
"""The same where another scan looked at other frames: the box is then guessed from two others."""
GAP_TICKS = 2 * TICKS_PER_SECOND
"""Between two of those frames, at most."""
REACH_TICKS = 3 * TICKS_PER_SECOND // 10
"""That a face of such a scan may be before the first of them, or behind the last: a frame of two
looks at one in seven is as near."""
UNSAID = -1

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What was said of some faces, one row a face.

    Attributes:
        names: of the people who are spoken of.
        person: int64 (N,), whose face it is, a number in names; UNSAID.
        refused: bool (N, len(names)), whose it is not.
        apart: int64 (N,), faces of one track with different numbers are not one person's.
        joined: int64 (N,), faces of the same number are one person's; UNSAID.
        skipped: bool (N,), somebody has looked and could not say.
        same: pairs of numbers in ``joined`` that stand for one person.
    """

    names: tuple[str, ...]
    person: IntArray
    refused: Bools
    apart: IntArray
    joined: IntArray
    skipped: Bools
    same: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def none(cls, count: int, names: tuple[str, ...] = ()) -> Labels:
        """Nothing was said."""
        return cls(
            names,
            np.full(count, UNSAID),
            np.zeros((count, len(names)), np.bool_),
            np.zeros(count, np.int64),
            np.full(count, UNSAID),
            np.zeros(count, np.bool_),
        )

    @property
    def any(self) -> bool:
        """Whether anything was said that decides."""
        return bool(
            (self.person != UNSAID).any()
            or self.refused.any()
            or self.apart.any()
            or (self.joined != UNSAID).any()
        )

    def parted(self, track: IntArray) -> IntArray:
        """int64 (N,): tracks, parted where different things were said of their faces."""
        if not self.any:
            return track
        columns = np.column_stack([track, self.person, self.apart, self.joined, self.refused])
        return np.asarray(np.unique(columns, axis=0, return_inverse=True)[1], np.int64).ravel()


class Said:
    """What was said of one source's faces.

    Args:
        content: what the source is known by.
        reviews: all that was said of the folder's, in order.
        names: of all people spoken of, see Labels.
    """

    def __init__(self, content: str, reviews: Sequence[Review], names: tuple[str, ...]) -> None:
        self._names = names
        self._reviews = [
            (each, [part for part in each.parts if part.content == content]) for each in reviews
        ]
        self._reviews = [(each, parts) for each, parts in self._reviews if parts]

    def of(self, faces: Faces) -> Labels:
        """What was said of some of the source's faces; when all are seen, see ``spread``.

        Args:
            faces: of whole tracks, in the order of frames.
        """
        labels = Labels.none(len(faces), self._names)
        if not self._reviews or not len(faces):
            return labels
        ticks = ticks_of(faces)
        first, last = ticks[0] - REACH_TICKS, ticks[-1] + REACH_TICKS
        for review, parts in self._reviews:
            found = [
                found_again(part.ticks, part.box, ticks, faces)
                for part in parts
                if part.ticks[0] <= last and part.ticks[-1] >= first
            ]
            if not found:  # most of a film is elsewhere
                continue
            _write(labels, review, np.unique(np.concatenate(found)))
        return labels


def _write(labels: Labels, review: Review, rows: IntArray) -> None:
    """What was said last counts."""
    if review.said == APART:
        labels.apart[rows] = review.row
    elif review.said == ONE:
        before = np.setdiff1d(labels.joined[rows], [UNSAID]).tolist()
        labels.same.update((each, review.row) for each in before)
        labels.joined[rows] = review.row
    elif review.said in (IS, IS_NOT):
        if review.person not in labels.names:  # a question that knows nothing of this person
            return
        who = labels.names.index(review.person)
        labels.skipped[rows] = False
        if review.said == IS:
            labels.person[rows] = who
            labels.refused[rows] = False
        else:
            theirs = rows[labels.person[rows] == who]
            labels.person[theirs] = UNSAID
            labels.refused[rows, who] = True
    else:
        labels.skipped[rows] = True


def spread(parts: Sequence[Labels]) -> None:
    """What was said of some of those who are one person goes for all of them.

    Where different things were said of them, each keeps its own.

    Args:
        parts: labels of all faces of a source, in as many parts as they were seen in.
    """
    _number_alike(parts)
    joined = set[int]().union(*(each.joined.tolist() for each in parts))
    for number in sorted(joined - {UNSAID}):
        rows = [np.flatnonzero(each.joined == number) for each in parts]
        own = list(zip(parts, rows, strict=True))
        who = np.unique(np.concatenate([each.person[some] for each, some in own]))
        who = who[who != UNSAID]
        refused = np.any([each.refused[some].any(axis=0) for each, some in own], axis=0)
        for each, some in own:
            if len(who) == 1:
                each.person[some[~each.refused[some, who[0]]]] = who[0]
            if not len(who):
                each.refused[some] = refused


def _number_alike(parts: Sequence[Labels]) -> None:
    """Gives all who are one person one number: the last of theirs."""
    last: dict[int, int] = {}

    def of(number: int) -> int:
        while number in last:
            number = last[number]
        return number

    for pair in sorted(set[tuple[int, int]]().union(*(each.same for each in parts))):
        one, other = sorted(map(of, pair))
        if one != other:
            last[one] = other
    if last:
        for each in parts:
            for number in last.keys() & set(each.joined.tolist()):
                each.joined[each.joined == number] = of(number)


def found_again(ticks: IntArray, box: FloatArray, their_ticks: IntArray, theirs: Faces) -> IntArray:
    """Rows of the faces that were spoken of: int64, ascending.

    A scan of the same settings has the very same faces. One that looks at more frames has others
    of the same tracks between them, one that looks at others has none of them: these are near the
    line from one place to the next.

    Args:
        ticks: int64 (A,), of what was spoken of, ascending.
        box: float32 (A, 4).
        their_ticks: int64 (N,), of the faces of a scan, ascending.
        theirs: those N faces.
    """
    first = int(np.searchsorted(their_ticks, ticks[0] - REACH_TICKS))
    end = int(np.searchsorted(their_ticks, ticks[-1] + REACH_TICKS, "right"))
    rows = np.arange(first, end)
    when = their_ticks[rows]
    after = np.searchsorted(ticks, when).clip(0, len(ticks) - 1)
    before = np.maximum(after - 1, 0)
    before_is_nearer = np.abs(when - ticks[before]) < np.abs(when - ticks[after])
    nearest = np.where(before_is_nearer, before, after)
    is_same = np.abs(when - ticks[nearest]) <= SAME_TICKS
    overlap = _overlap(theirs.box[rows], box[nearest])
    exact = rows[is_same & (overlap >= SAME_PLACE)]
    exact = _best(exact, nearest[exact - first], overlap[exact - first])
    span = np.maximum(ticks[after] - ticks[before], 1)
    share = ((when - ticks[before]) / span).clip(0, 1)[:, None]
    guessed = np.asarray(box[before] * (1 - share) + box[after] * share, np.float32)
    inside = (when >= ticks[0]) & (when <= ticks[-1])
    near = inside & (span <= GAP_TICKS)
    if len(exact) >= _within(ticks, their_ticks):
        near &= np.isin(theirs.track[rows], theirs.track[exact])
    elif len(ticks) > 1:  # what was seen once, in a photo say, tells nothing of those beside it
        near |= ~inside & (np.abs(when - ticks[nearest]) <= REACH_TICKS)
    overlap = _overlap(theirs.box[rows], guessed)
    about = rows[near & ~is_same & (overlap >= ABOUT_THERE)]
    about = _best(about, when[about - first], overlap[about - first])
    return np.union1d(exact, about)


def _within(ticks: IntArray, theirs: IntArray) -> int:
    """How many of the times lie among those of some faces: others are of another block."""
    if not len(theirs):
        return 0
    inside = (ticks >= theirs[0] - SAME_TICKS) & (ticks <= theirs[-1] + SAME_TICKS)
    return int(inside.sum())


def _best(rows: IntArray, of: IntArray, overlap: FloatArray) -> IntArray:
    """Of rows that stand for the same the one that overlaps most, ascending."""
    order = np.lexsort((-overlap, of))
    is_first = np.diff(of[order], prepend=of[order][:1] - 1) != 0
    return np.sort(rows[order][is_first])


def _overlap(one: FloatArray, other: FloatArray) -> FloatArray:
    """Intersection over union of boxes, row by row: float32 (N,)."""
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, 2:], other[:, 2:])
    inner = (high - low + 1).clip(0).prod(axis=1)
    sizes = [(each[:, 2:] - each[:, :2] + 1).clip(0).prod(axis=1) for each in (one, other)]
    return np.asarray(inner / np.maximum(sizes[0] + sizes[1] - inner, 1), np.float32)
