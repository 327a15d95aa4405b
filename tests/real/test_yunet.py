"""YuNet as OpenCV publishes it: at any size, as OpenCV reads it, on pictures whose truth is known.

How many faces it finds of which size is measured here too: what docs and defaults say of it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import shared_media

from facegrab.cache import content_hash
from facegrab.media.images import read_image
from facegrab.models.any_size import load_detector
from facegrab.models.compute import Compute
from facegrab.models.inspect import inspect_graph
from facegrab.models.separable_net import load_separable
from facegrab.models.specs import DetectorSpec, Licence
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.feed import Feed
from facegrab.vision.graph_detector import GraphDetector, resized
from facegrab.vision.open_onnx import open_detector
from facegrab.vision.yunet import KIND

pytestmark = pytest.mark.real

LONGEST_PX = 1536
"""Pictures are shown at their own size, or so large."""


@pytest.fixture(scope="module")
def media() -> Path:
    folder = shared_media()
    if folder is None:
        pytest.skip("the shared media are not here")
    return folder


@pytest.fixture(scope="module")
def weights(media: Path) -> Path:
    return media.parent / "weights" / "yunet"


@pytest.fixture(scope="module")
def detector(weights: Path) -> GraphDetector:
    """From the file that declares 640 x 640."""
    graph = weights / "yunet_s_640_640.onnx"
    findings = inspect_graph(graph)
    assert findings.kind == "yunet"
    assert findings.smallest_px is not None
    licence = Licence("MIT", commercial=True, source="OpenCV Zoo")
    spec = DetectorSpec(
        "yunet",
        "yunet",
        graph,
        content_hash(graph),
        licence,
        findings.pixels,
        findings.smallest_px,
    )
    return open_detector(spec, Compute())


def shown(detector: GraphDetector, image: Image) -> Detections:
    (found,) = detector([image], [Feed(min(1, LONGEST_PX / max(image.shape[:2])))])
    return found


def overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of boxes of inclusive pixels."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low + 1).clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2] + 1).prod(axis=1) + (box[2:] - box[:2] + 1).prod()
    return np.asarray(shared / (areas - shared), np.float32)


def test_the_file_of_one_size_finds_what_the_one_of_any_finds(
    media: Path, weights: Path, detector: GraphDetector
) -> None:
    """Heads are joined in the first one only: the other one works out the shapes of its answers."""
    ways, outputs = [], []
    for name in ("yunet_s_640_640.onnx", "yunet_s_dynamic.onnx"):
        path = weights / name
        net, pixels = load_detector(path, "yunet", inspect_graph(path).pixels, Compute())
        assert (pixels.width_px, pixels.height_px) == (None, None)
        outputs.append(len(net(np.zeros((1, 3, 96, 352), np.float32))))
        ways.append(GraphDetector(net, replace(detector._spec, pixels=pixels), KIND))
    assert outputs == [3, 12]
    faces = 0
    for path in sorted((media / "detection" / "compreface_sample_images").glob("*.jpg")):
        found, expected = (shown(each, read_image(path)) for each in ways)
        faces += len(found)
        np.testing.assert_allclose(found.box, expected.box, atol=0.01)
        np.testing.assert_allclose(found.points5, expected.points5, atol=0.01)
        np.testing.assert_allclose(found.score, expected.score, atol=1e-5)
    assert faces >= 40


def test_machine_code_finds_the_runtimes_faces(
    media: Path, weights: Path, detector: GraphDetector
) -> None:
    graph = weights / "yunet_s_640_640.onnx"
    pixels = inspect_graph(graph).pixels
    if load_separable(graph, pixels, Compute()) is None:
        pytest.skip("there is no machine code for this processor, or no Numba")
    net, pixels = load_detector(graph, "yunet", pixels, Compute())
    spec = replace(detector._spec, pixels=pixels)
    runtime, faces = GraphDetector(net, spec, KIND), 0
    for path in sorted((media / "detection" / "compreface_sample_images").glob("*.jpg")):
        found, expected = (shown(each, read_image(path)) for each in (detector, runtime))
        faces += len(found)
        np.testing.assert_allclose(found.box, expected.box, atol=0.01)
        np.testing.assert_allclose(found.points5, expected.points5, atol=0.01)
        np.testing.assert_allclose(found.score, expected.score, atol=1e-5)
    assert faces >= 40


def test_the_same_faces_as_opencv(media: Path, weights: Path, detector: GraphDetector) -> None:
    """Box by box and point by point, at sizes that are no multiples of 32.

    Where a face may be too large OpenCV looks once only, so pictures are made small enough first.
    """
    graph = str(weights / "yunet_s_640_640.onnx")
    theirs = cv2.FaceDetectorYN.create(graph, "", (320, 320), KIND.least_score, KIND.most_overlap)
    faces = 0
    for path in sorted((media / "detection" / "dlib_faces").glob("*.jpg")):
        image = read_image(path)
        image = resized(image, min(1, KIND.largest_px / min(image.shape[:2])))[0]
        theirs.setInputSize((image.shape[1], image.shape[0]))
        rows = theirs.detect(np.ascontiguousarray(image[..., ::-1]))[1]
        expected = np.empty((0, 15)) if rows is None else np.asarray(rows)
        (found,) = detector([image], [Feed(1)])
        faces += len(found)
        assert len(found) == len(expected)
        box = np.hstack([expected[:, :2], expected[:, :2] + expected[:, 2:4] - 1])
        np.testing.assert_allclose(found.box, box, atol=0.01)
        np.testing.assert_allclose(found.points5.reshape(-1, 10), expected[:, 4:14], atol=0.01)
    assert faces >= 40


def test_every_face_of_dlibs_pictures(media: Path, detector: GraphDetector) -> None:
    """43 of 43 at an intersection over union of .3, and at most 1 that is none of them."""
    folder = media / "detection" / "dlib_faces"
    missed, extra, faces = [], 0, 0
    for table in ("testing.xml", "training.xml"):
        for entry in ET.parse(folder / table).getroot().iter("image"):
            sides = [[int(b.attrib[k]) for k in ("left", "top", "width", "height")] for b in entry]
            truth = np.array(sides, np.float32).reshape(-1, 4)
            truth[:, 2:] += truth[:, :2] - 1
            found = shown(detector, read_image(folder / entry.attrib["file"]))
            faces += len(truth)
            overlaps = np.array([overlap(box, found.box) for box in truth])
            missed += [entry.attrib["file"] for each in overlaps if not (each >= 0.3).any()]
            extra += int((overlaps < 0.3).all(axis=0).sum())
    assert (faces, missed) == (43, [])
    assert extra <= 1


def test_every_nose_of_comprefaces_pictures(media: Path, detector: GraphDetector) -> None:
    """46 of 46, up to faces of half of 5184 px; at most 2 boxes without a nose."""
    missed, extra, noses = [], 0, 0
    for path, points in marked_noses(media / "detection" / "compreface_sample_images"):
        found = shown(detector, read_image(path))
        inside = np.array(
            [((found.box[:, :2] <= p) & (p <= found.box[:, 2:])).all(axis=1) for p in points], bool
        ).reshape(len(points), len(found))
        noses += len(points)
        missed += [path.name for each in inside if not each.any()]
        extra += int((~inside).all(axis=0).sum())
    assert (noses, missed) == (46, [])
    assert extra <= 2


def marked_noses(folder: Path) -> list[tuple[Path, list[tuple[int, int]]]]:
    """Pictures and the hand-marked noses in them; the list is Python with a decorator of attrs."""
    source = (folder / "annotations.py").read_text(encoding="utf-8")
    start, end = source.index("SAMPLE_IMAGES = ["), source.index("name_2_annotation")
    space: dict[str, list[tuple[str, list[tuple[int, int]]]]] = {}
    exec(source[start:end], {"Row": lambda name, noses: (name, noses)}, space)
    return [(folder / name, noses) for name, noses in space["SAMPLE_IMAGES"]]


@pytest.fixture(scope="module")
def portraits(media: Path, detector: GraphDetector) -> list[tuple[Image, FloatArray]]:
    """Photographs of LFW and the box of the face in their middle."""
    found = []
    for path in sorted((media / "people" / "lfw10x10").glob("*/*.jpg")):
        image = read_image(path)
        box = shown(detector, image).box
        nearest = np.abs(box[:, :2] + box[:, 2:] - 250).sum(axis=1).argmin()
        found.append((image, box[nearest]))
    return found


@pytest.mark.parametrize(("side_px", "least"), [(28, 0.95), (40, 0.98), (400, 1.0), (800, 1.0)])
def test_faces_of_any_size(
    portraits: list[tuple[Image, FloatArray]], detector: GraphDetector, side_px: int, least: float
) -> None:
    """From smallest_px on, and beyond what the network finds at its first look."""
    assert detector.smallest_px == 28
    some = portraits if side_px < 100 else portraits[::5]
    hits = 0
    for image, box in some:
        side = float((box[2:] - box[:2] + 1).max())
        (found,) = detector([image], [Feed(side_px / side)])
        hits += bool((overlap(box, found.box) >= 0.3).any())
    assert hits >= least * len(some)


def test_points_come_picture_left_first(
    portraits: list[tuple[Image, FloatArray]], detector: GraphDetector
) -> None:
    for image, box in portraits:
        found = shown(detector, image)
        eye, other_eye, nose, mouth, other_mouth = found.points5[overlap(box, found.box).argmax()]
        assert eye[0] < other_eye[0]
        assert mouth[0] < other_mouth[0]
        assert max(eye[1], other_eye[1]) < nose[1] < min(mouth[1], other_mouth[1])
