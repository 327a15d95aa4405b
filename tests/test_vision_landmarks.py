"""Trees in batches against the same trees walked one by one."""

from __future__ import annotations

import numpy as np
import pytest

from facegrab.models.dat import ShapePredictor
from facegrab.types import FloatArray, Image
from facegrab.vision import landmarks
from facegrab.vision.landmarks import TreeLandmarker

STAGES, TREES, SPLITS, FEATURES, POINTS = 3, 7, 15, 40, 5


@pytest.fixture
def forest() -> ShapePredictor:
    random = np.random.default_rng(0)
    return ShapePredictor(
        initial=random.uniform(0.2, 0.8, (POINTS, 2)).astype(np.float32),
        split_a=random.integers(0, FEATURES, (STAGES, TREES, SPLITS)).astype(np.int32),
        split_b=random.integers(0, FEATURES, (STAGES, TREES, SPLITS)).astype(np.int32),
        threshold=random.uniform(-80, 80, (STAGES, TREES, SPLITS)).astype(np.float32),
        leaf=random.normal(0, 0.02, (STAGES, TREES, SPLITS + 1, 2 * POINTS)).astype(np.float32),
        anchor=random.integers(0, POINTS, (STAGES, FEATURES)).astype(np.int32),
        delta=random.normal(0, 0.2, (STAGES, FEATURES, 2)).astype(np.float32),
    )


def by_hand(forest: ShapePredictor, image: Image, box: FloatArray) -> FloatArray:
    """One face, tree by tree, split by split, straight from the paper."""
    corner, side = box[:2].astype(float), (box[2:] - box[:2]).astype(float)
    shape = forest.initial.copy()
    for stage in range(STAGES):
        centred = forest.initial - forest.initial.mean(axis=0)
        moved = shape - shape.mean(axis=0)
        ratio = complex(0, 0)
        for (x, y), (u, v) in zip(centred.tolist(), moved.tolist(), strict=True):
            ratio += complex(u, v) * complex(x, -y)
        ratio /= float((centred**2).sum())
        grey = []
        for feature in range(FEATURES):
            offset = complex(*forest.delta[stage, feature].tolist()) * ratio
            anchor = shape[forest.anchor[stage, feature]]
            x = int(np.floor((anchor[0] + offset.real) * side[0] + corner[0] + 0.5))
            y = int(np.floor((anchor[1] + offset.imag) * side[1] + corner[1] + 0.5))
            inside = 0 <= x < image.shape[1] and 0 <= y < image.shape[0]
            grey.append(int(image[y, x].astype(int).sum()) // 3 if inside else 0)
        for tree in range(TREES):
            node = 0
            while node < SPLITS:
                a = grey[forest.split_a[stage, tree, node]]
                b = grey[forest.split_b[stage, tree, node]]
                node = 2 * node + (1 if a - b > forest.threshold[stage, tree, node] else 2)
            shape = shape + forest.leaf[stage, tree, node - SPLITS].reshape(-1, 2)
    return np.asarray(np.floor(shape * side + corner + 0.5), np.float32)


def test_batches_are_the_faces_one_by_one(
    forest: ShapePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((90, 70), (60, 120))]
    low = random.integers(-30, 60, (11, 2))
    box = np.hstack([low, low + random.integers(20, 60, (11, 2))]).astype(np.float32)
    image_of = random.integers(0, 2, 11)
    expected = [by_hand(forest, images[i], b) for i, b in zip(image_of, box, strict=True)]
    for chunk in (1, 4, 64):
        monkeypatch.setattr(landmarks, "CHUNK", chunk)
        points = TreeLandmarker(forest)(images, image_of, box)
        assert np.abs(points - np.array(expected)).max() == 0


def test_no_faces_no_points(forest: ShapePredictor) -> None:
    nobody = np.empty((0, 4), np.float32)
    assert TreeLandmarker(forest)([], np.empty(0, np.int64), nobody).shape == (0, POINTS, 2)
