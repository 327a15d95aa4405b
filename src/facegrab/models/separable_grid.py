"""What ``separable_kernel`` is told of a network at one size of image, and of its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from facegrab.models.details import COLOURS
from facegrab.models.separable import BLOCK, HEAD, STEM, SUM, UNIT, Layer, Separable
from facegrab.types import FloatArray, IntArray

(
    KIND, SOURCE, OTHER, WIDTH, HEIGHT, CHANNELS, FILTERS, ACROSS, ACROSS_BIAS, AROUND, AROUND_BIAS,
    RESULT, ROWS, ROOM, READ, DONE,
) = range(16)  # fmt: skip
"""Places of a layer's numbers: what ``Layer`` says of it; its size; addresses of its weights; the
address of its rows and how many there is room for; the address of room for itself; and, kept by the
machine code, rows that it has read and made."""
FIELDS = 16

ROOM_ROWS = 3
"""Rows that a pair keeps of its first convolution, and the first layer of the image."""
KEPT_ROWS = 2
"""Rows of a layer that one other reads as they come; maxima read two at once."""

FLOAT_BYTES = 4


class Grid(NamedTuple):
    """A network at one size.

    Attributes:
        layers: int64 (N * 16,).
        memory: what the addresses in it are of, the weights aside; perhaps more.
        zeros: address of the longest row's zeros.
        outputs: views of it, float32 (1, rows, 16) each.
    """

    layers: IntArray
    memory: FloatArray
    zeros: int
    outputs: tuple[FloatArray, ...]


def stem_row(width: int) -> int:
    """Numbers of a row of the image, black on both sides, for a first layer so wide."""
    return COLOURS * (2 * width + 2)


def grid_of(
    network: Separable, weights: FloatArray, width: int, height: int, before: Grid | None = None
) -> Grid:
    """Room for a network at a size.

    Args:
        network: which.
        weights: its own, where they are in memory.
        width: of the image, a multiple of its coarsest stride.
        height: of the image, the same.
        before: whose memory is taken if it is large enough: the system hands out fresh memory page
            by page, which takes a fifth of the time of a small image.
    """
    sizes = [(width // each.stride_px, height // each.stride_px) for each in network.layers]
    rows = _kept_rows(network, [lines for _, lines in sizes])
    row = [each.filters * columns for each, (columns, _) in zip(network.layers, sizes, strict=True)]
    room = [_room(each, columns) for each, (columns, _) in zip(network.layers, sizes, strict=True)]
    results = [one * count for one, count in zip(row, rows, strict=True)]
    rooms = [ROOM_ROWS * one for one in room]
    *starts, end = np.cumsum([0, *map(_whole_blocks, [*results, *rooms, max(room)])]).tolist()
    memory = before.memory if before and len(before.memory) >= end else _aligned(end)
    # What stands for the image's surroundings; results are written before they are read.
    memory[starts[len(rows)] : end] = 0
    *at, zeros = (memory.ctypes.data + FLOAT_BYTES * np.array(starts)).tolist()
    table = np.zeros((len(network.layers), FIELDS), np.int64)
    for number, (layer, addresses) in enumerate(_weights_of(network, weights)):
        table[number, :READ] = [
            layer.kind, layer.source, layer.other, *sizes[number], layer.channels, layer.filters,
            *addresses, at[number], rows[number], at[len(rows) + number],
        ]  # fmt: skip
    outputs = tuple(
        memory[start : start + count].reshape(1, -1, layer.filters)
        for layer, start, count in zip(network.layers, starts, results, strict=False)
        if layer.kind == HEAD
    )
    return Grid(table.reshape(-1), memory, zeros, outputs)


def _weights_of(
    network: Separable, weights: FloatArray
) -> Iterator[tuple[Layer, tuple[int, int, int, int]]]:
    """Each layer with the addresses of its weights, 0 for what it does not have."""
    at = weights.ctypes.data
    for layer in network.layers:
        addresses = [0] * 4
        for number, count in enumerate(layer.weight_counts):
            addresses[number] = at
            at += FLOAT_BYTES * count
        across, across_bias, around, around_bias = addresses
        yield layer, (across, across_bias, around, around_bias)


def _room(layer: Layer, columns: int) -> int:
    """Numbers of a row of what a layer keeps for itself, with a pixel more on both sides."""
    if layer.kind == STEM:
        return stem_row(columns)
    return (columns + 2) * layer.filters if layer.kind in (UNIT, HEAD) else 0


def _kept_rows(network: Separable, heights: Sequence[int]) -> list[int]:
    """Rows that there is room for: all of a layer that is an output, or that somebody may have to
    wait for before reading it.
    """
    readers = [0] * len(network.layers)
    for layer in network.layers[1:]:
        # A sum waits for the other, which may come long after its source.
        readers[layer.source] += 2 if layer.kind == SUM else 1
        readers[layer.other] += 2 if layer.kind == SUM else 0
    return [
        height if layer.kind == HEAD or count > 1 else KEPT_ROWS
        for layer, count, height in zip(network.layers, readers, heights, strict=True)
    ]


def _aligned(count: int) -> FloatArray:
    """Memory at an address that a vector of sixteen is read fastest from."""
    room = np.empty(count + BLOCK, np.float32)
    return room[-room.ctypes.data // FLOAT_BYTES % BLOCK :][:count]


def _whole_blocks(count: int) -> int:
    return -(-count // BLOCK) * BLOCK
