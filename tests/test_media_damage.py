"""Damaged and cut-off videos: what they hold is read, what they lost is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import claim_png, damage, grey_frames, square_frames, truncate, write_clip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facegrab.errors import MediaError
from facegrab.media import Source, container, convert, decoding, demuxing, open_source
from facegrab.types import Frame


def packet_spans(path: Path) -> list[tuple[int, int]]:
    """First byte and size of every video packet in the file."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]


def wipe(path: Path, numbers: range) -> Path:
    """Overwrite these packets with zeros."""
    data = bytearray(path.read_bytes())
    spans = packet_spans(path)
    for number in numbers:
        start, size = spans[number]
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


def png_clip(path: Path, count: int = 20) -> Path:
    """Every frame stands alone and is its own packet."""
    return write_clip(path, grey_frames(count), codec="png", pix_fmt="rgb24")


class TestDamaged:
    @pytest.mark.parametrize(
        ("codec", "name"), [("libx264", "a.mp4"), ("libx264", "a.mkv"), ("mpeg4", "a.avi")]
    )
    def test_in_the_middle(self, tmp_path: Path, codec: str, name: str) -> None:
        clip = write_clip(tmp_path / name, square_frames(60, (192, 128)), codec=codec)
        with open_source(Source(damage(clip))) as reader:
            frames = list(reader)
        assert 0 < reader.frames_damaged < 30
        assert reader.frames_read == len(frames) == 60 - reader.frames_damaged
        assert frames[-1].index <= 59
        assert frames[-1].pts_seconds == pytest.approx(59 / 25)
        (warning,) = reader.warnings
        assert "damaged and passed over" in warning

    def test_lost_frames_are_counted_one_by_one(self, tmp_path: Path) -> None:
        clip = wipe(png_clip(tmp_path / "a.mov"), range(8, 11))
        with open_source(Source(clip)) as reader:
            frames = list(reader)
        assert reader.frames_damaged == 3
        assert reader.warnings == ["3 frames were damaged and passed over"]
        levels = [round(frame.image.mean() / 4) for frame in frames]
        assert levels == [*range(8), *range(11, 20)]
        assert [frame.pts_seconds for frame in frames] == pytest.approx([n / 25 for n in levels])

    def test_the_first_frames(self, tmp_path: Path) -> None:
        with open_source(Source(wipe(png_clip(tmp_path / "a.mov"), range(2)))) as reader:
            frames = list(reader)
        assert (frames[0].index, frames[0].pts_seconds) == (0, 0)
        assert (len(frames), reader.frames_damaged) == (18, 2)

    def test_too_many_in_a_row_end_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(decoding, "MAX_FAILURES", 6)
        # On several, PyAV 18 gives up all that they are at when one of them fails at the
        # end of the file: they count as damaged, too.
        monkeypatch.setattr(demuxing, "decoding_threads", lambda _: 1)
        clip = wipe(wipe(png_clip(tmp_path / "a.mov"), range(5, 10)), range(14, 18))
        with open_source(Source(clip)) as reader:
            assert len(list(reader)) == 11
        with open_source(Source(wipe(clip, range(5, 12)))) as reader:
            assert len(list(reader)) == 5
        assert reader.warnings[-1] == "gave up after 6 damaged frames in a row"

    def test_no_frame_at_all(self, tmp_path: Path) -> None:
        clip = wipe(png_clip(tmp_path / "a.mov"), range(20))
        with pytest.raises(MediaError, match=r"a\.mov: no frame of the video can be decoded"):
            open_source(Source(clip))

    def test_no_frame_can_be_converted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> None:
            raise av.ArgumentError(22, "no such format")

        monkeypatch.setattr(convert, "upright_image", refuse)
        reader = open_source(Source(png_clip(tmp_path / "a.mov")))
        with pytest.raises(MediaError, match="no frame of the video can be converted"):
            list(reader)
        assert reader.frames_damaged == 20


class TestCutOff:
    @pytest.mark.parametrize(
        ("codec", "name"), [("libx264", "a.mp4"), ("libx264", "a.mkv"), ("mpeg4", "a.avi")]
    )
    def test_gives_what_is_there_and_says_so(self, tmp_path: Path, codec: str, name: str) -> None:
        clip = write_clip(tmp_path / name, square_frames(60), codec=codec)
        with open_source(Source(clip)) as reader:
            assert len(list(reader)) == 60
        assert reader.warnings == []
        with open_source(Source(truncate(clip))) as reader:
            assert 2 < len(list(reader)) < 50
        assert "the file is cut off" in reader.warnings[-1]
        assert reader.warnings[-1].endswith("s of 2.4 s are there")

    def test_a_late_start_is_not_cut_off(self, tmp_path: Path) -> None:
        for name in ("a.mp4", "a.mkv", "a.avi"):
            codec = "mpeg4" if name == "a.avi" else "libx264"
            clip = write_clip(tmp_path / name, square_frames(20), codec=codec, start_seconds=20)
            with open_source(Source(clip)) as reader:
                assert len(list(reader)) == 20
            assert reader.warnings == []

    def test_without_an_index_there_is_nothing(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(20))
        with pytest.raises(MediaError):
            open_source(Source(truncate(clip, 0.02)))

    def test_an_error_while_reading_keeps_the_frames(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(20), options={"bf": "3"})

        class Failing:
            """The container, but reading breaks off after twelve packets."""

            def __init__(self, container: Any) -> None:
                self._container = container

            def __getattr__(self, name: str) -> Any:
                return getattr(self._container, name)

            def demux(self, stream: Any) -> Any:
                for number, packet in enumerate(self._container.demux(stream)):
                    if number == 12:
                        raise av.error.OSError(5, "Input/output error")
                    yield packet

        opened = container.open_container
        monkeypatch.setattr(demuxing, "open_container", lambda path: Failing(opened(path)))
        with open_source(Source(clip)) as reader:
            assert [frame.index for frame in reader] == list(range(12))
        assert "reading stopped early: Input/output error" in reader.warnings


def test_a_giant_header(tmp_path: Path) -> None:
    """The extension is unknown, so the file is tried as a video."""
    with pytest.raises(MediaError):
        open_source(Source(claim_png(tmp_path / "a.xyz", 60000, 60000)))


@pytest.fixture(scope="module")
def small_clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("fuzz")
    frames = square_frames(6, (48, 32))
    return {
        name: write_clip(folder / name, frames, codec=codec).read_bytes()
        for name, codec in (("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"))
    }


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(["a.mp4", "a.mkv", "a.avi"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=30),
    keep=st.floats(0.1, 1),
)
def test_any_bytes_give_frames_or_a_media_error(
    small_clips: dict[str, bytes],
    tmp_path: Path,
    name: str,
    changes: list[tuple[float, int]],
    keep: float,
) -> None:
    data = bytearray(small_clips[name])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    path = tmp_path / name
    path.write_bytes(data[: int(keep * len(data))])
    try:
        with open_source(Source(path)) as reader:
            times = []
            for frame in reader:
                assert isinstance(frame, Frame)
                times.append(frame.pts_seconds)
    except MediaError:
        return
    assert np.all(np.diff(times) >= 0)
