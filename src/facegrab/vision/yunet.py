"""YuNet (Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector, MIR 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.models.heads import STRIDES_PX, check_joined, yunet_heads
from facegrab.types import FloatArray
from facegrab.vision.anchors import (
    NOBODY,
    Candidates,
    around,
    as_points,
    corners,
    gathered,
)
from facegrab.vision.graph_detector import OneShot


def decode(
    outputs: Sequence[FloatArray], width: int, height: int, least_score: float
) -> Candidates:
    """Faces of at least a score, from class, object, box and points of three strides.

    The score is the geometric mean of class and object. Centre and points are offsets from a
    cell's first corner in strides, sizes the logarithm of strides (OpenCV, FaceDetectorYN). The
    points come in the order that FaceGrab uses: checked by eye.

    Args:
        outputs: twelve, see yunet_heads, or three, see joined_heads.
        width: of the fed image.
        height: of the fed image.
        least_score: above 0.

    Raises:
        ValueError: the outputs are not YuNet's.
    """
    if len(outputs) == len(STRIDES_PX):
        return _of_joined(outputs, width, height, least_score)
    parts = []
    for head in yunet_heads([each.shape for each in outputs], width, height):
        stride = head.stride_px
        class_score, object_score = (outputs[each].reshape(-1).clip(0, 1) for each in head.scores)
        score = np.sqrt(class_score * object_score)
        rows = np.flatnonzero(score >= least_score)
        box = outputs[head.box].reshape(-1, 4)[rows]
        points = as_points(outputs, head.points, rows)
        corner = corners(rows, width, stride, head.anchors)
        parts.append(
            _faces(score[rows], box, points, corner, np.full(len(rows), stride, np.float32))
        )
    return gathered(parts)


def _of_joined(
    outputs: Sequence[FloatArray], width: int, height: int, least_score: float
) -> Candidates:
    """The same from class and object before the logistic function, box and points of each cell."""
    check_joined([each.shape for each in outputs], width, height)
    # Where one of the two is below the square of the score, the other would have to be above 1. So
    # most cells are done with before anything is computed; a little less, for what is rounded.
    least = least_score**2
    least_logit = np.log(least / (1 - least)) - 1e-3
    some = []
    for output, stride in zip(outputs, STRIDES_PX, strict=True):
        cells = output[0]
        rows = np.flatnonzero(np.minimum(cells[:, 0], cells[:, 1]) >= least_logit)
        if len(rows):
            sides = np.full(len(rows), stride, np.float32)
            some.append((cells[rows], corners(rows, width, stride, 1), sides))
    if not some:
        return NOBODY
    # All strides at once: NumPy takes longer to be called than for a few numbers.
    found, corner, side = (np.concatenate(each) for each in zip(*some, strict=True))
    class_score, object_score = 1 / (1 + np.exp(-found[:, :2].T))
    score = np.sqrt(class_score * object_score)
    faces = _faces(score, found[:, 2:6], found[:, 6:].reshape(-1, 5, 2), corner, side)
    return faces.select(np.flatnonzero(score >= least_score))


def _faces(
    score: FloatArray, box: FloatArray, points: FloatArray, corner: FloatArray, stride: FloatArray
) -> Candidates:
    """Candidates of some cells, whose first corners and strides these are."""
    side = stride[:, None]
    centre, size = corner + box[:, :2] * side, np.exp(box[:, 2:]) * side
    return Candidates(score, around(centre, size), corner[:, None] + points * side[:, None])


KIND = OneShot(
    decode,
    # On dlib's and CompreFace's pictures (43 and 46 faces, at their own size or a long side of
    # 1536 px) this finds all, with 1 box too many. OpenCV's .9 misses 7 and 1, and half of the
    # faces of 30 px elsewhere; .65 finds 4 too many.
    least_score=0.75,
    most_overlap=0.3,  # as OpenCV
    longest_fed_px=1536,  # 1536x864 takes the network 19 ms on 2 cores
    # Of 172 faces shown at 450 px, in one look, none was lost; between the scores .8 and .7, 5 to
    # 2 % of 63 were at 600 px and 31 to 6 % of 52 at 700.
    largest_px=450,
)
"""How YuNet is read."""
