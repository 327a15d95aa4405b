"""Whoever goes on from a segment gets what whoever never stopped gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream
from clips import remux, shared_media, spoil, square_frames, truncate, write_clip, write_image
from kinds import DECODED_WHOLE, KINDS, MORE

from facegrab.errors import MediaError
from facegrab.media import Source, container, demuxing, find_sources, open_source, segments, video
from facegrab.media.ahead import MAX_HELD
from facegrab.media.demuxing import Reach
from facegrab.media.plan import plan
from facegrab.media.segments import Cuts
from facegrab.types import Frame, Segment

COUNT = 100
SECONDS = 0.5
PLAIN = {"preset": "veryfast", "bf": "2", "g": "10", "sc_threshold": "0"}


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", SECONDS)
    monkeypatch.setattr(segments, "IMAGES_PER_SEGMENT", 3)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[Reach]:
    """How the starts were reached."""
    ways: list[Reach] = []
    reaches = video.VideoReader._reaches

    def spy(reader: Any, reach: Reach, hardware: Any) -> bool:
        there = reaches(reader, reach, hardware)
        if there:
            ways.append(reach)
        return there

    monkeypatch.setattr(video.VideoReader, "_reaches", spy)
    return ways


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A clip of a kind with an extension, written once."""
    folder = tmp_path_factory.mktemp("segments")

    def make(kind: str, extension: str) -> Path:
        path = folder / f"{kind}.{extension}"
        if not path.exists():
            codec, options = {**KINDS, **DECODED_WHOLE, **MORE}[kind]
            write_clip(path, square_frames(COUNT), codec=codec, options=options)
        return path

    return make


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Four seconds with a key frame every .4 s: segments of .8 s."""
    return write_clip(tmp_path / "plain.mp4", square_frames(COUNT), options=PLAIN)


def by_json(segment: Segment) -> Segment:
    return Segment(**json.loads(json.dumps(asdict(segment))))


def same(one: Sequence[Frame], other: Sequence[Frame]) -> bool:
    """To the last bit."""
    return len(one) == len(other) and all(
        (a.index, a.pts_seconds, a.segment) == (b.index, b.pts_seconds, b.segment)
        and np.array_equal(a.image, b.image)
        for a, b in zip(one, other, strict=True)
    )


def as_told(told: Sequence[Segment], source: Source) -> list[Segment]:
    """Segments, less what depends on how far packets were read when a frame came out.

    That is where the times soon step back; nobody is given such a segment alone.
    """
    if plan(source) is not None:
        return list(told)
    return [replace(each, trial=None) for each in told]


def check_resumes(source: Path | Source, everies: Sequence[int] = (1, 3, 7)) -> list[Segment]:
    """Every segment of a source without damage, from its beginning to the end, and alone."""
    source = source if isinstance(source, Source) else Source(source)
    for every in everies:
        with open_source(source, every) as whole:
            frames = list(whole)
        for number, segment in enumerate(whole.segments):
            assert segment.number == number
            with open_source(source, every, start=by_json(segment)) as reader:
                rest = list(reader)
            assert same(rest, [frame for frame in frames if frame.segment >= number])
            assert reader.segments == whole.segments[number:]
            assert reader.frames_read == whole.frames_read
            assert reader.frames_damaged == whole.frames_damaged
            assert (reader.width, reader.height) == (whole.width, whole.height)
            with open_source(source, every, start=segment, only=True) as reader:
                part = list(reader)
            assert same(part, [frame for frame in frames if frame.segment == number])
            assert as_told(reader.segments, source) == as_told(
                whole.segments[number : number + 2], source
            )
    return list(whole.segments)


class TestWhereTheyBegin:
    @pytest.mark.parametrize("every", [1, 3])
    def test_at_key_frames_far_enough_from_each_other(self, plain: Path, every: int) -> None:
        with open_source(Source(plain), every) as reader:
            frames = list(reader)
        assert [segment.first_frame for segment in reader.segments] == [0, 20, 40, 60, 80]
        assert [segment.frames_read for segment in reader.segments] == [0, 20, 40, 60, 80]
        assert [frame.segment for frame in frames] == [frame.index // 20 for frame in frames]

    @pytest.mark.parametrize("kind", ["pyramid", "open hevc", "mpeg2"])
    def test_what_is_shown_before_the_key_frame_is_of_the_segment_before(
        self, clip: Callable[[str, str], Path], kind: str
    ) -> None:
        path = clip(kind, "mp4")
        with av.open(str(path)) as file:
            packets = [p for p in file.demux(video=0) if p.size]
        times = sorted(p.pts for p in packets if p.pts is not None)
        leading = 0
        with open_source(Source(path)) as reader:
            list(reader)
        for segment in reader.segments[1:]:
            assert segment.pts is not None
            assert segment.first_frame == times.index(segment.pts)
            place = next(n for n, p in enumerate(packets) if p.pts == segment.pts)
            assert packets[place].is_keyframe
            leading += segment.first_frame - place
        assert leading > 0  # the clip has such frames

    def test_each_is_known_before_its_first_frame(self, plain: Path) -> None:
        with open_source(Source(plain), 50) as reader:
            assert len(reader.segments) == 1
            for frame in reader:
                assert reader.segments[frame.segment].first_frame <= frame.index
                assert len(reader.segments) == frame.segment + 1
            assert len(reader.segments) == 5

    def test_not_where_a_refresh_begins(self, clip: Callable[[str, str], Path]) -> None:
        assert len(check_resumes(clip("refresh", "mp4"))) == 1

    def test_not_without_times(self, clip: Callable[[str, str], Path]) -> None:
        for extension in ("h264", "mpg"):
            assert len(check_resumes(clip("plain", extension), (1, 3))) == 1

    @pytest.mark.parametrize("threads", [1, 2, 8])
    def test_not_after_a_break_wherever_it_is_noticed(
        self, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
    ) -> None:
        """The times begin anew just after a key frame, and a little later."""
        pick = container.pick_stream

        def picked(*given: Any) -> VideoStream:
            stream = pick(*given)
            stream.codec_context.thread_count = threads
            return stream

        monkeypatch.setattr(demuxing, "pick_stream", picked)
        for place, count in ((41, 2), (50, 2), (58, 3)):
            steps_back = tmp_path / f"{place}.ts"
            part = remux(plain, tmp_path / "part.ts", itemgetter(slice(place)))
            whole = remux(plain, tmp_path / "whole.ts", list)
            steps_back.write_bytes(part.read_bytes() + whole.read_bytes())
            assert len(check_resumes(steps_back, (1, 3))) == count


class TestSame:
    @pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
    @pytest.mark.parametrize(
        "kind", ["plain", "pyramid", "strict pyramid", "hevc", "open hevc", "mpeg2"]
    )
    def test_in_every_container(
        self,
        clip: Callable[[str, str], Path],
        kind: str,
        extension: str,
        reached: list[Reach],
    ) -> None:
        assert len(check_resumes(clip(kind, extension))) > 2
        # Slower ways are for odd files.
        assert set(reached) <= {Reach.SEEK, Reach.SEEK_EARLIER, Reach.DECODE}

    @pytest.mark.parametrize(
        ("kind", "extension"),
        [
            ("mpeg1", "mpg"),
            ("interlaced mpeg2", "mpg"),
            ("mpeg4", "avi"),
            ("mpeg4", "mp4"),
            ("strict pyramid", "avi"),
            ("layers", "mp4"),
            ("vp9 with key frames", "webm"),
            ("vp9 with hidden frames", "webm"),
            ("av1", "webm"),
            ("av1", "mp4"),
            ("ffv1", "mkv"),
        ],
    )
    def test_of_other_kinds(
        self, clip: Callable[[str, str], Path], kind: str, extension: str
    ) -> None:
        assert len(check_resumes(clip(kind, extension))) > 2

    @pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
    def test_a_late_start_turned_with_oblong_pixels(self, tmp_path: Path, extension: str) -> None:
        path = write_clip(
            tmp_path / f"a.{extension}",
            square_frames(COUNT),
            options=PLAIN,
            start_seconds=3.52,
            rotation=90,
            mirror=True,
            sample_aspect_ratio=Fraction(4, 3),
        )
        assert len(check_resumes(path, (1, 3))) == 5

    @pytest.mark.parametrize("extension", ["mp4", "mkv"])
    def test_a_variable_rate(self, tmp_path: Path, extension: str) -> None:
        steps = np.random.default_rng(1).choice([0.01, 0.04, 0.1, 0.5], COUNT)
        path = write_clip(
            tmp_path / f"a.{extension}",
            square_frames(COUNT),
            options=PLAIN,
            pts=steps.cumsum().tolist(),
        )
        assert len(check_resumes(path)) > 5

    @pytest.mark.parametrize("kind", ["pyramid", "open hevc", "mpeg2"])
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
        assert len(check_resumes(path)) > 2

    @pytest.mark.parametrize("extension", ["mkv", "ts"])
    @pytest.mark.parametrize("kind", ["pyramid", "open hevc", "mpeg2"])
    def test_cut_in_the_midst_of_a_group(
        self, clip: Callable[[str, str], Path], tmp_path: Path, kind: str, extension: str
    ) -> None:
        path = remux(
            clip(kind, extension), tmp_path / f"a.{extension}", lambda packets: packets[7:]
        )
        assert len(check_resumes(path)) >= 2

    @pytest.mark.parametrize("kind", ["plain", "pyramid", "mpeg2"])
    def test_two_recordings_in_one(
        self, clip: Callable[[str, str], Path], tmp_path: Path, kind: str
    ) -> None:
        twice = tmp_path / "a.ts"
        twice.write_bytes(clip(kind, "ts").read_bytes() * 2)
        assert len(check_resumes(twice)) > 2


class Wrapped:
    """A container, but for what a subclass does otherwise."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)


