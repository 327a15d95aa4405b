"""Frames that nobody looks at are not decoded, and nobody can tell from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream
from clips import remux, square_frames, write_clip
from kinds import DECODED_WHOLE, KINDS, X265

from facegrab.media import FrameReader, Source, container, demuxing, open_source
from facegrab.media.ahead import TRIAL_FRAMES, Ahead
from facegrab.types import Frame

COUNT = 100
# Damage ends at the next key frame; with scenecut there would be others.
SHORT_GROUPS = {"preset": "veryfast", "bf": "2", "g": "20", "sc_threshold": "0"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A clip of a kind with an extension, written once."""
    folder = tmp_path_factory.mktemp("left_out")

    def make(kind: str, extension: str) -> Path:
        path = folder / f"{kind}.{extension}"
        if not path.exists():
            codec, options = {**KINDS, **DECODED_WHOLE}[kind]
            write_clip(path, square_frames(COUNT), codec=codec, options=options)
        return path

    return make


def read(path: Path, every: int) -> tuple[FrameReader, list[Frame]]:
    with open_source(Source(path), every) as reader:
        return reader, list(reader)


def check_same(path: Path, everies: Sequence[int] = (2, 3, 5, 7, 25)) -> None:
    """What is handed out is every so-maniest of all frames, to the bit."""
    whole, frames = read(path, 1)
    for every in everies:
        reader, some = read(path, every)
        for one, other in zip(frames[::every], some, strict=True):
            assert (one.index, one.pts_seconds) == (other.index, other.pts_seconds)
            assert np.array_equal(one.image, other.image)
        assert reader.frames_read == whole.frames_read
        assert (reader.frames_damaged, reader.warnings) == (whole.frames_damaged, whole.warnings)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Times of all frames that come out of decoders."""
    times: list[int | None] = []
    number = Ahead.number

    def spy(ahead: Any, pts: int | None) -> Any:
        times.append(pts)
        return number(ahead, pts)

    monkeypatch.setattr(Ahead, "number", spy)
    return times


def on_threads(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(demuxing, "decoding_threads", lambda _: count)


class TestSame:
    @pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mpeg1"])
    def test_in_every_container(
        self, clip: Callable[[str, str], Path], kind: str, extension: str, decoded: list[int | None]
    ) -> None:
        path = clip(kind, extension)
        check_same(path)
        decoded.clear()
        reader, _ = read(path, 7)
        assert reader.frames_read == COUNT
        assert len(decoded) < COUNT - 15

    @pytest.mark.parametrize("kind", ["mpeg1", "mpeg2"])
    def test_in_program_streams(self, clip: Callable[[str, str], Path], kind: str) -> None:
        check_same(clip(kind, "mpg"))

    @pytest.mark.parametrize("kind", DECODED_WHOLE)
    def test_what_is_decoded_whole(
        self, clip: Callable[[str, str], Path], kind: str, decoded: list[int | None]
    ) -> None:
        path = clip(kind, "mkv")
        check_same(path, (3, 7))
        decoded.clear()
        read(path, 7)
        assert len(decoded) == COUNT

    def test_what_has_no_times(
        self, clip: Callable[[str, str], Path], decoded: list[int | None]
    ) -> None:
        for extension in ("h264", "avi"):
            path = clip("plain", extension)
            check_same(path, (3, 7))
            decoded.clear()
            read(path, 7)
            assert len(decoded) == COUNT

    @pytest.mark.parametrize("threads", [1, 2, 5])
    @pytest.mark.parametrize("kind", ["pyramid", "open hevc", "mpeg2"])
    def test_on_any_number_of_threads(
        self,
        clip: Callable[[str, str], Path],
        monkeypatch: pytest.MonkeyPatch,
        kind: str,
        threads: int,
    ) -> None:
        on_threads(monkeypatch, threads)
        check_same(clip(kind, "mp4"), (2, 7))

    def test_what_is_read_so_far(self, clip: Callable[[str, str], Path]) -> None:
        with open_source(Source(clip("plain", "mp4")), 7) as reader:
            assert reader.frames_read == 0
            assert all(reader.frames_read == frame.index + 1 for frame in reader)
            assert reader.frames_read == COUNT

    def test_those_left_out_at_the_end_were_read(
        self, clip: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # No encoder here writes a last frame that others need not refer to.
        monkeypatch.setattr(Ahead, "rest", lambda _: 3)
        reader, _ = read(clip("plain", "mp4"), 7)
        assert reader.frames_read == COUNT + 3

    def test_closed_while_packets_are_held(self, clip: Callable[[str, str], Path]) -> None:
        with open_source(Source(clip("plain", "mp4")), 7) as reader:
            for _ in range(8):
                next(reader)
        assert list(reader) == []


class TestOddFiles:
    @pytest.mark.parametrize("kind", ["pyramid", "refresh", "open hevc", "mpeg2"])
    @pytest.mark.parametrize("extension", ["ts", "mkv"])
    def test_cut_in_front_of_a_key_frame(
        self, clip: Callable[[str, str], Path], tmp_path: Path, kind: str, extension: str
    ) -> None:
        def from_the_second_key(packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
            return packets[[n for n, p in enumerate(packets) if p.is_keyframe][1] :]

        check_same(remux(clip(kind, extension), tmp_path / f"a.{extension}", from_the_second_key))

    @pytest.mark.parametrize("kind", ["pyramid", "open hevc"])
    def test_an_edit_list(
        self, clip: Callable[[str, str], Path], tmp_path: Path, kind: str
    ) -> None:
        def earlier(packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
            ticks = sorted(p.pts for p in packets if p.pts is not None)[10]
            for packet in packets:
                assert packet.pts is not None
                assert packet.dts is not None
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
            return packets

        path = remux(
            clip(kind, "mp4"), tmp_path / "a.mp4", earlier, {"avoid_negative_ts": "disabled"}
        )
        assert read(path, 7)[0].frames_read < COUNT - 5
        check_same(path)

    @pytest.mark.parametrize("kind", ["plain", "pyramid", "open hevc", "mpeg2"])
    def test_two_recordings_in_one(
        self, clip: Callable[[str, str], Path], tmp_path: Path, kind: str, decoded: list[int | None]
    ) -> None:
        twice = tmp_path / "a.ts"
        twice.write_bytes(clip(kind, "ts").read_bytes() * 2)
        check_same(twice)
        decoded.clear()
        assert read(twice, 7)[0].frames_read == 2 * COUNT
        assert COUNT < len(decoded) < 2 * COUNT - 10

    @pytest.mark.parametrize("number", [0, 7, 60, 61, 62, 63, 99])
    def test_times_that_end(
        self, clip: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        def forget(place: int, packet: Packet[VideoStream]) -> None:
            if place >= number:
                packet.pts = None

        alter_packets(monkeypatch, forget)
        path = clip("strict pyramid", "mp4")
        _, frames = read(path, 1)
        for every in (3, 7):
            reader, some = read(path, every)
            assert reader.frames_read == COUNT
            assert [frame.index for frame in some] == list(range(0, COUNT, every))
            for one, other in zip(frames[::every], some, strict=True):
                assert one.pts_seconds == other.pts_seconds
                assert np.array_equal(one.image, other.image)

    @pytest.mark.parametrize("number", [60, 61, 62, 63])
    def test_a_time_that_is_there_twice(
        self, clip: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        times: dict[int, int | None] = {}

        def repeat(place: int, packet: Packet[VideoStream]) -> None:
            times[place] = packet.pts
            if place == number:
                packet.pts = times[place - 1]

        alter_packets(monkeypatch, repeat)
        check_same(clip("strict pyramid", "mp4"), (3, 7))

    @pytest.mark.parametrize("offset", [None, -(10**9), 10**9, 1])
    def test_frames_of_which_no_packet_told(
        self,
        clip: Callable[[str, str], Path],
        monkeypatch: pytest.MonkeyPatch,
        offset: int | None,
    ) -> None:
        alter_frames(monkeypatch, after=20, offset=offset)
        reader, frames = read(clip("plain", "mp4"), 7)
        indices = [frame.index for frame in frames]
        assert indices == list(range(0, indices[-1] + 1, 7))
        # Some in flight had been left out when it was noticed, and are not counted.
        assert COUNT - 10 <= reader.frames_read <= COUNT
        assert np.all(np.diff([frame.pts_seconds for frame in frames]) >= 0)

    def test_a_frame_out_of_order_is_damage(
        self, clip: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alter_frames(monkeypatch, after=20, offset=-(5 * 12800 // 25), count=1)
        reader, _ = read(clip("plain", "mp4"), 7)
        assert reader.frames_damaged == 1
        assert reader.frames_read == COUNT - 1


def alter_packets(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[int, Packet[VideoStream]], None]
) -> None:
    packets = demuxing.Demuxing.packets

    def altered(reader: demuxing.Demuxing) -> Any:
        for place, packet in enumerate(packets(reader)):
            if packet is not None and packet.size:
                change(place, packet)
            yield packet

    monkeypatch.setattr(demuxing.Demuxing, "packets", altered)


def alter_frames(
    monkeypatch: pytest.MonkeyPatch, after: int, offset: int | None, count: int = 1000
) -> None:
    """Move the times of so many frames after the trial and `after` more."""
    number, seen = Ahead.number, list[int | None]()

    def altered(ahead: Any, pts: int | None) -> Any:
        seen.append(pts)
        if 0 < len(seen) - TRIAL_FRAMES - after <= count:
            pts = None if offset is None or pts is None else pts + offset
        return number(ahead, pts)

    monkeypatch.setattr(Ahead, "number", altered)


def lose(path: Path, *numbers: int) -> Path:
    """A copy next to it with these packets overwritten with zeros."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for packet in (packets[number] for number in numbers):
        assert packet.pos is not None
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    hurt = path.with_name(f"{path.stem}-lost{path.suffix}")
    hurt.write_bytes(data)
    return hurt


