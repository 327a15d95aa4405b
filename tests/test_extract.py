"""Which extracts are made of which faces, and what is said of those of which there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import paint, painted_eyes, scene

from facegrab.extract import Extractor, Planned, held, make
from facegrab.summary import ENLARGED, NO_POSE
from facegrab.types import Faces, Frame
from facegrab.vision.alignments import native_scale, parse_alignments
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Frame 7 with a small red (row 0) and a large green (row 1), 14 with a large blue (row 2)."""
    first, second = scene((400, 200), red=(10, 20)), scene((400, 200))
    paint(first, "green", 120, 30, 120)
    paint(second, "blue", 60, 40, 120)
    return [Frame(7, 0.28, first), Frame(14, 0.56, second)]


@pytest.fixture(scope="module")
def faces(frames: list[Frame]) -> Faces:
    return Look(painted_eyes(), Wanted(0.5, extract_size=64))(frames)


def planned(
    faces: Faces, *align: str, rows: tuple[int, ...] = (0, 1, 2), upsample: bool = True
) -> tuple[list[Planned], dict[int, str]]:
    extractor = Extractor(parse_alignments(align, 64), upsample=upsample)
    return extractor.plan(faces, rows, lambda row: f"face{row}.png")


def files(made: list[Planned]) -> list[str]:
    return [each.entry.file for each in made]


def test_one_alignment_fills_one_folder(faces: Faces) -> None:
    made, none = planned(faces, "mean-face")
    assert files(made) == ["face0.png", "face1.png", "face2.png"]
    assert none == {}


def test_of_several_each_has_its_own_and_names_are_the_same(faces: Faces) -> None:
    made, none = planned(faces, "arcface", "mean-face:96", rows=(1, 2))
    assert files(made) == [
        "arcface-112/face1.png", "mean-face-96/face1.png",
        "arcface-112/face2.png", "mean-face-96/face2.png",
    ]  # fmt: skip
    assert [each.entry.row for each in made] == [1, 1, 2, 2]
    assert [each.entry.size_px for each in made] == [112, 96, 112, 96]
    assert none == {}


def test_the_scale_noted_is_the_matrix_s(faces: Faces) -> None:
    made, _ = planned(faces, "mean-face", "none")
    assert [each.entry.native_scale for each in made] == [native_scale(e.matrix) for e in made]
    small, large = made[0].entry.native_scale, made[2].entry.native_scale
    assert large < 1 < small
    # Small and large are the same drawing, 48 and 120 px; boxes are a pixel less.
    assert small / large == pytest.approx(119 / 47, rel=0.02)


class TestWithoutUpsample:
    def test_a_face_smaller_than_its_extract_is_dropped(self, faces: Faces) -> None:
        made, none = planned(faces, "mean-face", upsample=False)
        assert files(made) == ["face1.png", "face2.png"]
        assert none == {0: ENLARGED}

    def test_a_face_keeps_the_extracts_that_do_not_enlarge_it(self, faces: Faces) -> None:
        made, none = planned(faces, "mean-face:32", "mean-face:64", upsample=False)
        assert files(made) == [
            "mean-face-32/face0.png",
            "mean-face-32/face1.png", "mean-face-64/face1.png",
            "mean-face-32/face2.png", "mean-face-64/face2.png",
        ]  # fmt: skip
        assert none == {}


def without_a_pose(faces: Faces, row: int) -> Faces:
    """The same, but all points of a face are one."""
    points5, points68 = faces.points5.copy(), faces.points68.copy()
    points5[row] = points68[row] = 50
    columns: dict[str, Any] = {n: getattr(faces, n) for n in Faces.__slots__}
    return Faces(**columns | {"points5": points5, "points68": points68})


def test_a_face_whose_points_coincide_has_no_extract_and_the_others_have(faces: Faces) -> None:
    every = ("mean-face", "arcface", "dlib-chip", "ffhq", "faceswap-face", "faceswap-head")
    made, none = planned(without_a_pose(faces, 1), *every)
    assert {each.entry.row for each in made} == {0, 2}
    assert none == {1: NO_POSE}


def test_such_a_face_is_shown_unaligned(faces: Faces) -> None:
    made, none = planned(without_a_pose(faces, 1), "mean-face", "none", rows=(1,))
    assert files(made) == ["none-64/face1.png"]
    assert none == {}


def test_without_the_68_points_the_five_do(faces: Faces) -> None:
    columns: dict[str, Any] = {n: getattr(faces, n) for n in Faces.__slots__}
    five = Faces(**columns | {"points68": np.full_like(faces.points68, np.nan)})
    (with_five,), (with_68,) = planned(five, rows=(1,))[0], planned(faces, rows=(1,))[0]
    np.testing.assert_allclose(with_five.matrix, with_68.matrix, atol=1)
    assert planned(five, "faceswap-face", rows=(1,))[1] == {1: NO_POSE}


def test_pixels_come_from_the_face_s_own_frame(faces: Faces, frames: list[Frame]) -> None:
    extractor = Extractor(parse_alignments(["mean-face", "arcface"], 64), upsample=True)
    plan, _ = extractor.plan(faces, [2, 1], lambda row: f"{row}.png")
    made = [
        (each.entry.file, image)
        for frame in frames
        for each, image in make(
            [each for each in plan if faces.frame[each.entry.row] == frame.index], frame.image
        )
    ]
    assert sorted((name, image.shape) for name, image in made) == sorted([
        ("mean-face-64/2.png", (64, 64, 3)), ("arcface-112/2.png", (112, 112, 3)),
        ("mean-face-64/1.png", (64, 64, 3)), ("arcface-112/1.png", (112, 112, 3)),
    ])  # fmt: skip
    strongest = {name: int(image.reshape(-1, 3).mean(axis=0).argmax()) for name, image in made}
    assert strongest == {name: 2 if "/2." in name else 1 for name in strongest}


def test_what_is_held_makes_the_same_extract_when_the_frame_is_gone(
    faces: Faces, frames: list[Frame]
) -> None:
    """And keeps the face or the extract, whichever is less."""
    made, _ = planned(faces, "mean-face:256", "mean-face:32", rows=(0, 1))
    enlarged = [each.entry.native_scale > 1 for each in made]
    assert {*enlarged} == {True, False}
    for each, enlarges in zip(made, enlarged, strict=True):
        image = frames[0].image.copy()
        ((_, expected),) = make([each], image)
        later, size_bytes = held(each, image)
        image[:] = 0
        assert np.array_equal(later(), expected)
        assert expected.any()
        assert (size_bytes < expected.nbytes) if enlarges else (size_bytes == expected.nbytes)
