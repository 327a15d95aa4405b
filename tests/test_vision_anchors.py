"""Decoding that several detectors share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import ArrayLike

from facegrab.types import FloatArray
from facegrab.vision.anchors import (
    MOST_CANDIDATES,
    Candidates,
    corners,
    face_share,
    no_points,
    suppressed,
)


def f32(values: ArrayLike) -> FloatArray:
    return np.asarray(values, np.float32)


def candidates(*rows: tuple[float, Sequence[float]]) -> Candidates:
    """From score and box."""
    score = np.array([score for score, _ in rows], np.float32)
    box = np.array([box for _, box in rows], np.float32).reshape(-1, 4)
    return Candidates(score, box, no_points(len(rows)))


def test_of_boxes_that_overlap_the_best_stays() -> None:
    found = suppressed(
        candidates((0.7, [1, 1, 11, 11]), (0.9, [0, 0, 10, 10]), (0.8, [50, 0, 60, 10])), 0.3
    )
    np.testing.assert_array_equal(found.score, f32([0.9, 0.8]))


@pytest.mark.parametrize(("overlap", "stay"), [(0.49, 1), (0.51, 2)])
def test_overlap_is_intersection_over_union(overlap: float, stay: int) -> None:
    """10 x 10, and 10 x 20 that covers it: half."""
    found = candidates((0.9, [0, 0, 10, 10]), (0.8, [0, 0, 10, 20]))
    assert len(suppressed(found, overlap).score) == stay


def test_what_only_a_suppressed_box_overlaps_stays() -> None:
    rows = [(0.9, [0, 0, 10, 10]), (0.8, [4, 0, 14, 10]), (0.7, [8, 0, 18, 10])]
    found = suppressed(candidates(*rows), 0.3)
    np.testing.assert_array_equal(found.score, f32([0.9, 0.7]))


def test_boxes_and_points_without_extent_go() -> None:
    assert len(suppressed(candidates((0.9, [5, 5, 5, 9]), (0.8, [9, 9, 8, 8])), 0.3).score) == 0
    face = candidates((0.9, [0, 0, 10, 10]))
    assert len(suppressed(face._replace(points=np.ones((1, 5, 2), np.float32)), 0.3).score) == 0
    points = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    assert len(suppressed(face._replace(points=points), 0.3).score) == 1


def test_no_more_than_can_be_sorted_out() -> None:
    count = MOST_CANDIDATES + 10
    left = np.arange(count, dtype=np.float32) * 10
    box = np.stack([left, left * 0, left + 5, left * 0 + 5], axis=1)
    score = np.linspace(0, 1, count, dtype=np.float32)
    found = suppressed(Candidates(score, box, no_points(count)), 0.3)
    np.testing.assert_array_equal(found.score, score[::-1][:MOST_CANDIDATES])


def test_rows_run_along_the_lines_anchor_by_anchor() -> None:
    """20 px are 3 cells of 8."""
    found = corners(np.array([0, 1, 2, 5, 6, 13]), 20, 8, 2)
    np.testing.assert_array_equal(found, [[0, 0], [0, 0], [8, 0], [16, 0], [0, 8], [0, 16]])


def test_a_share_that_the_graph_left_to_the_caller() -> None:
    shares = f32([[0.25, 0.75], [1.0, 0.0]])
    np.testing.assert_array_equal(face_share(shares), f32([0.75, 0]))
    logits = f32([[0.0, float(np.log(3))], [500.0, -500.0], [-500.0, 500.0]])
    np.testing.assert_allclose(face_share(logits), [0.75, 0, 1], atol=1e-6)
    assert len(face_share(np.empty((0, 2), np.float32))) == 0


def test_scaling_moves_edges_and_middles_of_pixels() -> None:
    found = candidates((0.9, [0, 2, 4, 8]))._replace(points=np.zeros((1, 5, 2), np.float32))
    large = found.scaled(2, 4)
    np.testing.assert_array_equal(large.box, [[0, 8, 8, 32]])
    np.testing.assert_array_equal(large.points[0, 0], [0.5, 1.5])
