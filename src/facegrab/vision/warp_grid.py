"""Where OpenCV's Lanczos warp looks, and how it weighs: the grid that ``warp_kernel`` shares.

From OpenCV's modules/imgproc/src/imgwarp.cpp, the same in versions 4 and 5: warpAffine, its
initInterTab2D and interpolateLanczos4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facegrab.types import IntArray

TAPS = 8
REACH = 3
"""Taps before the one that a position falls into."""

STEP_BITS = 5
STEPS = 1 << STEP_BITS
"""Positions between two pixels that weights are known for."""

POSITION_BITS = 10
"""Bits behind the point of a position."""

ONE_BITS = 15
"""Bits behind the point of a weight."""

TILE_PX = 64
"""Side of a tile: what it depends on stays near the processor (32 to 256 take the same time)."""

FARTHEST_PX = 2.0**30
"""No image is so large; positions far beyond it would not fit into an integer."""


def positions(inverse: NDArray[np.float64], size_px: int, step_bits: int = STEP_BITS) -> IntArray:
    """int64 (4, S): what a column adds to x and y, and what a row adds to x and y.

    Args:
        inverse: float64 (2, 3), from the result to the image.
        size_px: side S of the result.
        step_bits: of the steps between two pixels that weights are known for.
    """
    along = np.arange(size_px)
    column = inverse[:, :1] * along
    row = inverse[:, 1:2] * along + inverse[:, 2:]
    near = np.concatenate([column, row]).clip(-FARTHEST_PX, FARTHEST_PX)
    whole: IntArray = np.rint(near * (1 << POSITION_BITS)).astype(np.int64)
    whole[2:] += 1 << (POSITION_BITS - step_bits - 1)  # the nearest step, not the one below
    return whole


def weights() -> NDArray[np.int16]:
    """int16 (32, 32, 8, 8): of each tap (row, column) at each step (down, across) between pixels.

    Those of a step make exactly 2**15; the taps after the middle take what rounding left.
    """
    steps, taps = np.arange(STEPS)[:, None] / STEPS, np.arange(TAPS)
    distance = steps + REACH - taps
    angle = distance * np.pi / 4
    wave = np.sin(-angle) * (-1.0) ** taps
    most = np.full(distance.shape, 1e30)  # on a pixel, whose tap then takes all the weight
    line = np.divide(wave, angle**2, out=most, where=distance != 0).astype(np.float32)
    line *= np.float32(1) / sum(line.T)[:, None]
    one = 1 << ONE_BITS
    square = line[:, None, :, None] * line[:, None, :] * np.float32(one)
    whole: NDArray[np.int16] = np.rint(square).clip(-one, one - 1).astype(np.int16)
    excess = whole.sum(axis=(2, 3)) - one
    middle = TAPS // 2
    takers = whole[:, :, middle : middle + 2, middle : middle + 2].reshape(STEPS, STEPS, 4)
    taker = np.where(excess < 0, takers.argmax(axis=2), takers.argmin(axis=2))
    down, across = np.indices(taker.shape)
    whole[down, across, middle + taker // 2, middle + taker % 2] -= excess.astype(np.int16)
    return whole
