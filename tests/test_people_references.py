"""From what the user names as references to a gallery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import write_clip, write_image
from fakes import HUE, HueRecogniser, paint, painted_eyes, scene

from facegrab.errors import GalleryError, MediaError, MissingError
from facegrab.people import references
from facegrab.people.gallery import Gallery
from facegrab.types import FloatArray, Image
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look


def collect(
    names: Sequence[str | Path], jitter: int, look: Callable[[], Look], tolerance: float = 0.6
) -> Gallery:
    return references.collect(names, jitter, look, HUE, tolerance)


def look() -> Look:
    return Look(painted_eyes(), Wanted(0.5, extract_size=64))


def never() -> Look:
    raise AssertionError("the networks were opened for nothing")


def hues(gallery: Gallery) -> list[str]:
    return [("red", "green", "blue")[row.argmax()] for row in gallery.embedding[:, :3]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of a face, one of none, one that is broken, and a text."""
    write_image(tmp_path / "1.png", scene(red=(10, 20)))
    write_image(tmp_path / "2.jpg", scene(red=(90, 40)))
    write_image(tmp_path / "3.png", scene())
    (tmp_path / "4.jpg").write_bytes(b"\xff\xd8\xff broken")
    (tmp_path / "notes.txt").write_text("hello")
    return tmp_path


def test_a_folder_gives_what_can_be_used_and_names_the_rest(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gallery = collect([folder], 1, look)
    assert gallery.names == (str(folder / "1.png"), str(folder / "2.jpg"))
    assert hues(gallery) == ["red", "red"]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert f"no face found in {folder / '3.png'}" in warnings[0]
    assert str(folder / "4.jpg") in warnings[1]
    assert not any("\n" in warning for warning in warnings)


def test_several_references_of_all_kinds_add_up(folder: Path) -> None:
    collect([folder / "1.png"], 1, look).save(folder / "saved.npz")
    one: list[str | Path] = [
        str(folder / "1.png"),
        folder / "2.jpg",
        folder / "saved.npz",
        str(folder / "?.jpg"),
    ]
    with pytest.raises(MediaError, match=r"4\.jpg"):
        collect([*one, folder / "4.jpg"], 1, look)
    assert len(collect(one, 1, look)) == 4


@pytest.mark.parametrize("flip", [False, True])
def test_of_several_faces_the_largest_is_used_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, flip: bool
) -> None:
    picture = scene()
    large, small = ("green", "red") if flip else ("red", "green")
    paint(picture, small, 10, 20, 30)
    paint(picture, large, 100, 40, 60)
    path = write_image(tmp_path / "two.png", picture)
    gallery = collect([path], 1, look)
    assert hues(gallery) == [large]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} shows 2 faces: using the largest"
    ]


def stored(folder: Path, *degrees: float) -> Path:
    """References on a circle, r0 first: at 60 degrees they are 1 apart, at 34 about .58."""
    angle = np.radians(degrees)
    embedding = np.zeros((len(angle), 128), np.float32)
    embedding[:, 0], embedding[:, 1] = np.cos(angle), np.sin(angle)
    path = folder / "saved.npz"
    Gallery(embedding, tuple(f"r{row}.jpg" for row in range(len(angle)))).save(path)
    return path


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert not any("\n" in line for line in lines)
    return lines


