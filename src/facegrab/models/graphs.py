"""ONNX graphs of dlib's two networks.

The ``onnx`` package is imported where it is used: a graph is built once and then lies in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facegrab.models.details import COLOURS, EMBEDDING_LENGTH
from facegrab.models.layers import (
    AddTag,
    Affine,
    AveragePool,
    Convolution,
    Dense,
    GlobalAverage,
    Layer,
    Layers,
    MaxPool,
    Relu,
    Skip,
    Tag,
)
from facegrab.types import FloatArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET = 17
IR_VERSION = 8
"""The one that came with opset 17; ONNX Runtime 1.20 reads both."""

INPUT = "x"
DETECTOR_OUTPUT = "score"
RECOGNISER_OUTPUT = "embedding"
BLOCK = 16
"""Channels that ONNX Runtime computes together with AVX-512; half of it divides this too."""


def detector_graph(layers: Layers) -> bytes:
    """The detector as an ONNX file: x float32 (N, 3, H, W) to score (N, 1, h, w).

    Raises:
        ValueError: the layers do not make such a network.
    """
    graph = _Graph(_Value(INPUT, COLOURS, None))
    for layer in _blocked(_folded(layers)):
        graph.append(layer)
    return graph.serialised(["N", COLOURS, "H", "W"], DETECTOR_OUTPUT, ["N", 1, "h", "w"])


def recogniser_graph(layers: Layers, chip_px: int) -> bytes:
    """The recogniser as an ONNX file: x float32 (N, 3, chip_px, chip_px) to embedding (N, 128).

    Raises:
        ValueError: the layers do not make such a network.
    """
    graph = _Graph(_Value(INPUT, COLOURS, chip_px))
    for layer in _folded(layers):
        graph.append(layer)
    return graph.serialised(
        ["N", COLOURS, chip_px, chip_px], RECOGNISER_OUTPUT, ["N", EMBEDDING_LENGTH]
    )


def _folded(layers: Layers) -> list[Layer]:
    """The layers, with every affine taken into the convolution before it."""
    folded: list[Layer] = []
    for layer in layers:
        before = folded[-1] if folded else None
        if isinstance(layer, Affine) and isinstance(before, Convolution):
            folded[-1] = _fold(before, layer)
        else:
            folded.append(layer)
    return folded


def _blocked(layers: list[Layer]) -> list[Layer]:
    """The same network with zero channels added up to a multiple of BLOCK between convolutions.

    ONNX Runtime computes in blocks of so many channels and falls back to a slower way for others,
    such as dlib's 45. With `_single_filter` this takes a seventh off the network's time, measured.
    """
    convolutions = [layer for layer in layers if isinstance(layer, Convolution)]
    result: list[Layer] = []
    channels = grown = COLOURS
    for layer in layers:
        if not isinstance(layer, Convolution):
            result.append(layer)
            continue
        filters, expected = layer.weight.shape[:2]
        if expected != channels:
            raise ValueError(f"no network: {channels} channels go into {expected}")
        more = 0 if layer is convolutions[-1] else -filters % BLOCK
        result.append(_grown(layer, more, grown - channels))
        channels, grown = filters, filters + more
    return result


def _grown(layer: Convolution, filters: int, channels: int) -> Convolution:
    """A convolution with so many filters and channels of zeros more."""
    weight = np.pad(layer.weight, ((0, filters), (0, channels), (0, 0), (0, 0)))
    return Convolution(weight, np.pad(layer.bias, (0, filters)), layer.stride, layer.padding)


def _fold(convolution: Convolution, affine: Affine) -> Convolution:
    """gain (w * x + b) + offset = (gain w) * x + (gain b + offset), in double precision."""
    gain = affine.gain.astype(np.float64)
    weight = convolution.weight * gain[:, None, None, None]
    bias = convolution.bias * gain + affine.offset
    if max(np.abs(weight).max(), np.abs(bias).max()) > np.finfo(np.float32).max:
        raise ValueError("an affine times its convolution is too large for float32")
    return Convolution(
        weight.astype(np.float32), bias.astype(np.float32), convolution.stride, convolution.padding
    )


class _Value(NamedTuple):
    """A tensor of the graph: its name, and what padding needs to know of its shape."""

    name: str
    channels: int
    side: int | None
    """Rows, as many as columns; None where any size goes through the graph."""


class _Graph:
    """A graph that grows at its end, one of dlib's layers after the other."""

    def __init__(self, start: _Value) -> None:
        self._last = start
        self._tags: dict[int, _Value] = {}
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def append(self, layer: Layer) -> None:
        """Adds a layer behind the last one."""
        name, channels, side = self._last
        match layer:
            case Convolution():
                self._convolution(layer)
            case Relu():
                self._node("Relu", [name], channels, side)
            case MaxPool():
                self._pool("MaxPool", layer)
            case AveragePool():
                self._pool("AveragePool", layer)
            case GlobalAverage():
                self._node("GlobalAveragePool", [name], channels, 1)
                self._node("Flatten", [self._last.name], channels, 1)
            case Dense(weight):
                self._node("MatMul", [name, self._constant(weight)], weight.shape[1], 1)
            case Tag(number):
                self._tags[number] = self._last
            case Skip(number):
                self._last = self._tags[number]
            case AddTag(number):
                self._add(self._tags[number])
            case Affine():
                raise ValueError("an affine that follows no convolution")

    def serialised(
        self, source: Sequence[int | str], result: str, result_shape: Sequence[int | str]
    ) -> bytes:
        """The graph as an ONNX file, checked; strings in a shape are free sides."""
        from onnx import TensorProto, helper

        self._nodes[-1].output[0] = result
        graph = helper.make_graph(
            self._nodes,
            result,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, source)],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, result_shape)],
            self._constants,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        _check(model)
        return bytes(model.SerializeToString())

    def _node(
        self, kind: str, inputs: list[str], channels: int, side: int | None, **attributes: Any
    ) -> None:
        """Adds a node; its output becomes the last value."""
        from onnx import helper

        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        self._last = _Value(name, channels, side)

    def _constant(self, array: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _convolution(self, layer: Convolution) -> None:
        filters, channels = layer.weight.shape[:2]
        if channels != self._last.channels:
            raise ValueError(f"no network: {self._last.channels} channels go into {channels}")
        if filters == 1 and layer.stride == 1 and self._last.side is None:
            self._single_filter(layer)
            return
        self._window(layer.weight, layer.bias, layer.stride, (layer.padding, layer.padding))

    def _single_filter(self, layer: Convolution) -> None:
        """A convolution to one channel as columns, one filter each, and a row that adds them up.

        One filter leaves most of a block idle: dlib's 9 x 9 took an eighth of the network's time
        for a sixtieth of its arithmetic.
        """
        _, channels, side, _ = layer.weight.shape
        filters = -(-side // BLOCK) * BLOCK
        columns = np.zeros((filters, channels, side, 1), np.float32)
        columns[:side, :, :, 0] = layer.weight[0].transpose(2, 0, 1)
        row = np.zeros((1, filters, 1, side), np.float32)
        row[0, range(side), 0, range(side)] = 1
        self._window(columns, np.zeros(filters, np.float32), 1, (layer.padding, 0))
        self._window(row, layer.bias, 1, (0, layer.padding))

    def _window(
        self, weight: FloatArray, bias: FloatArray, stride: int, padding: tuple[int, int]
    ) -> None:
        filters, _, *kernel = weight.shape
        self._node(
            "Conv",
            [self._last.name, self._constant(weight), self._constant(bias)],
            filters,
            _windows(self._last.side, kernel[0], stride, padding[0]),
            kernel_shape=kernel,
            strides=[stride, stride],
            pads=[*padding, *padding],
        )

    def _pool(self, kind: str, layer: MaxPool | AveragePool) -> None:
        self._node(
            kind,
            [self._last.name],
            self._last.channels,
            _windows(self._last.side, layer.side, layer.stride),
            kernel_shape=[layer.side, layer.side],
            strides=[layer.stride, layer.stride],
        )

    def _add(self, other: _Value) -> None:
        """The last value plus another, each padded behind its channels, rows and columns."""
        one = self._last
        if one.side is None or other.side is None:
            raise ValueError("a sum of values whose sizes are not known")
        channels, side = max(one.channels, other.channels), max(one.side, other.side)
        names = [self._padded(value, channels, side) for value in (one, other)]
        self._node("Add", names, channels, side)

    def _padded(self, value: _Value, channels: int, side: int) -> str:
        """Name of the value, grown with zeros to so many channels, rows and columns."""
        missing = side - (value.side or 0)
        more = (0, channels - value.channels, missing, missing)
        if any(more):
            pads = self._constant(np.array((0, 0, 0, 0, *more), np.int64))
            self._node("Pad", [value.name, pads], channels, side)
            return self._last.name
        return value.name


def _windows(side: int | None, kernel: int, stride: int, padding: int = 0) -> int | None:
    """How many windows of ``kernel`` rows fit into ``side`` of them, padded on both ends."""
    return None if side is None else (side + 2 * padding - kernel) // stride + 1


def _check(model: ModelProto) -> None:
    from onnx import checker, shape_inference

    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise ValueError(f"the layers make no network: {error}") from error
