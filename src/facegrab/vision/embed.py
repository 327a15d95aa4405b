"""Embeddings: from a chip to the vector that faces are compared by."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from facegrab.models.details import CHIP_PX, EMBEDDING_LENGTH, MEAN_RGB
from facegrab.models.runtime import Net
from facegrab.models.specs import RecogniserSpec
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.chips import cut_chips
from facegrab.vision.landmarks import Landmarker

BATCH = 8
"""Chips a call: more gain nothing on a CPU, and the net's memory grows with them. Sixteen would be
one more size for which it has to be prepared, which takes as long as thirty faces."""

JITTER_SEED = 1
JITTER_DEGREES = 3.0
JITTER_ZOOM = 0.04
JITTER_SHIFT = 0.02
"""Share of the chip's side."""


class Recogniser(Protocol):
    """Turns faces into chips, and chips into embeddings."""

    spec: RecogniserSpec
    """Its name, the metric of its embeddings and the tolerance it comes with."""

    def chips(
        self, images: Sequence[Image], image_of: IntArray, tree_box: FloatArray, points5: FloatArray
    ) -> list[Image]:
        """The net's input for each face, cut from the full frame.

        Args:
            images: RGB uint8 (H, W, 3).
            image_of: int64 (N,), the image that each face is in.
            tree_box: float32 (N, 4), see points.Points.
            points5: float32 (N, 5, 2), see Detections.
        """
        ...

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        """float32 (N, D) of N chips."""
        ...


class ResnetRecogniser:
    """dlib's face recognition model v1, a 29-layer ResNet; its metric is Euclidean.

    Args:
        net: (N, 3, 150, 150) to (N, 128).
        corners: dlib's 5-point model, by which the chip is cut.
        spec: what it is called and how it is used.
    """

    def __init__(self, net: Net, corners: Landmarker, spec: RecogniserSpec) -> None:
        self._net = net
        self._corners = corners
        self._canvas = _Canvas()
        self.spec = spec

    def chips(
        self, images: Sequence[Image], image_of: IntArray, tree_box: FloatArray, points5: FloatArray
    ) -> list[Image]:
        """uint8 (150, 150, 3) each, by the eye corners and the nose found within the box."""
        corners = self._corners(images, image_of, tree_box)
        return cut_chips(images, image_of, corners)

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        """float32 (N, 128) of N chips, uint8 (150, 150, 3)."""
        parts = [np.empty((0, EMBEDDING_LENGTH), np.float32)]
        for start in range(0, len(chips), BATCH):
            parts.append(self._net(self._canvas(chips[start : start + BATCH])))
        return np.concatenate(parts)


def storable(embedding: FloatArray) -> FloatArray:
    """Rounded to what float16 can hold, so that a stored face decides as it did when seen.

    The index keeps embeddings as float16; that moves a distance by less than .001.
    """
    return embedding.astype(np.float16).astype(np.float32)


def jittered(chip: Image, count: int) -> list[Image]:
    """A chip and count - 1 resamples of it, slightly turned, zoomed, shifted; every other mirrored.

    Always the same ones, so that the same picture gives the same embedding.
    """
    random = np.random.default_rng(JITTER_SEED)
    side = chip.shape[0]
    chips = [chip]
    for number in range(1, count):
        turn, zoom, shift_x, shift_y = random.uniform(-1, 1, 4)
        centre = ((side - 1) / 2, (side - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, turn * JITTER_DEGREES, 1 + zoom * JITTER_ZOOM)
        matrix[:, 2] += [shift_x * JITTER_SHIFT * side, shift_y * JITTER_SHIFT * side]
        sample = cv2.warpAffine(
            chip, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        chips.append(np.asarray(sample[:, ::-1] if number % 2 else sample, np.uint8))
    return chips


class _Canvas(threading.local):
    """Makes the net's input, in memory of its own for each thread: see models.canvas."""

    def __init__(self) -> None:
        self._planes = np.empty((3, CHIP_PX, CHIP_PX), np.uint8)
        self._batch = np.empty((BATCH, 3, CHIP_PX, CHIP_PX), np.float32)

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        """float32 (N, 3, 150, 150) of up to BATCH chips, valid until the next call."""
        mean = np.array(MEAN_RGB, np.float32)[:, None, None]
        for chip, row in zip(chips, self._batch, strict=False):
            cv2.split(chip, list(self._planes))
            np.subtract(self._planes, mean, out=row)
        batch = self._batch[: len(chips)]
        batch *= np.float32(1 / 256)
        return batch
