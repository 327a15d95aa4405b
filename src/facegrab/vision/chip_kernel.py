"""dlib's chips, as Numba compiles them; like ``tree_kernel``, imported only to be compiled.

What a chip can touch is copied first, or halved, four bytes to a pixel and with black around it, so
that a vector holds two neighbours, and no pixel has to ask where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from facegrab.models.details import CHIP_PX
from facegrab.types import IntArray
from facegrab.vectors import lanes, order, spread
from facegrab.vision.warp_kernel import COLOURS, ROWS_AHEAD, Bytes, inlined, prefetch_row

Doubles = NDArray[np.float64]
Sums = NDArray[np.uint16]

LANES = 4
"""Bytes of a pixel while it is worked on."""
ABREAST = 16
"""Bytes that are added up at once."""

_BYTE, _SHORT, _INT, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_FLOAT = ir.FloatType()


def _loaded(builder: Any, array: Any, at: Any, count: int) -> Any:
    """So many neighbours of an array, wherever they begin."""
    place = builder.gep(array, [at])
    kind = ir.VectorType(place.type.pointee, count)
    loaded = builder.load(builder.bitcast(place, kind.as_pointer()))
    loaded.align = 1
    return loaded


def _store(builder: Any, vector: Any, array: Any, at: Any) -> None:
    place = builder.bitcast(builder.gep(array, [at]), vector.type.as_pointer())
    builder.store(vector, place).align = 1


def _kernel(builder: Any, five: Sequence[Any]) -> Any:
    """1 4 6 4 1 times five vectors of int16."""
    outer, near, middle = builder.add(five[0], five[4]), builder.add(five[1], five[3]), five[2]
    four, six = (ir.Constant(middle.type, [each] * middle.type.count) for each in (4, 6))
    return builder.add(outer, builder.add(builder.mul(near, four), builder.mul(middle, six)))


def _adding_rows(_: Any, image: Any, at: Any, stride: Any, sums: Any, to: Any) -> Any:
    """16 bytes of five rows."""

    def generated(context: Any, builder: Any, _: Any, arguments: Sequence[Any]) -> Any:
        image, at, stride, sums, to = arguments
        shorts, five = ir.VectorType(_SHORT, ABREAST), []
        for _row in range(5):
            five.append(builder.zext(_loaded(builder, image, at, ABREAST), shorts))
            at = builder.add(at, stride)
        _store(builder, _kernel(builder, five), sums, to)
        return context.get_dummy_value()

    return types.void(image, types.int64, types.int64, sums, types.int64), generated


def _adding_columns(_: Any, sums: Any, at: Any, step: Any, result: Any, to: Any) -> Any:
    """Five pixels of what five rows make, as one."""

    def generated(context: Any, builder: Any, _: Any, arguments: Sequence[Any]) -> Any:
        sums, at, step, result, to = arguments
        five = []
        for _column in range(5):
            five.append(_loaded(builder, sums, at, LANES))
            at = builder.add(at, step)
        total = _kernel(builder, five)
        half, bits = (ir.Constant(total.type, [each] * LANES) for each in (128, 8))
        level = builder.lshr(builder.add(total, half), bits)
        _store(builder, builder.trunc(level, ir.VectorType(_BYTE, LANES)), result, to)
        return context.get_dummy_value()

    return types.void(sums, types.int64, types.int64, result, types.int64), generated


def _widening(_: Any, image: Any, at: Any, result: Any, to: Any) -> Any:
    """Four pixels of three bytes as four of four; four bytes more are read."""

    def generated(context: Any, builder: Any, _: Any, arguments: Sequence[Any]) -> Any:
        image, at, result, to = arguments
        pixels = _loaded(builder, image, at, 4 * LANES)
        places = [min(3 * (lane // LANES) + lane % LANES, 15) for lane in range(4 * LANES)]
        _store(builder, lanes(builder, pixels, places), result, to)
        return context.get_dummy_value()

    return types.void(image, types.int64, result, types.int64), generated


def _cutting_four(
    _: Any, part: Any, row_bytes: Any, x: Any, step_x: Any, step_y: Any, row_x: Any, row_y: Any,
    most_x: Any, most_y: Any, result: Any, to: Any,
) -> Any:  # fmt: skip
    """Four pixels of a row of the chip; beyond these, four bytes are written to be overwritten."""

    def generated(context: Any, builder: Any, _: Any, arguments: Sequence[Any]) -> Any:
        part, row_bytes, x, step_x, step_y, row_x, row_y, most_x, most_y, result, to = arguments
        left, right = _split(builder, x, step_x, row_x, most_x)
        top, below = _split(builder, x, step_y, row_y, most_y)
        row_step = spread(builder, builder.trunc(row_bytes, _INT), 4)
        along = builder.mul(left, ir.Constant(left.type, [LANES] * 4))
        places = builder.add(builder.mul(top, row_step), along)
        pixels = []
        for pixel in range(4):
            at = builder.zext(builder.extract_element(places, _INT(pixel)), _LONG)
            above, beneath = (
                _loaded(builder, part, each, 2 * LANES) for each in (at, builder.add(at, row_bytes))
            )
            near, far = (
                _floats(builder, builder.shuffle_vector(above, beneath, order(lanes)))
                for lanes in ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])
            )
            between = _towards(builder, near, far, lanes(builder, right, [pixel] * 2 * LANES))
            upper, lower = (lanes(builder, between, each) for each in ([0, 1, 2, 3], [4, 5, 6, 7]))
            pixels.append(_towards(builder, upper, lower, lanes(builder, below, [pixel] * LANES)))
        _store(builder, _packed(builder, pixels), result, to)
        return context.get_dummy_value()

    places = [types.int64] * 2 + [types.float32] * 6
    return types.void(part, *places, result, types.int64), generated


def _split(builder: Any, x: Any, step: Any, row: Any, most: Any) -> tuple[Any, Any]:
    """Where four pixels are along an axis: whole pixels, and what is left of them.

    To the bit as OpenCV 5, which counts in float32.
    """
    beside = ir.Constant(ir.VectorType(_INT, 4), [0, 1, 2, 3])
    columns = builder.add(spread(builder, builder.trunc(x, _INT), 4), beside)
    steps, rows = (spread(builder, each, 4) for each in (step, row))
    place = _fused(builder, steps, builder.sitofp(columns, steps.type), rows)
    black, last = ir.Constant(place.type, [-1.0] * 4), spread(builder, most, 4)
    place = builder.select(builder.fcmp_ordered("<", place, black), black, place)
    place = builder.select(builder.fcmp_ordered(">", place, last), last, place)
    kind = ir.FunctionType(place.type, [place.type])
    floor = cgutils.get_or_insert_function(builder.module, kind, "llvm.floor.v4f32")
    below = builder.call(floor, [place])
    whole = builder.fptosi(below, ir.VectorType(_INT, 4))
    with_edge = builder.add(whole, ir.Constant(whole.type, [1] * 4))
    return with_edge, builder.fsub(place, below)


def _packed(builder: Any, pixels: Sequence[Any]) -> Any:
    """Four pixels' levels, rounded, as bytes: twelve without what is no colour, and four more."""
    kind = ir.FunctionType(pixels[0].type, [pixels[0].type])
    rint = cgutils.get_or_insert_function(builder.module, kind, "llvm.rint.v4f32")
    ints = ir.VectorType(_INT, LANES)
    one, two, three, four = (builder.fptosi(builder.call(rint, [each]), ints) for each in pixels)
    pair, other = (
        builder.shuffle_vector(*each, order(list(range(8)))) for each in ((one, two), (three, four))
    )
    levels = builder.shuffle_vector(pair, other, order(list(range(16))))
    levels = builder.trunc(levels, ir.VectorType(_BYTE, 16))
    return lanes(builder, levels, [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15])


