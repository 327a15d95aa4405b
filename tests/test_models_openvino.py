"""OpenVINO as a runtime: the same answers, whatever the batch and the threads, and quiet."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facegrab import cache
from facegrab.errors import DeviceError, WeightsError
from facegrab.models import graphs, openvino_runtime
from facegrab.models.compute import BF16, F32, OPENVINO, Compute, has_bf16
from facegrab.models.layers import Convolution, Relu
from facegrab.models.mtcnn import mtcnn_graphs
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


def test_of_small_images_few_sizes_of_batch_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has to be prepared for; and one by itself would be added up in another order."""
    net = load_net(mtcnn_graphs(OPENVINO).refinement, on(F32))
    x = np.random.default_rng(1).normal(0, 1, (21, 3, 24, 24)).astype(np.float32)
    whole = net(x)
    asked: list[list[int]] = []
    real = openvino_runtime.OpenVinoNet._answers

    def noted(self: openvino_runtime.OpenVinoNet, part: FloatArray) -> tuple[FloatArray, ...]:
        asked[-1].append(len(part))
        return real(self, part)

    monkeypatch.setattr(openvino_runtime.OpenVinoNet, "_answers", noted)
    for count in (1, 2, 3, 7, 8, 9, 16, 21):
        asked.append([])
        assert net(x[:count]).tobytes() == whole[:count].tobytes()
    assert asked == [[2], [2], [3], [7], [8], [8, 2], [16], [16, 5]]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [2]), (2, [2]), (3, [4]), (7, [8]), (8, [8]), (13, [8, 6]), (0, [0])]
)
def test_of_large_images_only_even_numbers_are_asked_for(count: int, sizes: list[int]) -> None:
    assert openvino_runtime.parts_of(count, 2) == sizes


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


@pytest.fixture
def cached(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The graph in a cache of its own."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return cache.put("net", ".onnx", [graph.read_bytes()])


def prepared(graph: Path) -> list[Path]:
    return sorted(graph.parent.glob(f"*{openvino_runtime.PREPARED}"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_prepared_network_answers_the_same(
    cached: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For any number of threads, and without a look at the graph."""
    expected = load_net(cached, on(precision, 1))(batch(9))
    (made,) = prepared(cached)
    monkeypatch.setattr(openvino_runtime, "_compiled", lambda *_: pytest.fail("made anew"))
    for threads in (1, 2, 4):
        assert load_net(cached, on(precision, threads))(batch(9)).tobytes() == expected.tobytes()
    assert load_many(cached, on(precision)).outputs == (graphs.DETECTOR_OUTPUT,)
    assert prepared(cached) == [made]


@pytest.mark.skipif(not has_bf16(), reason="the processor does not compute in bf16")
def test_each_precision_is_prepared_by_itself(cached: Path) -> None:
    first, second = (load_net(cached, on(each))(batch()) for each in (F32, BF16))
    assert len(prepared(cached)) == 2
    again = [load_net(cached, on(each))(batch()) for each in (F32, BF16)]
    assert [each.tobytes() for each in again] == [first.tobytes(), second.tobytes()]


def test_what_another_version_prepared_is_left_alone(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_net(cached, on(F32))
    openvino = openvino_runtime._openvino()
    monkeypatch.setattr(openvino, "get_version", lambda: "another")
    load_net(cached, on(F32))
    assert len(prepared(cached)) == 2


@pytest.mark.parametrize("damage", ["bytes", "content"])
def test_a_damaged_prepared_network_is_made_anew(
    cached: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = load_net(cached, on(F32))(batch())
    (made,) = prepared(cached)
    made.unlink()
    if damage == "bytes":
        made.write_bytes(b"something else")
    else:  # what it says it is, but not what OpenVINO wrote
        name = openvino_runtime._prepared_name(cached, on(F32))
        assert name is not None
        cache.put(name, openvino_runtime.PREPARED, [b"something else"])
    assert load_net(cached, on(F32))(batch()).tobytes() == expected.tobytes()
    assert "making it anew" in caplog.text
    caplog.clear()
    load_net(cached, on(F32))
    assert not caplog.text


def test_a_graph_from_elsewhere_leaves_nothing_in_the_cache(cached: Path, graph: Path) -> None:
    load_net(graph, on(F32))
    assert prepared(cached) == []


def test_a_cache_that_cannot_be_written_costs_only_time(
    cached: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> Path:
        raise WeightsError("no room")

    monkeypatch.setattr(cache, "put", refused)
    assert load_net(cached, on(F32))(batch()).shape == (7, 1, 20, 27)
    assert "not kept: no room" in caplog.text


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
