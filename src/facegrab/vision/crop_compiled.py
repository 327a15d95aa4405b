"""Crops of an image's halvings in machine code: all of them in one call."""

from __future__ import annotations

from ctypes import c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from facegrab import machine_code
from facegrab.types import FloatArray, Image, IntArray

NAME = "crops"

FARTHEST_PX = 1e15
"""Of any place, so that whole numbers hold it."""


def _compiled() -> Any:
    from facegrab.vision import crop_kernel

    return crop_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("crop_kernel.py"),
    _compiled,
    # Image, stride, width, height; halvings, places, count, side; room and the result.
    c_void_p, *[c_int64] * 3, *[c_void_p] * 2, *[c_int64] * 2, *[c_void_p] * 5,
    shares=[Path(__file__).with_name("warp_kernel.py")],
)  # fmt: skip


def crops(image: Image, halvings: IntArray, place: FloatArray, side_px: int) -> FloatArray:
    """Squares cut out of an image's halvings, of which only what they depend on is made.

    The same as OpenCV's warpAffine with INTER_LINEAR and BORDER_REPLICATE, but for one of a million
    values, which is a grey level off.

    Args:
        image: uint8 (H, W, 3).
        halvings: int64 (N,), how often the image is halved for each; a pixel at least is left.
        place: float32 (N, 3), pixels of the halving from one of a crop's pixels to the next, above
            0; x and y of the first one.
        side_px: side S of a crop.

    Returns:
        float32 (N, 3, S, S), whole grey levels.

    Raises:
        ValueError: another image or place.
        DeviceError: Numba does not work.
    """
    if image.dtype != np.uint8 or image.shape[2:] != (3,) or image.strides[1:] != (3, 1):
        raise ValueError(f"an image is uint8 (H, W, 3) in whole rows, not {image.shape}")
    height, width = image.shape[:2]
    result = np.empty((len(place), 3, side_px, side_px), np.float32)
    if len(place):
        rows = np.empty(_room(width, height, halvings, place, side_px), np.uint8)
        sums, taps = np.empty(6 * width, np.uint16), np.empty(2 * side_px, np.int64)
        shares = np.empty(side_px, np.float32)
        _function(
            image, image.strides[0], width, height,
            np.ascontiguousarray(halvings, np.int64), np.ascontiguousarray(place, np.float32),
            len(place), side_px, sums, rows, taps, shares, result,
        )  # fmt: skip
    return result


def _room(width: int, height: int, halvings: IntArray, place: FloatArray, side_px: int) -> int:
    """Bytes for what a crop depends on at most, and for two rows of each halving before.

    Raises:
        ValueError: a place that the machine code does not know where to find.
    """
    size = np.array([[width], [height]]) >> halvings
    if not (size.min() >= 1 and (place[:, 0] > 0).all() and np.abs(place).max() < FARTHEST_PX):
        raise ValueError(f"no places of crops: {place.tolist()}, halved {halvings.tolist()}")
    # Two neighbours, and one more because positions are rounded.
    reach = place[:, 0] * (side_px - 1) + 3
    return int(3 * np.minimum(reach, size).prod(axis=0).max()) + 6 * width
