"""The shrinking warp in machine code."""

from __future__ import annotations

from ctypes import c_int64, c_void_p
from math import hypot
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab import machine_code
from facegrab.types import Image
from facegrab.vision import mean_grid, warp_grid

NAME = "mean-warp"

LEAST_SHRINK = 0.5
"""Pixels of the image across one of the result, at least."""


def _compiled() -> Any:
    from facegrab.vision import mean_kernel

    return mean_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("mean_kernel.py"),
    _compiled,
    # Planes, plane step, row step, colours; positions, weights; rows, size and the result.
    c_void_p, *[c_int64] * 3, *[c_void_p] * 2, *[c_int64] * 2, c_void_p,
    shares=[
        Path(warp_grid.__file__), Path(mean_grid.__file__),
        Path(__file__).with_name("warp_kernel.py"),
    ],
)  # fmt: skip


def mean(image: Image, matrix: NDArray[np.float64], size_px: int, multiple: int) -> Image:
    """A square cut out of an image by a similarity transform that shrinks it.

    Each pixel is the mean of ``multiple`` by ``multiple`` places spread evenly over it, each
    interpolated between four pixels of the image; black beyond the edge.

    Args:
        image: uint8 (H, W, 3) or (H, W).
        matrix: float64 (2, 3), from image to result.
        size_px: side S of the result.
        multiple: places along a side of a pixel, 2 or more.

    Returns:
        uint8 (S, S, 3) or (S, S).

    Raises:
        ValueError: another image or matrix, one that enlarges the image to twice its size, or that
            shrinks it to less than a fourth.
        DeviceError: Numba does not work.
    """
    inverse = np.asarray(cv2.invertAffineTransform(np.asarray(matrix, np.float64)), np.float64)
    reach_px = mean_grid.reach_px(inverse[:, :2], multiple)
    # Much less than 1, a weight would be more than int16 holds; a little less, rounding makes it.
    shrinks = hypot(inverse[0, 0], inverse[1, 0]) >= LEAST_SHRINK
    if multiple < 2 or not (shrinks and reach_px <= warp_grid.REACH and np.isfinite(inverse).all()):
        raise ValueError(f"no mean of {multiple} places a side: {matrix.tolist()}")
    result = np.zeros((size_px, size_px, *image.shape[2:]), np.uint8)
    corners = inverse @ [[0, size_px - 1] * 2, [0, 0, size_px - 1, size_px - 1], [1] * 4]
    if np.abs(corners).max() > warp_grid.FARTHEST_PX:
        return result
    planes, first = _surroundings(image, corners)
    inverse[:, 2] -= first
    positions = warp_grid.positions(inverse, size_px, mean_grid.STEP_BITS)
    weights = mean_grid.weights(inverse[:, :2], multiple)
    _function(
        planes, *planes.strides[:2], len(planes),
        positions, weights, int(mean_grid.rows_of(reach_px)), size_px, result,
    )  # fmt: skip
    return result


def _surroundings(
    image: Image, corners: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All pixels that a result may depend on, colour by colour, black beyond the image's edge.

    Args:
        image: see ``mean``.
        corners: float64 (2, 4), x and y in the image of the result's corners.

    Returns:
        uint8 (C, H, W); int64 (2,), x and y in the image of its first pixel.

    Raises:
        ValueError: see ``mean``.
    """
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)) or image.ndim < 2:
        raise ValueError(f"an image is uint8 (H, W, 3) or (H, W), not {image.dtype} {image.shape}")
    # A pixel more to each side, because positions are rounded.
    first = np.floor(corners.min(axis=1)).astype(np.int64) - warp_grid.REACH - 1
    end = np.floor(corners.max(axis=1)).astype(np.int64) + warp_grid.TAPS - warp_grid.REACH + 1
    size = np.array(image.shape[1::-1])
    (x0, y0), (x1, y1) = first.clip(0, size), end.clip(0, size)
    width, height = end - first
    is_inside = (x1 - x0, y1 - y0) == (width, height)
    if is_inside and image.ndim == 2 and image.strides[1] == 1:
        return image[None, y0:y1, x0:x1], first
    planes = np.empty((3 if image.ndim == 3 else 1, height, width), np.uint8)
    if not is_inside:
        planes[:] = 0
    if x0 < x1 and y0 < y1:
        inside = planes[:, y0 - first[1] : y1 - first[1], x0 - first[0] : x1 - first[0]]
        cv2.split(image[y0:y1, x0:x1], list(inside))
    return planes, first
