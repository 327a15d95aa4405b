"""Networks of separable convolutions, read from their graph for ``separable_net``.

YuNet is one: a first layer of 3x3 that halves the sides, then pairs of a convolution of 1x1 and one
of 3x3 with a filter a channel, maxima of 2x2, and sums with what was seen at half the size.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facegrab import cache
from facegrab.models.any_size import without_size
from facegrab.models.details import COLOURS
from facegrab.models.graph_file import read_graph
from facegrab.models.heads import JOINED_COLUMNS, STRIDES_PX
from facegrab.models.joined_heads import (
    ROWS_LAST,
    Conv,
    attributes,
    read_conv,
    weights_of,
    with_joined_heads,
)
from facegrab.types import FloatArray

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

log = logging.getLogger(__name__)

NAME = "separable-v2"
KEY_LENGTH = 16
SUFFIX = ".layers"

STEM, UNIT, HEAD, POOL, SUM = range(5)
"""Kinds of layers: the first one; a pair, of which negative numbers become 0, or not, in an output;
maxima of 2x2; one layer and another one enlarged twice."""
BLOCK = 16
"""Channels that lie side by side."""
STEM_FILTERS = BLOCK
PAIRS = ((16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 16))
"""Channels and filters of pairs that there is machine code for."""
TAPS = 9
"""Of a convolution of 3x3."""

MOST_LAYERS = 48
"""YuNet has 24, pairs counted once. Some keep all of their rows: a file that was made for it must
not fill the memory."""


class Layer(NamedTuple):
    """A layer.

    Attributes:
        kind: see above.
        source: the layer that it reads, by its place among all; 0 of the first one.
        other: the one that is enlarged, of a SUM; else 0.
        stride_px: pixels of the image from one of its pixels to the next.
        channels: that it reads.
        filters: channels that it gives.
    """

    kind: int
    source: int
    other: int
    stride_px: int
    channels: int
    filters: int

    @property
    def weight_counts(self) -> tuple[int, ...]:
        """Weights of 1x1 (or the first layer's) and their biases, of 3x3 and theirs."""
        if self.kind == STEM:
            return (TAPS * self.channels * self.filters, self.filters)
        if self.kind in (UNIT, HEAD):
            return (self.channels * self.filters, self.filters, TAPS * self.filters, self.filters)
        return ()


class Separable(NamedTuple):
    """A network.

    Attributes:
        layers: each behind those that it reads; the HEADs are its outputs, in their order.
        weights: of one layer after the other, as its ``weight_counts``. 1x1: (channels, filters);
            3x3: (rows, columns, filters); of the first layer (rows, columns, colours, filters).
    """

    layers: tuple[Layer, ...]
    weights: FloatArray


def read_separable(graph: Path) -> Separable | None:
    """The layers of a YuNet, read on first use and cached; None where it has another form.

    Args:
        graph: an ONNX file.

    Raises:
        WeightsError, MissingError, AccessError: see read_graph.
    """
    name = f"{NAME}-{cache.content_hash(graph)[:KEY_LENGTH]}"
    if found := cache.find(name, SUFFIX):
        try:
            return _unpacked(found[1])
        except ValueError as error:
            log.warning("%s is of no use (%s): making it anew", found[0], error)
            with suppress(OSError):
                found[0].unlink()
    try:
        joined = with_joined_heads(without_size(graph))
        network = _Reader(read_graph(joined).graph).network()
    except _OtherFormError as why:
        log.info("%s is not computed in machine code: %s", graph, why)
        network = None
    cache.put(name, SUFFIX, _packed(network) if network else [])
    return network


def _packed(network: Separable) -> list[bytes]:
    head = [len(network.layers), *(number for layer in network.layers for number in layer)]
    return [np.array(head, "<i8").tobytes(), network.weights.astype("<f4").tobytes()]


def _unpacked(content: NDArray[np.uint8]) -> Separable | None:
    """What was packed.

    Raises:
        ValueError: it was not packed here: others may write to the cache, too.
    """
    if not len(content):
        return None
    count = int(content[:8].view("<i8")[0]) if len(content) >= 8 else 0
    end = 8 * (1 + count * len(Layer._fields))
    if not 0 < count <= MOST_LAYERS or len(content) < end:
        raise ValueError("it is cut off")
    numbers = content[8:end].view("<i8").reshape(-1, len(Layer._fields)).tolist()
    # Copied: whatever runs it may want it in memory of its own.
    weights = np.array(content[end:].view("<f4"), np.float32)
    network = Separable(tuple(Layer(*each) for each in numbers), weights)
    _check(network)
    return network


class _OtherFormError(ValueError):
    """A network that is not made of what is known here."""


def _check(network: Separable) -> None:
    """Looks at all that the machine code relies on, which itself looks at nothing.

    Raises:
        _OtherFormError: something is otherwise.
    """
    layers = network.layers
    if len(layers) > MOST_LAYERS:
        raise _OtherFormError("it has too many layers")
    if not layers or layers[0] != Layer(STEM, 0, 0, 2, COLOURS, STEM_FILTERS):
        raise _OtherFormError("its first layer is another")
    for number, layer in enumerate(layers[1:], 1):
        if not (0 <= layer.source < number and 0 <= layer.other < number):
            raise _OtherFormError("a layer reads one that comes later")
        if not _fits(layer, layers[layer.source], layers[layer.other]):
            raise _OtherFormError(f"layer {number} does not fit what it reads")
    heads = [(layer.stride_px, layer.filters) for layer in layers if layer.kind == HEAD]
    if heads != [(stride_px, JOINED_COLUMNS) for stride_px in STRIDES_PX]:
        raise _OtherFormError("its outputs are others")
    if len(network.weights) != sum(sum(layer.weight_counts) for layer in layers):
        raise _OtherFormError("it has too few weights, or too many")


def _fits(layer: Layer, read: Layer, other: Layer) -> bool:
    """Whether a layer behind the first is one that there is code for, and can read those."""
    stride_px = read.stride_px * (2 if layer.kind == POOL else 1)
    same = (layer.channels, layer.stride_px) == (read.filters, stride_px)
    if layer.kind in (UNIT, HEAD):
        known = (layer.channels, layer.filters) in PAIRS
    else:
        known = layer.kind in (POOL, SUM) and layer.filters == layer.channels
    if layer.kind == SUM:
        known &= (other.filters, other.stride_px) == (layer.filters, 2 * layer.stride_px)
        known &= other.kind != HEAD
    # An image's sides are multiples of the coarsest output's stride.
    return same and known and read.kind != HEAD and stride_px <= STRIDES_PX[-1]


class _Reader:
    """Reads a graph of joined heads, node by node."""

    def __init__(self, graph: GraphProto) -> None:
        self._graph = graph
        self._tensors = weights_of(graph)
        self._users: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._layers: list[Layer] = []
        self._weights: list[FloatArray] = []
        # By the name of what they give: layers, layers enlarged, and nodes within a layer.
        self._made: dict[str, int] = {}
        self._enlarged: dict[str, int] = {}
        self._within: set[str] = set()

    def network(self) -> Separable:
        """All layers.

        Raises:
            _OtherFormError: there is something else in the graph.
        """
        for node in self._graph.node:
            if node.output[0] not in self._within:
                self._read(node)
        heads = [number for number, layer in enumerate(self._layers) if layer.kind == HEAD]
        if [self._made.get(output.name) for output in self._graph.output] != heads:
            raise _OtherFormError("its outputs are others")
        if [self._layers[number].stride_px for number in heads] != list(STRIDES_PX):
            raise _OtherFormError("its strides are others")
        weights = np.concatenate([np.empty(0, np.float32), *map(np.ravel, self._weights)])
        if not np.isfinite(weights).all():
            raise _OtherFormError("some of its weights are not finite")
        network = Separable(tuple(self._layers), weights)
        _check(network)
        return network

    def _read(self, node: NodeProto) -> None:
        if node.op_type == "Conv":
            conv = self._conv(node)
            if self._layers:
                self._read_pair(node, conv)
            else:
                self._read_stem(node, conv)
        elif node.op_type == "MaxPool":
            self._read_pool(node)
        elif node.op_type == "Resize":
            self._read_enlarged(node)
        elif node.op_type == "Add":
            self._read_sum(node)
        else:
            raise _OtherFormError(f"it has a {node.op_type}")

    def _read_stem(self, node: NodeProto, conv: Conv) -> None:
        is_first = conv.source in {value.name for value in self._graph.input}
        plain = conv.weight.shape == (STEM_FILTERS, COLOURS, 3, 3) and conv.group == 1
        relu = self._only_user(node)
        if not (is_first and plain and conv.stride == 2 and relu.op_type == "Relu"):
            raise _OtherFormError("its first layer is another")
        layer = Layer(STEM, 0, 0, 2, COLOURS, STEM_FILTERS)
        self._add(layer, relu.output[0], conv.weight.transpose(2, 3, 1, 0), conv.bias)

    def _read_pair(self, node: NodeProto, across: Conv) -> None:
        source = self._source(across.source)
        next_node = self._only_user(node)
        around = self._conv(next_node)
        filters, channels = across.weight.shape[:2]
        fits = across.weight.shape[2:] == (1, 1) and across.stride == across.group == 1
        fits &= around.weight.shape == (filters, 1, 3, 3) and around.group == filters
        if not fits or around.stride != 1 or (channels, filters) not in PAIRS:
            raise _OtherFormError(f"{node.name or 'a convolution'} begins no pair that is known")
        kind, last = UNIT, self._only_user(next_node)
        if last.op_type == "Transpose":
            kind, last = HEAD, self._rows(last)
        elif last.op_type != "Relu":
            raise _OtherFormError(f"a {last.op_type} follows a pair")
        self._add(
            Layer(kind, source, 0, self._layers[source].stride_px, channels, filters),
            last.output[0],
            across.weight[:, :, 0, 0].T,
            across.bias,
            around.weight.reshape(filters, TAPS).T,
            around.bias,
        )

    def _rows(self, node: NodeProto) -> NodeProto:
        """What ends an output that begins with this node, if it is one of rows of a head."""
        last = self._only_user(node)
        named = last.input[1] if last.op_type == "Reshape" and len(last.input) > 1 else ""
        shape = self._tensors.get(named)
        rows = [1, -1, JOINED_COLUMNS]
        stated = attributes(node).get("perm")
        if stated != ROWS_LAST or shape is None or shape.tolist() != rows:
            raise _OtherFormError("an output has no rows of a head")
        return last

    def _read_pool(self, node: NodeProto) -> None:
        usual: dict[str, Any] = {"pads": [0] * 4, "ceil_mode": 0, "auto_pad": b"NOTSET"}
        stated = usual | attributes(node)
        if stated != usual | {"kernel_shape": [2, 2], "strides": [2, 2]}:
            raise _OtherFormError(f"a MaxPool is of {stated}")
        source = self._source(node.input[0])
        read = self._layers[source]
        layer = Layer(POOL, source, 0, 2 * read.stride_px, read.filters, read.filters)
        self._add(layer, node.output[0])

    def _read_enlarged(self, node: NodeProto) -> None:
        stated = attributes(node)
        stated.pop("cubic_coeff_a", None)  # of a mode that is not used
        expected = {"mode": b"nearest", "nearest_mode": b"floor"}
        expected |= {"coordinate_transformation_mode": b"asymmetric"}
        scales = self._tensors.get(node.input[2]) if len(node.input) == 3 else None
        if stated != expected or scales is None or scales.tolist() != [1, 1, 2, 2]:
            raise _OtherFormError(f"a Resize is of {stated}")
        self._enlarged[node.output[0]] = self._source(node.input[0])

    def _read_sum(self, node: NodeProto) -> None:
        enlarged = [name for name in node.input if name in self._enlarged]
        plain = [name for name in node.input if name in self._made]
        if len(enlarged) != 1 or len(plain) != 1:
            raise _OtherFormError("an Add is of something else")
        source, other = self._source(plain[0]), self._enlarged[enlarged[0]]
        read, small = self._layers[source], self._layers[other]
        if read.filters != small.filters or 2 * read.stride_px != small.stride_px:
            raise _OtherFormError("an Add is of two that do not fit")
        layer = Layer(SUM, source, other, read.stride_px, read.filters, read.filters)
        self._add(layer, node.output[0])

    def _add(self, layer: Layer, name: str, *weights: FloatArray) -> None:
        if tuple(each.size for each in weights) != layer.weight_counts:
            raise _OtherFormError("a layer has too few weights, or too many")
        self._made[name] = len(self._layers)
        self._within.add(name)
        self._layers.append(layer)
        self._weights += weights

    def _conv(self, node: NodeProto) -> Conv:
        conv = read_conv(node, self._tensors)
        if conv is None:
            raise _OtherFormError(f"a {node.op_type} is of another form")
        return conv

    def _source(self, name: str) -> int:
        made = self._made.get(name)
        if made is None or self._layers[made].kind == HEAD:
            raise _OtherFormError(f"{name} is read, and no layer")
        return made

    def _only_user(self, node: NodeProto) -> NodeProto:
        """The one node that reads what a node gives: it belongs to the same layer."""
        name = node.output[0]
        users = self._users.get(name, [])
        if len(users) != 1 or name in {output.name for output in self._graph.output}:
            raise _OtherFormError(f"{name} is read by {len(users)} others")
        self._within.add(users[0].output[0])
        return users[0]
