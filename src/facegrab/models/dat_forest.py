"""dlib's shape predictors out of their files: tens of millions of packed integers.

A file holds (dlib, image_processing/shape_predictor.h) nothing but packed integers, floats being
two of them: a version, the initial shape, the trees of every stage (splits, then leaves), and for
every stage the pixels that its splits compare, each as an anchor point and an offset from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.models.dat_bytes import damaged, read_file
from facegrab.models.dat_tokens import Tokens
from facegrab.types import FloatArray

LARGEST_POINTS = 1024
LARGEST_STAGES = 256
LARGEST_TREES = 1 << 14
LARGEST_SPLITS = (1 << 12) - 1
LARGEST_FEATURES = 1 << 16

SMALLEST_FLOAT_BYTES = 4
"""A mantissa and an exponent of one byte each, and their control bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class ShapePredictor:
    """Cascaded regression trees (Kazemi and Sullivan, CVPR 2014).

    P points; every tree of a stage is complete, so that split i leads to 2 i + 1 where grey at
    ``split_a`` minus grey at ``split_b`` exceeds the threshold, else to 2 i + 2, and the numbers
    from ``splits`` up are leaves.

    Attributes:
        initial: float32 (P, 2), the shape to start from, in units of the box.
        split_a, split_b: int32 (stages, trees, splits), features compared.
        threshold: float32 (stages, trees, splits).
        leaf: float32 (stages, trees, leaves, 2 P), added to the shape: x y of each point.
        anchor: int32 (stages, features), the point a feature goes with.
        delta: float32 (stages, features, 2), its offset from there, in units of the initial shape.

    Raises:
        ValueError: shapes, types or values that do not fit together.
    """

    initial: FloatArray
    split_a: NDArray[np.int32]
    split_b: NDArray[np.int32]
    threshold: FloatArray
    leaf: FloatArray
    anchor: NDArray[np.int32]
    delta: FloatArray

    def __post_init__(self) -> None:
        points = len(self.initial)
        stages, trees, splits = self.threshold.shape
        features = self.anchor.shape[1]
        if splits & (splits + 1):
            raise ValueError(f"{splits} splits make no complete tree")
        splitting = (stages, trees, splits)
        _check("initial", self.initial, np.float32, (points, 2))
        _check("split_a", self.split_a, np.int32, splitting, features)
        _check("split_b", self.split_b, np.int32, splitting, features)
        _check("threshold", self.threshold, np.float32, splitting)
        _check("leaf", self.leaf, np.float32, (stages, trees, splits + 1, 2 * points))
        _check("anchor", self.anchor, np.int32, (stages, features), points)
        _check("delta", self.delta, np.float32, (stages, features, 2))


def _check(
    name: str,
    array: NDArray[Any],
    dtype: type[np.generic],
    shape: tuple[int, ...],
    end: int | None = None,
) -> None:
    """Refuses another shape or type, nothing at all, infinities, and indices from ``end`` up."""
    if array.dtype != dtype or array.shape != shape or 0 in shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
    # By parts, whose answers stay in the processor's cache: the leaves are 65 MB.
    if end is None and not all(np.isfinite(part).all() for part in array):
        raise ValueError(f"{name} has infinite or undefined values")
    if end is not None and (array.min() < 0 or array.max() >= end):
        raise ValueError(f"{name} names {array.min()} to {array.max()}, of {end}")


def read_shape_predictor(path: Path) -> ShapePredictor:
    """The trees of ``shape_predictor_5_face_landmarks.dat`` or its sibling with 68 points.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    tokens = Tokens(path, read_file(path))
    tokens.count(1, 1, "version")
    # dlib writes the sides of a matrix negated, to tell this format from an older one.
    values = -tokens.count(-2 * LARGEST_POINTS, -2, "initial shape")
    tokens.count(-1, -1, "initial shape")
    if values % 2:
        tokens.fail(f"{values} values make no points")
    initial = tokens.floats(values).reshape(-1, 2)
    splits, leaf = _read_forest(tokens, values)
    anchor, delta = _read_features(tokens, len(leaf))
    tokens.end()
    try:
        return ShapePredictor(initial, *splits, leaf, anchor, delta)
    except ValueError as error:
        raise damaged(path, tokens.offset, str(error)) from error


Splits = tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]


def _read_forest(tokens: Tokens, values: int) -> tuple[Splits, FloatArray]:
    """Features a and b and thresholds of all splits, and the values of all leaves."""
    stages = tokens.count(1, LARGEST_STAGES, "stages")
    trees = tokens.count(1, LARGEST_TREES, "trees")
    splits = tokens.count(1, LARGEST_SPLITS, "splits", peek=True)
    shape = (stages, trees, splits)
    # Refused before it is allocated: what the file announces must fit into what is left of it.
    tokens.require(stages * trees * (splits + 1) * values * SMALLEST_FLOAT_BYTES)
    a, b = np.empty(shape, np.int32), np.empty(shape, np.int32)
    threshold = np.empty(shape, np.float32)
    leaf = np.empty((stages, trees, splits + 1, values), np.float32)
    for stage in range(stages):
        if stage:
            tokens.count(trees, trees, "trees")
        for tree in range(trees):
            tokens.count(splits, splits, "splits")
            here = (stage, tree)
            a[here], b[here], threshold[here] = _read_splits(tokens, splits)
            tokens.count(splits + 1, splits + 1, "leaves")
            leaf[here] = _read_leaves(tokens, splits + 1, values)
    return (a, b, threshold), leaf


def _read_splits(tokens: Tokens, splits: int) -> Splits:
    """One tree's splits: two features and a threshold, four integers each."""
    rows = tokens.take(4 * splits).reshape(-1, 4)
    features = rows[:, :2]
    if features.min() < 0 or features.max() >= LARGEST_FEATURES:
        tokens.fail(f"splits on features {features.min()} to {features.max()}")
    a, b = features.astype(np.int32).T
    return a, b, tokens.as_floats(rows[:, 2:])


def _read_leaves(tokens: Tokens, leaves: int, values: int) -> FloatArray:
    """One tree's leaves, (leaves, values): each a column with its two sides, negated, before it."""
    rows = tokens.take(leaves * (2 + 2 * values)).reshape(leaves, -1)
    if (rows[:, 0] != -values).any() or (rows[:, 1] != -1).any():
        tokens.fail(f"a leaf that is no column of {values} values")
    return tokens.as_floats(rows[:, 2:].reshape(leaves, values, 2))


def _read_features(tokens: Tokens, stages: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Anchors (stages, features) and offsets (stages, features, 2)."""
    anchors, deltas = [], []
    tokens.count(stages, stages, "stages")
    features = tokens.count(1, LARGEST_FEATURES, "features", peek=True)
    for _ in range(stages):
        tokens.count(features, features, "features")
        points = tokens.take(features)
        if points.min() < 0 or points.max() >= LARGEST_POINTS:
            tokens.fail(f"anchors {points.min()} to {points.max()}")
        anchors.append(points.astype(np.int32))
    tokens.count(stages, stages, "stages")
    for _ in range(stages):
        tokens.count(features, features, "features")
        deltas.append(tokens.floats(2 * features).reshape(-1, 2))
    return np.stack(anchors), np.stack(deltas)
