"""From what the user names as references to a gallery."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import write_clip, write_image
from fakes import HUE, HueRecogniser, paint, painted_eyes, scene

from facegrab.errors import GalleryError, MediaError, MissingError
from facegrab.models.specs import Metric
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


class TestAnotherRecogniser:
    OTHER = replace(
        HUE, name="other", graph=Path("x.onnx"), sha256="ab" * 32, metric="cosine", length=64
    )

    @pytest.fixture
    def saved(self, folder: Path) -> Path:
        """Dlib's references, of two pictures."""
        collect([folder], 1, look).save(folder / "a.npz")
        return folder / "a.npz"

    def other(self) -> Look:
        return Look(painted_eyes(self.OTHER), Wanted(0.5, extract_size=64))

    def load(self, path: Path) -> Gallery:
        return references.load(path, 1, self.other, self.OTHER)

    def test_a_file_names_its_pictures_so_that_they_are_found_again(
        self,
        folder: Path,
        tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(folder)
        collect(["1.png"], 1, look).save(folder / "a.npz")
        loaded = Gallery.load(folder / "a.npz")
        assert loaded.names == (str(folder / "1.png"),)
        assert loaded.hashes == (hashlib.sha256((folder / "1.png").read_bytes()).hexdigest(),)
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        assert len(self.load(folder / "a.npz")) == 1

    def test_its_pictures_are_encoded_anew(self, saved: Path) -> None:
        before = Gallery.load(saved)
        anew = self.load(saved)
        assert (anew.recogniser, anew.metric) == ("other-abababab", "cosine")
        assert anew.embedding.shape == (2, 64)
        assert anew.names == before.names
        assert anew.hashes == before.hashes
        assert hues(anew) == hues(before)

    def test_its_own_needs_no_network(self, saved: Path) -> None:
        self.load(saved).save(saved)
        assert len(references.load(saved, 1, never, self.OTHER)) == 2

    @pytest.mark.parametrize("change", ["missing", "another"])
    def test_pictures_that_are_not_as_they_were_are_an_error_that_tells_the_way_out(
        self, saved: Path, change: str
    ) -> None:
        picture = saved.parent / "2.jpg"
        picture.unlink()
        if change == "another":
            write_image(picture, scene(green=(10, 20)))
        with pytest.raises(GalleryError, match="1 of the 2 pictures") as caught:
            self.load(saved)
        line = str(caught.value)
        assert str(saved) in line
        assert "the recogniser dlib" in line
        assert "other-abababab" in line
        assert "--recogniser dlib" in line
        assert "\n" not in line

    @pytest.mark.parametrize("count", [1, 3])
    def test_a_file_of_2018_has_no_pictures(self, tmp_path: Path, count: int) -> None:
        np.savez(tmp_path / "a.npz", *np.full((count, 128), 0.1))
        with pytest.raises(GalleryError, match=f"{count} of the {count} pictures"):
            self.load(tmp_path / "a.npz")
        assert len(references.load(tmp_path / "a.npz", 1, never, HUE)) == count

    def test_pictures_beside_such_a_file_are_compared_with_what_is_made_anew(
        self, saved: Path, folder: Path
    ) -> None:
        both = [saved, folder / "1.png"]
        gallery = references.collect(both, 1, self.other, self.OTHER, 0.3)
        assert (len(gallery), gallery.recogniser) == (3, "other-abababab")
        assert gallery.distances(gallery.embedding).max() < 0.01

    @pytest.mark.parametrize(("length", "metric"), [(128, "cosine"), (64, "euclidean")])
    def test_a_file_that_names_a_recogniser_it_cannot_be_of_is_refused(
        self, tmp_path: Path, length: int, metric: Metric
    ) -> None:
        wrong = np.full((2, length), 0.1, np.float32)
        Gallery(wrong, ("a", "b"), (), self.OTHER.key, metric).save(tmp_path / "a.npz")
        with pytest.raises(GalleryError, match="none of the recogniser other-abababab"):
            references.collect([tmp_path / "a.npz"], 1, never, self.OTHER, 0.3)
