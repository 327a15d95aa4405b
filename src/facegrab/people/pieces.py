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
CHANGED: dict[Metric, float] = {"euclidean": 0.51, "cosine": 0.58}
"""Distance between the mean embeddings before and behind a place where the person changes.

Whatever the user's tolerance: it is about the people in the picture, not about the one asked for.
Measured on tracks of the company (bench: tracks), .85 of the tolerances of dlib's recogniser and of
MobileFaceNet: of 320 pairs of tracks of two people, of 2 to 20 faces each, joined into one, 98 to
99 % are parted where they are joined; of the tracks of one person 2 to 8 % are parted too, where
the face is blurred for a while. At .95 of the tolerances it is 91 to 96 % and 0 to 4 %.
"""
FITTING: dict[Metric, float] = {"euclidean": 0.6, "cosine": 0.68}
"""Distance that a face may have from the mean embedding of its piece, to be rescued by it."""
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
    ) -> Pieces:
        """Parts the tracks that have a doubtful face wherever their embeddings change for good.

        Args:
            embedding: float32 (N, D).
            track: int64 (N,).
            frame: int64 (N,).
            doubtful: bool (N,), faces whose tracks are worth the trouble.
            metric: of the embeddings.
        """
        order = np.lexsort((frame, track))
        begins = np.diff(track[order], prepend=track[order[:1]] - 1) != 0
        starts = np.flatnonzero(begins)
        lengths = np.diff(starts, append=len(order))
        if len(starts):
            parted = np.logical_or.reduceat(doubtful[order], starts) & (lengths >= 2 * FEWEST)
            for tracks in _blocks(np.flatnonzero(parted), lengths):
                places = _spans(starts[tracks], lengths[tracks])
                changed = _changes(embedding[order[places]], lengths[tracks], metric)
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

    def nearest_mean(self, values: FloatArray, part: int) -> FloatArray:
        """The mean of each piece's smallest values, one in so many, at least one: float32 (P,).

        Args:
            values: float32 (N,).
            part: 3 is the smallest third.
        """
        if not len(self):
            return np.empty(0, np.float32)
        piece = np.repeat(np.arange(len(self)), self.lengths)
        ascending = values[self.order[np.lexsort((values[self.order], piece))]]
        count = -(-self.lengths // part)
        nearest = ascending[_spans(self.starts, count)].astype(np.float64)
        sums = np.add.reduceat(nearest, np.cumsum(count) - count)
        return np.asarray(sums / count, np.float32)

    def means(self, embedding: FloatArray, which: IntArray) -> FloatArray:
        """The mean embeddings of some pieces, float32 (W, D).

        Args:
            embedding: float32 (N, D).
            which: int64 (W,), at least one.
        """
        lengths = self.lengths[which]
        rows = embedding[self.order[_spans(self.starts[which], lengths)]]
        sums = np.add.reduceat(rows, np.cumsum(lengths) - lengths, axis=0)
        return np.asarray(sums / lengths[:, None], np.float32)


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


def _changes(embedding: FloatArray, lengths: IntArray, metric: Metric) -> IntArray:
    """Rows with which another person begins, of tracks that lie one behind the other.

    The mean embedding of up to WINDOW faces before is farther than CHANGED from that of as many
    behind, and no place within a window is more so.
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
    score[places] = row_distances(before, behind, metric)
    peak = score > CHANGED[metric]
    for shift in range(1, WINDOW):
        together = start[shift:] == start[:-shift]
        peak[shift:] &= ~together | (score[shift:] > score[:-shift])
        peak[:-shift] &= ~together | (score[:-shift] >= score[shift:])
    return np.flatnonzero(peak)
