"""The networks against dlib's own, in one process, by turns, on the same input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from bench.measure import Timed, interleaved
from bench.media import Setup, decoded, dlib, dlib_weights, media
from bench.table import Row, UnmeasurableError
from facegrab.models import packs, weights
from facegrab.models.runtime import Net, load_net
from facegrab.types import FloatArray, Image
from facegrab.vision.align import chip
from facegrab.vision.embed import BATCH
from facegrab.vision.eyes import open_detector, open_recogniser
from facegrab.vision.feed import Feed
from facegrab.vision.landmarks import Landmarker, TreeLandmarker
from facegrab.vision.mmod import MmodDetector

FED = (960, 540)
FRAME = 100
"""Of the hamilton clip: the singer, near, and the audience behind."""
DETECTOR_REQUIRED = 40.0
RECOGNISER_REQUIRED = 35.0
SAME_EMBEDDING = 1e-4
SAME_POINTS = 1.0


def detector(setup: Setup) -> Iterator[Row]:
    """An image fed at 960x540: canvas, network, decoding; then the network alone."""
    image = np.asarray(cv2.resize(_frame(), FED, interpolation=cv2.INTER_LINEAR), np.uint8)
    net = _Listening(load_net(weights.detector_graph(), "cpu"))
    ours = MmodDetector(net)
    peer = dlib().cnn_face_detection_model_v1(dlib_weights("mmod_human_face_detector.dat"))
    boxes = sorted(tuple(map(int, box)) for box in ours([image], [Feed(1.0)])[0].box)
    if boxes != sorted(map(_corners, peer(image, 0))):
        raise UnmeasurableError("the detector and dlib's do not find the same boxes")
    canvas = net.heard.copy()
    our_time, net_time, peer_time = interleaved(
        setup.rounds(4),
        Timed(lambda: ours([image], [Feed(1.0)]), calls=12),
        Timed(lambda: net.net(canvas), calls=12),
        Timed(lambda: peer(image, 0)),
    )
    yield _row("detector, 960x540 fed", our_time, peer_time, DETECTOR_REQUIRED)
    yield _row("  its network alone", net_time, peer_time)


class _Listening:
    """A network that remembers its input."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.heard = np.empty(0, np.float32)

    def __call__(self, x: FloatArray) -> FloatArray:
        self.heard = x
        return self.net(x)


def recogniser(setup: Setup) -> Iterator[Row]:
    """Per face, chips in batches; and the landmarks before it."""
    image, box = _frame(), _singer()
    corners, mesh = (
        TreeLandmarker(weights.shape_predictor(5)),
        TreeLandmarker(weights.shape_predictor(68)),
    )
    points = corners([image], np.zeros(1, np.int64), box)[0]
    yield _recogniser_row(setup, corners, chip(image, points))
    for count, landmarker in ((5, corners), (68, mesh)):
        yield _landmark_row(setup, count, landmarker, image, box)


def _recogniser_row(setup: Setup, corners: Landmarker, face: Image) -> Row:
    ours = open_recogniser(packs.resolve_recogniser("dlib"), "cpu", corners)
    name = "dlib_face_recognition_resnet_model_v1.dat"
    peer = dlib().face_recognition_model_v1(dlib_weights(name))
    far = np.linalg.norm(ours([face])[0] - np.array(peer.compute_face_descriptor(face)))
    if far > SAME_EMBEDDING:
        raise UnmeasurableError(f"the recogniser's embedding is {far:.2g} from dlib's")
    chips = [face] * BATCH
    our_time, peer_time = interleaved(
        setup.rounds(5),
        Timed(lambda: ours(chips), calls=3, work=BATCH),
        Timed(lambda: peer.compute_face_descriptor(face), calls=8),
    )
    return _row(f"recogniser, a face (in {BATCH}s)", our_time, peer_time, RECOGNISER_REQUIRED)


def _landmark_row(setup: Setup, count: int, ours: Any, image: Image, box: FloatArray) -> Row:
    name = f"shape_predictor_{count}_face_landmarks.dat"
    peer = dlib().shape_predictor(dlib_weights(name))
    rectangle = dlib().rectangle(*map(int, box[0]))
    theirs = np.array([(point.x, point.y) for point in peer(image, rectangle).parts()])
    if np.abs(ours([image], np.zeros(1, np.int64), box)[0] - theirs).max() > SAME_POINTS:
        raise UnmeasurableError(f"the {count} landmarks are not dlib's")
    boxes, image_of = np.repeat(box, BATCH, axis=0), np.zeros(BATCH, np.int64)
    our_time, peer_time = interleaved(
        setup.rounds(5),
        Timed(lambda: ours([image], image_of, boxes), calls=3, work=BATCH),
        Timed(lambda: peer(image, rectangle), calls=30),
    )
    return _row(f"  {count} landmarks, a face (in {BATCH}s)", our_time, peer_time)


def _row(work: str, ours: float, peer: float, required: float | None = None) -> Row:
    ratio = peer / ours
    return Row(
        work,
        f"{ours * 1e3:.2f} ms",
        f"dlib {peer * 1e3:.2f} ms",
        f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x",
        f">= {required:.0f}x" if required else "",
        None if required is None else ratio >= required,
        {"ours_s": ours, "peer_s": peer, "ratio": ratio},
    )


def _frame() -> Image:
    return decoded(media("video", "face_recognition__short_hamilton_clip.mp4"))[FRAME]


def _singer() -> FloatArray:
    """The largest face of the frame."""
    found = open_detector(packs.resolve_detector("dlib"), "cpu")([_frame()], [Feed(1.0)])[0].box
    return found[[int((found[:, 2] - found[:, 0]).argmax())]]


def _corners(found: Any) -> tuple[int, int, int, int]:
    r = found.rect
    return r.left(), r.top(), r.right(), r.bottom()
