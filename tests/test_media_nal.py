"""Packets that are surely key frames: what their units tell is what the decoder says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from clips import square_frames, write_clip
from hypothesis import given
from hypothesis import strategies as st
from kinds import KINDS

from facegrab.media.nal import MAX_HEAD_BYTES, is_surely_key

IDR, I_SLICE = b"\x65\x88\x84\0\x21", b"\x41\x9a\0\0\x11"
LENGTHS, STARTS = b"\1d\0\x0a\xff\xe1\0\0", b"\0\0\0\1\x67d\0\x0a"


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Film]:
    """A film of a kind with an extension."""
    folder = tmp_path_factory.mktemp("nal")

    def make(kind: str, extension: str) -> Film:
        path = folder / f"{kind}.{extension}"
        codec, options = KINDS[kind]
        return Film(write_clip(path, square_frames(100), codec=codec, options=options))

    return make


class Film:
    """A film's packets, and which of them a decoder of all makes key frames of."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            codec = container.streams.video[0].codec_context
            self.codec, self.extradata = codec.name, codec.extradata or b""
            given = [each for each in container.demux(video=0) if each.size]
            self.data = {each.pts: bytes(each) for each in given}
            self.flagged = {each.pts for each in given if each.is_keyframe}
        with av.open(str(path)) as container:
            self.keys = {each.pts for each in container.decode(video=0) if each.key_frame}

    @property
    def sure(self) -> set[int | None]:
        """Times of those that are surely key frames."""
        return {pts for pts, data in self.data.items() if self.is_sure(data)}

    def is_sure(self, data: bytes, extradata: bytes | None = None) -> bool:
        """Whether one of its packets is."""
        parameters = self.extradata if extradata is None else extradata
        return is_surely_key(self.codec, parameters, memoryview(data))

    def units(self, data: bytes) -> list[bytes]:
        """Of a packet whose units have lengths of four bytes."""
        found = []
        while data:
            end = 4 + int.from_bytes(data[:4], "big")
            found.append(data[4:end])
            data = data[end:]
        return found


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("kind", ["plain", "strict pyramid", "slices", "hevc", "open hevc"])
def test_all_that_the_decoder_says(
    packets: Callable[[str, str], Film], kind: str, extension: str
) -> None:
    film = packets(kind, extension)
    assert film.sure == film.keys
    assert film.keys


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("kind", ["refresh", "pyramid"])
def test_what_only_the_decoder_knows_is_left_to_it(
    packets: Callable[[str, str], Film], kind: str, extension: str
) -> None:
    """A slow refresh is none, an open group's picture is one; both are flagged and no IDR."""
    film = packets(kind, extension)
    first = min(pts for pts in film.data if pts is not None)
    assert film.sure == {first}
    assert film.flagged > {first}
    assert (film.keys == {first}) == (kind == "refresh")


@pytest.mark.parametrize("length_bytes", [2, 3, 4])
@pytest.mark.parametrize("kind", ["plain", "open hevc"])
def test_lengths_of_any_width(
    packets: Callable[[str, str], Film], kind: str, length_bytes: int
) -> None:
    """What FFmpeg's decoder makes of the very bytes."""
    film = packets(kind, "mp4")
    at = 21 if kind == "open hevc" else 4
    extradata = bytearray(film.extradata)
    extradata[at] = extradata[at] & 0xFC | length_bytes - 1
    for pts, data in film.data.items():
        again = b"".join(
            len(each).to_bytes(length_bytes, "big") + each for each in film.units(data)
        )
        assert film.is_sure(again, bytes(extradata)) == (pts in film.keys)
        if pts in film.keys:
            assert decoded_as_key(film.codec, bytes(extradata), again)


def test_lengths_of_one_byte() -> None:
    one = bytearray(LENGTHS)
    one[4] = 0xFC
    assert is_surely_key("h264", bytes(one), memoryview(b"\2\x09\xf0\5" + IDR))
    assert not is_surely_key("h264", bytes(one), memoryview(b"\2\x09\xf0\5" + I_SLICE))


