"""The sharpness of faces, as Numba compiles it; like ``tree_kernel``, imported only to be compiled.

The grey warps of ``warp_kernel`` and ``mean_kernel``, with what comes before and after them in the
same call: luma is made of what a tile depends on while that is copied, and of the aligned face
nothing leaves but the sums of its Laplacian.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from facegrab.types import IntArray
from facegrab.vision import mean_grid, warp_grid
from facegrab.vision.warp_grid import FARTHEST_PX, ONE_BITS, POSITION_BITS, REACH, TAPS, TILE_PX
from facegrab.vision.warp_kernel import (
    COLOURS,
    ROWS_AHEAD,
    Bytes,
    Samples,
    four_pixels,
    inlined,
    prefetch_row,
    reach,
)

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

LUMA_BITS = 15
LUMA = (9798, 19235, 3735)
"""Shares of red, green and blue, of 2**15, as OpenCV's cvtColor has them."""

ABREAST = 16
"""Pixels whose luma is made at once."""
_BYTE, _SHORT, _INT = (ir.IntType(bits) for bits in (8, 16, 32))

_four_of_4, _four_of_6, _four_of_8 = (four_pixels(rows) for rows in (4, 6, 8))


def _making_luma(_: Any, image: Any, at: Any, samples: Any, to: Any) -> Any:
    """Luma of 16 pixels that lie side by side; Numba's own loops come out one pixel at a time."""

    def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        image, at, samples, to = arguments
        bytes_ = ir.VectorType(_BYTE, COLOURS * ABREAST)
        source = builder.bitcast(builder.gep(image, [at]), bytes_.as_pointer())
        pixels = builder.load(source)
        pixels.align = 1
        wide = ir.VectorType(_INT, ABREAST)
        total = ir.Constant(wide, [1 << (LUMA_BITS - 1)] * ABREAST)
        for colour, share in enumerate(LUMA):
            own = ir.Constant(wide, list(range(colour, COLOURS * ABREAST, COLOURS)))
            levels = builder.zext(builder.shuffle_vector(pixels, pixels, own), wide)
            weighed = builder.mul(levels, ir.Constant(wide, [share] * ABREAST))
            total = builder.add(total, weighed)
        luma = builder.lshr(total, ir.Constant(wide, [LUMA_BITS] * ABREAST))
        shorts = builder.trunc(luma, ir.VectorType(_SHORT, ABREAST))
        target = builder.bitcast(builder.gep(samples, [to]), shorts.type.as_pointer())
        builder.store(shorts, target).align = 2
        return context.get_dummy_value()

    return types.void(image, types.int64, samples, types.int64), generated


_luma_abreast: Callable[..., None] = intrinsic(_making_luma)


@inlined
def _copy_row(samples: Samples, at: int, image: Bytes, source: int, pixels: int) -> None:
    """The luma of some pixels of a row, of which the first begins at ``source``."""
    abreast = pixels // ABREAST * ABREAST
    for column in range(0, abreast, ABREAST):
        _luma_abreast(image, source + COLOURS * column, samples, at + column)
    for column in range(abreast, pixels):
        red = source + COLOURS * column
        total = LUMA[0] * image[red] + LUMA[1] * image[red + 1] + LUMA[2] * image[red + 2]
        samples[at + column] = (total + (1 << (LUMA_BITS - 1))) >> LUMA_BITS


@inlined
def _copy(
    samples: Samples,
    image: Bytes,
    stride: int,
    width: int,
    height: int,
    left: int,
    top: int,
    columns: int,
    rows: int,
) -> None:
    """The luma of a part of the image, row by row; black beyond the edge."""
    begin = min(max(-left, 0), columns)
    end = max(min(width - left, columns), begin)
    for row in range(rows):
        at = row * columns
        if top + row < 0 or top + row >= height:
            for each in range(at, at + columns):
                samples[each] = 0
            continue
        for column in range(begin):
            samples[at + column] = 0
        for column in range(end, columns):
            samples[at + column] = 0
        first = (top + row) * stride + (left + begin) * COLOURS
        if row + ROWS_AHEAD < rows and top + row + ROWS_AHEAD < height:
            prefetch_row(image, first + ROWS_AHEAD * stride, (end - begin) * COLOURS)
        _copy_row(samples, at + begin, image, first, end - begin)


