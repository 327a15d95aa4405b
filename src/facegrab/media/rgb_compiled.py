"""Decoded frames to RGB by machine code, into memory that is used again and again.

The same pixels as swscale's, to the bit on processors that have what it is used with (tested).
"""

from __future__ import annotations

from ctypes import c_int16, c_int64, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from av import VideoFrame

from facegrab import machine_code
from facegrab.media import rgb_grid
from facegrab.media.pool import ImagePool
from facegrab.types import Image

NAME = "frames-to-rgb"

FEATURE = "avx512vbmi"
"""Instructions that put bytes in any order. Where a processor lacks them it was not measured."""

FORMATS = {"yuv420p": False, "yuvj420p": True}
"""8-bit YUV with a quarter of the colours, and whether that alone says that its range is full."""

FULL_RANGE = 2
"""FFmpeg's AVCOL_RANGE_JPEG."""


class _Matrix(NamedTuple):
    """Of V for red, U for blue, and U and V for green, in 1/65536 of a grey level."""

    red_v: int
    blue_u: int
    green_u: int
    green_v: int


_BT601 = _Matrix(104597, 132201, 25675, 53279)
MATRICES = {
    1: _Matrix(117489, 138438, 13975, 34925),  # BT.709
    2: _BT601,  # not said
    4: _Matrix(104448, 132798, 24759, 53109),  # FCC
    5: _BT601,
    6: _BT601,
    7: _Matrix(117579, 136230, 16907, 35559),  # SMPTE 240M
    9: _Matrix(110013, 140363, 12277, 42626),  # BT.2020
}
"""By FFmpeg's AVColorSpace, for the limited range (swscale's table, libswscale/yuv2rgb.c). What
swscale refuses is not among them."""


def _compiled() -> Any:
    from facegrab.media import rgb_kernel

    return rgb_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("rgb_kernel.py"),
    _compiled,
    # Planes, strides, size, the result, and the numbers of the conversion.
    *[c_void_p] * 3, *[c_int64] * 4, c_void_p, *[c_int16] * 6,
    shares=[Path(rgb_grid.__file__), machine_code.VECTORS],
)  # fmt: skip


@lru_cache(maxsize=1)
def is_fast() -> bool:
    """Numba is installed and the processor has the instructions.

    Raises:
        DeviceError: Numba or llvmlite does not work.
    """
    return machine_code.can_use(FEATURE)


def rgb(frame: VideoFrame, pool: ImagePool) -> Image | None:
    """A frame of the size that it has, as it lies; None if its kind is another one's business.

    Args:
        frame: decoded, in the processor's memory.
        pool: gives the memory.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        DeviceError: Numba does not work.
    """
    full, matrix = FORMATS.get(frame.format.name), MATRICES.get(int(frame.colorspace))
    width, height = frame.width, frame.height
    if full is None or matrix is None or width % 2 or height % 2 or width < rgb_grid.COLUMNS:
        return None
    if frame.interlaced_frame:  # swscale takes each field's colours for it
        return None
    y, u, v = frame.planes
    if u.line_size != v.line_size or y.line_size < width or u.line_size < width // 2:
        return None
    numbers = _numbers(matrix, full or int(frame.color_range) == FULL_RANGE)
    image = pool.take(height, width)
    _function(
        y.buffer_ptr, u.buffer_ptr, v.buffer_ptr, y.line_size, u.line_size, width, height, image,
        *numbers,
    )  # fmt: skip
    return image


@lru_cache(maxsize=16)
def _numbers(matrix: _Matrix, full: bool) -> tuple[int, ...]:
    """What is taken from eight times the luma, and factors: 1/8192, so that products fit 16 bits.

    As swscale has them (libswscale/yuv2rgb.c, ff_yuv2rgb_c_init_tables).
    """
    red_v, blue_u, green_u, green_v = matrix
    if full:
        offset, luma = 0, 1 << 16
        red_v, blue_u, green_u, green_v = (each * 224 // 255 for each in matrix)
    else:
        offset, luma = 16 * 8, (1 << 16) * 255 // 219
    eighths = [(each * 8192 + 32768) >> 16 for each in (luma, red_v, blue_u, -green_v, -green_u)]
    return (offset, *eighths)
