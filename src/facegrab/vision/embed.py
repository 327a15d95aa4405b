"""Embeddings: from a chip to the vector that faces are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from facegrab.models.details import CHIP_PX, MEAN_RGB
from facegrab.models.runtime import Net
from facegrab.types import EMBEDDING_LENGTH, FloatArray, Image

BATCH = 16
"""Chips a call: more gain nothing on a CPU, and the net's memory grows with them."""

JITTER_SEED = 1
JITTER_DEGREES = 3.0
JITTER_ZOOM = 0.04
JITTER_SHIFT_PX = 3.0


class Recogniser(Protocol):
    """Turns chips into embeddings."""

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        """float32 (N, 128) of N chips, uint8 (150, 150, 3)."""
        ...


class ResnetRecogniser:
    """dlib's face recognition model v1, a 29-layer ResNet; its metric is Euclidean.

    Args:
        net: (N, 3, 150, 150) to (N, 128).
    """

    def __init__(self, net: Net) -> None:
        self._net = net

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        parts = [np.empty((0, EMBEDDING_LENGTH), np.float32)]
        for start in range(0, len(chips), BATCH):
            parts.append(self._net(_normalised(chips[start : start + BATCH])))
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
    chips = [chip]
    for number in range(1, count):
        turn, zoom, shift_x, shift_y = random.uniform(-1, 1, 4)
        centre = ((CHIP_PX - 1) / 2, (CHIP_PX - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, turn * JITTER_DEGREES, 1 + zoom * JITTER_ZOOM)
        matrix[:, 2] += [shift_x * JITTER_SHIFT_PX, shift_y * JITTER_SHIFT_PX]
        sample = cv2.warpAffine(
            chip,
            matrix,
            (CHIP_PX, CHIP_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        chips.append(np.asarray(sample[:, ::-1] if number % 2 else sample, np.uint8))
    return chips


def _normalised(chips: Sequence[Image]) -> FloatArray:
    batch = np.asarray(chips, np.float32) - np.array(MEAN_RGB, np.float32)
    batch *= np.float32(1 / 256)
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
