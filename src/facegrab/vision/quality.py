"""How good a picture of a face is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.types import Image


def sharpness(face: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000).

    Args:
        face: luma, uint8 (H, W), of an aligned face.
    """
    _, deviation = cv2.meanStdDev(cv2.Laplacian(face, cv2.CV_16S))
    return float(deviation.item() ** 2)


def fingerprint(image: Image) -> NDArray[np.bool_]:
    """What a picture shows, in 64 bits, of which copies of other sizes and qualities share most.

    Whether it gets brighter from place to place, to the right, on a grid of 8 by 9 (known as
    difference hash).

    Args:
        image: RGB uint8 (H, W, 3).
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1]).reshape(-1)
