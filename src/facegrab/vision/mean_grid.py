"""How the shrinking warp weighs: the grid that ``mean_kernel`` shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facegrab.types import IntArray
from facegrab.vision.warp_grid import ONE_BITS, REACH, TAPS

STEP_BITS = 4
STEPS = 1 << STEP_BITS
"""Positions between two pixels that weights are known for. They are made anew for each face, so
there are few: half a step is a 32nd of a pixel of the image, and less of one of the result."""


def reach_px(inverse: NDArray[np.float64], multiple: IntArray | int) -> NDArray[np.float64]:
    """How far from a pixel's middle in the image the farthest of those lies that it is the mean of.

    Args:
        inverse: float64 (..., 2, 2), from the result to the image.
        multiple: see ``weights``; one for each.
    """
    widest = np.abs(inverse).sum(axis=-1).max(axis=-1)
    return np.asarray(widest * (multiple - 1) / (2 * multiple), np.float64)


def rows_of(reach_px: NDArray[np.float64]) -> IntArray:
    """Rows of taps, in the middle, that hold what lies so far away at most: 4, 6 or 8.

    Args:
        reach_px: see above.
    """
    return np.asarray(2 + 2 * np.ceil(reach_px).clip(1), np.int64)


def weights(inverse: NDArray[np.float64], multiple: int) -> NDArray[np.int16]:
    """int16 (16, 16, 8, 8): of each tap (row, column) at each step (down, across) between pixels.

    A pixel of the result is the mean of ``multiple`` by ``multiple`` places spread evenly over it,
    each interpolated between four pixels of the image. Those of a step make exactly 2**15.

    Args:
        inverse: float64 (2, 2), from the result to the image.
        multiple: places along a side of a pixel; `reach_px` is at most REACH.
    """
    place = (np.arange(multiple) - (multiple - 1) / 2) / multiple
    x, y = (
        np.add.outer(across * place, down * place).ravel().astype(np.float32)
        for across, down in inverse
    )
    lines = _between(y) @ _between(x).T * np.float32(2**ONE_BITS / len(x))
    square = lines.reshape(STEPS, TAPS, STEPS, TAPS).swapaxes(1, 2)
    whole = np.rint(square).astype(np.int16).reshape(STEPS * STEPS, -1)
    # The largest takes what rounding left.
    largest = np.arange(len(whole)), whole.argmax(axis=1)
    whole[largest] -= (whole.sum(axis=1, dtype=np.int32) - 2**ONE_BITS).astype(np.int16)
    return np.asarray(whole.reshape(STEPS, STEPS, TAPS, TAPS), np.int16)


def _between(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (STEPS * TAPS, N): at each step, what each tap has of each place along an axis."""
    tap = np.arange(-REACH, TAPS - REACH, dtype=np.float32)[:, None]
    step = np.arange(STEPS, dtype=np.float32)[:, None, None] / STEPS
    share = np.maximum(0, 1 - np.abs(step + places - tap))
    return np.asarray(share.reshape(STEPS * TAPS, -1), np.float32)
