"""MTCNN's networks: found but not imported, unpacked only if published, computed as defined."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from facegrab import cache
from facegrab.errors import WeightsError
from facegrab.models import mtcnn
from facegrab.models.compute import ONNX_RUNTIME, OPENVINO, Compute, has_openvino
from facegrab.models.mtcnn_blocked import BlockedGraph
from facegrab.models.mtcnn_graphs import Graph, RoughGraph, mtcnn_graph
from facegrab.models.mtcnn_shapes import OUTPUT, PROPOSAL, REFINEMENT, Shape
from facegrab.models.runtime import load_net
from facegrab.types import FloatArray

Array = NDArray[np.float64]

FILTERS = {PROPOSAL: (10, 16, 32), REFINEMENT: (28, 48, 64), OUTPUT: (32, 64, 64, 128)}
KERNELS = {PROPOSAL: (3, 3, 3), REFINEMENT: (3, 3, 2), OUTPUT: (3, 3, 3, 2)}
DENSE = {REFINEMENT: 128, OUTPUT: 256}
RUNTIMES = [ONNX_RUNTIME, *([OPENVINO] if has_openvino() else [])]
SHAPES = (PROPOSAL, REFINEMENT, OUTPUT)


def random_weights(shape: Shape, seed: int = 0) -> list[FloatArray]:
    """In the order and layout of the package's files; slopes below 0, above 1, and just those."""
    rng = np.random.default_rng(seed)
    arrays: list[NDArray[Any]] = []
    channels = 3
    for filters, side in zip(FILTERS[shape], KERNELS[shape], strict=True):
        width = (side * side * channels) ** -0.5
        slope = rng.uniform(-1.3, 1.3, (1, 1, filters))
        slope[..., :6] = [0, 1, -1, 1.2, -0.4, 0.4]
        arrays += [rng.normal(0, width, (side, side, channels, filters)), rng.normal(0, 1, filters)]
        arrays.append(slope)
        channels = filters
    if shape.dense:
        outputs = DENSE[shape]
        arrays += [rng.normal(0, 0.03, (9 * channels, outputs)), rng.normal(0, 1, outputs)]
        arrays.append(rng.uniform(-0.5, 0.5, outputs))
        channels = outputs
    for heads in (4, 10, 2) if shape is OUTPUT else (4, 2):
        size = (channels, heads) if shape.dense else (1, 1, channels, heads)
        arrays += [rng.normal(0, 0.2, size), rng.normal(0, 1, heads)]
    return [array.astype(np.float32) for array in arrays]


def computed(shape: Shape, weights: list[FloatArray], x: Array) -> Array:
    """The network by its definition, in double precision; the last axis is the channel."""
    arrays = iter(np.asarray(array, np.float64) for array in weights)
    x = (x.transpose(0, 2, 3, 1) - 127.5) / 128
    for pool in shape.pools:
        kernel = next(arrays)
        windows = sliding_window_view(x, kernel.shape[:2], (1, 2))
        x = prelu(np.einsum("nhwcij,ijcf->nhwf", windows, kernel) + next(arrays), next(arrays))
        x = pooled(x, pool) if pool else x
    if shape.dense:
        flat = x.transpose(0, 2, 1, 3).reshape(len(x), -1)
        x = prelu(flat @ next(arrays) + next(arrays), next(arrays))
    heads = [x @ head.reshape(-1, head.shape[-1]) + next(arrays) for head in arrays]
    *others, classes = heads
    result = np.concatenate([np.diff(classes, axis=-1), *others], axis=-1)
    return np.moveaxis(result, -1, 1)


def prelu(x: Array, slope: Array) -> Array:
    return np.where(x > 0, x, slope.ravel() * x)


