"""OpenVINO as a runtime: the same answers, whatever the batch and the threads, and quiet."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facegrab.errors import DeviceError, WeightsError
from facegrab.models import graphs
from facegrab.models.compute import BF16, F32, OPENVINO, Compute, has_bf16
from facegrab.models.layers import Convolution, Relu
from facegrab.models.runtime import load_many, load_net
from facegrab.types import FloatArray

pytest.importorskip("openvino")

PRECISIONS = [F32, *([BF16] if has_bf16() else [])]


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Two layers of 3x3 over 3 and 16 channels, as dlib's detector has more of."""
    random = np.random.default_rng(0)
    layers = [
        Convolution(
            random.normal(0, 0.2, (filters, channels, 3, 3)).astype(np.float32),
            random.normal(0, 0.1, filters).astype(np.float32),
            1,
            0,
        )
        for filters, channels in ((16, 3), (1, 16))
    ]
    path = tmp_path / "net.onnx"
    path.write_bytes(graphs.detector_graph((layers[0], Relu(), layers[1], Relu())))
    return path


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


def batch(count: int = 7) -> FloatArray:
    return np.random.default_rng(1).normal(0, 1, (count, 3, 24, 31)).astype(np.float32)


def on(precision: str, threads: int = 0) -> Compute:
    return Compute("cpu", OPENVINO, precision, threads)


def test_answers_are_those_of_the_other_runtime(graph: Path) -> None:
    expected = load_net(graph)(batch())
    np.testing.assert_allclose(load_net(graph, on(F32))(batch()), expected, atol=1e-5)


@pytest.mark.skipif(not has_bf16(), reason="the processor does not compute in bf16")
def test_bf16_is_near(graph: Path) -> None:
    expected = load_net(graph)(batch())
    found = load_net(graph, on(BF16))(batch())
    assert 0 < np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_neither_threads_nor_batch_change_a_bit(graph: Path, precision: str) -> None:
    x = batch(128)
    whole = load_net(graph, on(precision, 1))(x)
    for threads in (1, 2, 4):
        net = load_net(graph, on(precision, threads))
        for size in (1, 7, 128):
            parts = [net(x[start : start + size]) for start in range(0, len(x), size)]
            assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_an_answer_stays_when_the_next_is_given(graph: Path) -> None:
    net = load_net(graph, on(F32))
    first = net(batch())
    kept = first.copy()
    net(-batch())
    np.testing.assert_array_equal(first, kept)


def test_several_threads_may_ask_at_once(graph: Path) -> None:
    net = load_net(graph, on(F32))
    inputs = [batch() * scale for scale in (1, -1, 2, 0.5)]
    expected = [net(x) for x in inputs]
    wrong: list[int] = []

    def ask(which: int) -> None:
        for _ in range(20):
            if not np.array_equal(net(inputs[which]), expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=ask, args=(which,)) for which in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_outputs_have_the_graphs_names(graph: Path) -> None:
    assert load_many(graph, on(F32)).outputs == (graphs.DETECTOR_OUTPUT,)


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\0" * 100, b"\x08\x08"])
def test_a_file_that_is_no_graph_is_refused(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.onnx") as caught:
        load_net(path, on(F32))
    assert "\n" not in str(caught.value)


def test_a_missing_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.onnx"):
        load_net(tmp_path / "none.onnx", on(F32))


def test_an_input_that_does_not_fit_is_an_error_in_one_line(graph: Path) -> None:
    with pytest.raises(DeviceError, match="the device cpu failed") as caught:
        load_net(graph, on(F32))(np.zeros((1, 4, 20, 20), np.float32))
    assert "\n" not in str(caught.value)
    assert "src/" not in str(caught.value)


def test_it_does_not_report_home() -> None:
    """OpenVINO's converter tells its maker of every import, from a process of its own."""
    program = (
        "import os, sys\n"
        "for name in ('fork', 'posix_spawn'):\n"
        "    setattr(os, name, lambda *_: sys.exit('a process was started'))\n"
        "sys.addaudithook(lambda event, _: event.startswith(('socket.', 'subprocess.'))\n"
        "    and sys.exit(f'{event} was called'))\n"
        "from facegrab.models.openvino_runtime import CONVERTER, capabilities\n"
        "assert 'FP32' in capabilities()\n"
        "assert CONVERTER not in sys.modules\n"
        "assert not any(name.startswith('openvino_telemetry') for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_an_openvino_that_does_not_load_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "openvino.py").write_text("raise ImportError('libtbb is missing')")
    program = (
        "from facegrab.errors import DeviceError\n"
        "from facegrab.models.openvino_runtime import capabilities\n"
        "try:\n"
        "    capabilities()\n"
        "except DeviceError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert "libtbb is missing" in done.stdout
    assert "pip install --force-reinstall openvino" in done.stdout
