"""Tracks: the faces of neighbouring frames of a shot that are one person's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.people.gallery import distances
from facegrab.types import FloatArray, IntArray

GAP = 12
"""A face may go on a track that was seen in one of so many looked-at frames before: within three
seconds, where every 7th of 25 a second is looked at.

Of the company (bench: tracks), 72 people's parts, it makes 83 tracks looked at every frame and 78
every 7th, all pure; with 8 it makes 97 and 80, with 25 78 and 78, but .5 % of the faces are on
another's. The figures below were chosen likewise; a farthest move of 1.5 makes 104 of every 7th.
"""
FARTHEST = 2.5
"""Sides of a face that it may have moved from one looked-at frame to the next."""
SLACK = 0.25
"""For each further frame that it was not seen in, so much of that more."""
MOST_GROWTH = 2.0
"""Factor by which a face may be larger or smaller than it was."""
MOVE_WEIGHT = 0.25
"""A move by a side counts as much as this share of the tolerance in appearance."""
MOST_COST = 1.25
"""Appearance in tolerances and the move, weighted, of the same person at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sighting:
    """The faces of one looked-at frame: box float32 (N, 4), embedding (N, D), track int64 (N,)."""

    frame: int
    box: FloatArray
    embedding: FloatArray
    track: IntArray


