"""Trees in batches against the same trees walked one by one, by machine code and by NumPy."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facegrab.models.dat import ShapePredictor
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision import landmarks, tree_compiled, tree_numpy
from facegrab.vision.landmarks import Kind, TreeLandmarker

STAGES, TREES, SPLITS, FEATURES, POINTS = 3, 7, 15, 40, 5

needs_numba = pytest.mark.skipif(
    landmarks.walker_name() != "compiled", reason="Numba, which this platform may lack, is missing"
)

Scene = tuple[list[Image], IntArray, FloatArray]


@pytest.fixture(params=[pytest.param("compiled", marks=needs_numba), "numpy"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each way to walk."""
    return "compiled" if request.param == "compiled" else "numpy"


def grown(
    random: np.random.Generator,
    *,
    stages: int = STAGES,
    trees: int = TREES,
    splits: int = SPLITS,
    features: int = FEATURES,
    points: int = POINTS,
) -> ShapePredictor:
    """A random forest that leads to points about its box."""
    splitting = (stages, trees, splits)
    return ShapePredictor(
        initial=random.uniform(0.2, 0.8, (points, 2)).astype(np.float32),
        split_a=random.integers(0, features, splitting).astype(np.int32),
        split_b=random.integers(0, features, splitting).astype(np.int32),
        # Whole ones: differences of grey meet them.
        threshold=random.integers(-80, 80, splitting).astype(np.float32),
        leaf=random.normal(0, 0.02, (stages, trees, splits + 1, 2 * points)).astype(np.float32),
        anchor=random.integers(0, points, (stages, features)).astype(np.int32),
        delta=random.normal(0, 0.2, (stages, features, 2)).astype(np.float32),
    )


@pytest.fixture
def forest() -> ShapePredictor:
    return grown(np.random.default_rng(0))


@pytest.fixture
def scene() -> Scene:
    """11 faces in two images, some over the edge."""
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((90, 70), (60, 120))]
    low = random.integers(-30, 60, (11, 2))
    box = np.hstack([low, low + random.integers(20, 60, (11, 2))]).astype(np.float32)
    return images, random.integers(0, 2, 11), box


