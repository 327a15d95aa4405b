"""YuNet's twelve outputs made by three pairs of convolutions instead of twelve.

At each stride the network ends in four pairs of one kind, for class, object, box and points: a
convolution of 1x1 and one of 3x3 with a filter a channel. Runtimes compute sixteen channels at
once, so each pair costs as much as one of all sixteen, and rearranging each output on top. The
logistic function behind two of them is left to whoever reads the few cells that may be a face.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facegrab import cache
from facegrab.models.graph_file import read_graph
from facegrab.models.heads import JOINED_COLUMNS, STRIDES_PX, YUNET_COLUMNS
from facegrab.types import FloatArray

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

NAME = "joined-heads-v2"
KEY_LENGTH = 16

ROWS_LAST = [0, 2, 3, 1]
"""How channels get behind rows and columns."""
USUAL: dict[str, Any] = {"group": 1, "auto_pad": b"NOTSET"}
"""Attributes of a convolution that need not be written down, those of shape aside."""


class Conv(NamedTuple):
    """A convolution.

    Attributes:
        source: the value that it reads.
        weight: (filters, channels of each, rows, columns).
        bias: (filters,).
        stride: of both sides.
        group: of filters that read channels of their own.
    """

    source: str
    weight: FloatArray
    bias: FloatArray
    stride: int
    group: int


class _Head(NamedTuple):
    across: Conv
    around: Conv
    is_score: bool


def with_joined_heads(graph: Path) -> Path:
    """The same network with joined heads, made on first use and cached.

    Args:
        graph: an ONNX file of YuNet, without a declared size.

    Returns:
        A file of three outputs, finest stride first, of ``JOINED_COLUMNS`` numbers a cell: class
        and object before the logistic function, box, points. Where the graph has another form, the
        file itself.

    Raises:
        WeightsError, MissingError, AccessError: see read_graph.
    """
    name = f"{NAME}-{cache.content_hash(graph)[:KEY_LENGTH]}"
    if found := cache.find(name, ".onnx"):
        return found[0]
    joined = _joined(read_graph(graph))
    return cache.put(name, ".onnx", [joined.SerializeToString()]) if joined else graph


def weights_of(graph: GraphProto) -> dict[str, FloatArray]:
    """All tensors that the graph holds and that can be read, by name."""
    from onnx import numpy_helper

    found = {}
    for tensor in graph.initializer:
        with suppress(ValueError, KeyError, TypeError):
            found[tensor.name] = numpy_helper.to_array(tensor)
    return found


def read_conv(node: NodeProto, weights: dict[str, FloatArray]) -> Conv | None:
    """A convolution that keeps what is at the edge and halves sides or keeps them; else None."""
    if node.op_type != "Conv" or len(node.input) != 3:
        return None
    weight, bias = (weights.get(name) for name in node.input[1:])
    if weight is None or bias is None or weight.ndim != 4:
        return None
    if bias.shape != weight.shape[:1] or {weight.dtype, bias.dtype} != {np.dtype(np.float32)}:
        return None
    stated = USUAL | attributes(node)
    stride = (stated.get("strides") or [1])[0]
    around = weight.shape[2] // 2
    expected = {
        "kernel_shape": list(weight.shape[2:]),
        "strides": [stride] * 2,
        "dilations": [1, 1],
        "pads": [around] * 4,
        "auto_pad": b"NOTSET",
    }
    fits = all(stated.get(name, _implied(name, weight)) == is_ for name, is_ in expected.items())
    if not fits or weight.shape[2:] not in ((1, 1), (3, 3)):
        return None
    return Conv(node.input[0], weight, bias, stride, stated["group"])


def attributes(node: NodeProto) -> dict[str, Any]:
    """What a node states, by name."""
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _implied(name: str, weight: FloatArray) -> Any:
    shape = list(weight.shape[2:])
    return {"kernel_shape": shape, "pads": [0] * 4}.get(name, [1, 1])


def _joined(model: ModelProto) -> ModelProto | None:
    """The model with joined heads, or None where it is not of the form that they need."""
    from onnx import ModelProto as Model

    graph = model.graph
    weights = weights_of(graph)
    makers = {name: node for node in graph.node for name in node.output}
    at: dict[str, list[_Head]] = {}
    for output in graph.output:
        head = _head(output.name, makers, weights)
        if head is None:
            return None
        at.setdefault(head.across.source, []).append(head)
    ordered = [_in_order(heads) for heads in at.values()]
    if len(ordered) != len(STRIDES_PX):
        return None
    joined: ModelProto = Model.FromString(model.SerializeToString())
    del joined.graph.output[:]
    for number, heads in enumerate(ordered):
        if heads is None:
            return None
        _add(joined.graph, f"joined_{number}", heads)
    _drop_unused(joined.graph)
    return joined


def _head(
    output: str, makers: dict[str, NodeProto], weights: dict[str, FloatArray]
) -> _Head | None:
    """What makes an output: two convolutions, channels to the end, rows, perhaps a sigmoid."""
    node = makers.get(output)
    is_score = node is not None and node.op_type == "Sigmoid"
    if node is not None and is_score:
        node = makers.get(node.input[0])
    if node is None or node.op_type != "Reshape":
        return None
    rows = [weights[name].tolist() for name in node.input[1:2] if name in weights]
    node = makers.get(node.input[0])
    if node is None or node.op_type != "Transpose" or attributes(node) != {"perm": ROWS_LAST}:
        return None
    around = _made_by_conv(node.input[0], makers, weights)
    across = _made_by_conv(around.source, makers, weights) if around else None
    if around is None or across is None:
        return None
    columns = len(across.weight)
    same = around.weight.shape == (columns, 1, 3, 3) and around.group == columns
    same &= rows in ([[1, -1, columns]], [[-1, columns]])
    plain = across.weight.shape[2:] == (1, 1) and across.group == across.stride == 1
    return _Head(across, around, is_score) if same and plain and around.stride == 1 else None


def _made_by_conv(
    name: str, makers: dict[str, NodeProto], weights: dict[str, FloatArray]
) -> Conv | None:
    node = makers.get(name)
    return read_conv(node, weights) if node is not None else None


def _in_order(heads: Sequence[_Head]) -> list[_Head] | None:
    """Two scores, box and points; None where these are others."""
    ordered = sorted(heads, key=lambda head: len(head.across.weight))
    columns = tuple(len(head.across.weight) for head in ordered)
    scores = [head.is_score for head in ordered]
    return ordered if (columns, scores) == (YUNET_COLUMNS, [True, True, False, False]) else None


def _add(graph: GraphProto, name: str, heads: Sequence[_Head]) -> None:
    """A pair of convolutions that does what all heads of a stride do, and an output."""
    from onnx import TensorProto, helper, numpy_helper

    def constant(role: str, values: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(values, f"{name}_{role}"))
        return f"{name}_{role}"

    source = heads[0].across.source
    for pair, pads in (([head.across for head in heads], 0), ([head.around for head in heads], 1)):
        inputs = [
            source,
            constant(f"weight_{pads}", np.concatenate([conv.weight for conv in pair])),
            constant(f"bias_{pads}", np.concatenate([conv.bias for conv in pair])),
        ]
        source = f"{name}_{pads}"
        stated: dict[str, Any] = {
            "kernel_shape": [2 * pads + 1] * 2,
            "pads": [pads] * 4,
            "group": JOINED_COLUMNS if pads else 1,
        }
        graph.node.append(helper.make_node("Conv", inputs, [source], **stated))
    last = helper.make_node("Transpose", [source], [f"{name}_last"], perm=ROWS_LAST)
    shape = constant("shape", np.array([1, -1, JOINED_COLUMNS]))
    graph.node.extend([last, helper.make_node("Reshape", [f"{name}_last", shape], [name])])
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def _drop_unused(graph: GraphProto) -> None:
    """Leaves out what no output depends on."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(tensors)