class Tracker:
    """Gives every face the number of its track, unique within a source, from 0 up.

    A face goes on the track of the last GAP looked-at frames of the shot that costs least: the
    distance of its embedding from the mean of the track's, in tolerances, and how far it is, in
    sides of a face, from where the track was last seen or where its last two faces lead, whichever
    is nearer. So one who walks behind another comes out with the right track, also where their
    boxes lie on each other. The cheapest pair of all is joined first. A face that no track is good
    enough for begins one.

    All that it remembers are the faces of the last GAP looked-at frames, so that ``resumed`` goes
    on exactly as if there had been no interruption.

    Args:
        metric: of the embeddings.
        tolerance: the recogniser's own, whatever the user's: tracks are the scan's and do not
            depend on who is looked for.
        next_track: the first number to give.
    """

    def __init__(self, metric: Metric, tolerance: float, next_track: int = 0) -> None:
        self._metric: Metric = metric
        self._tolerance = tolerance
        self._next = next_track
        self._seen: deque[_Sighting] = deque(maxlen=GAP)

    @classmethod
    def resumed(
        cls,
        metric: Metric,
        tolerance: float,
        next_track: int,
        looked_at: IntArray,
        frame: IntArray,
        box: FloatArray,
        embedding: FloatArray,
        track: IntArray,
    ) -> Tracker:
        """A tracker that goes on after the frames given.

        Args:
            metric: see Tracker.
            tolerance: see Tracker.
            next_track: one more than the highest number of the source so far; 0 if there is none.
            looked_at: int64 (F,), the numbers of the last GAP looked-at frames of the shot that
                goes on, those without faces too, ascending; more are no harm, fewer only if the
                shot is that young.
            frame: int64 (N,), of the faces in these frames; what is of other frames is passed over.
            box: float32 (N, 4).
            embedding: float32 (N, D), as they were given.
            track: int64 (N,).

        Raises:
            ValueError: the numbers of the frames do not ascend.
        """
        tracker = cls(metric, tolerance, next_track)
        for number in looked_at[-GAP:].tolist():
            rows = np.flatnonzero(frame == number)
            tracker._remember(number, box[rows], embedding[rows], track[rows])
        return tracker

    @property
    def next_track(self) -> int:
        """The number that the next track will have."""
        return self._next

    def add(self, frame: int, cut: bool, box: FloatArray, embedding: FloatArray) -> IntArray:
        """The tracks of the faces of the next looked-at frame; call it for one without faces too.

        Args:
            frame: its number in the source.
            cut: whether it begins a new shot.
            box: float32 (N, 4), x0 y0 x1 y1 in pixels.
            embedding: float32 (N, D).

        Returns:
            int64 (N,), all different. The order of the faces does not matter.

        Raises:
            ValueError: the frame does not come after the one before.
        """
        if cut:
            self._seen.clear()
        track = np.empty(len(box), np.int64)
        if len(box):
            # In an order of their own, so that neither new numbers nor ties depend on the caller's.
            order = np.lexsort((*embedding.T[:2], *box.T))
            track[order] = self._tracks(box[order], embedding[order])
        self._remember(frame, box, embedding, track)
        return track

    def _remember(
        self, frame: int, box: FloatArray, embedding: FloatArray, track: IntArray
    ) -> None:
        if self._seen and self._seen[-1].frame >= frame:
            raise ValueError(f"frame {frame} after frame {self._seen[-1].frame}")
        self._seen.append(_Sighting(frame, box, embedding, track))

    def _tracks(self, box: FloatArray, embedding: FloatArray) -> IntArray:
        track = np.full(len(box), -1, np.int64)
        if any(len(each.track) for each in self._seen):
            number, cost = self._costs(box, embedding)
            for row, column in _cheapest(cost):
                track[row] = number[column]
        begins = np.flatnonzero(track < 0)
        track[begins] = np.arange(self._next, self._next + len(begins))
        self._next += len(begins)
        return track

    def _costs(self, box: FloatArray, embedding: FloatArray) -> tuple[IntArray, FloatArray]:
        """The open tracks' numbers (T,), and what each face costs on each: float32 (N, T)."""
        seen = [each for each in self._seen if len(each.track)]
        ages = range(len(self._seen), 0, -1)
        age = np.repeat(np.array(ages), [len(each.track) for each in self._seen])
        every = np.concatenate([each.track for each in seen])
        order = np.lexsort((age, every))
        every, age = every[order], age[order]
        boxes = np.concatenate([each.box for each in seen])[order]
        latest = np.flatnonzero(np.diff(every, prepend=-1))
        count = np.diff(latest, append=len(every))
        before = latest + (count > 1)  # the one before the last, or the last again
        centre, side = _places(boxes)
        steps = np.maximum(age[before] - age[latest], 1)[:, None]
        moved = (centre[latest] - centre[before]) / steps * age[latest, None]
        move = _move(box, centre[latest], moved, side[latest])
        move /= 1 + SLACK * (age[latest] - 1)
        embeddings = np.concatenate([each.embedding for each in seen])[order]
        sums = np.add.reduceat(embeddings, latest, axis=0)
        mean = np.asarray(sums / count[:, None], np.float32)
        apart = distances(embedding, mean, self._metric) / self._tolerance
        cost = apart + MOVE_WEIGHT * move
        cost[~(move <= FARTHEST)] = np.inf
        return every[latest], cost


def _places(box: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres (N, 2) and sides (N,) of boxes."""
    side = (box[:, 2:] - box[:, :2] + 1).max(axis=1, initial=1)
    centre = (box[:, :2] + box[:, 2:]) / 2
    return np.asarray(centre, np.float32), np.asarray(side, np.float32)


def _move(
    box: FloatArray, last: FloatArray, moved: FloatArray, last_side: FloatArray
) -> FloatArray:
    """Sides that each face (N,) is from where each track (T,) could be: float32 (N, T)."""
    centre, side = _places(box)
    apart = centre[:, None] - last
    near = np.minimum((apart**2).sum(axis=2), ((apart - moved) ** 2).sum(axis=2))
    ratio = side[:, None] / last_side
    grown = np.maximum(ratio, 1 / ratio)
    move = np.sqrt(near / (side[:, None] * last_side))
    return np.asarray(np.where(grown <= MOST_GROWTH, move, np.inf), np.float32)


def _cheapest(cost: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Pairs of row and column, the cheapest first; each row and column in one pair at most."""
    rows, columns = np.nonzero(cost <= MOST_COST)
    order = np.argsort(cost[rows, columns], kind="stable")
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column))
    return pairs
