"""Networks in half precision, for graphics cards: weights and features are float16."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facegrab.errors import WeightsError
from facegrab.models.graph_file import read_graph

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto


class Body(NamedTuple):
    """A network without a beginning: the nodes of a graph whose values are float16.

    Attributes:
        nodes: in the order in which they are computed.
        constants: their weights.
        source: name of the value that they begin with, (N, 3, H, W).
        last: name of the one that they end with.
        result: what the graph called that.
        result_shape: its shape, as the graph says it; words are free sides.
    """

    nodes: tuple[NodeProto, ...]
    constants: tuple[TensorProto, ...]
    source: str
    last: str
    result: str
    result_shape: tuple[int | str, ...]


def halved(graph: Path) -> Body:
    """A network of one input and one output, its weights rounded to float16.

    What it is fed keeps its scale, so the weights must: none of dlib's and MTCNN's is larger than
    4, and those too small for float16 change no output.

    Args:
        graph: an ONNX file of float32.

    Raises:
        WeightsError: a weight is too large for float16, or the file is no such graph.
    """
    model = read_graph(graph)
    if len(model.graph.input) != 1 or len(model.graph.output) != 1:
        raise WeightsError(f"{graph} is no graph of one input and one output")
    result = model.graph.output[0]
    shape = tuple(
        dim.dim_value or dim.dim_param or "any" for dim in result.type.tensor_type.shape.dim
    )
    last = f"{result.name}_half"
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [last if name == result.name else name for name in values]
    return Body(
        tuple(model.graph.node),
        tuple(_half(tensor, graph) for tensor in model.graph.initializer),
        model.graph.input[0].name,
        last,
        result.name,
        shape,
    )


def _half(tensor: TensorProto, graph: Path) -> TensorProto:
    """The same numbers in float16; whole numbers, such as paddings, stay."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return tensor
    values = numpy_helper.to_array(tensor)
    if not np.abs(values).max(initial=0) <= np.finfo(np.float16).max:
        raise WeightsError(f"{graph} has weights that are too large for fp16: --precision f32")
    return numpy_helper.from_array(values.astype(np.float16), tensor.name)
