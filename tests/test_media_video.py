"""Videos as frames: upright, undistorted, on time, all of them."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from clips import grey_frames, square_frames, with_cover, write_clip, write_sound

from facegrab.errors import AccessError, MediaError, MissingError, SettingError
from facegrab.media import FrameReader, Source, convert, demuxing, open_source
from facegrab.media.clock import Clock
from facegrab.media.container import pick_stream
from facegrab.media.geometry import square_size, upright_image
from facegrab.types import Frame

ROOT = not hasattr(os, "geteuid") or os.geteuid() == 0


def read(path: Path, every: int = 1) -> tuple[FrameReader, list[Frame]]:
    with open_source(Source(path), every) as reader:
        return reader, list(reader)


def difference(one: Any, other: Any) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


class TestGeometry:
    @pytest.mark.parametrize(
        ("rotation", "mirror"),
        [(90, False), (180, False), (270, False), (-90, False), (0, True), (90, True), (88, False)],
    )
    def test_turned_as_the_file_asks(self, tmp_path: Path, rotation: int, mirror: bool) -> None:
        frames = square_frames(4)
        _, upright = read(write_clip(tmp_path / "a.mp4", frames))
        reader, turned = read(
            write_clip(tmp_path / "b.mp4", frames, rotation=rotation, mirror=mirror)
        )
        for one, other in zip(upright, turned, strict=True):
            expected = np.rot90(one.image, round(rotation / 90))
            expected = expected[:, ::-1] if mirror else expected
            assert np.array_equal(other.image, expected)
            assert other.image.flags.c_contiguous
        assert (reader.height, reader.width) == turned[0].image.shape[:2]

    @pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(8, 9), Fraction(1, 2)])
    @pytest.mark.parametrize("rotation", [None, 90])
    def test_squares_come_out_square(
        self, tmp_path: Path, aspect: Fraction, rotation: int | None
    ) -> None:
        # A square on the screen, as a camera with these pixels stores it.
        stored = np.zeros((88, 160, 3), np.uint8)
        high, wide = round(40 * min(1.0, float(aspect))), round(40 / max(1.0, float(aspect)))
        stored[20 : 20 + high, 40 : 40 + wide] = 255
        clip = write_clip(
            tmp_path / "a.mp4", [stored] * 2, sample_aspect_ratio=aspect, rotation=rotation
        )
        reader, frames = read(clip)
        white = frames[0].image.mean(2) > 128
        rows, columns = white.any(1).sum(), white.any(0).sum()
        assert abs(rows - columns) <= 1
        assert rows >= 40
        assert (reader.height, reader.width) == frames[0].image.shape[:2]

    def test_pixels_are_enlarged_and_nonsense_is_square(self) -> None:
        assert square_size(720, 576, Fraction(16, 11)) == (1047, 576)
        assert square_size(720, 480, Fraction(8, 9)) == (720, 540)
        for nonsense in (None, Fraction(0), Fraction(-1), Fraction(1, 5), Fraction(1000)):
            assert square_size(720, 480, nonsense) == (720, 480)

    @pytest.mark.parametrize("size", [(97, 61), (33, 47)])
    def test_odd_sizes_keep_their_last_row_and_column(
        self, tmp_path: Path, size: tuple[int, int]
    ) -> None:
        frames = square_frames(3, size)
        reader, got = read(write_clip(tmp_path / "a.mkv", frames, codec="ffv1", pix_fmt="bgr0"))
        assert (reader.width, reader.height) == size
        for one, other in zip(frames, got, strict=True):
            assert np.array_equal(one, other.image)
            assert other.image.flags.owndata
            assert other.image.flags.writeable

    def test_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(2), sample_aspect_ratio=Fraction(2))
        monkeypatch.setattr(convert, "MAX_PIXELS", 2 * 96 * 64)
        read(clip)
        monkeypatch.setattr(convert, "MAX_PIXELS", 2 * 96 * 64 - 1)
        with pytest.raises(MediaError, match=r"a\.mp4: frames of 192x64 pixels are too large"):
            read(clip)

    def test_the_decoder_refuses_what_the_header_hid(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(2))
        monkeypatch.setattr(demuxing, "MAX_PIXELS", 1000)
        monkeypatch.setattr(demuxing, "check_size", lambda *_: None)
        with pytest.raises(MediaError, match="no frame of the video can be decoded"):
            open_source(Source(clip))


class TestColour:
    @pytest.mark.parametrize(
        ("pix_fmt", "codec", "name"),
        [
            ("gray", "ffv1", "a.mkv"),
            ("gray16le", "ffv1", "a.mkv"),
            ("yuv420p", "ffv1", "a.mkv"),
            ("yuv422p10le", "ffv1", "a.mkv"),
            ("yuva420p", "ffv1", "a.mkv"),
            ("gbrp16le", "ffv1", "a.mkv"),
            ("yuvj420p", "mjpeg", "a.avi"),
            ("yuv420p10le", "libx265", "a.mp4"),
            ("yuv420p", "libvpx-vp9", "a.webm"),
            ("rgba", "png", "a.mov"),
            ("bgr8", "gif", "a.gif"),
        ],
    )
    def test_pixel_formats(self, tmp_path: Path, pix_fmt: str, codec: str, name: str) -> None:
        grey = [frame.mean(2).astype(np.uint8) for frame in square_frames(4)]
        frames = [frame[..., None].repeat(3, 2) for frame in grey]
        _, got = read(write_clip(tmp_path / name, frames, codec=codec, pix_fmt=pix_fmt))
        assert len(got) == 4
        for one, other in zip(frames, got, strict=True):
            # GIF has 8 levels of red.
            assert difference(one, other.image) < (20 if codec == "gif" else 5)

    @pytest.mark.parametrize(
        ("colorspace", "red", "blue"),
        [(1, 0.2126, 0.0722), (5, 0.299, 0.114), (6, 0.299, 0.114), (2, 0.299, 0.114)],
    )
    @pytest.mark.parametrize("full", [False, True])
    def test_the_matrix_that_is_tagged(
        self, colorspace: int, red: float, blue: float, full: bool
    ) -> None:
        yuv = (110, 90, 170)
        frame = av.VideoFrame(64, 48, "yuv420p")
        for plane, value in zip(frame.planes, yuv, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace, frame.color_range = colorspace, 2 if full else 1
        luma = yuv[0] / 255 if full else (yuv[0] - 16) / 219
        u, v = ((value - 128) / (255 if full else 224) for value in yuv[1:])
        r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
        g = (luma - red * r - blue * b) / (1 - red - blue)
        got = upright_image(frame, None, VideoReformatter())[10, 10]
        assert np.abs(got - 255 * np.array([r, g, b])).max() <= 2.5


class TestTime:
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
    def test_a_late_start_is_second_zero(self, tmp_path: Path, name: str) -> None:
        clip = write_clip(tmp_path / name, square_frames(10), start_seconds=3.52)
        reader, frames = read(clip)
        assert [f.pts_seconds for f in frames] == pytest.approx([i / 25 for i in range(10)])
        assert reader.warnings == []

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
    def test_variable_rate(self, tmp_path: Path, name: str) -> None:
        times = [0, 0.04, 0.05, 0.3, 1.0, 1.04, 2.5]
        _, frames = read(write_clip(tmp_path / name, square_frames(7), pts=times))
        assert [frame.pts_seconds for frame in frames] == pytest.approx(times)

    def test_gif(self, tmp_path: Path) -> None:
        times = [0, 0.1, 0.5, 0.6]
        clip = write_clip(
            tmp_path / "a.gif", square_frames(4), codec="gif", pix_fmt="bgr8", pts=times
        )
        _, frames = read(clip)
        assert [frame.pts_seconds for frame in frames] == pytest.approx(times)

    def test_clock(self) -> None:
        def times(*pts: int | None) -> list[float]:
            clock = Clock(Fraction(1, 100), Fraction(1, 25))
            return [clock.seconds(value) for value in pts]

        assert times(50, 54, 58) == pytest.approx([0, 0.04, 0.08])
        assert times(None, None, 58, None, 70) == pytest.approx([0, 0.04, 0.08, 0.12, 0.2])
        # Disorder stands still, a break goes on.
        assert times(0, 8, 4, 12) == pytest.approx([0, 0.08, 0.08, 0.12])
        assert times(900, 904, 100, 104) == pytest.approx([0, 0.04, 0.08, 0.12])
        assert times(-8, -4, 0) == pytest.approx([0, 0.04, 0.08])


class TestReading:
    def test_every_and_the_tail(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # B-frames and a count that no step divides: the decoder holds the last frames back.
        clip = write_clip(
            tmp_path / "a.mp4", grey_frames(31), options={"preset": "veryfast", "bf": "3"}
        )
        converted = []

        convert_one = convert.Converter.image

        def spy(self: convert.Converter, frame: av.VideoFrame, segment: int) -> Any:
            converted.append(frame.pts)
            return convert_one(self, frame, segment)

        monkeypatch.setattr(convert.Converter, "image", spy)
        for every in (1, 2, 7, 10, 100):
            converted.clear()
            reader, frames = read(clip, every)
            assert [frame.index for frame in frames] == list(range(0, 31, every))
            assert len(converted) == len(frames)
            assert reader.frames_read == reader.frame_count == 31
            for frame in frames:
                assert abs(frame.image.mean() - 4 * frame.index) < 3
                assert frame.pts_seconds == pytest.approx(frame.index / 25)

    @pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")
    @pytest.mark.parametrize("cores", [2, 6])
    def test_threads_that_decode_give_way_to_all_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
    ) -> None:
        monkeypatch.setattr(demuxing, "usable_cores", lambda: cores)

        def decoding() -> set[int]:
            tasks = [*Path("/proc/self/task").iterdir()]
            own = (each for each in tasks if (each / "comm").read_text().startswith("av:h264"))
            return {int(each.name) for each in own}

        own, before = os.getpriority(os.PRIO_PROCESS, 0), decoding()
        clip = write_clip(tmp_path / "a.mp4", grey_frames(9))
        with open_source(Source(clip)) as reader:
            assert next(iter(reader)).index == 0
            begun = decoding() - before
            nice = {os.getpriority(os.PRIO_PROCESS, each) for each in begun}
        assert len(begun) == 2 * cores
        assert nice == {min(own + 5, 19)}
        assert os.getpriority(os.PRIO_PROCESS, 0) == own

    @pytest.mark.parametrize(
        ("cores", "threads", "decode"),
        [(1, 0, 1), (2, 0, 4), (8, 0, 16), (64, 0, 16), (8, 1, 1), (8, 3, 6)],
    )
    def test_as_many_threads_decode_as_cores_may_be_used(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        cores: int,
        threads: int,
        decode: int,
    ) -> None:
        monkeypatch.setattr(demuxing, "usable_cores", lambda: cores)
        clip = write_clip(tmp_path / "a.mp4", grey_frames(9))
        opened: list[Any] = []

        def spy(*given: Any) -> Any:
            opened.append(pick_stream(*given))
            return opened[-1]

        monkeypatch.setattr(demuxing, "pick_stream", spy)
        with open_source(Source(clip), threads=threads) as reader:
            assert len(list(reader)) == 9
            assert [each.codec_context.thread_count for each in opened] == [decode]

    def test_what_is_known_before_the_first_frame(self, tmp_path: Path) -> None:
        with open_source(Source(write_clip(tmp_path / "a.mkv", square_frames(20)))) as reader:
            assert (reader.width, reader.height, reader.frame_count) == (96, 64, 20)
            assert reader.duration_seconds == pytest.approx(0.8)
            assert (reader.frames_read, reader.frames_damaged, reader.warnings) == (0, 0, [])

    @pytest.mark.parametrize("every", [0, -1])
    def test_every_is_checked(self, tmp_path: Path, every: int) -> None:
        with pytest.raises(SettingError, match=f"every is a whole number from 1, not {every}"):
            open_source(Source(tmp_path / "a.mp4"), every)

    @pytest.mark.parametrize(
        "name", ["50% %04d [a].mp4", "ünï cødé 影.mp4", " a b .mp4", "data:x.mp4", "clip.xyz"]
    )
    def test_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.chdir(tmp_path)
        write_clip(tmp_path / "a.mp4", square_frames(3)).rename(tmp_path / name)
        assert len(read(Path(name))[1]) == 3

    @pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
    def test_nothing_stays_open(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(20))

        def open_files() -> int:
            links = Path("/proc/self/fd").iterdir()
            return sum(os.path.realpath(link) == str(clip) for link in links)

        reader = open_source(Source(clip))
        next(reader)
        assert open_files() == 1
        reader.close()
        reader.close()
        assert open_files() == 0
        assert list(reader) == []

        def consume() -> None:
            with open_source(Source(clip)) as reader:
                for _ in reader:
                    raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            consume()
        assert open_files() == 0


class TestRefused:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(MissingError, match=r"no such file: .*a\.mp4"):
            open_source(Source(tmp_path / "a.mp4"))

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(2))

        def refuse(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(AccessError, match=r"no permission to read .*a\.mp4"):
            open_source(Source(clip))

    @pytest.mark.skipif(ROOT, reason="root may read everything")
    def test_closed_file(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(2))
        clip.chmod(0)
        with pytest.raises(AccessError):
            open_source(Source(clip))

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            ("a.mp4", b"", "is empty"),
            ("a.mp4", b"some text\n" * 100, "is no readable video"),
            ("a.txt", b"some text\n" * 100, "is no readable video"),
            (
                "a.m3u8",
                b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nb.ts\n",
                "is no readable video",
            ),
            ("a.mp4", b"ffconcat version 1.0\nfile 'b.ts'\n", "is no readable video"),
            ("a.srt", b"1\n00:00:00,000 --> 00:00:02,000\nhello\n\n", "holds no video stream"),
            ("a.mp4", bytes(50_000), "is no readable video"),
        ],
    )
    def test_no_video(self, tmp_path: Path, name: str, data: bytes, message: str) -> None:
        write_clip(tmp_path / "b.ts", square_frames(3))
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=message) as caught:
            open_source(Source(tmp_path / name))
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_sound_and_cover_pictures(self, tmp_path: Path) -> None:
        sound = write_sound(tmp_path / "a.mp3", "libmp3lame")
        cover = with_cover(sound, tmp_path / "b.mp3", square_frames(1)[0])
        for path in (sound, cover, write_sound(tmp_path / "a.mp2")):
            with pytest.raises(MediaError, match="holds no video stream"):
                open_source(Source(path))

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match="is a folder"):
            open_source(Source(tmp_path))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.mp4")
        with pytest.raises(MediaError, match="is no regular file"):
            open_source(Source(tmp_path / "a.mp4"))
