"""In which streams frames may be left out, from their parameters."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from clips import square_frames, write_clip
from hypothesis import given
from hypothesis import strategies as st

from facegrab.media.skippable import is_skippable

X265 = "log-level=none:"


def parameters(path: Path) -> tuple[str, bytes]:
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        return codec.name, codec.extradata or b""


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
class TestParameters:
    @pytest.mark.parametrize("preset", ["ultrafast", "medium"])
    @pytest.mark.parametrize("size", [(64, 48), (96, 64), (512, 256)])
    @pytest.mark.parametrize("interlaced", [False, True])
    def test_h264_unless_there_may_be_fields(
        self, tmp_path: Path, name: str, preset: str, size: tuple[int, int], interlaced: bool
    ) -> None:
        options = {"preset": preset, "x264-params": f"interlaced={int(interlaced)}"}
        clip = write_clip(tmp_path / name, square_frames(12, size), options=options)
        assert is_skippable(*parameters(clip)) == (not interlaced)

    @pytest.mark.parametrize(
        ("pix_fmt", "profile"), [("yuv422p", 122), ("yuv444p", 244), ("yuv420p10le", 110)]
    )
    def test_h264_of_other_colours(
        self, tmp_path: Path, name: str, pix_fmt: str, profile: int
    ) -> None:
        clip = write_clip(tmp_path / name, square_frames(12), pix_fmt=pix_fmt)
        codec, extradata = parameters(clip)
        assert bytes([profile]) in extradata[:12]
        assert is_skippable(codec, extradata)

    @pytest.mark.parametrize("layers", [1, 3])
    def test_hevc_of_one_layer(self, tmp_path: Path, name: str, layers: int) -> None:
        options = {"preset": "ultrafast", "x265-params": f"{X265}temporal-layers={layers}"}
        clip = write_clip(tmp_path / name, square_frames(12), codec="libx265", options=options)
        assert is_skippable(*parameters(clip)) == (layers == 1)


@pytest.mark.parametrize(
    ("codec", "name", "expected"),
    [
        ("mpeg1video", "a.mpg", True),
        ("mpeg2video", "a.ts", True),
        ("mpeg4", "a.mp4", False),
        ("libvpx-vp9", "a.webm", False),
        ("ffv1", "a.mkv", False),
    ],
)
def test_other_codecs(tmp_path: Path, codec: str, name: str, expected: bool) -> None:
    clip = write_clip(tmp_path / name, square_frames(12), codec=codec)
    assert is_skippable(*parameters(clip)) == expected


def number(value: int) -> str:
    """Exp-Golomb."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


@pytest.mark.parametrize(
    ("scaling", "order", "frames_only", "expected"),
    [
        ("0", number(0) + number(4), "1", True),
        ("0", number(2), "1", True),
        ("0", number(0) + number(4), "0", False),
        ("0", number(2), "0", False),
        # Not read any further.
        ("1" + "0" * 8, number(0) + number(4), "1", False),
        ("0", number(1) + "1" + number(0) + number(0) + number(0), "1", False),
    ],
)
def test_h264_bit_by_bit(scaling: str, order: str, frames_only: str, expected: bool) -> None:
    chroma = number(1) + number(0) + number(0) + "0" + scaling
    size = number(3) + "0" + number(119) + number(67)
    bits = number(0) + chroma + number(0) + order + size + frames_only + "1"
    bits = bits.ljust(-len(bits) % 8 + len(bits), "0")
    body = int(bits, 2).to_bytes(len(bits) // 8, "big")
    unit = b"\x67" + bytes([100, 0, 40]) + body.replace(b"\0\0", b"\0\0\3")
    assert is_skippable("h264", b"\0\0\0\1" + unit + b"\0\0\0\1\x68\xee") == expected
    listed = b"\1\x64\0\x28\xff\xe1" + len(unit).to_bytes(2, "big") + unit + b"\1\0\2\x68\xee"
    assert is_skippable("h264", listed) == expected


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(
    start=st.sampled_from([b"", b"\0\0\1\x67", b"\1d\0\x1e\xff\xe1\0\x20\x67", b"\x40\x01"]),
    rest=st.binary(max_size=40),
)
def test_any_bytes_are_an_answer(codec: str, start: bytes, rest: bytes) -> None:
    assert is_skippable(codec, start + rest) in (True, False)
    assert not is_skippable(codec, b"")
    assert not is_skippable(codec, start)