@pytest.mark.parametrize(
    ("degrees", "strangers"),
    [
        ([0], []),
        ([0, 0, 0, 0.01], []),  # copies: a tiny distance is many times the usual one
        ([0, 34, 17], []),
        ([0, 60, 10], ["r1.jpg"]),
        ([0, 60, 24], ["r1.jpg"]),  # r0's median is the mean of .42 and 1, above the tolerance
        ([0, 60, 120], ["r0.jpg", "r2.jpg", "r1.jpg"]),
        ([0, 2, 33, 4, 6], ["r2.jpg"]),  # within the tolerance, but an outlier
        ([0, 2, 14, 4, 6], []),  # an outlier, but nearer than any stranger
        ([0, 2, 90, 4, 180, 6], ["r4.jpg", "r2.jpg"]),
    ],
)
def test_references_that_do_not_fit_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, degrees: list[float], strangers: list[str]
) -> None:
    assert len(collect([stored(tmp_path, *degrees)], 1, never, 0.6)) == len(degrees)
    lines = warned(caplog)
    assert [line.partition(" may show somebody else: ")[0] for line in lines] == strangers
    assert all(line.endswith(" from the other references (tolerance 0.6)") for line in lines)


def test_of_two_that_differ_both_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two = stored(tmp_path, 0, 36)  # .618 apart
    collect([two], 1, never, tolerance=0.65)
    assert warned(caplog) == []
    collect([two], 1, never)  # the default is 0.6
    assert warned(caplog) == ["r0.jpg and r1.jpg may show two people: 0.62 apart (tolerance 0.6)"]


def test_pictures_of_two_people_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = write_image(tmp_path / "1.png", scene(red=(10, 20)))
    other = write_image(tmp_path / "2.png", scene(green=(10, 20)))
    collect([one, other], 1, look)
    (line,) = warned(caplog)
    assert line.startswith(f"{one} and {other} may show two people: 1.")


def test_a_crowd_of_strangers_is_told_in_some_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    collect([stored(tmp_path, *range(0, 360, 36))], 1, never)
    lines = warned(caplog)
    assert len(lines) == 6
    assert lines[-1] == "5 more references may show somebody else"


def test_so_many_that_memory_would_not_do_are_not_compared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegrab.people.references.MOST_COMPARED", 2)
    collect([stored(tmp_path, 0, 60, 120)], 1, never)
    assert warned(caplog) == []


def test_star_alone_is_everybody_and_needs_no_network() -> None:
    assert len(collect(["*"], 1, never)) == 0


def test_star_with_others_is_refused(folder: Path) -> None:
    with pytest.raises(GalleryError, match="alone"):
        collect(["*", folder], 1, never)


def test_saved_references_need_no_network(folder: Path) -> None:
    saved = collect([folder / "1.png"], 1, look)
    saved.save(folder / "A.NPZ")
    loaded = collect([folder / "A.NPZ"], 1, never)
    np.testing.assert_array_equal(loaded.embedding, saved.embedding)


def faceless(folder: Path) -> Path:
    return write_image(folder / "none.png", scene())


def broken(folder: Path) -> Path:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" * 9)
    return folder


def text(folder: Path) -> Path:
    (folder / "notes.txt").write_text("hello")
    return folder / "notes.txt"


def video(folder: Path) -> Path:
    return write_clip(folder / "v.mp4", [scene(red=(10, 20))])


@pytest.mark.parametrize("make", [faceless, broken, text, video])
def test_nothing_usable_is_an_error_that_names_it(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    with pytest.raises(GalleryError) as caught:
        collect([path], 1, look)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_and_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.jpg"):
        with pytest.raises(MissingError, match=str(path)):
            collect([path], 1, never)
    with pytest.raises(GalleryError, match="no reference given"):
        collect([], 1, never)


def test_jitter_is_the_mean_of_so_many_samples_and_repeatable(folder: Path) -> None:
    counts: list[int] = []
    eyes = painted_eyes()

    class Counting(HueRecogniser):
        def __call__(self, chips: Sequence[Image]) -> FloatArray:
            counts.append(len(chips))
            return super().__call__(chips)

    recogniser = Counting(eyes.points._corners)
    counted = Look(replace(eyes, recogniser=recogniser), Wanted(0.5, extract_size=64))
    one, two = (collect([folder / "1.png"], 7, lambda: counted) for _ in range(2))
    assert counts == [7, 7]
    np.testing.assert_array_equal(one.embedding, two.embedding)
