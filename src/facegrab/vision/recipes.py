"""Published ways to place a face in an extract, each as one similarity from frame to extract.

What a recipe is given and gives is the same for all: whole coordinates are centres of pixels, in
the frame and in the extract. Beyond the frame's edge an extract is black, also where the published
code pads with a mirrored picture (FFHQ): only the geometry is the recipe's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray
from facegrab.vision.align import (
    ARCFACE_PX,
    CHIP_PADDING,
    EYE_WEIGHT,
    MEAN_FACE,
    PADDING,
    Matrix,
    extract_matrices,
    extract_matrix,
    similarity,
)
from facegrab.vision.points import five_of

Points: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Where one face is, in pixels of the full frame.

    Attributes:
        box: float32 (4,), x0 y0 x1 y1, corner pixels inclusive.
        points5: float32 (5, 2), see types.Detections.
        points68: float32 (68, 2), NaN where the 68-point model is not used.
    """

    box: FloatArray
    points5: FloatArray
    points68: FloatArray

    @property
    def has_68(self) -> bool:
        """Whether the 68 points are known."""
        return bool(np.isfinite(self.points68).all())

    @property
    def five(self) -> Points:
        """float64 (5, 2): the five points among the 68, or the detector's own without them."""
        five = five_of(self.points68[None])[0] if self.has_68 else self.points5
        return five.astype(np.float64)


Place: TypeAlias = Callable[[Landmarks, int], Matrix]
"""From a face and the side of the extract in pixels to the matrix; ValueError without a pose."""


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """A way to place a face.

    Attributes:
        place: the geometry.
        natural_px: side of the extract if none is asked for; None for that of the run.
        needs_points68: makes no sense without the 68 points.
        multiples: the side is a multiple of one of these; empty for any side.
        together: the same as place for many faces, to the bit, of which the 68 points are known:
            float32 (N, 68, 2) and the side to float64 (N, 2, 3); ValueError if one has no pose.
    """

    place: Place
    natural_px: int | None = None
    needs_points68: bool = False
    multiples: tuple[int, ...] = ()
    together: Callable[[FloatArray, int], Matrix] | None = None


_INNER = 17
"""The 51 points of the mean face follow the 17 of the jaw line."""
_MEAN_FIVE = five_of(np.concatenate([np.zeros((_INNER, 2)), MEAN_FACE])[None])[0]
"""The mean face's own five points."""
_FIVE_WEIGHT = np.array([EYE_WEIGHT * 6] * 2 + [13.0] * 3)
"""The eyes have the share that they have among the 51: of six points each, to 39 in three.

Whole numbers, so that sums are exact and points that coincide are seen to.
"""

_CHIP_68 = np.r_[27:55, 60:65]
"""What dlib's recipe of 68 points goes by: nose, eyes and upper lip, no jaw, brows, lower lip."""

_ARCFACE_PX = 112
_ARCFACE_WIDE_PX = 128
_ARCFACE_WIDE_SHIFT = np.array([8.0, 0.0])

MARGIN = 0.25
"""Share of the box's longer side that ``none`` leaves around it on each side."""

_FACESWAP_SHIFT = np.array([0.009873, 0.0])
"""Faceswap's mean face is ours, moved so that the nose is in the middle."""
FACESWAP_FACE, FACESWAP_HEAD = 0.5, 0.625
"""Share of the side that faceswap leaves free, both margins together (EXTRACT_RATIOS)."""

