"""The sharpness of many faces, in the way that this machine has."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import TypeAlias

import numpy as np

from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision import align, quality
from facegrab.vision.landmarks import walker_name

Pose: TypeAlias = tuple[align.Matrix, int]
"""From the full frame to an aligned face, and the side of that in pixels."""


def sharpness_of(images: Sequence[Image], image_of: IntArray, poses: Sequence[Pose]) -> FloatArray:
    """Sharpness of aligned faces, see quality.sharpness.

    Machine code if Numba is installed, chosen as the way to walk landmarks' trees is; else a face
    takes three times as long.

    Args:
        images: RGB uint8 (H, W, 3), full frames.
        image_of: int64 (N,), the image that each face is in.
        poses: of each face.

    Returns:
        float32 (N,).

    Raises:
        DeviceError: Numba is installed and does not work.
    """
    if walker_name() != "compiled":
        return _one_by_one(images, image_of, poses)
    from facegrab.vision import sharp_compiled

    matrix = np.array([each for each, _ in poses], np.float64).reshape(-1, 2, 3)
    size_px = np.array([size for _, size in poses], np.int64)
    shrink = np.array([1 / hypot(*linear) for linear in matrix[:, :, 0].tolist()])
    is_large = shrink > align.MOST_SHRINK
    large, rest = np.flatnonzero(is_large), np.flatnonzero(~is_large)
    values = np.empty(len(poses), np.float32)
    values[rest] = sharp_compiled.sharpness(images, image_of[rest], matrix[rest], size_px[rest])
    # These are halved before.
    values[large] = _one_by_one(images, image_of[large], [poses[row] for row in large.tolist()])
    return values


def _one_by_one(images: Sequence[Image], image_of: IntArray, poses: Sequence[Pose]) -> FloatArray:
    each = zip(image_of, poses, strict=True)
    values = [quality.sharpness(align.luma(images[i], *pose)) for i, pose in each]
    return np.array(values, np.float32)
