"""What detectors of one shot have in common: cells, decoding, suppression of doubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from facegrab.types import FloatArray, IntArray
from facegrab.vision.candidates import kept

MOST_CANDIDATES = 5000
"""Boxes a picture that are sorted out, at most, best first (OpenCV's default for YuNet too)."""

LEAST_SPREAD_PX = 1.0
"""Points closer to each other than this are no face's."""


class Candidates(NamedTuple):
    """Faces that a network proposes, in pixels of the fed image.

    Attributes:
        score: float32 (N,).
        box: float32 (N, 4), left, top, right, bottom edges: 0 is where the first pixel begins, the
            width where the last one ends.
        points: float32 (N, 5, 2), pixels: 0 is the middle of the first. NaN where the network has
            none.
    """

    def scaled(self, x: float, y: float) -> Candidates:
        """The same in an image that is so many times as wide and as high."""
        scale = np.array([x, y, x, y], np.float32)
        points = (self.points + np.float32(0.5)) * scale[:2] - np.float32(0.5)
        return Candidates(self.score, self.box * scale, points)

    def moved(self, x: float, y: float) -> Candidates:
        """The same so many pixels further right and down."""
        shift = np.array([x, y, x, y], np.float32)
        return Candidates(self.score, self.box + shift, self.points + shift[:2])

    score: FloatArray
    box: FloatArray
    points: FloatArray

    def select(self, rows: IntArray) -> Candidates:
        """The rows that an index array names, in its order."""
        return Candidates(self.score[rows], self.box[rows], self.points[rows])


Decode: TypeAlias = Callable[[Sequence[FloatArray], int, int, float], Candidates]
"""From all outputs, the width and height of the fed image and the least score to candidates.

Raises ValueError where the outputs' shapes are not the kind's.
"""


def no_points(count: int) -> FloatArray:
    """What stands for the points where there are none."""
    return np.full((count, 5, 2), np.nan, np.float32)


NOBODY = Candidates(np.empty(0, np.float32), np.empty((0, 4), np.float32), no_points(0))


def as_points(outputs: Sequence[FloatArray], place: int | None, rows: IntArray) -> FloatArray:
    """Rows of the output of points as float32 (N, 5, 2); NaN where the graph has none."""
    if place is None:
        return no_points(len(rows))
    return outputs[place].reshape(-1, 5, 2)[rows]


def gathered(parts: Sequence[Candidates]) -> Candidates:
    """All rows of all parts, in order."""
    return Candidates(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def corners(rows: IntArray, width: int, stride_px: int, anchors: int) -> FloatArray:
    """x y of the first pixel of cells, float32 (N, 2).

    Args:
        rows: int64 (N,), rows of an output: cell by cell along the lines, anchor by anchor in each.
        width: of the fed image.
        stride_px: from one cell to the next.
        anchors: rows a cell.
    """
    columns = -(-width // stride_px)
    cell = rows // anchors
    return np.stack([cell % columns, cell // columns], axis=1).astype(np.float32) * stride_px


def around(centre: FloatArray, size: FloatArray) -> FloatArray:
    """Boxes float32 (N, 4) from their centres and sizes, (N, 2) each."""
    return np.hstack([centre - size / 2, centre + size / 2])


def face_share(classes: FloatArray) -> FloatArray:
    """The probability of a face, float32 (N,), from the classes no face and face, (N, 2).

    Some exporters leave out the softmax at the end: then rows do not add up to 1.
    """
    if np.abs(classes.sum(axis=1) - 1).max(initial=0) < 0.01:
        return classes[:, 1]
    # The softmax of two is the logistic function of their difference; it ends in 0 and 1.
    difference = np.clip(classes[:, 0] - classes[:, 1], -80, 80)
    return np.asarray(1 / (1 + np.exp(difference)), np.float32)


def suppressed(candidates: Candidates, most_overlap: float) -> Candidates:
    """Best first, without those that overlap a better one by more than a share of their union.

    Boxes without an area go too, and points that are all in one place: they have no pose. At most
    MOST_CANDIDATES are looked at.
    """
    area = (candidates.box[:, 2:] > candidates.box[:, :2]).all(axis=1)
    spread = np.ptp(candidates.points, axis=1).max(axis=1, initial=0)
    some = candidates.select(np.flatnonzero(area & ~(spread < LEAST_SPREAD_PX)))
    best = some.select(np.argsort(-some.score, kind="stable")[:MOST_CANDIDATES])
    return best.select(kept(best.box, best.score, most_overlap))