# Faceswap's model of a head (lib/align/constants.py, LM_3D_26; it names as its source
# aifi.isr.uc.pt, glAnthropometric3DModel.cpp): x to the picture's left, y up, z out of the face.
# First the point's number among the 68.
_HEAD = np.array(
    [
        [6, 4.056931, -11.432347, 1.636229],
        [7, 1.833492, -12.542305, 4.061275],
        [8, 0.0, -12.901019, 4.070434],
        [9, -1.833492, -12.542305, 4.061275],
        [10, -4.056931, -11.432347, 1.636229],
        [17, 6.825897, 1.275284, 4.402142],
        [21, 1.330353, 1.636816, 6.903745],
        [22, -1.330353, 1.636816, 6.903745],
        [26, -6.825897, 1.275284, 4.402142],
        [31, 1.930245, -5.060977, 5.914376],
        [32, 0.746313, -5.136947, 6.263227],
        [33, 0.0, -5.485328, 6.76343],
        [34, -0.746313, -5.136947, 6.263227],
        [35, -1.930245, -5.060977, 5.914376],
        [36, 5.311432, 0.0, 3.987654],
        [39, 1.78993, -0.091703, 4.413414],
        [42, -1.78993, -0.091703, 4.413414],
        [45, -5.311432, 0.0, 3.987654],
        [48, 2.774015, -7.566103, 5.048531],
        [50, 0.509714, -7.056507, 6.566167],
        [51, 0.0, -7.131772, 6.704956],
        [52, -0.509714, -7.056507, 6.566167],
        [54, -2.774015, -7.566103, 5.048531],
        [56, -0.589441, -8.443925, 6.109526],
        [57, 0.0, -8.601736, 6.097667],
        [58, 0.589441, -8.443925, 6.109526],
    ]
)
_HEAD_POINTS = _HEAD[:, 0].astype(int)
_CAMERA = np.array([[4.0, 0.0, 0.5], [0.0, 4.0, 0.5], [0.0, 0.0, 1.0]])
FACE_CENTRE, HEAD_CENTRE = (0.0, -1.5, 4.2), (0.0, 0.0, -2.3)
"""What faceswap puts in the middle of a ``face`` and of a ``head``, in the model of the head."""


def mean_face(face: Landmarks, size_px: int) -> Matrix:
    """FaceGrab's own: the 51 inner points on the mean face, 18 % padding (align.extract_matrix).

    The eyes count twelve times as much as the rest, which keeps them in place while a head turns.
    Without the 68 points the five go onto the mean face's own five: on 226 faces of photographs
    that moves landmarks by 1.5 % of the side in the median, 2.9 at the 90th percentile.
    """
    if face.has_68:
        return extract_matrix(face.points68, size_px)
    padding = int(size_px * PADDING)
    target = _MEAN_FIVE * (size_px - 2 * padding) + padding
    return similarity(face.points5, target, _FIVE_WEIGHT)


def mean_faces(points68: FloatArray, size_px: int) -> Matrix:
    """The same of many faces: float64 (N, 2, 3)."""
    return extract_matrices(points68, np.full(len(points68), size_px))


def dlib_chip(face: Landmarks, size_px: int) -> Matrix:
    """The chip of dlib's get_face_chip (interpolation.h): 68 points, padding .25.

    The rectangle that dlib cuts lies half a pixel beside what its similarity says, and is a pixel
    smaller; both are kept. Without the 68 points the five go onto the mean face's own five. (dlib's
    recipe for its 5-point model goes by the corners of the eyes, which are not among our five.)
    """
    if face.has_68:
        source, template = face.points68[_CHIP_68], MEAN_FACE[_CHIP_68 - _INNER]
    else:
        source, template = face.points5, _MEAN_FIVE
    target = (CHIP_PADDING + template) / (2 * CHIP_PADDING + 1) * size_px
    pose = similarity(target, source.astype(np.float64))
    scale = hypot(pose[0, 0], pose[1, 0])
    if scale * size_px <= 1:
        raise ValueError("points within a pixel have no pose")
    linear = pose[:, :2] / scale * (size_px * scale - 1) / (size_px - 1)
    centre = pose @ [size_px / 2, size_px / 2, 1]
    middle = np.full(2, (size_px - 1) / 2)
    return _inverse(np.column_stack([linear, centre - linear @ middle]))


def arcface(face: Landmarks, size_px: int) -> Matrix:
    """Insightface's norm_crop (utils/face_align.py): the five points on its template of 112 px.

    Multiples of 112 are the template enlarged; those of 128 are wider, the face in the middle.
    """
    if size_px % _ARCFACE_PX == 0:
        return similarity(face.points5, ARCFACE_PX * (size_px / _ARCFACE_PX))
    ratio = size_px / _ARCFACE_WIDE_PX
    return similarity(face.points5, (ARCFACE_PX + _ARCFACE_WIDE_SHIFT) * ratio)


