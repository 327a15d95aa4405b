"""How good an extract is as a picture of somebody, by its pixels alone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray, Image

FACE_SHARE = 0.64
"""Of an extract's side the face takes so much in the middle, in every alignment; less in those that
show the whole head, where hair then counts too."""
CLARITY_PX = 48
"""Side of the face in which clarity is measured: no more than the faces have that a run looks for
by default, so that enlarging neither gives nor takes anything."""
THUMB_PX = 16
PRINT_BITS = 63
"""Of the lowest 8 by 8 frequencies all but the mean."""

_PRINT_PX = 32
_PRINT_SHARE = 0.8
_LEAST_VARIANCE = 25.0
"""Of a face's luma: below, noise would count as sharpness."""
_DARKEST, _BRIGHTEST = 4, 251
"""Beyond these, with what JPEG adds, nothing can be told from black and white."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """What the pixels of an extract say.

    Attributes:
        clarity: variance of the Laplacian around eyes and nose in parts of the face's variance, at
            CLARITY_PX: it depends neither on the extract's size nor on contrast, nor on hands and
            collars, which are below.
        clipped: share of the face that is black or white.
        brightness: mean luma of the face, 0 to 255.
        contrast: standard deviation of it.
        fingerprint: bool (PRINT_BITS,), signs of the lowest frequencies (the perceptual hash of
            Zauner, 2010), of which like pictures share most.
        thumb: float32 (THUMB_PX, THUMB_PX), the face's luma, less its mean, by its deviation.
    """

    clarity: float
    clipped: float
    brightness: float
    contrast: float
    fingerprint: NDArray[np.bool_]
    thumb: FloatArray


def portrait(image: Image) -> Portrait:
    """Looks at an extract.

    Args:
        image: RGB uint8 (H, W, 3), the face in the middle.
    """
    luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    face = _middle(luma, FACE_SHARE)
    small = _resized(face, CLARITY_PX)
    oval = small[_OVAL]
    edges = cv2.Laplacian(small, cv2.CV_32F)
    contrast = float(oval.std())
    thumb = _resized(face, THUMB_PX)
    thumb = (thumb - thumb.mean()) / max(float(thumb.std()), np.sqrt(_LEAST_VARIANCE))
    return Portrait(
        clarity=float(edges[_UPPER].var() / max(contrast**2, _LEAST_VARIANCE)),
        clipped=float(((oval <= _DARKEST) | (oval >= _BRIGHTEST)).mean()),
        brightness=float(oval.mean()),
        contrast=contrast,
        fingerprint=_fingerprint(luma),
        thumb=thumb,
    )


def _fingerprint(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    small = _resized(_middle(luma, _PRINT_SHARE), _PRINT_PX)
    lowest = cv2.dct(small)[:8, :8].reshape(-1)[1:]
    return np.asarray(lowest > np.median(lowest))


def _middle(luma: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    height, width = luma.shape
    y, x = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    return luma[y : height - y, x : width - x]


def _resized(luma: NDArray[np.uint8], side: int) -> FloatArray:
    size = (side, side)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)


def _oval(side: int) -> NDArray[np.bool_]:
    """The pixels of a square that a face fills."""
    place = (np.arange(side) + 0.5) / side * 2 - 1
    return np.asarray(place[:, None] ** 2 + place[None] ** 2 <= 1)


_OVAL = _oval(CLARITY_PX)
_UPPER = _OVAL & (np.arange(CLARITY_PX) < 0.6 * CLARITY_PX)[:, None]
OVAL = _oval(THUMB_PX)
"""bool (THUMB_PX, THUMB_PX): where a thumb shows the face."""
