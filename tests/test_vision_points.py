"""Points of faces, whether the detector knows five of them or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fakes import FixedPoints

from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision import align
from facegrab.vision.align import ARCFACE_PX, MEAN_FACE
from facegrab.vision.points import PointFinder, five_of, tree_box_of

FIVE = ARCFACE_PX.astype(np.float32)
MEAN_68 = np.concatenate([np.zeros((17, 2)), MEAN_FACE]).astype(np.float32)
EYES_AND_NOSE = MEAN_68[[45, 42, 36, 39, 33]]
IMAGES = [np.zeros((200, 300, 3), np.uint8)] * 4
IMAGE_OF = np.array([0, 1, 1, 3], np.int64)
BOX = np.array(
    [[0, 0, 99, 99], [50, 20, 149, 119], [100, 10, 139, 49], [200, 90, 279, 169]], np.float32
)


class Asked(FixedPoints):
    """Notes what it is asked."""

    def __init__(self, unit: FloatArray) -> None:
        super().__init__(unit)
        self.boxes: list[list[list[float]]] = []
        self.images: list[list[int]] = []

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        self.boxes.append(box.tolist())
        self.images.append(image_of.tolist())
        return super().__call__(images, image_of, box)


def some_known() -> FloatArray:
    """Of the first and the third face; the others' are NaN."""
    points5 = np.full((4, 5, 2), np.nan, np.float32)
    points5[0], points5[2] = FIVE, FIVE / 2 + [100, 10]
    return points5


class TestBox:
    def test_of_a_face_as_in_the_template(self) -> None:
        x0, y0, x1, y1 = tree_box_of(FIVE).tolist()
        assert [x1 - x0, y1 - y0] == pytest.approx([85, 85], abs=1e-3)
        assert x0 < FIVE[:, 0].min() < FIVE[:, 0].max() < x1
        assert y0 < FIVE[:, 1].min() < FIVE[:, 1].max() < y1

    def test_it_moves_and_grows_with_the_face(self) -> None:
        moved = tree_box_of((FIVE * 25 + [300, -40]).astype(np.float32))
        expected = tree_box_of(FIVE) * 25 + np.array([300, -40, 300, -40])
        # Each is rounded to half a pixel, and then one is enlarged.
        np.testing.assert_allclose(moved, expected, atol=0.5 + 25 * 0.5)

    def test_it_is_in_whole_pixels_so_that_a_hair_does_not_move_it(self) -> None:
        random = np.random.default_rng(3)
        faces = (FIVE * 3 + random.uniform(-1, 1, (200, 5, 2))).astype(np.float32)
        boxes = np.array([tree_box_of(face) for face in faces])
        hair = np.array([tree_box_of(face + np.float32(1e-4)) for face in faces])
        assert (boxes == np.round(boxes)).all()
        assert (boxes != hair).any(axis=1).mean() < 0.02

    def test_it_turns_with_the_face_and_keeps_its_size(self) -> None:
        quarter = tree_box_of(FIVE @ np.array([[0, 1], [-1, 0]], np.float32))  # (x, y) to (-y, x)
        x0, y0, x1, y1 = tree_box_of(FIVE).tolist()
        np.testing.assert_allclose(quarter, [-y1, x0, -y0, x1], atol=1e-3)

    def test_points_that_coincide_are_a_box_without_a_size(self) -> None:
        assert tree_box_of(np.full((5, 2), 7, np.float32)).tolist() == [7, 7, 7, 7]


