"""UltraFace (Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB): slim and RFB, 320 and 640."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.models.heads import ultraface_outputs
from facegrab.types import FloatArray
from facegrab.vision.anchors import Candidates, face_share, no_points
from facegrab.vision.graph_detector import OneShot

UNDECODED_SHARE = 0.01
"""More sides than these of less than nothing are no sides but what an anchor is moved by."""


def decode(
    outputs: Sequence[FloatArray], width: int, height: int, least_score: float
) -> Candidates:
    """Faces of at least a score, from classes and boxes, the latter in shares of the fed image.

    Raises:
        ValueError: the outputs are not UltraFace's.
    """
    places = ultraface_outputs([each.shape for each in outputs], width, height)
    score = face_share(outputs[places.classes].reshape(-1, 2))
    rows = np.flatnonzero(score >= least_score)
    shares = outputs[places.box].reshape(-1, 4)
    if (shares[:, 2:] < shares[:, :2]).mean() > UNDECODED_SHARE:
        raise ValueError("its boxes are not decoded: take the file with post-processing")
    box = shares[rows] * np.array([width, height] * 2, np.float32)
    return Candidates(score[rows], box, no_points(len(rows)))


KIND = OneShot(
    decode,
    least_score=0.7,  # as its author's demonstration, like the overlap
    most_overlap=0.3,
    longest_fed_px=640,
    largest_px=256,  # side of its largest anchor
)
"""How UltraFace is read."""
