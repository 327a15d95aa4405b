"""A decoded frame as a viewer sees it: upright, with square pixels, in 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from facegrab.types import Image

# Pixels of real formats are .5 to 2.2 times as wide as high. What lies far outside is a damaged
# header and would blow the frame up beyond use: such pixels are taken as square.
_WIDEST_PIXEL = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the eight ways to turn an image upright: transposed first, then mirrored."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, image: Image) -> Image:
        """The turned image; OpenCV turns 5 times as fast as a copied rot90.

        Where there is nothing to turn it is the image itself, or a copy if that has padded rows.
        """
        if self == UPRIGHT:
            return np.ascontiguousarray(image, np.uint8)
        import cv2  # most films need none, and are being decoded before it is loaded

        turned = cv2.transpose(image) if self.transpose else image
        if self.mirror_x or self.mirror_y:
            both = self.mirror_x and self.mirror_y
            # flip's codes: -1 mirrors both ways, 1 left and right, 0 top and bottom.
            turned = cv2.flip(turned, -1 if both else int(self.mirror_x))
        return np.ascontiguousarray(turned, np.uint8)


UPRIGHT = Turn()
# np.rot90 by 0 to 3 quarter turns counter-clockwise.
_QUARTER_TURNS = (
    UPRIGHT,
    Turn(True, False, True),
    Turn(False, True, True),
    Turn(True, True, False),
)


def frame_turn(frame: VideoFrame) -> Turn:
    """How the frame's display matrix asks it to be turned; ask once a stream, not once a frame.

    The matrix, row by row a b u c d v x y w, sends pixel (x, y) to (a x + c y, b x + d y)
    (FFmpeg, libavutil/display.h). Only quarter turns and mirroring are applied; an angle between
    goes to the nearest. For pure rotations this is ``np.rot90(image, frame.rotation // 90)``.
    """
    # In PyAV 18 a frame whose side data were read is never freed: so a tiny copy is asked.
    try:
        matrix = frame.reformat(16, 16, "gray").side_data.get("DISPLAYMATRIX")
    except ValueError:  # side data of a kind that PyAV 18 has no name for: EXIF in MJPEG
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if matrix is None:
        return Turn()
    # As Python's integers: the absolute value of the lowest int32 is no int32.
    a, b, _, c, d = (int(value) for value in np.frombuffer(cast(bytes, matrix), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0)


def square_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height after the longer side of the pixels became the side of square ones.

    Args:
        pixel_aspect: width / height of one pixel; None or nonsense counts as 1.
    """
    if not pixel_aspect or not 1 / _WIDEST_PIXEL <= pixel_aspect <= _WIDEST_PIXEL:
        return width, height
    if pixel_aspect >= 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def upright_size(frame: VideoFrame, pixel_aspect: Fraction | None, turn: Turn) -> tuple[int, int]:
    """Width and height of what `upright_image` makes of the frame."""
    width, height = square_size(frame.width, frame.height, pixel_aspect)
    return (height, width) if turn.transpose else (width, height)


def upright_image(
    frame: VideoFrame,
    pixel_aspect: Fraction | None,
    reformatter: VideoReformatter,
    turn: Turn = UPRIGHT,
) -> Image:
    """RGB uint8 (H, W, 3), contiguous, in memory that nobody else uses; alpha is dropped.

    Raises:
        av.FFmpegError: swscale does not know the pixel format.
    """
    width, height = square_size(frame.width, frame.height, pixel_aspect)
    rgb = reformatter.reformat(
        frame,
        width,
        height,
        "rgb24",
        # As the ffmpeg tool and OpenCV do. It matters for chroma and where pixels are not square.
        interpolation=Interpolation.BICUBIC,
        # More threads gain nothing (.7 ms for 1080p) and would take cores from the networks.
        threads=1,
    )
    # A view into the buffer of a frame that nobody else has; its rows may be padded.
    view = np.asarray(rgb.to_ndarray(), np.uint8)
    return turn.apply(view)
