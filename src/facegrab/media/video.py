"""Video files -> Frames, by way of PyAV.

FFmpeg's own log stays silent: PyAV drops it unless the application asks for it with
``av.logging.set_level``.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel

from facegrab.errors import MediaError
from facegrab.media.container import duration_seconds, frame_count
from facegrab.media.convert import Converter
from facegrab.media.decoding import Decoded, Decoding
from facegrab.media.demuxing import Demuxing, Reach
from facegrab.media.reader import FrameReader
from facegrab.media.tally import Tally
from facegrab.types import Frame, Image, Segment

_LOG = logging.getLogger(__name__)

CPU = "cpu"


class VideoReader(FrameReader):
    """Frames of a video, upright, with square pixels.

    The first frame is decoded at once, so that the size is known. Those skipped are not converted,
    and not decoded either where no other frame refers to them and their packets tell which they are
    (`is_skippable`, `Ahead`).

    Damaged frames are counted and passed over. Damage in a frame that is not decoded goes unnoticed
    and the frame counts as read; once damage was noticed all are decoded. A frame that decodes but
    is flagged as corrupt keeps its index. So does one that is lost altogether where packets tell
    the index, and one that comes out of their order is damaged; where frames are counted as they
    come out, as always with ``every`` 1, a lost one has no index.

    A segment begins with the first frame and with each sound key frame at least 20 s after the last
    segment's first (`Cuts`). Reading from there gives the very frames that reading from the
    beginning gives: the key frame is sought, and if it does not come out sound, with its time, all
    before it are read, and decoded if need be. Where a file is damaged near a segment's first frame
    counts of damaged frames may differ.

    Args:
        path: of the file.
        every: frames whose index it divides are handed out.
        device: that decodes: ``"cpu"``, or one of FFmpeg's kinds (``"cuda"``). Where such a device
            does not decode the file's first frame, the processor decodes all, and a warning says
            why.
        start: segment to begin with, of a reader of the same file and ``every``; None: the first.
        only: no segment after that is read. What comes after it has its place in ``segments``, but
            whether its first frame is sound may be left to whoever begins with it.
        threads: of the CPU that may be used; 0 is as many as the process may use.

    Raises:
        MediaError: the file is no video, nothing in it can be decoded, or it does not hold the
            start; while iterating, a frame exceeds 2**27 pixels, or no frame could be converted.
        MissingError: there is no such file.
        AccessError: it may not be read.
    """

    def __init__(
        self,
        path: Path,
        every: int = 1,
        device: str = CPU,
        start: Segment | None = None,
        *,
        only: bool = False,
        threads: int = 0,
    ) -> None:
        super().__init__(path, every)
        self._threads = threads
        self._from = start if start and start.number else None
        self._only = only
        self._notes: list[str] = []
        if device == CPU or not self._starts_on(device):
            self._begin(None)

    def _starts_on(self, device: str) -> bool:
        """Whether a device decodes the file; a note says why not."""
        try:
            self._begin(HWAccel(device, allow_software_fallback=False))
        except MediaError as error:
            why = error.__cause__ or error
            self._notes = [f"decoded on the processor, because {device} does not decode it ({why})"]
            return False
        return True

    def _begin(self, hardware: HWAccel | None) -> None:
        """Opens the file and decodes the first frame."""
        for reach in Reach if self._from else [Reach.DECODE]:
            if self._reaches(reach, hardware):
                return
        if self._from is None:
            raise MediaError(f"{self.path}: no frame of the video can be decoded")
        raise MediaError(
            f"{self.path}: segment {self._from.number} does not begin where it did; the file has "
            "changed since it was read"
        )

    def _reaches(self, reach: Reach, hardware: HWAccel | None) -> bool:
        """Whether the first frame comes out."""
        start = self._from
        self._tally = Tally(start.frames_read, start.frames_damaged) if start else Tally()
        self._convertible = True
        self._file = Demuxing(self.path, hardware, self._threads)
        try:
            self._decoding = Decoding(
                self._file, self.every, self._tally, start, reach, only=self._only
            )
            decoded = self._decoding.frames()
            first = next(decoded, None)
        except BaseException:
            self.close()
            raise
        if first is None:
            self.close()
            return False
        self.duration_seconds = duration_seconds(self._file.container, self._file.stream)
        self.frame_count = frame_count(self._file.stream, self.duration_seconds)
        self._segments = self._decoding.segments
        self.width, self.height = self._segments[0].width, self._segments[0].height
        self._frames = self._look(itertools.chain([first], decoded))
        return True

    @property
    def origin(self) -> int | None:
        """Ticks of the source's first frame; None where times so far were not those of packets."""
        return self._decoding.origin

    @property
    def warnings(self) -> list[str]:
        """Damaged frames, a file that is cut off, reading that was given up."""
        notes = [*self._notes, *self._file.notes]
        if not self.frames_damaged:
            return notes
        what = "frame was" if self.frames_damaged == 1 else "frames were"
        return [f"{self.frames_damaged} {what} damaged and passed over", *notes]

    def close(self) -> None:
        """Release the file and the decoder; iteration ends. Closing twice is fine."""
        self._frames = iter(())
        self._file.container.close()

    def _look(self, decoded: Iterator[Decoded]) -> Iterator[Frame]:
        """Convert what is looked at."""
        convert = Converter(self.path, self._file.stream.sample_aspect_ratio)
        handed_out = 0
        for each in decoded:
            if each.index % self.every:
                self._tally.read += 1
                continue
            image = self._convert(convert, each)
            if image is not None:
                self._tally.read += 1
                handed_out += 1
                yield Frame(each.index, each.seconds, image, each.segment)
        if not handed_out and not self._convertible and not self._from:
            raise MediaError(f"{self.path}: no frame of the video can be converted to RGB")

    def _convert(self, convert: Converter, decoded: Decoded) -> Image | None:
        try:
            return convert.image(decoded.frame, decoded.segment)
        except av.FFmpegError as error:
            _LOG.debug("%s: %s", self.path, error)
            self._convertible = False
            self._decoding.count_damaged()
            return None
