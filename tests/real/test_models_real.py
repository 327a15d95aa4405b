"""The real weights: read to the last byte, and computing what dlib computes."""

from __future__ import annotations

from functools import cache
from typing import Literal

import dlib
import numpy as np
import pytest
from skimage import data

from facegrab.models import details, weights
from facegrab.models.compute import Compute
from facegrab.models.dat import read_detector, read_recogniser, read_shape_predictor
from facegrab.models.layers import DETECTOR_PLAN, RECOGNISER_PLAN
from facegrab.models.runtime import Net, load_net
from facegrab.types import FloatArray, Image

pytestmark = pytest.mark.real


@cache
def recogniser() -> Net:
    return load_net(weights.recogniser_graph(), Compute(threads=2))


@cache
def photo() -> Image:
    """Eileen Collins, her face in rows 60 to 200 and columns 160 to 300."""
    return np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]


def network_input(chips: list[Image]) -> FloatArray:
    """float32 (N, 3, H, W), as dlib's input_rgb_image makes it."""
    mean = np.array(details.MEAN_RGB, np.float32)
    x = (np.stack(chips).astype(np.float32) - mean) / np.float32(256)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def test_networks_are_read_to_the_last_byte() -> None:
    folder = weights.weights_folder()
    detector = read_detector(folder / weights.DETECTOR_FILE)
    recogniser = read_recogniser(folder / weights.RECOGNISER_FILE)
    assert len(detector.layers) == len(DETECTOR_PLAN) == 19
    assert len(recogniser.layers) == len(RECOGNISER_PLAN) == 130


@pytest.mark.parametrize(("points", "features"), [(5, 800), (68, 500)])
def test_shape_predictors_have_the_known_shapes(points: Literal[5, 68], features: int) -> None:
    forest = weights.shape_predictor(points)
    assert forest.initial.shape == (points, 2)
    assert forest.split_a.shape == forest.split_b.shape == forest.threshold.shape == (15, 500, 15)
    assert forest.leaf.shape == (15, 500, 16, 2 * points)
    assert forest.anchor.shape == (15, features)
    assert forest.delta.shape == (15, features, 2)
    assert 0.1 < np.abs(forest.initial).max() < 1.5
    assert np.abs(forest.leaf).max() < 1


def test_a_cached_shape_predictor_is_what_the_file_holds() -> None:
    read = read_shape_predictor(weights.weights_folder() / weights.SHAPE_FILES[5])
    cached = weights.shape_predictor(5)
    for name in ("initial", "split_a", "split_b", "threshold", "leaf", "anchor", "delta"):
        np.testing.assert_array_equal(getattr(cached, name), getattr(read, name))


def test_embeddings_are_those_of_dlib() -> None:
    rng = np.random.default_rng(0)
    corners = [(50, 150), (60, 170), (40, 140), *rng.integers(0, 512 - 150, (5, 2)).tolist()]
    chips = [np.ascontiguousarray(photo()[y : y + 150, x : x + 150]) for y, x in corners]
    chips.append(rng.integers(0, 256, (150, 150, 3), np.uint8))
    path = weights.weights_folder() / weights.RECOGNISER_FILE
    oracle = dlib.face_recognition_model_v1(str(path))
    expected = np.array([oracle.compute_face_descriptor(chip) for chip in chips])
    found = recogniser()(network_input(chips))
    assert found.shape == expected.shape == (9, 128)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    one_by_one = np.concatenate([recogniser()(network_input([chip])) for chip in chips])
    np.testing.assert_allclose(found, one_by_one, rtol=0, atol=1e-5)


def test_the_detector_sees_the_face() -> None:
    """At this photo's size the face is about as large as the window, so that no pyramid is needed.

    Scores lie 8 pixels apart, and the first one looks at pixel 14.
    """
    net = load_net(weights.detector_graph(), Compute(threads=2))
    scores = net(network_input([photo()]))[0, 0]
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    assert scores.max() > 0
    assert 60 <= 8 * row + 14 <= 200
    assert 160 <= 8 * column + 14 <= 300
    assert (scores > 0).sum() < 10
