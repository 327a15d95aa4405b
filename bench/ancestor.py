"""The FaceGrab of 2018, its steps rebuilt from dlib and OpenCV, against today's on one clip."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.measure import Ran, run, warm_up
from bench.media import Setup, dlib, dlib_weights
from bench.runs import EVERY, frames_in, require_all_looked_at, wall
from bench.table import Row, UnmeasurableError
from bench.tour import tour, tour_reference
from facegrab.media.images import read_image
from facegrab.types import Image

SECONDS, SECONDS_QUICK = 20, 10
PART = 3
"""Frames that the ancestor looks at in a round: each takes it seconds."""
REQUIRED = 100.0
SCALE = 0.25
UPSAMPLE = 1
JITTER = 5
"""Resamples that it took the mean embedding of, by default."""
TOLERANCE = 0.6
QUARTER = {"scale": SCALE, "detector": "dlib"}


def ancestor(setup: Setup) -> Iterator[Row]:
    """A part of the ancestor's frames, and today's whole runs, by turns."""
    seconds = SECONDS_QUICK if setup.quick else SECONDS
    clip, reference = tour(seconds), tour_reference()
    old = Ancestor(reference)
    due, part = range(0, frames_in(seconds), EVERY), setup.rounds(PART, 1)
    theirs, quarter, default = list[float](), list[Ran](), list[Ran]()
    warm_up()
    warm_up(**QUARTER)
    rounds = setup.rounds(5)
    for number in range(rounds):
        theirs.append(_ancestor_time(old, clip, due, _spread(len(due), part, number / rounds)))
        quarter.append(run(clip, reference, **QUARTER))
        default.append(run(clip, reference))
    require_all_looked_at([*quarter, *default], frames_in(seconds))
    said = f"{median(theirs):.0f} s ({part} of {len(due)} frames, scaled)"
    work = f"{seconds} s of 1080p, ancestor of 2018"
    yield _row(f"{work}, dlib at -s {SCALE:g}", quarter, theirs, said)
    yield _row(f"{work}, defaults", default, theirs, said, REQUIRED)


class Ancestor:
    """What it did with a frame: seek, shrink, detect with one upsample, and ask of each face whose
    it is, until one is the person's.

    For that it cut the face out of the full picture, looked for it there once more, with HOG, and
    took the mean embedding of five resamples: `FaceGrab.py` as its last versions have it
    (facepainter/FaceGrab on GitHub, commit 0045fc8, with the steps of face_recognition that it
    calls). It detected in batches of 128, for a GPU; dlib on a CPU takes them one by one, so here
    each call has one frame. It gave on faces as OpenCV has them, blue first; here they are RGB.
    What it wrote is left out, in its favour, and so is the time in which it loads its models and
    encodes the reference.

    Raises:
        UnmeasurableError: dlib is missing, or sees no face in the reference picture.
    """

    def __init__(self, reference: Path) -> None:
        module = dlib()
        self._detector = module.cnn_face_detection_model_v1(
            dlib_weights("mmod_human_face_detector.dat")
        )
        self._hog = module.get_frontal_face_detector()
        self._landmarks = module.shape_predictor(
            dlib_weights("shape_predictor_5_face_landmarks.dat")
        )
        self._recogniser = module.face_recognition_model_v1(
            dlib_weights("dlib_face_recognition_resnet_model_v1.dat")
        )
        person = self._embedding(read_image(reference))
        if person is None:
            raise UnmeasurableError(f"dlib sees no face in {reference}")
        self._person = person

    def look(self, capture: Any, number: int) -> bool:
        """Whether one of the faces of a frame, by its number, is the person's."""
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        read, image = capture.read()
        if not read:
            raise UnmeasurableError(f"OpenCV does not read frame {number}")
        small = cv2.resize(image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA)
        found = self._detector(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), UPSAMPLE)
        return any(self._is_person(_cut(image, face.rect)) for face in found)

    def _is_person(self, face: Image) -> bool:
        embedding = self._embedding(face)
        return embedding is not None and bool(np.linalg.norm(embedding - self._person) <= TOLERANCE)

    def _embedding(self, image: Image) -> NDArray[np.float64] | None:
        """Of the first face that HOG finds, if any."""
        for rect in self._hog(image, UPSAMPLE):
            points = self._landmarks(image, rect)
            return np.array(self._recogniser.compute_face_descriptor(image, points, JITTER))
        return None


def _cut(image: Any, small: Any) -> Image:
    """A face's box, found in the shrunk picture, out of the full one, in RGB."""
    factor = int(1 / SCALE)
    top, left = max(small.top(), 0) * factor, max(small.left(), 0) * factor
    face = image[top : small.bottom() * factor, left : small.right() * factor]
    return np.ascontiguousarray(face[:, :, ::-1])


def _spread(count: int, part: int, offset: float) -> list[int]:
    """So many of count places, evenly apart; the offset, 0 to 1, moves them from round to round."""
    return [int((each + offset) * count / part) for each in range(part)]


def _ancestor_time(old: Ancestor, clip: Path, due: Sequence[int], places: Sequence[int]) -> float:
    """Seconds for all the frames that are due, scaled up from those at some places."""
    capture = cv2.VideoCapture(str(clip))
    try:
        start = time.perf_counter()
        for place in places:
            old.look(capture, due[place])
        return (time.perf_counter() - start) * len(due) / len(places)
    finally:
        capture.release()


def _row(
    work: str,
    ours: Sequence[Ran],
    theirs: Sequence[float],
    said: str,
    required: float | None = None,
) -> Row:
    ratio = median(old / new.wall for old, new in zip(theirs, ours, strict=True))
    return Row(
        work,
        f"{wall(ours):.2f} s",
        said,
        f"{ratio:.0f}x",
        "" if required is None else f">= {required:g}x",
        None if required is None else ratio >= required,
        {"ours_s": [ran.wall for ran in ours], "ancestor_s": list(theirs), "ratio": ratio},
    )
