"""YuNet in machine code answers as ONNX Runtime does; what it is not made for, it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs_of_kinds import Size, detector_spec, saved
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from separable_graphs import separable

from facegrab import cache, machine_code
from facegrab.models import separable as separable_module
from facegrab.models import separable_net
from facegrab.models.canvas import CanvasLook, Look
from facegrab.models.compute import BF16, CUDA, OPENVINO, Compute
from facegrab.models.inspect import USUAL
from facegrab.models.joined_heads import with_joined_heads
from facegrab.models.runtime import load_many
from facegrab.models.separable import HEAD, POOL, STEM, SUM, UNIT, Separable, read_separable
from facegrab.models.separable_net import SeparableLook, load_separable
from facegrab.models.specs import ColourOrder, Pixels
from facegrab.types import Image
from facegrab.vision.feed import Feed
from facegrab.vision.graph_detector import GraphDetector
from facegrab.vision.open_onnx import open_detector

PIXELS = Pixels(*USUAL["yunet"])

needs_the_processor = pytest.mark.skipif(
    not machine_code.can_use(separable_net.NEEDED),
    reason="there is machine code for processors with AVX-512, if Numba is there",
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return saved(separable(Size(640, 640)), tmp_path / "yunet.onnx")


def noise(width: int, height: int, seed: int = 0) -> Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return levels.astype(np.uint8)


def look(graph: Path, pixels: Pixels = PIXELS) -> SeparableLook:
    net = load_separable(graph, pixels, Compute())
    assert net is not None
    return net.look()


def runtime_look(tmp_path: Path, pixels: Pixels = PIXELS) -> Look:
    open_graph = saved(separable(Size()), tmp_path / "open.onnx")
    return CanvasLook(load_many(with_joined_heads(open_graph)), pixels)


def check_same(one: Look, other: Look, image: Image, width: int, height: int) -> None:
    found, expected = one(image, width, height), other(image, width, height)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert np.ptp(theirs) > 0.5
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-5)


def test_the_layers_of_yunet(graph: Path) -> None:
    network = read_separable(graph)
    assert network is not None
    first, stride_4, stride_8 = [STEM, UNIT, POOL], [UNIT] * 4 + [POOL], [UNIT, UNIT, POOL]
    last = [UNIT] * 3 + [SUM, UNIT, SUM, UNIT]
    kinds = [layer.kind for layer in network.layers]
    assert kinds == first + stride_4 + stride_8 * 2 + last + [HEAD] * 3
    assert [layer.stride_px for layer in network.layers if layer.kind == HEAD] == [8, 16, 32]
    assert len(network.weights) == sum(sum(each.weight_counts) for each in network.layers)


def test_they_are_read_once(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_separable(graph)
    assert read is not None
    monkeypatch.delattr(separable_module, "read_graph")
    again = read_separable(graph)
    assert again is not None
    assert again.layers == read.layers
    np.testing.assert_array_equal(again.weights, read.weights)


def wider(network: Separable) -> Separable:
    layers = (network.layers[0]._replace(filters=1), *network.layers[1:])
    return network._replace(layers=layers)


def with_another_source(source: int) -> Callable[[Separable], Separable]:
    def changed(network: Separable) -> Separable:
        layers = list(network.layers)
        layers[5] = layers[5]._replace(source=source)
        return network._replace(layers=tuple(layers))

    return changed


def with_fewer_weights(network: Separable) -> Separable:
    return network._replace(weights=network.weights[:-1])


def with_a_layer_of_another_width(network: Separable) -> Separable:
    layers = list(network.layers)
    number = next(n for n, layer in enumerate(layers) if layer.channels == 64)
    layers[number] = layers[number]._replace(channels=16, filters=16)
    return network._replace(layers=tuple(layers))


@pytest.mark.parametrize(
    "change",
    [
        wider,
        with_another_source(-3),
        with_another_source(5),
        with_another_source(999),
        with_fewer_weights,
        with_a_layer_of_another_width,
    ],
)
def test_what_somebody_else_left_in_the_cache_is_made_anew(
    graph: Path, change: Callable[[Separable], Separable]
) -> None:
    """Its checksum is right, but the machine code would read and write where nothing is."""
    read = read_separable(graph)
    assert read is not None
    (path,) = cache.cache_folder().glob(f"*{separable_module.SUFFIX}")
    path.unlink()
    name = f"{separable_module.NAME}-{cache.content_hash(graph)[: separable_module.KEY_LENGTH]}"
    cache.put(name, separable_module.SUFFIX, separable_module._packed(change(read)))
    for _ in range(2):
        again = read_separable(graph)
        assert again is not None
        assert again.layers == read.layers
        np.testing.assert_array_equal(again.weights, read.weights)


@pytest.mark.parametrize("content", [b"1234", b"\0" * 16, b"\xff" * 64, b"\x05" + b"\0" * 40])
def test_a_file_in_the_cache_that_is_none_is_made_anew(graph: Path, content: bytes) -> None:
    name = f"{separable_module.NAME}-{cache.content_hash(graph)[: separable_module.KEY_LENGTH]}"
    cache.put(name, separable_module.SUFFIX, [content])
    assert read_separable(graph) is not None


def nodes_of(model: ModelProto, op: str) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type == op]


def another_activation(model: ModelProto) -> None:
    nodes_of(model, "Relu")[3].op_type = "LeakyRelu"


def a_first_activation_less(model: ModelProto) -> None:
    nodes_of(model, "Relu")[0].op_type = "Identity"


def stated(node: NodeProto, name: str) -> AttributeProto:
    found: AttributeProto = next(each for each in node.attribute if each.name == name)
    return found


def tensor_of(model: ModelProto, node: NodeProto, place: int) -> TensorProto:
    """What a node reads as its input of that number."""
    name = node.input[place]
    found: TensorProto = next(each for each in model.graph.initializer if each.name == name)
    return found


def fill(tensor: TensorProto, values: NDArray[Any]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def a_larger_pool(model: ModelProto) -> None:
    stated(nodes_of(model, "MaxPool")[0], "kernel_shape").ints[:] = [3, 3]


def smooth_enlargement(model: ModelProto) -> None:
    stated(nodes_of(model, "Resize")[0], "mode").s = b"linear"


def enlarged_otherwise(model: ModelProto) -> None:
    scales = tensor_of(model, nodes_of(model, "Resize")[0], 2)
    fill(scales, np.array([1, 1, 4, 4], np.float32))


def a_difference(model: ModelProto) -> None:
    nodes_of(model, "Add")[0].op_type = "Sub"


def a_first_layer_of_full_size(model: ModelProto) -> None:
    stated(nodes_of(model, "Conv")[0], "strides").ints[:] = [1, 1]


def a_weight_that_is_no_number(model: ModelProto) -> None:
    weight = tensor_of(model, nodes_of(model, "Conv")[2], 1)
    values = numpy_helper.to_array(weight).copy()
    values.flat[3] = np.nan
    fill(weight, values)


def a_coarser_level(model: ModelProto) -> None:
    """A level of stride 64, enlarged and added to the coarsest."""
    nodes = list(model.graph.node)
    enlarged = nodes_of(model, "Resize")[0]
    coarsest, reader = enlarged.input[0], nodes_of(model, "Add")[0]
    usual = nodes_of(model, "MaxPool")[0].attribute
    more = [
        helper.make_node("MaxPool", [coarsest], ["coarser"]),
        helper.make_node("Resize", ["coarser", *enlarged.input[1:]], ["coarser_twice"]),
        helper.make_node("Add", [coarsest, "coarser_twice"], ["coarsest_more"]),
    ]
    more[0].attribute.extend(usual)
    more[1].attribute.extend(enlarged.attribute)
    enlarged.input[0] = "coarsest_more"
    at = next(number for number, node in enumerate(nodes) if node.output == enlarged.output)
    assert reader in nodes[at:]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:at], *more, *nodes[at:]])


def a_bias_of_one_number(model: ModelProto) -> None:
    fill(tensor_of(model, nodes_of(model, "Conv")[2], 2), np.zeros(1, np.float32))


def a_bias_in_double(model: ModelProto) -> None:
    bias = tensor_of(model, nodes_of(model, "Conv")[2], 2)
    fill(bias, numpy_helper.to_array(bias).astype(np.float64))


def a_weight_cut_off(model: ModelProto) -> None:
    weight = tensor_of(model, nodes_of(model, "Conv")[2], 1)
    weight.raw_data = weight.raw_data[:-7]


@pytest.mark.parametrize(
    "change",
    [
        a_coarser_level,
        a_bias_of_one_number,
        a_bias_in_double,
        a_weight_cut_off,
        another_activation,
        a_first_activation_less,
        a_larger_pool,
        smooth_enlargement,
        enlarged_otherwise,
        a_difference,
        a_first_layer_of_full_size,
        a_weight_that_is_no_number,
    ],
)
def test_another_form_is_left_to_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[ModelProto], None]
) -> None:
    model = separable(Size())
    assert read_separable(saved(model, tmp_path / "as_it_was.onnx"))
    change(model)
    path = saved(model, tmp_path / "other.onnx")
    assert read_separable(path) is None
    monkeypatch.delattr(separable_module, "read_graph")  # which is remembered
    assert read_separable(path) is None


@needs_the_processor
@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_the_answers_are_the_runtimes(tmp_path: Path, graph: Path, order: ColourOrder) -> None:
    """Sides of one and of several tiles, and pictures that end within what is fed."""
    pixels = replace(PIXELS, order=order)
    mine, theirs = look(graph, pixels), runtime_look(tmp_path, pixels)
    for width, height, columns, lines in (
        (32, 32, 32, 32),
        (32, 32, 1, 1),
        (64, 96, 64, 96),
        (96, 64, 70, 33),
        (864, 64, 864, 50),
        (416, 256, 401, 255),
        (32, 32, 17, 32),
    ):
        check_same(mine, theirs, noise(columns, lines), width, height)


@needs_the_processor
def test_nothing_is_left_of_the_image_before(tmp_path: Path, graph: Path) -> None:
    mine, theirs = look(graph), runtime_look(tmp_path)
    for columns, lines in ((96, 64), (50, 40), (96, 10), (96, 64), (95, 63)):
        check_same(mine, theirs, noise(columns, lines, seed=columns + lines), 96, 64)


@needs_the_processor
def test_a_part_of_an_image(tmp_path: Path, graph: Path) -> None:
    """Its rows lie apart; one that is mirrored is copied first."""
    mine, theirs = look(graph), runtime_look(tmp_path)
    image = noise(200, 100)
    for part in (image[10:70, 20:110], image[:60, 99:9:-1], image[::2, :90]):
        check_same(mine, theirs, part, 96, 64)


@needs_the_processor
def test_threads_have_memory_of_their_own(graph: Path) -> None:
    images = [noise(416, 256, seed) for seed in range(8)]
    alone = look(graph)
    expected = [[each.copy() for each in alone(image, 416, 256)] for image in images]
    shared = look(graph)

    def seen(image: Image) -> list[np.ndarray]:
        return [each.copy() for _ in range(5) for each in shared(image, 416, 256)]

    with ThreadPoolExecutor(4) as pool:
        for found, one in zip(pool.map(seen, images), expected, strict=True):
            for mine, theirs in zip(found, one * 5, strict=True):
                np.testing.assert_array_equal(mine, theirs)


@needs_the_processor
def test_what_does_not_fit_is_refused(graph: Path) -> None:
    mine = look(graph)
    for image in (noise(97, 64), noise(96, 65), noise(0, 10), noise(96, 64)[..., :2]):
        with pytest.raises(ValueError, match="no image for 96x64"):
            mine(image, 96, 64)
    with pytest.raises(ValueError, match="no image"):
        mine(noise(96, 64).astype(np.float32), 96, 64)
    with pytest.raises(ValueError, match="100x64 is no multiple of 32"):
        mine(noise(96, 64), 100, 64)


@needs_the_processor
def test_it_is_used_where_nothing_else_is_asked_for(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_separable(graph, PIXELS, Compute()) is not None
    for compute in (Compute(CUDA), Compute(runtime=OPENVINO), Compute(precision=BF16)):
        assert load_separable(graph, PIXELS, compute) is None
    for pixels in (replace(PIXELS, mean=(0, 0, 1)), replace(PIXELS, divisor=(1, 2, 1))):
        assert load_separable(graph, pixels, Compute()) is None
    with monkeypatch.context() as patch:
        patch.setattr(machine_code, "can_use", lambda feature: feature != "avx512f")
        assert load_separable(graph, PIXELS, Compute()) is None
    monkeypatch.setattr(machine_code, "find_spec", lambda _: None)
    assert load_separable(graph, PIXELS, Compute()) is None


@needs_the_processor
def test_the_detector_finds_the_same(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces out of noise, at the size of the picture and shown smaller."""
    spec = detector_spec(graph, "yunet", 640, 640)
    opened = {}
    for name, has in (("code", True), ("runtime", False)):
        with monkeypatch.context() as patch:
            patch.setattr(machine_code, "can_use", lambda _, has=has: has)
            opened[name] = open_detector(spec, Compute())
    kind = replace(opened["code"]._kind, least_score=0.55)
    faces = 0
    for detector in opened.values():
        monkeypatch.setattr(detector, "_kind", kind)
    for factor in (1, 0.5):
        found, expected = (each([noise(317, 211)], [Feed(factor)])[0] for each in opened.values())
        faces += len(found)
        np.testing.assert_allclose(found.box, expected.box, atol=0.01)
        np.testing.assert_allclose(found.score, expected.score, atol=1e-5)
    assert faces >= 5
    looks = [type(each._whole_look) for each in opened.values()]
    assert looks == [SeparableLook, CanvasLook]
    assert isinstance(opened["code"], GraphDetector)
