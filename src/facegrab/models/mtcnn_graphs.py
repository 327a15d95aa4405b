"""ONNX graphs of MTCNN's three networks (Zhang et al., arXiv:1604.02878).

The graphs compute what the paper's networks compute, to rounding. The normalisation of the colours
lies in the first convolution, and of the two class scores only their difference, the logit of
"face".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facegrab.models.details import COLOURS
from facegrab.models.graphs import INPUT, IR_VERSION, OPSET
from facegrab.models.mtcnn_shapes import Shape
from facegrab.types import FloatArray

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

COLOUR_MEAN = 127.5
COLOUR_SCALE = 1 / 128
"""The networks were trained on (colour - 127.5) / 128, RGB."""

Weights = Sequence[FloatArray]
"""Per convolution: (rows, columns, channels, filters), bias, slopes. Per dense layer: (inputs,
outputs), bias, slopes; its inputs go by column, row, channel. Then the heads: weight and bias of
the box, (in the last network) of the points, and of the two classes, "face" last."""

Wide = NDArray[np.float64]


def mtcnn_graph(shape: Shape, weights: Weights, graph: Graph) -> bytes:
    """One of the networks as an ONNX file.

    Args:
        shape: which.
        weights: its.
        graph: an empty one, which knows how the network is best written down for a runtime.

    Its input ``x`` is float32 (N, 3, H, W), RGB from 0 to 255. The proposal network's output is
    (N, 5, h, w), one place for each window of 12 px at steps of 2 px; that of the others (N, 5) or
    (N, 15).

    Raises:
        ValueError: the weights are not this network's.
    """
    try:
        _fill(graph, shape, [np.asarray(array, np.float64) for array in weights])
        return graph.serialised(shape)
    except (IndexError, ValueError) as error:
        raise ValueError(f"not the weights of MTCNN's {shape.name} network: {error}") from error


def _fill(graph: Graph, shape: Shape, weights: Sequence[Wide]) -> None:
    count = len(shape.pools)
    layers = [_convolution(weights[3 * each : 3 * each + 3]) for each in range(count)]
    layers[0] = graph.from_bytes(layers[0])
    rest = weights[3 * count :]
    value = Value(INPUT, np.eye(COLOURS))
    *stages, last = zip(layers, shape.pools, strict=True)
    for layer, pool in stages:
        value = graph.stage(value, layer, pool)
    if shape.dense:
        value = graph.stage(value, *last)
        weight, bias, slope = rest[:3]
        weight = _by_channel(weight, len(layers[-1].bias))
        graph.dense(value, Layer(weight, bias, slope), *_heads(rest[3:]))
    else:
        graph.heads(value, last[0], *_heads(rest))


class Layer(NamedTuple):
    """A convolution (filters, channels, rows, columns) or a dense layer, and its PReLU's slopes."""

    weight: Wide
    bias: Wide
    slope: Wide


class Value(NamedTuple):
    """A tensor of the graph.

    Attributes:
        name: in the graph.
        reading: (channels of the network, channels of the graph): where each of the network's
            channels lies, as 1, or -1 for a negated one.
    """

    name: str
    reading: Wide


def _convolution(weights: Sequence[Wide]) -> Layer:
    weight, bias, slope = weights
    return Layer(weight.transpose(3, 2, 0, 1), bias, slope.ravel())


def _by_channel(weight: Wide, channels: int) -> Wide:
    """A dense layer's weight with its inputs by channel, row, column, as the runtime has them."""
    side = round((len(weight) / channels) ** 0.5)
    moved = weight.reshape(side, side, channels, -1).transpose(2, 1, 0, 3)
    return moved.reshape(len(weight), -1)


def _heads(arrays: Sequence[Wide]) -> tuple[Wide, Wide]:
    """Weight (inputs, outputs) and bias of logit, box and points together."""
    *others, classes = (array.reshape(-1, array.shape[-1]) for array in arrays[0::2])
    *other_biases, class_bias = arrays[1::2]
    weight = np.column_stack([classes[:, 1] - classes[:, 0], *others])
    return weight, np.concatenate([class_bias[1:] - class_bias[:1], *other_biases])


