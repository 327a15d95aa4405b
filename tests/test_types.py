"""Frames, detections and faces check their shapes and keep their rows together."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from fakes import random_faces

from facegrab.types import Detections, Faces, Frame


def test_a_frame_is_rgb_of_8_bit() -> None:
    for image in (
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ):
        with pytest.raises(ValueError, match="uint8"):
            Frame(0, 0.0, image)  # type: ignore[arg-type]
    assert repr(Frame(3, 0.12, np.zeros((2, 5, 3), np.uint8))) == "Frame(3, 0.120 s, 5x2)"


def test_boxes_and_scores_belong_together() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Detections.without_points(np.zeros((2, 4), np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize("name", [field.name for field in fields(Faces)])
def test_every_column_of_faces_is_checked(name: str) -> None:
    faces = random_faces(4)
    column = getattr(faces, name)
    for wrong in (column[:3], column.astype(np.float16), column[:, None]):
        # The number of rows is that of frame: a short one shows in the next column.
        with pytest.raises(ValueError, match=rf"{name}|number"):
            replace(faces, **{name: wrong})


def test_select_keeps_rows_together_in_the_order_asked_for() -> None:
    faces = random_faces(6)
    mask = np.array([True, False, True, False, False, True])
    for rows in (mask, np.array([5, 0, 0])):
        chosen = faces.select(rows)
        for field in fields(Faces):
            expected = getattr(faces, field.name)[rows]
            np.testing.assert_array_equal(getattr(chosen, field.name), expected)


def test_concatenate_undoes_select() -> None:
    faces = random_faces(6)
    joined = Faces.concatenate([faces.select(np.arange(2)), faces.select(np.arange(2, 6))])
    for field in fields(Faces):
        np.testing.assert_array_equal(getattr(joined, field.name), getattr(faces, field.name))
    assert len(Faces.concatenate([])) == len(Faces.empty()) == 0


def test_the_size_is_the_longer_side_corner_pixels_included() -> None:
    box: Any = np.array([[10, 10, 19, 14], [0, 0, 0, 79]], np.float32)
    assert replace(random_faces(2), box=box).size_px.tolist() == [10, 80]
    assert Faces.empty().size_px.shape == (0,)
