"""How heads are turned: what a head in space casts gives its angles back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facegrab.types import FloatArray
from facegrab.vision.pose import (
    EDGES_DEGREES,
    HEAD,
    HEAD_OF_FIVE,
    STEADY,
    TURNS,
    head_pose,
    head_pose_of_five,
    turn_of,
)

MIRRORED_FIVE = [1, 0, 2, 4, 3]
degrees = st.floats(-75, 75)
every = {"yaw": degrees, "pitch": st.floats(-50, 50), "roll": st.floats(-170, 170)}


def cast(head: NDArray[np.float64], *angles: float, scale: float = 60.0) -> FloatArray:
    """What is seen from far away of a head, (1, P, 2), in pixels."""
    turn = turn_of(*(np.array([each]) for each in angles))[0]
    return np.asarray((head @ turn.T * scale + [300, 200, 0])[None, :, :2], np.float32)


def in_68(points: FloatArray) -> FloatArray:
    """Points in their places among the 68; the rest is far off, because they do not count."""
    found = np.full((len(points), 68, 2), 1e4, np.float32)
    found[:, STEADY] = points
    return found


@settings(deadline=None)
@given(**every)
def test_any_turn_is_found_again(yaw: float, pitch: float, roll: float) -> None:
    for found in (
        head_pose(in_68(cast(HEAD, yaw, pitch, roll))),
        head_pose_of_five(cast(HEAD_OF_FIVE, yaw, pitch, roll)),
    ):
        assert np.concatenate(found) == pytest.approx([yaw, pitch, roll], abs=0.05)


@settings(deadline=None)
@given(**every)
def test_the_mirror_image_is_turned_the_other_way(yaw: float, pitch: float, roll: float) -> None:
    points = cast(HEAD_OF_FIVE, yaw, pitch, roll)
    points += np.random.default_rng(3).normal(0, 0.5, points.shape).astype(np.float32)
    mirrored = (points * [-1, 1] + [640, 0])[:, MIRRORED_FIVE].astype(np.float32)
    there, back = (np.concatenate(head_pose_of_five(each)) for each in (points, mirrored))
    assert back == pytest.approx(there * [-1, 1, -1], abs=0.05)


def test_signs_are_what_they_are_said_to_be() -> None:
    """By where the tip of the nose goes, from between eyes and mouth; y is down."""
    straight, right, up = (
        cast(HEAD_OF_FIVE, *each)[0] for each in ((0, 0, 0), (30, 0, 0), (0, 20, 0))
    )
    assert right[2, 0] - right[[0, 1, 3, 4], 0].mean() > 10
    assert up[2, 1] < straight[2, 1] - 10
    eyes = cast(HEAD_OF_FIVE, 0, 0, 20)[0]
    assert eyes[1, 1] > eyes[0, 1]  # clockwise: the picture's right eye is lower


def test_size_and_place_do_not_matter() -> None:
    points = cast(HEAD_OF_FIVE, 25, -10, 5)
    a, b = head_pose_of_five(points), head_pose_of_five(points * 7 - 500)
    np.testing.assert_allclose(a, b, atol=0.05)


def test_what_is_unknown_stays_unknown_and_harms_no_other() -> None:
    points = np.concatenate(
        [cast(HEAD_OF_FIVE, 25, 0, 0), np.full((1, 5, 2), np.nan), np.full((1, 5, 2), 7.0)]
    ).astype(np.float32)
    points[1, :3] = 5  # some are known
    yaw, pitch, roll = head_pose_of_five(points)
    assert [each.dtype for each in (yaw, pitch, roll)] == [np.float32] * 3
    assert yaw[0] == pytest.approx(25, abs=0.05)
    assert np.isnan([yaw[1:], pitch[1:], roll[1:]]).all()


def test_no_face_at_all() -> None:
    for found in (
        head_pose(np.empty((0, 68, 2), np.float32)),
        head_pose_of_five(np.empty((0, 5, 2), np.float32)),
    ):
        assert [each.shape for each in found] == [(0,)] * 3


@pytest.mark.filterwarnings("error")
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=10, max_size=10))
@settings(deadline=None)
def test_points_that_are_no_face_break_nothing(numbers: list[float]) -> None:
    points = np.array(numbers, np.float32).reshape(1, 5, 2)
    for angle in head_pose_of_five(points):
        assert np.isnan(angle).all() or (np.abs(angle) <= 180).all()


def test_bins_have_names() -> None:
    assert len(TURNS) == len(EDGES_DEGREES) + 1
    assert TURNS[int(np.digitize(60, EDGES_DEGREES))] == "profile right"
