"""Writing and repeating videos; a file appears whole or not at all."""

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


def write_video(
    path: Path,
    frames: Iterable[Image],
    size: tuple[int, int] = (WIDTH, HEIGHT),
    bits_per_second: int | None = None,
) -> Path:
    """H.264, 25 frames a second, of RGB frames of a size (width, height).

    Without a bit rate, of constant quality.
    """
    with _whole(path) as part, av.open(str(part), "w", format="mp4") as container:
        options = {"preset": "veryfast"}
        options |= {"b": str(bits_per_second)} if bits_per_second else {"crf": "20"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
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
