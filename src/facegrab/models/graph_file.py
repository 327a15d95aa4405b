"""ONNX files of others: read with bounds, looked at before anything runs them.

The ``onnx`` package is imported where it is used: it takes a sixth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facegrab.errors import AccessError, MissingError, WeightsError
from facegrab.models.details import COLOURS

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

LARGEST_BYTES = 1 << 30
"""No network for faces comes near; protobuf itself ends at twice as much."""


class GraphInput(NamedTuple):
    """The input of a network that looks at images, channels first.

    Attributes:
        name: in the graph.
        batch: images a call, or None for any.
        height_px: rows, or None for any.
        width_px: columns, or None for any.
    """

    name: str
    batch: int | None
    height_px: int | None
    width_px: int | None


def read_graph(path: Path) -> ModelProto:
    """A graph from a file that may be anything.

    Raises:
        MissingError: there is no such file.
        AccessError: it may not be read.
        WeightsError: it is no ONNX file, too large, or keeps its weights in other files.
    """
    import onnx
    from google.protobuf.message import DecodeError

    content = _content(path)
    try:
        model: ModelProto = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise WeightsError(f"{path} is no ONNX file") from error
    if not model.graph.node:
        raise WeightsError(f"{path} is no ONNX file: it holds no graph")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise WeightsError(
            f"{path} keeps its weights in other files: save it as one file "
            "(onnx.save with save_as_external_data=False)"
        )
    return model


def graph_input(model: ModelProto, path: Path) -> GraphInput:
    """What the graph says of its input.

    Raises:
        WeightsError: it takes something else than images of float32, channels first.
    """
    from onnx import TensorProto

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise WeightsError(f"{path} takes {len(inputs)} inputs, not one image")
    tensor = inputs[0].type.tensor_type
    sides = [dim.dim_value or None for dim in tensor.shape.dim]
    if tensor.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise WeightsError(f"{path} takes {kind}, not float: export it with a float32 input")
    if len(sides) != 4 or any(side is not None and side < 0 for side in sides):
        raise WeightsError(f"{path} takes {_told(inputs[0])}, not an image (N, 3, H, W)")
    batch, channels, height, width = sides
    if channels not in (COLOURS, None):
        last = " (channels first, not last)" if width == COLOURS else ""
        raise WeightsError(f"{path} takes {_told(inputs[0])}, not (N, 3, H, W){last}")
    return GraphInput(inputs[0].name, batch, height, width)


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise WeightsError(f"{path} is {size >> 20} MB: more than {LARGEST_BYTES >> 20}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingError(f"{path} does not exist") from error
    except OSError as error:
        raise AccessError(f"cannot read {path}: {error.strerror or error}") from error


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor that the file holds, wherever."""
    for function in model.functions:
        yield from _of_nodes(function.node)
    yield from _of_graph(model.graph)


def _of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _of_graph(graph)


def _told(value: ValueInfoProto) -> str:
    sides = (str(d.dim_value or d.dim_param or "?") for d in value.type.tensor_type.shape.dim)
    return f"({', '.join(sides)})"
