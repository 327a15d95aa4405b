"""A network's convolutions in 8-bit whole numbers: another graph of the same network.

It is written with ONNX's pairs of QuantizeLinear and DequantizeLinear, of which a runtime makes
convolutions in int8. All else stays in float.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Ranges: TypeAlias = Sequence[float | None]
"""For each convolution, in the graph's order: the largest number that its input is taken to hold,
above which all count as that; None for one that stays in float."""

LARGEST_INPUT = 255
"""Inputs are uint8: they come from a Relu and are never negative."""
LARGEST_WEIGHT = 127
"""Weights are int8: each filter in steps of its own, as many below zero as above."""


def quantised(graph: bytes, ranges: Ranges) -> bytes:
    """The same network with convolutions in int8.

    Args:
        graph: an ONNX file; its convolutions have constant weights.
        ranges: one a convolution.

    Raises:
        ValueError: there are not as many convolutions, a range is not above zero, or a convolution
            that is to be in int8 may be given numbers below zero.
    """
    from onnx import checker, load_from_string

    model = load_from_string(graph)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    if len(convolutions) != len(ranges):
        raise ValueError(f"{len(ranges)} ranges for {len(convolutions)} convolutions")
    change = _Change(model)
    for node, largest in zip(convolutions, ranges, strict=True):
        if largest is not None:
            change.convolution(node, largest)
    change.apply()
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


class _Change:
    """What is new in a graph; nothing is changed before ``apply``, but what convolutions read."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self._constants = {each.name: each for each in model.graph.initializer}
        self._maker = {name: node for node in model.graph.node for name in node.output}
        self._nodes: dict[str, list[NodeProto]] = {}
        """New ones, by the name of the value that the old one behind them makes."""
        self._new: list[TensorProto] = []

    def convolution(self, node: NodeProto, largest: float) -> None:
        """Lets a convolution read an input and weights that are whole numbers times a step."""
        source, weight, *_ = node.input
        if not largest > 0:
            raise ValueError(f"a range is {largest}, not above zero")
        if not self._rectified(source):
            raise ValueError(f"{source} may hold numbers below zero")
        name = node.output[0]
        input_step = np.float32(largest / LARGEST_INPUT)
        steps = [self._constant(f"{name}_step", input_step), self._constant(f"{name}_0", _ZERO)]
        self._nodes[name] = [
            _node("QuantizeLinear", [source, *steps], f"{name}_whole"),
            _node("DequantizeLinear", [f"{name}_whole", *steps], f"{name}_input"),
            self._weight(weight),
        ]
        node.input[0], node.input[1] = f"{name}_input", f"{weight}_float"

    def apply(self) -> None:
        """Adds the new nodes, each before the one that reads it, and drops the float weights."""
        nodes = list(self._graph.node)
        del self._graph.node[:]
        for node in nodes:
            self._graph.node.extend([*self._nodes.get(node.output[0], []), node])
        read = {name for node in self._graph.node for name in node.input}
        kept = [each for each in self._constants.values() if each.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend([*kept, *self._new])

    def _rectified(self, name: str) -> bool:
        """The value is a Relu's, or the largest of some of them."""
        node = self._maker.get(name)
        if node is not None and node.op_type == "MaxPool":
            node = self._maker.get(node.input[0])
        return node is not None and node.op_type == "Relu"

    def _weight(self, name: str) -> NodeProto:
        from onnx import numpy_helper

        whole, step = quantised_weight(numpy_helper.to_array(self._constants[name]))
        inputs = [
            self._constant(f"{name}_whole", whole),
            self._constant(f"{name}_step", step),
            self._constant(f"{name}_0", np.zeros(len(step), np.int8)),
        ]
        return _node("DequantizeLinear", inputs, f"{name}_float", axis=0)

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        from onnx import numpy_helper

        self._new.append(numpy_helper.from_array(np.asarray(value), name))
        return name


_ZERO = np.uint8(0)


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> NodeProto:
    from onnx import helper

    return helper.make_node(kind, inputs, [output], **attributes)


def quantised_weight(weight: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights as whole numbers and the step (filters,) that they are multiples of.

    Not each is rounded to the nearest. Neighbouring pixels are alike and inputs never negative, so
    errors of one sign would add up: what a kernel's roundings sum up to is made good by its most
    rounded weights, and what is left of that, less than a half, goes over to the next channel's.
    That halves the error that rounding leaves in both of dlib's networks (after Guo et al.,
    SQuant, ICLR 2022, arXiv:2202.07471).

    Args:
        weight: float (filters, channels, rows, columns).
    """
    step = (np.abs(weight).max(axis=(1, 2, 3)) / LARGEST_WEIGHT).astype(np.float32)
    step[step == 0] = 1
    exact = weight / step[:, None, None, None].astype(np.float64)
    exact = exact.reshape(*weight.shape[:2], -1)
    whole = np.rint(exact)
    left = np.zeros(len(weight))
    for channel in range(weight.shape[1]):
        error = exact[:, channel] - whole[:, channel]
        missing = error.sum(axis=1) + left
        count = np.rint(missing)
        left = missing - count
        # How many errors are larger: 0 for the weight that was rounded down most.
        rank = (-error).argsort(axis=1, kind="stable").argsort(axis=1)
        whole[:, channel] += rank < count[:, None]
        whole[:, channel] -= rank >= error.shape[1] + count[:, None]
    whole = whole.clip(-LARGEST_WEIGHT, LARGEST_WEIGHT)
    return whole.reshape(weight.shape).astype(np.int8), step
