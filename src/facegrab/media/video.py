"""Video files -> Frames, by way of PyAV.

FFmpeg's own log stays silent: PyAV drops it unless the application asks for it with
``av.logging.set_level``.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from facegrab.errors import MediaError
from facegrab.media.ahead import Ahead
from facegrab.media.clock import Clock
from facegrab.media.container import (
    duration_seconds,
    frame_count,
    pick_stream,
    promised_end_seconds,
    ticks,
)
from facegrab.media.geometry import UPRIGHT, frame_turn, square_size, upright_image, upright_size
from facegrab.media.reader import MAX_PIXELS, FrameReader, check_file
from facegrab.media.skippable import is_skippable
from facegrab.types import Frame, Image

_LOG = logging.getLogger(__name__)

CPU = "cpu"
# Failures to decode in a row after which the rest is given up. After damage some decoders refuse
# every frame up to the next key frame; encoders put one every 10 s at the latest, 600 frames at 60
# frames a second, so a lower limit would give up files that recover.
MAX_FAILURES = 1000
# What a file may fall short of the duration in its header before it is called cut off: headers
# differ by some tenths of a second in how they count the last frame or the end of the sound.
_SHORT_SECONDS = 0.5
_SHORT_SHARE = 0.02
# Text drawn as pictures, and lists that point elsewhere: FFmpeg would "play" a .txt, and wait
# minutes for more lines in a playlist.
_NO_VIDEOS = frozenset(
    "adf bin concat dash hls idf imf rtsp sap sdp tty webm_dash_manifest xbin".split()  # noqa: SIM905
)
_OPTIONS = {
    "format_whitelist": ",".join(sorted(av.formats_available - _NO_VIDEOS)),
    # Nothing a file says shall make FFmpeg reach for another place.
    "protocol_whitelist": "file",
    # Refused by the decoder before it allocates.
    "max_pixels": str(MAX_PIXELS),
}

Decoded: TypeAlias = tuple[int, float, av.VideoFrame]


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

    Args:
        path: of the file.
        every: frames whose index it divides are handed out.
        device: that decodes: ``"cpu"``, or one of FFmpeg's kinds (``"cuda"``). Where such a device
            does not decode the file's first frame, the processor decodes all, and a warning says
            why.

    Raises:
        MediaError: the file is no video or nothing in it can be decoded; while iterating, a frame
            exceeds 2**27 pixels, or no frame could be converted.
        MissingError: there is no such file.
        AccessError: it may not be read.
    """

    def __init__(self, path: Path, every: int = 1, device: str = CPU) -> None:
        super().__init__(path, every)
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
        """Opens the file and decodes its first frame."""
        self.frames_damaged = 0
        self._end_seconds = 0.0
        self._packet_count = self._sound_count = self._left_out_count = 0
        self._convertible = True
        self._container = _open(self.path, hardware) if hardware else _open(self.path)
        try:
            self._start(hardware)
        except BaseException:
            self.close()
            raise

    def _start(self, hardware: HWAccel | None) -> None:
        self._stream = pick_stream(self._container, self.path)
        self._aspect = self._stream.sample_aspect_ratio
        self._reformatter = VideoReformatter()
        self._rotation, self._turn = 0, UPRIGHT
        codec = self._stream.codec_context
        if hardware and not _is_in_hardware(codec):
            raise MediaError(f"{self.path}: it has no decoder for {codec.name}")
        # The default, slice threads, gives concealed damage in H.264 out as sound frames.
        codec.thread_type = "AUTO"
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        self._check_size(codec.width, codec.height)
        self.duration_seconds = duration_seconds(self._container, self._stream)
        self.frame_count = frame_count(self._stream, self.duration_seconds)
        look = self.every > 1 and is_skippable(codec.name, codec.extradata or b"")
        self._ahead = Ahead(self._packets(), self.every, look=look)
        decoded = self._decode()
        first = next(decoded, None)
        if first is None:
            raise MediaError(f"{self.path}: no frame of the video can be decoded")
        self._rotation, self._turn = first[2].rotation, frame_turn(first[2])
        self.width, self.height = upright_size(first[2], self._aspect, self._turn)
        self._frames = self._look(itertools.chain([first], decoded))

    @property
    def warnings(self) -> list[str]:
        """Damaged frames, a file that is cut off, reading that was given up."""
        if not self.frames_damaged:
            return list(self._notes)
        what = "frame was" if self.frames_damaged == 1 else "frames were"
        return [f"{self.frames_damaged} {what} damaged and passed over", *self._notes]

    def close(self) -> None:
        """Release the file and the decoder; iteration ends. Closing twice is fine."""
        self._frames = iter(())
        self._container.close()

    def _look(self, decoded: Iterator[Decoded]) -> Iterator[Frame]:
        """Convert what is looked at."""
        handed_out = 0
        for index, seconds, frame in decoded:
            if index % self.every:
                self.frames_read += 1
                continue
            image = self._convert(frame)
            if image is not None:
                self.frames_read += 1
                handed_out += 1
                yield Frame(index, seconds, image)
        if not handed_out and not self._convertible:
            raise MediaError(f"{self.path}: no frame of the video can be converted to RGB")

    def _convert(self, frame: av.VideoFrame) -> Image | None:
        self._check_size(frame.width, frame.height)
        try:
            if frame.rotation != self._rotation:
                self._rotation, self._turn = frame.rotation, frame_turn(frame)
            return upright_image(frame, self._aspect, self._reformatter, self._turn)
        except av.FFmpegError as error:
            _LOG.debug("%s: %s", self.path, error)
            self._convertible = False
            self.frames_damaged += 1
            return None

    def _check_size(self, width: int, height: int) -> None:
        width, height = square_size(width, height, self._aspect)
        if width * height > MAX_PIXELS:
            raise MediaError(f"{self.path}: frames of {width}x{height} pixels are too large")

    def _decode(self) -> Iterator[Decoded]:
        """Index, seconds and frame of every sound frame, to the last one the decoder holds back."""
        clock = Clock(*ticks(self._stream))
        failures = 0
        for packet, wanted in self._ahead:
            self._stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError as error:
                _LOG.debug("%s: %s", self.path, error)
                self._count_damaged()
                failures += 1
                if failures == MAX_FAILURES:
                    self._notes.append(f"gave up after {failures} damaged frames in a row")
                    return
                continue
            for frame in frames:
                failures = 0
                index, left_out = self._ahead.number(frame.pts)
                self._pass(left_out)
                if index is None:
                    self._count_damaged()
                    continue
                seconds = clock.seconds(frame.pts)
                if frame.is_corrupt:
                    self._count_damaged()
                else:
                    self._sound_count += 1
                    yield index, seconds, frame
        self._pass(self._ahead.rest())
        self._count_silent()
        self._note_cut()

    def _count_damaged(self) -> None:
        self.frames_damaged += 1
        # So that the rest of the damage is noticed too.
        self._ahead.want_all()

    def _pass(self, left_out: int) -> None:
        """Go past frames that were not decoded."""
        self.frames_read += left_out
        self._left_out_count += left_out

    def _count_silent(self) -> None:
        """Count what a decoder dropped without a word while it waited for a sound key frame.

        Only where damage was seen: packets without a frame of their own are nothing unusual.
        """
        if not self.frames_damaged:
            return
        lost = self._packet_count - self._sound_count - self._left_out_count
        self.frames_damaged = max(self.frames_damaged, lost)
        # The packets of some that were left out, and so counted as read, may have raised errors.
        twice = self.frames_read + self.frames_damaged - self._packet_count
        self.frames_read -= max(0, min(twice, self._left_out_count))

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, then one that makes the decoder give what it holds back."""
        try:
            for packet in self._container.demux(self._stream):
                self._note(packet)
                yield packet
        except av.FFmpegError as error:
            self._notes.append(f"reading stopped early: {error.strerror}")
            yield None
        except IndexError:
            # PyAV 18 trips over a stream that appeared while it read, when all this one's packets
            # and the last have been given.
            return

    def _note(self, packet: Packet[VideoStream]) -> None:
        # Before the start of an edit list are packets that are decoded only to be thrown away.
        self._packet_count += packet.size > 0 and not packet.is_discard
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is not None and packet.time_base:
            end = float((ticks + (packet.duration or 0)) * packet.time_base)
            self._end_seconds = max(self._end_seconds, end)

    def _note_cut(self) -> None:
        promised = promised_end_seconds(self._container, self._stream)
        if promised is None:
            return
        if promised - self._end_seconds > max(_SHORT_SECONDS, promised * _SHORT_SHARE):
            self._notes.append(
                f"the file is cut off: {self._end_seconds:.1f} s of {promised:.1f} s are there"
            )


def _open(path: Path, hardware: HWAccel | None = None) -> InputContainer:
    check_file(path)
    try:
        return av.open(
            # Absolute: a name like "data:x" would be taken for a protocol.
            str(path.absolute()),
            "r",
            options=dict(_OPTIONS),
            metadata_errors="replace",
            hwaccel=hardware,
        )
    # A hardware that has no decoder for any of the streams is a RuntimeError.
    except (av.FFmpegError, ValueError, RuntimeError) as error:
        _LOG.debug("%s: %s", path, error)
        raise MediaError(f"{path} is no readable video") from error


def _is_in_hardware(codec: VideoCodecContext) -> bool:
    return codec.is_hwaccel
