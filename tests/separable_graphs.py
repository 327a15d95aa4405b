"""YuNet's graph as its authors export it, with weights made up: small enough to be made at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from graphs_of_kinds import Graph, Size
from onnx import ModelProto

from facegrab.models.heads import STRIDES_PX, YUNET_COLUMNS

CHANNELS = 64
HEADS = ("cls", "obj", "bbox", "kps")


class Separable(Graph):
    """Grows by YuNet's building blocks."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._random = np.random.default_rng(seed)

    def conv(
        self, source: str, filters: int, each: int, side: int, usual: float = 1, **stated: Any
    ) -> str:
        """A convolution with a bias, of numbers about as large as ``usual``, to about 1."""
        shape = (filters, each, side, side)
        weight = self._random.normal(0, 1 / np.sqrt(each * side * side) / usual, shape)
        bias = self._random.normal(0, 0.3, filters)
        stated = {"kernel_shape": [side] * 2, "pads": [side // 2] * 4} | stated
        return self.node("Conv", source, self.constant(weight), self.constant(bias), **stated)

    def stem(self, filters: int) -> str:
        """The first layer, on grey levels."""
        return self.node("Relu", self.conv("x", filters, 3, 3, usual=128, strides=[2, 2]))

    def pair(self, source: str, channels: int, filters: int) -> str:
        """A convolution of 1x1 and one of a filter a channel."""
        across = self.conv(source, filters, channels, 1)
        return self.conv(across, filters, 1, 3, group=filters)

    def unit(self, source: str, channels: int, filters: int) -> str:
        """Such a pair, without what is negative."""
        return self.node("Relu", self.pair(source, channels, filters))

    def pool(self, source: str) -> str:
        return self.node("MaxPool", source, kernel_shape=[2, 2], strides=[2, 2])

    def twice(self, source: str) -> str:
        """Each pixel four times."""
        nothing, scales = self.constant([]), self.constant([1, 1, 2, 2])
        stated = {"mode": "nearest", "nearest_mode": "floor"}
        stated["coordinate_transformation_mode"] = "asymmetric"
        return self.node("Resize", source, nothing, scales, **stated)

    def head(self, source: str, name: str, columns: int) -> str:
        """An output: rows of so many numbers; one alone is a score."""
        rows = self.pair(source, CHANNELS, columns)
        if columns > 1:
            return self.rows(rows, [1, -1, columns], name)
        return self.node("Sigmoid", self.rows(rows, [1, -1, columns]), name=name)


def separable(size: Size, seed: int = 0, *, points: int = 10) -> ModelProto:
    """Outputs and layers of yunet_s."""
    graph = Separable(seed)
    x = graph.pool(graph.unit(graph.stem(16), 16, 16))
    for channels, filters in ((16, 16), (16, 32), (32, 32), (32, CHANNELS)):
        x = graph.unit(x, channels, filters)
    features = []
    for units in (2, 2, 3):
        x = graph.pool(x)
        for _ in range(units):
            x = graph.unit(x, CHANNELS, CHANNELS)
        features.append(x)
    for level in (1, 0):
        joined = graph.node("Add", features[level], graph.twice(features[level + 1]))
        features[level] = graph.unit(joined, CHANNELS, CHANNELS)
    outputs = []
    for name, columns in zip(HEADS, (*YUNET_COLUMNS[:3], points), strict=True):
        for feature, stride in zip(features, STRIDES_PX, strict=True):
            outputs.append(graph.head(feature, f"{name}_{stride}", columns))
    return graph.model(size, outputs)
