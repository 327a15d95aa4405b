"""YuNet's heads, joined, say what they said apart; another graph is left as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import Size, saved
from onnx import ModelProto
from separable_graphs import separable

from facegrab.models import heads
from facegrab.models.any_size import load_detector
from facegrab.models.compute import Compute
from facegrab.models.graph_file import read_graph
from facegrab.models.heads import STRIDES_PX, check_outputs
from facegrab.models.inspect import USUAL
from facegrab.models.joined_heads import with_joined_heads
from facegrab.models.runtime import load_many
from facegrab.models.specs import Pixels
from facegrab.types import FloatArray
from facegrab.vision.yunet import decode

WIDTH, HEIGHT = 96, 64


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def picture() -> FloatArray:
    levels = np.random.default_rng(1).integers(0, 256, (1, 3, HEIGHT, WIDTH))
    return levels.astype(np.float32)


def logistic(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)


def test_the_answers_are_those_of_the_graph(tmp_path: Path, picture: FloatArray) -> None:
    path = saved(separable(Size()), tmp_path / "yunet.onnx")
    apart = load_many(path)(picture)
    joined = load_many(with_joined_heads(path))(picture)
    assert len(joined) == len(STRIDES_PX)
    for level, cells in enumerate(joined):
        for output, columns in enumerate(
            (slice(0, 1), slice(1, 2), slice(2, 6), slice(6, 16)),
        ):
            found = cells[..., columns] if output > 1 else logistic(cells[..., columns])
            np.testing.assert_allclose(found, apart[3 * output + level], rtol=1e-5, atol=1e-5)


def test_the_faces_are_the_same(tmp_path: Path, picture: FloatArray) -> None:
    path = saved(separable(Size()), tmp_path / "yunet.onnx")
    nets = load_many(path), load_many(with_joined_heads(path))
    for least_score in (0.5, 0.55, 0.6):
        apart, joined = (decode(net(picture), WIDTH, HEIGHT, least_score) for net in nets)
        assert 5 <= len(apart.score) < 126
        for one, other in zip(apart, joined, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)


def test_a_declared_size_is_no_obstacle(tmp_path: Path, picture: FloatArray) -> None:
    order, mean, divisor = USUAL["yunet"]
    declared = Pixels(order, mean, divisor, 640, 640, 1)
    path = saved(separable(Size(640, 640)), tmp_path / "yunet.onnx")
    net, pixels = load_detector(path, "yunet", declared, Compute())
    assert (pixels.width_px, pixels.height_px) == (None, None)
    assert [each.shape for each in net(picture)] == [(1, 96, 16), (1, 24, 16), (1, 6, 16)]


def test_it_is_made_once(tmp_path: Path) -> None:
    path = saved(separable(Size()), tmp_path / "yunet.onnx")
    made = with_joined_heads(path)
    assert made.parent == tmp_path / "cache"
    assert with_joined_heads(path) == made
    assert len(list((tmp_path / "cache").glob("*.onnx"))) == 1


def without_a_sigmoid(model: ModelProto) -> None:
    sigmoid = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    sigmoid.op_type = "Identity"


def without_padding(model: ModelProto) -> None:
    conv = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    next(each for each in conv.attribute if each.name == "pads").ints[:] = [0] * 4


def transposed_otherwise(model: ModelProto) -> None:
    last = [node for node in model.graph.node if node.op_type == "Transpose"][-1]
    last.attribute[0].ints[:] = [0, 3, 2, 1]


def one_output_less(model: ModelProto) -> None:
    del model.graph.output[-1]


@pytest.mark.parametrize(
    "change", [without_a_sigmoid, without_padding, transposed_otherwise, one_output_less]
)
def test_another_form_is_left_alone(tmp_path: Path, change: Callable[[ModelProto], None]) -> None:
    model = separable(Size())
    change(model)
    path = saved(model, tmp_path / "other.onnx")
    assert with_joined_heads(path) == path


def test_other_heads_are_left_alone(tmp_path: Path) -> None:
    path = saved(separable(Size(), points=8), tmp_path / "other.onnx")
    assert len(read_graph(with_joined_heads(path)).graph.output) == 12


def test_what_answers_otherwise_when_joined_is_taken_apart(
    tmp_path: Path, picture: FloatArray
) -> None:
    """Here the strides come coarsest first, which the joined outputs would not tell."""
    model = separable(Size())
    outputs = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend(reversed(outputs))
    path = saved(model, tmp_path / "yunet.onnx")
    order, mean, divisor = USUAL["yunet"]
    net, _ = load_detector(path, "yunet", Pixels(order, mean, divisor), Compute())
    assert len(net(picture)) == 12


def test_a_file_of_somebody_elses_has_no_joined_heads() -> None:
    """They are read as logits, which nobody but us writes."""
    shapes = [(1, heads.cells(WIDTH, HEIGHT, stride_px), 16) for stride_px in STRIDES_PX]
    check_outputs("yunet", shapes, WIDTH, HEIGHT, joined=True)
    with pytest.raises(ValueError, match="columns"):
        check_outputs("yunet", shapes, WIDTH, HEIGHT)
