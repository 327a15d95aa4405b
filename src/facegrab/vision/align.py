"""Similarity transforms and the warps that follow them: the extract."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, hypot
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.landmarks import walker_name

Matrix = NDArray[np.float64]
"""float64 (2, 3): maps x y 1 of a point to its new x y."""

MEAN_FACE_SIZE = 51
"""Points of the 68 that follow the jaw line: brows, nose, eyes, mouth."""

PADDING = 0.18
"""Share of the extract's side left free around the mean face, as FaceGrab has done since 2018."""

# The mean of the 51 inner points over 300-W, scaled into the unit square; the numbers are those of
# FaceGrab's align.py (2018), so faces are where they were in old extracts. First all x, then all y.
MEAN_FACE = np.array(
    [
        [
            0.000213256, 0.0752622, 0.18113, 0.29077, 0.393397, 0.586856, 0.689483, 0.799124,
            0.904991, 0.98004, 0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036,
            0.490127, 0.554217, 0.613373, 0.121737, 0.187122, 0.265825, 0.334606, 0.260918,
            0.182743, 0.645647, 0.714428, 0.793132, 0.858516, 0.79751, 0.719335, 0.254149,
            0.340985, 0.428858, 0.490127, 0.551395, 0.639268, 0.726104, 0.642159, 0.556721,
            0.490127, 0.423532, 0.338094, 0.290379, 0.428096, 0.490127, 0.552157, 0.689874,
            0.553364, 0.490127, 0.42689,
        ],
        [
            0.106454, 0.038915, 0.0187482, 0.0344891, 0.0773906, 0.0773906, 0.0344891, 0.0187482,
            0.038915, 0.106454, 0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345,
            0.628106, 0.609345, 0.587326, 0.216423, 0.178758, 0.179852, 0.231733, 0.245099,
            0.244077, 0.231733, 0.179852, 0.178758, 0.216423, 0.244077, 0.245099, 0.780233,
            0.745405, 0.727388, 0.742578, 0.727388, 0.745405, 0.780233, 0.864805, 0.902192,
            0.909281, 0.902192, 0.864805, 0.784792, 0.778746, 0.785343, 0.778746, 0.784792,
            0.824182, 0.831803, 0.824182,
        ],
    ]
).T  # fmt: skip

EYE_WEIGHT = 12.0
"""Weight of each of the eyes' twelve points in the extract's fit; the other 39 have 1.

With equal weights nose and mouth, which swing to one side as a head turns, push the eyes to the
other. Measured on 39 runs (a singer who turns his head, signers, seated speakers, two people who
turn; extracts of 256 px): in the worst of them an eye's median distance from its median place is
5.2 px with equal weights, 2.2 with 8, 1.9 with 10, 1.7 with 12, 1.4 with 16; the more weight, the
farther stray nose and mouth (docs/design.md).
"""
_INNER_WEIGHT = np.ones(MEAN_FACE_SIZE)
_INNER_WEIGHT[19:31] = EYE_WEIGHT

SMALLEST_PX = 16
"""Side below which a face is not measured."""
LANCZOS_REACH_PX = 5
"""Source pixels that an enlarged one depends on to each side, rounded up; one that shrinks depends
on its own size more, and halving leaves out as much again."""
MOST_SHRINK = 4.0
"""Beyond it an image is halved first: at any angle eight by eight taps hold what is averaged."""

# Eyes, tip of the nose and corners of the mouth in a chip of 112 px, as ArcFace's authors publish
# it (insightface, python-package/insightface/utils/face_align.py, arcface_dst).
ARCFACE_PX = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)

CHIP_PADDING = 0.25
"""Padding around the face in the recogniser's chip (dlib's face recognition model v1)."""
# Mean positions of dlib's 5 points in the unit square: outer and inner corner of the left eye of
# the picture's right, then of the other, then the base of the nose (dlib, get_face_chip_details).
CHIP_FACE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)


