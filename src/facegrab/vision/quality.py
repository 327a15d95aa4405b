"""How good a picture of a face is."""

from __future__ import annotations

import cv2

from facegrab.types import Image


def sharpness(face: Image) -> float:
    """Variance of the Laplacian of the luma (Pech-Pacheco et al., ICPR 2000).

    Args:
        face: RGB uint8 (H, W, 3), an aligned face.
    """
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return float(deviation.item() ** 2)
