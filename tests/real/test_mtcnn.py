"""MTCNN finds facenet-pytorch's faces: the very same in exact mode, as many in its own."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from clips import shared_media

from facegrab.media.images import read_image
from facegrab.models.compute import Compute
from facegrab.models.mtcnn import mtcnn_graphs
from facegrab.models.runtime import load_net
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.candidates import kept
from facegrab.vision.feed import Feed
from facegrab.vision.mtcnn import SMALLEST_PX, MtcnnDetector, open_mtcnn

pytestmark = pytest.mark.real

FOLDERS = ("people/stills", "people/azure", "detection/dlib_faces")
COMPREFACE = ("002_A.jpg", "006_A.jpg", "009_C.jpg", "011_3.jpg", "014_5.jpg", "016_8.jpg")
MOST_PIXELS = 3_000_000
SAME_IOU = 0.4


def stills() -> list[Image]:
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    paths = [path for folder in FOLDERS for path in sorted((media / folder).glob("*.jpg"))]
    paths += [media / "detection" / "compreface_sample_images" / name for name in COMPREFACE]
    images = [read_image(path) for path in paths]
    return [image for image in images if image.shape[0] * image.shape[1] <= MOST_PIXELS]


def min_face(image: Image) -> int:
    """A fortieth of the longer side: one face in a crowd."""
    return int(max(SMALLEST_PX, round(max(image.shape) / 40)))


def frames() -> list[Image]:
    """1080p: six stills at a time, side by side."""
    tiles = []
    for image in stills():
        height, width = image.shape[:2]
        zoom = max(640 / width, 540 / height)
        size = max(round(width * zoom), 640), max(round(height * zoom), 540)
        kind = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        large = np.asarray(cv2.resize(image, size, interpolation=kind), np.uint8)
        left, top = (size[0] - 640) // 2, (size[1] - 540) // 3
        tiles.append(large[top : top + 540, left : left + 640])
    rows = [np.hstack(tiles[start : start + 3]) for start in range(0, len(tiles) - 2, 3)]
    return [np.vstack(rows[start : start + 2]) for start in range(0, len(rows) - 1, 2)]


@pytest.fixture(scope="module")
def exact() -> MtcnnDetector:
    return MtcnnDetector(*(load_net(graph) for graph in mtcnn_graphs()), exact=True)


@pytest.fixture(scope="module")
def fast() -> MtcnnDetector:
    return open_mtcnn(Compute())


def find(detector: MtcnnDetector, image: Image, smallest_px: int) -> Detections:
    return detector([image], [Feed(SMALLEST_PX / smallest_px)])[0]


# ---- facenet-pytorch


@pytest.fixture(scope="module")
def peer() -> Iterator[Any]:
    """Its MTCNN class, with the one function of torchvision that it needs."""
    patch = pytest.MonkeyPatch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch", reason="torch, the parity's oracle, is not installed")
        for name, module in torchvision(torch).items():
            patch.setitem(sys.modules, name, module)
        facenet = pytest.importorskip("facenet_pytorch", reason="facenet-pytorch is not installed")
        yield facenet.MTCNN
    patch.undo()


def torchvision(torch: Any) -> dict[str, ModuleType]:
    """Its greedy suppression, by class; the transforms are only imported, never called."""

    def batched_nms(box: Any, score: Any, group: Any, most: float) -> Any:
        rows = []
        for each in group.unique():
            own = (group == each).nonzero()[:, 0]
            rows.append(own[torch.from_numpy(kept(box[own].numpy(), score[own].numpy(), most))])
        if not rows:
            return torch.empty(0, dtype=torch.int64)
        every = torch.cat(rows)
        return every[torch.argsort(score[every], descending=True, stable=True)]

    root, transforms = ModuleType("torchvision"), ModuleType("torchvision.transforms")
    ops, boxes = ModuleType("torchvision.ops"), ModuleType("torchvision.ops.boxes")
    functional = ModuleType("torchvision.transforms.functional")
    vars(transforms)["functional"] = functional
    vars(boxes)["batched_nms"] = batched_nms
    return {module.__name__: module for module in (root, transforms, functional, ops, boxes)}


def peers_faces(peer: Any, image: Image, smallest_px: int) -> Detections:
    """facenet-pytorch counts the pixels of boxes from 1, those of points from 0."""
    found = peer(keep_all=True, min_face_size=smallest_px).detect(image, landmarks=True)
    if found[0] is None:
        return Detections.empty()
    box, score, points = (np.asarray(array, np.float32) for array in found)
    order = np.argsort(-score, kind="stable")
    return Detections(box[order] - 1, score[order], points[order])


def overlaps(some: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union, float32 (N, M)."""
    low = np.maximum(some[:, None, :2], others[:, :2])
    high = np.minimum(some[:, None, 2:], others[:, 2:])
    common = (high - low).clip(min=0).prod(axis=2)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (some, others)]
    return np.asarray(common / (areas[0][:, None] + areas[1] - common), np.float32)