@inlined
def _locate(positions: IntArray, pose: Doubles, face: int, size: int, step_bits: int) -> None:
    """See warp_grid.positions."""
    nearest = 1 << (POSITION_BITS - step_bits - 1)
    for axis in range(2):
        first = 7 * face + 3 * axis
        for along in range(size):
            column = pose[first] * along
            row = pose[first + 1] * along + pose[first + 2]
            column = min(max(column, -FARTHEST_PX), FARTHEST_PX)
            row = min(max(row, -FARTHEST_PX), FARTHEST_PX)
            positions[axis * size + along] = np.int64(np.rint(column * (1 << POSITION_BITS)))
            whole = np.int64(np.rint(row * (1 << POSITION_BITS)))
            positions[(2 + axis) * size + along] = whole + nearest


@inlined
def _weigh(weights: Samples, room: Floats, pose: Doubles, face: int, multiple: int) -> None:
    """See mean_grid.weights, whose sums are added up in another order."""
    first, side = 7 * face, pose[7 * face + 6]
    taps, phases = TAPS * TAPS, mean_grid.STEPS * mean_grid.STEPS
    step, one = np.float32(1 / mean_grid.STEPS), np.float32(1)
    share = np.float32(side * side * (1 << ONE_BITS))
    for across in range(multiple):
        for down in range(multiple):
            right = (across - (multiple - 1) * 0.5) * side
            below = (down - (multiple - 1) * 0.5) * side
            at = taps + 2 * (across * multiple + down)
            room[at] = np.float32(pose[first] * right + pose[first + 1] * below)
            room[at + 1] = np.float32(pose[first + 3] * right + pose[first + 4] * below)
    for phase in range(phases):
        step_y = np.float32(phase >> mean_grid.STEP_BITS) * step
        step_x = np.float32(phase & (mean_grid.STEPS - 1)) * step
        for tap in range(taps):
            room[tap] = 0
        for at in range(taps, taps + 2 * multiple * multiple, 2):
            x, y = step_x + room[at], step_y + room[at + 1]
            left, top = np.floor(x), np.floor(y)
            right_share, lower_share = x - left, y - top
            near = (np.int64(top) + REACH) * TAPS + np.int64(left) + REACH
            room[near] += (one - lower_share) * (one - right_share)
            room[near + 1] += (one - lower_share) * right_share
            room[near + TAPS] += lower_share * (one - right_share)
            room[near + TAPS + 1] += lower_share * right_share
        largest, begin = 0, phase * taps
        excess = np.int64(-(1 << ONE_BITS))
        for tap in range(taps):
            weight = np.int64(np.rint(room[tap] * share))
            weights[begin + tap] = weight
            excess += weight
            if weight > weights[begin + largest]:
                largest = tap
        weights[begin + largest] -= excess


@inlined
def _taps(
    positions: IntArray,
    x: int,
    across_y: int,
    from_x: int,
    from_y: int,
    step_bits: int,
    columns: int,
) -> tuple[int, int]:
    """Where a pixel's taps begin, and its weights."""
    finer_bits, steps = POSITION_BITS - step_bits, 1 << step_bits
    step_x = (from_x + positions[x]) >> finer_bits
    step_y = (from_y + positions[across_y + x]) >> finer_bits
    phase = (step_y & (steps - 1)) * steps + (step_x & (steps - 1))
    return (step_y >> step_bits) * columns + (step_x >> step_bits), phase * TAPS * TAPS


@inlined
def _warp(
    image: Bytes,
    stride: int,
    width: int,
    height: int,
    positions: IntArray,
    step_bits: int,
    weights: Samples,
    tap_rows: int,
    samples: Samples,
    size: int,
    row_bytes: int,
    result: Bytes,
) -> None:
    """The luma of a square cut out of an image, in rows of whole fours of pixels."""
    across_y, down_x, down_y = size, 2 * size, 3 * size
    for first_y in range(0, size, TILE_PX):
        last_y = min(first_y + TILE_PX, size) - 1
        for first_x in range(0, size, TILE_PX):
            last_x = min(first_x + TILE_PX, size) - 1
            left, right = reach(positions, first_x, last_x, down_x + first_y, down_x + last_y)
            top, bottom = reach(
                positions, across_y + first_x, across_y + last_x, down_y + first_y, down_y + last_y
            )
            columns, rows = right - left + 1, bottom - top + 1
            _copy(samples, image, stride, width, height, left, top, columns, rows)
            for y in range(first_y, last_y + 1):
                from_x = positions[down_x + y] - ((left + REACH) << POSITION_BITS)
                from_y = positions[down_y + y] - ((top + REACH) << POSITION_BITS)
                for x in range(first_x, last_x + 1, 4):
                    b, c, d = min(x + 1, last_x), min(x + 2, last_x), min(x + 3, last_x)
                    at = _taps(positions, x, across_y, from_x, from_y, step_bits, columns)
                    at_b = _taps(positions, b, across_y, from_x, from_y, step_bits, columns)
                    at_c = _taps(positions, c, across_y, from_x, from_y, step_bits, columns)
                    at_d = _taps(positions, d, across_y, from_x, from_y, step_bits, columns)
                    to = y * row_bytes + x
                    if tap_rows == 4:
                        _four_of_4(samples, columns, weights, at, at_b, at_c, at_d, result, to)
                    elif tap_rows == 6:
                        _four_of_6(samples, columns, weights, at, at_b, at_c, at_d, result, to)
                    else:
                        _four_of_8(samples, columns, weights, at, at_b, at_c, at_d, result, to)


