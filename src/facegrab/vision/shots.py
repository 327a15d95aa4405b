"""Shots: where one camera's picture ends and another's begins, told from tiny pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.types import Image

COLUMNS, ROWS = 16, 9
"""Of the tiny picture. On joined clips, 24 x 14 gives twice the false cuts at every 7th frame."""
SIGNATURE_LENGTH = COLUMNS * ROWS * 3
"""Bytes of a signature."""
MEMORY = 4
"""Signatures that a decision looks back on."""
LEAST_CHANGE = 3.6
MOST_CHANGE = 8.4
USUAL_CHANGES = 4.0
"""A new shot has changed by more than so many times as much as is usual, and at least and at most
by so many grey levels. Measured on three joins of 41 clips and shots, neighbours of one person in
one place not counted: looked at every frame, 118 of 123 cuts and no false one; every 7th, 113 of
121 and 10, of which most are people who come close to the camera. A fixed threshold finds as many
with twice the false ones."""

_SHIFTS = tuple(
    (slice(max(-by, 0), -by if by > 0 else None), slice(max(by, 0), by if by < 0 else None))
    for by in (-1, 0, 1)
)
"""Rows or columns of one picture and those of the other that lie so far beside them."""
_SAMPLES = 10
"""A tiny picture's pixel is the mean of so many times so many of the image's."""

Signature = NDArray[np.uint8]
"""uint8 (SIGNATURE_LENGTH,)."""


def signature(image: Image) -> Signature:
    """What is left of an image for telling shots apart: 16 x 9 pixels of luma and chroma.

    Args:
        image: RGB uint8 (H, W, 3), of any size; a 1080p one takes .1 ms.

    Returns:
        uint8 (432,).
    """
    # Picked, then averaged: an area mean of all pixels of a 1080p image takes ten times as long.
    size = (COLUMNS * _SAMPLES, ROWS * _SAMPLES)
    picked = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
    tiny = cv2.resize(picked, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(tiny, cv2.COLOR_RGB2YCrCb), np.uint8).ravel()


def change(a: Signature, b: Signature) -> float:
    """How much two images differ, in grey levels; the same either way.

    Each pixel of one tiny picture is compared with the nine around its place in the other, and the
    most alike counts: what moves by less than a sixteenth of the width changes little, a camera
    that pans likewise. Both ways, so that neither what comes nor what goes is overlooked.

    Args:
        a: signature of one image.
        b: signature of the other.
    """
    one, other = (each.reshape(ROWS, COLUMNS, 3).astype(np.int16) for each in (a, b))
    nearest = np.full((2, ROWS, COLUMNS), 3 * 255, np.int64)
    for rows, other_rows in _SHIFTS:
        for columns, other_columns in _SHIFTS:
            apart = np.abs(one[rows, columns] - other[other_rows, other_columns]).sum(axis=2)
            for which, place in ((0, (rows, columns)), (1, (other_rows, other_columns))):
                np.minimum(nearest[which][place], apart, out=nearest[which][place])
    return float(nearest.mean()) / 3


class Cuts:
    """Tells of one image after the other whether it begins a new shot.

    An image is compared with the one before it and with the one before that: a flash, a single odd
    image, begins a shot, but what comes after it does not begin another one. How much change is
    usual is the median of the three changes before.

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
        usual = float(np.median(self._changes)) if self._changes else 0.0
        limit = min(max(USUAL_CHANGES * usual, LEAST_CHANGE), MOST_CHANGE)
        before = [*self._last][-2:]
        changed = self._remember(signature)
        # The one before that is seldom needed.
        return changed > limit and all(change(signature, each) > limit for each in before[:-1])

    def _remember(self, signature: Signature) -> float:
        """Takes an image as the last one; its change from the one before, 0 if there is none."""
        changed = 0.0
        if self._last:
            changed = change(signature, self._last[-1])
            self._changes.append(changed)
        self._last.append(signature)
        return changed