def similarity(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    weight: NDArray[np.float64] | None = None,
) -> Matrix:
    """The similarity transforms that bring source points nearest to target points.

    Least squares over rotation, uniform scale and translation, no reflection (Umeyama, PAMI
    1991; in two dimensions a linear regression of complex numbers): the least sum of
    weight * |transformed source - target|**2.

    Args:
        source: (P, 2) x y, or (N, P, 2) of N faces.
        target: (P, 2) or (N, P, 2).
        weight: (P,), positive; all are 1 without it.

    Returns:
        float64 (2, 3), or (N, 2, 3) if one of the two has N; to the bit as each alone.

    Raises:
        ValueError: all source points of a face are one and the same.
    """
    # Few calls of NumPy: five transforms a face take longer than its network otherwise.
    p, q = (each.astype(np.float64) for each in (source, target))
    each_axis = np.ones((1, 1)) if weight is None else weight[:, None]
    total = float(p.shape[-2] if weight is None else np.add.reduce(weight))
    p_sum, q_sum = (np.add.reduce(each * each_axis, axis=-2) for each in (p, q))
    a, b = p - (p_sum / total)[..., None, :], q - (q_sum / total)[..., None, :]
    wa = a * each_axis
    norm = _summed(wa * a)
    if not norm.all():
        raise ValueError("points that all coincide have no pose")
    turn = _summed(wa * b) / norm
    lift = np.add.reduce(wa[..., 0] * b[..., 1] - wa[..., 1] * b[..., 0], axis=-1) / norm
    matrix = np.empty((*turn.shape, 2, 3))
    matrix[..., 0, 0] = matrix[..., 1, 1] = turn
    matrix[..., 0, 1], matrix[..., 1, 0] = -lift, lift
    (px, py), (qx, qy) = p_sum.T, q_sum.T
    matrix[..., 0, 2] = (qx - turn * px + lift * py) / total
    matrix[..., 1, 2] = (qy - lift * px - turn * py) / total
    return matrix


def _summed(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the points and both axes; NumPy adds up what lies side by side in the same order."""
    *faces, points, axes = terms.shape
    flat = terms.reshape(*faces, points * axes)
    return np.asarray(np.add.reduce(flat, axis=-1), np.float64)


def extract_matrix(points68: FloatArray, size_px: int) -> Matrix:
    """From the full frame to the extract: the 51 inner points onto the mean face, eyes above all.

    Weighted least squares: see similarity and EYE_WEIGHT.

    Args:
        points68: float32 (68, 2).
        size_px: side of the extract.

    Raises:
        ValueError: all 51 points are one and the same.
    """
    return np.asarray(extract_matrices(points68[None], np.array([size_px]))[0], np.float64)


def extract_matrices(points68: FloatArray, size_px: IntArray) -> Matrix:
    """The same of many faces, to the bit: float64 (N, 2, 3).

    Args:
        points68: float32 (N, 68, 2).
        size_px: int64 (N,), side of the extract of each.

    Raises:
        ValueError: all 51 points of a face are one and the same.
    """
    padding = (size_px * PADDING).astype(np.int64)[:, None, None]
    target = MEAN_FACE * (size_px[:, None, None] - 2 * padding) + padding
    return similarity(points68[:, -MEAN_FACE_SIZE:], target, _INNER_WEIGHT)


def extract(image: Image, points68: FloatArray, size_px: int) -> Image:
    """The aligned face, straight from the full-resolution frame."""
    return warp(image, extract_matrix(points68, size_px), size_px)


def at_own_size(matrix_for: Callable[[int], Matrix], size_px: int) -> tuple[Matrix, int]:
    """How a face is aligned without being enlarged: enlarging would look like blur.

    Args:
        matrix_for: from the full frame to an extract of a side in pixels.
        size_px: side of the extract, in which the face may be shown larger than it is.

    Returns:
        the matrix; the side, size_px or less.
    """
    matrix = matrix_for(size_px)
    own_size = _own_size(matrix, size_px)
    return (matrix, size_px) if own_size == size_px else (matrix_for(own_size), own_size)


def all_at_own_size(points68: FloatArray, size_px: int) -> list[tuple[Matrix, int]]:
    """The same of many faces as extract_matrix aligns them.

    Args:
        points68: float32 (N, 68, 2).
        size_px: see at_own_size.

    Raises:
        ValueError: see extract_matrices.
    """
    matrix = extract_matrices(points68, np.full(len(points68), size_px))
    own_size = np.array([_own_size(each, size_px) for each in matrix], np.int64)
    smaller = np.flatnonzero(own_size < size_px)
    matrix[smaller] = extract_matrices(points68[smaller], own_size[smaller])
    return list(zip(matrix, own_size.tolist(), strict=True))


def _own_size(matrix: Matrix, size_px: int) -> int:
    own_size = round(size_px / hypot(matrix[0, 0], matrix[1, 0]))
    return size_px if own_size >= size_px else max(own_size, SMALLEST_PX)


def luma(image: Image, matrix: Matrix, size_px: int) -> NDArray[np.uint8]:
    """The luma (size_px, size_px) of an aligned face: see warp."""
    part, matrix = touched(image, matrix, size_px)
    grey = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8)
    return warp(grey, matrix, size_px)


def touched(image: Image, matrix: Matrix, size_px: int) -> tuple[Image, Matrix]:
    """The part of an image that an extract depends on, and the matrix from there.

    Args:
        image: uint8 (H, W, 3) or (H, W).
        matrix: from image to extract.
        size_px: side of the extract.
    """
    corners = np.array([[0, size_px, 0, size_px], [0, 0, size_px, size_px]], np.float64)
    places = np.linalg.solve(matrix[:, :2], corners - matrix[:, 2:])
    height, width = image.shape[:2]
    reach_px = LANCZOS_REACH_PX + 2 / hypot(matrix[0, 0], matrix[1, 0])
    left, top = np.clip(places.min(axis=1) - reach_px, 0, [width - 1, height - 1])
    right, bottom = np.clip(places.max(axis=1) + reach_px, 1, [width, height])
    part = image[int(top) : ceil(bottom), int(left) : ceil(right)]
    return part, _from(matrix, int(left), int(top))


def _from(matrix: Matrix, x: float, y: float) -> Matrix:
    """The matrix for an image that begins at a place of the matrix's own."""
    return np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ [x, y]])


