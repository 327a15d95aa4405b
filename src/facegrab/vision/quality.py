"""How good a picture of a face is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def sharpness(face: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000).

    Args:
        face: luma, uint8 (H, W), of an aligned face.
    """
    _, deviation = cv2.meanStdDev(cv2.Laplacian(face, cv2.CV_16S))
    return float(deviation.item() ** 2)
