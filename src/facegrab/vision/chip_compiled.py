"""dlib's chips in machine code, all of them in one call."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from facegrab import machine_code
from facegrab.models import details
from facegrab.models.details import CHIP_PX
from facegrab.types import Image, IntArray
from facegrab.vision.chips import ChipPoses
from facegrab.vision.warp_compiled import colour_rows

NAME = "chips"

LANES = 4
"""Bytes of a pixel while it is worked on."""

SPARE_BYTES = 16
"""Pixels are written four at a time."""


def _compiled() -> Any:
    from facegrab.vision import chip_kernel

    return chip_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("chip_kernel.py"),
    _compiled,
    # Images, numbers, pose, faces; room and the result.
    *[c_void_p] * 3, c_int64, *[c_void_p] * 4,
    shares=[
        Path(details.__file__), Path(__file__).with_name("warp_kernel.py"), machine_code.VECTORS,
    ],
)  # fmt: skip


def chips(images: Sequence[Image], image_of: IntArray, poses: ChipPoses) -> Image:
    """Chips of many faces.

    Args:
        images: RGB uint8 (H, W, 3).
        image_of: int64 (N,), the image that each face is in.
        poses: of each face.

    Returns:
        RGB uint8 (N, 150, 150, 3), black beyond the image's edge.

    Raises:
        ValueError: an image is not uint8 (H, W, 3), or a pose not finite or beyond its image.
        DeviceError: Numba does not work.
    """
    rows = [colour_rows(image) for image in images]
    size = np.array([image.shape[1::-1] for image in rows], np.int64).reshape(-1, 2)[image_of]
    stride = np.array([image.strides[0] for image in rows], np.int64)[image_of]
    matrix, halvings, begin, end = poses
    part = (end - begin).clip(0)
    if not np.isfinite(matrix).all() or (begin < 0).any() or (end > size).any():
        raise ValueError(f"no chips in images of {size.tolist()}: {poses}")
    first = np.array([image.ctypes.data for image in rows], np.int64)[image_of]
    first += begin[:, 1] * stride + begin[:, 0] * 3
    numbers = np.column_stack([stride, part, halvings])
    # A part with a pixel before and two after each row and column, or what is left of it halved.
    most = int((part + 3).prod(axis=1).max(initial=0)) * LANES
    result = np.empty(len(matrix) * CHIP_PX**2 * 3 + SPARE_BYTES, np.uint8)
    room = (
        np.empty(most, np.uint8),
        np.empty(most, np.uint8),
        np.empty(int(part.max(initial=0)) * LANES + LANES, np.uint16),
    )
    _function(
        first, numbers, np.ascontiguousarray(matrix), len(matrix), *room, result,
    )  # fmt: skip
    return result[:-SPARE_BYTES].reshape(-1, CHIP_PX, CHIP_PX, 3)
