"""Wanted frames are those of a full read, and little else is decoded for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from clips import shared_media, square_frames, write_clip, write_image
from kinds import DECODED_WHOLE, KINDS, MORE

from facegrab.errors import MediaError
from facegrab.media import Source, find_sources, open_source, spans
from facegrab.media.spans import SpansReader
from facegrab.types import Frame

COUNT = 100
PLAIN = {"preset": "veryfast", "bf": "2", "g": "10", "sc_threshold": "0"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A clip of a kind with an extension, written once."""
    folder = tmp_path_factory.mktemp("spans")

    def make(kind: str, extension: str) -> Path:
        path = folder / f"{kind}.{extension}"
        if not path.exists():
            codec, options = {**KINDS, **DECODED_WHOLE, **MORE}[kind]
            write_clip(path, square_frames(COUNT), codec=codec, options=options)
        return path

    return make


@pytest.fixture(autouse=True)
def _short_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a clip of four seconds is sought in."""
    monkeypatch.setattr(spans, "_FAR_SECONDS", 0.5)
    monkeypatch.setattr(spans, "_NEAR_SECONDS", 0.5)
    monkeypatch.setattr(spans, "_EARLIER_SECONDS", (0, 1.2, 2))


@pytest.fixture
def all_decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files of which all frames were decoded."""
    paths: list[Path] = []
    one_by_one = spans.SpansReader._one_by_one

    def spy(reader: Any, file: Any) -> Any:
        paths.append(reader._path)
        return one_by_one(reader, file)

    monkeypatch.setattr(spans.SpansReader, "_one_by_one", spy)
    return paths


def check_same(source: Path | Source, every: int = 1) -> None:
    source = source if isinstance(source, Source) else Source(source)
    with open_source(source, every) as reader:
        frames = list(reader)
    last, chance = len(frames) - 1, random.Random(1)
    picks = [[0], [last], [0, last // 2, last], list(range(last + 1))]
    picks += [sorted(chance.sample(range(last), count)) for count in (1, 2, 3, 5, 8, 13)]
    for pick in picks:
        check_picked([frames[each] for each in pick], source, reader.origin, every)


def check_picked(
    wanted: Sequence[Frame], source: Source, origin: int | None, every: int = 1
) -> None:
    pairs = [(frame.index, frame.pts_seconds) for frame in wanted]
    with SpansReader(source, pairs, origin, every) as reader:
        got = list(reader)
    assert [(frame.index, frame.pts_seconds) for frame in got] == pairs
    for one, other in zip(wanted, got, strict=True):
        assert one.image.tobytes() == other.image.tobytes()


class TestSame:
    @pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
    @pytest.mark.parametrize(
        "kind", ["plain", "pyramid", "strict pyramid", "hevc", "open hevc", "layers", "mpeg2"]
    )
    def test_sought(
        self,
        clip: Callable[[str, str], Path],
        kind: str,
        extension: str,
        all_decoded: list[Path],
    ) -> None:
        check_same(clip(kind, extension), 3)
        assert all_decoded == []

    @pytest.mark.parametrize(
        ("kind", "extension"),
        [("av1", "webm"), ("vp9 with hidden frames", "webm"), ("mpeg4", "avi"), ("ffv1", "mkv")],
    )
    def test_of_other_kinds(
        self, clip: Callable[[str, str], Path], kind: str, extension: str
    ) -> None:
        check_same(clip(kind, extension))

    @pytest.mark.parametrize(
        ("kind", "extension"),
        [("refresh", "mp4"), ("mpeg1", "mpg"), ("plain", "avi"), ("plain", "h264")],
    )
    def test_where_all_must_be_decoded(
        self,
        clip: Callable[[str, str], Path],
        kind: str,
        extension: str,
        all_decoded: list[Path],
    ) -> None:
        check_same(clip(kind, extension), 3)
        assert all_decoded

    def test_two_recordings_in_one(self, clip: Callable[[str, str], Path], tmp_path: Path) -> None:
        twice = tmp_path / "a.ts"
        twice.write_bytes(clip("plain", "ts").read_bytes() * 2)
        check_same(twice, 7)

    def test_images(self, tmp_path: Path) -> None:
        for number, image in enumerate(square_frames(40)):
            write_image(tmp_path / f"{number}.png", image)
        (source,) = find_sources([tmp_path])
        check_same(source, 2)


def test_little_is_decoded(
    clip: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(clip("strict pyramid", "mp4"))
    with open_source(source) as reader:
        frames = list(reader)
    came = list[Any]()
    frames_of = spans._Spans._frames_of

    def spy(self: Any, *given: Any) -> Any:
        for frame in frames_of(self, *given):
            came.append(frame)
            yield frame

    monkeypatch.setattr(spans._Spans, "_frames_of", spy)
    check_picked([frames[44], frames[90]], source, reader.origin)
    # Key frames are every 20; of the frames between only those that others refer to.
    assert len(came) < 12


class TestChanged:
    @pytest.mark.parametrize("origin", [0, None])
    @pytest.mark.parametrize(
        "wanted", [[(20, 0.8), (50, 2.01)], [(20, 0.8), (120, 4.8)], [(20, 0.841)]]
    )
    def test_a_frame_that_is_not_there(
        self, tmp_path: Path, wanted: list[tuple[int, float]], origin: int | None
    ) -> None:
        path = write_clip(tmp_path / "a.mp4", square_frames(COUNT), options=PLAIN)
        with (
            SpansReader(Source(path), wanted, origin) as reader,
            pytest.raises(MediaError, match=r"a\.mp4: frame \d+ is not where it was; the source"),
        ):
            list(reader)

    def test_an_image_that_is_not_there(self, tmp_path: Path) -> None:
        for number, image in enumerate(square_frames(3)):
            write_image(tmp_path / f"{number}.png", image)
        (source,) = find_sources([tmp_path])
        source.images[1].unlink()
        for wanted in ((1, 0.04), (3, 0.12), (2, 0.09)):
            with (
                SpansReader(source, [wanted], None) as reader,
                pytest.raises(MediaError, match="is not where it was"),
            ):
                list(reader)


REAL = shared_media()
CLIPS = ("face_recognition__short_hamilton_clip.mp4", "torchcodec__av1_video.mkv")


@pytest.mark.skipif(REAL is None, reason="there is no folder of shared media beside the repository")
@pytest.mark.parametrize("name", CLIPS)
def test_real_clips(name: str) -> None:
    assert REAL is not None
    check_same(Source(REAL / "video" / name), 7)