@inlined
def _laplacian(luma: Bytes, row_bytes: int, size: int, sums: IntArray, to: int) -> None:
    """Sum of the Laplacian and of its squares; beyond an edge lies what lies before it."""
    total = squares = 0
    for y in range(size):
        row = y * row_bytes
        above = row - row_bytes if y > 0 else row + row_bytes
        below = row + row_bytes if y < size - 1 else row - row_bytes
        for x in range(1, size - 1):
            beside = luma[row + x - 1] + luma[row + x + 1]
            value = luma[above + x] + luma[below + x] + beside - 4 * luma[row + x]
            total += value
            squares += value * value
        for end in range(2):
            x, before = (size - 1, size - 2) if end else (0, 1)
            beside = 2 * luma[row + before]
            value = luma[above + x] + luma[below + x] + beside - 4 * luma[row + x]
            total += value
            squares += value * value
    sums[to] = total
    sums[to + 1] = squares


def _sharpness(
    images: list[Bytes],
    numbers: IntArray,
    pose: Doubles,
    faces: int,
    lanczos: Samples,
    mean: Samples,
    room: Floats,
    positions: IntArray,
    samples: Samples,
    luma: Bytes,
    sums: IntArray,
) -> None:
    """Sums of the Laplacian of many faces.

    Args:
        images: the image that each face is in.
        numbers: (faces, 6), bytes from a row of the image to the next, its width and height; side
            of the aligned face, places along a side of its pixels or 1 for Lanczos, rows of taps.
        pose: (faces, 7), from the aligned face to the image; what of a pixel's side a place has.
        faces: how many.
        lanczos: see warp_grid.weights.
        mean, room: for a face's weights, as mean_grid.weights; for those of a step and for places.
        positions, samples, luma: for a face's positions, for what a tile depends on, for a face.
        sums: (faces, 2), the result: of the Laplacian, of its squares.
    """
    for face in range(faces):
        at = 6 * face
        stride, width, height = numbers[at], numbers[at + 1], numbers[at + 2]
        size, multiple, tap_rows = numbers[at + 3], numbers[at + 4], numbers[at + 5]
        row_bytes = (size + 3) // 4 * 4
        if multiple == 1:
            _locate(positions, pose, face, size, warp_grid.STEP_BITS)
            _warp(
                images[face], stride, width, height, positions, warp_grid.STEP_BITS, lanczos,
                tap_rows, samples, size, row_bytes, luma,
            )  # fmt: skip
        else:
            _locate(positions, pose, face, size, mean_grid.STEP_BITS)
            _weigh(mean, room, pose, face, multiple)
            _warp(
                images[face], stride, width, height, positions, mean_grid.STEP_BITS, mean,
                tap_rows, samples, size, row_bytes, luma,
            )  # fmt: skip
        _laplacian(luma, row_bytes, size, sums, 2 * face)


def compiled() -> Any:
    """As a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    bytes_, shorts, int64s, floats, doubles = (
        types.CPointer(kind)
        for kind in (types.uint8, types.int16, types.int64, types.float32, types.float64)
    )
    signature = types.void(
        types.CPointer(bytes_), int64s, doubles, types.int64,
        shorts, shorts, floats, int64s, shorts, bytes_, int64s,
    )  # fmt: skip
    return cfunc(signature, error_model="numpy", forceinline=True)(_sharpness)
