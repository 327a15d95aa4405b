"""The inner loops of ``tree_kernel``, written as LLVM's vectors; imported only to be compiled.

LLVM makes none by itself: it cannot know that what is stored is not what is read next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from facegrab.vectors import constant, lanes, spread
from facegrab.vision.tree_grid import FEATURE_BITS, LANES

PLACES = LANES // 2
"""Features at a time: as many double numbers as AVX-512 has in a register."""

_BOOL, _INT, _LONG = (ir.IntType(bits) for bits in (1, 32, 64))
_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()
_INT_BYTES = 4


def _addressing(_: Any, pointer: Any) -> Any:
    """Of what a pointer points to."""

    def generated(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], _LONG)

    return types.int64(pointer), generated


address: Callable[[Any], int] = intrinsic(_addressing)


def _looking(
    _: Any, anchor: Any, x: Any, y: Any, shape: Any, turned: Any, box: Any, image: Any, grey: Any
) -> Any:
    """Grey where so many features look, 0 outside of the image.

    Args:
        anchor, x, y: of the features, addresses: points, and offsets from them.
        shape: address of the points.
        turned: cosine and sine, times scale, of the offsets.
        box: its x, y, width and height, and the image's width and height, as double numbers.
        image: its address, and the last place in it where four bytes can be read.
        grey: address of the result.
    """

    def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        anchor, x, y, shape, turned, box, image, grey = arguments
        at = _looked_at(builder, _read(builder, anchor, _INT, PLACES), shape)
        turn, lift = _all_of(builder, turned, 2)
        x, y = (_read(builder, each, _FLOAT, PLACES) for each in (x, y))
        column = _sum(builder, _difference(builder, turn, x, lift, y), at[0])
        row = _sum(builder, _total(builder, lift, x, turn, y), at[1])
        pixel, inside = _pixel(builder, column, row, _all_of(builder, box, 6))
        _store(builder, _grey(builder, pixel, inside, _all_of(builder, image, 2)), grey)
        return context.get_dummy_value()

    return types.void(anchor, x, y, shape, turned, box, image, grey), generated


look: Callable[..., None] = intrinsic(_looking)


def _looked_at(builder: Any, anchor: Any, shape: Any) -> Sequence[Any]:
    """x and y of points by their numbers."""
    pair = ir.VectorType(_LONG, PLACES)
    step = builder.mul(builder.zext(anchor, pair), constant(_LONG, 2 * _INT_BYTES, PLACES))
    both = _gathered(builder, builder.add(step, spread(builder, shape, PLACES)), _LONG)
    numbers = builder.bitcast(both, ir.VectorType(_FLOAT, 2 * PLACES))
    return [lanes(builder, numbers, range(first, 2 * PLACES, 2)) for first in (0, 1)]


def _difference(builder: Any, a: Any, x: Any, b: Any, y: Any) -> Any:
    return builder.fsub(builder.fmul(a, x), builder.fmul(b, y))


def _total(builder: Any, a: Any, x: Any, b: Any, y: Any) -> Any:
    return builder.fadd(builder.fmul(a, x), builder.fmul(b, y))


def _sum(builder: Any, a: Any, b: Any) -> Any:
    """As double numbers, the sum of two rounded first."""
    return builder.fpext(builder.fadd(a, b), ir.VectorType(_DOUBLE, PLACES))


def _pixel(builder: Any, column: Any, row: Any, box: Sequence[Any]) -> tuple[Any, Any]:
    """Numbers of pixels, by rows, and which of them are there; those of others are 0."""
    left, top, wide, high, width, height = box
    zero, half = (constant(_DOUBLE, each, PLACES) for each in (0.0, 0.5))
    inside, whole = constant(_BOOL, 1, PLACES), []
    for share, side, corner, end in ((column, wide, left, width), (row, high, top, height)):
        where = builder.fadd(builder.fadd(builder.fmul(share, side), corner), half)
        where = _floor(builder, where)
        # Compared as they are: what lies far outside would not fit into an integer.
        for sign, limit in ((">=", zero), ("<", end)):
            inside = builder.and_(inside, builder.fcmp_ordered(sign, where, limit))
        whole.append(where)
    column, row = whole
    number = builder.select(inside, builder.fadd(builder.fmul(row, width), column), zero)
    return builder.fptosi(number, ir.VectorType(_INT, PLACES)), inside


def _grey(builder: Any, pixel: Any, inside: Any, image: Sequence[Any]) -> Any:
    """A third of red, green and blue. The last pixel's are read with a byte before them."""
    start, last = image
    wanted = builder.mul(
        builder.zext(pixel, ir.VectorType(_LONG, PLACES)), constant(_LONG, 3, PLACES)
    )
    beyond = builder.icmp_signed(">", wanted, last)
    place = builder.add(start, builder.select(beyond, last, wanted))
    colours = _gathered(builder, place, _INT, inside)
    colours = builder.select(beyond, builder.lshr(colours, constant(_INT, 8, PLACES)), colours)
    total = constant(_INT, 0, PLACES)
    for shift in (0, 8, 16):
        byte = builder.lshr(colours, constant(_INT, shift, PLACES))
        total = builder.add(total, builder.and_(byte, constant(_INT, 255, PLACES)))
    return builder.udiv(total, constant(_INT, 3, PLACES))


