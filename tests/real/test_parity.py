"""The same answers as dlib, on the portraits that come with public packages and on real stills."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import shared_media

from facegrab.media.images import read_image
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.models.weights import shape_predictor, weights_folder
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Feed
from facegrab.vision.landmarks import TreeLandmarker
from facegrab.vision.look import Eyes

dlib = pytest.importorskip("dlib", reason="dlib-bin, a development extra, is not installed")

pytestmark = pytest.mark.real

MOST_PIXELS = {0: 250_000, 1: 50_000}
"""By upsample: dlib without a BLAS takes two seconds for a megapixel."""


def _stills(upsample: int) -> list[Path]:
    """The small ones; of others, each of which takes dlib a second, one of each size.

    On the size it depends how a picture is packed.
    """
    media = shared_media()
    if media is None:
        return []
    folders = ("detection/dlib_faces", "people/azure", "people/stills")
    paths = [path for folder in folders for path in sorted((media / folder).glob("*.jpg"))]
    chosen: dict[tuple[int, int, Path | None], Path] = {}
    for path in paths:
        height, width = read_image(path).shape[:2]
        if height * width <= MOST_PIXELS[upsample]:
            is_small = height * width <= MOST_PIXELS[1]
            chosen[height, width, path if is_small else None] = path
    return list(chosen.values())


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    return open_eyes(
        packs.resolve_detector("dlib"), packs.resolve_recogniser("dlib"), choose(precision="exact")
    )


@lru_cache
def _dlib(kind: str, file: str) -> Any:
    return getattr(dlib, kind)(str(weights_folder() / file))


def _dlib_detections(image: Image, upsample: int) -> Detections:
    model = _dlib("cnn_face_detection_model_v1", "mmod_human_face_detector.dat")
    found = model(image, upsample)
    box = [[r.left(), r.top(), r.right(), r.bottom()] for r in (each.rect for each in found)]
    score = [each.confidence for each in found]
    return Detections.without_points(
        np.array(box, np.float32).reshape(-1, 4), np.array(score, np.float32)
    )


def _detections(eyes: Eyes, image: Image, upsample: int) -> Detections:
    return eyes.detector([image], [Feed(2.0**upsample)])[0]


def _assert_same(ours: Detections, theirs: Detections) -> None:
    assert ours.box.tolist() == theirs.box.tolist()
    assert np.abs(ours.score - theirs.score).max(initial=0) <= 2e-4


def _rectangle(box: FloatArray) -> Any:
    return dlib.rectangle(*(int(side) for side in box))


@pytest.fixture(scope="module", params=["astronaut", "hopper"])
def portrait(request: pytest.FixtureRequest) -> Image:
    """The two public-domain portraits that ship with scikit-image and matplotlib."""
    if request.param == "astronaut":
        data = pytest.importorskip("skimage.data")
        return np.ascontiguousarray(data.astronaut()[:256, :400])
    cbook = pytest.importorskip("matplotlib.cbook")
    path = Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    return np.ascontiguousarray(read_image(path)[:400, 60:460])


@pytest.mark.parametrize("upsample", [0, 1])
def test_boxes_of_the_portraits_are_dlibs(eyes: Eyes, portrait: Image, upsample: int) -> None:
    # So that dlib, which takes seconds for a megapixel, looks at as much either way.
    image = np.ascontiguousarray(portrait[::2, ::2]) if upsample else portrait
    theirs = _dlib_detections(image, upsample)
    assert len(theirs) == 1
    _assert_same(_detections(eyes, image, upsample), theirs)


@pytest.mark.parametrize("size", [(226, 220), (300, 421), (615, 376)])
def test_boxes_at_sizes_where_dlib_packs_oddly(eyes: Eyes, size: tuple[int, int]) -> None:
    """Its canvas leaves levels out at some sizes, and lays small ones over each other at others."""
    data = pytest.importorskip("skimage.data")
    image = np.asarray(cv2.resize(data.astronaut()[:300, 60:360], size), np.uint8)
    theirs = _dlib_detections(image, 0)
    assert len(theirs) == 1
    _assert_same(_detections(eyes, image, 0), theirs)


@pytest.mark.parametrize("upsample", [0, 1])
def test_boxes_of_the_stills_are_dlibs(eyes: Eyes, upsample: int) -> None:
    stills = _stills(upsample)
    if not stills:
        pytest.skip("the shared media are not here")
    faces = 0
    for path in stills:
        image = read_image(path)
        theirs = _dlib_detections(image, upsample)
        _assert_same(_detections(eyes, image, upsample), theirs)
        faces += len(theirs)
    assert faces >= 10


def test_landmarks_are_dlibs(eyes: Eyes, portrait: Image) -> None:
    """At the detected box and at boxes beside it, over the edge of the image too."""
    box = _detections(eyes, portrait, 0).box
    shifts = np.array([[0, 0, 0, 0], [9, -7, 14, 3], [-200, -60, -200, -60], [-30, 5, 40, 60]])
    boxes = (box + shifts).astype(np.float32)
    for count in (5, 68):
        model = _dlib("shape_predictor", f"shape_predictor_{count}_face_landmarks.dat")
        ours = TreeLandmarker(shape_predictor(count))(
            [portrait], np.zeros(len(boxes), np.int64), boxes
        )
        for each, points in zip(boxes, ours, strict=True):
            theirs = [[p.x, p.y] for p in model(portrait, _rectangle(each)).parts()]
            assert points.tolist() == theirs


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.3, 4.0])
def test_embeddings_are_dlibs(eyes: Eyes, portrait: Image, scale: float) -> None:
    """From our own chip, for faces from half to four times the portrait's size."""
    image = np.asarray(cv2.resize(portrait, None, fx=scale, fy=scale), np.uint8)
    box = np.rint(_detections(eyes, portrait, 0).box * scale).astype(np.float32)
    chips = eyes.recogniser.chips(
        [image], np.zeros(1, np.int64), box, np.zeros((1, 5, 2), np.float32)
    )
    shape = _dlib("shape_predictor", "shape_predictor_5_face_landmarks.dat")(
        image, _rectangle(box[0])
    )
    model = _dlib("face_recognition_model_v1", "dlib_face_recognition_resnet_model_v1.dat")
    theirs = np.array(model.compute_face_descriptor(image, shape), np.float32)
    ours = eyes.recogniser(chips)[0]
    assert np.linalg.norm(ours - theirs) <= 0.02
    same_chip = eyes.recogniser([dlib.get_face_chip(image, shape, 150, 0.25)])[0]
    assert np.linalg.norm(same_chip - theirs) <= 1e-5