class TestWithMesh:
    def test_known_points_stay_and_the_others_come_from_the_mesh(self) -> None:
        mesh = Asked(MEAN_68)
        given = some_known()
        points = PointFinder(FixedPoints(EYES_AND_NOSE), mesh)(IMAGES, IMAGE_OF, BOX, given)
        np.testing.assert_array_equal(points.points5[[0, 2]], given[[0, 2]])
        np.testing.assert_array_equal(points.points5[[1, 3]], five_of(points.points68[[1, 3]]))
        assert np.isnan(given[[1, 3]]).all()  # the detector's array is not written to

    def test_the_mesh_starts_from_the_box_that_dlib_would_have_drawn(self) -> None:
        mesh = Asked(MEAN_68)
        given = some_known()
        points = PointFinder(FixedPoints(EYES_AND_NOSE), mesh)(IMAGES, IMAGE_OF, BOX, given)
        assert mesh.boxes == [points.tree_box.tolist()]
        assert mesh.images == [IMAGE_OF.tolist()]
        np.testing.assert_array_equal(points.tree_box[[1, 3]], BOX[[1, 3]])
        np.testing.assert_array_equal(points.tree_box[0], tree_box_of(given[0]))
        np.testing.assert_array_equal(points.tree_box[2], tree_box_of(given[2]))

    def test_points_that_coincide_are_no_points(self) -> None:
        given = some_known()
        given[2] = 120.5
        points = PointFinder(FixedPoints(EYES_AND_NOSE), FixedPoints(MEAN_68))(
            IMAGES, IMAGE_OF, BOX, given
        )
        np.testing.assert_array_equal(points.tree_box[1:], BOX[1:])
        np.testing.assert_array_equal(points.points5[2], five_of(points.points68)[2])
        np.testing.assert_array_equal(points.points5[0], given[0])

    @pytest.mark.parametrize("rows", [[0, 2], [1, 3]])
    def test_all_known_and_none_known(self, rows: list[int]) -> None:
        finder = PointFinder(FixedPoints(EYES_AND_NOSE), FixedPoints(MEAN_68))
        points = finder(IMAGES, IMAGE_OF[rows], BOX[rows], some_known()[rows])
        assert np.isfinite(points.points5).all()
        assert np.isfinite(points.points68).all()


class TestWithoutMesh:
    """As where its licence is in the way."""

    def test_only_faces_without_points_are_looked_at(self) -> None:
        corners = Asked(EYES_AND_NOSE)
        given = some_known()
        points = PointFinder(corners, None)(IMAGES, IMAGE_OF, BOX, given)
        assert corners.boxes == [BOX[[1, 3]].tolist()]
        assert corners.images == [[1, 3]]
        assert np.isnan(points.points68).all()
        np.testing.assert_array_equal(points.points5[[0, 2]], given[[0, 2]])

    def test_five_points_are_those_of_a_mean_face_over_eyes_and_nose(self) -> None:
        points = PointFinder(Asked(EYES_AND_NOSE), None)(IMAGES, IMAGE_OF, BOX, some_known())
        mean = five_of(MEAN_68[None])[0]
        for row in (1, 3):
            side = BOX[row, 2:] - BOX[row, :2]
            np.testing.assert_allclose(points.points5[row], mean * side + BOX[row, :2], atol=1e-3)


@pytest.mark.parametrize("mesh", [FixedPoints(MEAN_68), None])
def test_no_faces(mesh: FixedPoints | None) -> None:
    nothing = np.empty((0, 5, 2), np.float32)
    points = PointFinder(FixedPoints(EYES_AND_NOSE), mesh)(IMAGES, IMAGE_OF[:0], BOX[:0], nothing)
    shapes = (points.tree_box.shape, points.points5.shape, points.points68.shape)
    assert shapes == ((0, 4), (0, 5, 2), (0, 68, 2))
    assert points.points5.dtype == points.tree_box.dtype == points.points68.dtype == np.float32


def test_the_five_among_the_68() -> None:
    numbered = np.repeat(np.arange(68, dtype=np.float32)[:, None], 2, axis=1)
    five = five_of(numbered[None])
    assert five[0, :, 0].tolist() == [38.5, 44.5, 30, 48, 54]  # eyes are the means of their six
    assert five.dtype == np.float32


def test_the_box_lies_where_dlibs_detector_draws_it() -> None:
    """On 201 faces that both found: around the middle of ArcFace's template."""
    box = tree_box_of(100 * align.ARCFACE_PX.astype(np.float32))
    assert (box[:2] + box[2:]).tolist() == pytest.approx([200 * 51.9, 200 * 63.3], abs=10)
    assert (box[2:] - box[:2]).tolist() == pytest.approx([8500, 8500], abs=10)
