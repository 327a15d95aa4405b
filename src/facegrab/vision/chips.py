"""dlib's chips, the input of its recogniser: where they lie, and how this machine cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.models.details import CHIP_PX
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.align import CHIP_FACE, CHIP_PADDING, similarity
from facegrab.vision.landmarks import walker_name

_TARGET = (CHIP_PADDING + CHIP_FACE) / (2 * CHIP_PADDING + 1) * CHIP_PX

HALVING_SHIFT = np.array([1.25, 0.75])
"""dlib's pyramid_down<2> maps a point p down to p / 2 - this."""


class ChipPoses(NamedTuple):
    """Where the chips of N faces lie, each in a part of its image that is halved some times.

    Attributes:
        matrix: float64 (N, 2, 3), from chip to that, halved.
        halvings: int64 (N,).
        begin: int64 (N, 2), x and y in the image of the part's first pixel.
        end: int64 (N, 2), of the first one after it; not beyond ``begin`` if there is none.
    """

    matrix: NDArray[np.float64]
    halvings: IntArray
    begin: IntArray
    end: IntArray


def cut_chips(images: Sequence[Image], image_of: IntArray, points5: FloatArray) -> list[Image]:
    """The recogniser's input, cut as dlib's extract_image_chip cuts it (within a grey level).

    By machine code if Numba is installed, else by OpenCV, which takes half as long again. Of OpenCV
    5's levels one in some millions is another, by one; 4 rounds places to a 32nd of a pixel.

    Args:
        images: RGB uint8 (H, W, 3), full frames.
        image_of: int64 (N,), the image that each face is in.
        points5: float32 (N, 5, 2), dlib's.

    Returns:
        RGB uint8 (150, 150, 3) each, black beyond the image's edge.

    Raises:
        DeviceError: Numba is installed and does not work.
    """
    size = np.array([image.shape[1::-1] for image in images], np.int64).reshape(-1, 2)
    poses = chip_poses(points5, size[image_of])
    if walker_name() == "compiled":
        from facegrab.vision import chip_compiled

        return list(chip_compiled.chips(images, image_of, poses))
    return [_cut(images[i], *each) for i, *each in zip(image_of, *poses, strict=True)]


def chip_poses(points5: FloatArray, size: IntArray) -> ChipPoses:
    """Where chips lie.

    Margin and rounding of the part that they can touch are dlib's, because they decide which pixels
    a halving keeps.

    Args:
        points5: see cut_chips.
        size: int64 (N, 2), width and height of the image that each face is in.
    """
    pose = similarity(_TARGET, points5)
    scale = np.hypot(pose[:, 0, 0], pose[:, 1, 0])
    turn = np.tile(np.eye(2), (len(pose), 1, 1))  # of points that coincide: none
    np.divide(pose[:, :, :2], scale[:, None, None], out=turn, where=scale[:, None, None] > 0)
    centre, side = pose @ [CHIP_PX / 2, CHIP_PX / 2, 1], CHIP_PX * scale - 1
    halvings = np.zeros(len(pose), np.int64)
    while (too_large := side / 2.0 ** (halvings + 1) + 1 > CHIP_PX).any():
        halvings += too_large
    reach = side / 2 * np.abs(turn).sum(axis=2).T
    margin = 2.0 ** (halvings + 2) - 2
    # What lies far beyond the image would not fit into an integer.
    begin = np.floor((centre - (reach + margin).T).clip(0, size) + 0.5).astype(np.int64)
    last = np.minimum(centre + (reach + margin).T, size - 1).clip(-1)
    end = np.floor(last + 0.5).astype(np.int64) + 1
    centre -= begin
    for level in range(int(halvings.max(initial=0))):
        again = halvings > level
        centre[again] = centre[again] / 2 - HALVING_SHIFT
        side[again] /= 2
    step = turn * (side / (CHIP_PX - 1))[:, None, None]
    first = centre - step @ [(CHIP_PX - 1) / 2, (CHIP_PX - 1) / 2]
    return ChipPoses(np.concatenate([step, first[:, :, None]], axis=2), halvings, begin, end)


def _cut(
    image: Image,
    matrix: NDArray[np.float64],
    halvings: int,
    begin: IntArray,
    end: IntArray,
) -> Image:
    """A chip, by OpenCV."""
    (x0, y0), (x1, y1) = begin, end.clip(0)
    part = image[y0:y1, x0:x1]
    if part.size == 0:
        part = np.zeros((1, 1, 3), np.uint8)
    for _ in range(halvings):
        part = _half(part)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(part, matrix, (CHIP_PX, CHIP_PX), flags=flags), np.uint8)


def _half(image: Image) -> Image:
    """Half the size by a 1 4 6 4 1 kernel, without the pixels that it would reach over the edge."""
    rows, columns = (image.shape[0] - 3) // 2, (image.shape[1] - 3) // 2
    if rows < 1 or columns < 1:
        return np.zeros((1, 1, 3), np.uint8)
    return np.asarray(cv2.pyrDown(image)[1 : rows + 1, 1 : columns + 1], np.uint8)
