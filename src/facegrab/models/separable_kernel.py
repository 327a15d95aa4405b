"""Networks of separable convolutions, as Numba compiles them; imported only to be compiled.

All layers go down the image together, row by row: as soon as the rows are there that a layer's next
one depends on, it is made. So most layers keep a few rows only, which stay near the processor,
where a runtime that goes layer by layer writes all of each to memory and reads it again.

A row is kept block of channels by block, in each pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import cfunc, njit, types

from facegrab.models.details import COLOURS
from facegrab.models.separable import BLOCK, HEAD, POOL, SUM
from facegrab.models.separable_grid import (
    ACROSS,
    ACROSS_BIAS,
    AROUND,
    AROUND_BIAS,
    CHANNELS,
    DONE,
    FIELDS,
    FILTERS,
    FLOAT_BYTES,
    HEIGHT,
    KIND,
    OTHER,
    READ,
    RESULT,
    ROOM,
    ROOM_ROWS,
    ROWS,
    SOURCE,
    WIDTH,
    stem_row,
)
from facegrab.models.separable_tiles import (
    PIXEL_BYTES,
    Tile,
    across,
    around,
    floats,
    maxima,
    stem,
    sums,
)
from facegrab.types import IntArray

_F = TypeVar("_F", bound=Callable[..., Any])
Row = Callable[[int, int, int, int, int, int, int], None]

STEM_TILE, AROUND_TILE = 16, 8
"""Pixels a tile."""


def _inlined(function: _F) -> _F:
    compiled: _F = njit(inline="always", error_model="numpy")(function)
    return compiled


_stem_row = _inlined(stem_row)
_stem, _stem_pixel = stem(STEM_TILE), stem(1)
_floats, _float = floats(BLOCK), floats(1)


def _across_row(channels: int, filters: int, tile: int) -> Row:
    """A row of a convolution of 1x1; the last tile lies over the one before if it has to.

    Args:
        channels: that it reads.
        filters: that it has.
        tile: pixels whose sums, with a weight of each filter, find room in 32 registers.
    """
    several, one = across(channels, filters, tile), across(channels, filters, 1)

    def row(
        source: int,
        source_step: int,
        weights: int,
        biases: int,
        result: int,
        result_step: int,
        width: int,
    ) -> None:
        if width < tile:
            for x in range(width):
                at = x * PIXEL_BYTES
                one((source + at, source_step, weights, biases, result + at, result_step))
            return
        for number in range((width + tile - 1) // tile):
            at = min(number * tile, width - tile) * PIXEL_BYTES
            several((source + at, source_step, weights, biases, result + at, result_step))

    return _inlined(row)


_across_16_16 = _across_row(16, 16, 16)
_across_16_32 = _across_row(16, 32, 12)
_across_32_32 = _across_row(32, 32, 12)
_across_32_64 = _across_row(32, 64, 6)
_across_64_64 = _across_row(64, 64, 6)
_across_64_16 = _across_row(64, 16, 16)


def _around_row(several: Tile, one: Tile) -> Callable[..., None]:
    """A row of a convolution of 3x3, block by block."""

    def row(
        first: int,
        second: int,
        third: int,
        step: int,
        weights: int,
        biases: int,
        result: int,
        width: int,
        filters: int,
    ) -> None:
        tap = filters * FLOAT_BYTES
        for block in range(filters // BLOCK):
            at = block * step
            weight = weights + block * PIXEL_BYTES
            bias = biases + block * PIXEL_BYTES
            to = result + block * width * PIXEL_BYTES
            if width < AROUND_TILE:
                one((first + at, second + at, third + at, weight, tap, bias, to, width))
                continue
            tiles = width // AROUND_TILE
            several((first + at, second + at, third + at, weight, tap, bias, to, tiles))
            if width % AROUND_TILE:
                last = (width - AROUND_TILE) * PIXEL_BYTES
                at, to = at + last, to + last
                several((first + at, second + at, third + at, weight, tap, bias, to, 1))

    return _inlined(row)


_rectified_row = _around_row(around(AROUND_TILE, rectified=True), around(1, rectified=True))
_plain_row = _around_row(around(AROUND_TILE, rectified=False), around(1, rectified=False))


@_inlined
def _row_of(layers: IntArray, layer: int, row: int) -> int:
    """Where a layer's row is."""
    numbers = layers[layer + WIDTH] * layers[layer + FILTERS]
    at: int = layers[layer + RESULT] + (row % layers[layer + ROWS]) * numbers * FLOAT_BYTES
    return at


@_inlined
def _step_stem(
    layers: IntArray, image: int, stride: int, columns: int, lines: int, zeros: int
) -> None:
    """The next row of the first layer, and what of the image it depends on, in floats."""
    y, width = layers[DONE], layers[WIDTH]
    step = _stem_row(width) * FLOAT_BYTES
    numbers = COLOURS * columns
    for line in range(2 * y, min(2 * y + 2, lines)):
        source = image + line * stride
        to = layers[ROOM] + line % 3 * step + COLOURS * FLOAT_BYTES
        whole = numbers // BLOCK
        _floats((source, to, whole))
        done = whole * BLOCK
        _float((source + done, to + done * FLOAT_BYTES, numbers - done))
    # Black beyond the image's edge.
    first = zeros if y == 0 or 2 * y - 1 >= lines else layers[ROOM] + (2 * y - 1) % 3 * step
    second = zeros if 2 * y >= lines else layers[ROOM] + 2 * y % 3 * step
    third = zeros if 2 * y + 1 >= lines else layers[ROOM] + (2 * y + 1) % 3 * step
    weights, biases, result = layers[ACROSS], layers[ACROSS_BIAS], _row_of(layers, 0, y)
    pixel = 2 * COLOURS * FLOAT_BYTES
    tiles = width // STEM_TILE
    for tile in range(tiles):
        x = tile * STEM_TILE
        at, to = x * pixel, result + x * PIXEL_BYTES
        _stem((first + at, second + at, third + at, weights, biases, to))
    for x in range(tiles * STEM_TILE, width):
        at, to = x * pixel, result + x * PIXEL_BYTES
        _stem_pixel((first + at, second + at, third + at, weights, biases, to))
    layers[DONE] = y + 1


