"""Pieces: tracks, parted where they go over from one person to another, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.types import FloatArray, IntArray

WINDOW = 5
"""Faces before and behind a place that say whether the person changes there."""
FEWEST = 2
"""Faces that a piece has at least, unless the track has fewer: one alone may be an odd picture."""
CHANGED = 1.05
"""Tolerances between the mean embeddings before and behind a place where the person changes."""
FITTING = 1.0
"""Tolerances that a face may be from the mean embedding of its piece, to count as of its person."""
_BLOCK = 1 << 15
"""Rows in one go, which bounds the memory to some tens of megabytes."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The rows of faces in the order of tracks and frames, and where pieces begin in it.

    Attributes:
        order: int64 (N,), the rows, those of a piece together.
        starts: int64 (P,), where in ``order`` each piece begins.
    """

    order: IntArray
    starts: IntArray

    @classmethod
    def of(
        cls,
        embedding: FloatArray,
        track: IntArray,
        frame: IntArray,
        doubtful: Bools,
        metric: Metric,
        tolerance: float,
    ) -> Pieces:
        """Parts the tracks that have a doubtful face wherever their embeddings change for good.

        Args:
            embedding: float32 (N, D).
            track: int64 (N,).
            frame: int64 (N,).
            doubtful: bool (N,), faces whose tracks are worth the trouble.
            metric: of the embeddings.
            tolerance: the largest distance of the same person.
        """
        order = np.lexsort((frame, track))
        begins = np.diff(track[order], prepend=track[order[:1]] - 1) != 0
        starts = np.flatnonzero(begins)
        lengths = np.diff(starts, append=len(order))
        if len(starts):
            parted = np.logical_or.reduceat(doubtful[order], starts) & (lengths >= 2 * FEWEST)
            for tracks in _blocks(np.flatnonzero(parted), lengths):
                places = _spans(starts[tracks], lengths[tracks])
                changed = _changes(embedding[order[places]], lengths[tracks], metric, tolerance)
                begins[places[changed]] = True
        return cls(order, np.flatnonzero(begins))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> IntArray:
        """int64 (P,), faces of each piece."""
        return np.diff(self.starts, append=len(self.order))

    @property
    def of_row(self) -> IntArray:
        """int64 (N,), the piece that each row belongs to."""
        piece = np.empty(len(self.order), np.int64)
        piece[self.order] = np.repeat(np.arange(len(self)), self.lengths)
        return piece

    def median(self, values: FloatArray, weight: FloatArray) -> FloatArray:
        """The weighted median of each piece, float32 (P,): half of the weight lies on each side.

        Args:
            values: float32 (N,).
            weight: float32 (N,), above 0.
        """
        piece = np.repeat(np.arange(len(self)), self.lengths)
        order = self.order[np.lexsort((values[self.order], piece))]
        sums = np.cumsum(weight[order], dtype=np.float64)
        before = np.concatenate([[0.0], sums])[self.starts]
        half = before + (sums[self.starts + self.lengths - 1] - before) / 2
        low = np.searchsorted(sums, half * (1 - 1e-9), side="left")
        high = np.searchsorted(sums, half * (1 + 1e-9), side="right")
        last = self.starts + self.lengths - 1
        both = values[order[np.minimum(low, last)]] + values[order[np.minimum(high, last)]]
        return np.asarray(both / 2, np.float32)

    def means(self, embedding: FloatArray, weight: FloatArray) -> FloatArray:
        """The weighted mean embeddings, float32 (P, D)."""
        if not len(self):
            return embedding[:0]
        rows = embedding[self.order] * weight[self.order, None]
        sums = np.add.reduceat(rows, self.starts, axis=0)
        weights = np.add.reduceat(weight[self.order], self.starts)
        return np.asarray(sums / weights[:, None], np.float32)


def row_distances(a: NDArray[np.floating], b: NDArray[np.floating], metric: Metric) -> FloatArray:
    """Distances, float32 (N,), of each row of a (N, D) from the same row of b."""
    if metric == "euclidean":
        return np.asarray(np.linalg.norm(a - b, axis=1), np.float32)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    return np.asarray((1 - cosine).clip(0, 2), np.float32)


def _blocks(tracks: IntArray, lengths: IntArray) -> Iterator[IntArray]:
    """Tracks in groups of about _BLOCK faces."""
    group = np.cumsum(lengths[tracks]) // _BLOCK
    yield from np.split(tracks, np.flatnonzero(np.diff(group)) + 1) if len(tracks) else ()


def _spans(starts: IntArray, lengths: IntArray) -> IntArray:
    """All places of spans, one span after the other."""
    shift = starts - np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return np.asarray(np.arange(lengths.sum()) + np.repeat(shift, lengths), np.int64)


def _changes(
    embedding: FloatArray, lengths: IntArray, metric: Metric, tolerance: float
) -> IntArray:
    """Rows with which another person begins, of tracks that lie one behind the other.

    The mean embedding of up to WINDOW faces before is farther than CHANGED tolerances from that of
    as many behind, and no place within a window is more so.
    """
    end = np.repeat(np.cumsum(lengths), lengths)
    start = end - np.repeat(lengths, lengths)
    row = np.arange(len(embedding))
    low, high = np.maximum(start, row - WINDOW), np.minimum(end, row + WINDOW)
    places = np.flatnonzero((row - start >= FEWEST) & (end - row >= FEWEST))
    sums = np.zeros((len(embedding) + 1, embedding.shape[1]), np.float64)
    np.cumsum(embedding, axis=0, out=sums[1:])
    low, high = low[places], high[places]
    before = (sums[places] - sums[low]) / (places - low)[:, None]
    behind = (sums[high] - sums[places]) / (high - places)[:, None]
    score = np.zeros(len(embedding), np.float32)
    score[places] = row_distances(before, behind, metric) / tolerance
    peak = score > CHANGED
    for shift in range(1, WINDOW):
        together = start[shift:] == start[:-shift]
        peak[shift:] &= ~together | (score[shift:] > score[:-shift])
        peak[:-shift] &= ~together | (score[:-shift] >= score[shift:])
    return np.flatnonzero(peak)
