"""The walk through a forest of regression trees, as Numba compiles it.

Numba is slow to import, so this is imported only to be compiled (``tree_compiled``). Arrays come as
pointers, flat and unchecked. Everything is inlined into one function that cannot fail: so its
machine code needs nothing of Numba's.

Without Numba's ``fastmath`` every product and every sum is rounded by itself, in the type that its
operands have in NumPy: points are those of ``tree_numpy``, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import cfunc, njit, types
from numpy.typing import NDArray

from facegrab.types import FloatArray, IntArray

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]

OUTSIDE = -1
"""In place of the number of a pixel."""

_F = TypeVar("_F", bound=Callable[..., Any])


def _inlined(function: _F) -> _F:
    compiled: _F = njit(inline="always", error_model="numpy")(function)
    return compiled


@_inlined
def _rotation(
    shape: FloatArray, first: int, points: int, centred: Doubles, norm: float
) -> tuple[np.float32, np.float32]:
    """Cosine and sine, times scale, that turn the initial shape to the one at ``first``."""
    mean_x, mean_y = 0.0, 0.0
    for point in range(points):
        mean_x += shape[first + 2 * point]
        mean_y += shape[first + 2 * point + 1]
    mean_x /= points
    mean_y /= points
    turn, lift = 0.0, 0.0
    for point in range(points):
        x = shape[first + 2 * point] - mean_x
        y = shape[first + 2 * point + 1] - mean_y
        turn += x * centred[2 * point] + y * centred[2 * point + 1]
        lift += y * centred[2 * point] - x * centred[2 * point + 1]
    return np.float32(turn / norm), np.float32(lift / norm)


@_inlined
def _locate(
    pixel: IntArray,
    features: int,
    first_feature: int,
    anchor: Indices,
    delta: FloatArray,
    turn: np.float32,
    lift: np.float32,
    shape: FloatArray,
    first: int,
    box: Doubles,
    face: int,
    width: int,
    height: int,
) -> None:
    """The pixel that each feature of a stage looks at, counted by rows, or ``OUTSIDE``."""
    for feature in range(features):
        at = first_feature + feature
        point = first + 2 * anchor[at]
        x = turn * delta[2 * at] - lift * delta[2 * at + 1] + shape[point]
        y = lift * delta[2 * at] + turn * delta[2 * at + 1] + shape[point + 1]
        column = np.floor(x * box[4 * face + 2] + box[4 * face] + 0.5)
        row = np.floor(y * box[4 * face + 3] + box[4 * face + 1] + 0.5)
        # Compared as they are: what lies far outside would not fit into an integer.
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        pixel[feature] = np.int64(row * width + column) if inside else np.int64(OUTSIDE)


@_inlined
def _sample(grey: FloatArray, image: Bytes, pixel: IntArray, features: int) -> None:
    """Grey at each pixel, 0 outside."""
    for feature in range(features):
        red = 3 * pixel[feature]
        total = np.uint32(0)
        if red >= 0:
            total = np.uint32(image[red]) + np.uint32(image[red + 1]) + np.uint32(image[red + 2])
        grey[feature] = total // np.uint32(3)


@_inlined
def _descend(
    node: Indices,
    grey: FloatArray,
    split_a: Indices,
    split_b: Indices,
    threshold: FloatArray,
    first_split: int,
    trees: int,
    splits: int,
    depth: int,
) -> None:
    """The node that each tree of a stage ends in: level by level, for trees do not depend."""
    for tree in range(trees):
        node[tree] = 0
    for _ in range(depth):
        for tree in range(trees):
            at = first_split + tree * splits + node[tree]
            difference = grey[split_a[at]] - grey[split_b[at]]
            node[tree] = 2 * node[tree] + 1 + (difference <= threshold[at])


@_inlined
def _add(
    shape: FloatArray,
    first: int,
    values: int,
    leaf: FloatArray,
    first_leaf: int,
    node: Indices,
    trees: int,
    splits: int,
) -> None:
    """Adds each tree's leaf, one after the other; four at a time wait for memory together."""
    step = (splits + 1) * values
    start = first_leaf - splits * values
    whole = trees - trees % 4
    for tree in range(0, whole, 4):
        a = start + tree * step + node[tree] * values
        b = start + (tree + 1) * step + node[tree + 1] * values
        c = start + (tree + 2) * step + node[tree + 2] * values
        d = start + (tree + 3) * step + node[tree + 3] * values
        for value in range(values):
            summed = shape[first + value] + leaf[a + value]
            summed += leaf[b + value]
            summed += leaf[c + value]
            shape[first + value] = summed + leaf[d + value]
    for tree in range(whole, trees):
        a = start + tree * step + node[tree] * values
        for value in range(values):
            shape[first + value] += leaf[a + value]


def _walk(
    images: list[Bytes],
    size: IntArray,
    box: Doubles,
    faces: int,
    counts: IntArray,
    norm: float,
    initial: FloatArray,
    centred: Doubles,
    split_a: Indices,
    split_b: Indices,
    threshold: FloatArray,
    leaf: FloatArray,
    anchor: Indices,
    delta: FloatArray,
    pixel: IntArray,
    grey: FloatArray,
    node: Indices,
    shape: FloatArray,
) -> None:
    """Points of many faces.

    Args:
        images: the image that each face is in.
        size: (faces, 2), its width and height.
        box: (faces, 4), x, y, width, height.
        faces: how many.
        counts: points, stages, trees, splits, depth, features.
        norm: sum of the squares of ``centred``.
        initial, split_a, split_b, threshold, leaf, anchor, delta: see ShapePredictor.
        centred: ``initial`` less its mean.
        pixel, grey, node: room for a number a feature, a feature, a tree.
        shape: (faces, points, 2), the result.
    """
    points, stages, trees, splits = counts[0], counts[1], counts[2], counts[3]
    depth, features = counts[4], counts[5]
    values = 2 * points
    for face in range(faces):
        for value in range(values):
            shape[face * values + value] = initial[value]
    # A stage's leaves are as large as a processor's cache: faces share what was fetched.
    for stage in range(stages):
        for face in range(faces):
            first = face * values
            turn, lift = _rotation(shape, first, points, centred, norm)
            _locate(
                pixel, features, stage * features, anchor, delta, turn, lift, shape, first,
                box, face, size[2 * face], size[2 * face + 1],
            )  # fmt: skip
            _sample(grey, images[face], pixel, features)
            splits_before = stage * trees * splits
            _descend(node, grey, split_a, split_b, threshold, splits_before, trees, splits, depth)
            leaves_before = stage * trees * (splits + 1) * values
            _add(shape, first, values, leaf, leaves_before, node, trees, splits)
    for face in range(faces):
        for at in range(face * values, (face + 1) * values, 2):
            shape[at] = np.floor(shape[at] * box[4 * face + 2] + box[4 * face] + 0.5)
            shape[at + 1] = np.floor(shape[at + 1] * box[4 * face + 3] + box[4 * face + 1] + 0.5)


def compiled() -> Any:
    """The walk as a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    bytes_, int32s, int64s, floats, doubles = (
        types.CPointer(kind)
        for kind in (types.uint8, types.int32, types.int64, types.float32, types.float64)
    )
    signature = types.void(
        types.CPointer(bytes_), int64s, doubles, types.int64, int64s, types.float64,
        floats, doubles, int32s, int32s, floats, floats, int32s, floats,
        int64s, floats, int32s, floats,
    )  # fmt: skip
    return cfunc(signature, error_model="numpy")(_walk)