class Graph:
    """A graph that grows by stages, written as the paper has it: so OpenVINO runs it fastest."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def from_bytes(self, layer: Layer) -> Layer:
        """The first layer for colours from 0 to 255."""
        weight = self.rounded(COLOUR_SCALE * layer.weight)
        bias = layer.bias - COLOUR_MEAN * weight.sum(axis=(1, 2, 3))
        return layer._replace(weight=weight, bias=bias)

    def rounded(self, weight: Wide) -> Wide:
        """The first layer's weight as it will be when it is used."""
        return weight

    def stage(self, source: Value, layer: Layer, pool: int) -> Value:
        """A convolution, its PReLU and a max-pool of that side, or none for 0."""
        name = self._prelu_of(source, layer)
        filters = np.eye(len(layer.bias))
        return Value(self._pool(name, pool) if pool else name, filters)

    def dense(self, source: Value, layer: Layer, weight: Wide, bias: Wide) -> None:
        """A dense layer, its PReLU and the outputs: few numbers, nothing to gain by blocks."""
        flat = self._node("Flatten", [source.name])
        value = self._node("Gemm", [flat, *self._all(layer.weight, layer.bias)])
        value = self._node("PRelu", [value, *self._all(layer.slope)])
        self._node("Gemm", [value, *self._all(weight, bias)])

    def heads(self, source: Value, layer: Layer, weight: Wide, bias: Wide) -> None:
        """The last convolution, its PReLU and the outputs at every place."""
        value = self._prelu_of(source, layer)
        self._convolve(value, weight.T[:, :, None, None], bias)

    def serialised(self, shape: Shape) -> bytes:
        """The graph as an ONNX file, checked."""
        from onnx import TensorProto, checker, helper, shape_inference

        self._nodes[-1].output[0] = shape.name
        size: list[int | str] = [shape.side_px or "H", shape.side_px or "W"]
        result: list[int | str] = ["N", shape.channels, *([] if shape.side_px else ["h", "w"])]
        graph = helper.make_graph(
            self._nodes,
            shape.name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", COLOURS, *size])],
            [helper.make_tensor_value_info(shape.name, TensorProto.FLOAT, result)],
            self._constants,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        try:
            checker.check_model(model, full_check=True)
        except (checker.ValidationError, shape_inference.InferenceError) as error:
            raise ValueError(" ".join(str(error).split())) from error
        return bytes(model.SerializeToString())

    def _prelu_of(self, source: Value, layer: Layer) -> str:
        value = self._convolve(source.name, layer.weight, layer.bias)
        return self._node("PRelu", [value, *self._all(layer.slope[:, None, None])])

    def _convolve(self, source: str, weight: Wide, bias: Wide | None = None, group: int = 1) -> str:
        constants = self._all(weight) if bias is None else self._all(weight, bias)
        kernel = list(weight.shape[2:])
        return self._node("Conv", [source, *constants], kernel_shape=kernel, group=group)

    def _pool(self, source: str, side: int) -> str:
        return self._node(
            "MaxPool", [source], kernel_shape=[side, side], strides=[2, 2], ceil_mode=1
        )

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Adds a node; its output's name."""
        from onnx import helper

        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _all(self, *arrays: Wide) -> list[str]:
        """Names of constants."""
        from onnx import numpy_helper

        names = []
        for array in arrays:
            names.append(f"c{len(self._constants)}")
            content = np.ascontiguousarray(array, np.float32)
            self._constants.append(numpy_helper.from_array(content, names[-1]))
        return names


class RoughGraph(Graph):
    """The proposal network's logits alone, for a runtime that rounds weights to bfloat16.

    Colours are not centred, so the first layer's bias makes up for the grey in their middle. With
    its weight as it was before it is rounded, logits would be wrong by .042 instead of .026
    (measured, their standard deviation).
    """

    def rounded(self, weight: Wide) -> Wide:
        bits = weight.astype(np.float32).view(np.uint32)
        # To the nearest, to the even one of two.
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
        return bits.view(np.float32).astype(np.float64)

    def heads(self, source: Value, layer: Layer, weight: Wide, bias: Wide) -> None:
        super().heads(source, layer, weight[:, :1], bias[:1])

    def serialised(self, shape: Shape) -> bytes:
        return super().serialised(shape._replace(channels=1))
