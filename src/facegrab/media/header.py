"""The size an image file claims, from its first bytes, before anything is decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from struct import unpack_from
from typing import TypeAlias

Size: TypeAlias = tuple[int, int]

_PNM = re.compile(rb"P[1-6](?:\s+|#[^\n]*\n)+(\d{1,9})(?:\s+|#[^\n]*\n)+(\d{1,9})\s")
# Markers C0 to CF hold the size, but for C4 (tables), C8 (reserved) and CC (arithmetic coding).
_JPEG_SIZE = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
# Real files have some tens of segments before the size; a crafted one may not keep us for minutes.
_JPEG_STEPS = 10_000


def image_size(data: bytes) -> Size | None:
    """Width and height in pixels as stored (before EXIF rotation).

    Knows JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 and PNM; None for anything else and for
    headers that are cut off.
    """
    for starts, parse in _PARSERS:
        if data.startswith(starts):
            try:
                return parse(data)
            except (struct.error, IndexError):
                return None
    if data[4:8] == b"ftyp":
        return _box(data, b"ispe", 8)
    return None


def _two(form: str, data: bytes, offset: int) -> Size:
    first, second = unpack_from(form, data, offset)
    return int(first), int(second)


def _jpeg(data: bytes) -> Size | None:
    at = 2
    for _ in range(_JPEG_STEPS):
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        marker = data[at + 1]
        if marker in _JPEG_SIZE:
            height, width = _two(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if data[8:12] != b"WEBP":
        return None
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = _two("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff(data: bytes) -> Size | None:
    """The largest width and height of any tag in the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = unpack_from(order + "I", data, 4)
    (count,) = unpack_from(order + "H", data, start)
    sides = {256: 0, 257: 0}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = unpack_from(order + "HH", data, at)
        if tag in sides:
            (value,) = unpack_from(order + ("H" if kind == 3 else "I"), data, at + 8)
            sides[tag] = max(sides[tag], value)
    return (sides[256], sides[257]) if all(sides.values()) else None


def _bmp(data: bytes) -> Size:
    (header,) = unpack_from("<I", data, 14)
    width, height = _two("<HH" if header == 12 else "<ii", data, 18)
    return abs(width), abs(height)


def _pnm(data: bytes) -> Size | None:
    match = _PNM.match(data)
    return (int(match[1]), int(match[2])) if match else None


def _box(data: bytes, name: bytes, offset: int, form: str = ">II") -> Size | None:
    """The largest size in any box of this name (an AVIF's tiles have boxes of their own)."""
    sizes: list[Size] = []
    at = data.find(name)
    while 0 <= at <= len(data) - offset - 8 and len(sizes) < 1000:
        sizes.append(_two(form, data, at + offset))
        at = data.find(name, at + 4)
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _jp2(data: bytes) -> Size | None:
    size = _box(data, b"ihdr", 4)
    return (size[1], size[0]) if size else None


_PARSERS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Size | None]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", lambda data: _two(">II", data, 16)),
    (b"RIFF", _webp),
    ((b"II*\0", b"MM\0*"), _tiff),
    (b"BM", _bmp),
    ((b"GIF87a", b"GIF89a"), lambda data: _two("<HH", data, 6)),
    (b"\0\0\0\x0cjP  ", _jp2),
    ((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), _pnm),
)