@pytest.mark.parametrize("kind", [16, 17, 18])
def test_a_broken_link_of_hevc(packets: Callable[[str, str], Film], kind: int) -> None:
    """A CRA picture renamed to BLA, as a splice makes it."""
    film = packets("open hevc", "mp4")
    cra = [u for data in film.data.values() for u in [film.units(data)] if u[-1][0] >> 1 == 21]
    assert cra
    renamed = [bytes([kind << 1]) + each[1:] if each[0] >> 1 == 21 else each for each in cra[0]]
    data = b"".join(len(each).to_bytes(4, "big") + each for each in renamed)
    assert film.is_sure(data)
    assert decoded_as_key(film.codec, film.extradata, data)


def decoded_as_key(codec: str, extradata: bytes, data: bytes) -> bool:
    """What a decoder that has seen nothing else says."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = extradata
    frames = [*context.decode(Packet(data)), *context.decode(None)]
    return [each.key_frame for each in frames] == [True]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\0\0\5" + IDR, True),
        (b"\0\0\0\2\x09\xf0" + b"\0\0\0\5" + IDR, True),
        (b"\0\0\0\5" + I_SLICE, False),
        (b"\0\0\0\5" + I_SLICE + b"\0\0\0\5" + IDR, False),
        (b"\0\0\0\6" + IDR, False),  # longer than the packet
        (b"\xff\xff\xff\xff" + IDR, False),
        (b"\0\0\0\0" + b"\0\0\0\5" + IDR, False),
        (b"\0\0\0\1\x65", False),  # nothing but its header
        (b"\0\0\0\5\xe5" + IDR[1:], False),  # the forbidden bit
        (b"\0\0\0\2\x06\0" * 70 + b"\0\0\0\5" + IDR, False),  # beyond what is looked at
        (b"\0\1\0\0\x06" + bytes(MAX_HEAD_BYTES - 1) + b"\0\0\0\5" + IDR, False),
        (b"\0\0\1" + IDR, False),  # start codes where lengths are announced
        (b"", False),
    ],
)
def test_bytes_that_are_not_sound(data: bytes, expected: bool) -> None:
    assert is_surely_key("h264", LENGTHS, memoryview(data)) == expected


@pytest.mark.parametrize(
    ("codec", "extradata", "data", "expected"),
    [
        ("h264", STARTS, b"\0\0\1" + IDR, True),
        ("h264", STARTS, b"\0\0\0\1\x09\xf0\0\0\0\1" + IDR, True),
        ("h264", STARTS, b"\0\0\0\5" + IDR, False),
        ("h264", b"", b"\0\0\1" + IDR, False),
        ("h264", b"\2", b"\0\0\1" + IDR, False),
        ("hevc", STARTS, b"\0\0\1\x26\1\xaf", True),
        ("hevc", STARTS, b"\0\0\1\x27\1\xaf", False),  # of another layer
        ("hevc", STARTS, b"\0\0\1\x26\x09\xaf", False),
        ("hevc", STARTS, b"\0\0\1\x2c\1\xaf", False),  # a kind that is reserved
        ("hevc", STARTS, b"\0\0\1\x02\1\xaf", False),
        ("mpeg2video", STARTS, b"\0\0\1" + IDR, False),
    ],
)
def test_by_start_codes(codec: str, extradata: bytes, data: bytes, expected: bool) -> None:
    assert is_surely_key(codec, extradata, memoryview(data)) == expected


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(
    extradata=st.sampled_from([b"", LENGTHS, STARTS, LENGTHS + bytes(20)]),
    start=st.sampled_from([b"", b"\0\0\1", b"\0\0\0\5\x65"]),
    rest=st.binary(max_size=40),
)
def test_any_bytes_are_an_answer(codec: str, extradata: bytes, start: bytes, rest: bytes) -> None:
    assert is_surely_key(codec, extradata, memoryview(start + rest)) in (True, False)
