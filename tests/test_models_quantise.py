"""The form in int8: what is quantised, how, and what stays in float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import test_models_encoder as encode
from onnx import helper, numpy_helper

from facegrab.models import graphs, ranges
from facegrab.models.compute import OPENVINO, Compute, has_int8
from facegrab.models.dat import read_detector, read_recogniser
from facegrab.models.layers import DETECTOR_PLAN, RECOGNISER_PLAN
from facegrab.models.quantise import Ranges, quantised, quantised_weight
from facegrab.models.runtime import load_net


def small(*, weight: float = 0.5, rectifies: str = "Relu") -> bytes:
    """Of one channel: a convolution that changes nothing, a Relu, one that takes a half."""
    nodes = [
        helper.make_node("Conv", ["x", "one"], ["same"]),
        helper.make_node(rectifies, ["same"], ["positive"]),
        helper.make_node("MaxPool", ["positive"], ["pooled"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["pooled", "weight"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.full((1, 1, 1, 1), value, np.float32), name)
        for name, value in (("one", 1.0), ("weight", weight))
    ]
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 1, "W"]) for name in "xy"
    )
    graph = helper.make_graph(nodes, "small", [x], [y], constants)
    opsets = [helper.make_opsetid("", graphs.OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=graphs.IR_VERSION)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """dlib's, with random weights."""
    path = tmp_path_factory.mktemp("quantise") / "d.dat"
    path.write_bytes(encode.detector(np.random.default_rng(0), DETECTOR_PLAN))
    return graphs.detector_graph(read_detector(path).layers)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """dlib's, with random weights."""
    path = tmp_path_factory.mktemp("quantise") / "r.dat"
    path.write_bytes(encode.recogniser(np.random.default_rng(0), RECOGNISER_PLAN))
    weights = read_recogniser(path)
    return graphs.recogniser_graph(weights.layers, weights.chip_px)


def in_int8(graph: bytes) -> list[bool]:
    """Of each convolution: whether input and weights come out of whole numbers of a byte."""
    model = onnx.load_from_string(graph)
    maker = {name: node for node in model.graph.node for name in node.output}
    constant = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}

    def whole(name: str) -> bool:
        if name not in maker or maker[name].op_type != "DequantizeLinear":
            return False
        source, step, zero = maker[name].input
        expected = np.int8 if source in constant else np.uint8
        assert constant[zero].dtype == expected
        assert not constant[zero].any()
        assert (constant[step] > 0).all()
        if source in constant:
            assert constant[source].dtype == np.int8
            return True
        assert maker[source].op_type == "QuantizeLinear"
        assert list(maker[source].input[1:]) == [step, zero]
        return True

    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    both = [(whole(node.input[0]), whole(node.input[1])) for node in convolutions]
    assert all(of_input == of_weight for of_input, of_weight in both)
    return [of_input for of_input, _ in both]


def test_first_and_last_layer_stay_in_float(detector: bytes, recogniser: bytes) -> None:
    assert in_int8(detector) == [False] * 8
    # The last layer of the detector is a column and a row; the script explains third and fifth.
    found = in_int8(quantised(detector, ranges.DETECTOR))
    assert found == [False, True, False, True, False, True, False, False]
    # The last layer of the recogniser is no convolution; the script names the others.
    floats = [number for number, each in enumerate(ranges.RECOGNISER) if each is None]
    assert floats == [0, 1, 23, 24, 27, 28]
    found = in_int8(quantised(recogniser, ranges.RECOGNISER))
    assert [number for number, each in enumerate(found) if not each] == floats


@pytest.mark.parametrize("table", [ranges.DETECTOR, ranges.RECOGNISER])
def test_ranges_are_above_zero_and_of_a_rectified_image(table: Ranges) -> None:
    assert table[0] is None
    assert all(1 < each < 100 for each in table if each is not None)


def test_weights_are_not_kept_twice(detector: bytes, recogniser: bytes) -> None:
    """A byte for one in int8, four for one in float, and little else."""
    for graph, table in ((detector, ranges.DETECTOR), (recogniser, ranges.RECOGNISER)):
        model = onnx.load_from_string(graph)
        count = {each.name: int(np.prod(each.dims)) for each in model.graph.initializer}
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        spared = sum(
            3 * count[node.input[1]]
            for node, largest in zip(convolutions, table, strict=True)
            if largest is not None
        )
        assert len(quantised(graph, table)) < 1.1 * (len(graph) - spared)


