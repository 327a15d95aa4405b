"""Graphs for graphics cards: uint8 images go up, everything else happens there.

A network in float16 is put behind the steps that make its input. These compute in float32: they
take little of the time, and positions and colours stay as exact as on a processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facegrab.errors import WeightsError
from facegrab.models.details import COLOURS
from facegrab.models.gpu_half import Body
from facegrab.models.graphs import IR_VERSION
from facegrab.models.specs import Triple

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET = 18
"""The first whose Resize can leave the number of images open. Nothing else in our graphs changed
between it and theirs."""

IMAGES = "images"
ROWS, COLUMNS = 2, 3
"""Axes of (N, 3, rows, columns)."""


class GpuGraph(NamedTuple):
    """An ONNX file that is not kept, and what it needs.

    Attributes:
        content: of the file.
        image_bytes: of all arrays that belong to one image, as if none was freed before the end.
            Some are; that leaves room for what the convolutions need besides.
        image_values: numbers in the largest of them.
    """

    content: bytes
    image_bytes: int
    image_values: int


class Tile(NamedTuple):
    """Where an image lies in a canvas, in pixels."""

    x: int
    y: int
    width: int
    height: int


class ImageGraph:
    """A graph that grows from uint8 images on.

    Its values have names. Of images they are float32 (N, 3, rows, columns), from 0 to 255; of what
    a network takes, float16.

    Args:
        width: of the images.
        height: of the images.
        planes: they come as (N, 3, height, width), and not as (N, height, width, 3).
    """

    def __init__(self, width: int, height: int, *, planes: bool = False) -> None:
        from onnx import TensorProto

        self._shape: tuple[int | str, ...] = ("N", height, width, COLOURS)
        if planes:
            self._shape = ("N", COLOURS, height, width)
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        colours = IMAGES if planes else self._node("Transpose", [IMAGES], perm=[0, 3, 1, 2])
        self.images = self._node("Cast", [colours], to=TensorProto.FLOAT)

    def averaged(self, image: str, side: int) -> str:
        """Means of side x side pixels; rows and columns that fill no such square are left out."""
        window = [side, side]
        return self._node("AveragePool", [image], kernel_shape=window, strides=window)

    def resized(self, image: str, width: int, height: int, *, corners: bool) -> str:
        """Bilinear, as OpenCV does it, or with corner pixels mapped onto corner pixels."""
        return self._node(
            "Resize",
            [image, "", "", self._constant(np.array([height, width], np.int64))],
            axes=[ROWS, COLUMNS],
            mode="linear",
            coordinate_transformation_mode="align_corners" if corners else "half_pixel",
        )

    def floored(self, image: str) -> str:
        """Whole colours, cut off."""
        return self._node("Floor", [image])

    def scaled(self, image: str, mean: Triple, factor: float) -> str:
        """(colour - mean) * factor as a network takes it, float16."""
        centre = self._constant(np.array(mean, np.float32)[:, None, None])
        scale = self._constant(np.array(factor, np.float32))
        return self.half(self._node("Mul", [self._node("Sub", [image, centre]), scale]))

    def half(self, image: str) -> str:
        """The same as float16, which holds colours to a sixteenth."""
        from onnx import TensorProto

        return self._node("Cast", [image], to=TensorProto.FLOAT16)

    def tiled(self, parts: Sequence[tuple[Tile, str]], width: int, height: int) -> str:
        """A canvas of zeros with values on it.

        Args:
            parts: where each lies; they must be such that cuts from edge to edge part them.
            width: of the canvas.
            height: of the canvas.

        Raises:
            ValueError: they are not.
        """
        return self._region(parts, Tile(0, 0, width, height))

    def _region(self, parts: Sequence[tuple[Tile, str]], region: Tile) -> str:
        if len(parts) == 1:
            return self._padded(*parts[0], region)
        for axis in (ROWS, COLUMNS):
            groups = _groups(parts, axis)
            if len(groups) > 1:
                pieces = zip(groups, _pieces(groups, region, axis), strict=True)
                return self._node("Concat", [self._region(*each) for each in pieces], axis=axis)
        raise ValueError(f"no cut parts the tiles {[tile for tile, _ in parts]}")

    def _padded(self, tile: Tile, value: str, region: Tile) -> str:
        left, top = tile.x - region.x, tile.y - region.y
        right, below = region.width - left - tile.width, region.height - top - tile.height
        pads = self._constant(np.array([0, 0, top, left, 0, 0, below, right], np.int64))
        return self._node("Pad", [value, pads])

    def ending_in(self, body: Body, value: str) -> GpuGraph:
        """The graph with a network at its end, whose outputs are float32.

        Args:
            body: the network.
            value: what it is shown, float16.

        Raises:
            WeightsError: they do not fit together.
        """
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            [
                *self._nodes,
                helper.make_node("Identity", [value], [body.source]),
                *body.nodes,
                helper.make_node("Cast", [body.last], [body.result], to=TensorProto.FLOAT),
            ],
            body.result,
            [helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, self._shape)],
            [helper.make_tensor_value_info(body.result, TensorProto.FLOAT, body.result_shape)],
            [*self._constants, *body.constants],
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        counts = list(_values(model))
        return GpuGraph(
            bytes(model.SerializeToString()),
            sum(count * each for count, each in counts),
            max(count for count, _ in counts),
        )

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Adds a node; its output's name."""
        from onnx import helper

        name = f"image{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _constant(self, array: Any) -> str:
        from onnx import numpy_helper

        name = f"of_image{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def _groups(parts: Sequence[tuple[Tile, str]], axis: int) -> list[list[tuple[Tile, str]]]:
    """The parts, taken apart wherever a line along the other axis touches none of them."""
    groups: list[list[tuple[Tile, str]]] = []
    end = -1
    for part in sorted(parts, key=lambda each: _span(each[0], axis)):
        first, after = _span(part[0], axis)
        if first >= end:
            groups.append([])
        groups[-1].append(part)
        end = max(end, after)
    return groups


def _pieces(groups: Sequence[Sequence[tuple[Tile, str]]], region: Tile, axis: int) -> list[Tile]:
    """The region cut before each group but the first."""
    first, after = _span(region, axis)
    starts = [min(_span(tile, axis)[0] for tile, _ in group) for group in groups]
    edges = [first, *starts[1:], after]
    if axis == ROWS:
        return [region._replace(y=low, height=high - low) for low, high in pairwise(edges)]
    return [region._replace(x=low, width=high - low) for low, high in pairwise(edges)]


def _span(tile: Tile, axis: int) -> tuple[int, int]:
    """First row or column, and the one behind the last."""
    if axis == ROWS:
        return tile.y, tile.y + tile.height
    return tile.x, tile.x + tile.width


def _values(model: ModelProto) -> Iterator[tuple[int, int]]:
    """Numbers in each value of the graph, of one image, and bytes that each of them takes.

    Raises:
        WeightsError: the graph is none.
    """
    from onnx import checker, helper, shape_inference

    try:
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        checker.check_model(model)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise WeightsError(f"the network cannot be shown images: {error}") from error
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        tensor = value.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        yield prod(dim.dim_value or 1 for dim in tensor.shape.dim), dtype.itemsize
