"""Writing and repeating videos; each file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from facegrab.types import Image

RATE = 25
WIDTH, HEIGHT = 1920, 1080
_ENCODER = {"preset": "veryfast", "crf": "20"}


def write_video(path: Path, frames: Iterable[Image]) -> Path:
    """1080p25 H.264 of RGB frames."""
    with _whole(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options=_ENCODER)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.thread_type = "AUTO"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def repeat_video(source: Path, path: Path, times: int) -> Path:
    """The same video so many times in a row, its packets copied, not encoded anew."""
    with _whole(path) as part, av.open(str(part), "w", format="mp4") as target:
        stream = None
        for turn in range(times):
            with av.open(str(source)) as container:
                original = container.streams.video[0]
                stream = stream or target.add_stream_from_template(original)
                for packet in container.demux(original):
                    if packet.size:
                        _shift(packet, turn * original.frames)
                        packet.stream = stream
                        target.mux(packet)
    return path


def _shift(packet: av.Packet[Any], frames: int) -> None:
    """Moves a packet to so many frames later."""
    if packet.time_base is None or packet.pts is None or packet.dts is None:
        raise ValueError("a packet without time")
    ticks = round(frames / (RATE * packet.time_base))
    packet.pts += ticks
    packet.dts += ticks


def facts(path: Path) -> str:
    """Size, length and bit rate, for people."""
    with av.open(str(path)) as container:
        seconds = (container.duration or 0) / av.time_base
        stream = container.streams.video[0]
        rate = path.stat().st_size * 8 / seconds / 1e6
        return f"{stream.width}x{stream.height}, {seconds:.0f} s, {rate:.1f} Mbit/s"


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