def test_inputs_are_rounded_to_steps_up_to_their_range(tmp_path: Path) -> None:
    (path := tmp_path / "small.onnx").write_bytes(quantised(small(), (None, 2.55)))
    x = np.array([-1, 0, 0.004, 0.006, 0.02, 1.238, 2.55, 3, 1000], np.float32)
    expected = np.array([0, 0, 0, 0.01, 0.02, 1.24, 2.55, 2.55, 2.55]) / 2
    np.testing.assert_allclose(load_net(path)(x[None, None, None]).ravel(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("graph", "table", "why"),
    [
        (small(), (None,), "1 ranges for 2 convolutions"),
        (small(), (None, 1.0, None), "3 ranges for 2 convolutions"),
        (small(), (None, 0.0), "a range is 0.0, not above zero"),
        (small(), (None, float("nan")), "a range is nan, not above zero"),
        (small(), (1.0, 1.0), "x may hold numbers below zero"),
        (small(rectifies="Identity"), (None, 1.0), "pooled may hold numbers below zero"),
    ],
)
def test_what_cannot_be_quantised_is_refused(graph: bytes, table: Ranges, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        quantised(graph, table)


def test_each_filter_has_its_own_steps() -> None:
    random = np.random.default_rng(3)
    weight = random.normal(size=(5, 7, 3, 3)) * np.array([1, 100, 1e-3, 0, 1])[:, None, None, None]
    whole, step = quantised_weight(weight.astype(np.float32))
    assert whole.dtype == np.int8
    assert (whole.shape, step.shape) == (weight.shape, (5,))
    np.testing.assert_array_equal(np.abs(whole).max(axis=(1, 2, 3)), [127, 127, 127, 0, 127])
    exact = weight / step[:, None, None, None]
    assert np.abs(whole - exact).max() < 1.5


def test_roundings_of_a_kernel_do_not_add_up() -> None:
    """Were each rounded to the nearest, the sums would be off by several steps."""
    weight = np.random.default_rng(4).normal(size=(64, 32, 5, 5)).astype(np.float32)
    whole, step = quantised_weight(weight)
    error = whole - weight / step[:, None, None, None].astype(np.float64)
    to_nearest = error - np.rint(error)
    assert np.abs(to_nearest.sum(axis=(2, 3))).max() > 3
    assert np.abs(error.sum(axis=(2, 3))).max() <= 1 + 1e-3
    assert np.abs(error.sum(axis=(1, 2, 3))).max() <= 0.5 + 1e-3


def test_weights_too_small_for_steps_are_zero() -> None:
    whole, step = quantised_weight(np.full((1, 1, 1, 1), 1e-45, np.float32))
    assert (whole.item(), step.item()) == (0, 1)


def test_convolutions_run_in_int8(detector: bytes, recogniser: bytes, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    if not has_int8():
        pytest.skip("OpenVINO has no int8 for this processor")
    for graph, table in ((detector, ranges.DETECTOR), (recogniser, ranges.RECOGNISER)):
        (path := tmp_path / "net.onnx").write_bytes(quantised(graph, table))
        assert computed_in_int8(path) == [each is not None for each in table]


def computed_in_int8(path: Path) -> list[bool]:
    """Of each convolution, in the graph's order, what OpenVINO says that it does."""
    from facegrab.models import openvino_runtime

    net: Any = openvino_runtime.load(path, Compute(runtime=OPENVINO, threads=1))
    net(np.zeros((1, 3, 150, 150), np.float32))
    facts = [node.get_rt_info() for node in net._compiled.get_runtime_model().get_ordered_ops()]
    of = {}
    for fact in facts:
        if fact["layerType"].astype(str) == "Convolution":
            names = fact["originalLayersNames"].astype(str)
            of[names.split("/")[0]] = fact["runtimePrecision"].astype(str) in ("u8", "i8")
    nodes = [node for node in onnx.load(path).graph.node if node.op_type == "Conv"]
    return [of[node.output[0]] for node in nodes]
