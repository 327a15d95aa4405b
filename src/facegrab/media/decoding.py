"""One pass over a video file, from a place on: packets in, numbered and timed frames out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.packet import Packet
from av.video.stream import VideoStream

from facegrab.media import segments
from facegrab.media.ahead import Ahead
from facegrab.media.clock import Clock
from facegrab.media.container import ticks
from facegrab.media.demuxing import Demuxing, Reach
from facegrab.media.geometry import frame_turn, upright_size
from facegrab.media.nal import is_surely_key
from facegrab.media.segments import Cuts
from facegrab.media.skippable import is_skippable
from facegrab.media.tally import Tally
from facegrab.types import Segment

_LOG = logging.getLogger(__name__)

# Failures to decode in a row after which the rest is given up. After damage some decoders refuse
# every frame up to the next key frame; encoders put one every 10 s at the latest, 600 frames at 60
# frames a second, so a lower limit would give up files that recover.
MAX_FAILURES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A sound frame.

    Attributes:
        index: in the source.
        seconds: since the source's first frame.
        segment: number of its segment.
        frame: itself.
    """

    index: int
    seconds: float
    segment: int
    frame: av.VideoFrame


class Decoding:
    """The frames of a video; a damaged one is counted and passed over.

    Attributes:
        segments: begun so far; one is there before its first frame comes out.

    Args:
        file: the open video, no packet of which has been read.
        every: of the frames are wanted; others need not come out.
        tally: counts here what was gone past and what was damaged.
        start: segment that is the first one here.
        reach: how it is reached.
        only: nothing after that segment is wanted. The key frame after it is not decoded where its
            packet tells all that is said of it: whoever begins there finds out whether it is sound.
    """

    def __init__(
        self,
        file: Demuxing,
        every: int,
        tally: Tally,
        start: Segment | None = None,
        reach: Reach = Reach.DECODE,
        *,
        only: bool = False,
    ) -> None:
        self._file = file
        self._stream = file.stream
        self._tally = tally
        self._only = only
        self._every = every
        self.segments = [start] if start else []
        # The time of the frame that must come out first.
        self._awaited = start.pts if start else None
        # No packet so far is of what is before it.
        self._is_own = reach is not Reach.DECODE
        self._failures = 0
        self._ended = False
        tick_seconds, frame_seconds = ticks(self._stream)
        self._clock = Clock(tick_seconds, frame_seconds, start.origin if start else None)
        self._clock.is_steady = not start or start.is_steady
        packets = file.packets_from(start, reach) if start else file.packets()
        length = Fraction(segments.SEGMENT_SECONDS) / tick_seconds
        self._cuts = Cuts(packets, length, self._awaited)
        self._ahead = self._look_ahead(every, start)

    def _look_ahead(self, every: int, start: Segment | None) -> Ahead[Packet[VideoStream]]:
        codec = self._stream.codec_context
        look = every > 1 and is_skippable(codec.name, codec.extradata or b"")
        if start is None:
            return Ahead(self._cuts, every, look=look)
        ahead = Ahead(
            self._cuts,
            every,
            look=look and start.trial is not None,
            first=start.first_frame,
            start=start.pts,
            trial=start.trial or 0,
        )
        if start.frames_damaged:
            ahead.want_all()
        return ahead

    @property
    def origin(self) -> int | None:
        """Ticks of the source's first frame; None unless all had times of their own, in order."""
        return self.segments[0].origin if self.segments and self._clock.is_steady else None

    def frames(self) -> Iterator[Decoded]:
        """Every sound frame, to the last one the decoder holds back.

        None at all where the start was not reached: the first frame that is not earlier must be
        its, and sound.
        """
        if self._every == 1:
            self._file.open_decoder_nicely()
        for packet, wanted in self._ahead:
            if packet and self._only and self._parts(packet):
                yield from self._sound(self._decode(None, wanted=True))
                if self._ended or self._ends_before(packet):
                    return
                self._stream.codec_context.flush_buffers()
            yield from self._sound(self._decode(packet, wanted=wanted))
            if self._failures >= MAX_FAILURES:
                self._file.notes.append(f"gave up after {MAX_FAILURES} damaged frames in a row")
                return
            if self._ended:
                return
        self._tally.add_left_out(self._ahead.rest())
        self._tally.end_segment(self._cuts.packets_in_segment)
        self._file.note_cut()

    def _sound(self, frames: list[av.VideoFrame]) -> Iterator[Decoded]:
        """Those that are, up to the end of what is wanted."""
        for frame in frames:
            if self._is_earlier(frame):
                continue
            decoded = None if self._awaited is not None else self._number(frame)
            self._ended = self._awaited is not None or (self._only and len(self.segments) > 1)
            if self._ended:
                return
            if decoded:
                self._tally.add_sound()
                yield decoded

    def _parts(self, packet: Packet[VideoStream]) -> bool:
        """Whether a segment begins with a packet, as far as packets tell, and none is in doubt."""
        codec = self._stream.codec_context
        return self._cuts.parts(packet) and is_surely_key(
            codec.name, codec.extradata or b"", memoryview(packet)
        )

    def _ends_before(self, packet: Packet[VideoStream]) -> bool:
        """Whether the segment has ended with all frames before a packet; notes the next one then.

        What is noted is what would be if the packet's frame, which is sound, had come out.
        """
        if self._awaited is not None:
            return True
        if not self._clock.is_later(packet.pts):
            return False
        trial, is_steady = self._ahead.trial, self._clock.is_steady
        index, left_out = self._ahead.number(packet.pts)
        self._tally.add_left_out(left_out)
        if index is None:
            return False
        self._clock.seconds(packet.pts)
        self._begin_next(packet.pts, index, trial, is_steady=is_steady)
        return True

    def count_damaged(self) -> None:
        """A frame was damaged."""
        self._tally.damaged += 1
        # So that the rest of the damage is noticed too.
        self._ahead.want_all()

    def _decode(self, packet: Packet[VideoStream] | None, *, wanted: bool) -> list[av.VideoFrame]:
        # A key frame may begin a segment, and then must come out even if nobody refers to it.
        whole = wanted or packet is None or packet.is_keyframe
        self._stream.codec_context.skip_frame = "DEFAULT" if whole else "NONREF"
        if self._awaited is not None and packet and packet.pts is not None:
            self._is_own &= packet.pts >= self._awaited
        try:
            return self._stream.decode(packet)
        except av.FFmpegError as error:
            _LOG.debug("%s", error)
            # What is before the start was counted by whoever read it.
            if self._awaited is None or self._is_own:
                self.count_damaged()
                self._failures += 1
            return []

    def _is_earlier(self, frame: av.VideoFrame) -> bool:
        """It belongs to a segment before this one; the frame awaited comes last of them."""
        if self._awaited is None:
            return self._cuts.is_past(frame.pts)
        if frame.pts is None or frame.pts < self._awaited:
            return True
        if frame.pts == self._awaited and not frame.is_corrupt:
            self._awaited = None
        return False

    def _number(self, frame: av.VideoFrame) -> Decoded | None:
        """The frame with its index and time; None if it is damaged."""
        self._failures = 0
        trial = self._ahead.trial
        index, left_out = self._ahead.number(frame.pts)
        self._tally.add_left_out(left_out)
        if index is None:
            self.count_damaged()
            return None
        is_steady, is_later = self._clock.is_steady, self._clock.is_later(frame.pts)
        seconds = self._clock.seconds(frame.pts)
        if frame.is_corrupt:
            self.count_damaged()
            return None
        if not self.segments:
            self._begin_first(frame, index, trial)
        # What packets call a key frame may be the start of a slow refresh; the frame is none then.
        elif frame.key_frame and is_later:
            self._begin_next(frame.pts, index, trial, is_steady=is_steady)
        return Decoded(index, seconds, self.segments[-1].number, frame)

    def _begin_first(self, frame: av.VideoFrame, index: int, trial: int | None) -> None:
        self._cuts.begin(frame.pts)
        width, height = upright_size(frame, self._stream.sample_aspect_ratio, frame_turn(frame))
        self.segments.append(
            Segment(0, index, 0, 0, width, height, frame.pts, frame.pts, None, trial)
        )

    def _begin_next(
        self, pts: int | None, index: int, trial: int | None, *, is_steady: bool
    ) -> None:
        """Note the segment that begins with the frame of this time, if one does."""
        begins = self._cuts.begins(pts)
        if begins is None:
            return
        packets, pos = begins
        self._tally.end_segment(packets)
        last = self.segments[-1]
        self.segments.append(
            replace(
                last,
                number=last.number + 1,
                first_frame=index,
                frames_read=self._tally.read,
                frames_damaged=self._tally.damaged,
                pts=pts,
                pos=pos,
                trial=trial,
                is_steady=is_steady,
            )
        )
