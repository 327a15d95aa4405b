"""One look at some frames: every face in them, described."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from facegrab.types import EMBEDDING_LENGTH, Faces, FloatArray, Frame, Image, IntArray
from facegrab.vision import align
from facegrab.vision.detect import Detector
from facegrab.vision.embed import Recogniser, jittered, storable
from facegrab.vision.feed import Feed
from facegrab.vision.landmarks import Landmarker
from facegrab.vision.quality import sharpness


@dataclass(frozen=True, slots=True)
class Eyes:
    """The four networks that a look needs."""

    detector: Detector
    points5: Landmarker
    points68: Landmarker
    recogniser: Recogniser


@dataclass(slots=True)
class Look:
    """Finds and describes every face in frames of any sizes.

    Args:
        eyes: the networks.
        scale: as in ProcessSettings.
        extract_size: side of the extracts in pixels; sharpness is measured in one of this size,
            or in a smaller one where the face itself is smaller.
    """

    eyes: Eyes
    scale: float | str
    extract_size: int
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds spent so far, by stage."""

    def __call__(self, frames: Sequence[Frame]) -> Faces:
        """Every face in the frames: rows in the order of the frames, best score first in each."""
        images = [frame.image for frame in frames]
        with self._timed("detect"):
            feeds = [self.feed(image.shape[1], image.shape[0]) for image in images]
            image_of, number, box, score = self._detect(images, feeds)
        with self._timed("landmarks"):
            points5 = self.eyes.points5(images, image_of, box)
            points68 = self.eyes.points68(images, image_of, box)
        with self._timed("embed"):
            embedding = self._embed(images, image_of, points5)
        with self._timed("quality"):
            sharp = self._sharpness(images, image_of, points68)
        return Faces(
            frame=np.array([frame.index for frame in frames], np.int64)[image_of],
            number=number,
            pts_seconds=np.array([frame.pts_seconds for frame in frames], np.float64)[image_of],
            box=box,
            score=score,
            points5=points5,
            points68=points68,
            embedding=embedding,
            sharpness=sharp,
        )

    def feed(self, width: int, height: int) -> Feed:
        """How frames of width x height pixels are fed to the detector."""
        smallest_px = self.eyes.detector.smallest_px
        return Feed.choose(self.scale, self.extract_size, smallest_px, width, height)

    def reference(self, image: Image, jitter: int) -> tuple[FloatArray, int]:
        """The embedding of the largest face of a picture, and how many faces there are.

        Args:
            image: RGB uint8 (H, W, 3).
            jitter: resamples that the embedding is the mean of.

        Returns:
            float32 (1, 128), or (0, 128) if there is no face; the number of faces.
        """
        feed = Feed.widest(image.shape[1], image.shape[0])
        image_of, _, box, _ = self._detect([image], [feed])
        if not len(box):
            return np.empty((0, EMBEDDING_LENGTH), np.float32), 0
        area = (box[:, 2:] - box[:, :2] + 1).prod(axis=1)
        largest = [int(area.argmax())]
        points = self.eyes.points5([image], image_of[largest], box[largest])
        samples = jittered(align.chip(image, points[0]), jitter)
        return self.eyes.recogniser(samples).mean(axis=0, keepdims=True), len(box)

    def _detect(
        self, images: Sequence[Image], feeds: Sequence[Feed]
    ) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """Image, number within it, box and score of every face."""
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        fed = (feed.resize(image) for feed, image in zip(feeds, images, strict=True))
        found = [
            feed.to_source(detections, *size)
            for feed, detections, size in zip(feeds, self.eyes.detector(fed), sizes, strict=True)
        ]
        counts = [len(detections) for detections in found]
        return (
            np.repeat(np.arange(len(images), dtype=np.int64), counts),
            np.array([row for count in counts for row in range(count)], np.int64),
            np.concatenate([np.empty((0, 4), np.float32), *(each.box for each in found)]),
            np.concatenate([np.empty(0, np.float32), *(each.score for each in found)]),
        )

    def _embed(
        self, images: Sequence[Image], image_of: IntArray, points5: FloatArray
    ) -> FloatArray:
        chips = [align.chip(images[i], p) for i, p in zip(image_of, points5, strict=True)]
        return storable(self.eyes.recogniser(chips))

    def _sharpness(
        self, images: Sequence[Image], image_of: IntArray, points68: FloatArray
    ) -> FloatArray:
        values = [
            sharpness(align.luma_at_own_size(images[i], points, self.extract_size))
            for i, points in zip(image_of, points68, strict=True)
        ]
        return np.array(values, np.float32)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
