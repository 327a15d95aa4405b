"""Video files -> Frames, by way of PyAV.

FFmpeg's own log stays silent: PyAV drops it unless the application asks for it with
``av.logging.set_level``.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from facegrab.errors import MediaError
from facegrab.media.clock import Clock
from facegrab.media.geometry import UPRIGHT, frame_turn, square_size, upright_image, upright_size
from facegrab.media.reader import MAX_PIXELS, FrameReader, check_file
from facegrab.types import Frame, Image

_LOG = logging.getLogger(__name__)

# Failures to decode in a row after which the rest is given up. After damage some decoders refuse
# every frame up to the next key frame; encoders put one every 10 s at the latest, 600 frames at 60
# frames a second, so a lower limit would give up files that recover.
MAX_FAILURES = 1000
# What a file may fall short of the duration in its header before it is called cut off: headers
# differ by some tenths of a second in how they count the last frame or the end of the sound.
_SHORT_SECONDS = 0.5
_SHORT_SHARE = 0.02
# Rate of last resort for frames without times, where the file names none (as FFmpeg's readers).
_FALLBACK_RATE = Fraction(25)
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
    """Frames of a video, upright, with square pixels; those skipped are decoded, not converted.

    The first frame is decoded at once, so that the size is known. Damaged frames are counted and
    passed over. A frame that decodes but is flagged as corrupt keeps its index; one that is lost
    altogether has none.

    Raises:
        MediaError: the file is no video or nothing in it can be decoded; while iterating, a frame
            exceeds 2**27 pixels, or no frame could be converted.
        MissingError: there is no such file.
        AccessError: it may not be read.
    """

    def __init__(self, path: Path, every: int = 1) -> None:
        super().__init__(path, every)
        self._notes: list[str] = []
        self._end_seconds = 0.0
        self._packet_count = 0
        self._convertible = True
        self._container = _open(path)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self._stream = _pick_stream(self._container, self.path)
        self._aspect = self._stream.sample_aspect_ratio
        self._reformatter = VideoReformatter()
        self._rotation, self._turn = 0, UPRIGHT
        codec = self._stream.codec_context
        # The default, slice threads, gives concealed damage in H.264 out as sound frames.
        codec.thread_type = "AUTO"
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        self._check_size(codec.width, codec.height)
        self.duration_seconds = _duration(self._container, self._stream)
        self.frame_count = _frame_count(self._stream, self.duration_seconds)
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
        clock = Clock(*_ticks(self._stream))
        numbers = itertools.count()
        failures = sound = 0
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError as error:
                _LOG.debug("%s: %s", self.path, error)
                self.frames_damaged += 1
                failures += 1
                if failures == MAX_FAILURES:
                    self._notes.append(f"gave up after {failures} damaged frames in a row")
                    return
                continue
            for frame in frames:
                failures = 0
                index, seconds = next(numbers), clock.seconds(frame.pts)
                if frame.is_corrupt:
                    self.frames_damaged += 1
                else:
                    sound += 1
                    yield index, seconds, frame
        self._count_silent(sound)
        self._note_cut()

    def _count_silent(self, sound: int) -> None:
        """Count what a decoder dropped without a word while it waited for a sound key frame.

        Only where damage was seen: packets without a frame of their own are nothing unusual.
        """
        if self.frames_damaged:
            self.frames_damaged = max(self.frames_damaged, self._packet_count - sound)

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, then one that makes the decoder give what it holds back."""
        try:
            for packet in self._container.demux(self._stream):
                self._note(packet)
                yield packet
        except av.FFmpegError as error:
            self._notes.append(f"reading stopped early: {error.strerror}")
            yield None

    def _note(self, packet: Packet[VideoStream]) -> None:
        # Before the start of an edit list are packets that are decoded only to be thrown away.
        self._packet_count += packet.size > 0 and not packet.is_discard
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is not None and packet.time_base:
            end = float((ticks + (packet.duration or 0)) * packet.time_base)
            self._end_seconds = max(self._end_seconds, end)

    def _note_cut(self) -> None:
        promised = _promised_end(self._container, self._stream)
        if promised is None:
            return
        if promised - self._end_seconds > max(_SHORT_SECONDS, promised * _SHORT_SHARE):
            self._notes.append(
                f"the file is cut off: {self._end_seconds:.1f} s of {promised:.1f} s are there"
            )


def _open(path: Path) -> InputContainer:
    check_file(path)
    try:
        # Absolute: a name like "data:x" would be taken for a protocol.
        return av.open(str(path.absolute()), "r", options=dict(_OPTIONS), metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        _LOG.debug("%s: %s", path, error)
        raise MediaError(f"{path} is no readable video") from error


def _pick_stream(container: InputContainer, path: Path) -> VideoStream:
    """FFmpeg's choice among the video streams; never a cover picture."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise MediaError(f"{path} holds no video stream")
    # PyAV leaves the context out where this build has no decoder; its types do not say so.
    known = {s.index: s for s in videos if s.codec_context is not None}
    if not known:
        raise MediaError(f"{path}: there is no decoder for this kind of video")
    best = container.streams.best("video")
    return known.get(best.index if best else -1, next(iter(known.values())))


def _ticks(stream: VideoStream) -> tuple[Fraction, Fraction]:
    """Seconds per tick and average seconds per frame."""
    rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
    return stream.time_base or 1 / rate, 1 / rate


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds, as far as the container says."""
    if stream.duration and stream.duration > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _frame_count(stream: VideoStream, duration: float | None) -> int | None:
    if stream.frames > 0:
        return stream.frames
    rate = stream.average_rate or stream.guessed_rate
    return (round(duration * rate) or None) if duration and rate else None


def _promised_end(container: InputContainer, stream: VideoStream) -> float | None:
    """Where the header says the video ends, in seconds of the packets' clock.

    None where a header says nothing: FFmpeg then estimates the duration from what is there (MPEG
    streams), or the sound may be longer than the picture.
    """
    kind, base = container.format.name, stream.time_base or Fraction(0)
    if kind.startswith("mov,") and stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * base)
    if kind == "avi" and stream.average_rate:
        # The duration shrinks with the file, the header's number of frames does not.
        return float(stream.frames / stream.average_rate)
    if kind.startswith("matroska"):
        tag = _tag_seconds(stream.metadata.get("DURATION", ""))
        if tag is None and len(container.streams) == 1 and container.duration:
            return container.duration / av.time_base
        return tag
    return None


def _tag_seconds(text: str) -> float | None:
    """Seconds of a Matroska DURATION tag (00:01:02.500000000), None if it is none."""
    try:
        hours, minutes, seconds = text.strip("\0 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
