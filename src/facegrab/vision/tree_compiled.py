"""The walk through a forest of regression trees in machine code, for all faces at once."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_double, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab import machine_code
from facegrab.models.dat_forest import ShapePredictor
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision import tree_grid
from facegrab.vision.tree_grid import FEATURE_BITS, LANES
from facegrab.vision.tree_numpy import centred, corner_and_side

NAME = "landmark-trees"

READ_BYTES = 4
"""At a time: no image may be smaller."""
MOST_BYTES = 1 << 31
"""Places in an image are counted in 32 bits."""

_HERE = Path(__file__)


def _compiled() -> Any:
    from facegrab.vision import tree_kernel

    return tree_kernel.compiled()


_function = machine_code.Function(
    NAME,
    _HERE.with_name("tree_kernel.py"),
    _compiled,
    # Images, size, box, faces, counts, norm; the forest; room and the result.
    *[c_void_p] * 3, c_int64, c_void_p, c_double, *[c_void_p] * 7, *[c_void_p] * 3,
    shares=[_HERE.with_name("tree_lanes.py"), Path(tree_grid.__file__), machine_code.VECTORS],
)  # fmt: skip


class CompiledWalker:
    """Walks outside of Python's lock; what a call computes belongs to that call alone.

    Raises:
        ValueError: more features than a split's word can name.
    """

    def __init__(self, forest: ShapePredictor) -> None:
        stages, trees, splits = forest.threshold.shape
        points, features = len(forest.initial), forest.anchor.shape[1]
        if features > 1 << FEATURE_BITS:
            raise ValueError(f"{features} features, of {1 << FEATURE_BITS} at most")
        depth = (splits + 1).bit_length() - 1
        self._points = points
        self._features, self._trees = _filled(features), _filled(trees)
        counts = [points, stages, trees, splits, depth, self._trees, self._features]
        shape, self._norm = centred(forest.initial)
        word = forest.split_a | (forest.split_b << FEATURE_BITS)
        self._counts, *self._forest = (
            np.ascontiguousarray(array)
            for array in (
                np.array(counts, np.int64), forest.initial, shape,
                # By nodes, then trees: a level's splits lie side by side.
                *(_rows(each.swapaxes(1, 2), self._trees) for each in (word, forest.threshold)),
                forest.leaf,
                _rows(forest.anchor, self._features),
                # First all x, then all y.
                _rows(forest.delta.swapaxes(1, 2), self._features),
            )
        )  # fmt: skip

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        """See Landmarker.

        Raises:
            ValueError: an image is not uint8 (H, W, 3) or larger than 2 GiB, or a box has none.
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
        size = np.array([images[number].shape[1::-1] for number in numbers], np.int64)
        corner_side = np.concatenate(corner_and_side(box), axis=1)
        grey = np.empty(self._features, np.int32)
        node = np.empty(self._trees, np.int32)
        _function(
            images_at, size, corner_side, len(box),
            self._counts, self._norm, *self._forest, grey, node, points,
        )  # fmt: skip
        return points


def _readable(image: Image) -> Image:
    """The image's pixels, checked: beyond their end the machine code would read on."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image is uint8 (H, W, 3), not {image.dtype} {image.shape}")
    if image.nbytes > MOST_BYTES:
        raise ValueError(f"an image of {image.shape} is too large")
    if image.nbytes < READ_BYTES:
        return np.append(image.ravel(), np.uint8(0))
    return np.ascontiguousarray(image)


def _filled(count: int) -> int:
    """So many and what is lacking to whole vectors."""
    return count + -count % LANES


def _rows(table: NDArray[Any], count: int) -> NDArray[Any]:
    """With rows of so many numbers, zeros behind what was there."""
    rows = np.zeros((*table.shape[:-1], count), table.dtype)
    rows[..., : table.shape[-1]] = table
    return rows
