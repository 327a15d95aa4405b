"""The Lanczos warp, as Numba compiles it; like ``tree_kernel``, imported only to be compiled.

A tile of the result is made at a time. What it depends on is copied first: black beyond the
image's edge, so that no tap has to ask where it is, and each colour by itself, so that eight taps
of a row lie side by side. Their products are written as LLVM's vectors, because Numba's own loops
come out one tap at a time: with pmaddwd and the like, a pixel takes a sixth of OpenCV's time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from facegrab.types import IntArray
from facegrab.vision.warp_grid import (
    ONE_BITS,
    POSITION_BITS,
    REACH,
    STEP_BITS,
    STEPS,
    TAPS,
    TILE_PX,
)

Bytes = NDArray[np.uint8]
Samples = NDArray[np.int16]

COLOURS = 3
FINER_BITS = POSITION_BITS - STEP_BITS
"""Bits of a position that only serve to add it up."""

ROWS_AHEAD = 8
"""How far ahead rows of the image are asked for (4 to 16 take the same time)."""
LINE_BYTES = 64
"""What a processor fetches at once."""

_BYTE, _SHORT, _INT, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_LANES = 4
"""Sums side by side: a vector of 128 bits, which every processor has."""

_F = TypeVar("_F", bound=Callable[..., Any])


def inlined(function: _F) -> _F:
    compiled: _F = njit(inline="always", error_model="numpy")(function)
    return compiled


def _prefetching(_: Any, image: Any, at: Any) -> Any:
    """Asks for a byte that will be read: rows lie too far apart for a processor to guess it."""

    def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        place = builder.gep(arguments[0], [arguments[1]])
        kind = ir.FunctionType(ir.VoidType(), [place.type, _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, _INT(0), _INT(3), _INT(1)])  # to be read, often, data
        return context.get_dummy_value()

    return types.void(image, types.int64), generated


_prefetch: Callable[..., None] = intrinsic(_prefetching)


@inlined
def prefetch_row(image: Bytes, first: int, count: int) -> None:
    """Asks for so many bytes."""
    for each in range(first, first + count, LINE_BYTES):
        _prefetch(image, each)


def _neighbours_added(builder: Any, low: Any, high: Any) -> Any:
    """0 + 1, 2 + 3, and so on, of the first eight of two vectors after one another."""
    even, odd = (
        builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_INT, _LANES), lanes))
        for lanes in ([0, 2, 4, 6], [1, 3, 5, 7])
    )
    return builder.add(even, odd)


def _eight(builder: Any, array: Any, at: Any) -> Any:
    """Eight int16 of an array, as int32; of bytes, by how much they exceed 128.

    Less 128, because LLVM would take bytes straight to int32, and not see that int16 can be
    multiplied.
    """
    place = builder.gep(array, [at])
    kind = place.type.pointee
    loaded = builder.load(builder.bitcast(place, ir.VectorType(kind, TAPS).as_pointer()))
    loaded.align = kind.width // 8
    if kind == _BYTE:
        shorts = ir.VectorType(_SHORT, TAPS)
        loaded = builder.sub(builder.zext(loaded, shorts), ir.Constant(shorts, [128] * TAPS))
    return builder.sext(loaded, ir.VectorType(_INT, TAPS))


def _grey_levels(builder: Any, sums: Sequence[Any], less: int) -> Any:
    """Four sums over the taps, each still a vector, as rounded grey levels in one vector.

    Samples were less by ``less``; the weights of a pixel make one.
    """
    pairs = [_neighbours_added(builder, *two) for two in (sums[:2], sums[2:])]
    whole = _neighbours_added(builder, *pairs)
    half, bits, black, white = (
        ir.Constant(whole.type, [number] * _LANES)
        for number in (1 << (ONE_BITS - 1), ONE_BITS, 0, 255)
    )
    level = builder.ashr(builder.add(whole, half), bits)
    level = builder.add(level, ir.Constant(whole.type, [less] * _LANES))
    level = builder.select(builder.icmp_signed("<", level, black), black, level)
    level = builder.select(builder.icmp_signed(">", level, white), white, level)
    return builder.trunc(level, ir.VectorType(_BYTE, _LANES))


def _summed(
    builder: Any, samples: Any, at: Any, row_step: Any, weights: Sequence[Any], first_row: int
) -> Any:
    """The taps that begin at ``at``, as a vector whose lanes are still to be added up."""
    sums = ir.Constant(ir.VectorType(_INT, _LANES), [0] * _LANES)
    for row, weight in enumerate(weights, first_row):
        place = builder.add(at, builder.mul(row_step, _LONG(row)))
        products = builder.mul(_eight(builder, samples, place), weight)
        # Neighbours at once: LLVM sees that here it can multiply int16.
        sums = builder.add(sums, _neighbours_added(builder, products, products))
    return sums


def _row_weights(builder: Any, weights: Any, first: Any, looked_at: range) -> list[Any]:
    return [_eight(builder, weights, builder.add(first, _LONG(row * TAPS))) for row in looked_at]


def _middle(rows: int) -> range:
    """So many rows of taps in the middle."""
    return range((TAPS - rows) // 2, (TAPS + rows) // 2)


def pixel(colours: int, rows: int = TAPS) -> Callable[..., None]:
    """Makes ``pixel(samples, at, colour_step, row_step, weights, first, result, to)``.

    It writes one pixel's colours from the taps that begin at ``at``. Samples are int16 or uint8.
    Of the rows of taps only so many in the middle are looked at.
    """
    looked_at = _middle(rows)

    def generated(context: Any, builder: Any, _: Any, arguments: Sequence[Any]) -> Any:
        samples, at, colour_step, row_step, weights, first, result, to = arguments
        row_weights = _row_weights(builder, weights, first, looked_at)
        sums = [ir.Constant(ir.VectorType(_INT, _LANES), [0] * _LANES)] * _LANES
        for colour in range(colours):
            start = builder.add(at, builder.mul(colour_step, _LONG(colour)))
            sums[colour] = _summed(builder, samples, start, row_step, row_weights, looked_at.start)
        levels = _grey_levels(builder, sums, 128 if samples.type.pointee == _BYTE else 0)
        for colour in range(colours):
            target = builder.gep(result, [builder.add(to, _LONG(colour))])
            builder.store(builder.extract_element(levels, _INT(colour)), target)
        return context.get_dummy_value()

    def typed(
        _: Any, samples: Any, at: Any, colour_step: Any, row_step: Any, weights: Any, first: Any,
        result: Any, to: Any,
    ) -> Any:  # fmt: skip
        places = [types.int64] * 3
        return types.void(samples, *places, weights, types.int64, result, types.int64), generated

    made: Callable[..., None] = intrinsic(typed)
    return made


def four_pixels(rows: int = TAPS) -> Callable[..., None]:
    """Makes ``four(samples, row_step, weights, a, b, c, d, result, to)``.

    What ``pixel`` does for grey, of samples that are int16, for four pixels that lie side by side
    in the result: what is left to do when taps are summed is done once for all four. Of each it is
    told where its taps begin, and its weights.
    """
    looked_at = _middle(rows)

    def generated(context: Any, builder: Any, _: Any, arguments: Sequence[Any]) -> Any:
        samples, row_step, weights, *four, result, to = arguments
        sums = []
        for each in four:
            at, first = (builder.extract_value(each, place) for place in (0, 1))
            row_weights = _row_weights(builder, weights, first, looked_at)
            sums.append(_summed(builder, samples, at, row_step, row_weights, looked_at.start))
        levels = _grey_levels(builder, sums, 0)
        target = builder.bitcast(builder.gep(result, [to]), levels.type.as_pointer())
        builder.store(levels, target).align = 1
        return context.get_dummy_value()

    def typed(
        _: Any, samples: Any, row_step: Any, weights: Any, a: Any, b: Any, c: Any, d: Any,
        result: Any, to: Any,
    ) -> Any:  # fmt: skip
        four = [types.UniTuple(types.int64, 2)] * 4
        return types.void(samples, types.int64, weights, *four, result, types.int64), generated

    made: Callable[..., None] = intrinsic(typed)
    return made


_colour_pixel = pixel(COLOURS)
_grey_pixel = pixel(1)


@inlined
def reach(positions: IntArray, a: int, b: int, c: int, d: int) -> tuple[int, int]:
    """First and last sample of a tile along an axis; positions[a] to [b] plus [c] to [d]."""
    low = min(positions[a], positions[b]) + min(positions[c], positions[d])
    high = max(positions[a], positions[b]) + max(positions[c], positions[d])
    return (low >> POSITION_BITS) - REACH, (high >> POSITION_BITS) - REACH + TAPS - 1


@inlined
def _copy(
    samples: Samples,
    image: Bytes,
    stride: int,
    width: int,
    height: int,
    colours: int,
    left: int,
    top: int,
    columns: int,
    rows: int,
) -> None:
    """A part of the image, row by row, in each row colour by colour; black beyond the edge."""
    begin = min(max(-left, 0), columns)
    end = max(min(width - left, columns), begin)
    for row in range(rows):
        at = row * colours * columns
        if top + row < 0 or top + row >= height:
            for each in range(at, at + colours * columns):
                samples[each] = 0
            continue
        for colour in range(colours):
            for column in range(begin):
                samples[at + colour * columns + column] = 0
            for column in range(end, columns):
                samples[at + colour * columns + column] = 0
        source = (top + row) * stride + left * colours
        for column in range(begin, end):
            for colour in range(colours):
                samples[at + colour * columns + column] = image[source + column * colours + colour]


def _warp(
    image: Bytes,
    stride: int,
    width: int,
    height: int,
    colours: int,
    positions: IntArray,
    weights: Samples,
    samples: Samples,
    size: int,
    result: Bytes,
) -> None:
    """A square cut out of an image.

    Args:
        image: its first pixel.
        stride: bytes from a row to the next.
        width, height: in pixels.
        colours: 3 or 1.
        positions: (4, size), see warp_grid.positions.
        weights: see warp_grid.weights.
        samples: room for what a tile depends on.
        size: side of the result.
        result: (size, size, colours).
    """
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
            row_step = colours * columns
            # By number, so that the loops over colours are unrolled.
            if colours == COLOURS:
                _copy(samples, image, stride, width, height, 3, left, top, columns, rows)
            else:
                _copy(samples, image, stride, width, height, 1, left, top, columns, rows)
            for y in range(first_y, last_y + 1):
                from_x = positions[down_x + y] - ((left + REACH) << POSITION_BITS)
                from_y = positions[down_y + y] - ((top + REACH) << POSITION_BITS)
                for x in range(first_x, last_x + 1):
                    step_x = (from_x + positions[x]) >> FINER_BITS
                    step_y = (from_y + positions[across_y + x]) >> FINER_BITS
                    phase = (step_y & (STEPS - 1)) * STEPS + (step_x & (STEPS - 1))
                    first = phase * TAPS * TAPS
                    at = (step_y >> STEP_BITS) * row_step + (step_x >> STEP_BITS)
                    to = (y * size + x) * colours
                    if colours == COLOURS:
                        _colour_pixel(samples, at, columns, row_step, weights, first, result, to)
                    else:
                        _grey_pixel(samples, at, columns, row_step, weights, first, result, to)


def compiled() -> Any:
    """The warp as a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    bytes_, samples, int64s = map(types.CPointer, (types.uint8, types.int16, types.int64))
    int64 = types.int64
    signature = types.void(
        bytes_, int64, int64, int64, int64, int64s, samples, samples, int64, bytes_
    )
    # Into its caller, where LLVM sees that it never fails: else the code would need Numba's.
    return cfunc(signature, error_model="numpy", forceinline=True)(_warp)
