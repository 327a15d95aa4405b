"""A video file, open: its packets, from a place on."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from facegrab.address import Address
from facegrab.cores import usable_cores
from facegrab.errors import MediaError
from facegrab.media.ahead import MAX_REORDER
from facegrab.media.container import (
    open_container,
    pick_stream,
    promised_end_seconds,
    ticks,
)
from facegrab.media.convert import check_size
from facegrab.media.reader import MAX_PIXELS, check_file
from facegrab.media.remote import RemoteFile
from facegrab.types import Segment

_LOG = logging.getLogger(__name__)

# What a file may fall short of the duration in its header before it is called cut off: headers
# differ by some tenths of a second in how they count the last frame or the end of the sound.
_SHORT_SECONDS = 0.5
_SHORT_SHARE = 0.02
# Where positions in a file go by decoding time, or are whatever packet lies there (MPEG streams),
# a key frame is found from a little earlier.
_EARLIER_SECONDS = 2
# Containers of which an index lists the key frames, and no others as such.
_INDEXED = ("mov,", "matroska", "avi")
# Those that hold whole packets. Of others packets are cut out as they are read.
_WHOLE = (*_INDEXED, "asf", "flv", "gif", "ivf", "mxf", "nut", "ogg", "yuv4mpegpipe")
# Threads that decode, as in FFmpeg's own choice (libavcodec/pthread_internal.h, MAX_AUTO_THREADS).
_MOST_THREADS = 16
# By how much they give way, on Linux, where each thread has a niceness of its own.
_NICER = 5


class Reach(Enum):
    """How a key frame is reached, the cheapest way first."""

    SEEK = "seek to it"
    SEEK_EARLIER = "seek to before it"
    READ = "read the packets before it"
    DECODE = "decode all before it"


def decoding_threads(threads: int = 0) -> int:
    """Threads that decode: two a core, and no more than FFmpeg itself would begin.

    By itself it begins one more than there are cores. They wait for rows of each other's frames,
    and for packets while a frame is converted; so a core was idle now and then. For a single core
    there is one, which takes .92 of the processor time of several (measured: docs/performance.md).

    Args:
        threads: of the CPU that may be used; 0 is as many as the process may use.
    """
    cores = threads or usable_cores()
    return min(2 * cores, _MOST_THREADS) if cores > 1 else 1


class Demuxing:
    """A video file and the packets of its video stream.

    Attributes:
        container: the open file.
        stream: whose decoder is set up, but has decoded nothing.
        notes: what went wrong so far.
        is_indexed: the container's index lists the key frames.
        is_whole: it holds whole packets, which have the same times from wherever it is read.

    Args:
        path: of the file.
        hardware: that decodes; None: the processor.
        threads: of the CPU that may be used; 0 is as many as the process may use.

    Raises:
        MediaError: it is no video, its frames exceed 2**27 pixels, or the hardware has no decoder.
        MissingError: there is no such file.
        AccessError: it may not be read.
    """

    def __init__(self, path: Path, hardware: HWAccel | None = None, threads: int = 0) -> None:
        self._path = path
        self._threads = threads
        self.notes: list[str] = []
        self._end_seconds = 0.0
        self._in_hardware = hardware is not None
        self.container = self._open(hardware)
        try:
            self.stream = pick_stream(self.container, path)
            self.is_indexed = self.container.format.name.startswith(_INDEXED)
            self.is_whole = self.container.format.name.startswith(_WHOLE)
            self._set_up(hardware)
        except BaseException:
            self.container.close()
            raise

    def _open(self, hardware: HWAccel | None) -> InputContainer:
        path = self._path
        if isinstance(path, Address):  # what reading it raises, PyAV raises again
            return open_container(path, hardware, RemoteFile(path, check_file(path)))
        return open_container(path, hardware) if hardware else open_container(path)

    def _set_up(self, hardware: HWAccel | None) -> None:
        codec = self.stream.codec_context
        if hardware and not _is_in_hardware(codec):
            raise MediaError(f"{self._path}: it has no decoder for {codec.name}")
        # The default, slice threads, gives concealed damage in H.264 out as sound frames.
        codec.thread_type = "AUTO"
        if not hardware:
            codec.thread_count = decoding_threads(self._threads)
        codec.options = {"max_pixels": str(MAX_PIXELS)}
        check_size(self._path, codec.width, codec.height, self.stream.sample_aspect_ratio)

    def open_decoder_nicely(self) -> None:
        """Begins the threads that decode, which give way to all others where the system can.

        That is for those who look at every frame, so that looking takes longer than decoding. Side
        by side the threads that decode take cores from whoever holds Python's lock, for which
        others wait, and are done early; giving way they do their work while others wait (measured:
        docs/performance.md).
        """
        if sys.platform == "linux" and not self._in_hardware:
            begin = threading.Thread(target=self._open_nicely, name="facegrab-open-decoder")
            begin.start()
            begin.join()

    def _open_nicely(self) -> None:
        """In a thread of its own, of which those that it begins have their niceness."""
        with suppress(OSError):
            nicer = min(os.getpriority(os.PRIO_PROCESS, 0) + _NICER, 19)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nicer)
        with suppress(Exception):  # raised again when it is to decode
            self.stream.codec_context.open(strict=False)

    def packets(self) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, then one that makes the decoder give what it holds back."""
        try:
            for packet in self.container.demux(self.stream):
                self._note(packet)
                yield packet
        except av.FFmpegError as error:
            self.notes.append(f"reading stopped early: {error.strerror}")
            yield None
        except IndexError:
            # PyAV 18 trips over a stream that appeared while it read, when all this one's packets
            # and the last have been given.
            return

    def packets_from(self, start: Segment, reach: Reach) -> Iterator[Packet[VideoStream] | None]:
        """The packets from a segment's key frame on, none if it is not found; or all, to decode.

        Args:
            start: the segment.
            reach: how its key frame is reached.
        """
        if reach is Reach.DECODE or start.pts is None:
            return self.packets()
        if reach is not Reach.READ:
            if start.pos is None and not self.is_whole:
                # It does not begin a part of the stream that has a time: times count on from what
                # was read before it.
                return iter(())
            earlier = _EARLIER_SECONDS if reach is Reach.SEEK_EARLIER else 0
            tick_seconds, _ = ticks(self.stream)
            try:
                packets = self.packets_after_seek(start.pts - round(earlier / tick_seconds))
            except av.FFmpegError as error:
                _LOG.debug("%s: %s", self._path, error)
                return iter(())
        else:
            packets = self.packets()
        return _from_key(packets, start.pts, start.pos)

    def packets_after_seek(self, pts: int) -> Iterator[Packet[VideoStream] | None]:
        """The packets from about that time on; the decoder starts anew.

        Raises:
            av.FFmpegError: the container cannot be sought in.
        """
        self.container.seek(pts, stream=self.stream)
        packets = self.packets()
        if not self.is_whole:
            # The first is a part of one, or has the time of another.
            next(packets, None)
        return packets

    def _note(self, packet: Packet[VideoStream]) -> None:
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is not None and packet.time_base:
            end = float((ticks + (packet.duration or 0)) * packet.time_base)
            self._end_seconds = max(self._end_seconds, end)

    def note_cut(self) -> None:
        """Note if the packets so far end before the header says."""
        promised = promised_end_seconds(self.container, self.stream)
        if promised is None:
            return
        if promised - self._end_seconds > max(_SHORT_SECONDS, promised * _SHORT_SHARE):
            self.notes.append(
                f"the file is cut off: {self._end_seconds:.1f} s of {promised:.1f} s are there"
            )


def _from_key(
    packets: Iterator[Packet[VideoStream] | None], pts: int, pos: int | None
) -> Iterator[Packet[VideoStream] | None]:
    """Those from a key frame on; none if it is not found where it must be."""
    later = 0
    for packet in packets:
        if packet is None or later > 2 * MAX_REORDER:
            return
        is_it = packet.pts == pts and packet.is_keyframe and not packet.is_discard
        # Of two recordings in one file each may have a frame of that time.
        if is_it and (pos is None or packet.pos == pos):
            yield packet
            yield from packets
            return
        later += packet.pts is not None and packet.pts > pts


def _is_in_hardware(codec: VideoCodecContext) -> bool:
    return codec.is_hwaccel
