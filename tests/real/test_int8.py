"""dlib's networks in int8 find and describe faces as they do in float32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from clips import shared_media

from facegrab.media.images import read_image
from facegrab.models import packs, weights
from facegrab.models.compute import INT8, Compute, choose, has_int8, has_openvino
from facegrab.types import Detections, Image
from facegrab.vision.detect import Detector
from facegrab.vision.eyes import open_detector, open_recogniser
from facegrab.vision.feed import Feed
from facegrab.vision.landmarks import TreeLandmarker
from facegrab.vision.points import PointFinder

pytestmark = pytest.mark.real

STILLS = (
    "detection/dlib_faces/bald_guys.jpg",
    "detection/dlib_faces/2008_002506.jpg",
    "people/stills/two_people.jpg",
)
MOVED_SHARE = 0.1
"""Of its side, a box at most."""
MOST_MOVED = 0.035
"""An embedding. Of 1429 faces on stills the farthest moved by .031, of 141 in films by .034."""


@pytest.fixture(scope="module")
def stills() -> list[Image]:
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    return [read_image(media / each) for each in STILLS]


@pytest.fixture(scope="module")
def int8() -> Compute:
    if not has_openvino():
        pytest.skip("OpenVINO is not installed, or not used on this processor")
    if not has_int8():
        pytest.skip("OpenVINO has no int8 for this processor")
    return choose(precision=INT8, threads=2)


@pytest.fixture(scope="module")
def in_float(int8: Compute) -> Compute:
    """The same runtime, and the precision that what is in float has beside int8."""
    return replace(int8, precision=int8.float_precision)


def found(detector: Detector, image: Image) -> Detections:
    height, width = image.shape[:2]
    feed = Feed.widest(detector.smallest_px, detector.longest_fed_px, width, height)
    return detector([image], [feed])[0]


def chips(stills: list[Image]) -> list[Image]:
    """Of all faces, found in float32."""
    corners = TreeLandmarker(weights.shape_predictor(5))
    recogniser = open_recogniser(packs.resolve_recogniser("dlib"), Compute(), corners)
    detector = open_detector(packs.resolve_detector("dlib"), Compute())
    points = PointFinder(corners, None)
    each = []
    for image in stills:
        faces = found(detector, image)
        image_of = np.zeros(len(faces), np.int64)
        at = points([image], image_of, faces.box, faces.points5)
        each += recogniser.chips([image], image_of, at.tree_box, at.points5)
    return each


def test_the_detector_finds_the_same_faces(
    stills: list[Image], int8: Compute, in_float: Compute
) -> None:
    spec = packs.resolve_detector("dlib")
    slow, fast, floats = (open_detector(spec, each) for each in (Compute(), int8, in_float))
    scores = []
    for image in stills:
        expected, faces = found(slow, image), found(fast, image)
        assert len(faces) == len(expected) > 0
        near = np.abs(faces.box[None] - expected.box[:, None]).max(axis=2)
        side = (expected.box[:, 2:] - expected.box[:, :2]).max(axis=1)
        assert sorted(near.argmin(axis=1)) == list(range(len(faces)))
        assert (near.min(axis=1) <= MOVED_SHARE * side).all()
        scores.append((faces.score, found(floats, image).score))
    # In bf16 scores are so coarse that those of one still may be the same.
    assert any(not np.array_equal(*each) for each in scores)


def test_the_recogniser_describes_them_alike(
    stills: list[Image], int8: Compute, in_float: Compute
) -> None:
    faces = chips(stills)
    assert len(faces) >= 8
    corners, spec = TreeLandmarker(weights.shape_predictor(5)), packs.resolve_recogniser("dlib")
    slow, fast, floats = (
        open_recogniser(spec, each, corners)(faces) for each in (Compute(), int8, in_float)
    )
    assert np.linalg.norm(fast - slow, axis=1).max() <= MOST_MOVED
    assert (fast != floats).any(axis=1).all()


def test_neither_batch_nor_threads_change_a_bit(stills: list[Image], int8: Compute) -> None:
    faces = chips(stills)
    corners, spec = TreeLandmarker(weights.shape_predictor(5)), packs.resolve_recogniser("dlib")
    recogniser = open_recogniser(spec, int8, corners)
    together, alone = recogniser(faces), np.concatenate([recogniser([each]) for each in faces])
    np.testing.assert_array_equal(together, alone)
    one = open_recogniser(spec, choose(precision=INT8, threads=1), corners)
    np.testing.assert_array_equal(one(faces), together)
