"""The folder of extracts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import our_threads, pictures, scene

from facegrab.errors import OutputError
from facegrab.media import read_image
from facegrab.store import album as albums
from facegrab.store.album import Album


def test_images_are_in_place_after_a_flush(tmp_path: Path) -> None:
    image = scene((64, 64), red=(8, 8))
    with Album(tmp_path / "out") as album:
        album.write("a.png", image)
        album.write("b.jpg", image)
        album.flush()
        np.testing.assert_array_equal(read_image(tmp_path / "out" / "a.png"), image)
        difference = read_image(tmp_path / "out" / "b.jpg").astype(int) - image
        assert np.abs(difference).mean() < 2
    assert our_threads() == []


def test_more_images_than_may_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large extracts do not pile up: as soon as too many bytes wait, the rest has to."""
    image = np.zeros((40, 40, 3), np.uint8)
    monkeypatch.setattr(albums, "MOST_WAITING_BYTES", 3 * image.nbytes)
    with Album(tmp_path) as album:
        for number in range(20):
            album.write(f"{number}.png", image)
            assert len(pictures(tmp_path)) >= number - 3
        album.flush()
    assert len(pictures(tmp_path)) == 20


def test_an_image_that_cannot_be_written_is_told_at_the_flush(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with Album(tmp_path) as album:
        album.write("a.png", np.zeros((4, 4, 3), np.uint8))
        with pytest.raises(OutputError, match=r"a\.png"):
            album.flush()
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
            album.flush()
        album.discard(["a.png", "b.png"])
        go_on.set()
    assert list(tmp_path.iterdir()) == []


def test_after_a_discard_the_album_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Album(tmp_path) as album:
        with monkeypatch.context() as patch:
            patch.setattr(cv2, "imencode", lambda *_: 1 / 0)
            album.write("a.png", np.zeros((4, 4, 3), np.uint8))
            with pytest.raises(ZeroDivisionError):
                album.flush()
            album.discard(["a.png"])
        album.write("b.png", np.zeros((4, 4, 3), np.uint8))
        album.flush()
    assert pictures(tmp_path) == ["b.png"]


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
    with Album(tmp_path) as album:
        for name in ("one/a.png", "two/a.png", "one/b.png"):
            album.write(name, image)
        album.flush()
        album.discard(["one/a.png", "two/none.png"])
    assert pictures(tmp_path / "one") == ["b.png"]
    assert pictures(tmp_path / "two") == ["a.png"]
    np.testing.assert_array_equal(read_image(tmp_path / "two" / "a.png"), image)


def test_a_file_in_the_place_of_a_folder_of_extracts(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("mine", encoding="utf-8")
    with Album(tmp_path) as album:
        album.write("one/a.png", scene((64, 64)))
        with pytest.raises(OutputError, match="one is no folder"):
            album.flush()
    assert (tmp_path / "one").read_text("utf-8") == "mine"
