"""Image files -> Frames: single pictures and numbered sequences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from facegrab.address import IN_BUCKET, STANDS_FOR
from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media import segments
from facegrab.media.header import image_size
from facegrab.media.reader import MAX_PIXELS, FrameReader, check_file
from facegrab.media.remote import open_file
from facegrab.media.source import Source
from facegrab.media.tally import Tally
from facegrab.types import Frame, Image, Segment

# An image sequence has no clock; 25 frames a second is what FFmpeg's image2 reader assumes.
SEQUENCE_RATE = 25.0
# The file is held in memory whole; 2**27 pixels in an uncompressed RGB file are 400 MB.
MAX_FILE_BYTES = 512 * 2**20
# Unreadable images that are named in the warnings; the rest are only counted.
_NAMED_WARNINGS = 20


def read_image(path: Path) -> Image:
    """One picture: upright (EXIF orientation applied), 8-bit RGB (H, W, 3), an array of its own.

    Grey and palette images become RGB, 16-bit values are scaled to 8 bit, alpha is dropped (the
    colour under transparent pixels shows).

    Raises:
        MissingError: there is no such file.
        AccessError: it may not be read.
        MediaError: it is no readable image, or larger than 512 MB or 2**27 pixels.
    """
    if check_file(path) > MAX_FILE_BYTES:
        raise MediaError(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MB, too large an image")
    try:
        # Read here, not by OpenCV: it cannot open every name on every system.
        with open_file(path) as file:
            data = file.read()
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    if data.startswith(STANDS_FOR):
        raise MediaError(f"{path} {IN_BUCKET}")
    size = image_size(data)
    # Formats whose header is not understood are refused: their decoder might allocate anything.
    if size is None or min(size) < 1:
        raise MediaError(f"{path} is no readable image")
    if size[0] * size[1] > MAX_PIXELS:
        raise MediaError(f"{path} claims {size[0]}x{size[1]} pixels, too large an image")
    return decode(path, data)


def decode(path: Path, data: bytes) -> Image:
    """The image that a file's content is, RGB uint8 (H, W, 3); its size has been looked at.

    Args:
        path: of the file, for the message.
        data: the content.

    Raises:
        MediaError: it is no readable image.
    """
    import cv2  # not before the first film is being decoded

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise MediaError(f"{path} is no readable image") from error
    if image is None:
        raise MediaError(f"{path} is no readable image")
    return np.ascontiguousarray(image, np.uint8)


class ImagesReader(FrameReader):
    """Frames of an image or an image sequence; sizes may differ from frame to frame.

    A frame's index is its position in the sequence, its time index / 25 (see SEQUENCE_RATE). An
    unreadable image is counted, named in the warnings and passed over. Images that are not looked
    at are never opened. A segment is 100 of those that are looked at.

    Args:
        source: its images.
        every: those whose position it divides are looked at.
        start: segment to begin with; None: the first.
        only: no segment after that is read. What comes after it has its place in ``segments``.

    Raises:
        MediaError: none of the images looked at can be read; for a single image also what
            `read_image` raises.
    """

    def __init__(
        self,
        source: Source,
        every: int = 1,
        start: Segment | None = None,
        *,
        only: bool = False,
    ) -> None:
        super().__init__(source.path, every)
        self._images = source.images
        self._from = start if start and start.number else None
        self._only = only
        # Index of the first image of each segment that began, and images damaged before it.
        self._starts: list[tuple[int, int]] = []
        self._notes: list[str] = []
        self._error: Exception | None = None
        self.frame_count = len(self._images)
        self.duration_seconds = None
        readable = self._readable()
        if self._from:
            self._tally = Tally(self._from.frames_read, self._from.frames_damaged)
            self.width, self.height = self._from.width, self._from.height
        else:
            first = next(readable, None)
            if first is None:
                raise self._nothing()
            self.height, self.width = first.image.shape[:2]
            readable = itertools.chain([first], readable)
        self._segments = [self._from or Segment(0, 0, 0, 0, self.width, self.height)]
        self._frames = self._count(readable)

    @property
    def warnings(self) -> list[str]:
        """The first unreadable images by name, and how many more there are."""
        more = self.frames_damaged - len(self._notes)
        return [*self._notes, *([f"{more} more images could not be read"] if more else [])]

    def recall(self, warnings: Sequence[str]) -> None:
        """The names of unreadable images before the start, which are noted first and in order."""
        before = self._from.frames_damaged if self._from else 0
        self._notes[:0] = warnings[: min(before, _NAMED_WARNINGS)]

    def close(self) -> None:
        """End the iteration (no file stays open between frames)."""
        self._frames = iter(())

    def _readable(self) -> Iterator[Frame]:
        length = segments.IMAGES_PER_SEGMENT * self.every
        first = self._from.first_frame if self._from else 0
        for index in range(first, len(self._images), self.every):
            if index % length == 0 and index > first:
                self._starts.append((index, self._tally.damaged))
            try:
                image = read_image(self._images[index])
            except (MediaError, MissingError, AccessError) as error:
                self._pass_over(error)
                continue
            yield Frame(index, index / SEQUENCE_RATE, image, index // length)

    def _pass_over(self, error: Exception) -> None:
        self._error = error
        self._tally.damaged += 1
        if len(self._notes) < _NAMED_WARNINGS:
            self._notes.append(str(error))

    def _count(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._note_segments():
                return
            self._tally.read = frame.index + 1 - self._tally.damaged
            yield frame
        if not self._note_segments():
            self._tally.read = len(self._images) - self._tally.damaged

    def _note_segments(self) -> bool:
        """Note those that began; whether one did that is not wanted."""
        starts, self._starts = self._starts, []
        for index, damaged in starts:
            number = index // (segments.IMAGES_PER_SEGMENT * self.every)
            read, size = index - damaged, (self.width, self.height)
            self._segments.append(Segment(number, index, read, damaged, *size))
            if self._only:
                self._tally.read, self._tally.damaged = read, damaged
                return True
        return False

    def _nothing(self) -> Exception:
        if len(self._images) == 1 and self._error is not None:
            return self._error
        return MediaError(f"none of the {len(self._images)} images of {self.path} can be read")
