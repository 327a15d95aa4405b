"""Tiny ONNX graphs with the inputs and outputs of public networks, whose right answers are known.

A face is a painted square: one that covers a cell of stride 8 is red, of stride 16 green, of stride
32 blue. Its score is the mean of its colour over the cell. Boxes and points are the same constants
in every cell, in the coding of the kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from facegrab.models.compute import Compute
from facegrab.models.heads import RETINAFACE_ANCHORS, SMALLEST_PX, STRIDES_PX, ULTRAFACE_CELLS
from facegrab.models.inspect import USUAL
from facegrab.models.specs import DetectorKind, DetectorSpec, Licence, Pixels, RecogniserSpec
from facegrab.types import Detections, Image
from facegrab.vision.feed import Feed
from facegrab.vision.open_onnx import open_detector

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
"""Of the faces of each stride, RGB."""
LICENCE = Licence("MIT", commercial=True, source="made up")

YUNET_BOX = (0.5, 0.25, np.log(3.0), np.log(4.0))
"""Centre from the cell's first corner and logarithm of the size, in strides."""
SCRFD_BOX = (1.0, 1.5, 2.0, 2.5)
"""Distances to the left, top, right and bottom, in strides."""
RETINAFACE_BOX = (1.0, -2.0, 5 * np.log(2.0), 5 * np.log(1.5))
"""Centre and size by SSD's coding: .1 and -.2 of the anchor, twice as wide, 1.5 times as high."""
POINTS = (-0.5, -0.5, 0.5, -0.4, 0.0, 0.1, -0.4, 0.6, 0.4, 0.7)
"""Of a face, in strides from the cell's corner (YuNet, SCRFD), or 1 = .1 anchors (RetinaFace)."""


def scene(width: int, height: int, *faces: tuple[int, int, int]) -> Image:
    """A black picture with faces of (level, column, row): level 0 is stride 8."""
    image = np.zeros((height, width, 3), np.uint8)
    for level, column, row in faces:
        side = STRIDES_PX[level]
        image[row * side : (row + 1) * side, column * side : (column + 1) * side] = COLOURS[level]
    return image


@dataclass(frozen=True)
class Size:
    """What a graph declares of its input, and whether its outputs are bound to it."""

    width: int | None = None
    height: int | None = None
    batch: int | None = 1
    bound: bool = False


class Graph:
    """Grows node by node; every method gives the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def grey(self, kind: str) -> str:
        """The picture as it was before its colours were normalised, 0 to 1, red first."""
        order, mean, divisor = USUAL[kind]
        x = self.node("Mul", "x", self.constant(np.reshape(divisor, (1, 3, 1, 1))))
        x = self.node("Add", x, self.constant(np.reshape(mean, (1, 3, 1, 1))))
        x = self.node("Div", x, self.constant(255))
        red_first = [0, 1, 2] if order == "rgb" else [2, 1, 0]
        return self.node("Gather", x, self.constant(red_first, np.int64), axis=1)

    def cells(self, grey: str, colour: int, stride: int) -> str:
        """The mean of a colour over each cell, (1, 1, h, w)."""
        plane = self.node("Gather", grey, self.constant([colour], np.int64), axis=1)
        sides = [stride, stride]
        return self.node("AveragePool", plane, kernel_shape=sides, strides=sides, ceil_mode=1)

    def everywhere(self, cells: str, values: Sequence[float]) -> str:
        """The same values in each cell, (1, len(values), h, w)."""
        nothing = self.node("Mul", cells, self.constant(0))
        return self.node("Add", nothing, self.constant(np.reshape(values, (1, -1, 1, 1))))

    def rows(self, value: str, shape: Sequence[int], name: str | None = None) -> str:
        """(1, n * c, h, w) as rows of c, cell by cell."""
        last = self.node("Transpose", value, perm=[0, 2, 3, 1])
        return self.node("Reshape", last, self.constant(shape, np.int64), name=name)

    def model(
        self, size: Size, outputs: Sequence[str], *, elem_type: int = TensorProto.FLOAT
    ) -> ModelProto:
        shape = [size.batch or "N", 3, size.height or "H", size.width or "W"]
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("x", elem_type, shape)],
            [helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in outputs],
            self.constants,
        )
        opset = helper.make_opsetid("", 17)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def yunet(size: Size) -> ModelProto:
    """12 outputs: class and object score, box and points of each stride."""
    graph = Graph()
    grey = graph.grey("yunet")
    outputs = []
    for level, stride in enumerate(STRIDES_PX):
        rows = _count(size, stride) if size.bound else -1
        cells = graph.cells(grey, level, stride)
        outputs += [
            graph.rows(cells, [1, rows, 1], f"cls_{stride}"),
            graph.rows(cells, [1, rows, 1], f"obj_{stride}"),
            graph.rows(graph.everywhere(cells, YUNET_BOX), [1, rows, 4], f"bbox_{stride}"),
            graph.rows(graph.everywhere(cells, POINTS), [1, rows, 10], f"kps_{stride}"),
        ]
    # As OpenCV's: all class scores first, then all object scores, boxes and points.
    return graph.model(size, [outputs[4 * level + what] for what in range(4) for level in range(3)])


def scrfd(size: Size, *, points: bool = True, flat: bool = True) -> ModelProto:
    """9 or 6 outputs of nameless numbers, two rows a cell, the first of which may be a face."""
    graph = Graph()
    grey = graph.grey("scrfd")
    outputs: list[list[str]] = [[], [], []]
    for level, stride in enumerate(STRIDES_PX):
        rows = 2 * _count(size, stride) if size.bound else -1
        lead = [rows] if flat else [1, rows]
        cells = graph.cells(grey, level, stride)
        scores = graph.node("Concat", cells, graph.everywhere(cells, [0]), axis=1)
        other = tuple(9.0 for _ in SCRFD_BOX)
        outputs[0].append(graph.rows(scores, [*lead, 1]))
        outputs[1].append(graph.rows(graph.everywhere(cells, SCRFD_BOX + other), [*lead, 4]))
        outputs[2].append(graph.rows(graph.everywhere(cells, POINTS * 2), [*lead, 10]))
    return graph.model(size, [*outputs[0], *outputs[1], *(outputs[2] if points else [])])


def retinaface(size: Size, *, softmax: bool = True) -> ModelProto:
    """3 outputs; the first of a cell's two anchors may be a face."""
    graph = Graph()
    grey = graph.grey("retinaface")
    box, points, classes = [], [], []
    for level, stride in enumerate(STRIDES_PX):
        rows = RETINAFACE_ANCHORS * _count(size, stride) if size.bound else -1
        cells = graph.cells(grey, level, stride)
        none = graph.everywhere(cells, [0])
        face = graph.rows(graph.node("Concat", cells, none, axis=1), [1, rows, 1])
        classes.append(_classes(graph, face, softmax=softmax))
        other = tuple(9.0 for _ in RETINAFACE_BOX)
        box.append(graph.rows(graph.everywhere(cells, RETINAFACE_BOX + other), [1, rows, 4]))
        points.append(graph.rows(graph.everywhere(cells, POINTS * 2), [1, rows, 10]))
    outputs = [graph.node("Concat", *each, axis=1) for each in (box, classes, points)]
    return graph.model(size, outputs)


