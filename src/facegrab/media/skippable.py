"""Streams in which frames can be left out of decoding without harm to others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_H264_SPS = 7
# A sequence parameter set of H.264, in bits after its profile, up to frame_mbs_only_flag, which is
# 1 where no picture is a field (ITU-T H.264, 7.3.2.1.1). Rare ones with scaling lists or the order
# count of type 1 match nothing.
_NUMBER = "(?:" + "|".join(f"{'0' * bits}1.{{{bits}}}" for bits in range(17)) + ")"
_HEAD = rf".{{16}}{_NUMBER}"
_CHROMA = rf"(?:1|010|011|00100.){_NUMBER}{_NUMBER}.0"
_SIZE = rf"{_NUMBER}(?:1{_NUMBER}|011){_NUMBER}.{_NUMBER}{_NUMBER}"
_OF_FRAMES = re.compile(rf"{_HEAD}{_SIZE}1")
_OF_FRAMES_HIGH = re.compile(rf"{_HEAD}{_CHROMA}{_SIZE}1")
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
    # Without the escapes against false start codes; all that is asked for is in the first bytes.
    data = unit[1:100].replace(b"\0\0\3", b"\0\0")
    pattern = _OF_FRAMES_HIGH if data[:1] and data[0] in _HIGH_PROFILES else _OF_FRAMES
    return bool(pattern.match("".join(f"{byte:08b}" for byte in data[1:])))