def _floats(builder: Any, vector: Any) -> Any:
    return builder.uitofp(vector, ir.VectorType(_FLOAT, vector.type.count))


def _towards(builder: Any, one: Any, other: Any, share: Any) -> Any:
    """One vector, moved by shares towards the other."""
    return _fused(builder, builder.fsub(other, one), share, one)


def _fused(builder: Any, factor: Any, other: Any, term: Any) -> Any:
    """A product and a term, rounded once, as OpenCV has it, where the processor can do that."""
    product = builder.fmul(factor, other, flags=["contract"])
    return builder.fadd(product, term, flags=["contract"])


_add_rows: Callable[..., None] = intrinsic(_adding_rows)
_add_columns: Callable[..., None] = intrinsic(_adding_columns)
_widen: Callable[..., None] = intrinsic(_widening)
_cut_four: Callable[..., None] = intrinsic(_cutting_four)


@inlined
def _blacken(part: Bytes, row_bytes: int, columns: int, rows: int) -> None:
    """A pixel before each row and column of a part, two after them."""
    for each in range(row_bytes):
        part[each] = 0
        part[(rows + 1) * row_bytes + each] = 0
        part[(rows + 2) * row_bytes + each] = 0
    for row in range(1, rows + 1):
        for each in range(LANES):
            part[row * row_bytes + each] = 0
            part[row * row_bytes + (columns + 1) * LANES + each] = 0
            part[row * row_bytes + (columns + 2) * LANES + each] = 0


