"""Planes of YUV to RGB, as Numba compiles it; imported only to be compiled.

Two rows, which share their colours, and 64 columns at a time, as LLVM's vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import cfunc, types
from numba.extending import intrinsic

from facegrab.media.rgb_grid import CHANNELS, COLUMN_BITS, COLUMNS
from facegrab.vectors import constant, lanes, order, spread

PAIRS = COLUMNS // 2

_BYTE, _SHORT, _INT, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_NUMBERS = 6


def _making_block(
    _: Any, row: Any, next_row: Any, u: Any, v: Any, to: Any, next_to: Any, numbers: Any
) -> Any:
    """Of two rows: their luma, their U and V, where they go, and the numbers of the conversion."""

    def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        *rows, u, v, upper, lower, packed = arguments
        numbers = [builder.extract_value(packed, each) for each in range(_NUMBERS)]
        offset, luma, red_v, blue_u, green_v, green_u = numbers
        u, v = (_eightfold(builder, each, PAIRS, _SHORT(1024)) for each in (u, v))
        chroma = [
            _product(builder, v, red_v),
            builder.add(_product(builder, u, green_u), _product(builder, v, green_v)),
            _product(builder, u, blue_u),
        ]
        twice = [lanes(builder, each, [n // 2 for n in range(COLUMNS)]) for each in chroma]
        for each, place in zip(rows, (upper, lower), strict=True):
            grey = _product(builder, _eightfold(builder, each, COLUMNS, offset), luma)
            levels = [_byte(builder, builder.add(grey, shift)) for shift in twice]
            _store_pixels(builder, levels, place)
        return context.get_dummy_value()

    return types.void(row, next_row, u, v, to, next_to, numbers), generated


_make_block: Callable[..., None] = intrinsic(_making_block)


def _eightfold(builder: Any, at: Any, count: int, less: Any) -> Any:
    """Eight times the bytes at an address, less a number: int16."""
    place = builder.inttoptr(at, ir.VectorType(_BYTE, count).as_pointer())
    loaded = builder.load(place)
    loaded.align = 1
    wide = builder.zext(loaded, ir.VectorType(_SHORT, count))
    return builder.sub(builder.shl(wide, constant(_SHORT, 3, count)), spread(builder, less, count))


def _product(builder: Any, vector: Any, number: Any) -> Any:
    """Of int16, its upper half: LLVM makes pmulhw of it."""
    count = vector.type.count
    wide = ir.VectorType(_INT, count)
    factor = builder.sext(spread(builder, number, count), wide)
    product = builder.mul(builder.sext(vector, wide), factor)
    return builder.trunc(builder.ashr(product, constant(_INT, 16, count)), vector.type)


def _byte(builder: Any, vector: Any) -> Any:
    """Of int16: what is below 0 is 0, what is above 255 is 255."""
    count = vector.type.count
    for sign, limit in (("<", 0), (">", 255)):
        bound = constant(_SHORT, limit, count)
        vector = builder.select(builder.icmp_signed(sign, vector, bound), bound, vector)
    return builder.trunc(vector, ir.VectorType(_BYTE, count))


def _store_pixels(builder: Any, colours: Sequence[Any], to: Any) -> None:
    """Red, green and blue of each pixel side by side."""
    red, green, blue = colours
    both = order(range(2 * COLUMNS))
    first = builder.shuffle_vector(red, green, both)
    last = builder.shuffle_vector(blue, blue, both)
    for part in range(CHANNELS):
        numbers = [divmod(part * COLUMNS + each, CHANNELS) for each in range(COLUMNS)]
        places = order([number + colour * COLUMNS for number, colour in numbers])
        pixels = builder.shuffle_vector(first, last, places)
        at = builder.add(to, _LONG(part * COLUMNS))
        stored = builder.store(pixels, builder.inttoptr(at, pixels.type.as_pointer()))
        stored.align = 1


def _rgb(
    y: int, u: int, v: int, y_stride: int, u_stride: int, width: int, height: int, to: int,
    offset: int, luma: int, red_v: int, blue_u: int, green_v: int, green_u: int,
) -> None:  # fmt: skip
    """Addresses; strides in bytes, V's as U's; width even and COLUMNS at least, height even."""
    numbers = (offset, luma, red_v, blue_u, green_v, green_u)
    line = CHANNELS * width
    for pair in range(height >> 1):
        upper, out, chroma = y + 2 * pair * y_stride, to + 2 * pair * line, pair * u_stride
        for number in range((width + COLUMNS - 1) >> COLUMN_BITS):
            # The last ones lie over the ones before.
            x = min(number * COLUMNS, width - COLUMNS)
            _make_block(
                upper + x, upper + y_stride + x,
                u + chroma + (x >> 1), v + chroma + (x >> 1),
                out + CHANNELS * x, out + line + CHANNELS * x, numbers,
            )  # fmt: skip


def compiled() -> Any:
    """The function, for C: see `rgb_compiled`."""
    signature = types.void(*[types.int64] * 8, *[types.int16] * _NUMBERS)
    return cfunc(signature, error_model="numpy", forceinline=True)(_rgb)
