"""Some frames of a source, known from a scan, without decoding all that lies between them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import av
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.stream import VideoStream

from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media.container import ticks
from facegrab.media.convert import Converter
from facegrab.media.decoding import Decoding
from facegrab.media.demuxing import Demuxing
from facegrab.media.images import SEQUENCE_RATE, read_image
from facegrab.media.skippable import is_skippable
from facegrab.media.source import Source
from facegrab.media.tally import Tally
from facegrab.media.video import CPU, VideoReader
from facegrab.types import Frame

_LOG = logging.getLogger(__name__)

Wanted: TypeAlias = tuple[int, float]
"""Index and pts_seconds of a frame."""
_Packet: TypeAlias = "Packet[VideoStream]"

# Where no index tells of a key frame between two frames, one is sought for the second if it comes
# so much later than the first: most encoders put a key frame at least every 10 s.
_FAR_SECONDS = 5
# So near the beginning no key frame is sought.
_NEAR_SECONDS = 2
# A key frame is looked for from so long before a frame, one after the other.
_EARLIER_SECONDS = (0, 2, 12)


class _NotThereError(Exception):
    """A frame did not come out where its time says."""


class SpansReader:
    """Iterator over wanted frames; a context manager.

    Of a video only what is needed for them is decoded: from the key frame before each, on to the
    next wanted one, unless a key frame lies between; frames that no other refers to are left out
    where `is_skippable`. A frame is found by its time. Images and times are those of a full read.
    Where frames do not come out
    like that, or no origin is known, all frames up to the last wanted one are decoded.

    Attributes:
        warnings: what went otherwise than asked for, one line each.

    Args:
        source: a video or images.
        wanted: (index, pts_seconds) of each frame as a scan found it, ascending.
        origin: of the scan's reader.
        every: of the scan's reader.
        device: that decodes; see VideoReader.
        threads: of the CPU that may be used; 0 is as many as the process may use.

    Raises:
        MediaError: while iterating, a frame is not there or has another time: the source has
            changed since it was scanned; or the source is no video or image.
        MissingError: there is no such file.
        AccessError: it may not be read.
    """

    def __init__(
        self,
        source: Source,
        wanted: Sequence[Wanted],
        origin: int | None,
        every: int = 1,
        device: str = CPU,
        threads: int = 0,
    ) -> None:
        self._source = source
        self._path = source.path
        self._wanted = deque(wanted)
        self._origin = origin
        self._every = every
        self.warnings: list[str] = []
        self._device = device
        self._threads = threads
        self._frames = self._images() if source.images else self._video()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file and the decoder; iteration ends. Closing twice is fine."""
        self._frames.close()

    def _images(self) -> Generator[Frame, None, None]:
        images = self._source.images
        for index, seconds in self._wanted:
            if index >= len(images) or seconds != index / SEQUENCE_RATE:
                raise self._changed(index)
            try:
                image = read_image(images[index])
            except (MediaError, MissingError, AccessError) as error:
                raise self._changed(index) from error
            yield Frame(index, seconds, image)

    def _video(self) -> Generator[Frame, None, None]:
        if not self._wanted:
            return
        hardware = self._hardware()
        if self._origin is not None:
            try:
                with closing(self._sought(hardware, self._origin)) as spans:
                    yield from spans.frames()
            except _NotThereError:
                _LOG.debug("%s: frame %d: all is decoded", self._path, self._wanted[0][0])
        if self._wanted:
            file = Demuxing(self._path, hardware, self._threads)
            with closing(file.container):
                yield from self._one_by_one(file)

    def _sought(self, hardware: HWAccel | None, origin: int) -> _Spans:
        return _Spans(self._path, hardware, self._threads, self._wanted, origin)

    def _hardware(self) -> HWAccel | None:
        if self._device == CPU:
            return None
        with VideoReader(self._path, 1, self._device, threads=self._threads) as reader:
            self.warnings = [line for line in reader.warnings if "processor" in line]
        return None if self.warnings else HWAccel(self._device, allow_software_fallback=False)

    def _one_by_one(self, file: Demuxing) -> Iterator[Frame]:
        """All frames are decoded, as the scan did."""
        decoding = Decoding(file, self._every, Tally())
        convert = Converter(self._path, file.stream.sample_aspect_ratio)
        for each in decoding.frames():
            index, seconds = self._wanted[0]
            if each.index < index:
                continue
            if (each.index, each.seconds) != (index, seconds):
                break
            try:
                image = convert.image(each.frame, each.segment)
            except av.FFmpegError:
                break
            self._wanted.popleft()
            yield Frame(index, seconds, image)
            if not self._wanted:
                return
        raise self._changed(self._wanted[0][0])

    def _changed(self, index: int) -> MediaError:
        return MediaError(
            f"{self._path}: frame {index} is not where it was; the source has changed since it was "
            "scanned: scan it again"
        )


