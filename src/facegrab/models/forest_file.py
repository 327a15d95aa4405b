"""Shape predictors in a file that is read in one go: 32-bit words, little-endian.

Five words of sizes, then every array of ``ShapePredictor`` in the order of its fields. Reading
100 MB of dlib's own format takes seconds, this takes milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.models.dat_forest import ShapePredictor

HEADER_WORDS = 5


def pack(forest: ShapePredictor) -> Iterator[memoryview]:
    """The file's content, in parts."""
    points = len(forest.initial)
    yield np.array([points, *forest.threshold.shape, forest.anchor.shape[1]], "<i4").data
    for field in fields(forest):
        array = getattr(forest, field.name)
        yield np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data


def unpack(content: NDArray[np.uint8]) -> ShapePredictor:
    """The predictor of a file's content, of which its arrays are views.

    Raises:
        ValueError: it is not what ``pack`` makes.
    """
    if len(content) < 4 * HEADER_WORDS or len(content) % 4:
        raise ValueError(f"{len(content)} bytes make no shape predictor")
    words = content.view("<i4")
    points, stages, trees, splits, features = words[:HEADER_WORDS].tolist()
    splitting = (stages, trees, splits)
    shapes = {
        "initial": (points, 2),
        "split_a": splitting,
        "split_b": splitting,
        "threshold": splitting,
        "leaf": (stages, trees, splits + 1, 2 * points),
        "anchor": (stages, features),
        "delta": (stages, features, 2),
    }
    if min(points, stages, trees, splits, features) < 1:
        raise ValueError("a shape predictor without parts")
    if HEADER_WORDS + sum(map(math.prod, shapes.values())) != len(words):
        raise ValueError(f"{len(words)} words do not make the arrays they announce")
    arrays: dict[str, NDArray[Any]] = {}
    start = HEADER_WORDS
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        kind = np.dtype(np.int32 if name in ("split_a", "split_b", "anchor") else np.float32)
        array = words[start:stop].view(kind.newbyteorder("<")).reshape(shape)
        arrays[name] = array.astype(kind, copy=False)
        start = stop
    return ShapePredictor(**arrays)