class TestReach:
    """A file whose positions cannot be trusted is slower to go on with, and no different."""

    @pytest.mark.parametrize("way", [Reach.READ, Reach.DECODE])
    @pytest.mark.parametrize("kind", ["plain", "pyramid", "open hevc"])
    def test_slower_ways(
        self,
        clip: Callable[[str, str], Path],
        monkeypatch: pytest.MonkeyPatch,
        reached: list[Reach],
        kind: str,
        way: Reach,
    ) -> None:
        reaches = video.VideoReader._reaches
        broken = list(Reach)[: list(Reach).index(way)]

        def fails(reader: Any, reach: Reach, hardware: Any) -> bool:
            return reach not in broken and reaches(reader, reach, hardware)

        monkeypatch.setattr(video.VideoReader, "_reaches", fails)
        check_resumes(clip(kind, "mp4"))
        assert set(reached) == {way, Reach.DECODE}

    @pytest.mark.parametrize(
        ("offset", "way"),
        [(-30, Reach.SEEK), (30, Reach.SEEK_EARLIER), (10**6, Reach.READ)],
    )
    def test_a_seek_that_leads_elsewhere(
        self,
        plain: Path,
        monkeypatch: pytest.MonkeyPatch,
        reached: list[Reach],
        offset: int,
        way: Reach,
    ) -> None:
        opened = container.open_container

        class Lost(Wrapped):
            def seek(self, ticks: int, *, stream: Any) -> None:
                self._container.seek(ticks + offset * 12800 // 25, stream=stream)

        monkeypatch.setattr(demuxing, "open_container", lambda path: Lost(opened(path)))
        assert len(check_resumes(plain)) == 5
        assert set(reached) == {way, Reach.DECODE}

    def test_one_that_is_refused(
        self, plain: Path, monkeypatch: pytest.MonkeyPatch, reached: list[Reach]
    ) -> None:
        class Refusing(Wrapped):
            def seek(self, *_: Any, **__: Any) -> None:
                raise av.error.OSError(1, "Operation not permitted")

        opened = container.open_container
        monkeypatch.setattr(demuxing, "open_container", lambda path: Refusing(opened(path)))
        check_resumes(plain, (3,))
        assert set(reached) == {Reach.READ, Reach.DECODE}

    def test_another_file_is_refused(self, plain: Path, tmp_path: Path) -> None:
        with open_source(Source(plain)) as reader:
            list(reader)
        times = [number * 0.05 for number in range(COUNT)]
        other = write_clip(tmp_path / "b.mp4", square_frames(COUNT), pts=times, options=PLAIN)
        with pytest.raises(MediaError, match=r"b\.mp4: segment 1 does not begin where it did"):
            open_source(Source(other), start=reader.segments[1])


def wiped(path: Path, *numbers: int) -> Path:
    """A copy next to it with these packets overwritten with zeros."""
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for packet in (packets[number] for number in numbers):
        assert packet.pos is not None
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    hurt = path.with_name(f"hurt{path.suffix}")
    hurt.write_bytes(data)
    return hurt


def check_but_one(path: Path, hurt: int, everies: Sequence[int] = (1, 3, 7)) -> list[Segment]:
    """All segments but one are the same to the bit, and all counts."""
    for every in everies:
        with open_source(Source(path), every) as whole:
            frames = list(whole)
        for segment in whole.segments:
            with open_source(Source(path), every, start=segment) as reader:
                rest = list(reader)
            wanted = [frame for frame in frames if frame.segment >= segment.number]
            assert [frame.index for frame in rest] == [frame.index for frame in wanted]
            assert same(
                [frame for frame in rest if frame.segment != hurt],
                [frame for frame in wanted if frame.segment != hurt],
            )
            assert reader.segments == whole.segments[segment.number :]
            assert reader.frames_read == whole.frames_read
            assert reader.frames_damaged == whole.frames_damaged
            assert reader.warnings == whole.warnings
    return list(whole.segments)


class TestDamage:
    """Frames beside a lost one are made up, and never twice the same; all others are."""

    def test_in_a_segment_changes_no_other(self, plain: Path) -> None:
        found = check_but_one(wiped(plain, 48, 49, 53), hurt=2)
        assert [segment.frames_damaged > 0 for segment in found] == [False] * 3 + [True] * 2

    @pytest.mark.parametrize("kind", ["pyramid", "open hevc", "mpeg2"])
    def test_where_groups_are_open(
        self, clip: Callable[[str, str], Path], tmp_path: Path, kind: str
    ) -> None:
        path = tmp_path / "a.mkv"
        path.write_bytes(clip(kind, "mkv").read_bytes())
        hurt = wiped(path, 50, 51)
        with open_source(Source(hurt)) as reader:
            segment = next(frame.segment for frame in reader if frame.index >= 50)
        check_but_one(hurt, segment)

    def test_a_key_frame_that_is_lost_begins_none(self, plain: Path) -> None:
        found = check_but_one(wiped(plain, 40), hurt=1)
        first = [segment.pts // 512 for segment in found if segment.pts is not None]
        assert first == [0, 20, 50, 70, 90]

    def test_whoever_reads_one_segment_leaves_the_next_ones_first_frame_to_others(
        self, plain: Path
    ) -> None:
        with open_source(Source(plain)) as whole:
            list(whole)
        spoilt = Source(spoil(plain, 40))
        with open_source(spoilt, start=whole.segments[1], only=True) as reader:
            assert [frame.index for frame in reader] == list(range(20, 40))
        assert reader.segments == whole.segments[1:3]
        assert reader.frames_damaged == 0
        with pytest.raises(MediaError, match="segment 2 does not begin"):
            open_source(spoilt, start=whole.segments[2], only=True)

    @pytest.mark.parametrize("number", [21, 22, 23])
    def test_damage_is_counted_though_no_frame_came_out_before_it(
        self, plain: Path, number: int
    ) -> None:
        with open_source(Source(plain)) as whole:
            list(whole)
        spoilt = Source(spoil(plain, number))
        with open_source(spoilt, start=whole.segments[1], only=True) as reader:
            assert next(reader).index == 20
            list(reader)
        assert reader.frames_damaged > 0

    @pytest.mark.parametrize("keep", [0.5, 0.8])
    def test_a_file_that_is_cut_off(self, plain: Path, keep: float) -> None:
        found = check_but_one(truncate(plain, keep), hurt=-1)
        assert 1 < len(found) < 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (folder := tmp_path / "in").mkdir()
    for number, image in enumerate(square_frames(20)):
        write_image(folder / f"{number}.png", image)
    return folder


class TestImages:
    def test_a_segment_is_so_many_that_are_looked_at(self, folder: Path) -> None:
        (source,) = find_sources([folder])
        assert [s.first_frame for s in check_resumes(source, (1, 5, 2))] == [0, 6, 12, 18]

    @pytest.mark.parametrize("broken", [(1,), (2, 3), (6,), (0, 1, 2, 3), (18, 19), (3, 4, 5)])
    def test_unreadable_ones(self, folder: Path, broken: Sequence[int]) -> None:
        for number in broken:
            (folder / f"{number}.png").write_bytes(b"\x89PNG broken")
        (source,) = find_sources([folder])
        found = check_resumes(source, (2, 1))
        assert [segment.first_frame for segment in found] == list(range(0, 20, 3))
        assert [s.frames_damaged for s in found] == [
            sum(number < s.first_frame for number in broken) for s in found
        ]

    def test_earlier_images_are_not_opened(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (source,) = find_sources([folder])
        with open_source(source, 2) as reader:
            list(reader)
        for image in source.images[:12]:
            image.unlink()
        with open_source(source, 2, start=reader.segments[2]) as rest:
            assert [frame.index for frame in rest] == [12, 14, 16, 18]
        assert (rest.frames_read, rest.frames_damaged, rest.warnings) == (20, 0, [])


REAL = shared_media()
CLIPS = (
    "face_recognition__short_hamilton_clip.mp4",
    "lipnet__bbaf2n.mpg",
    "lipnet__id2_vcd_swwp2s.mpg",
    "pyscenedetect__delayed_start.mp4",
)


@pytest.mark.skipif(REAL is None, reason="there is no folder of shared media beside the repository")
@pytest.mark.parametrize("name", CLIPS)
def test_real_clips(name: str) -> None:
    assert REAL is not None
    assert len(check_resumes(REAL / "video" / name, (1, 7))) > 1


@dataclass
class FakePacket:
    pts: int | None
    is_keyframe: bool = False
    size: int = 10
    is_discard: bool = False
    pos: int | None = None


def cut(packets: Sequence[FakePacket], ticks: int = 10, delay: int = 1) -> list[int | None]:
    """Times at which segments begin when frames come out so many packets late."""
    cuts = Cuts([*packets, None], Fraction(ticks))
    came, waiting = list[int | None](), list[int | None]()
    first = True

    def come_out(keep: int) -> None:
        nonlocal first
        while len(waiting) > keep:
            pts = min(waiting, key=lambda pts: -1 if pts is None else pts)
            waiting.remove(pts)
            if first:
                cuts.begin(pts)
            elif cuts.begins(pts):
                came.append(pts)
            first = False

    for packet in cuts:
        if packet is not None:
            waiting.append(packet.pts)
        come_out(delay if packet is not None else 0)
    return came


def film(count: int = 100, step: int = 5) -> list[FakePacket]:
    return [FakePacket(number, number % step == 0) for number in range(count)]


class TestCuts:
    @pytest.mark.parametrize("delay", [1, 6, 30])
    def test_the_first_key_frame_that_is_late_enough(self, delay: int) -> None:
        assert cut(film(50), 12, delay) == [15, 30, 45]
        assert cut(film(50), 10, delay) == [10, 20, 30, 40]

    @pytest.mark.parametrize("delay", [1, 6, 30])
    def test_none_that_is_not_certain(self, delay: int) -> None:
        """Within as many packets as may be shown before it comes one that is out of place."""
        for wrong in (None, 3, 41):
            for place, begun in ((42, [10, 20]), (49, [10, 20, 30])):
                packets = film()
                packets[place].pts = wrong
                assert cut(packets, 10, delay) == begun
        packets = film()
        packets[70].pts = 3
        assert cut(packets, 10, delay) == [10, 20, 30, 40, 50]

    def test_packets_are_held_for_a_bounded_time(self) -> None:
        """A key frame long before whose time no other comes: its place is never certain."""
        packets = film(30)
        packets[20] = FakePacket(10**6, is_keyframe=True)
        packets += [FakePacket(30 + number) for number in range(1000)]
        seen = 0
        cuts = Cuts(packets, Fraction(10))
        for given, _ in enumerate(cuts):
            seen = max(seen, cuts.packet_count - given)
        assert seen <= MAX_HELD + 1
        assert given == len(packets) - 1