class TestDamage:
    @pytest.mark.parametrize("threads", [1, 3, 8])
    def test_lost_frames_keep_their_numbers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
    ) -> None:
        on_threads(monkeypatch, threads)
        whole = write_clip(tmp_path / "a.mp4", square_frames(120), options=SHORT_GROUPS)
        hurt = lose(whole, 63, 64, 65, 67)
        reader, frames = read(hurt, 3)
        assert reader.frames_damaged >= 4
        assert reader.frames_read + reader.frames_damaged == 120
        assert all(frame.pts_seconds == pytest.approx(frame.index / 25) for frame in frames)
        sound = {frame.index: frame.image for frame in read(whole, 3)[1]}
        for frame in frames:
            if not 60 <= frame.index < 80:
                assert np.array_equal(frame.image, sound.pop(frame.index))
        assert all(60 <= index < 80 for index in sound)
        # Where all are decoded they are counted as they come.
        _, frames = read(hurt, 1)
        assert frames[-1].index < 119
        assert frames[-1].pts_seconds == pytest.approx(119 / 25)

    def test_all_are_decoded_from_the_first_damage_on(
        self, tmp_path: Path, decoded: list[int | None]
    ) -> None:
        whole = write_clip(tmp_path / "a.mp4", square_frames(200), options=SHORT_GROUPS)
        read(whole, 25)
        sound = len(decoded)
        decoded.clear()
        reader, _ = read(lose(whole, 90), 25)
        assert reader.frames_damaged > 0
        assert sound + 20 < len(decoded) < 190

    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    @pytest.mark.parametrize("number", [60, 63, 64, 65, 68, 69])
    def test_one_packet_is_counted_once(self, tmp_path: Path, codec: str, number: int) -> None:
        options = {"preset": "superfast", "bf": "3", "x265-params": X265 + "bframes=3"}
        frames = square_frames(COUNT)
        path = write_clip(tmp_path / "a.mp4", frames, codec=codec, options=options)
        reader, _ = read(lose(path, number), 25)
        assert reader.frames_damaged >= 1
        assert reader.frames_read == COUNT - reader.frames_damaged

    def test_a_stream_that_appears_late(
        self, clip: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """PyAV fails with IndexError at the end, when it gave all packets."""

        class Failing:
            def __init__(self, container: Any) -> None:
                self._container = container

            def __getattr__(self, name: str) -> Any:
                return getattr(self._container, name)

            def demux(self, stream: Any) -> Any:
                yield from self._container.demux(stream)
                raise IndexError("list index out of range")

        opened = container.open_container
        monkeypatch.setattr(demuxing, "open_container", lambda path: Failing(opened(path)))
        for every in (1, 7):
            reader, frames = read(clip("plain", "ts"), every)
            assert len(frames) == len(range(0, COUNT, every))
            assert (reader.frames_read, reader.warnings) == (COUNT, [])