class _Spans:
    """The frames of a video, each sought by its time.

    Args:
        path: of the video.
        hardware: that decodes; None: the processor.
        threads: of the CPU that may be used.
        wanted: those that come out are taken away.
        origin: ticks of the video's first frame.
    """

    def __init__(
        self,
        path: Path,
        hardware: HWAccel | None,
        threads: int,
        wanted: deque[Wanted],
        origin: int,
    ) -> None:
        self._path = path
        self._hardware = hardware
        self._threads = threads
        self._file = Demuxing(path, hardware, threads)
        self._stream = self._file.stream
        self._wanted = wanted
        self._tick_seconds, _ = ticks(self._stream)
        self._times = list[int]()
        self._origin = origin
        self._next = 0
        self._convert = Converter(path, self._stream.sample_aspect_ratio)
        codec = self._stream.codec_context
        # There every frame is one packet, too.
        self._skips = is_skippable(codec.name, codec.extradata or b"")
        self._span = -1

    def close(self) -> None:
        """Release the file and the decoder."""
        self._file.container.close()

    def _begin_anew(self) -> Iterator[_Packet | None]:
        """All packets of the file, opened again."""
        self.close()
        self._file = Demuxing(self._path, self._hardware, self._threads)
        self._stream = self._file.stream
        return self._file.packets()

    def _ticks_of(self, seconds: float) -> int:
        count = round(Fraction(seconds) / self._tick_seconds)
        if float(count * self._tick_seconds) != seconds:
            raise _NotThereError
        return count

    def frames(self) -> Iterator[Frame]:
        """Raises _NotThereError as soon as anything is not as the times say."""
        if self._file.container.format.name == "mpeg":
            # Not all frames have times there; the others' count on from what was read before.
            raise _NotThereError
        self._times = [self._origin + self._ticks_of(seconds) for _, seconds in self._wanted]
        while self._next < len(self._times):
            self._span += 1
            packets = self._seek(self._times[self._next])
            # Near the beginning nothing is sought: all is decoded as whoever reads all does it.
            begins = packets is None
            if packets is None:
                packets = self._begin_anew()
            # Only now: some containers read their index when they are sought in.
            span = self._times[self._next : self._span_end()]
            yield from self._decode(packets, span, is_reached=begins)

    def _span_end(self) -> int:
        """Number of the first wanted frame before which is a key frame worth a seek."""
        for number in range(self._next + 1, len(self._times)):
            if self._is_far(self._times[number - 1], self._times[number]):
                return number
        return len(self._times)

    def _is_far(self, pts: int, other: int) -> bool:
        """Whether the second frame is sought once the first one has come out."""
        entries = self._stream.index_entries
        if self._file.is_indexed and len(entries) and entries[len(entries) - 1].timestamp >= other:
            key = entries.search_timestamp(other, backward=True)
            return key >= 0 and entries[key].timestamp > pts
        return (other - pts) * self._tick_seconds > _FAR_SECONDS

    def _seek(self, pts: int) -> Iterator[_Packet | None] | None:
        """The packets from a key frame on that is shown no later than that.

        None where that is near the beginning of the file, or seems to be.
        """
        for earlier in _EARLIER_SECONDS:
            before = pts - round(earlier / self._tick_seconds)
            if (before - self._origin) * self._tick_seconds < _NEAR_SECONDS:
                return None
            try:
                packets = self._file.packets_after_seek(before)
            except av.FFmpegError as error:
                raise _NotThereError from error
            with suppress(_NotThereError):
                return self._from_key(packets, pts)
        raise _NotThereError

    def _from_key(self, packets: Iterator[_Packet | None], pts: int) -> Iterator[_Packet | None]:
        """Those from the first key frame on, if it is shown no later than that."""
        for packet in packets:
            if packet is None or packet.pts is None or not packet.is_keyframe or packet.is_discard:
                continue
            if packet.pos is None and not self._file.is_whole:
                # Its time counts on from what was read before it.
                continue
            if packet.pts <= pts:
                return chain([packet], packets)
            break
        raise _NotThereError

    def _decode(
        self, packets: Iterator[_Packet | None], span: list[int], *, is_reached: bool
    ) -> Iterator[Frame]:
        """The wanted frames of a span; unless reached already, its first packet is a key frame."""
        wanted, ahead = set(span), set(span)
        key: int | None = None
        for packet in packets:
            if key is None and packet is not None:
                key = packet.pts
            for frame in self._frames_of(packet, wanted, ahead):
                is_reached = is_reached or _is_reached(frame, key)
                if not is_reached or frame.pts is None or frame.pts < span[0]:
                    continue
                if frame.pts in wanted:
                    yield self._take(frame)
                if frame.pts >= span[-1]:
                    if self._next < len(self._times) and self._times[self._next] <= span[-1]:
                        raise _NotThereError
                    return
        raise _NotThereError

    def _frames_of(
        self, packet: _Packet | None, wanted: set[int], ahead: set[int]
    ) -> Iterator[av.VideoFrame]:
        """What comes out; everything, once nothing wanted is ahead."""
        codec = self._stream.codec_context
        whole = not self._skips or packet is None or packet.is_keyframe or packet.pts in wanted
        codec.skip_frame = "DEFAULT" if whole else "NONREF"
        if packet is not None and packet.pts is not None:
            ahead.discard(packet.pts)
        # All that the wanted ones refer to has been given: no more needs to be decoded for them.
        ends = self._skips and not ahead and packet is not None
        for given in (packet, None) if ends else (packet,):
            try:
                yield from self._stream.decode(given)
            except av.FFmpegError as error:
                _LOG.debug("%s", error)

    def _take(self, frame: av.VideoFrame) -> Frame:
        """The next of the wanted frames, if it is that and sound."""
        if frame.pts != self._times[self._next] or frame.is_corrupt:
            raise _NotThereError
        try:
            image = self._convert.image(frame, self._span)
        except av.FFmpegError as error:
            raise _NotThereError from error
        self._next += 1
        index, seconds = self._wanted.popleft()
        return Frame(index, seconds, image)


def _is_reached(frame: av.VideoFrame, key: int | None) -> bool:
    """False for what is shown before the key frame and need not be sound."""
    if frame.pts is None or key is None or frame.pts < key:
        return False
    if frame.pts > key or frame.is_corrupt or not frame.key_frame:
        # It is lost, or the start of a slow refresh.
        raise _NotThereError
    return True
