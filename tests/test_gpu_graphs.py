"""Graphs that take bytes: what they make of images before a network sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from facegrab.errors import DeviceError, WeightsError
from facegrab.models import graphs
from facegrab.models.compute import Compute
from facegrab.models.gpu_graphs import GpuGraph, ImageGraph, Tile
from facegrab.models.gpu_half import Body, halved
from facegrab.models.gpu_net import open_net
from facegrab.models.layers import Convolution
from facegrab.types import FloatArray, Image

ON_CPU = Compute(precision="fp16")
WIDTH, HEIGHT = 23, 17


@pytest.fixture
def body(tmp_path: Path) -> Body:
    """A network that adds up the three colours."""
    return halved(summing(tmp_path, 1.0))


def summing(folder: Path, weight: float) -> Path:
    layer = Convolution(np.full((1, 3, 1, 1), weight, np.float32), np.zeros(1, np.float32), 1, 0)
    path = folder / "sum.onnx"
    path.write_bytes(graphs.detector_graph((layer,)))
    return path


def images(count: int = 2) -> Image:
    small = np.random.default_rng(0).integers(0, 80, (count, 5, 6, 3)).astype(np.uint8)
    return np.stack([cv2.resize(each, (WIDTH, HEIGHT)) for each in small])


def answers(made: GpuGraph, shown: Image) -> FloatArray:
    """(N, rows, columns): the sums of the colours."""
    return open_net(made, "test", ON_CPU)(shown)[:, 0]


def test_bytes_arrive_as_they_are(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    made = graph.ending_in(body, graph.half(graph.images))
    np.testing.assert_allclose(answers(made, images()), images().sum(axis=3), atol=0.2)


def test_planes_are_taken_too(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT, planes=True)
    made = graph.ending_in(body, graph.half(graph.images))
    planes = np.ascontiguousarray(images().transpose(0, 3, 1, 2))
    np.testing.assert_allclose(answers(made, planes), images().sum(axis=3), atol=0.2)


def test_colours_are_normalised(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    made = graph.ending_in(body, graph.scaled(graph.images, (10.5, 20.25, 30.0), 1 / 256))
    expected = ((images() - np.array([10.5, 20.25, 30.0])) / 256).sum(axis=3)
    np.testing.assert_allclose(answers(made, images()), expected, atol=0.001)


@pytest.mark.parametrize(("width", "height"), [(15, 9), (40, 33)])
def test_a_resize_is_opencvs(body: Body, width: int, height: int) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    smaller = graph.resized(graph.images, width, height, corners=False)
    made = graph.ending_in(body, graph.half(smaller))
    expected = [cv2.resize(each.astype(np.float32), (width, height)) for each in images()]
    np.testing.assert_allclose(answers(made, images()), np.sum(expected, axis=3), atol=0.2)


def test_a_resize_keeps_the_corners(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    larger = graph.resized(graph.images, 45, 33, corners=True)
    got = answers(graph.ending_in(body, graph.half(larger)), images())
    sums = images().sum(axis=3)
    np.testing.assert_allclose(got[:, ::2, ::2], sums, atol=0.2)
    np.testing.assert_allclose(got[:, 0, 1], (sums[:, 0, 0] + sums[:, 0, 1]) / 2, atol=0.2)


def test_means_leave_out_what_fills_no_square(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    got = answers(graph.ending_in(body, graph.half(graph.averaged(graph.images, 4))), images())
    expected = images()[:, :16, :20].sum(axis=3).reshape(2, 4, 4, 5, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(got, expected, atol=0.2)


def test_colours_are_cut_off(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    whole = graph.floored(graph.averaged(graph.images, 2))
    got = answers(graph.ending_in(body, graph.half(whole)), images())
    means = images()[:, :16, :22].reshape(2, 8, 2, 11, 2, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(got, np.floor(means).sum(axis=3))


TILES = [Tile(2, 3, 23, 17), Tile(2, 25, 11, 8), Tile(14, 25, 5, 4), Tile(14, 31, 4, 3)]


def test_tiles_lie_where_they_should(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    parts = [
        (each, graph.half(graph.resized(graph.images, each.width, each.height, corners=True)))
        for each in TILES
    ]
    got = answers(graph.ending_in(body, graph.tiled(parts, 30, 40)), images())
    seen = np.zeros((40, 30), np.bool_)
    for x, y, width, height in TILES:
        seen[y : y + height, x : x + width] = True
        corner = got[:, y, x]
        np.testing.assert_allclose(corner, images()[:, 0, 0].sum(axis=1), atol=0.2)
        opposite = got[:, y + height - 1, x + width - 1]
        np.testing.assert_allclose(opposite, images()[:, -1, -1].sum(axis=1), atol=0.2)
    assert got.shape == (2, 40, 30)
    assert not got[:, ~seen].any()
    assert got[:, seen].all()


def test_tiles_in_a_pinwheel_are_refused() -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    wheel = [Tile(0, 0, 4, 2), Tile(4, 0, 2, 4), Tile(2, 4, 4, 2), Tile(0, 2, 2, 4)]
    with pytest.raises(ValueError, match="no cut parts"):
        graph.tiled([(each, graph.images) for each in wheel], 6, 6)


def test_what_an_image_takes_is_known(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    made = graph.ending_in(body, graph.half(graph.images))
    # Bytes twice, float32, float16 twice (the network calls it by a name of its own); in the
    # network 16 columns of its filter, and the sums twice.
    colours, columns, sums = 3 * (1 + 1 + 4 + 2 + 2), 16 * 2, 2 + 4
    assert made.image_bytes == WIDTH * HEIGHT * (colours + columns + sums)
    assert made.image_values == WIDTH * HEIGHT * 16


def test_weights_that_float16_cannot_hold_are_refused(tmp_path: Path) -> None:
    assert halved(summing(tmp_path, 65000.0)).constants
    with pytest.raises(WeightsError, match=r"too large for fp16: --precision f32"):
        halved(summing(tmp_path, 66000.0))


def test_the_number_of_images_changes_no_bit(body: Body) -> None:
    graph = ImageGraph(WIDTH, HEIGHT)
    made = graph.ending_in(body, graph.scaled(graph.images, (1.3, 2.7, 3.1), 1 / 256))
    together = open_net(made, "test", ON_CPU, 7)(images(7))
    for most in (1, 2, 4):
        np.testing.assert_array_equal(open_net(made, "test", ON_CPU, most)(images(7)), together)


# ---- The runtime


class Binding:
    """Writes down what is bound."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}
        self.out: tuple[Any, ...] = ()

    def bind_cpu_input(self, name: str, array: Image) -> None:
        self.bound[name] = array

    def bind_output(self, *how: Any) -> None:
        self.out = how

    def copy_outputs_to_cpu(self) -> list[FloatArray]:
        (shown,) = self.bound.values()
        return [shown.reshape(len(shown), -1).sum(axis=1).astype(np.float16)]


