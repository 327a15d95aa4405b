"""Whether an image goes on where another one ended, at a glance."""

from __future__ import annotations

import cv2

from facegrab.types import Image
from facegrab.vision.candidates import Halvings

GLANCE_BITS = 6
"""For a change, images are compared halved until the shorter side has 32 to 63 pixels."""
GLANCE_PLACES = (8, 6)
"""Columns and rows of places in which they are compared."""
MOST_CHANGE = 20.0
"""Grey levels by which a place may differ, in the mean, for nobody new to be there. All cuts of the
films at hand change one by 21 or more; in shots of a still camera a tenth of the frames do, in a
hand-held concert half of them."""


def glance(image: Halvings) -> Image:
    """What is left of an image for telling whether the next one goes on where it ended.

    Returns:
        RGB uint8, of the same number of pixels, about, whatever the image's size.
    """
    return image[max(min(image[0].shape[:2]).bit_length() - GLANCE_BITS, 0)]


def continues(image: Image, before: Image) -> bool:
    """Whether nothing new is to be expected in an image after another of the same size.

    Args:
        image: glance of the one.
        before: glance of the other.
    """
    change = cv2.absdiff(image, before)
    places = cv2.resize(change, GLANCE_PLACES, interpolation=cv2.INTER_AREA)
    return float(places.mean(axis=2).max()) < MOST_CHANGE
