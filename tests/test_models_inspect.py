"""What an ONNX file tells of itself, and what is said of one that tells nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import (
    ARCFACE_LENGTH,
    Graph,
    Size,
    arcface,
    detector_spec,
    recogniser_spec,
    retinaface,
    saved,
    scrfd,
    ultraface,
    yunet,
)
from onnx import ModelProto, TensorProto, helper, numpy_helper

from facegrab.errors import AccessError, MissingError, WeightsError
from facegrab.models import graph_file
from facegrab.models.any_size import without_size
from facegrab.models.inspect import KINDS, inspect_graph, try_out


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


def relu(**options: int) -> ModelProto:
    """Of no kind."""
    graph = Graph()
    return graph.model(Size(), [graph.node("Relu", "x")], **options)


def chip(
    size: int | None = 112, batch: int | None = None, *, subtracts: bool = False
) -> ModelProto:
    return arcface(Size(size, size, batch), subtracts=subtracts)


@pytest.mark.parametrize(
    ("model", "kind", "side"),
    [
        (yunet(Size(640, 640)), "yunet", None),
        (yunet(Size()), "yunet", None),
        (yunet(Size(160, 96, bound=True)), "yunet", (160, 96)),
        (scrfd(Size()), "scrfd", None),
        (scrfd(Size(), points=False, flat=False), "scrfd", None),
        (scrfd(Size(320, 320)), "scrfd", None),
        (retinaface(Size(640, 640)), "retinaface", None),
        (retinaface(Size(160, 100, bound=True)), "retinaface", (160, 100)),
        (ultraface(Size(320, 240)), "ultraface", (320, 240)),
        (ultraface(Size(640, 480)), "ultraface", (640, 480)),
    ],
)
def test_detectors(
    tmp_path: Path, model: ModelProto, kind: str, side: tuple[int, int] | None
) -> None:
    path = saved(model, tmp_path / "model.onnx")
    found = inspect_graph(path)
    assert found.kind == kind
    assert (found.pixels.width_px, found.pixels.height_px) == (side or (None, None))
    assert found.pixels.batch == 1
    assert found.length is None
    assert found.smallest_px is not None
    assert inspect_graph(path, kind) == found


def test_a_graph_that_answers_other_sizes_with_that_of_its_own(tmp_path: Path) -> None:
    """It resizes what it is given: so its size is kept, and nobody reads cells that are not."""
    model = yunet(Size(160, 96))
    sizes = numpy_helper.from_array(np.array([1, 3, 96, 160]), "sizes")
    model.graph.initializer.append(sizes)
    model.graph.node[0].input[0] = "resized"
    resize = helper.make_node("Resize", ["x", "", "", "sizes"], ["resized"])
    model.graph.node.insert(0, resize)
    pixels = inspect_graph(saved(model, tmp_path / "model.onnx")).pixels
    assert (pixels.width_px, pixels.height_px) == (160, 96)


def test_usual_colours(tmp_path: Path) -> None:
    """Of YuNet as OpenCV feeds it, of RetinaFace as it was trained, of ArcFace as usual."""
    pixels = inspect_graph(saved(yunet(Size()), tmp_path / "a.onnx")).pixels
    assert (pixels.order, pixels.mean, pixels.divisor) == ("bgr", (0, 0, 0), (1, 1, 1))
    pixels = inspect_graph(saved(retinaface(Size()), tmp_path / "b.onnx")).pixels
    assert (pixels.order, pixels.mean, pixels.divisor) == ("bgr", (104, 117, 123), (1, 1, 1))
    pixels = inspect_graph(saved(chip(), tmp_path / "c.onnx")).pixels
    assert (pixels.order, pixels.mean, pixels.divisor) == ("rgb", (127.5,) * 3, (127.5,) * 3)


@pytest.mark.parametrize("batch", [1, 8, None])
def test_a_recogniser(tmp_path: Path, batch: int | None) -> None:
    found = inspect_graph(saved(chip(batch=batch), tmp_path / "model.onnx"))
    assert (found.kind, found.length, found.smallest_px) == ("arcface", ARCFACE_LENGTH, None)
    assert (found.pixels.width_px, found.pixels.height_px) == (112, 112)
    assert found.pixels.batch == batch


def test_a_recogniser_that_leaves_its_size_open_gets_the_usual_one(tmp_path: Path) -> None:
    """It fails at the size at which detectors are tried."""
    found = inspect_graph(saved(chip(None, 1), tmp_path / "model.onnx"))
    assert (found.kind, found.pixels.width_px) == ("arcface", 112)


def test_a_graph_that_subtracts_its_own_mean(tmp_path: Path) -> None:
    pixels = inspect_graph(saved(chip(subtracts=True), tmp_path / "model.onnx")).pixels
    assert (pixels.mean, pixels.divisor) == ((0, 0, 0), (1, 1, 1))


def test_an_unknown_kind_says_what_may_be_stated(tmp_path: Path) -> None:
    path = saved(relu(), tmp_path / "model.onnx")
    with pytest.raises(
        WeightsError, match=r"model.onnx is of no kind .*outputs 1x3x256x320.*--kind"
    ):
        inspect_graph(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_it_is_not_says_why(tmp_path: Path, kind: str) -> None:
    path = saved(relu(), tmp_path / "model.onnx")
    with pytest.raises(WeightsError, match=f"model.onnx is no {kind}: out.*1x3x256x320|not .rows"):
        inspect_graph(path, kind)


def test_a_kind_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no kind 'yolo' of network: yunet, scrfd"):
        inspect_graph(tmp_path / "model.onnx", "yolo")


def integers() -> ModelProto:
    return relu(elem_type=TensorProto.UINT8)


def channels_last() -> ModelProto:
    model = relu()
    for dim, side in zip(
        model.graph.input[0].type.tensor_type.shape.dim, (1, 64, 64, 3), strict=True
    ):
        dim.dim_value = side
    return model


def two_inputs() -> ModelProto:
    model = relu()
    model.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1]))
    return model


def flat_input() -> ModelProto:
    model = relu()
    del model.graph.input[0].type.tensor_type.shape.dim[2:]
    return model


def newer(opset: int, ir_version: int) -> ModelProto:
    model = relu()
    model.opset_import[0].version = opset
    model.ir_version = ir_version
    return model


def outside() -> ModelProto:
    """Its weights are to be read from a file of the machine."""
    model = yunet(Size())
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return model


def hidden_outside() -> ModelProto:
    """The same, within a node within a node."""
    tensor = outside().graph.initializer[0]
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    branch = helper.make_graph([constant], "branch", [], [])
    graph = Graph()
    graph.node("If", "x", then_branch=branch, else_branch=branch)
    return graph.model(Size(), [graph.node("Relu", "x")])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (integers, "takes uint8, not float"),
        (channels_last, r"takes \(1, 64, 64, 3\), not \(N, 3, H, W\) \(channels first"),
        (two_inputs, "takes 2 inputs, not one image"),
        (flat_input, r"takes \(1, 3\), not an image"),
        (partial(newer, 99, 8), r"is of opset 99 .* newer than ONNX Runtime \d.*pip install -U"),
        (partial(newer, 17, 99), "is of opset 17 and ONNX IR 99, newer"),
        (outside, "keeps its weights in other files"),
        (hidden_outside, "keeps its weights in other files"),
        (partial(yunet, Size(batch=4)), "takes 4 images at a time"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, make: Callable[[], ModelProto], words: str) -> None:
    path = saved(make(), tmp_path / "model.onnx")
    with pytest.raises(WeightsError, match=f"model.onnx {words}"):
        inspect_graph(path)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(100), b"\x08\x07", b"GIF89a" * 99])
def test_files_that_are_no_graphs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"model.onnx is no ONNX file"):
        inspect_graph(path)


def test_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    content = yunet(Size()).SerializeToString()
    for end in range(1, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(WeightsError, match=r"model.onnx"):
            inspect_graph(path)


def test_a_file_that_is_not_there_too_large_or_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingError, match=r"no.onnx does not exist"):
        inspect_graph(tmp_path / "no.onnx")
    with pytest.raises(AccessError, match="cannot read"):
        inspect_graph(tmp_path)
    path = saved(relu(), tmp_path / "model.onnx")
    monkeypatch.setattr(graph_file, "LARGEST_BYTES", 10)
    with pytest.raises(WeightsError, match=r"model.onnx is .* MB: more than"):
        inspect_graph(path)


def test_a_declared_size_is_taken_away_once_and_cached(tmp_path: Path) -> None:
    path = saved(yunet(Size(640, 640)), tmp_path / "model.onnx")
    before = path.read_bytes()
    free = without_size(path)
    assert free.parent == tmp_path / "cache"
    made = free.stat().st_mtime_ns
    assert without_size(path) == free
    assert free.stat().st_mtime_ns == made
    assert path.read_bytes() == before
    open_file = saved(yunet(Size()), tmp_path / "open.onnx")
    assert without_size(open_file) == open_file


@pytest.mark.parametrize("size", [Size(), Size(640, 640), Size(160, 96, bound=True)])
def test_a_detector_is_tried_out(tmp_path: Path, size: Size) -> None:
    path = saved(yunet(size), tmp_path / "model.onnx")
    bound = (size.width, size.height) if size.bound else (None, None)
    try_out(detector_spec(path, "yunet", *bound))
    picture = np.zeros((1000, 900, 3), np.uint8)
    try_out(detector_spec(path, "yunet", *bound), picture)
    with pytest.raises(WeightsError, match=r"model.onnx is no retinaface: outputs"):
        try_out(detector_spec(path, "retinaface", *bound))


@pytest.mark.parametrize("batch", [1, 8, None])
def test_a_recogniser_is_tried_out(tmp_path: Path, batch: int | None) -> None:
    spec = recogniser_spec(saved(chip(batch=batch), tmp_path / "model.onnx"), batch)
    try_out(spec)
    with pytest.raises(WeightsError, match="gives 147 numbers a face, not 512"):
        try_out(replace(spec, length=512))
    pixels = replace(spec.pixels, width_px=96, height_px=96)
    with pytest.raises(WeightsError, match=r"model.onnx cannot be run on a picture"):
        try_out(replace(spec, pixels=pixels))


def test_numbers_that_are_not_finite_are_told(tmp_path: Path) -> None:
    model = arcface(Size(112, 112, 1), factor=float("nan"))
    with pytest.raises(
        WeightsError, match=r"model.onnx answers a picture with numbers that are not"
    ):
        try_out(recogniser_spec(saved(model, tmp_path / "model.onnx")))