def ultraface(size: Size, *, softmax: bool = True, decoded: bool = True) -> ModelProto:
    """2 outputs, bound to their size: every box is the cell and one more around it."""
    assert size.width is not None
    assert size.height is not None
    graph = Graph()
    grey = graph.grey("ultraface")
    faces, boxes = [], []
    for level, (stride, anchors) in enumerate(ULTRAFACE_CELLS):
        cells = graph.cells(grey, min(level, 2), stride)
        if level > 2:
            cells = graph.node("Mul", cells, graph.constant(0))
        others = graph.everywhere(cells, [0] * (anchors - 1))
        faces.append(
            graph.rows(graph.node("Concat", cells, others, axis=1), [1, -1, 1]),
        )
        columns, lines = -(-size.width // stride), -(-size.height // stride)
        row, column = np.indices((lines, columns)).reshape(2, -1, 1).repeat(anchors, axis=2)
        edges = [column - 1, row - 1, column + 2, row + 2]
        boxes.append(np.stack(edges, axis=-1).reshape(-1, 4) * float(stride))
    face = graph.node("Concat", *faces, axis=1)
    share = np.concatenate(boxes) / np.array([size.width, size.height] * 2)
    if not decoded:
        share = share[:, ::-1]
    nothing = graph.node("Mul", face, graph.constant(0))
    box = graph.node("Add", nothing, graph.constant(share[None]))
    return graph.model(size, [_classes(graph, face, softmax=softmax), box])


def arcface(
    size: Size, *, factor: float = 1.0, subtracts: bool = False, norm: bool = False
) -> ModelProto:
    """Means of 16 x 16 blocks, 3 x 7 x 7 of them, times a factor."""
    graph = Graph()
    x = graph.node("Sub", "x", graph.constant(127.5)) if subtracts else "x"
    x = graph.node("AveragePool", x, kernel_shape=[16, 16], strides=[16, 16])
    x = graph.node("Mul", x, graph.constant(factor))
    flat = graph.node("Reshape", x, graph.constant([size.batch or -1, 3 * 7 * 7], np.int64))
    more = [graph.node("ReduceSum", flat, graph.constant([1], np.int64))] if norm else []
    return graph.model(size, [flat, *more])


ARCFACE_LENGTH = 3 * 7 * 7


def saved(model: ModelProto, path: Path) -> Path:
    """The graph as a file."""
    path.write_bytes(model.SerializeToString())
    return path


def detector_spec(
    graph: Path, kind: DetectorKind, width: int | None = None, height: int | None = None
) -> DetectorSpec:
    """A spec of a graph made here."""
    order, mean, divisor = USUAL[kind]
    pixels = Pixels(order, mean, divisor, width, height, 1)
    return DetectorSpec("made", kind, graph, _sha256(graph), LICENCE, pixels, SMALLEST_PX[kind])


def recogniser_spec(graph: Path, batch: int | None = 1) -> RecogniserSpec:
    """A spec of a graph made here."""
    order, mean, divisor = USUAL["arcface"]
    pixels = Pixels(order, mean, divisor, 112, 112, batch)
    return RecogniserSpec(
        "made", "arcface", graph, _sha256(graph), LICENCE, pixels, "cosine", 0.6, ARCFACE_LENGTH
    )


def _classes(graph: Graph, face: str, *, softmax: bool) -> str:
    """No face and face: shares of 1, or numbers of which they are the softmax."""
    if not softmax:
        high = graph.node("Mul", face, graph.constant(20))
        return graph.node("Concat", graph.node("Sub", graph.constant(10), high), high, axis=2)
    return graph.node("Concat", graph.node("Sub", graph.constant(1), face), face, axis=2)


def _count(size: Size, stride: int) -> int:
    assert size.width is not None
    assert size.height is not None
    return -(-size.width // stride) * -(-size.height // stride)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find(spec: DetectorSpec, image: Image, factor: float = 1.0) -> Detections:
    """What a detector opened from a spec sees in one picture."""
    (found,) = open_detector(spec, Compute(threads=1))([image], [Feed(factor)])
    return found
