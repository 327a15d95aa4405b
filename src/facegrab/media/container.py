"""A container: its video stream, and what it says of it, which need not be true."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from facegrab.errors import FaceGrabError, MediaError
from facegrab.media.reader import MAX_PIXELS, check_file
from facegrab.media.remote import RemoteFile

_LOG = logging.getLogger(__name__)

# Rate of last resort for frames without times, where the file names none (as FFmpeg's readers).
_FALLBACK_RATE = Fraction(25)
# Text drawn as pictures, and lists that point elsewhere: FFmpeg would "play" a .txt, and wait
# minutes for more lines in a playlist.
_NO_VIDEOS = frozenset(
    "adf bin concat dash hls idf imf rtsp sap sdp tty webm_dash_manifest xbin".split()  # noqa: SIM905
)
REMOTE_BUFFER_BYTES = 2**18
"""That FFmpeg asks a file elsewhere for at a time: eight times less calls than by its default."""
_OPTIONS = {
    "format_whitelist": ",".join(sorted(av.formats_available - _NO_VIDEOS)),
    # Nothing a file says shall make FFmpeg reach for another place.
    "protocol_whitelist": "file",
    # Refused by the decoder before it allocates.
    "max_pixels": str(MAX_PIXELS),
}


def open_container(
    path: Path, hardware: HWAccel | None = None, remote: RemoteFile | None = None
) -> InputContainer:
    """A video file, opened so that nothing in it reaches for another place.

    Args:
        path: of the file.
        hardware: that decodes; None: the processor.
        remote: the file itself, where it lies elsewhere.

    Raises:
        MediaError: it is no video, or the hardware decodes none of its streams.
        MissingError: there is no such file.
        AccessError: it may not be read.
    """
    if remote is None:
        check_file(path)
    try:
        return av.open(
            # Absolute: a name like "data:x" would be taken for a protocol.
            remote or str(path.absolute()),
            "r",
            buffer_size=REMOTE_BUFFER_BYTES,
            options=dict(_OPTIONS),
            metadata_errors="replace",
            hwaccel=hardware,
        )
    except FaceGrabError:  # of a file elsewhere
        raise
    # A hardware that has no decoder for any of the streams is a RuntimeError.
    except (av.FFmpegError, ValueError, RuntimeError) as error:
        _LOG.debug("%s: %s", path, error)
        raise MediaError(f"{path} is no readable video") from error


def pick_stream(container: InputContainer, path: Path) -> VideoStream:
    """FFmpeg's choice among the video streams; never a cover picture.

    Raises:
        MediaError: there is none, or none that this build of FFmpeg can decode.
    """
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise MediaError(f"{path} holds no video stream")
    # PyAV leaves the context out where this build has no decoder; its types do not say so.
    known = {s.index: s for s in videos if s.codec_context is not None}
    if not known:
        raise MediaError(f"{path}: there is no decoder for this kind of video")
    best = container.streams.best("video")
    return known.get(best.index if best else -1, next(iter(known.values())))


def ticks(stream: VideoStream) -> tuple[Fraction, Fraction]:
    """Seconds per tick and average seconds per frame."""
    rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
    return stream.time_base or 1 / rate, 1 / rate


def duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds, as far as the container says."""
    if stream.duration and stream.duration > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def frame_count(stream: VideoStream, duration: float | None) -> int | None:
    """As the container says or so many seconds allow; None if neither is known."""
    if stream.frames > 0:
        return stream.frames
    rate = stream.average_rate or stream.guessed_rate
    return (round(duration * rate) or None) if duration and rate else None


def promised_end_seconds(container: InputContainer, stream: VideoStream) -> float | None:
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
