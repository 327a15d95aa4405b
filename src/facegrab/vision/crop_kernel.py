"""Crops of halvings, as Numba compiles them; like ``warp_kernel``, imported only to be compiled.

Only what a crop depends on is halved, from row to row: as soon as there are two rows of a halving,
they become one of the next. So no more than a few rows are kept, which stay near the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc, types
from numpy.typing import NDArray

from facegrab.types import FloatArray, IntArray
from facegrab.vision.warp_kernel import COLOURS, Bytes, inlined

ROUNDING = np.float32(3 << 22)
"""Added to a number of 0 to 255 it leaves no bits for a fraction: what is half goes to even."""


@inlined
def _floor(value: np.floating[Any]) -> int:
    whole = int(value)
    return whole - 1 if value < whole else whole


@inlined
def _first_halving(
    image: Bytes, at: int, stride: int, count: int, sums: NDArray[np.uint16], rows: Bytes, to: int
) -> None:
    """A row of ``count`` pixels, colour by colour, of two of the image that begin at ``at``."""
    for each in range(2 * COLOURS * count):
        sums[each] = image[at + each] + image[at + stride + each]
    for column in range(count):
        for colour in range(COLOURS):
            first = 2 * COLOURS * column + colour
            mean = (sums[first] + sums[first + COLOURS] + 2) >> 2
            rows[to + colour * count + column] = mean


@inlined
def _next_halving(rows: Bytes, at: int, count: int, to: int) -> None:
    """``count`` bytes of a row out of two rows after one another."""
    for each in range(count):
        upper = at + 2 * each
        lower = upper + 2 * count
        rows[to + each] = (rows[upper] + rows[upper + 1] + rows[lower] + rows[lower + 1] + 2) >> 2


@inlined
def _part(
    image: Bytes, stride: int, halvings: int, left: int, top: int, columns: int, lines: int,
    sums: NDArray[np.uint16], rows: Bytes,
) -> None:  # fmt: skip
    """A part of an image's halving, row by row, in each row colour by colour; first in ``rows``.

    Behind it, for each halving before, larger ones first, there is room for two rows.
    """
    if halvings == 0:
        for line in range(lines):
            source = (top + line) * stride + left * COLOURS
            for colour in range(COLOURS):
                to = (line * COLOURS + colour) * columns
                for column in range(columns):
                    rows[to + column] = image[source + column * COLOURS + colour]
        return
    room = COLOURS * columns * lines
    widest = columns << (halvings - 1)
    for line in range(lines << (halvings - 1)):
        source = ((top << halvings) + 2 * line) * stride + (left << halvings) * COLOURS
        done, number, at, width = 1, line, room, COLOURS * widest
        to = number * width if done == halvings else at + (number & 1) * width
        _first_halving(image, source, stride, widest, sums, rows, to)
        while done < halvings and number & 1:
            after = at + 2 * width
            done, number, width = done + 1, number >> 1, width >> 1
            to = number * width if done == halvings else after + (number & 1) * width
            _next_halving(rows, at, width, to)
            at = after


def _crops(
    image: Bytes,
    stride: int,
    width: int,
    height: int,
    halvings: IntArray,
    place: FloatArray,
    count: int,
    side: int,
    sums: NDArray[np.uint16],
    rows: Bytes,
    taps: IntArray,
    shares: FloatArray,
    result: FloatArray,
) -> None:
    """Squares cut out of an image's halvings.

    Args:
        image: its first pixel, of three colours.
        stride: bytes from a row to the next.
        width, height: in pixels.
        halvings: (count,), of which halving.
        place: (count, 3): pixels of it from one of the crop's to the next; x and y of the first.
        count: of the crops.
        side: of a crop.
        sums: room for two rows of the image, added up.
        rows: room for the part of a halving, and for two rows of each before.
        taps: room for (2, side).
        shares: room for (side,).
        result: (count, 3, side, side).
    """
    for number in range(count):
        step, x, y = place[3 * number], place[3 * number + 1], place[3 * number + 2]
        last_column = (width >> halvings[number]) - 1
        last_line = (height >> halvings[number]) - 1
        # As OpenCV's warpAffine computes them: multiplied and added at once across, not so down.
        far_x = np.float32(np.float64(step) * (side - 1) + np.float64(x))
        far_y = np.float32(step * np.float32(side - 1)) + y
        left = min(max(_floor(x), 0), last_column)
        top = min(max(_floor(y), 0), last_line)
        columns = min(max(_floor(far_x) + 1, 0), last_column) - left + 1
        lines = min(max(_floor(far_y) + 1, 0), last_line) - top + 1
        _part(image, stride, halvings[number], left, top, columns, lines, sums, rows)
        for column in range(side):
            at_x = np.float32(np.float64(step) * column + np.float64(x))
            whole = _floor(at_x)
            taps[column] = min(max(whole, 0), last_column) - left
            taps[side + column] = min(max(whole + 1, 0), last_column) - left
            shares[column] = at_x - np.float32(whole)
        for line in range(side):
            at_y = np.float32(step * np.float32(line)) + y
            whole = _floor(at_y)
            share = at_y - np.float32(whole)
            for colour in range(COLOURS):
                upper = (min(max(whole, 0), last_line) - top) * COLOURS + colour
                lower = (min(max(whole + 1, 0), last_line) - top) * COLOURS + colour
                to = ((number * COLOURS + colour) * side + line) * side
                for column in range(side):
                    left_tap, right_tap = taps[column], taps[side + column]
                    a = np.float32(rows[upper * columns + left_tap])
                    b = np.float32(rows[upper * columns + right_tap])
                    c = np.float32(rows[lower * columns + left_tap])
                    d = np.float32(rows[lower * columns + right_tap])
                    above = a + shares[column] * (b - a)
                    below = c + shares[column] * (d - c)
                    level = above + share * (below - above)
                    result[to + column] = (level + ROUNDING) - ROUNDING


def compiled() -> Any:
    """The crops as a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    bytes_, sums, int64s, floats = map(
        types.CPointer, (types.uint8, types.uint16, types.int64, types.float32)
    )
    int64 = types.int64
    signature = types.void(
        bytes_, int64, int64, int64, int64s, floats, int64, int64, sums, bytes_, int64s, floats,
        floats,
    )  # fmt: skip
    # Into its caller, where LLVM sees that it never fails: else the code would need Numba's.
    return cfunc(signature, error_model="numpy", forceinline=True)(_crops)
