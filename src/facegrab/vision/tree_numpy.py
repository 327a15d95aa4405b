"""The walk through a forest of regression trees in NumPy, for some faces at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.models.dat_forest import ShapePredictor
from facegrab.types import FloatArray, Image, IntArray

CHUNK = 8
"""Faces that walk the trees together: more fall out of the processor's cache (measured)."""

Doubles = NDArray[np.float64]


class NumpyWalker:
    """Walks where there is no compiler, and shows in tests what the compiled one must find."""

    def __init__(self, forest: ShapePredictor) -> None:
        self._forest = forest
        stages, trees, splits = forest.threshold.shape
        self._depth = (splits + 1).bit_length() - 1
        self._splits = splits
        self._tree_split = np.arange(trees, dtype=np.intp) * splits
        self._tree_leaf = np.arange(trees, dtype=np.intp) * (splits + 1)
        self._split_a = forest.split_a.reshape(stages, -1).astype(np.intp)
        self._split_b = forest.split_b.reshape(stages, -1).astype(np.intp)
        self._threshold = forest.threshold.reshape(stages, -1)
        self._leaf = forest.leaf.reshape(stages, trees * (splits + 1), -1)
        self._centred, self._norm = centred(forest.initial)

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        """See Landmarker."""
        points = np.empty((len(box), len(self._forest.initial), 2), np.float32)
        for start in range(0, len(box), CHUNK):
            rows = slice(start, start + CHUNK)
            points[rows] = self._walk(images, image_of[rows], box[rows])
        return points

    def _walk(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        forest = self._forest
        corner, side = (each[:, None] for each in corner_and_side(box))
        shape = np.repeat(forest.initial[None], len(box), axis=0)
        trees = len(self._tree_leaf)
        # Row 0 is the shape so far, then a leaf a tree: summed over rows, one by one.
        terms = np.empty((len(box), trees + 1, shape[0].size), np.float32)
        for stage in range(len(forest.leaf)):
            terms[:, 0] = shape.reshape(len(box), -1)
            where = self._sample_points(stage, shape)
            grey = _grey_at(images, image_of, where * side + corner)
            leaves = self._leaves(stage, grey)
            for face, leaf in enumerate(leaves):
                np.take(self._leaf[stage], leaf, axis=0, out=terms[face, 1:], mode="clip")
            shape = np.add.reduce(terms, axis=1, dtype=np.float32).reshape(shape.shape)
        return np.asarray(np.floor(shape * side + corner + 0.5), np.float32)

    def _sample_points(self, stage: int, shape: FloatArray) -> FloatArray:
        """Where to look, (N, features, 2) in units of the box: offsets turned with the shape."""
        turn, lift = _rotation(self._centred, self._norm, shape)
        delta = self._forest.delta[stage]
        anchor = shape[:, self._forest.anchor[stage]]
        x = turn[:, None] * delta[:, 0] - lift[:, None] * delta[:, 1] + anchor[..., 0]
        y = lift[:, None] * delta[:, 0] + turn[:, None] * delta[:, 1] + anchor[..., 1]
        return np.stack([x, y], axis=-1)

    def _leaves(self, stage: int, grey: FloatArray) -> IntArray:
        """Index of the leaf each tree ends in, (N, trees)."""
        row = np.arange(len(grey), dtype=np.intp)[:, None] * grey.shape[1]
        node = np.zeros((len(grey), len(self._tree_split)), np.intp)
        for _ in range(self._depth):
            split = node + self._tree_split
            # "clip" skips a check of the bounds, which the reader of the weights has made already.
            a = grey.take(self._split_a[stage].take(split, mode="clip") + row, mode="clip")
            b = grey.take(self._split_b[stage].take(split, mode="clip") + row, mode="clip")
            right = a - b <= self._threshold[stage].take(split, mode="clip")
            node = 2 * node + 1 + right
        return np.asarray(node - self._splits + self._tree_leaf, np.int64)


def centred(initial: FloatArray) -> tuple[Doubles, float]:
    """The initial shape (P, 2) less its mean, and the sum of the squares of that."""
    source = initial.astype(np.float64) - initial.mean(axis=0, dtype=np.float64)
    return source, float((source**2).sum())


def corner_and_side(box: FloatArray) -> tuple[Doubles, Doubles]:
    """x y and width and height of boxes (N, 4), subtracted in float32 as dlib's whole pixels."""
    return box[:, :2].astype(np.float64), (box[:, 2:] - box[:, :2]).astype(np.float64)


def _rotation(source: Doubles, norm: float, shape: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotation and scale from the initial shape to each shape, as cosine and sine times scale.

    Umeyama's least squares in two dimensions (Umeyama, PAMI 1991, eq. 40 to 43).
    """
    mean = _summed(shape.astype(np.float64)) / shape.shape[1]
    target = shape - mean[:, None]
    x, y = target[..., 0], target[..., 1]
    turn = _summed(x * source[:, 0] + y * source[:, 1]) / norm
    lift = _summed(y * source[:, 0] - x * source[:, 1]) / norm
    return turn.astype(np.float32), lift.astype(np.float32)


def _summed(terms: Doubles) -> NDArray[Any]:
    """Sums over the second axis, one by one: ``sum`` adds in an order of its own."""
    return np.asarray(np.add.accumulate(terms, axis=1)[:, -1])


def _grey_at(images: Sequence[Image], image_of: IntArray, where: NDArray[np.float64]) -> FloatArray:
    """Grey values float32 (N, features) at points (N, features, 2); 0 outside the image."""
    pixel = np.floor(where + 0.5).astype(np.intp)
    grey = np.empty(pixel.shape[:2], np.float32)
    for number in np.unique(image_of):
        rows = image_of == number
        height, width = images[number].shape[:2]
        x, y = pixel[rows, :, 0], pixel[rows, :, 1]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        red = (y * width + x) * 3
        values = images[number].reshape(-1)
        total = values.take(red, mode="clip").astype(np.uint16)
        total += values.take(red + 1, mode="clip")
        total += values.take(red + 2, mode="clip")
        grey[rows] = np.where(inside, total // 3, 0)
    return grey
