"""One look at some frames: every face in them, described."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

import numpy as np

from facegrab.models.specs import DetectorSpec
from facegrab.settings import AUTO
from facegrab.types import UNKNOWN, Detections, Faces, FloatArray, Frame, Image, IntArray
from facegrab.vision import align
from facegrab.vision.detect import Detector, FollowingDetector, Trail
from facegrab.vision.embed import Recogniser, jittered, storable
from facegrab.vision.feed import Feed, Wanted
from facegrab.vision.points import PointFinder, Points
from facegrab.vision.recipes import Landmarks, mean_face, unaligned
from facegrab.vision.sharpness import Pose, sharpness_of

SMALLEST_BOX_PX = 2
SHARPNESS_PX = 256
"""Side of the aligned face in which sharpness is measured, whatever is extracted: what is seen of a
face does not depend on what is asked, and --blur_threshold means the same for any -xs."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """The networks that a look needs.

    Attributes:
        detector: finds faces.
        points: completes their points.
        recogniser: describes them.
        detector_spec: what the detector is called and on what terms it may be used.
        computed: device, runtime and precision of the networks, in words.
    """

    detector: Detector
    points: PointFinder
    recogniser: Recogniser
    detector_spec: DetectorSpec
    computed: str = ""


@dataclass(slots=True)
class Look:
    """Finds and describes every face in frames of any sizes; several threads may look at once.

    Args:
        eyes: the networks.
        wanted: which faces are looked for.
    """

    eyes: Eyes
    wanted: Wanted
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds spent so far, by stage, of all threads together."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __call__(self, frames: Sequence[Frame]) -> Faces:
        """Every face in the frames: rows in the order of the frames, best score first in each.

        Args:
            frames: of any sizes.
        """
        return self.described(frames, self.detected(frames)[0])

    def detected(
        self, frames: Sequence[Frame], follows: Sequence[bool] = (), before: Trail | None = None
    ) -> tuple[list[Detections], Trail | None]:
        """Every face in the frames, not yet described.

        Args:
            frames: of any sizes.
            follows: for each, whether it shows the moment after the one before it; none if empty.
            before: what the frame before the first one left, if that follows on it.

        Returns:
            of each frame, best score first; what the last one leaves, if anything may follow.
        """
        images = [frame.image for frame in frames]
        detector, trail = self.eyes.detector, None
        with self._timed("detect"):
            feeds = [self.feed(image.shape[1], image.shape[0]) for image in images]
            if follows and isinstance(detector, FollowingDetector):
                each, trail = detector.following(images, feeds, follows, before)
            else:
                each = detector(images, feeds)
            return [self._of_size(found) for found in each], trail

    def described(self, frames: Sequence[Frame], detected: Sequence[Detections]) -> Faces:
        """The faces that were detected in frames; see ``__call__``."""
        return self._described(frames, *_flat(detected))

    def everybody(self, image: Image, jitter: int) -> Faces:
        """Every face of a picture that may be a reference, best score first; frame is 0.

        Args:
            image: RGB uint8 (H, W, 3).
            jitter: resamples that each embedding is the mean of.
        """
        frame = Frame(0, 0.0, image, 0)
        with self._timed("detect"):
            (found,) = self.eyes.detector([image], [self._widest(image)])
            image_of, number, found = _flat([self._of_size(found)])
        return self._described([frame], image_of, number, found, jitter)

    def _described(
        self,
        frames: Sequence[Frame],
        image_of: IntArray,
        number: IntArray,
        found: Detections,
        jitter: int = 1,
    ) -> Faces:
        images = [frame.image for frame in frames]
        with self._timed("landmarks"):
            points = self.eyes.points(images, image_of, found.box, found.points5)
        with self._timed("embed"):
            embedding = self._embed(images, image_of, points, jitter)
        with self._timed("quality"):
            sharp = sharpness_of(images, image_of, _poses(found.box, points))
        return Faces(
            frame=np.array([frame.index for frame in frames], np.int64)[image_of],
            number=number,
            pts_seconds=np.array([frame.pts_seconds for frame in frames], np.float64)[image_of],
            box=found.box,
            score=found.score,
            points5=points.points5,
            points68=points.points68,
            embedding=embedding,
            sharpness=sharp,
            shot=np.full(len(found), UNKNOWN, np.int64),
            track=np.full(len(found), UNKNOWN, np.int64),
        )

    @property
    def can_follow(self) -> bool:
        """Whether frames that follow on each other are looked at for less."""
        return isinstance(self.eyes.detector, FollowingDetector)

    def feed(self, width: int, height: int) -> Feed:
        """How frames of width x height pixels are fed to the detector."""
        detector = self.eyes.detector
        return Feed.choose(
            self.wanted, detector.smallest_px, detector.longest_fed_px, width, height
        )

    def reference(self, image: Image, jitter: int) -> tuple[FloatArray, int]:
        """The embedding of the largest face of a picture, and how many faces there are.

        Args:
            image: RGB uint8 (H, W, 3).
            jitter: resamples that the embedding is the mean of.

        Returns:
            float32 (1, D), or (0, D) if there is no face; the number of faces.
        """
        eyes = self.eyes
        (found,) = eyes.detector([image], [self._widest(image)])
        if not len(found):
            return np.empty((0, eyes.recogniser.spec.length), np.float32), 0
        area = (found.box[:, 2:] - found.box[:, :2] + 1).prod(axis=1)
        largest = [int(area.argmax())]
        which = np.zeros(1, np.int64)
        points = eyes.points([image], which, found.box[largest], found.points5[largest])
        (chip,) = eyes.recogniser.chips([image], which, points.tree_box, points.points5)
        mean = eyes.recogniser(jittered(chip, jitter)).mean(axis=0, keepdims=True)
        return storable(mean), len(found)

    def _widest(self, image: Image) -> Feed:
        """How a picture is fed in which small faces count too."""
        detector = self.eyes.detector
        height, width = image.shape[:2]
        return Feed.widest(detector.smallest_px, detector.longest_fed_px, width, height)

    def _of_size(self, found: Detections) -> Detections:
        """Those of a size that was asked for: what ``auto`` finds below its aim is welcome.

        A box of a pixel, as a foreign network may answer, is no face: no landmark can be told from
        another in it.
        """
        low, high = self.wanted.min_face, self.wanted.max_face
        sides = found.box[:, 2:] - found.box[:, :2] + 1
        side = sides.max(axis=1, initial=0)
        keep = (sides >= SMALLEST_BOX_PX).all(axis=1)
        if low != AUTO:
            keep &= side >= int(low)
        if high is not None:
            keep &= side <= high
        return Detections(found.box[keep], found.score[keep], found.points5[keep])

    def _embed(
        self, images: Sequence[Image], image_of: IntArray, points: Points, jitter: int
    ) -> FloatArray:
        recogniser = self.eyes.recogniser
        chips = recogniser.chips(images, image_of, points.tree_box, points.points5)
        if jitter == 1 or not len(chips):
            return storable(recogniser(chips))
        means = [recogniser(jittered(chip, jitter)).mean(axis=0) for chip in chips]
        return storable(np.stack(means))

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def _poses(box: FloatArray, points: Points) -> list[Pose]:
    """How each face is aligned in which sharpness is measured."""
    if len(box) and np.isfinite(points.points68).all():
        with suppress(ValueError):  # points of one face coincide
            return align.all_at_own_size(points.points68, SHARPNESS_PX)
    each = zip(box, points.points5, points.points68, strict=True)
    return [_pose(Landmarks(*face)) for face in each]


def _pose(face: Landmarks) -> Pose:
    try:
        return align.at_own_size(partial(mean_face, face), SHARPNESS_PX)
    except ValueError:  # points that coincide: the box says where the face is
        return align.at_own_size(partial(unaligned, face), SHARPNESS_PX)


def _flat(found: Sequence[Detections]) -> tuple[IntArray, IntArray, Detections]:
    """Image of every face, its number within that, and all faces in one."""
    counts = [len(each) for each in found]
    every = [Detections.empty(), *found]
    return (
        np.repeat(np.arange(len(found), dtype=np.int64), counts),
        np.array([row for count in counts for row in range(count)], np.int64),
        Detections(
            np.concatenate([each.box for each in every]),
            np.concatenate([each.score for each in every]),
            np.concatenate([each.points5 for each in every]),
        ),
    )
