"""SCRFD (Guo et al., Sample and Computation Redistribution for Efficient Face Detection, 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.models.heads import scrfd_heads
from facegrab.types import FloatArray
from facegrab.vision.anchors import Candidates, as_points, corners, gathered
from facegrab.vision.graph_detector import OneShot


def decode(
    outputs: Sequence[FloatArray], width: int, height: int, least_score: float
) -> Candidates:
    """Faces of at least a score, from score, box and perhaps points of three strides.

    A box is the distances from a cell's first corner to its left, top, right and bottom, points are
    offsets from that corner, all in strides (insightface, SCRFD).

    Raises:
        ValueError: the outputs are not SCRFD's.
    """
    parts = []
    for head in scrfd_heads([each.shape for each in outputs], width, height):
        stride = head.stride_px
        score = outputs[head.scores[0]].reshape(-1)
        rows = np.flatnonzero(score >= least_score)
        corner = corners(rows, width, stride, head.anchors)
        distance = outputs[head.box].reshape(-1, 4)[rows] * stride
        box = np.hstack([corner - distance[:, :2], corner + distance[:, 2:]])
        points = corner[:, None] + as_points(outputs, head.points, rows) * stride
        parts.append(Candidates(score[rows], box, points))
    return gathered(parts)


KIND = OneShot(
    decode,
    least_score=0.5,  # as insightface, like the overlap
    most_overlap=0.4,
    longest_fed_px=1280,
    largest_px=512,  # side of its largest anchor
)
"""How SCRFD is read."""
