"""Sessions: the device that was asked for, or an error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from facegrab.cores import usable_cores
from facegrab.errors import DeviceError, WeightsError
from facegrab.models import graphs
from facegrab.models.compute import Compute
from facegrab.models.layers import Convolution, Relu
from facegrab.models.runtime import load_net


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Rectifies the sum of the three channels."""
    summing = Convolution(np.ones((1, 3, 1, 1), np.float32), np.zeros(1, np.float32), 1, 0)
    path = tmp_path / "sum.onnx"
    path.write_bytes(graphs.detector_graph((summing, Relu())))
    return path


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_a_net_takes_any_size_and_layout(graph: Path, threads: int) -> None:
    net = load_net(graph, Compute(threads=threads))
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype(np.float32)
    expected = np.maximum(x.sum(-1), 0)[:, None]
    np.testing.assert_allclose(net(x.transpose(0, 3, 1, 2)), expected, atol=1e-6)
    np.testing.assert_allclose(
        net(x[:1, ::2].transpose(0, 3, 1, 2)), expected[:1, :, ::2], atol=1e-6
    )


def test_cuda_that_is_missing_is_an_error(graph: Path) -> None:
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("CUDA is there")
    with pytest.raises(
        DeviceError, match="pip uninstall onnxruntime onnxruntime-gpu && pip"
    ) as caught:
        load_net(graph, Compute("cuda"))
    assert "\n" not in str(caught.value)


class FakeSession:
    """What ONNX Runtime gives for CUDA when CUDA does not load."""

    providers = ("CPUExecutionProvider",)
    asked: Any = None

    def __init__(self, *args: Any, **options: Any) -> None:
        type(self).asked = options

    def get_providers(self) -> list[str]:
        return list(self.providers)

    def get_inputs(self) -> list[Any]:
        return [type("Input", (), {"name": "x"})]

    def get_outputs(self) -> list[Any]:
        return [type("Output", (), {"name": "y"})]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A runtime that was built with CUDA."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort, "preload_dlls", lambda: print("not found"), raising=False)  # noqa: T201
    monkeypatch.setattr(ort, "InferenceSession", FakeSession)
    return monkeypatch


def test_a_fall_back_to_the_cpu_is_an_error(graph: Path, cuda: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="the device cuda does not start; pip"):
        load_net(graph, Compute("cuda"))


def test_cuda_that_fails_to_start_is_an_error(graph: Path, cuda: pytest.MonkeyPatch) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    def fail(*_: Any, **__: Any) -> None:
        raise errors.Fail("CUDA failure 100:\nno device")

    cuda.setattr(ort, "InferenceSession", fail)
    with pytest.raises(DeviceError, match="CUDA failure 100: no device"):
        load_net(graph, Compute("cuda"))


def test_cuda_that_starts_is_used(graph: Path, cuda: pytest.MonkeyPatch) -> None:
    cuda.setattr(FakeSession, "providers", ("CUDAExecutionProvider", "CPUExecutionProvider"))
    load_net(graph, Compute("cuda"))
    ((name, options),) = FakeSession.asked["providers"]
    assert name == "CUDAExecutionProvider"
    assert options["use_tf32"] == "0"
    assert FakeSession.asked["enable_fallback"] == 0


def test_an_unknown_device_is_an_error(graph: Path) -> None:
    with pytest.raises(DeviceError, match="cpu or cuda, not 'tpu'"):
        load_net(graph, Compute("tpu"))


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\0" * 100, b"\x08\x08"])
def test_a_file_that_is_no_graph_is_refused(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.onnx") as caught:
        load_net(path)
    assert "\n" not in str(caught.value)


def test_a_graph_that_is_cut_off_is_refused(graph: Path) -> None:
    graph.write_bytes(graph.read_bytes()[:-20])
    with pytest.raises(WeightsError, match=r"sum\.onnx"):
        load_net(graph)


def test_a_missing_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.onnx"):
        load_net(tmp_path / "none.onnx")


def test_a_device_that_fails_at_work_is_an_error(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    def fail(*_: Any) -> None:
        raise errors.RuntimeException("out of\nmemory")

    monkeypatch.setattr(ort.InferenceSession, "run", fail)
    with pytest.raises(DeviceError, match="the device cpu failed: out of memory"):
        load_net(graph)(np.zeros((1, 3, 4, 4), np.float32))


def test_only_usable_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
