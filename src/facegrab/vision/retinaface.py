"""RetinaFace (Deng et al., 2019) as biubug6/Pytorch_Retinaface exports it, of any backbone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.models.heads import RETINAFACE_ANCHORS, STRIDES_PX, cells, retinaface_outputs
from facegrab.types import FloatArray, IntArray
from facegrab.vision.anchors import Candidates, around, as_points, corners, face_share
from facegrab.vision.graph_detector import OneShot

ANCHOR_PX = {8: (16.0, 32.0), 16: (64.0, 128.0), 32: (256.0, 512.0)}
"""Sides of the square anchors of each stride (biubug6, cfg_mnet, like the variances)."""
CENTRE_VARIANCE = np.float32(0.1)
SIZE_VARIANCE = np.float32(0.2)


def decode(
    outputs: Sequence[FloatArray], width: int, height: int, least_score: float
) -> Candidates:
    """Faces of at least a score, from classes, boxes and points relative to anchors.

    Anchors sit in the middle of their cells. Centre and points move by .1 of the anchor's side,
    sizes by the exponential of .2 (SSD's coding, Liu et al., 2016).

    Raises:
        ValueError: the outputs are not RetinaFace's.
    """
    places = retinaface_outputs([each.shape for each in outputs], width, height)
    score = face_share(outputs[places.classes].reshape(-1, 2))
    rows = np.flatnonzero(score >= least_score)
    centre, side = _anchors(rows, width, height)
    box = outputs[places.box].reshape(-1, 4)[rows]
    points = as_points(outputs, places.points, rows)
    return Candidates(
        score[rows],
        around(
            centre + box[:, :2] * CENTRE_VARIANCE * side, np.exp(box[:, 2:] * SIZE_VARIANCE) * side
        ),
        centre[:, None] + points * CENTRE_VARIANCE * side[:, None],
    )


def _anchors(rows: IntArray, width: int, height: int) -> tuple[FloatArray, FloatArray]:
    """Centre, float32 (N, 2), and side, float32 (N, 1), of the anchors of rows."""
    centre = np.empty((len(rows), 2), np.float32)
    side = np.empty((len(rows), 1), np.float32)
    first = 0
    for stride in STRIDES_PX:
        count = RETINAFACE_ANCHORS * cells(width, height, stride)
        here = (rows >= first) & (rows < first + count)
        mine = rows[here] - first
        centre[here] = corners(mine, width, stride, RETINAFACE_ANCHORS) + stride / 2
        side[here, 0] = np.array(ANCHOR_PX[stride], np.float32)[mine % RETINAFACE_ANCHORS]
        first += count
    return centre, side


KIND = OneShot(
    decode,
    least_score=0.6,  # as biubug6's demonstration, like the overlap
    most_overlap=0.4,
    longest_fed_px=1280,
    largest_px=512,  # side of its largest anchor
)
"""How RetinaFace is read."""
