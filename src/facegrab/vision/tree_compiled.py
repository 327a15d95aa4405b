"""The walk through a forest of regression trees in machine code, for all faces at once."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_double, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from facegrab import machine_code
from facegrab.models.dat_forest import ShapePredictor
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.tree_numpy import centred, corner_and_side

NAME = "landmark-trees"


def _compiled() -> Any:
    from facegrab.vision import tree_kernel

    return tree_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("tree_kernel.py"),
    _compiled,
    # Images, size, box, faces, counts, norm; the forest; room and the result.
    *[c_void_p] * 3, c_int64, c_void_p, c_double, *[c_void_p] * 8, *[c_void_p] * 4,
)  # fmt: skip


class CompiledWalker:
    """Walks outside of Python's lock; what a call computes belongs to that call alone."""

    def __init__(self, forest: ShapePredictor) -> None:
        stages, trees, splits = forest.threshold.shape
        points, features = len(forest.initial), forest.anchor.shape[1]
        depth = (splits + 1).bit_length() - 1
        counts = np.array([points, stages, trees, splits, depth, features], np.int64)
        shape, self._norm = centred(forest.initial)
        splitting = (forest.split_a, forest.split_b, forest.threshold, forest.leaf)
        arrays = (counts, forest.initial, shape, *splitting, forest.anchor, forest.delta)
        self._counts, *self._forest = (np.ascontiguousarray(array) for array in arrays)
        self._points, self._features, self._trees = points, features, trees

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        """See Landmarker.

        Raises:
            ValueError: an image is not uint8 (H, W, 3), or a box has none.
            DeviceError: Numba does not work.
        """
        points = np.empty((len(box), self._points, 2), np.float32)
        if not len(box):
            return points
        numbers = image_of.tolist()
        if len(numbers) != len(box):
            raise ValueError(f"{len(box)} boxes, but images of {len(numbers)}")
        readable = {number: _readable(images[number]) for number in set(numbers)}
        images_at = np.array([readable[number].ctypes.data for number in numbers], np.uintp)
        size = np.array([readable[number].shape[1::-1] for number in numbers], np.int64)
        corner_side = np.concatenate(corner_and_side(box), axis=1)
        pixel = np.empty(self._features, np.int64)
        grey = np.empty(self._features, np.float32)
        node = np.empty(self._trees, np.int32)
        _function(
            images_at, size, corner_side, len(box),
            self._counts, self._norm, *self._forest, pixel, grey, node, points,
        )  # fmt: skip
        return points


def _readable(image: Image) -> Image:
    """The image, checked: beyond its end the machine code would read on."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image is uint8 (H, W, 3), not {image.dtype} {image.shape}")
    return np.ascontiguousarray(image)
