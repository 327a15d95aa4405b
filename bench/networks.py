"""dlib's networks as FaceGrab runs them against dlib itself, in one process, on the same input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.measure import Timed, interleaved
from bench.media import HAMILTON_CLIP, Setup, decoded, dlib, dlib_weights, media
from bench.table import Row, failed
from bench.truth import overlap
from facegrab.models import packs, weights
from facegrab.models.compute import INT8, choose
from facegrab.models.runtime import Net, load_net
from facegrab.settings import AUTO, EXACT
from facegrab.types import FloatArray, Image
from facegrab.vision.chips import cut_chips
from facegrab.vision.detect import Detector
from facegrab.vision.embed import BATCH, Recogniser
from facegrab.vision.eyes import BEST_DETECTORS, open_detector, open_recogniser
from facegrab.vision.feed import Feed
from facegrab.vision.landmarks import TreeLandmarker
from facegrab.vision.pyramid import Canvas

FED = (960, 540)
FRAME = 100
"""Of the hamilton clip: the singer, near, and the audience behind."""
DETECTOR_FILE = "mmod_human_face_detector.dat"
RECOGNISER_FILE = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS_REQUIRED = 0.5
SAME_POINTS = 1.0

Boxes = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Standard:
    """What is asked of the networks at a precision.

    Attributes:
        words: how the row names it.
        precision: see ProcessSettings.
        detector: how many times as fast as dlib-bin's.
        recogniser: the same.
        overlap: of each of dlib's boxes with one of ours; 1 is the same boxes, and no others.
        embedding: distance of ours from dlib's, at most.
    """

    words: str
    precision: str
    detector: float
    recogniser: float
    overlap: float
    embedding: float


AS_BY_DEFAULT = Standard("as by default", AUTO, 90.0, 75.0, overlap=0.5, embedding=0.1)
STANDARDS = (Standard("exact", EXACT, 40.0, 35.0, overlap=1.0, embedding=1e-4), AS_BY_DEFAULT)


@dataclass(frozen=True, slots=True)
class Opened:
    """dlib's networks, as FaceGrab opens them."""

    detector: Detector
    detector_net: Net
    recogniser: Recogniser


def opened(precision: str) -> Opened:
    """The one place that knows how."""
    compute = choose(precision=precision, by_itself=True)
    corners = TreeLandmarker(weights.shape_predictor(5))
    detects = compute.of_network("dlib", BEST_DETECTORS)
    return Opened(
        open_detector(packs.resolve_detector("dlib"), compute),
        load_net(weights.detector_graph(int8=detects.precision == INT8), detects),
        open_recogniser(packs.resolve_recogniser("dlib"), compute, corners),
    )


def detector(setup: Setup) -> Iterator[Row]:
    """An image fed at 960x540: canvas, network, decoding; then the network alone."""
    image = fed_image()
    peer = dlib().cnn_face_detection_model_v1(dlib_weights(DETECTOR_FILE))
    boxes = np.array([_corners(found) for found in peer(image, 0)])
    for standard in STANDARDS:
        yield from _detector_rows(setup, standard, image, peer, boxes)


def _detector_rows(
    setup: Setup, standard: Standard, image: Image, peer: Any, boxes: Boxes
) -> Iterator[Row]:
    ours = opened(standard.precision)
    work = f"detector, {FED[0]}x{FED[1]} fed, {standard.words}"
    if why := boxes_differ(ours.detector([image], [Feed(1.0)])[0].box, boxes, standard):
        yield failed(work, why)
        return
    canvas = Canvas().fill(image)[0][None]
    our_time, net_time, peer_time = interleaved(
        setup.rounds(5),
        Timed(lambda: ours.detector([image], [Feed(1.0)]), calls=12),
        Timed(lambda: ours.detector_net(canvas), calls=12),
        Timed(lambda: peer(image, 0)),
    )
    yield speed_row(work, our_time, peer_time, standard.detector)
    yield speed_row("  its network alone", net_time, peer_time)


def recogniser(setup: Setup) -> Iterator[Row]:
    """Per face, chips in batches."""
    face = face_chip()
    peer = dlib().face_recognition_model_v1(dlib_weights(RECOGNISER_FILE))
    for standard in STANDARDS:
        yield _recogniser_row(setup, standard, face, peer)


