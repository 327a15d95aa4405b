"""Shots: where one camera's picture ends and another's begins, told from tiny pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.types import Image

COLUMNS, ROWS = 16, 9
"""Of the tiny picture."""
SIGNATURE_LENGTH = COLUMNS * ROWS * 3
"""Bytes of a signature."""
MEMORY = 3
"""Signatures that a decision looks back on."""
DARKEST = 8.0
"""Grey levels added to the mean level that a change is compared with, so that noise in the dark is
none."""
LEAST_CHANGE = 0.112
MOST_CHANGE = 0.42
USUAL_CHANGES = 2.0
"""A new shot has changed more than so many times as much as the larger of the two changes before,
and at least and at most by so much. Chosen on three joined clips with 111 cuts between places or
people (bench: shots), as they are and darkened to 30 %: looked at every frame, all cuts are found
and no other (F1 1.00); every 7th, all and 15 more (.94), most of them at people who come close to
the camera at 10 frames a second. With a higher most change there are fewer of these, but cuts that
follow on each other are missed. Tried besides, every 7th: differences of YCrCb, HSV and L*a*b*,
colour histograms, twice the pixels, the nearest of nine neighbours (.93 to .96, with other cuts
missed); absolute differences (.85, if the dark cuts are to be found)."""

_SAMPLES = 10
"""A tiny picture's pixel is the mean of so many times so many of the image's."""

Signature = NDArray[np.uint8]
"""uint8 (SIGNATURE_LENGTH,)."""


def signature(image: Image) -> Signature:
    """What is left of an image for telling shots apart: 16 x 9 pixels.

    Args:
        image: RGB uint8 (H, W, 3), of any size; it takes .05 ms whatever the size.

    Returns:
        uint8 (432,).
    """
    # Picked, then averaged: an area mean of all pixels of a 1080p image takes ten times as long.
    size = (COLUMNS * _SAMPLES, ROWS * _SAMPLES)
    picked = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
    tiny = cv2.resize(picked, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(tiny, np.uint8).ravel()


def change(a: Signature, b: Signature) -> float:
    """How much two images differ, as a share of how bright they are; the same either way.

    Args:
        a: signature of one image.
        b: signature of the other.
    """
    one, other = a.astype(np.int64), b.astype(np.int64)
    apart = int(np.abs(one - other).sum()) / SIGNATURE_LENGTH
    level = int((one + other).sum()) / (2 * SIGNATURE_LENGTH)
    return apart / (DARKEST + level)


class Cuts:
    """Tells of one image after the other whether it begins a new shot.

    An image is compared with the one before it and with the one before that: a flash, a single odd
    image, begins a shot, but what comes after it does not begin another one. What has changed much
    in the last two images, because the camera or people move fast, has to change more to be new.
    Of unrelated photographs, one after the other, it therefore takes a third for one shot.

    Args:
        before: signatures of the images before, in order; the last MEMORY of them are its whole
            state, so that it goes on as if it had seen them.
    """

    def __init__(self, before: Sequence[Signature] = ()) -> None:
        self._last: deque[Signature] = deque(maxlen=MEMORY)
        self._changes: deque[float] = deque(maxlen=MEMORY - 1)
        for each in before[-MEMORY:]:
            self._remember(each)

    def __call__(self, signature: Signature) -> bool:
        """Whether an image begins a new shot; the very first one does not.

        Args:
            signature: of the image.
        """
        usual = max(self._changes, default=0.0)
        limit = min(max(USUAL_CHANGES * usual, LEAST_CHANGE), MOST_CHANGE)
        before = [*self._last][-2:-1]
        changed = self._remember(signature)
        return changed > limit and all(change(signature, each) > limit for each in before)

    def _remember(self, signature: Signature) -> float:
        """Takes an image as the last one; its change from the one before, 0 if there is none."""
        changed = 0.0
        if self._last:
            changed = change(signature, self._last[-1])
            self._changes.append(changed)
        self._last.append(signature)
        return changed
