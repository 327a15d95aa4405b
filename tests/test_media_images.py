"""Images and image sequences as frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import claim_png, square_frames, truncate, write_image, write_oriented_jpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media import Source, find_sources, images, open_source, read_image
from facegrab.media.header import image_size

PICTURE = square_frames(1, (40, 24))[0]
FORMATS = ["jpg", "png", "bmp", "tiff", "webp", "gif", "avif", "ppm", "pgm"]


def only(path: Path) -> Source:
    (source,) = find_sources([path])
    return source


class TestOneImage:
    @pytest.mark.parametrize("name", ["a.png", "50% [a] %04d.png", "ünï cødé 影.png"])
    def test_rgb(self, tmp_path: Path, name: str) -> None:
        image = read_image(write_image(tmp_path / name, PICTURE))
        assert np.array_equal(image, PICTURE)
        assert image.flags.c_contiguous
        assert image.flags.writeable

    def test_grey_and_alpha(self, tmp_path: Path) -> None:
        grey = read_image(write_image(tmp_path / "a.png", PICTURE[..., 0]))
        assert np.array_equal(grey, PICTURE[..., :1].repeat(3, 2))
        alpha = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 9, np.uint8)])
        assert np.array_equal(read_image(write_image(tmp_path / "b.png", alpha)), PICTURE)

    @pytest.mark.parametrize("name", ["a.png", "a.tiff"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_sixteen_bit(self, tmp_path: Path, name: str, channels: int) -> None:
        deep = np.random.default_rng(1).integers(0, 2**16, (24, 40, 3)).astype(np.uint16)
        deep = deep[..., 0] if channels == 1 else deep
        image = read_image(write_image(tmp_path / name, deep))
        expected = np.atleast_3d(deep) / 256
        assert image.dtype == np.uint8
        assert np.abs(image - expected).max() < 1.5

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, tmp_path: Path, orientation: int) -> None:
        plain = read_image(write_image(tmp_path / "a.jpg", PICTURE))
        turns = {
            1: plain,
            2: plain[:, ::-1],
            3: plain[::-1, ::-1],
            4: plain[::-1],
            5: plain.transpose(1, 0, 2),
            6: np.rot90(plain, -1),
            7: plain.transpose(1, 0, 2)[::-1, ::-1],
            8: np.rot90(plain, 1),
        }
        turned = read_image(write_oriented_jpeg(tmp_path / "b.jpg", PICTURE, orientation))
        assert np.array_equal(turned, turns[orientation])

    @pytest.mark.parametrize("extension", FORMATS)
    def test_sizes_are_known_before_decoding(self, tmp_path: Path, extension: str) -> None:
        picture = PICTURE[..., 0] if extension == "pgm" else PICTURE
        path = write_image(tmp_path / f"a.{extension}", picture)
        assert image_size(path.read_bytes()) == (40, 24)
        assert read_image(path).shape == (24, 40, 3)

    def test_webp_kinds_and_jp2(self, tmp_path: Path) -> None:
        lossless = [cv2.IMWRITE_WEBP_QUALITY, 101]
        data = cv2.imencode(".webp", PICTURE, lossless)[1].tobytes()
        assert image_size(data) == (40, 24)
        alpha = np.dstack([PICTURE, PICTURE[..., :1]])
        assert image_size(write_image(tmp_path / "a.webp", alpha).read_bytes()) == (40, 24)
        large = square_frames(1, (200, 100))[0]
        assert image_size(write_image(tmp_path / "a.jp2", large).read_bytes()) == (200, 100)

    def test_a_thumbnail_is_not_the_image(self, tmp_path: Path) -> None:
        thumbnail = write_image(tmp_path / "t.jpg", PICTURE[::4, ::4]).read_bytes()
        jpeg = write_image(tmp_path / "a.jpg", PICTURE).read_bytes()
        segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
        assert image_size(jpeg[:2] + segment + jpeg[2:]) == (40, 24)

    def test_a_giant_header(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("was decoded"))
        giant = claim_png(tmp_path / "a.png", 60000, 60000)
        with pytest.raises(MediaError, match=r"a\.png claims 60000x60000 pixels"):
            read_image(giant)

    def test_a_giant_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_image(tmp_path / "a.png", PICTURE)
        monkeypatch.setattr(images, "MAX_FILE_BYTES", path.stat().st_size - 1)
        with pytest.raises(MediaError, match="too large an image"):
            read_image(path)

    @pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff", bytes(1000), b"P6 9 9 255 "])
    def test_no_image(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "a.jpg").write_bytes(data)
        with pytest.raises(MediaError, match=r"a\.jpg is "):
            read_image(tmp_path / "a.jpg")

    @pytest.mark.parametrize("extension", ["jpg", "png"])
    def test_half_an_image(self, tmp_path: Path, extension: str) -> None:
        with pytest.raises(MediaError, match="is no readable image"):
            read_image(truncate(write_image(tmp_path / f"a.{extension}", PICTURE)))

    def test_missing_closed_or_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(MissingError, match=r"no such file: .*a\.png"):
            read_image(tmp_path / "a.png")
        with pytest.raises(MediaError, match="is a folder"):
            read_image(tmp_path)
        path = write_image(tmp_path / "a.png", PICTURE)

        def refuse(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(AccessError, match="no permission to read"):
            read_image(path)

    def test_as_a_source(self, tmp_path: Path) -> None:
        path = write_image(tmp_path / "a.png", PICTURE)
        with open_source(only(path)) as reader:
            (frame,) = reader
        assert (frame.index, frame.pts_seconds, reader.frame_count) == (0, 0, 1)
        assert np.array_equal(frame.image, PICTURE)

    def test_unreadable_as_a_source(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"text")
        with pytest.raises(MediaError, match=r"a\.png is no readable image"):
            open_source(only(tmp_path))


class TestSequences:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for number in range(1, 12):
            image = np.full((10 + number, 20, 3), number, np.uint8)
            write_image(tmp_path / f"img{number}.png", image)
        return tmp_path

    def test_positions_times_and_sizes(self, folder: Path) -> None:
        with open_source(only(folder)) as reader:
            assert (reader.width, reader.height) == (20, 11)
            assert (reader.frame_count, reader.duration_seconds) == (11, None)
            frames = list(reader)
        assert [frame.index for frame in frames] == list(range(11))
        assert [frame.pts_seconds for frame in frames] == [n / 25 for n in range(11)]
        assert [frame.image.shape[0] for frame in frames] == list(range(11, 22))
        assert [int(frame.image[0, 0, 0]) for frame in frames] == list(range(1, 12))
        assert (reader.frames_read, reader.warnings) == (11, [])

    def test_every_opens_only_what_is_looked_at(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[str] = []

        def spy(path: Path) -> object:
            opened.append(path.name)
            return read_image(path)

        monkeypatch.setattr(images, "read_image", spy)
        with open_source(only(folder), every=4) as reader:
            assert [frame.index for frame in reader] == [0, 4, 8]
        assert opened == ["img1.png", "img5.png", "img9.png"]
        assert reader.frames_read == 11

    def test_unreadable_images_are_named_and_passed_over(self, folder: Path) -> None:
        for number in (1, 2, 7):
            (folder / f"img{number}.png").write_bytes(b"text")
        with open_source(only(folder)) as reader:
            assert (reader.width, reader.height) == (20, 13)
            frames = list(reader)
        assert [frame.index for frame in frames] == [2, 3, 4, 5, 7, 8, 9, 10]
        assert (reader.frames_read, reader.frames_damaged) == (8, 3)
        assert [warning.split("/")[-1].split()[0] for warning in reader.warnings] == [
            "img1.png",
            "img2.png",
            "img7.png",
        ]

    def test_an_image_that_vanished(self, folder: Path) -> None:
        source = only(folder)
        (folder / "img3.png").unlink()
        with open_source(source) as reader:
            assert len(list(reader)) == 10
        assert reader.warnings == [f"no such file: {folder / 'img3.png'}"]

    def test_many_are_not_all_named(self, tmp_path: Path) -> None:
        write_image(tmp_path / "0.png", PICTURE)
        for number in range(1, 40):
            (tmp_path / f"{number}.png").write_bytes(b"text")
        with open_source(only(tmp_path)) as reader:
            assert len(list(reader)) == 1
        assert len(reader.warnings) == 21
        assert reader.warnings[-1] == "19 more images could not be read"

    def test_none_can_be_read(self, folder: Path) -> None:
        for path in folder.iterdir():
            path.write_bytes(b"text")
        with pytest.raises(MediaError, match=r"none of the 11 images of .* can be read"):
            open_source(only(folder))

    def test_closing_ends_it(self, folder: Path) -> None:
        with open_source(only(folder)) as reader:
            next(reader)
        assert list(reader) == []


@pytest.fixture(scope="module")
def encoded() -> dict[str, bytes]:
    return {name: cv2.imencode(f".{name}", PICTURE)[1].tobytes() for name in FORMATS[:6]}


@settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(FORMATS[:6]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=10),
    keep=st.floats(0.01, 1),
)
def test_any_bytes_give_an_image_or_a_media_error(
    encoded: dict[str, bytes],
    tmp_path: Path,
    name: str,
    changes: list[tuple[float, int]],
    keep: float,
) -> None:
    data = bytearray(encoded[name])
    for place, value in changes:
        data[int(place**3 * (len(data) - 1))] = value  # most of them in the header
    path = tmp_path / f"a.{name}"
    path.write_bytes(data[: max(1, int(keep * len(data)))])
    try:
        image = read_image(path)
    except MediaError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
