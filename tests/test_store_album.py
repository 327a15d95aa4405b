"""The folder of extracts."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import fail_at, our_threads, pictures, scene
from test_store_origin import some_origin

from facegrab.errors import OutputError
from facegrab.media import read_image
from facegrab.store import album as albums
from facegrab.store.album import Album, Held
from facegrab.types import Image

TINY = np.zeros((4, 4, 3), np.uint8)


def everything(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_a_kept_image_is_whole(tmp_path: Path) -> None:
    image = scene((64, 64), red=(8, 8))
    with Album(tmp_path / "out") as album:
        album.write("a.png", image)
        album.write("b.jpg", image)
        album.keep(["a.png", "b.jpg"])
        np.testing.assert_array_equal(read_image(tmp_path / "out" / "a.png"), image)
        difference = read_image(tmp_path / "out" / "b.jpg").astype(int) - image
        assert np.abs(difference).mean() < 2
    assert everything(tmp_path / "out") == ["a.png", "b.jpg"]
    assert our_threads() == []


def test_until_it_is_kept_nobody_sees_it(tmp_path: Path) -> None:
    with Album(tmp_path) as album:
        album.write("a.png", TINY)
        album.write("b.png", TINY)
        album.flush()
        assert pictures(tmp_path) == []
        assert all(name.startswith(".") for name in everything(tmp_path))
        assert album.has("a.png")
        album.keep(["b.png"])
        assert pictures(tmp_path) == ["b.png"]
        assert album.has("a.png")  # it waits on
        assert not album.has("b.png")
        album.keep(["a.png"])
    assert everything(tmp_path) == ["a.png", "b.png"]


def test_a_dropped_one_leaves_nothing(tmp_path: Path) -> None:
    with Album(tmp_path) as album:
        for name in ("a.png", "part/b.png", "c.png"):
            album.write(name, TINY)
        album.keep(["c.png"])
        album.drop()
        assert everything(tmp_path) == ["c.png"]
        assert not album.has("a.png")
        album.drop()  # nothing is left to drop, and what was kept stays
    assert everything(tmp_path) == ["c.png"]


def test_what_was_neither_kept_nor_dropped_is_gone_at_the_end(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with Album(tmp_path) as album:
            album.write("a.png", TINY)
            raise KeyError("whatever")

    with pytest.raises(KeyError):
        write_and_fail()
    assert everything(tmp_path) == []


def test_a_kept_one_takes_the_place_of_an_old_one_at_once(tmp_path: Path) -> None:
    old, new = scene((64, 64), red=(8, 8)), scene((64, 64), green=(8, 8))
    for image in (old, new):
        with Album(tmp_path) as album:
            album.write("a.png", image)
            album.flush()
            if image is new:
                np.testing.assert_array_equal(read_image(tmp_path / "a.png"), old)
            album.keep(["a.png"])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), new)


def test_a_kept_one_is_on_the_disk_before_it_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves a whole image or none: synced, moved, and its folder synced."""
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def noted_sync(number: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{number}").is_dir() else "file")
        sync(number)

    def noted_replace(path: Path, target: Path) -> Path:
        done.append("move")
        return replace(path, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not tell what is synced")
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    with Album(tmp_path) as album:
        for name in ("a.png", "b.png", "c.png"):
            album.write(name, TINY)
        album.keep(["a.png", "b.png", "c.png"])
    assert done == [*["file"] * 3, *["move"] * 3, "folder"]  # all of them, before the first moves


def test_more_images_than_may_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large extracts do not pile up: as soon as too many bytes wait, the rest has to."""
    image = np.zeros((40, 40, 3), np.uint8)
    monkeypatch.setattr(albums, "MOST_WAITING_BYTES", 3 * image.nbytes)
    names = [f"{number}.png" for number in range(20)]
    with Album(tmp_path) as album:
        for number, name in enumerate(names):
            album.write(name, image)
            assert len(everything(tmp_path)) >= number - 3
        album.keep(names)
    assert len(pictures(tmp_path)) == 20


def test_of_more_than_may_be_held_the_first_are_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(albums, "MOST_HELD_BYTES", 2 * TINY.nbytes)
    made: list[str] = []

    def make(name: str) -> Image:
        made.append(name)
        return TINY

    names = ["a.png", "b.png", "c.png", "d.png"]
    with Album(tmp_path) as album:
        for name in names:
            likely = name == "b.png"
            album.take_later(name, Held(partial(make, name), TINY.nbytes, some_origin(), likely))
        assert [album.has(name) for name in names] == [False, True, True, True]
        album.flush()
        assert made == ["b.png"]  # the likely one, which had to make room, is written
        album.keep(["c.png"])
        assert made == ["b.png", "c.png"]
        assert [*album.leave(["a.png", "b.png"])] == ["b.png"]
        album.drop()
    assert made == ["b.png", "c.png"]
    assert pictures(tmp_path) == ["c.png"]


def test_what_is_held_and_cannot_be_made_is_told(tmp_path: Path) -> None:
    def make() -> Image:
        raise OutputError("no image")

    with Album(tmp_path) as album:
        album.take_later("a.png", Held(make, 1, some_origin(), likely=True))
        with pytest.raises(OutputError, match="no image"):
            album.keep(["a.png"])
    assert everything(tmp_path) == []


def test_an_image_that_cannot_be_put_in_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with Album(tmp_path) as album:
        album.write("a.png", TINY)
        with pytest.raises(OutputError, match=r"a\.png"):
            album.keep(["a.png"])
        album.discard(["a.png"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_discard_waits_for_images_that_are_still_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, go_on = cv2.imencode, threading.Event()

    def slow(suffix: str, image: Any, parameters: Any) -> Any:
        if image[0, 0, 0] == 1:
            raise KeyError("the first image fails")
        assert go_on.wait(10)
        return encode(suffix, image, parameters)

    def waiting(futures: Sequence[Future[None]]) -> object:
        if futures:
            go_on.set()
        return wait(futures)

    monkeypatch.setattr(cv2, "imencode", slow)
    monkeypatch.setattr(albums, "wait", waiting)
    with Album(tmp_path) as album:
        album.write("a.png", np.full((4, 4, 3), 1, np.uint8))
        album.write("b.png", np.full((4, 4, 3), 2, np.uint8))
        with pytest.raises(KeyError):
            album.keep(["a.png", "b.png"])
        album.drop()
        assert everything(tmp_path) == []
        go_on.set()
    assert list(tmp_path.iterdir()) == []


def test_after_a_drop_the_album_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Album(tmp_path) as album:
        with monkeypatch.context() as patch:
            patch.setattr(cv2, "imencode", lambda *_: 1 / 0)
            album.write("a.png", TINY)
            with pytest.raises(ZeroDivisionError):
                album.keep(["a.png"])
            album.drop()
        album.write("b.png", TINY)
        album.keep(["b.png"])
    assert everything(tmp_path) == ["b.png"]


def test_discard_never_leaves_the_folder(tmp_path: Path) -> None:
    """The names come from an index, which may have been made to do harm."""
    outside = tmp_path / "precious.txt"
    outside.write_text("mine", encoding="utf-8")
    with Album(tmp_path / "faces") as album:
        (tmp_path / "faces" / "part").mkdir()
        away = ["../precious.txt", str(outside), "..", "", "part/../../precious.txt"]
        album.discard([*away, "./../precious.txt", "part//../../precious.txt", "part/.."])
    assert outside.exists()


def test_folders_of_extracts_are_made_and_their_files_discarded(tmp_path: Path) -> None:
    image = scene((64, 64), red=(8, 8))
    names = ("one/a.png", "two/a.png", "one/b.png")
    with Album(tmp_path) as album:
        for name in names:
            album.write(name, image)
        album.keep(names)
        album.discard(["one/a.png", "two/none.png"])
    assert pictures(tmp_path / "one") == ["b.png"]
    assert pictures(tmp_path / "two") == ["a.png"]
    np.testing.assert_array_equal(read_image(tmp_path / "two" / "a.png"), image)


def test_a_folder_that_is_left_empty_goes_and_no_other_does(tmp_path: Path) -> None:
    (tmp_path / "mine" / "inside").mkdir(parents=True)
    with Album(tmp_path) as album:
        for name in ("al/uncertain/a.png", "al/b.png", "bo/uncertain/c.png", "mine/d.png"):
            album.write(name, TINY)
            album.keep([name])
        album.discard(["al/uncertain/a.png", "bo/uncertain/c.png", "mine/d.png"])
        album.write("label/e.png", TINY)  # for another place
        album.keep(["label/e.png"], {"label/e.png": "al/label/e.png"})
        album.write("zoe/f.png", TINY)
    folders = {each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*/")}
    assert {each for each in folders if (tmp_path / each).is_dir()} == {
        "al", "al/label", "mine", "mine/inside",
    }  # fmt: skip
    assert everything(tmp_path) == ["al/b.png", "al/label/e.png"]


@pytest.mark.parametrize("links", [True, False])
def test_one_that_is_there_gets_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        fail_at(monkeypatch, Path, "hardlink_to", 1, OSError(errno.EPERM, "no links here"))
    with Album(tmp_path) as album:
        album.write("a.png", TINY)
        album.keep(["a.png"])
        before = (tmp_path / "a.png").read_bytes()
        assert album.take_over("a.png", "a.png")
        assert album.has("a.png")
        assert everything(tmp_path) == [f".a.png.{os.getpid()}.part", "a.png"]
        album.keep(["a.png"], {"a.png": "al/uncertain/a.png"})
        assert album.discard(["a.png"]) == ["a.png"]
        assert everything(tmp_path) == ["al/uncertain/a.png"]
        assert (tmp_path / "al" / "uncertain" / "a.png").read_bytes() == before
        assert album.take_over("al/uncertain/a.png", "a.png")
    assert everything(tmp_path) == ["al/uncertain/a.png"]


def test_what_is_not_there_or_not_in_the_folder_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    with Album(tmp_path / "out") as album:
        (tmp_path / "out" / "folder").mkdir()
        for file in ("none.png", "../secret.png", str(tmp_path / "secret.png"), "folder", ""):
            assert not album.take_over(file, "a.png")
        assert not album.has("a.png")


def test_a_file_in_the_place_of_a_folder_of_extracts(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("mine", encoding="utf-8")
    with Album(tmp_path) as album:
        album.write("one/a.png", scene((64, 64)))
        with pytest.raises(OutputError, match="one is no folder"):
            album.keep(["one/a.png"])
    assert (tmp_path / "one").read_text("utf-8") == "mine"


OURS = [
    ".clip_0h00m01.000s_f25_0.jpg.4711.part",
    ".holiday_f0_1_0.png.1.part",
    "arcface-112/.clip_0h00m01.000s_f25_12.jpg.4711.part",
    ".index.html.4711.part",
    "person-1/.references.npz.4711.part",
    ".index-12.html.4711.part",
]
NOT_OURS = [
    ".part",
    ".film.mkv.part",
    ".film.mkv.4711.part",
    ".index.html.part",
    ".my-index.html.4711.part",
    ".picture.jpg.part",
    ".picture.jpg.4711.part",
    "clip_0h00m01.000s_f25_0.jpg.4711.part",
    ".clip_0h00m01.000s_f25_0.jpg.part",
    "downloads/.archive.zip.part",
    "deep/er/.clip_0h00m01.000s_f25_0.jpg.4711.part",
    "clip_0h00m01.000s_f25_0.jpg",
]


def test_what_a_run_that_died_left_is_swept_and_nobody_else_s_files(tmp_path: Path) -> None:
    for name in (*OURS, *NOT_OURS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".folder_0.jpg.1.part").mkdir()
    with Album(tmp_path) as album:
        album.sweep()
    assert everything(tmp_path) == sorted(NOT_OURS)
    assert (tmp_path / ".folder_0.jpg.1.part").is_dir()
