"""Decoded frames of one video -> images."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av import VideoFrame
from av.video.reformatter import VideoReformatter

from facegrab.errors import MediaError
from facegrab.media import rgb_compiled
from facegrab.media.geometry import UPRIGHT, frame_turn, square_size, upright_image
from facegrab.media.pool import ImagePool
from facegrab.media.reader import MAX_PIXELS
from facegrab.types import Image


class Converter:
    """Upright RGB images of the frames of one video.

    Args:
        path: of the video, for messages.
        aspect: width / height of one pixel; None counts as 1.
    """

    def __init__(self, path: Path, aspect: Fraction | None) -> None:
        self._path = path
        self._aspect = aspect
        self._reformatter = VideoReformatter()
        self._pool = ImagePool() if rgb_compiled.is_fast() else None
        self._rotation, self._turn = 0, UPRIGHT
        self._segment = -1

    def image(self, frame: VideoFrame, segment: int) -> Image:
        """RGB uint8 (H, W, 3). How it is turned is asked at each segment and change of rotation.

        Raises:
            MediaError: it is too large.
            av.FFmpegError: it cannot be converted.
            DeviceError: Numba is installed and does not work.
        """
        check_size(self._path, frame.width, frame.height, self._aspect)
        if frame.rotation != self._rotation or segment != self._segment:
            self._rotation, self._turn = frame.rotation, frame_turn(frame)
            self._segment = segment
        image = self._own(frame)
        if image is not None:
            return self._turn.apply(image)
        return upright_image(frame, self._aspect, self._reformatter, self._turn)

    def _own(self, frame: VideoFrame) -> Image | None:
        """Where the processor is known to be faster than swscale, and the pixels are square."""
        size = frame.width, frame.height
        if self._pool is None or square_size(*size, self._aspect) != size:
            return None
        return rgb_compiled.rgb(frame, self._pool)


def check_size(path: Path, width: int, height: int, aspect: Fraction | None) -> None:
    """Refuses frames of more than `MAX_PIXELS` square pixels.

    Raises:
        MediaError: they are too large.
    """
    width, height = square_size(width, height, aspect)
    if width * height > MAX_PIXELS:
        raise MediaError(f"{path}: frames of {width}x{height} pixels are too large")
