"""How large a frame is shown to the detector, and the way back to source pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.settings import AUTO, ProcessSettings
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.pyramid import resize_corners

UPSAMPLE = 2.0
"""FaceGrab has always enlarged the scaled frame once more before detection, by 2."""
USEFUL_SHARE = 0.25
"""A box of this share of the extract's side is enlarged about twice: a smaller one is of no use."""
SMALLEST_REFERENCE_PX = 20
"""Faces in reference pictures: a smaller one says nothing about a person."""

_UPSAMPLE_SHIFT = np.array([1.25, 0.75, 1.25, 0.75], np.float32)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which faces are looked for.

    Attributes:
        scale: .1 to 1, or ``"auto"``: as min_face says.
        min_face: side of the smallest face in source pixels, or ``"auto"``: every face whose
            extract is enlarged at most twice, as far as the detector goes without great cost.
        max_face: side of the largest face in source pixels, or None.
        extract_size: side of the extracts in pixels.
    """

    scale: float | str = AUTO
    min_face: int | str = AUTO
    max_face: int | None = None
    extract_size: int = ProcessSettings().extract_size


@dataclass(frozen=True, slots=True)
class Feed:
    """The resize before detection.

    Attributes:
        factor: fed pixels per source pixel.
        largest_px: longest side of a face that is looked for, in source pixels; infinite if there
            is no limit.
    """

    factor: float
    largest_px: float = inf

    @classmethod
    def choose(
        cls, wanted: Wanted, smallest_px: int, longest_fed_px: int, width: int, height: int
    ) -> Feed:
        """The feed for frames of width x height pixels.

        Args:
            wanted: which faces are looked for.
            smallest_px: side of the smallest box that the detector finds in a fed image.
            longest_fed_px: what ``auto`` feeds on the long side, at most.
            width: of the frame.
            height: of the frame.
        """
        largest_px = inf if wanted.max_face is None else float(wanted.max_face)
        if wanted.scale != AUTO:
            return cls(UPSAMPLE * float(wanted.scale), largest_px)
        if wanted.min_face != AUTO:
            return cls(min(smallest_px / float(wanted.min_face), UPSAMPLE), largest_px)
        enough = smallest_px / round(USEFUL_SHARE * wanted.extract_size)
        return cls(min(enough, longest_fed_px / max(width, height), UPSAMPLE), largest_px)

    @classmethod
    def widest(cls, smallest_px: int, longest_fed_px: int, width: int, height: int) -> Feed:
        """The feed for a single picture: it finds small faces too."""
        enough = smallest_px / SMALLEST_REFERENCE_PX
        return cls(min(enough, longest_fed_px / max(width, height), UPSAMPLE))

    def smallest_source_px(self, smallest_px: int) -> int:
        """Side of the smallest face that will be found, in source pixels."""
        return ceil(smallest_px / self.factor - 1e-6)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the fed image."""
        if self.factor == UPSAMPLE:  # dlib's pyramid_up
            return 2 * width + 2, 2 * height + 1
        return _whole(width * self.factor), _whole(height * self.factor)

    def resize(self, image: Image) -> Image:
        """The image as the detector will see it."""
        height, width = image.shape[:2]
        if self.factor == 1.0:
            return image
        fed = self.size(width, height)
        if self.factor == UPSAMPLE:
            # The same grid and rounding as dlib's own, so that boxes equal those of
            # face_recognition at one upsample.
            enlarged = resize_corners(image.astype(np.float32), *fed)
            return enlarged.astype(np.uint8)
        if self.factor <= 0.5:
            # By whole steps as an area mean, which OpenCV does fast; the rest below is bilinear.
            # An area mean all the way takes five times as long and finds the same faces.
            step = int(1 / self.factor)
            whole = (max(width // step, 1), max(height // step, 1))
            image = np.asarray(cv2.resize(image, whole, interpolation=cv2.INTER_AREA), np.uint8)
        return np.asarray(cv2.resize(image, fed, interpolation=cv2.INTER_LINEAR), np.uint8)

    def to_source(self, found: Detections, width: int, height: int) -> Detections:
        """Detections in the fed image, in whole pixels of a source of width x height."""
        return replace(found, box=self._box_to_source(found.box, width, height))

    def _box_to_source(self, box: FloatArray, width: int, height: int) -> FloatArray:
        if self.factor == 1.0:
            return box
        if self.factor == UPSAMPLE:  # dlib's rect_down
            return np.asarray(round_half_away(box / 2 - _UPSAMPLE_SHIFT), np.float32)
        fed = np.array(self.size(width, height) * 2, np.float64)
        source = np.array([width, height, width, height], np.float64)
        return np.asarray(round_half_away((box + 0.5) * source / fed - 0.5), np.float32)


def _whole(side: float) -> int:
    return max(1, ceil(side - 1e-6))


def round_half_away(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as C's lround makes them: dlib's boxes and landmarks are rounded so."""
    return np.asarray(np.copysign(np.floor(np.abs(values) + 0.5), values))
