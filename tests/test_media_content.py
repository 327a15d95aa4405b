"""A source is known by what it holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from clips import square_frames, write_clip, write_image

from facegrab.errors import MediaError, MissingError
from facegrab.media import Source, content, find_sources
from facegrab.media.content import content_key


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "BLOCK_BYTES", 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (folder := tmp_path / "in").mkdir()
    for number, image in enumerate(square_frames(3)):
        write_image(folder / f"{number}.png", image)
    return folder


def key(path: Path) -> str:
    (source,) = find_sources([path])
    return content_key(source)


class TestVideo:
    def test_moved_and_renamed(self, tmp_path: Path) -> None:
        clip = write_clip(tmp_path / "a.mp4", square_frames(5))
        before = key(clip)
        (tmp_path / "there").mkdir()
        moved = clip.rename(tmp_path / "there" / "b.mov")
        os.utime(moved, (0, 0))
        assert key(moved) == before
        assert len(before) == 40

    @pytest.mark.parametrize("place", [0, 500, -1])
    def test_one_other_byte(self, tmp_path: Path, place: int) -> None:
        path = tmp_path / "a.mp4"
        path.write_bytes(data := bytes(1000))
        before = key(path)
        changed = bytearray(data)
        changed[place] = 1
        path.write_bytes(changed)
        assert key(path) != before

    @pytest.mark.usefixtures("small_blocks")
    def test_of_a_large_one_blocks_from_end_to_end(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mp4"
        path.write_bytes(data := bytes(100_000))
        before = key(path)
        seen = [0, 63, 99_999, 99_999 - 63, (100_000 - 64) * 7 // 15]
        for place in [*seen, 64, 50_000]:
            changed = bytearray(data)
            changed[place] = 1
            path.write_bytes(changed)
            assert (key(path) != before) == (place in seen)
        path.write_bytes(bytes(100_001))
        assert key(path) != before

    def test_reads_a_bounded_number_of_bytes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.mp4"
        with path.open("wb") as file:
            file.truncate(2**40)
        added = list[int]()

        class Counting:
            def __init__(self, **_: int) -> None: ...

            def update(self, data: bytes) -> None:
                added.append(len(data))

            def hexdigest(self) -> str:
                return ""

        monkeypatch.setattr(content, "blake2b", Counting)
        content_key(Source(path))
        assert sum(added) == 8 + content.BLOCKS * content.BLOCK_BYTES

    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(MissingError, match="no such file"):
            content_key(Source(tmp_path / "a.mp4"))
        (tmp_path / "b.mp4").touch()
        with pytest.raises(MediaError, match="is empty"):
            content_key(Source(tmp_path / "b.mp4"))


class TestImages:
    def test_a_moved_folder(self, folder: Path, tmp_path: Path) -> None:
        before = key(folder)
        assert key(folder.rename(tmp_path / "out")) == before

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: (folder / "1.png").unlink(),
            lambda folder: (folder / "1.png").rename(folder / "3.png"),
            lambda folder: shutil.copy(folder / "2.png", folder / "1.png"),
            lambda folder: shutil.copy(folder / "2.png", folder / "3.png"),
            lambda folder: (folder / "1.png").write_bytes(b""),
        ],
    )
    def test_any_other_image(self, folder: Path, change: Callable[[Path], object]) -> None:
        before = key(folder)
        change(folder)
        assert key(folder) != before

    def test_the_order(self, folder: Path) -> None:
        (source,) = find_sources([folder])
        other = Source(source.path, tuple(reversed(source.images)))
        assert content_key(source) != content_key(other)

    def test_one_that_vanished_is_passed_over(self, folder: Path) -> None:
        (source,) = find_sources([folder])
        before = content_key(source)
        source.images[1].unlink()
        assert content_key(source) != before

    def test_a_single_one_goes_by_content(self, folder: Path) -> None:
        before = key(folder / "1.png")
        assert key((folder / "1.png").rename(folder / "x.png")) == before
        with pytest.raises(MissingError):
            content_key(Source(folder / "1.png", (folder / "1.png",)))
