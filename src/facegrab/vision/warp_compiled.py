"""The Lanczos warp in machine code."""

from __future__ import annotations

from ctypes import c_int64, c_void_p
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab import machine_code
from facegrab.types import Image
from facegrab.vision import warp_grid

NAME = "lanczos-warp"

WIDEST = 1.5
"""Pixels of the image across one of the result, at most: turned by 45 degrees it is 1.42."""

ROOM_PX = ceil(WIDEST * warp_grid.TILE_PX) + warp_grid.TAPS + 1
"""Side of what a tile depends on; the one is for positions, which are rounded."""


def _compiled() -> Any:
    from facegrab.vision import warp_kernel

    return warp_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("warp_kernel.py"),
    _compiled,
    # Image, stride, width, height, colours; positions, weights, room; size and the result.
    c_void_p, *[c_int64] * 4, *[c_void_p] * 3, c_int64, c_void_p,
    shares=[Path(warp_grid.__file__)],
)  # fmt: skip


def warp(image: Image, matrix: NDArray[np.float64], size_px: int) -> Image:
    """A square cut out of an image by a similarity transform that does not shrink it.

    The same as OpenCV's warpAffine with INTER_LANCZOS4, black beyond the edge.

    Args:
        image: uint8 (H, W, 3) or (H, W).
        matrix: float64 (2, 3), from image to result.
        size_px: side S of the result.

    Returns:
        uint8 (S, S, 3) or (S, S).

    Raises:
        ValueError: another image or matrix.
        DeviceError: Numba does not work.
    """
    rows = whole_rows(image)
    height, width, *colour = rows.shape
    positions = warp_grid.positions(_inverse(matrix), size_px)
    colours = colour[0] if colour else 1
    samples = np.empty(ROOM_PX * ROOM_PX * colours, np.int16)
    result = np.empty((size_px, size_px, *colour), np.uint8)
    _function(
        rows, rows.strides[0], width, height, colours,
        positions, lanczos_weights(), samples, size_px, result,
    )  # fmt: skip
    return result


def whole_rows(image: Image) -> Image:
    """The image, checked, its rows without gaps: the machine code would read on."""
    if image.dtype != np.uint8 or image.shape[2:] not in ((), (3,)) or image.ndim < 2:
        raise ValueError(f"an image is uint8 (H, W, 3) or (H, W), not {image.dtype} {image.shape}")
    colours = image.shape[2] if image.ndim == 3 else 1
    gapless = (colours, 1) if image.ndim == 3 else (1,)
    return image if image.strides[1:] == gapless else np.ascontiguousarray(image)


def colour_rows(image: Image) -> Image:
    """The same of an image that has to have colours."""
    if image.ndim != 3:
        raise ValueError(f"an image is uint8 (H, W, 3), not {image.dtype} {image.shape}")
    return whole_rows(image)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """From result to image, rounded as OpenCV's.

    Raises:
        ValueError: it shrinks the image, or is none.
    """
    doubles = np.asarray(matrix, np.float64)
    inverse: NDArray[np.float64] = cv2.invertAffineTransform(doubles).astype(np.float64)
    per_pixel = np.abs(inverse[:, :2]).sum(axis=1).max()
    if not (per_pixel <= WIDEST and np.isfinite(inverse).all()):
        raise ValueError(f"no transform that enlarges: {matrix.tolist()}")
    return inverse


@cache
def lanczos_weights() -> NDArray[np.int16]:
    return warp_grid.weights()
