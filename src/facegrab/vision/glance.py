"""Where an image does not go on as another one ended, at a glance."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray, Image, IntArray

GLANCE_BITS = 6
"""For a change, images are compared halved until the shorter side has 32 to 63 pixels."""
PICKED = 6
"""Pixels along each side of such a one that its mean is of: of all it takes ten times as long. In a
minute of talks 128 full looks instead of 127 are taken at every seventh frame; with 4 they are 130,
and a new scene of the crowd goes unseen; with 3 they are 132, with 2 135."""
GLANCE_PLACES = (8, 6)
"""Columns and rows of places in which they are compared."""
MOST_CHANGE = 20.0
"""Grey levels by which a place may differ, in the mean, for nobody new to be there. All cuts of the
films at hand change one by 21 or more; in shots of a still camera a tenth of the frames do, in a
hand-held concert half of them."""


def glance(image: Image) -> Image:
    """What is left of an image for telling whether the next one goes on where it ended.

    Args:
        image: RGB uint8 (H, W, 3).

    Returns:
        RGB uint8, of the same number of pixels, about, whatever the image's size.
    """
    height, width = image.shape[:2]
    halvings = max(min(width, height).bit_length() - GLANCE_BITS, 0)
    size = (width >> halvings, height >> halvings)
    finer = (min(PICKED * size[0], width), min(PICKED * size[1], height))
    picked = cv2.resize(image, finer, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(picked, size, interpolation=cv2.INTER_AREA), np.uint8)


class Part(NamedTuple):
    """A part of an image: from left and top, to the pixels before right and bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area_px(self) -> int:
        """Its pixels."""
        return (self.right - self.left) * (self.bottom - self.top)

    def of(self, image: Image) -> Image:
        """A view of it."""
        return image[self.top : self.bottom, self.left : self.right]

    def touches(self, box: FloatArray) -> NDArray[np.bool_]:
        """Which boxes, edges (N, 4), lie in it at least in part: bool (N,)."""
        low, high = box[:, :2] < [self.right, self.bottom], box[:, 2:] > [self.left, self.top]
        return np.asarray((low & high).all(axis=1), np.bool_)

    def cuts(self, box: FloatArray, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Which boxes reach out of it to where an image of that size goes on: bool (N,)."""
        before = (box[:, :2] < self[:2]) & (np.array(self[:2]) > 0)
        behind = (box[:, 2:] > self[2:]) & (np.array(self[2:]) < size)
        return np.asarray((before | behind).any(axis=1), np.bool_)

    def with_all_of(self, box: FloatArray, size: tuple[int, int]) -> Part:
        """Grown in an image of that size until it cuts none of the boxes."""
        part = self
        while (cut := part.touches(box) & part.cuts(box, size)).any():
            low = np.floor(box[cut, :2].min(axis=0)).clip(0).astype(int)
            high = np.ceil(box[cut, 2:].max(axis=0)).clip(None, size).astype(int)
            (left, top), (right, bottom) = low.tolist(), high.tolist()
            part = Part(
                min(left, part.left), min(top, part.top),
                max(right, part.right), max(bottom, part.bottom),
            )  # fmt: skip
        return part


def continues(image: Image, before: Image) -> bool:
    """Whether nothing new is to be expected in an image after another of the same size.

    Args:
        image: glance of the one.
        before: glance of the other.
    """
    return not _changed(image, before).any()


def changed(image: Image, before: Image, size: tuple[int, int]) -> Part | None:
    """Where somebody new may be in an image after another one of the same size.

    Args:
        image: glance of the one.
        before: glance of the other.
        size: width and height of the image.

    Returns:
        the part with all places that have changed much and those beside them; None: nowhere.
    """
    much = _changed(image, before)
    if not much.any():
        return None
    rows, columns = np.nonzero(much)
    (left, right), (top, bottom) = _span(columns, much.shape[1]), _span(rows, much.shape[0])
    (across, down), (width, height) = GLANCE_PLACES, size
    return Part(
        left * width // across, top * height // down,
        right * width // across, bottom * height // down,
    )  # fmt: skip


def _changed(image: Image, before: Image) -> NDArray[np.bool_]:
    """Which places have changed much: bool, a row of them after the other."""
    change = cv2.resize(cv2.absdiff(image, before), GLANCE_PLACES, interpolation=cv2.INTER_AREA)
    return np.asarray(change.mean(axis=2) >= MOST_CHANGE, np.bool_)


def _span(places: IntArray, count: int) -> tuple[int, int]:
    """From which place to before which one: all of some out of so many, and one at each end."""
    return max(int(places.min()) - 1, 0), min(int(places.max()) + 2, count)
