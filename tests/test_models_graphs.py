"""The graphs compute what dlib's layers are defined to compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import test_models_encoder as encode
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from facegrab.models import graphs
from facegrab.models.dat import read_detector, read_recogniser
from facegrab.models.layers import (
    AddTag,
    Affine,
    AveragePool,
    Convolution,
    Dense,
    DensePlan,
    GlobalAverage,
    Layer,
    Layers,
    MaxPool,
    Plan,
    Relu,
    Skip,
    Tag,
)
from facegrab.models.runtime import load_net

Array = NDArray[np.float64]

EMBEDDER: Plan = (*encode.TINY_RECOGNISER[:-1], DensePlan(4, 128))


def windows(x: Array, side: int, stride: int) -> Array:
    """(N, C, h, w, side, side)"""
    every = sliding_window_view(x, (side, side), (2, 3))
    return every[:, :, ::stride, ::stride]


def grown(x: Array, shape: tuple[int, ...]) -> Array:
    return np.pad(x, [(0, more - have) for more, have in zip(shape, x.shape, strict=True)])


def convolved(x: Array, layer: Convolution) -> Array:
    edge = (layer.padding, layer.padding)
    padded = np.pad(x, [(0, 0), (0, 0), edge, edge])
    parts = windows(padded, layer.weight.shape[-1], layer.stride)
    summed: Array = np.einsum("nchwij,fcij->nfhw", parts, layer.weight)
    return summed + layer.bias[:, None, None]


def computed(layers: Layers, x: Array) -> Array:
    """The layers by their definition, in double precision."""
    tags: dict[int, Array] = {}
    for layer in layers:
        x = step(layer, x, tags)
    return x


def step(layer: Layer, x: Array, tags: dict[int, Array]) -> Array:
    match layer:
        case Convolution():
            x = convolved(x, layer)
        case Affine(gain, offset):
            x = x * gain[:, None, None] + offset[:, None, None]
        case Relu():
            x = np.maximum(x, 0)
        case MaxPool(side, stride):
            x = windows(x, side, stride).max((-2, -1))
        case AveragePool(side, stride):
            x = windows(x, side, stride).mean((-2, -1))
        case GlobalAverage():
            x = x.mean((-2, -1))
        case Dense(weight):
            x = x @ weight
        case Tag(number):
            tags[number] = x
        case Skip(number):
            x = tags[number]
        case AddTag(number):
            shape = tuple(np.maximum(x.shape, tags[number].shape))
            x = grown(x, shape) + grown(tags[number], shape)
    return x


def test_detector_computes_its_layers(tmp_path: Path) -> None:
    (path := tmp_path / "d.dat").write_bytes(encode.detector(np.random.default_rng(4)))
    layers = read_detector(path, encode.TINY_DETECTOR).layers
    (graph := tmp_path / "d.onnx").write_bytes(graphs.detector_graph(layers))
    net = load_net(graph)
    rng = np.random.default_rng(5)
    for shape in ((1, 3, 20, 31), (3, 3, 9, 8)):
        x = rng.normal(size=shape).astype(np.float32)
        expected = computed(layers, x.astype(np.float64))
        found = net(x)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("chip_px", [15, 16, 17, 22])
def test_recogniser_computes_its_layers(chip_px: int, tmp_path: Path) -> None:
    """Sizes on which the pooled side and the convolved side differ in either direction."""
    data = encode.recogniser(np.random.default_rng(6), EMBEDDER)
    (path := tmp_path / "r.dat").write_bytes(data)
    layers = read_recogniser(path, EMBEDDER).layers
    (graph := tmp_path / "r.onnx").write_bytes(graphs.recogniser_graph(layers, chip_px))
    x = np.random.default_rng(7).normal(size=(3, 3, chip_px, chip_px)).astype(np.float32)
    expected = computed(layers, x.astype(np.float64))
    assert expected.shape == (3, 128)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(load_net(graph)(x), expected, atol=1e-5)


def test_graphs_are_of_the_promised_versions(tmp_path: Path) -> None:
    (path := tmp_path / "d.dat").write_bytes(encode.detector(np.random.default_rng(4)))
    layers = read_detector(path, encode.TINY_DETECTOR).layers
    model = onnx.load_from_string(graphs.detector_graph(layers))
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    # The last layer, which has one filter, is a column and a row.
    assert [node.op_type for node in model.graph.node] == ["Conv", "Relu", "Conv", "Conv"]
    assert model.graph.input[0].name == "x"
    assert model.graph.output[0].name == "score"


def convolution(filters: int, channels: int) -> Convolution:
    shape = (filters, channels, 3, 3)
    return Convolution(np.ones(shape, np.float32), np.ones(filters, np.float32), 1, 0)


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ((convolution(2, 3), convolution(1, 3)), "2 channels go into 3"),
        ((Relu(), Affine(np.ones(3, np.float32), np.ones(3, np.float32)), Relu()), "affine"),
        ((Tag(1), convolution(3, 3), AddTag(1)), "sizes"),
        ((convolution(2, 3),), "the layers make no network"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers: Layers, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        graphs.detector_graph(layers)


def test_a_fold_beyond_float32_is_refused() -> None:
    huge = Affine(np.full(1, 3e38, np.float32), np.full(1, 3e38, np.float32))
    with pytest.raises(ValueError, match="too large for float32"):
        graphs.detector_graph((convolution(1, 3), huge))