class FakeSession:
    """A card with room for two images."""

    bindings: list[Binding]
    says = ""

    def __init__(self, graph: bytes, *_: Any, **options: Any) -> None:
        assert isinstance(graph, bytes)
        type(self).bindings = []
        self.options = options

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_inputs(self) -> list[Any]:
        return [type("Input", (), {"name": "images"})]

    def get_outputs(self) -> list[Any]:
        return [type("Output", (), {"name": "sum"})]

    def io_binding(self) -> Binding:
        self.bindings.append(Binding())
        return self.bindings[-1]

    def run_with_iobinding(self, binding: Binding) -> None:
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        (shown,) = binding.bound.values()
        assert shown.dtype == np.uint8
        assert shown.flags.c_contiguous
        if len(shown) > 2:
            raise errors.RuntimeException(type(self).says)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A runtime with CUDA, and no tool that tells the free memory."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(ort, "InferenceSession", FakeSession)
    monkeypatch.setattr("facegrab.models.gpu_memory.shutil.which", lambda name: None)
    return monkeypatch


MADE = GpuGraph(b"graph", 1, 1)


@pytest.mark.parametrize(
    "says",
    [
        "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4585490",
        "CUDA failure 2: out of memory ; GPU=0",
        "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
    ],
)
def test_bytes_are_bound_and_too_many_are_halved(cuda: pytest.MonkeyPatch, says: str) -> None:
    cuda.setattr(FakeSession, "says", says)
    shown = images(5)
    got = open_net(MADE, "test", Compute("cuda"))(shown)
    np.testing.assert_array_equal(got, shown.reshape(5, -1).sum(axis=1).astype(np.float16))
    assert got.dtype == np.float32
    assert [len(each.bound["images"]) for each in FakeSession.bindings] == [5, 2, 2, 1]
    assert {each.out for each in FakeSession.bindings} == {("sum",)}


def test_a_card_that_fails_is_an_error(cuda: pytest.MonkeyPatch) -> None:
    cuda.setattr(FakeSession, "says", "CUDA failure 700:\nan illegal memory access")
    with pytest.raises(DeviceError, match="the device cuda failed: CUDA failure 700: an illegal"):
        open_net(MADE, "test", Compute("cuda"))(images(3))


def test_a_graph_without_room_is_no_device_that_does_not_start(cuda: pytest.MonkeyPatch) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    def full(*_: Any, **__: Any) -> None:
        raise errors.Fail("CUDA failure 2: out of memory")

    cuda.setattr(ort, "InferenceSession", full)
    with pytest.raises(MemoryError, match="out of memory"):
        open_net(MADE, "test", Compute("cuda"))


def test_a_graph_that_is_none_is_called_by_its_name() -> None:
    with pytest.raises(WeightsError, match="the test's network is no graph"):
        open_net(GpuGraph(b"no graph", 1, 1), "the test's network", ON_CPU)


def test_a_processors_run_loads_none_of_it() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, facegrab.grab, facegrab.vision.mtcnn, facegrab.models.onnx_runtime;"
            "print(*[name for name in sys.modules if '.gpu_' in name or name == 'onnxruntime'])",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    assert not found.stdout.strip()