def warp(image: Image, matrix: Matrix, size_px: int) -> Image:
    """A square cut out of an image by a similarity transform; black beyond the image's edge.

    Lanczos where the face is enlarged. Where it shrinks, an area mean along the extract's own
    axes: places at a whole multiple of the size that keeps every source pixel, averaged; of an
    image halved before, by area means too, where it shrinks to less than a fourth.

    Both are machine code if Numba is installed, else OpenCV's, which takes five times as long.
    Lanczos differs by at most a grey level then, with OpenCV 5.0 by nothing; the mean by two.

    Args:
        image: uint8 (H, W, 3) or (H, W).
        matrix: from image to extract.
        size_px: side of the extract.

    Returns:
        uint8 (size_px, size_px, 3) or (size_px, size_px).

    Raises:
        DeviceError: Numba is installed and does not work.
    """
    shrink = 1 / hypot(matrix[0, 0], matrix[1, 0])
    if shrink <= 1:
        return _warps().lanczos(image, matrix, size_px)
    if shrink > MOST_SHRINK:
        image, matrix = touched(image, matrix, size_px)
    while shrink > MOST_SHRINK and min(image.shape[:2]) > 1:
        image, matrix, shrink = _halved(image), _from(matrix, 0.5, 0.5), shrink / 2
        matrix[:, :2] *= 2
    if shrink <= MOST_SHRINK:
        return _warps().mean(image, matrix, size_px, ceil(shrink))
    # A strip too thin to be halved: more places than it has pixels would only take memory.
    multiple = min(ceil(shrink), max(image.shape[:2]) // size_px + 1)
    return _mean_by_opencv(image, matrix, size_px, multiple)


def _halved(image: Image) -> Image:
    """Two by two pixels averaged; an odd last row or column is left out."""
    height, width = (side // 2 for side in image.shape[:2])
    even = image[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


class _Warps(NamedTuple):
    """The ways of this machine to warp; the mean is told places along a side, too."""

    lanczos: Callable[[Image, Matrix, int], Image]
    mean: Callable[[Image, Matrix, int, int], Image]


@cache
def _warps() -> _Warps:
    """Chosen as the way to walk landmarks' trees is."""
    if walker_name() == "compiled":
        from facegrab.vision import mean_compiled, warp_compiled

        return _Warps(warp_compiled.warp, mean_compiled.mean)
    return _Warps(_lanczos_by_opencv, _mean_by_opencv)


def _lanczos_by_opencv(image: Image, matrix: Matrix, size_px: int) -> Image:
    return _warp(image, matrix, size_px, cv2.INTER_LANCZOS4)


def _mean_by_opencv(image: Image, matrix: Matrix, size_px: int, multiple: int) -> Image:
    finer = matrix * multiple
    finer[:, 2] += (multiple - 1) / 2
    large = _warp(image, finer, size_px * multiple, cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(large, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)


def _warp(image: Image, matrix: Matrix, size_px: int, flags: int) -> Image:
    return np.asarray(cv2.warpAffine(image, matrix, (size_px, size_px), flags=flags), np.uint8)
