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
from facegrab.vision.tree_grid import LANES
from facegrab.vision.tree_lanes import PLACES, address, begin, look, step

Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]

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
def _see(
    grey: int,
    features: int,
    anchor: int,
    delta: int,
    shape: int,
    turned: tuple[np.float32, np.float32],
    box: tuple[float, float, float, float, float, float],
    image: tuple[int, int],
) -> None:
    """What each feature of a stage sees, see tree_lanes.look; all addresses."""
    for feature in range(0, features, PLACES):
        ahead = 4 * feature
        x = delta + ahead
        look(anchor + ahead, x, x + 4 * features, shape, turned, box, image, grey + ahead)


@_inlined
def _descend(node: Indices, grey: int, word: int, threshold: int, trees: int, depth: int) -> None:
    """The node that each tree of a stage ends in: level by level, for trees do not depend."""
    nodes = address(node)
    for tree in range(0, trees, LANES):
        ahead = 4 * tree
        begin(nodes + ahead, word + ahead, threshold + ahead, grey)
    for _ in range(1, depth):
        for tree in range(0, trees, LANES):
            step(nodes + 4 * tree, tree, word, threshold, grey, trees)


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
    images: IntArray,
    size: IntArray,
    box: Doubles,
    faces: int,
    counts: IntArray,
    norm: float,
    initial: FloatArray,
    centred: Doubles,
    word: int,
    threshold: int,
    leaf: FloatArray,
    anchor: int,
    delta: int,
    grey: int,
    node: Indices,
    shape: FloatArray,
) -> None:
    """Points of many faces.

    Args:
        images: address of the image that each face is in.
        size: (faces, 2), its width and height.
        box: (faces, 4), x, y, width, height.
        faces: how many.
        counts: points, stages, trees, splits, depth; trees and features with what fills them up.
        norm: sum of the squares of ``centred``.
        initial, leaf: see ShapePredictor.
        centred: ``initial`` less its mean.
        word, threshold, anchor, delta: addresses, see CompiledWalker.
        grey, node: room for a number a feature, a tree; grey's address.
        shape: (faces, points, 2), the result.
    """
    points, stages, trees, splits = counts[0], counts[1], counts[2], counts[3]
    depth, all_trees, features = counts[4], counts[5], counts[6]
    values = 2 * points
    for face in range(faces):
        for value in range(values):
            shape[face * values + value] = initial[value]
    # A stage's leaves are as large as a processor's cache: faces share what was fetched.
    for stage in range(stages):
        for face in range(faces):
            first = face * values
            width, height = size[2 * face], size[2 * face + 1]
            turned = _rotation(shape, first, points, centred, norm)
            placed = (
                box[4 * face], box[4 * face + 1], box[4 * face + 2], box[4 * face + 3],
                np.float64(width), np.float64(height),
            )  # fmt: skip
            # Four bytes are read of a pixel's three.
            image = (images[face], max(3 * width * height - 4, 0))
            ahead = 4 * stage * features
            _see(
                grey, features, anchor + ahead, delta + 2 * ahead, address(shape) + 4 * first,
                turned, placed, image,
            )  # fmt: skip
            ahead = 4 * stage * splits * all_trees
            _descend(node, grey, word + ahead, threshold + ahead, all_trees, depth)
            leaves_before = stage * trees * (splits + 1) * values
            _add(shape, first, values, leaf, leaves_before, node, trees, splits)
    for face in range(faces):
        for at in range(face * values, (face + 1) * values, 2):
            shape[at] = np.floor(shape[at] * box[4 * face + 2] + box[4 * face] + 0.5)
            shape[at + 1] = np.floor(shape[at + 1] * box[4 * face + 3] + box[4 * face + 1] + 0.5)


def compiled() -> Any:
    """The walk as a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    at = types.int64
    int32s, int64s, floats, doubles = (
        types.CPointer(kind) for kind in (types.int32, types.int64, types.float32, types.float64)
    )
    signature = types.void(
        int64s, int64s, doubles, types.int64, int64s, types.float64,
        floats, doubles, at, at, floats, at, at,
        at, int32s, floats,
    )  # fmt: skip
    return cfunc(signature, error_model="numpy", forceinline=True)(_walk)