def pooled(x: Array, side: int) -> Array:
    """Strides of 2; a last window that is not complete counts."""
    missing = [-(size - side) % 2 for size in x.shape[1:3]]
    x = np.pad(x, [(0, 0), (0, missing[0]), (0, missing[1]), (0, 0)], constant_values=-np.inf)
    windows = sliding_window_view(x, (side, side), (1, 2))[:, ::2, ::2]
    return np.asarray(windows.max(axis=(-1, -2)))


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of random weights whose module must not be imported; its folder."""
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "site" / "mtcnn" / "assets" / "weights"
    folder.mkdir(parents=True)
    (tmp_path / "site" / "mtcnn" / "__init__.py").write_text("raise ImportError('tensorflow')")
    files = {}
    for shape in SHAPES:
        path = folder / mtcnn.FILES[shape.name].name
        joblib.dump(random_weights(shape), path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files[shape.name] = mtcnn.File(path.name, digest)
    monkeypatch.setattr(mtcnn, "FILES", files)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


@pytest.fixture
def no_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is unpacked fails the test."""

    def load(*_: object) -> None:
        pytest.fail("a file was unpacked")

    monkeypatch.setattr(joblib, "load", load)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_graphs_compute_what_is_defined(
    shape: Shape, seed: int, runtime: str, tmp_path: Path
) -> None:
    weights = random_weights(shape, seed)
    graph = mtcnn.empty_graph(runtime)
    (path := tmp_path / "graph.onnx").write_bytes(mtcnn_graph(shape, weights, graph))
    net = load_net(path, Compute(runtime=runtime))
    side = shape.side_px
    for size in [(side, side)] if side else [(12, 12), (13, 12), (16, 31), (41, 26)]:
        x = np.random.default_rng(seed).integers(0, 256, (3, 3, *size)).astype(np.float32)
        expected = computed(shape, weights, x.astype(np.float64))
        result = net(x)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, atol=2e-4)


def test_the_graph_for_bfloat16_is_right_about_grey() -> None:
    """Its first weights are such numbers already, and colours are counted from the middle one."""
    first, rounded = (
        [onnx.numpy_helper.to_array(each) for each in graph.graph.initializer[:2]]
        for graph in (
            onnx.load_from_string(mtcnn_graph(PROPOSAL, random_weights(PROPOSAL), kind()))
            for kind in (Graph, RoughGraph)
        )
    )
    assert (rounded[0].view(np.uint32) & 0xFFFF == 0).all()
    assert (rounded[0] != first[0]).mean() > 0.9
    np.testing.assert_allclose(rounded[0], first[0], rtol=2**-8)
    grey, as_rounded = (
        127.5 * weight.astype(np.float64).sum(axis=(1, 2, 3)) + bias
        for weight, bias in (first, rounded)
    )
    np.testing.assert_allclose(as_rounded, grey, atol=1e-5)
    assert np.abs(rounded[1] - first[1]).max() > 1e-3


def test_the_rough_graph_is_the_proposal_network_about() -> None:
    path = mtcnn.rough_graph()
    assert path != mtcnn.mtcnn_graphs(OPENVINO).proposal
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 30)).astype(np.float32)
    expected = computed(PROPOSAL, random_weights(PROPOSAL), x.astype(np.float64))
    rough = load_net(path)(x)
    assert rough.shape == (2, 1, *expected.shape[2:])
    wrong = np.abs(rough - expected[:, :1])
    assert 1e-4 < wrong.max() < 0.1


def test_features_are_whole_blocks_but_at_the_end() -> None:
    """Else the runtime takes its slower way, unnoticed."""
    for shape in SHAPES:
        graph = onnx.load_from_string(
            mtcnn_graph(shape, random_weights(shape), BlockedGraph())
        ).graph
        constants = {each.name: each.dims for each in graph.initializer}
        convolutions = [node for node in graph.node if node.op_type == "Conv"]
        filters = [constants[node.input[1]][0] for node in convolutions]
        assert all(count % 16 == 0 for count in filters[: None if shape.dense else -2])
        # PReLU has no kernel for blocks: at most the one behind the dense layer.
        kinds = [node.op_type for node in graph.node]
        assert kinds.count("PRelu") == int(shape.dense)


