"""The sharpness of faces in machine code, all faces in one call."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from math import ceil, hypot, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab import machine_code
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision import mean_grid, warp_grid
from facegrab.vision.warp_compiled import colour_rows, lanczos_weights

NAME = "sharpness"

MOST_SHRINK = 4
"""Pixels of the image across one of the aligned face, at most."""
SMALLEST_PX = 2
"""Side of an aligned face that has a Laplacian."""
ROOM_PX = ceil(sqrt(2) * MOST_SHRINK * warp_grid.TILE_PX) + warp_grid.TAPS + 1
"""Side of what a tile depends on; the one is for positions, which are rounded."""
ROOM_FLOATS = warp_grid.TAPS**2 + 2 * MOST_SHRINK**2
"""Weights of a step, and x and y of the places in a pixel."""


def _compiled() -> Any:
    from facegrab.vision import sharp_kernel

    return sharp_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("sharp_kernel.py"),
    _compiled,
    # Images, numbers, pose, faces; weights; room and the result.
    *[c_void_p] * 3, c_int64, c_void_p, *[c_void_p] * 5, c_void_p,
    shares=[
        Path(warp_grid.__file__), Path(mean_grid.__file__),
        Path(__file__).with_name("warp_kernel.py"),
    ],
)  # fmt: skip


def sharpness(
    images: Sequence[Image],
    image_of: IntArray,
    matrix: NDArray[np.float64],
    size_px: IntArray,
) -> FloatArray:
    """Variance of the Laplacian of the luma of aligned faces, see quality.sharpness.

    Aligned as by align.warp, to the bit where a face is not shrunk; else weights may differ in
    their last bit.

    Args:
        images: RGB uint8 (H, W, 3).
        image_of: int64 (N,), the image that each face is in.
        matrix: float64 (N, 2, 3), similarities, from image to aligned face; none may shrink to less
            than a fourth.
        size_px: int64 (N,), sides of the aligned faces.

    Returns:
        float32 (N,).

    Raises:
        ValueError: other images, matrices or sizes.
        DeviceError: Numba does not work.
    """
    rows = [colour_rows(image) for image in images]
    shape = [(image.strides[0], *image.shape[1::-1]) for image in rows]
    each_at = np.array([image.ctypes.data for image in rows], np.uintp)[image_of]
    each_shape = np.array(shape, np.int64).reshape(-1, 3)[image_of]
    inverse, multiple, tap_rows = _poses(matrix)
    if size_px.min(initial=SMALLEST_PX) < SMALLEST_PX:
        raise ValueError(f"an aligned face has a side of {SMALLEST_PX} px or more")
    numbers = np.column_stack([each_shape, size_px, multiple, tap_rows])
    pose = np.column_stack([inverse.reshape(-1, 6), 1 / multiple])
    sums = np.empty((len(matrix), 2), np.int64)
    _function(
        each_at, numbers, pose, len(matrix), lanczos_weights(),
        *_room(int(size_px.max(initial=0))), sums,
    )  # fmt: skip
    mean, mean_square = (sums / (size_px**2)[:, None]).T
    variance = np.maximum(mean_square - mean**2, 0)  # less by what was rounded, where all is even
    return np.asarray(variance, np.float32)


def _poses(
    matrix: NDArray[np.float64],
) -> tuple[NDArray[np.float64], IntArray, IntArray]:
    """Inverses (N, 2, 3) of similarities; places along a pixel's side, 1 for Lanczos; tap rows.

    Raises:
        ValueError: see sharpness.
    """
    a, b, shift = matrix[:, 0, 0], matrix[:, 1, 0], matrix[:, :, 2:]
    # As align.warp, to the bit: which way a face goes hangs on it.
    shrink = np.array([1 / hypot(*linear) for linear in matrix[:, :, 0].tolist()])
    if not (shrink <= MOST_SHRINK).all():
        raise ValueError(f"a face shrinks to a fourth at most: {matrix.tolist()}")
    turn = np.array([[a, b], [-b, a]]).transpose(2, 0, 1) * (shrink**2)[:, None, None]
    inverse = np.concatenate([turn, -turn @ shift], axis=2)
    multiple = np.ceil(shrink).astype(np.int64)
    reach_px = mean_grid.reach_px(turn, multiple)
    return inverse, multiple, np.where(multiple == 1, warp_grid.TAPS, mean_grid.rows_of(reach_px))


def _room(largest_px: int) -> list[NDArray[Any]]:
    """For what the machine code writes down: see sharp_kernel."""
    padded_px = largest_px + 3
    return [
        np.empty(mean_grid.STEPS**2 * warp_grid.TAPS**2, np.int16),
        np.empty(ROOM_FLOATS, np.float32),
        np.empty(4 * largest_px, np.int64),
        np.empty(ROOM_PX**2, np.int16),
        np.empty(padded_px * largest_px, np.uint8),
    ]