@inlined
def _copy(part: Bytes, image: Bytes, stride: int, columns: int, rows: int) -> None:
    """A part of an image, a pixel of black around it."""
    row_bytes = (columns + 3) * LANES
    for row in range(rows):
        source, to = row * stride, (row + 1) * row_bytes + LANES
        if row + ROWS_AHEAD < rows:
            prefetch_row(image, source + ROWS_AHEAD * stride, columns * COLOURS)
        # Beyond the last five pixels of an image there may be nothing to read.
        abreast = max(columns - 2, 0) // 4 * 4
        for column in range(0, abreast, 4):
            _widen(image, source + COLOURS * column, part, to + LANES * column)
        for column in range(abreast, columns):
            for colour in range(COLOURS):
                part[to + LANES * column + colour] = image[source + COLOURS * column + colour]
    _blacken(part, row_bytes, columns, rows)


@inlined
def _halve(
    part: Bytes, image: Bytes, at: int, stride: int, step: int, columns: int, rows: int, sums: Sums
) -> None:
    """Half the size, without pixels that reach over the edge; black around it.

    Args:
        part: the result.
        image, at: where the first pixel is.
        stride: from a row to the next.
        step: from a pixel to the next, 3 or 4.
        columns, rows: of the result.
        sums: room for a row.
    """
    row_bytes = (columns + 3) * LANES
    row_size = (2 * columns + 3) * step
    abreast = row_size // ABREAST * ABREAST
    for row in range(rows):
        source = at + 2 * row * stride
        if row + ROWS_AHEAD < rows:
            prefetch_row(image, source + (2 * ROWS_AHEAD + 3) * stride, row_size)
            prefetch_row(image, source + (2 * ROWS_AHEAD + 4) * stride, row_size)
        for byte in range(0, abreast, ABREAST):
            _add_rows(image, source + byte, stride, sums, byte)
        for byte in range(source + abreast, source + row_size):
            outer = image[byte] + image[byte + 4 * stride]
            near = image[byte + stride] + image[byte + 3 * stride]
            sums[byte - source] = outer + 4 * near + 6 * image[byte + 2 * stride]
        to = (row + 1) * row_bytes + LANES
        for column in range(columns):
            _add_columns(sums, 2 * column * step, step, part, to + LANES * column)
    _blacken(part, row_bytes, columns, rows)


@inlined
def _cut(part: Bytes, columns: int, rows: int, pose: Doubles, face: int, chips: Bytes) -> None:
    """A chip, between the pixels of a part that has black around it."""
    row_bytes, first = (columns + 3) * LANES, 6 * face
    step_x, step_y = np.float32(pose[first]), np.float32(pose[first + 3])
    down_x, down_y = np.float32(pose[first + 1]), np.float32(pose[first + 4])
    from_x, from_y = np.float32(pose[first + 2]), np.float32(pose[first + 5])
    for y in range(CHIP_PX):
        row_x, row_y = down_x * np.float32(y) + from_x, down_y * np.float32(y) + from_y
        to = (face * CHIP_PX + y) * CHIP_PX * COLOURS
        for x in range(0, CHIP_PX, 4):
            _cut_four(
                part, row_bytes, x, step_x, step_y, row_x, row_y,
                np.float32(columns), np.float32(rows), chips, to + COLOURS * x,
            )  # fmt: skip


def _chips(
    images: list[Bytes],
    numbers: IntArray,
    pose: Doubles,
    faces: int,
    part: Bytes,
    other: Bytes,
    sums: Sums,
    chips: Bytes,
) -> None:
    """Chips of many faces.

    Args:
        images: first pixel of the part of an image that each face's chip can touch.
        numbers: (faces, 4), bytes from a row of it to the next, its width and height; how often
            it is halved.
        pose: (faces, 6), from the chip to that part, halved.
        faces: how many.
        part, other: room for what is cut from, and for what is halved.
        sums: room for the sums of a row.
        chips: (faces, CHIP_PX, CHIP_PX, 3), the result, and a byte.
    """
    for face in range(faces):
        stride, columns, rows = numbers[4 * face], numbers[4 * face + 1], numbers[4 * face + 2]
        halvings = numbers[4 * face + 3]
        source, source_at, step = images[face], 0, COLOURS
        if halvings == 0:
            _copy(part, source, stride, columns, rows)
        for _ in range(halvings):
            columns, rows = (columns - 3) // 2, (rows - 3) // 2
            if columns < 1 or rows < 1:
                columns = rows = 0
            _halve(part, source, source_at, stride, step, columns, rows, sums)
            source, step, stride = part, LANES, (columns + 3) * LANES
            source_at = stride + LANES
            part, other = other, part
        if halvings:
            part, other = other, part
        _cut(part, columns, rows, pose, face, chips)


def compiled() -> Any:
    """As a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    bytes_, sums, int64s, doubles = (
        types.CPointer(kind) for kind in (types.uint8, types.uint16, types.int64, types.float64)
    )
    signature = types.void(
        types.CPointer(bytes_), int64s, doubles, types.int64, bytes_, bytes_, sums, bytes_
    )
    return cfunc(signature, error_model="numpy", forceinline=True)(_chips)