def missed(truth: Detections, found: Detections) -> int:
    """How many faces of one are none of the other."""
    if not len(truth) or not len(found):
        return len(truth)
    return int((overlaps(truth.box, found.box).max(axis=1) < SAME_IOU).sum())


def test_exact_mode_finds_the_very_faces(peer: Any, exact: MtcnnDetector) -> None:
    faces = 0
    for image in stills():
        theirs, ours = (
            peers_faces(peer, image, min_face(image)),
            find(exact, image, min_face(image)),
        )
        assert len(ours) == len(theirs)
        if len(ours):
            same = overlaps(theirs.box, ours.box).argmax(axis=1)
            assert sorted(same) == list(range(len(ours)))
            np.testing.assert_allclose(ours.box[same], theirs.box, atol=0.02)
            np.testing.assert_allclose(ours.points5[same], theirs.points5, atol=0.02)
            np.testing.assert_allclose(ours.score[same], theirs.score, atol=1e-5)
        faces += len(ours)
    assert faces >= 100


def test_own_resampling_finds_as_many(peer: Any, fast: MtcnnDetector) -> None:
    """On stills and on 1080p frames. Only faces of scores near the threshold differ."""
    theirs = ours = not_found = 0
    cases = [(image, min_face(image)) for image in stills()] + [(image, 60) for image in frames()]
    for image, smallest_px in cases:
        truth, found = peers_faces(peer, image, smallest_px), find(fast, image, smallest_px)
        theirs, ours = theirs + len(truth), ours + len(found)
        not_found += missed(truth, found)
    assert ours >= theirs - 2
    assert not_found <= 0.04 * theirs


# ---- our own


def test_own_resampling_finds_the_exact_faces(exact: MtcnnDetector, fast: MtcnnDetector) -> None:
    """Without any oracle: the sure ones, but for one that is cut off in the middle."""
    faces = not_found = 0
    for image in frames():
        found = find(exact, image, 60)
        rows = found.score > 0.95
        sure = Detections(found.box[rows], found.score[rows], found.points5[rows])
        not_found += missed(sure, find(fast, image, 60))
        faces += len(sure)
    assert faces >= 90
    assert not_found <= 1


def test_points_are_in_order(fast: MtcnnDetector) -> None:
    """The picture's left eye and right eye, nose, left and right corner of the mouth."""
    data = pytest.importorskip("skimage.data")
    image = np.ascontiguousarray(data.astronaut())
    found = find(fast, image, 40)
    assert found.score[0] > 0.99
    expected = [[204, 101], [247, 103], [226, 129], [206, 140], [245, 142]]
    np.testing.assert_allclose(found.points5[0], expected, atol=5)


def test_a_batch_finds_what_each_image_shows(fast: MtcnnDetector) -> None:
    """To the bit, whatever is in the same batch."""
    data = pytest.importorskip("skimage.data")
    whole = np.ascontiguousarray(data.astronaut())
    images = [whole, np.ascontiguousarray(whole[20:300, 90:400]), whole[:9], whole[::-1].copy()]
    feeds = [Feed(factor) for factor in (0.5, 1.0, 1.0, 0.7)]
    for image, feed, together in zip(images, feeds, fast(images, feeds), strict=True):
        (alone,) = fast([image], [feed])
        assert alone.box.tolist() == together.box.tolist()
        assert alone.score.tolist() == together.score.tolist()


@pytest.mark.parametrize("side", range(44, 240, 14))
def test_a_face_of_any_size_is_found(side: int, fast: MtcnnDetector) -> None:
    data = pytest.importorskip("skimage.data")
    zoom = side / 95
    portrait = data.astronaut()[:300, 60:360]
    image = np.asarray(cv2.resize(portrait, None, fx=zoom, fy=zoom), np.uint8)
    found = find(fast, image, 40)
    assert len(found) >= 1
    assert 0.6 * side < found.box[0, 2] - found.box[0, 0] < 1.4 * side