def test_the_package_is_found_but_not_imported(site: Path) -> None:
    assert mtcnn.mtcnn_folder() == site
    assert mtcnn.PACKAGE not in sys.modules


def test_graphs_are_made_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "facegrab")
    graphs = mtcnn.mtcnn_graphs()
    assert caplog.messages == [f"preparing MTCNN's {s.name} network, once" for s in SHAPES]
    monkeypatch.setattr(mtcnn, "find_spec", None)
    assert mtcnn.mtcnn_graphs() == graphs
    assert len(caplog.messages) == 3
    x = np.ones((2, 3, 48, 48), np.float32)
    assert load_net(graphs.proposal)(x).shape == (2, 5, 19, 19)
    assert load_net(graphs.refinement)(x[..., :24, :24]).shape == (2, 5)
    assert load_net(graphs.output)(x).shape == (2, 15)


def test_a_damaged_cache_is_made_anew() -> None:
    graphs = mtcnn.mtcnn_graphs()
    sound = graphs.proposal.read_bytes()
    graphs.proposal.write_bytes(sound[:-1])
    assert mtcnn.mtcnn_graphs() == graphs
    assert graphs.proposal.read_bytes() == sound


def changed(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.usefixtures("no_unpacking")
@pytest.mark.parametrize(
    "damage",
    [changed, lambda content: content[:-1], lambda content: content + b"\0", lambda _: b""],
    ids=["changed", "cut", "longer", "empty"],
)
def test_only_published_files_are_unpacked(site: Path, damage: Callable[[bytes], bytes]) -> None:
    """They are pickles: reading one is running it."""
    path = site / "pnet.lz4"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match=r"pnet\.lz4 is not the file of mtcnn 1\.0\.0: pip inst"):
        mtcnn.mtcnn_graphs()
    assert not list(cache.cache_folder().glob("*"))


@pytest.mark.usefixtures("no_unpacking")
def test_no_more_is_read_than_a_file_can_have(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (site / "pnet.lz4").stat().st_size
    monkeypatch.setattr(mtcnn, "LARGEST_BYTES", size - 2)
    with pytest.raises(WeightsError, match="is not the file of"):
        mtcnn.mtcnn_graphs()


def test_what_is_unpacked_is_what_was_checked(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes behind the check is not read again."""
    load = joblib.load

    def exchanged(source: Any) -> Any:
        for path in site.iterdir():
            path.write_bytes(b"something else")
        return load(source)

    monkeypatch.setattr(joblib, "load", exchanged)
    assert mtcnn._cached(PROPOSAL, ONNX_RUNTIME).is_file()


def test_a_missing_file_names_the_way_out(site: Path) -> None:
    (site / "onet.lz4").unlink()
    with pytest.raises(WeightsError, match=r"onet\.lz4 .*: pip install --force-reinstall"):
        mtcnn.mtcnn_graphs()


@pytest.mark.parametrize("spec", [None, ValueError("no spec")])
def test_a_missing_package_names_the_way_out(
    spec: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> None:
        if spec:
            raise spec

    monkeypatch.setattr(mtcnn, "find_spec", find_spec)
    with pytest.raises(WeightsError, match=r"pip install mtcnn==1\.0\.0"):
        mtcnn.mtcnn_graphs()


@pytest.mark.parametrize("wrong", [[], random_weights(REFINEMENT), random_weights(PROPOSAL)[:-3]])
def test_other_weights_are_refused(
    wrong: list[FloatArray], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site / "pnet.lz4"
    joblib.dump(wrong, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(mtcnn.FILES, PROPOSAL.name, mtcnn.File(path.name, digest))
    with pytest.raises(WeightsError, match=r"pnet\.lz4 is not the known network: not the weights"):
        mtcnn.mtcnn_graphs()


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (place := tmp_path / "file").write_text("")
    monkeypatch.setenv("FACEGRAB_CACHE", str(place))
    with pytest.raises(WeightsError, match=f"{place}.*FACEGRAB_CACHE"):
        mtcnn.mtcnn_graphs()