def _recogniser_row(setup: Setup, standard: Standard, face: Image, peer: Any) -> Row:
    ours = opened(standard.precision).recogniser
    work = f"recogniser, a face (in {BATCH}s), {standard.words}"
    embedding = np.array(peer.compute_face_descriptor(face))
    if why := embedding_differs(ours([face])[0], embedding, standard):
        return failed(work, why)
    chips = [face] * BATCH
    our_time, peer_time = interleaved(
        setup.rounds(5),
        Timed(lambda: ours(chips), calls=3, work=BATCH),
        Timed(lambda: peer.compute_face_descriptor(face), calls=8),
    )
    return speed_row(work, our_time, peer_time, standard.recogniser)


def landmarks(setup: Setup) -> Iterator[Row]:
    """Per face, in batches: at most twice dlib's time."""
    image, box = _frame(), _singer()
    yield _landmark_row(setup, 5, image, box)
    yield _landmark_row(setup, 68, image, box)


def _landmark_row(setup: Setup, count: Literal[5, 68], image: Image, box: FloatArray) -> Row:
    work = f"{count} landmarks, a face (in {BATCH}s)"
    ours = TreeLandmarker(weights.shape_predictor(count))
    peer = dlib().shape_predictor(dlib_weights(f"shape_predictor_{count}_face_landmarks.dat"))
    rectangle = dlib().rectangle(*map(int, box[0]))
    theirs = np.array([(point.x, point.y) for point in peer(image, rectangle).parts()])
    far = np.abs(ours([image], np.zeros(1, np.int64), box)[0] - theirs).max()
    if far > SAME_POINTS:
        return failed(work, f"a point is {far:.1f} px from dlib's")
    boxes, image_of = np.repeat(box, BATCH, axis=0), np.zeros(BATCH, np.int64)
    our_time, peer_time = interleaved(
        setup.rounds(5),
        Timed(lambda: ours([image], image_of, boxes), calls=3, work=BATCH),
        Timed(lambda: peer(image, rectangle), calls=30),
    )
    return speed_row(work, our_time, peer_time, LANDMARKS_REQUIRED)


def boxes_differ(ours: Boxes, theirs: Boxes, standard: Standard) -> str | None:
    """Why our boxes (N, 4) are not dlib's (M, 4) by a standard; None if they are."""
    if standard.overlap == 1:
        same = sorted(map(tuple, ours.tolist())) == sorted(map(tuple, theirs.tolist()))
        return None if same else "it does not find the same boxes as dlib's"
    near = [max((overlap(box, each) for each in ours), default=0.0) for box in theirs]
    if min(near, default=1.0) >= standard.overlap:
        return None
    return f"one of dlib's boxes has an IoU of {min(near):.2f} with the nearest of ours"


def embedding_differs(ours: FloatArray, theirs: Boxes, standard: Standard) -> str | None:
    """Why our embedding is not dlib's by a standard; None if it is."""
    far = float(np.linalg.norm(ours - theirs))
    return None if far <= standard.embedding else f"the embedding is {far:.2g} from dlib's"


def speed_row(
    work: str, ours: float, peer: float, required: float | None = None, name: str = "dlib"
) -> Row:
    """Seconds of ours and of a peer, and how many times as fast ours are."""
    ratio = peer / ours
    return Row(
        work,
        f"{ours * 1e3:.2f} ms",
        f"{name} {peer * 1e3:.2f} ms",
        f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x",
        f">= {required:g}x" if required else "",
        None if required is None else ratio >= required,
        {"ours_s": ours, "peer_s": peer, "ratio": ratio},
    )


def fed_image() -> Image:
    """The frame as the detector is fed."""
    return np.asarray(cv2.resize(_frame(), FED, interpolation=cv2.INTER_LINEAR), np.uint8)


def face_chip() -> Image:
    """The singer's, as the recogniser sees it."""
    image = _frame()
    corners = TreeLandmarker(weights.shape_predictor(5))
    which = np.zeros(1, np.int64)
    return cut_chips([image], which, corners([image], which, _singer()))[0]


def _frame() -> Image:
    return decoded(media("video", HAMILTON_CLIP))[FRAME]


def _singer() -> FloatArray:
    """The largest face of the frame, float32 (1, 4)."""
    finder = open_detector(packs.resolve_detector("dlib"), choose(precision=EXACT))
    found = finder([_frame()], [Feed(1.0)])[0].box
    return found[[int((found[:, 2] - found[:, 0]).argmax())]]


def _corners(found: Any) -> tuple[int, int, int, int]:
    r = found.rect
    return r.left(), r.top(), r.right(), r.bottom()
