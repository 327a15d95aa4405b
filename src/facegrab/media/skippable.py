"""Streams in which frames can be left out of decoding without harm to others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_H264_SPS = 7
_MOST_ZEROS = 16
"""Before a number of a sequence parameter set: more make one that no sound one has."""
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
# A video parameter set of HEVC: its unit's header, 16 bits of which 1 to 3 are the number of
# temporal sub-layers less one, and 16 reserved ones (ITU-T H.265, 7.3.1.2 and 7.3.2.1).
_HEVC_VPS = re.compile(rb"\x40\x01.(.)\xff\xff", re.DOTALL)


def is_skippable(codec_name: str, extradata: bytes) -> bool:
    """Whether frames that no other refers to can be left out, and every frame is one packet.

    Not MPEG-4 part 2, where a picture that is "not coded" is a packet without a frame; not VP9 and
    AV1, whose packets hold hidden frames.

    Args:
        codec_name: FFmpeg's name of the decoder.
        extradata: the stream's parameters, as AVCodecContext has them.
    """
    if codec_name == "h264":
        # Where there may be fields, a frame may be two packets.
        return _all(_is_of_frames(unit) for unit in _h264_parameters(extradata))
    if codec_name == "hevc":
        # "Not referred to" is said of the frame's own sub-layer: those of a higher one may.
        return _all(not match[1][0] >> 1 & 7 for match in _HEVC_VPS.finditer(extradata))
    return codec_name in ("mpeg1video", "mpeg2video")


def _all(answers: Iterable[bool]) -> bool:
    """True where there are answers and none is no."""
    return set(answers) == {True}


def _h264_parameters(extradata: bytes) -> Iterator[bytes]:
    """The sequence parameter sets, each with its unit's header."""
    units = _listed(extradata) if extradata[:1] == b"\1" else extradata.split(b"\0\0\1")
    return (unit for unit in units if unit and unit[0] & 31 == _H264_SPS)


def _listed(extradata: bytes) -> Iterator[bytes]:
    """Those in an AVCDecoderConfigurationRecord (ISO/IEC 14496-15)."""
    at = 6
    for _ in range(int.from_bytes(extradata[5:6], "big") & 31):
        end = at + 2 + int.from_bytes(extradata[at : at + 2], "big")
        yield extradata[at + 2 : end]
        at = end


def _is_of_frames(unit: bytes) -> bool:
    """Whether a sequence parameter set of H.264 says that no picture is a field.

    Of rare ones, with scaling lists or the order count of type 1, it is not known (ITU-T H.264,
    7.3.2.1.1).
    """
    # Without the escapes against false start codes; all that is asked for is in the first bytes.
    data = unit[1:100].replace(b"\0\0\3", b"\0\0")
    try:
        return _frame_mbs_only(_Bits(data[3:]), high=data[0] in _HIGH_PROFILES)
    except (IndexError, _UnknownError):
        return False


def _frame_mbs_only(bits: _Bits, *, high: bool) -> bool:
    """The flag of that name, from the parameter set's number on."""
    bits.number()
    if high:
        chroma_format = bits.number()
        if chroma_format > 3:
            raise _UnknownError
        bits.take(int(chroma_format == 3))  # whether colours are coded apart
        bits.number(), bits.number()  # depths
        bits.take(1)
        if bits.take(1):  # scaling lists
            raise _UnknownError
    bits.number()
    order_count_type = bits.number()
    if order_count_type not in (0, 2):
        raise _UnknownError
    if order_count_type == 0:
        bits.number()
    bits.number()
    bits.take(1)
    bits.number(), bits.number()  # width and height
    return bits.take(1) == 1


class _UnknownError(Exception):
    """What is not read here."""


class _Bits:
    """Reads bit by bit, the highest of each byte first.

    Args:
        data: to read; what is behind its end is unknown.
    """

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """The next bits as one number."""
        self._left -= count
        if self._left < 0:
            raise _UnknownError
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """The next Exp-Golomb code (ITU-T H.264, 9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise _UnknownError
        return (1 << zeros) - 1 + self.take(zeros)