def by_hand(forest: ShapePredictor, image: Image, box: FloatArray) -> FloatArray:
    """One face, tree by tree, split by split, straight from the paper."""
    corner, side = box[:2].astype(float), (box[2:] - box[:2]).astype(float)
    shape = forest.initial.copy()
    for stage in range(len(forest.leaf)):
        centred = forest.initial - forest.initial.mean(axis=0)
        moved = shape - shape.mean(axis=0)
        ratio = complex(0, 0)
        for (x, y), (u, v) in zip(centred.tolist(), moved.tolist(), strict=True):
            ratio += complex(u, v) * complex(x, -y)
        ratio /= float((centred**2).sum())
        grey = []
        for feature in range(forest.anchor.shape[1]):
            offset = complex(*forest.delta[stage, feature].tolist()) * ratio
            anchor = shape[forest.anchor[stage, feature]]
            x = int(np.floor((anchor[0] + offset.real) * side[0] + corner[0] + 0.5))
            y = int(np.floor((anchor[1] + offset.imag) * side[1] + corner[1] + 0.5))
            inside = 0 <= x < image.shape[1] and 0 <= y < image.shape[0]
            grey.append(int(image[y, x].astype(int).sum()) // 3 if inside else 0)
        splits = forest.threshold.shape[2]
        for tree in range(forest.threshold.shape[1]):
            node = 0
            while node < splits:
                a = grey[forest.split_a[stage, tree, node]]
                b = grey[forest.split_b[stage, tree, node]]
                node = 2 * node + (1 if a - b > forest.threshold[stage, tree, node] else 2)
            shape = shape + forest.leaf[stage, tree, node - splits].reshape(-1, 2)
    return np.asarray(np.floor(shape * side + corner + 0.5), np.float32)


def test_batches_are_the_faces_one_by_one(
    forest: ShapePredictor, scene: Scene, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, image_of, box = scene
    expected = [by_hand(forest, images[i], b) for i, b in zip(image_of, box, strict=True)]
    landmarker = TreeLandmarker(forest, kind)
    for size in (1, 4, 64):
        monkeypatch.setattr(tree_numpy, "CHUNK", size)
        assert landmarker(images, image_of, box).tolist() == np.array(expected).tolist()
        for start in range(0, len(box), size):
            rows = slice(start, start + size)
            assert (landmarker(images, image_of[rows], box[rows]) == expected[rows]).all()


def test_no_faces_no_points(
    forest: ShapePredictor, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is there anything to be compiled or loaded for."""
    monkeypatch.setattr(tree_compiled, "_function", None)
    nobody = np.empty((0, 4), np.float32)
    points = TreeLandmarker(forest, kind)([], np.empty(0, np.int64), nobody)
    assert points.shape == (0, POINTS, 2)
    assert points.dtype == np.float32


def _boxes(random: np.random.Generator, count: int) -> FloatArray:
    """Whole and broken; within, at and over the edge; of a pixel and less and of millions."""
    low = random.uniform(-150, 250, (count, 2))
    side = random.uniform(0.3, 1, (count, 2)) * 10.0 ** random.integers(0, 7, (count, 1))
    box = np.hstack([low, low + side])
    box[::3] = np.floor(box[::3])
    return box.astype(np.float32)


@needs_numba
@pytest.mark.parametrize("points", [2, 5, 31, 68, 129])
@pytest.mark.parametrize("depth", [1, 4, 6])
def test_both_walk_the_same_way(points: int, depth: int) -> None:
    """To the bit, whatever the trees and the boxes are like."""
    random = np.random.default_rng(100 * points + depth)
    for trees, features in ((1, 1), (6, 9), (19, 300)):
        forest = grown(
            random, trees=trees, splits=2**depth - 1, features=features, points=points
        )  # fmt: skip
        sizes = ((1, 1), (200, 170), (3, 400))
        images = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
        image_of, box = random.integers(0, 3, 60), _boxes(random, 60)
        compiled, numpy = (
            TreeLandmarker(forest, kind)(images, image_of, box) for kind in ("compiled", "numpy")
        )
        assert np.isfinite(compiled).all()
        np.testing.assert_array_equal(compiled, numpy)


@needs_numba
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 1), (2, 5)])
def test_the_last_pixel_is_seen_as_any_other(size: tuple[int, int]) -> None:
    """Four bytes are read of each, and behind the last one is nothing."""
    random = np.random.default_rng(8)
    forest = grown(random, trees=40, features=60)
    images = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(20)]
    box = np.tile(np.array([[0, 0, *size[::-1]]], np.float32) * 3 - 1, (20, 1))
    compiled, numpy = (
        TreeLandmarker(forest, kind)(images, np.arange(20), box) for kind in ("compiled", "numpy")
    )
    np.testing.assert_array_equal(compiled, numpy)


@needs_numba
def test_products_and_sums_are_rounded_one_by_one() -> None:
    """Fused, as compilers like to, they differ in the last bit: here by a tenth of a pixel."""
    random = np.random.default_rng(3)
    forest = grown(random, trees=30, features=400)
    image = random.integers(0, 256, (1, 3_000_000, 3), dtype=np.uint8)
    box = np.array([[start, 0, start + 2_500_000, 0.1] for start in range(20)], np.float32)
    compiled, numpy = (
        TreeLandmarker(forest, kind)([image], np.zeros(20, np.int64), box)
        for kind in ("compiled", "numpy")
    )
    np.testing.assert_array_equal(compiled, numpy)


def test_leaves_are_added_in_turn_in_float32(forest: ShapePredictor, kind: Kind) -> None:
    """Every tree has one leaf value: 1 is lost beside 3e7, if that comes first."""
    values = np.array([0.5, 3e7, 1, -3e7, 0.25, 3e7, 1.5], np.float32)
    leaf = np.zeros_like(forest.leaf)
    leaf[0] += values[:, None, None]
    forest = replace(forest, leaf=leaf)
    expected = forest.initial
    for value in values:
        expected = expected + value
    box = np.array([[0, 0, 1, 1]], np.float32)
    image = np.zeros((4, 4, 3), np.uint8)
    points = TreeLandmarker(forest, kind)([image], np.zeros(1, np.int64), box)
    assert points[0].tolist() == np.floor(expected.astype(float) + 0.5).tolist()
    assert (points[0] != forest.initial + values.sum(dtype=float)).any()


def test_images_of_any_layout(forest: ShapePredictor, scene: Scene, kind: Kind) -> None:
    """Turned, mirrored, cut out and locked ones are read as what they show."""
    (image, _), _, box = scene
    views = [image.transpose(1, 0, 2), image[::-1, ::-1], image[5:40, 3:-7], image[..., ::-1]]
    (locked := image.copy()).flags.writeable = False
    landmarker, which = TreeLandmarker(forest, kind), np.zeros(len(box), np.int64)
    for view in (*views, locked):
        assert (landmarker([view], which, box) == landmarker([view.copy()], which, box)).all()


@needs_numba
@pytest.mark.parametrize(
    "image", [np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3))]
)
def test_machine_code_reads_images_only(forest: ShapePredictor, image: Image) -> None:
    box = np.array([[0, 0, 8, 8]], np.float32)
    with pytest.raises(ValueError, match="an image is uint8"):
        TreeLandmarker(forest, "compiled")([image], np.zeros(1, np.int64), box)


@needs_numba
def test_machine_code_finds_places_up_to_a_size_only(forest: ShapePredictor) -> None:
    """Numbers of pixels and of features would not fit into their words; nothing is allocated."""
    image = np.broadcast_to(np.uint8(0), (30_000, 30_000, 3))
    with pytest.raises(ValueError, match="too large"):
        TreeLandmarker(forest, "compiled")(
            [image], np.zeros(1, np.int64), np.ones((1, 4), np.float32)
        )
    many = grown(np.random.default_rng(0), features=(1 << 16) + 1)
    with pytest.raises(ValueError, match="65537 features"):
        TreeLandmarker(many, "compiled")


@needs_numba
def test_every_box_needs_an_image(forest: ShapePredictor, scene: Scene) -> None:
    images, image_of, box = scene
    with pytest.raises(ValueError, match="11 boxes, but images of 10"):
        TreeLandmarker(forest, "compiled")(images, image_of[:-1], box)
    with pytest.raises(IndexError):
        TreeLandmarker(forest, "compiled")(images[:1], image_of, box)


def test_threads_share_a_landmarker(kind: Kind) -> None:
    random = np.random.default_rng(5)
    landmarker = TreeLandmarker(grown(random, stages=9, trees=90, points=68), kind)
    images = [random.integers(0, 256, (150, 150, 3), dtype=np.uint8) for _ in range(3)]
    calls = [(random.integers(0, 3, 99), _boxes(random, 99)) for _ in range(12)]
    alone = [landmarker(images, *call) for call in calls]
    rounds = 20 if kind == "compiled" else 2  # so that both take long enough to meet
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda call: landmarker(images, *call), calls * rounds))
    assert all((one == other).all() for one, other in zip(alone * rounds, together, strict=True))


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(landmarks, "find_spec", lambda name: None)
    landmarks.walker_name.cache_clear()
    yield
    landmarks.walker_name.cache_clear()


@pytest.mark.usefixtures("without_numba")
def test_without_numba_numpy_walks_and_the_log_says_so_once(
    forest: ShapePredictor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "facegrab")
    assert {TreeLandmarker(forest).kind, TreeLandmarker(forest).kind} == {"numpy"}
    assert len(caplog.messages) == 1
    assert "pip install numba" in caplog.text


@needs_numba
def test_with_numba_machine_code_walks(
    forest: ShapePredictor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "facegrab")
    assert TreeLandmarker(forest).kind == "compiled"
    assert caplog.messages == []


STARTING = """
import sys
import numpy as np
import facegrab, facegrab.cli, facegrab.grab
from test_vision_landmarks import grown
from facegrab.vision.landmarks import TreeLandmarker
landmarker = TreeLandmarker(grown(np.random.default_rng(0)))
image, box = np.zeros((9, 9, 3), np.uint8), np.array([[0, 0, 8, 8]], np.float32)
landmarker([image], np.zeros(0, np.int64), box[:0])
assert not {"numba", "llvmlite"} & sys.modules.keys()
landmarker([image], np.zeros(1, np.int64), box)
print("llvmlite" in sys.modules, "numba" in sys.modules)
"""


@needs_numba
def test_numba_is_imported_to_compile_only(tmp_path: Path) -> None:
    """And nothing of it before a face is there."""
    command = [sys.executable, "-W", "error", "-c", STARTING]
    environment = {**os.environ, "FACEGRAB_CACHE": str(tmp_path)}
    here = Path(__file__).parent
    said = [
        subprocess.run(command, check=True, cwd=here, env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [each.stdout.split() for each in said] == [[b"True", b"True"], [b"True", b"False"]]
