"""Small clips and images for tests, written in milliseconds; no binaries in the repository."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from facegrab.types import Image

# Encoders of the wheel that write in milliseconds, and how to make them do so.
FAST_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "g": "10"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "mpeg4": {"g": "10", "qscale": "4"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def shared_media() -> Path | None:
    """The folder of real clips next to the repository, None where there is none."""
    folder = Path(__file__).parents[2] / "shared" / "media"
    return folder if folder.is_dir() else None


def square_frames(count: int = 20, size: tuple[int, int] = (96, 64)) -> list[Image]:
    """A white square walks over a still pattern; RGB (H, W, 3), size is width, height."""
    width, height = size
    pattern = np.random.default_rng(7).integers(0, 160, (height // 8 + 1, width // 8 + 1, 3))
    ground = pattern.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8)
    frames = []
    for number in range(count):
        frame = ground.copy()
        left = 2 * number % max(1, width - 16)
        frame[8:24, left : left + 16] = 255
        frames.append(frame)
    return frames


def grey_frames(count: int, size: tuple[int, int] = (64, 48)) -> list[Image]:
    """Frame number n is grey of 4 n: each can be told from the others after any codec."""
    return [np.full((size[1], size[0], 3), 4 * number % 256, np.uint8) for number in range(count)]


def write_clip(
    path: Path,
    frames: Iterable[np.ndarray[Any, Any]],
    *,
    rate: int | Fraction = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[float] | None = None,
    rotation: float | None = None,
    mirror: bool = False,
    sample_aspect_ratio: Fraction | None = None,
    start_seconds: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video; the extension chooses the container, and mp4 gets its index first.

    Args:
        frames: uint8 (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey, or uint16 (H, W) grey.
        pts: seconds of every frame, for a variable rate (to the millisecond).
        rotation: degrees counter-clockwise that a player shall turn the picture by.
        mirror: a player shall mirror it left and right after that.
        start_seconds: time of the first frame.
        options: for the encoder, in place of FAST_OPTIONS.
    """
    muxing = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    base = Fraction(1, 1000) if pts is not None else 1 / Fraction(rate)
    options = FAST_OPTIONS.get(codec, {}) if options is None else options
    frames = list(frames)
    with av.open(str(path), "w", options=muxing) as container:
        stream = container.add_stream(codec, rate, options)
        assert isinstance(stream, VideoStream)
        _set_up(stream, frames[0], pix_fmt, base, sample_aspect_ratio)
        if rotation is not None or mirror:
            stream.set_display_rotation(rotation or 0, hflip=mirror)
        for number, array in enumerate(frames):
            frame = _video_frame(array, pix_fmt)
            ticks = number if pts is None else round(pts[number] / base)
            frame.pts = ticks + round(start_seconds / base)
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _set_up(
    stream: VideoStream,
    array: np.ndarray[Any, Any],
    pix_fmt: str,
    base: Fraction,
    aspect: Fraction | None,
) -> None:
    context = stream.codec_context
    context.height, context.width = array.shape[:2]
    context.pix_fmt = pix_fmt
    context.time_base = base
    if aspect is not None:
        context.sample_aspect_ratio = aspect


def _video_frame(array: np.ndarray[Any, Any], pix_fmt: str) -> av.VideoFrame:
    if array.ndim == 2:
        given = "gray16le" if array.dtype == np.uint16 else "gray"
    else:
        given = "rgba" if array.shape[2] == 4 else "rgb24"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=given)
    return frame if given == pix_fmt else frame.reformat(format=pix_fmt)


def remux(
    source: Path,
    path: Path,
    change: Callable[[list[Packet[VideoStream]]], list[Packet[VideoStream]]],
    options: dict[str, str] | None = None,
) -> Path:
    """Copy a video's packets as `change` returns them; the extension chooses the container."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options or {}) as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in change([p for p in given.demux(video=0) if p.size]):
            packet.stream = stream
            out.mux(packet)
    return path


def another(video: Path, path: Path, number: int = 1) -> Path:
    """The same film in another file: empty boxes at the end of an MP4 change nothing else."""
    path.write_bytes(video.read_bytes() + b"\0\0\0\x08free" * number)
    return path


def write_sound(path: Path, codec: str = "mp2", seconds: float = 0.5) -> Path:
    """A file of silence without any picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000)
        assert isinstance(stream, AudioStream)
        silence = np.zeros((1, int(48000 * seconds) * 2), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
        frame.sample_rate = 48000
        resampler = av.AudioResampler("s16", "stereo", 48000, frame_size=1152)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    return path


def with_cover(sound: Path, path: Path, picture: Image) -> Path:
    """The mp3 `sound` with a cover picture in front (ID3v2.3 APIC)."""
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    body = b"\0image/jpeg\0\3\0" + jpeg
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    # Sizes of the tag are 4 x 7 bits.
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + size + frame + sound.read_bytes())
    return path


def spoil(path: Path, number: int, keep: int = 16) -> Path:
    """A copy next to it; of a packet only the head is left, which says what kind of frame it is."""
    with av.open(str(path)) as file:
        packet = [each for each in file.demux(video=0) if each.size][number]
    assert packet.pos is not None
    data = bytearray(path.read_bytes())
    data[packet.pos + keep : packet.pos + packet.size] = bytes(packet.size - keep)
    spoilt = path.with_name(f"spoilt{path.suffix}")
    spoilt.write_bytes(data)
    return spoilt


def truncate(path: Path, keep: float = 0.6) -> Path:
    """A copy next to it that holds the first part of the bytes."""
    data = path.read_bytes()
    cut = path.with_name(f"{path.stem}-cut{path.suffix}")
    cut.write_bytes(data[: int(len(data) * keep)])
    return cut


def damage(
    path: Path, seed: int = 1, *, count: int = 20, span: tuple[float, float] = (0.4, 0.6)
) -> Path:
    """A copy next to it with `count` bytes changed in a part of the file."""
    data = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(count):
        place = chance.randrange(int(len(data) * span[0]), int(len(data) * span[1]))
        data[place] ^= chance.randrange(1, 256)
    hurt = path.with_name(f"{path.stem}-damaged{path.suffix}")
    hurt.write_bytes(data)
    return hurt


def write_image(path: Path, image: np.ndarray[Any, Any]) -> Path:
    """Write RGB, RGBA or grey; the extension chooses the format."""
    if image.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
        image = cv2.cvtColor(image, order)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def write_oriented_jpeg(path: Path, image: Image, orientation: int) -> Path:
    """A JPEG whose EXIF orientation (1 to 8) says how it is to be turned."""
    jpeg = write_image(path, image).read_bytes()
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    path.write_bytes(jpeg[:2] + segment + jpeg[2:])
    return path


def claim_png(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes whose header claims this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    small = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(small[:8] + chunk + small[33:])
    return path