def ffhq(face: Landmarks, size_px: int) -> Matrix:
    """The square of FFHQ (Karras et al., CVPR 2019; recreate_aligned_images of download_ffhq.py).

    It goes by the centres of the eyes and the corners of the mouth: those of the 68 points, or of
    the five without them. The corners of the square are corners of pixels. (Where it shrinks a
    picture first, the published script moves it by up to a quarter of the extract's pixels. Not
    so here.)
    """
    left_eye, right_eye, _, left_mouth, right_mouth = face.five
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    across, down = right_eye - left_eye, mouth - eyes
    x = across + np.array([down[1], -down[0]])
    length = hypot(*x)
    if length == 0.0:
        raise ValueError("points that all coincide have no pose")
    x *= max(2.0 * hypot(*across), 1.8 * hypot(*down)) / length
    y = np.array([-x[1], x[0]])
    linear = np.column_stack([x, y]) * 2 / size_px
    corner = eyes + 0.1 * down - x - y
    return _inverse(np.column_stack([linear, corner + linear @ [0.5, 0.5]]))


def faceswap(face: Landmarks, size_px: int, free: float, centre: tuple[float, ...]) -> Matrix:
    """Faceswap's extract (lib/align/aligned_face.py and pose.py), straight from the frame.

    Its mean face of 51 points, moved so that a point of a head's model, projected in the pose of
    the face, is in the middle.

    Args:
        face: with 68 points.
        size_px: side of the extract.
        free: share of the side around the mean face: FACESWAP_FACE or FACESWAP_HEAD.
        centre: FACE_CENTRE or HEAD_CENTRE.
    """
    unit = similarity(face.points68[_INNER:], MEAN_FACE + _FACESWAP_SHIFT)
    landed = face.points68.astype(np.float64) @ unit[:, :2].T + unit[:, 2]
    unit[:, 2] -= _projected(landed, centre) - 0.5
    padding = round(size_px * free / 2)
    matrix = unit * (size_px - 2 * padding)
    matrix[:, 2] += padding
    return matrix


def unaligned(face: Landmarks, size_px: int) -> Matrix:
    """The square around the box with a margin: not turned, edges on edges of pixels."""
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    side = float((high - low + 1).max()) * (1 + 2 * MARGIN)
    if side <= 0:
        raise ValueError("a box without a pixel has no place")
    scale = size_px / side
    middle = (size_px - 1) / 2 - scale * (low + high) / 2
    return np.column_stack([np.eye(2) * scale, middle])


def template(
    face: Landmarks, size_px: int, needs_points68: bool, used: NDArray[np.intp], unit: Points
) -> Matrix:
    """Points on a template of one's own.

    Args:
        face: with 68 points if the template is made for them.
        size_px: side of the extract.
        needs_points68: the template is made for the 68 points, not for the five.
        used: intp (P,), which of them count.
        unit: (P, 2), where those go; 0 is the left or upper edge of the extract, 1 the other.
    """
    points = face.points68 if needs_points68 else face.points5
    return similarity(points[used], unit * size_px - 0.5)


def _projected(landed: Points, centre: tuple[float, ...]) -> Points:
    """Where a point of the head's model is seen, given the 68 points on faceswap's mean face."""
    model, seen = np.ascontiguousarray(_HEAD[:, 1:]), landed[_HEAD_POINTS]
    try:
        _, turn, shift = cv2.solvePnP(model, seen, _CAMERA, None, flags=cv2.SOLVEPNP_ITERATIVE)
    except cv2.error as error:
        raise ValueError("the pose of the head cannot be found") from error
    place = np.asarray(cv2.projectPoints(np.array([centre]), turn, shift, _CAMERA, None)[0])
    if not np.isfinite(place).all():
        raise ValueError("the pose of the head cannot be found")
    return place.reshape(2).astype(np.float64)


def _inverse(matrix: Matrix) -> Matrix:
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])
