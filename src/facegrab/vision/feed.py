"""How large a frame is shown to the detector, and the way back to source pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from facegrab.settings import AUTO
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.detect import round_half_away
from facegrab.vision.pyramid import resize_corners

UPSAMPLE = 2.0
"""FaceGrab has always enlarged the scaled frame once more before detection, by 2."""
DLIB_SCALES = (0.5, 1.0)
"""At these the fed image is one that dlib makes itself, without and with one upsample: so the boxes
can be compared with dlib's and face_recognition's, and are made to be the same."""
USEFUL_SHARE = 0.3
"""A box of this share of the extract's side is enlarged about twice: a smaller one is of no use."""
LONGEST_FED_PX = 1536
"""``auto`` never feeds more on the long side: a 1080p frame then takes about 100 ms on 2 cores."""

_UPSAMPLE_SHIFT = np.array([1.25, 0.75, 1.25, 0.75], np.float32)


@dataclass(frozen=True, slots=True)
class Feed:
    """The resize before detection.

    Attributes:
        factor: fed pixels per source pixel.
    """

    factor: float

    @classmethod
    def choose(
        cls, scale: float | str, extract_size: int, smallest_px: int, width: int, height: int
    ) -> Feed:
        """The feed for frames of width x height pixels.

        Args:
            scale: .1 to 1; ``"auto"`` is just enough to find every face whose extract is enlarged
                at most twice, within LONGEST_FED_PX.
            extract_size: side of the extracts in pixels.
            smallest_px: side of the smallest box that the detector finds in a fed image.
            width: of the frame.
            height: of the frame.
        """
        if scale != AUTO:
            return cls(UPSAMPLE * float(scale))
        enough = smallest_px / round(USEFUL_SHARE * extract_size)
        return cls(min(enough, LONGEST_FED_PX / max(width, height), UPSAMPLE))

    @classmethod
    def widest(cls, width: int, height: int) -> Feed:
        """The feed that finds the smallest faces within LONGEST_FED_PX, for a single picture."""
        return cls(min(UPSAMPLE, LONGEST_FED_PX / max(width, height)))

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
        return Detections(self._box_to_source(found.box, width, height), found.score)

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
