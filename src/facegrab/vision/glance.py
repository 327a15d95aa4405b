"""Whether an image goes on where another one ended, at a glance."""

from __future__ import annotations

import cv2
import numpy as np

from facegrab.types import Image

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
    finer = (PICKED * size[0], PICKED * size[1])
    picked = cv2.resize(image, finer, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(picked, size, interpolation=cv2.INTER_AREA), np.uint8)


def continues(image: Image, before: Image) -> bool:
    """Whether nothing new is to be expected in an image after another of the same size.

    Args:
        image: glance of the one.
        before: glance of the other.
    """
    change = cv2.absdiff(image, before)
    places = cv2.resize(change, GLANCE_PLACES, interpolation=cv2.INTER_AREA)
    return float(places.mean(axis=2).max()) < MOST_CHANGE
