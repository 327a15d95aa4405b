"""MTCNN's networks written for ONNX Runtime, which runs them twice as fast so on a processor.

Measured for the first network: 5.4 instead of 10.6 ms for 180,000 pixels. OpenVINO is faster with
the plain graph.

- Channels are padded with zeros to whole blocks of 16, in which the runtime computes.
- PReLU has no kernel for blocked channels, and the reordering around it costs more than it does. It
  is written with operations that have one: ``prelu(v) = a v + (1 - a) relu(v)``.
"""

from __future__ import annotations

import numpy as np

from facegrab.models.graphs import BLOCK
from facegrab.models.mtcnn_graphs import Graph, Layer, Value, Wide


class BlockedGraph(Graph):
    """A graph in which channels come in whole blocks."""

    def stage(self, source: Value, layer: Layer, pool: int) -> Value:
        """A convolution, its PReLU and a max-pool of that side, or none for 0."""
        falling = int((layer.slope < 0).sum())
        if pool and falling <= -len(layer.bias) % BLOCK:
            return self._pooled_prelu(source, layer, pool)
        filters = len(layer.bias)
        layer = _blocked(layer, source.reading)
        name = self._prelu(source.name, layer)
        reading = np.eye(filters, len(layer.bias))
        return Value(self._pool(name, pool) if pool else name, reading)

    def heads(self, source: Value, layer: Layer, weight: Wide, bias: Wide) -> None:
        """The last convolution, to v, its PReLU and the outputs at every place.

        The outputs are sums of ``a v + (1 - a) relu(v)``: one of v and one of relu(v), which spares
        a pass over the features.
        """
        layer = _blocked(layer, source.reading)
        value = self._convolve(source.name, layer.weight, layer.bias)
        kernel = np.pad(weight.T, ((0, 0), (0, len(layer.bias) - len(weight))))
        line, rest = ((kernel * f)[:, :, None, None] for f in (layer.slope, 1 - layer.slope))
        of_line = self._convolve(value, line)
        of_relu = self._convolve(self._node("Relu", [value]), rest, bias)
        self._node("Add", [of_line, of_relu])

    def _prelu(self, source: str, layer: Layer) -> str:
        """A convolution to v and ``a v + (1 - a) relu(v)``.

        Where all slopes are below 1, the filters give (1 - a) v instead, and one factor, a / (1 -
        a), is left. The runtime adds in the pass that multiplies.
        """
        rest = 1 - layer.slope
        if (rest > 0).all():
            weight = layer.weight * rest[:, None, None, None]
            value = self._convolve(source, weight, layer.bias * rest)
            return self._line_and_relu(value, layer.slope / rest, None)
        value = self._convolve(source, layer.weight, layer.bias)
        return self._line_and_relu(value, layer.slope, rest)

    def _line_and_relu(self, value: str, factor: Wide, relu_factor: Wide | None) -> str:
        rectified = self._node("Relu", [value])
        if relu_factor is not None:
            rectified = self._by_channel(rectified, relu_factor)
        return self._node("Add", [self._by_channel(value, factor), rectified])

    def _pooled_prelu(self, source: Value, layer: Layer, pool: int) -> Value:
        """A convolution, PReLU and max-pool, the PReLU behind the pool, on fewer pixels."""
        falling = layer.slope < 0
        slope = layer.slope[falling]
        weight = np.concatenate([layer.weight, layer.weight[falling] * slope[:, None, None, None]])
        bias = np.concatenate([layer.bias, layer.bias[falling] * slope])
        blocked = _blocked(Layer(weight, bias, np.zeros(len(bias))), source.reading)
        value = self._pool(self._convolve(source.name, blocked.weight, blocked.bias), pool)
        line, rectified, reading = _behind_pool(layer.slope, len(blocked.bias))
        relu = self._node("Relu", [self._convolve(value, rectified[:, :, None, None])])
        return Value(self._node("Add", [self._by_channel(value, line), relu]), reading)

    def _by_channel(self, source: str, factor: Wide) -> str:
        """Every channel times a factor, as a convolution of one filter a channel."""
        return self._convolve(source, factor[:, None, None, None], group=len(factor))


def _blocked(layer: Layer, reading: Wide) -> Layer:
    """The same convolution on channels of the graph, with filters of zeros up to whole blocks."""
    more = (0, -len(layer.bias) % BLOCK)
    weight = np.pad(layer.weight, (more, (0, 0), (0, 0), (0, 0)))
    weight = np.einsum("fcij,cg->fgij", weight, reading)
    return Layer(weight, np.pad(layer.bias, more), np.pad(layer.slope, more))


def _behind_pool(slope: Wide, channels: int) -> tuple[Wide, Wide, Wide]:
    """A PReLU of maxima, as ``line x + relu(rectified x)``.

    For a slope a <= 1, prelu(v) is max(v, a v); its maximum over a window is max(p, q) = q + relu(p
    - q), of p, the maximum of v, and q, that of a v. For a >= 0, q is a p. For a < 0, it is a
    channel of its own, in the room that there is up to a whole block, and the result takes its
    place. For a > 1, prelu(p) is min(p, a p) = -(relu((1 - a) p) - p): this channel goes on
    negated.

    Args:
        slope: of each filter.
        channels: p of all filters, q of those that fall, and zeros.

    Returns:
        line (channels,), rectified (channels, channels) and where the results lie, as in Value.
    """
    own, falling = np.arange(len(slope)), slope < 0
    place = own.copy()
    place[falling] = len(slope) + np.arange(falling.sum())
    line, rectified = np.zeros(channels), np.zeros((channels, channels))
    line[place] = np.where(slope > 1, -1, np.where(falling, 1, slope))
    rectified[place, own] = np.where(falling, 1, 1 - slope)
    rectified[place[falling], place[falling]] = -1
    reading = np.zeros((len(slope), channels))
    reading[own, place] = np.where(slope > 1, -1, 1)
    return line, rectified, reading
