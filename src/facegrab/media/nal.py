"""Key frames of H.264 and HEVC, told by the first slice of a packet."""

from __future__ import annotations

from collections.abc import Iterator

MAX_HEAD_BYTES = 2**16
"""Of a packet that are looked at: what comes before the first slice is far less."""
_MAX_UNITS = 64
_START = b"\0\0\1"
# Types of units (ITU-T H.264, table 7-1; H.265, table 7-1): slices, and of these the ones that
# FFmpeg's decoders always mark as key frames, IDR in H.264, BLA, IDR and CRA in HEVC. In H.264 they
# mark others too, by messages and what was decoded before: those have to be decoded.
_H264_SLICES, _H264_KEYS = range(1, 6), range(5, 6)
_HEVC_SLICES, _HEVC_KEYS = range(32), range(16, 22)


def is_surely_key(codec_name: str, extradata: bytes, packet: memoryview) -> bool:
    """Whether a decoder takes a sound packet for a key frame, as far as its units tell.

    Args:
        codec_name: FFmpeg's name of the decoder.
        extradata: the stream's parameters, as AVCodecContext has them. They say how units are
            parted: by lengths before them (ISO/IEC 14496-15), or by start codes.
        packet: one picture; any bytes.

    Returns:
        False where only the decoder knows.
    """
    if codec_name not in ("h264", "hevc"):
        return False
    is_hevc = codec_name == "hevc"
    header = 2 if is_hevc else 1
    slices, keys = (_HEVC_SLICES, _HEVC_KEYS) if is_hevc else (_H264_SLICES, _H264_KEYS)
    for unit in _units(packet, extradata, 21 if is_hevc else 4):
        is_odd = len(unit) < header or unit[0] & 0x80
        if is_odd or (is_hevc and (unit[0] & 1 or unit[1] >> 3)):  # or of another layer
            return False
        kind = unit[0] >> 1 if is_hevc else unit[0] & 31
        if kind in slices:
            return kind in keys and len(unit) > header
    return False


def _units(packet: memoryview, extradata: bytes, at: int) -> Iterator[bytes]:
    """The first units of a packet, as far as they are in its head.

    Args:
        packet: that holds them.
        extradata: the stream's parameters.
        at: place in them of how many bytes a length has, where units have lengths.
    """
    head = bytes(packet[:MAX_HEAD_BYTES])
    if extradata.startswith((_START, b"\0" + _START)):
        yield from head.split(_START, _MAX_UNITS)[1:]
    elif extradata[:1] == b"\1" and len(extradata) > at:
        yield from _with_lengths(head, packet.nbytes, (extradata[at] & 3) + 1)


def _with_lengths(head: bytes, size: int, length_bytes: int) -> Iterator[bytes]:
    """None from one on that is longer than what is there."""
    end = 0
    for _ in range(_MAX_UNITS):
        begin = end + length_bytes
        end = begin + int.from_bytes(head[end:begin], "big")
        if end > size or begin >= len(head):
            return
        yield head[begin:end]
