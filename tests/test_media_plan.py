"""What is planned from packets is what a reader does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from clips import square_frames, write_clip, write_image
from kinds import DECODED_WHOLE, KINDS, MORE

from facegrab.media import Source, find_sources, open_source, segments
from facegrab.media.plan import plan


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", 0.5)
    monkeypatch.setattr(segments, "IMAGES_PER_SEGMENT", 3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A clip of a kind with an extension, written once."""
    folder = tmp_path_factory.mktemp("plan")

    def make(kind: str, extension: str) -> Path:
        path = folder / f"{kind}.{extension}"
        if not path.exists():
            codec, options = {**KINDS, **DECODED_WHOLE, **MORE}[kind]
            write_clip(path, square_frames(100), codec=codec, options=options)
        return path

    return make


def check_planned(source: Source, every: int) -> int:
    """How many segments there are; they come out alone as they were planned."""
    with open_source(source, every) as reader:
        frames = [frame.index for frame in reader]
    planned = plan(source, every)
    assert planned == reader.segments
    alone = list[int]()
    for number, segment in enumerate(planned):
        with open_source(source, every, start=segment, only=True) as part:
            alone += [frame.index for frame in part]
        assert part.segments == planned[number : number + 2]
    assert alone == frames
    return len(planned)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        *((kind, "mp4") for kind in ("plain", "pyramid", "open hevc", "mpeg2")),
        *((kind, "ts") for kind in ("plain", "pyramid", "open hevc", "mpeg2")),
        ("strict pyramid", "mkv"),
        ("mpeg1", "mpg"),
        ("av1", "webm"),
        ("vp9 with hidden frames", "webm"),
    ],
)
def test_as_a_reader_does(
    clip: Callable[[str, str], Path], kind: str, extension: str, every: int
) -> None:
    assert check_planned(Source(clip(kind, extension)), every) > 2


@pytest.mark.parametrize("every", [1, 3])
def test_no_segment_where_a_refresh_begins(clip: Callable[[str, str], Path], every: int) -> None:
    assert check_planned(Source(clip("refresh", "mp4")), every) == 1


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("plain", "avi"), ("plain", "h264"), ("mpeg4", "mp4"), ("layers", "mp4")],
)
def test_none_where_packets_need_not_tell(
    clip: Callable[[str, str], Path], kind: str, extension: str
) -> None:
    assert plan(Source(clip(kind, extension))) is None


def test_none_where_times_step_back(clip: Callable[[str, str], Path], tmp_path: Path) -> None:
    twice = tmp_path / "a.ts"
    twice.write_bytes(clip("plain", "ts").read_bytes() * 2)
    assert plan(Source(twice), 3) is None


def test_images(tmp_path: Path) -> None:
    for number, image in enumerate(square_frames(20)):
        write_image(tmp_path / f"{number}.png", image)
    (source,) = find_sources([tmp_path])
    assert check_planned(source, 2) == 4
