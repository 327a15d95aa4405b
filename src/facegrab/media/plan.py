"""The segments of a source before it is read."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from facegrab.media import segments
from facegrab.media.ahead import TRIAL_FRAMES
from facegrab.media.container import ticks
from facegrab.media.decoding import Decoding
from facegrab.media.demuxing import Demuxing
from facegrab.media.images import ImagesReader
from facegrab.media.nal import is_surely_key
from facegrab.media.segments import Cuts
from facegrab.media.skippable import is_skippable
from facegrab.media.source import Source
from facegrab.media.tally import Tally
from facegrab.types import Segment

# Besides those in which frames can be left out: every packet is a frame, or, as containers hold
# them, every packet shows one, whatever it hides.
_ONE_FRAME_A_PACKET = frozenset(
    ["av1", "dnxhd", "ffv1", "libdav1d", "mjpeg", "png", "prores", "rawvideo", "vp9"]
)


def plan(source: Source, every: int = 1, threads: int = 0) -> tuple[Segment, ...] | None:
    """The segments that a reader of a sound source begins, from its packets alone.

    Read one by one (``open_source(..., start=segment, only=True)``), in any order or at once, they
    are what one reader reads. Before all but the first ``frames_damaged`` is taken to be 0: where
    the reader of one ends with another next segment than is planned, the file is damaged and the
    plan is void from there on. Where one does not begin it is void from the segment before on.

    Of a video all packets are read, and the first frames decoded; at the start of a segment one
    more where its packet does not tell that it is a key frame.

    Args:
        source: a video or images.
        every, threads: as the reader's.

    Returns:
        None where frames need not come out as packets announce them.

    Raises:
        MediaError, MissingError, AccessError: as `open_source`.
    """
    if source.images:
        return _of_images(source, every)
    first = _first(source.path, every, threads)
    file = Demuxing(source.path, threads=threads)
    try:
        return _of_video(file, first) if first else None
    finally:
        file.container.close()


def _of_images(source: Source, every: int) -> tuple[Segment, ...]:
    with ImagesReader(source, every) as reader:
        first = reader.segments[0]
    length = segments.IMAGES_PER_SEGMENT * every
    return tuple(
        replace(first, number=number, first_frame=index, frames_read=index)
        for number, index in enumerate(range(0, len(source.images), length))
    )


def _first(path: Path, every: int, threads: int) -> Segment | None:
    """The first segment, if the first frames come out as their packets announce."""
    file = Demuxing(path, threads=threads)
    try:
        codec = file.stream.codec_context
        skippable = is_skippable(codec.name, codec.extradata or b"")
        if not skippable and codec.name not in _ONE_FRAME_A_PACKET:
            return None
        tally = Tally()
        decoding = Decoding(file, every, tally)
        came = list(islice(decoding.frames(), TRIAL_FRAMES))
        if not came or tally.damaged or decoding.origin is None:
            return None
        return decoding.segments[0]
    finally:
        file.container.close()


def _of_video(file: Demuxing, first: Segment) -> tuple[Segment, ...] | None:
    assert first.pts is not None
    planned, earlier = [first], 0
    tick_seconds, _ = ticks(file.stream)
    length = Fraction(segments.SEGMENT_SECONDS) / tick_seconds
    cuts = Cuts(file.packets(), length)
    cuts.begin(first.pts)
    index = 0
    for packet in cuts:
        if packet is None or packet.pts is None or packet.is_discard or not packet.size:
            continue
        # The decoder drops what comes before its first frame.
        earlier += packet.pts < first.pts
        last = planned[-1]
        assert last.pts is not None
        if not packet.is_keyframe or packet.pts - last.pts < length:
            continue
        begins = cuts.begins(packet.pts) if _is_key_frame(file, packet) else None
        if begins is None:
            continue
        packets, pos = begins
        index += packets
        planned.append(_next(last, index - earlier, packet.pts, pos))
    return tuple(planned) if cuts.is_ordered and not file.notes else None


def _next(last: Segment, index: int, pts: int, pos: int | None) -> Segment:
    return replace(
        last,
        number=last.number + 1,
        first_frame=index,
        frames_read=index,
        pts=pts,
        pos=pos,
        trial=None if last.trial is None else max(0, TRIAL_FRAMES - index),
    )


def _is_key_frame(file: Demuxing, packet: Packet[VideoStream]) -> bool:
    """Whether the decoder takes it for one: a packet may begin a slow refresh."""
    codec = file.stream.codec_context
    if is_surely_key(codec.name, codec.extradata or b"", memoryview(packet)):
        return True
    codec.flush_buffers()
    frames = list[av.VideoFrame]()
    for given in (packet, None):
        try:
            frames += file.stream.decode(given)
        except av.FFmpegError:
            return False
    return any(frame.pts == packet.pts and frame.key_frame for frame in frames)
