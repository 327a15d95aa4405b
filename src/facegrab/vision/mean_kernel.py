"""The shrinking warp, as Numba compiles it; like ``warp_kernel``, imported only to be compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc, types
from numpy.typing import NDArray

from facegrab.types import IntArray
from facegrab.vision.mean_grid import STEP_BITS, STEPS
from facegrab.vision.warp_grid import POSITION_BITS, REACH, TAPS
from facegrab.vision.warp_kernel import COLOURS, pixel

_colour_of_4, _colour_of_6, _colour_of_8 = (pixel(COLOURS, rows) for rows in (4, 6, 8))
_grey_of_4, _grey_of_6, _grey_of_8 = (pixel(1, rows) for rows in (4, 6, 8))


def _mean(
    planes: NDArray[np.uint8],
    plane_step: int,
    row_step: int,
    colours: int,
    positions: IntArray,
    weights: NDArray[np.int16],
    rows: int,
    size: int,
    result: NDArray[np.uint8],
) -> None:
    """A square cut out of an image that holds all that it depends on.

    Args:
        planes: the image, colour by colour.
        plane_step: from a colour to the next.
        row_step: from a row to the next.
        colours: 3 or 1.
        positions: (4, size), see warp_grid.positions.
        weights: see mean_grid.weights.
        rows: of taps in the middle, whose weights alone are not 0: 4, 6 or 8.
        size: side of the result.
        result: (size, size, colours).
    """
    across_y, down_x, down_y = size, 2 * size, 3 * size
    finer_bits = POSITION_BITS - STEP_BITS  # that only serve to add positions up
    for y in range(size):
        from_x = positions[down_x + y] - (REACH << POSITION_BITS)
        from_y = positions[down_y + y] - (REACH << POSITION_BITS)
        for x in range(size):
            step_x = (from_x + positions[x]) >> finer_bits
            step_y = (from_y + positions[across_y + x]) >> finer_bits
            phase = (step_y & (STEPS - 1)) * STEPS + (step_x & (STEPS - 1))
            first = phase * TAPS * TAPS
            at = (step_y >> STEP_BITS) * row_step + (step_x >> STEP_BITS)
            to = (y * size + x) * colours
            if colours == COLOURS and rows == 4:
                _colour_of_4(planes, at, plane_step, row_step, weights, first, result, to)
            elif colours == COLOURS and rows == 6:
                _colour_of_6(planes, at, plane_step, row_step, weights, first, result, to)
            elif colours == COLOURS:
                _colour_of_8(planes, at, plane_step, row_step, weights, first, result, to)
            elif rows == 4:
                _grey_of_4(planes, at, plane_step, row_step, weights, first, result, to)
            elif rows == 6:
                _grey_of_6(planes, at, plane_step, row_step, weights, first, result, to)
            else:
                _grey_of_8(planes, at, plane_step, row_step, weights, first, result, to)


def compiled() -> Any:
    """The warp as a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    bytes_, shorts, int64s = map(types.CPointer, (types.uint8, types.int16, types.int64))
    int64 = types.int64
    signature = types.void(bytes_, int64, int64, int64, int64s, shorts, int64, int64, bytes_)
    return cfunc(signature, error_model="numpy", forceinline=True)(_mean)
