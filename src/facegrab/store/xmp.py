"""XMP packets inside JPEG and PNG files: put in, and found again.

Where they lie is Adobe's XMP Specification, Part 3, sections 1.1.3 (JPEG) and 1.1.5 (PNG).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_JPEG = b"\xff\xd8"
_APP0, _APP1, _START_OF_SCAN, _END = 0xE0, 0xE1, 0xDA, 0xD9
_BARE_MARKERS = {0x01, *range(0xD0, 0xD8)}
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_LONGEST_SEGMENT = 65535

MAX_PACKET_BYTES = _LONGEST_SEGMENT - 2 - len(_XMP)
"""What a JPEG's segment holds beside its own length, of two bytes, and Adobe's signature."""

_PNG = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"XML:com.adobe.xmp\0"
_FIRST_CHUNK_BYTES = 25
"""IHDR comes first and is always as long: 4 length, 4 name, 13 content, 4 checksum."""


def insert_packet(encoded: bytes, packet: bytes) -> bytes:
    """The file with the packet as its XMP; pixels stay as they are.

    Args:
        encoded: a whole JPEG or PNG without XMP.
        packet: at most MAX_PACKET_BYTES.

    Raises:
        ValueError: it is neither, is damaged or has XMP already; or the packet is too long.
    """
    if len(packet) > MAX_PACKET_BYTES:
        raise ValueError(f"{len(packet)} bytes of metadata, more than {MAX_PACKET_BYTES}")
    if next(packets(encoded), None) is not None:
        raise ValueError("the image has XMP already")
    if encoded.startswith(_JPEG):
        place = _after_the_first_segments(encoded)
        content = _XMP + packet
        added = struct.pack(">BBH", 0xFF, _APP1, len(content) + 2) + content
    else:
        place = len(_PNG) + _FIRST_CHUNK_BYTES
        # After the keyword: not compressed, no language, no translated keyword.
        content = b"iTXt" + _KEYWORD + b"\0\0\0\0" + packet
        added = struct.pack(">I", len(content) - 4) + content
        added += struct.pack(">I", zlib.crc32(content))
    return encoded[:place] + added + encoded[place:]


def packets(encoded: bytes) -> Iterator[bytes]:
    """The XMP packets of a file.

    Raises:
        ValueError: it is neither JPEG nor PNG, or is damaged before its end.
    """
    if encoded.startswith(_JPEG):
        for marker, start, end in _segments(encoded):
            if marker == _APP1 and encoded.startswith(_XMP, start, end):
                yield encoded[start + len(_XMP) : end]
    elif encoded.startswith(_PNG):
        for name, start, end in _chunks(encoded):
            if name == b"iTXt" and encoded.startswith(_KEYWORD, start, end):
                yield _text_of_chunk(encoded, start, end)
    else:
        raise ValueError("it is neither JPEG nor PNG")


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of the content of all that comes before the pixels."""
    place = len(_JPEG)
    while place + 4 <= len(jpeg):
        if jpeg[place] != 0xFF:
            raise ValueError("its segments are damaged")
        marker = jpeg[place + 1]
        if marker in (_START_OF_SCAN, _END):
            return
        if marker == 0xFF:  # padding
            place += 1
        elif marker in _BARE_MARKERS:
            place += 2
        else:
            (length,) = struct.unpack_from(">H", jpeg, place + 2)
            if length < 2 or place + 2 + length > len(jpeg):
                raise ValueError("its segments are damaged")
            yield marker, place + 4, place + 2 + length
            place += 2 + length
    raise ValueError("it ends before its pixels")


def _after_the_first_segments(jpeg: bytes) -> int:
    """JFIF and Exif want to be first."""
    place = len(_JPEG)
    for marker, start, end in _segments(jpeg):
        if marker != _APP0 and not (marker == _APP1 and jpeg.startswith(_EXIF, start, end)):
            break
        place = end
    return place


def _chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the content of every chunk."""
    place = len(_PNG)
    while place + 12 <= len(png):
        length, name = struct.unpack_from(">I4s", png, place)
        start, end = place + 8, place + 8 + length
        if end + 4 > len(png) or (place == len(_PNG) and (name, length) != (b"IHDR", 13)):
            raise ValueError("its chunks are damaged")
        if name == b"IEND":
            return
        yield name, start, end
        place = end + 4
    raise ValueError("it ends before its last chunk")


def _text_of_chunk(png: bytes, start: int, end: int) -> bytes:
    if zlib.crc32(png[start - 4 : end]) != struct.unpack_from(">I", png, end)[0]:
        raise ValueError("its metadata is damaged")
    # A compressed packet is nobody's: the specification forbids it, and it might be a bomb.
    flags, _, rest = png[start + len(_KEYWORD) : end].partition(b"\0\0")
    language, _, rest = rest.partition(b"\0")
    _, found, text = rest.partition(b"\0")
    if flags or not found or len(language) > 255:
        raise ValueError("its metadata is damaged")
    return text
