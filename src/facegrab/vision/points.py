"""The points of faces that any detector found: five of them, and the 68 of the iBUG scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.align import ARCFACE_PX, MEAN_FACE, similarity
from facegrab.vision.landmarks import Landmarker

# Where dlib's detector draws its box around five points, in the frame of ArcFace's template of
# 112 px: medians over 201 faces of 40 px and more (LFW, Azure's families, dlib's examples) that
# both dlib and MTCNN found; with YuNet's points they are 52.1, 64.0 and 85.6. On LFW 10x10 the
# 5-point model started from this box gives a better chip than a similarity of the five points
# straight to the chip: 98.0 to 96.0 % of the true pairs at a false accept rate of .001.
_BOX_CENTRE = np.array([51.9, 63.3, 1.0])
_BOX_SIDE = 85.0

_SMALLEST_SPREAD_PX = 1.0
"""Five points that spread less say nothing of a face."""
_INNER = 17
"""The 51 inner points of the 68 begin here: the jaw comes first."""
_CORNERS = [45, 42, 36, 39, 33]
"""dlib's 5 points among the 68: corners of the eyes and the base of the nose."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points of N faces.

    Attributes:
        tree_box: float32 (N, 4), the box that dlib's detector would draw: its landmark models are
            trained to start from that.
        points5: float32 (N, 5, 2), see Detections; never NaN.
        points68: float32 (N, 68, 2), NaN without the 68-point model.
    """

    tree_box: FloatArray
    points5: FloatArray
    points68: FloatArray


class PointFinder:
    """Completes what a detector found.

    Args:
        corners: dlib's 5-point model.
        mesh: dlib's 68-point model, or None where its licence is in the way.
    """

    def __init__(self, corners: Landmarker, mesh: Landmarker | None) -> None:
        self._corners = corners
        self._mesh = mesh

    def __call__(
        self, images: Sequence[Image], image_of: IntArray, box: FloatArray, points5: FloatArray
    ) -> Points:
        """Points of faces, of which some detectors know five and others none.

        Args:
            images: RGB uint8 (H, W, 3).
            image_of: int64 (N,), the image that each face is in.
            box: float32 (N, 4), the detector's.
            points5: float32 (N, 5, 2), the detector's; NaN where it finds boxes only. Points that
                all lie within a pixel, as a network that is none may give them, count as unknown.
        """
        unknown = ~(np.ptp(points5, axis=1).max(axis=1) >= _SMALLEST_SPREAD_PX)
        tree_box = box.copy()
        tree_box[~unknown] = tree_box_of(points5[~unknown])
        points5 = points5.copy()
        if self._mesh is not None:
            points68 = self._mesh(images, image_of, tree_box)
            points5[unknown] = five_of(points68[unknown])
        else:
            points68 = np.full((len(box), 68, 2), np.nan, np.float32)
            corners = self._corners(images, image_of[unknown], tree_box[unknown])
            points5[unknown] = [_five_of_corners(each) for each in corners] or points5[:0]
        return Points(tree_box, points5, points68)


def tree_box_of(points5: FloatArray) -> FloatArray:
    """The box (..., 4) that dlib's detector would draw around a face with five points (..., 5, 2).

    In whole pixels, as it draws them: the trees' way depends on the last bit of the box, and points
    that a runtime computes a hundred-thousandth otherwise would move the chip by a pixel.
    """
    pose = similarity(ARCFACE_PX, points5)
    centre = pose @ _BOX_CENTRE
    half = _BOX_SIDE * np.hypot(pose[..., :1, 0], pose[..., 1:, 0]) / 2
    return np.round(np.concatenate([centre - half, centre + half], axis=-1)).astype(np.float32)


def five_of(points68: NDArray[np.floating]) -> FloatArray:
    """The five points (N, 5, 2) among the 68 (N, 68, 2): an eye's centre is the mean of its six."""
    five = [
        points68[:, 36:42].mean(axis=1),
        points68[:, 42:48].mean(axis=1),
        points68[:, 30],
        points68[:, 48],
        points68[:, 54],
    ]
    return np.stack(five, axis=1).astype(np.float32)


_MEAN_68 = np.concatenate([np.zeros((_INNER, 2)), MEAN_FACE])


def _five_of_corners(corners: FloatArray) -> FloatArray:
    """The five points (5, 2) as the mean face has them, laid over the eye corners and the nose.

    An estimate: the corners of the mouth are where an expressionless face has them.
    """
    pose = similarity(_MEAN_68[_CORNERS], corners.astype(np.float64))
    five = five_of(_MEAN_68[None])[0]
    return np.asarray(five @ pose[:, :2].T + pose[:, 2], np.float32)