def _beginning(_: Any, node: Any, word: Any, threshold: Any, grey: Any) -> Any:
    """So many trees go to the first level.

    Args:
        node: address of the nodes that they come to.
        word, threshold: addresses of their first splits.
        grey: address of what the features see.
    """

    def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        node, word, threshold, grey = arguments
        both = _read(builder, word, _INT, LANES)
        right = _is_right(builder, both, _read(builder, threshold, _FLOAT, LANES), grey)
        _store(builder, builder.add(right, constant(_INT, 1, LANES)), node)
        return context.get_dummy_value()

    return types.void(node, word, threshold, grey), generated


begin: Callable[..., None] = intrinsic(_beginning)


def _stepping(
    _: Any, node: Any, place: Any, word: Any, threshold: Any, grey: Any, apart: Any
) -> Any:
    """So many trees go on to the next level.

    Args:
        node: address of the nodes that they are in.
        place: of the first of these trees among all of the stage.
        word, threshold: addresses of the stage's splits: by nodes, then trees.
        grey: address of what the features see.
        apart: from a node to the next of a tree, in splits.
    """

    def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        node, place, word, threshold, grey, apart = arguments
        now = _read(builder, node, _INT, LANES)
        trees = ir.Constant(ir.VectorType(_INT, LANES), list(range(LANES)))
        first = builder.add(spread(builder, builder.trunc(place, _INT), LANES), trees)
        each = spread(builder, builder.trunc(apart, _INT), LANES)
        split = builder.add(builder.mul(now, each), first)
        both = _looked_up(builder, word, split, _INT)
        right = _is_right(builder, both, _looked_up(builder, threshold, split, _FLOAT), grey)
        one = constant(_INT, 1, LANES)
        _store(builder, builder.add(builder.add(builder.shl(now, one), one), right), node)
        return context.get_dummy_value()

    return types.void(node, place, word, threshold, grey, apart), generated


step: Callable[..., None] = intrinsic(_stepping)


def _is_right(builder: Any, both: Any, threshold: Any, grey: Any) -> Any:
    """1 where what the second feature sees is not so much darker than the first, else 0."""
    low = constant(_INT, (1 << FEATURE_BITS) - 1, LANES)
    high = builder.lshr(both, constant(_INT, FEATURE_BITS, LANES))
    a, b = (_looked_up(builder, grey, each, _INT) for each in (builder.and_(both, low), high))
    difference = builder.sitofp(builder.sub(a, b), threshold.type)
    return builder.zext(builder.fcmp_ordered("<=", difference, threshold), both.type)


def _looked_up(builder: Any, table: Any, index: Any, kind: Any) -> Any:
    """Numbers of four bytes out of a table."""
    count = index.type.count
    apart = builder.zext(index, ir.VectorType(_LONG, count))
    place = builder.mul(apart, constant(_LONG, _INT_BYTES, count))
    return _gathered(builder, builder.add(place, spread(builder, table, count)), kind)


def _gathered(builder: Any, place: Any, kind: Any, there: Any = None) -> Any:
    """What lies at some addresses; 0 where nothing is read."""
    count = place.type.count
    result, pointers = ir.VectorType(kind, count), ir.VectorType(kind.as_pointer(), count)
    said = {_INT: "i32", _LONG: "i64", _FLOAT: "f32"}[kind]
    mask = ir.VectorType(_BOOL, count)
    signature = ir.FunctionType(result, [pointers, _INT, mask, result])
    name = f"llvm.masked.gather.v{count}{said}.v{count}p0"
    function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
    if there is None:
        there = constant(_BOOL, 1, count)
    nothing = ir.Constant(result, None)
    at = builder.inttoptr(place, pointers)
    return builder.call(function, [at, ir.Constant(_INT, 1), there, nothing])


def _floor(builder: Any, vector: Any) -> Any:
    name = f"llvm.floor.v{vector.type.count}f64"
    signature = ir.FunctionType(vector.type, [vector.type])
    function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
    return builder.call(function, [vector])


def _all_of(builder: Any, packed: Any, count: int) -> list[Any]:
    """Vectors of each number of a tuple."""
    numbers = [builder.extract_value(packed, each) for each in range(count)]
    return [spread(builder, each, PLACES) for each in numbers]


def _read(builder: Any, at: Any, kind: Any, count: int) -> Any:
    loaded = builder.load(builder.inttoptr(at, ir.VectorType(kind, count).as_pointer()))
    loaded.align = _INT_BYTES
    return loaded


def _store(builder: Any, vector: Any, at: Any) -> None:
    stored = builder.store(vector, builder.inttoptr(at, vector.type.as_pointer()))
    stored.align = _INT_BYTES
