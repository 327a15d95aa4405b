"""The inner loops of ``separable_kernel``, written as LLVM's vectors of sixteen numbers.

Numba's own loops would read and write every sum in memory. Here a tile of pixels has all its sums
in registers, of which AVX-512 has 32: each weight that is read serves all pixels of the tile, each
number all filters. Arguments are addresses and numbers of bytes; every function takes a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from facegrab.models.details import COLOURS
from facegrab.models.separable import BLOCK, TAPS
from facegrab.models.separable_grid import FLOAT_BYTES
from facegrab.vectors import spread

Emit = Callable[[Any, Sequence[Any]], None]
Tile = Callable[[tuple[int, ...]], None]

PIXEL_BYTES = FLOAT_BYTES * BLOCK
"""From a pixel to the next within a block of channels."""
STEM_TAPS = 3 * COLOURS
"""Numbers of one row of the image that the first layer reads."""

_BYTE, _LANE, _LONG, _FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, BLOCK)
_ZERO = ir.Constant(_VECTOR, [0.0] * BLOCK)


def stem(pixels: int) -> Tile:
    """So many pixels of the first layer; negative ones become 0.

    Of: three rows of the image, each from the first number that the first pixel reads; weights,
    biases; the result.
    """

    def emit(builder: Any, of: Sequence[Any]) -> None:
        *rows, weights, biases, result = of
        sums = [_read(builder, biases, 0)] * pixels
        for number, row in enumerate(rows):
            weight = _moved(builder, weights, number * STEM_TAPS * PIXEL_BYTES)
            step = 2 * COLOURS * FLOAT_BYTES
            sums = _products(builder, STEM_TAPS, row, step, weight, sums, pixels)
        for pixel, each in enumerate(sums):
            _write(builder, _not_negative(builder, each), result, pixel * PIXEL_BYTES)

    return _function(6, emit)


def across(channels: int, filters: int, pixels: int) -> Tile:
    """So many pixels of a convolution of 1x1.

    Of: what is read, bytes from a block to the next; weights, biases; the result, bytes from a
    block to the next.
    """
    vectors = filters // BLOCK

    def emit(builder: Any, of: Sequence[Any]) -> None:
        source, source_step, weights, biases, result, result_step = of
        sums = [_read(builder, biases, each * PIXEL_BYTES) for each in range(vectors)] * pixels
        for block in range(channels // BLOCK):
            weight = _moved(builder, weights, block * BLOCK * vectors * PIXEL_BYTES)
            sums = _products(builder, BLOCK, source, PIXEL_BYTES, weight, sums, pixels)
            source = builder.add(source, source_step)
        for block in range(vectors):
            for pixel in range(pixels):
                _write(builder, sums[pixel * vectors + block], result, pixel * PIXEL_BYTES)
            result = builder.add(result, result_step)

    return _function(6, emit)


def around(pixels: int, *, rectified: bool) -> Tile:
    """Tiles of so many pixels of a convolution of 3x3, of one block of channels.

    Of: three rows, each from the pixel before the first; weights, bytes from a tap to the next,
    biases; the result; how many tiles.
    """

    def emit(builder: Any, of: Sequence[Any]) -> None:
        *rows, weights, step, biases, result, tiles = of
        taps = []
        for _ in range(TAPS):
            taps.append(_read(builder, weights, 0))
            weights = builder.add(weights, step)
        bias = _read(builder, biases, 0)
        with cgutils.for_range(builder, tiles) as loop:
            at = builder.mul(loop.index, _LONG(pixels * PIXEL_BYTES))
            sums = [bias] * pixels
            for number, row in enumerate(rows):
                for place in range(pixels + 2):
                    read = _read(builder, builder.add(row, at), place * PIXEL_BYTES)
                    for tap in range(max(place - pixels + 1, 0), min(place, 2) + 1):
                        weight = taps[3 * number + tap]
                        sums[place - tap] = _added(builder, read, weight, sums[place - tap])
            for pixel, each in enumerate(sums):
                whole = _not_negative(builder, each) if rectified else each
                _write(builder, whole, builder.add(result, at), pixel * PIXEL_BYTES)

    return _function(8, emit)


def _emit_maxima(builder: Any, of: Sequence[Any]) -> None:
    first, second, result, count = of
    with cgutils.for_range(builder, count) as loop:
        at = builder.mul(loop.index, _LONG(2 * PIXEL_BYTES))
        found = None
        for row in (first, second):
            for place in range(2):
                read = _read(builder, builder.add(row, at), place * PIXEL_BYTES)
                found = read if found is None else _greater(builder, found, read)
        to = builder.add(result, builder.mul(loop.index, _LONG(PIXEL_BYTES)))
        _write(builder, found, to, 0)


def _emit_sums(builder: Any, of: Sequence[Any]) -> None:
    source, small, result, count = of
    with cgutils.for_range(builder, count) as loop:
        at = builder.mul(loop.index, _LONG(2 * PIXEL_BYTES))
        half = builder.add(small, builder.mul(loop.index, _LONG(PIXEL_BYTES)))
        enlarged = _read(builder, half, 0)
        for place in range(2):
            read = _read(builder, builder.add(source, at), place * PIXEL_BYTES)
            whole = builder.fadd(read, enlarged)
            _write(builder, whole, builder.add(result, at), place * PIXEL_BYTES)


def floats(lanes: int) -> Tile:
    """Bytes as floats, so many at a time. Of: the bytes; the result; how many times."""

    def emit(builder: Any, of: Sequence[Any]) -> None:
        source, result, times = of
        with cgutils.for_range(builder, times) as loop:
            at = builder.mul(loop.index, _LONG(lanes))
            pointer = ir.VectorType(_BYTE, lanes).as_pointer()
            read = builder.load(builder.inttoptr(builder.add(source, at), pointer), align=1)
            # By way of whole numbers, which every processor converts.
            whole = builder.zext(read, ir.VectorType(_LANE, lanes))
            to = builder.add(result, builder.mul(at, _LONG(FLOAT_BYTES)))
            place = builder.inttoptr(to, ir.VectorType(_FLOAT, lanes).as_pointer())
            builder.store(builder.uitofp(whole, place.type.pointee), place, align=FLOAT_BYTES)

    return _function(3, emit)


def _function(count: int, emit: Emit) -> Tile:
    """A function of so many numbers, in a tuple, whose code is written by ``emit``."""

    def typed(_: Any, of: Any) -> Any:
        def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            emit(builder, cgutils.unpack_tuple(builder, arguments[0]))
            return context.get_dummy_value()

        return types.void(types.UniTuple(types.int64, count)), generated

    made: Tile = intrinsic(typed)
    return made


def _products(
    builder: Any,
    count: int,
    source: Any,
    step: int,
    weights: Any,
    sums: Sequence[Any],
    pixels: int,
) -> list[Any]:
    """Sums, pixel by pixel, with the products of ``count`` numbers of each added.

    A loop that LLVM may unroll as it likes; unrolled here, it would fill the processor's memory for
    instructions.
    """
    vectors = len(sums) // pixels
    before = builder.block
    body, end = (builder.append_basic_block(name) for name in ("products", "summed"))
    builder.branch(body)
    builder.position_at_end(body)
    number = builder.phi(_LONG)
    number.add_incoming(_LONG(0), before)
    kept = [builder.phi(_VECTOR) for _ in sums]
    for phi, start in zip(kept, sums, strict=True):
        phi.add_incoming(start, before)
    at = builder.add(weights, builder.mul(number, _LONG(vectors * PIXEL_BYTES)))
    taps = [_read(builder, at, each * PIXEL_BYTES) for each in range(vectors)]
    first = builder.add(source, builder.mul(number, _LONG(FLOAT_BYTES)))
    added = []
    for pixel in range(pixels):
        place = builder.inttoptr(_moved(builder, first, pixel * step), _FLOAT.as_pointer())
        everywhere = spread(builder, builder.load(place, align=FLOAT_BYTES), BLOCK)
        for each, tap in enumerate(taps):
            added.append(_added(builder, everywhere, tap, kept[pixel * vectors + each]))
    following = builder.add(number, _LONG(1))
    number.add_incoming(following, body)
    for phi, value in zip(kept, added, strict=True):
        phi.add_incoming(value, body)
    builder.cbranch(builder.icmp_signed("<", following, _LONG(count)), body, end)
    builder.position_at_end(end)
    return added


def _moved(builder: Any, address: Any, by: int) -> Any:
    return builder.add(address, _LONG(by)) if by else address


def _read(builder: Any, address: Any, by: int) -> Any:
    place = builder.inttoptr(_moved(builder, address, by), _VECTOR.as_pointer())
    return builder.load(place, align=FLOAT_BYTES)


def _write(builder: Any, value: Any, address: Any, by: int) -> None:
    place = builder.inttoptr(_moved(builder, address, by), _VECTOR.as_pointer())
    builder.store(value, place, align=FLOAT_BYTES)


def _added(builder: Any, one: Any, other: Any, total: Any) -> Any:
    """``one * other + total``, rounded once."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{BLOCK}f32")
    return builder.call(function, [one, other, total])


def _greater(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", one, other), one, other)


def _not_negative(builder: Any, value: Any) -> Any:
    """0 instead of what is below; what is no number stays so, to be found in the end."""
    return builder.select(builder.fcmp_ordered("<", value, _ZERO), _ZERO, value)


maxima = _function(4, _emit_maxima)
"""Maxima of 2x2 pixels. Of: two rows; the result; how many."""
sums = _function(4, _emit_sums)
"""Pixels with those of half as many added, each twice. Of: the row; the one of half as many; the
result; how many of the latter."""