@_inlined
def _read_pair(layers: IntArray, layer: int, source: int, step: int) -> None:
    """The next row of a pair's first convolution."""
    width, channels, filters = (
        layers[layer + WIDTH],
        layers[layer + CHANNELS],
        layers[layer + FILTERS],
    )
    weights, biases = layers[layer + ACROSS], layers[layer + ACROSS_BIAS]
    y = layers[layer + READ]
    read, read_step = _row_of(layers, source, y), width * PIXEL_BYTES
    # Behind the pixel that stands for what lies beyond the edge.
    to = layers[layer + ROOM] + y % ROOM_ROWS * step * (filters // BLOCK) + PIXEL_BYTES
    if channels == 16 and filters == 16:
        _across_16_16(read, read_step, weights, biases, to, step, width)
    elif channels == 16:
        _across_16_32(read, read_step, weights, biases, to, step, width)
    elif channels == 32 and filters == 32:
        _across_32_32(read, read_step, weights, biases, to, step, width)
    elif channels == 32:
        _across_32_64(read, read_step, weights, biases, to, step, width)
    elif filters == 64:
        _across_64_64(read, read_step, weights, biases, to, step, width)
    else:
        _across_64_16(read, read_step, weights, biases, to, step, width)
    layers[layer + READ] = y + 1


@_inlined
def _step_pair(layers: IntArray, layer: int, source: int, zeros: int) -> None:
    """The next row of a pair's first convolution, if it can be made, and of the pair."""
    width, height = layers[layer + WIDTH], layers[layer + HEIGHT]
    filters, y = layers[layer + FILTERS], layers[layer + DONE]
    step = (width + 2) * PIXEL_BYTES
    if layers[layer + READ] < height and layers[source + DONE] > layers[layer + READ]:
        _read_pair(layers, layer, source, step)
    if layers[layer + READ] < min(y + 2, height):
        return
    room, row = layers[layer + ROOM], step * (filters // BLOCK)
    first = zeros if y == 0 else room + (y - 1) % ROOM_ROWS * row
    second = room + y % ROOM_ROWS * row
    third = zeros if y + 1 == height else room + (y + 1) % ROOM_ROWS * row
    weights, biases = layers[layer + AROUND], layers[layer + AROUND_BIAS]
    result = _row_of(layers, layer, y)
    if layers[layer + KIND] == HEAD:
        _plain_row(first, second, third, step, weights, biases, result, width, filters)
    else:
        _rectified_row(first, second, third, step, weights, biases, result, width, filters)
    layers[layer + DONE] = y + 1


@_inlined
def _step(layers: IntArray, layer: int, zeros: int) -> None:
    """The next row of a layer behind the first, if what it depends on is there."""
    source, other = FIELDS * layers[layer + SOURCE], FIELDS * layers[layer + OTHER]
    y, pixels = layers[layer + DONE], layers[layer + WIDTH] * (layers[layer + FILTERS] // BLOCK)
    kind = layers[layer + KIND]
    if kind == POOL:
        if layers[source + DONE] >= 2 * y + 2:
            first, second = _row_of(layers, source, 2 * y), _row_of(layers, source, 2 * y + 1)
            maxima((first, second, _row_of(layers, layer, y), pixels))
            layers[layer + DONE] = y + 1
    elif kind == SUM:
        if layers[source + DONE] > y and layers[other + DONE] > y // 2:
            read, small = _row_of(layers, source, y), _row_of(layers, other, y // 2)
            sums((read, small, _row_of(layers, layer, y), pixels // 2))
            layers[layer + DONE] = y + 1
    else:
        _step_pair(layers, layer, source, zeros)


def _run(
    image: int,
    stride: int,
    columns: int,
    lines: int,
    layers: IntArray,
    count: int,
    zeros: int,
) -> None:
    """All rows of all layers.

    Args:
        image: address of its first pixel, of three colours.
        stride: bytes from a row to the next.
        columns: of the image, no more than twice the first layer's.
        lines: of the image.
        layers: see separable_grid.
        count: of the layers.
        zeros: address of as many zeros as the longest row has numbers.
    """
    for each in range(count):
        layers[FIELDS * each + READ] = layers[FIELDS * each + DONE] = 0
    # A row of each layer at most in each turn, so that none is passed by: who reads it comes after
    # who makes it, and has room for no more. In each turn some layer makes one until all are done.
    left = True
    while left:
        left = layers[DONE] < layers[HEIGHT]
        if left:
            _step_stem(layers, image, stride, columns, lines, zeros)
        for each in range(1, count):
            layer = FIELDS * each
            if layers[layer + DONE] < layers[layer + HEIGHT]:
                left = True
                _step(layers, layer, zeros)


def compiled() -> Any:
    """The network as a function of C's, a ``numba.core.ccallback.CFunc``; takes seconds."""
    int64, int64s = types.int64, types.CPointer(types.int64)
    signature = types.void(int64, int64, int64, int64, int64s, int64, int64)
    return cfunc(signature, error_model="numpy", forceinline=True)(_run)
