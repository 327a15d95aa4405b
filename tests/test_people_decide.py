"""Deciding: the distance is the mean over the three nearest references."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import HUE
from hypothesis import given
from hypothesis import strategies as st

from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.people.decide import NEAREST, decide
from facegrab.people.gallery import Gallery, distances
from facegrab.types import FloatArray


def gallery_of(embedding: FloatArray) -> Gallery:
    return Gallery(embedding, tuple(str(row) for row in range(len(embedding))))


def random_vectors(count: int, seed: int) -> FloatArray:
    random = np.random.default_rng(seed)
    return random.normal(0, 0.05, (count, EMBEDDING_LENGTH)).astype(np.float32)


def along_the_axis(*places: float) -> FloatArray:
    """Vectors whose distance from zero is known."""
    vectors = np.zeros((len(places), EMBEDDING_LENGTH), np.float32)
    vectors[:, 0] = places
    return vectors


@given(st.integers(0, 6), st.integers(1, 5), st.integers(0, 999), st.floats(0.1, 1.0))
def test_as_a_person_would_compute_it(
    count: int, references: int, seed: int, tolerance: float
) -> None:
    faces, gallery = random_vectors(count, seed), random_vectors(references, seed + 1)
    decisions = decide(faces, gallery_of(gallery), tolerance)
    assert len(decisions.distance) == len(decisions.matched) == count
    for row, face in enumerate(faces.astype(np.float64)):
        each = sorted(float(np.linalg.norm(face - reference)) for reference in gallery)
        nearest = each[: min(NEAREST, references)]
        distance = sum(nearest) / len(nearest)
        assert decisions.distance[row] == pytest.approx(distance, abs=1e-4)
        if abs(distance - tolerance) > 1e-4:
            assert decisions.matched[row] == (distance <= tolerance)
        if min(abs(one - tolerance) for one in each) > 1e-4:
            assert decisions.references_within[row] == sum(one <= tolerance for one in each)


def test_no_reference_matches_everybody_at_no_distance() -> None:
    decisions = decide(random_vectors(3, 1), Gallery.empty(HUE), 0.1)
    assert decisions.matched.all()
    assert np.isnan(decisions.distance).all()
    assert decisions.references_within.tolist() == [0, 0, 0]


def test_no_face_is_no_decision() -> None:
    for gallery in (Gallery.empty(HUE), gallery_of(random_vectors(2, 1))):
        assert len(decide(random_vectors(0, 1), gallery, 0.6).matched) == 0


def test_the_tolerance_itself_still_matches() -> None:
    decisions = decide(along_the_axis(0.5, 0.50001), gallery_of(along_the_axis(0.0)), 0.5)
    assert decisions.matched.tolist() == [True, False]
    assert decisions.references_within.tolist() == [1, 0]


def test_one_lucky_reference_does_not_let_a_stranger_in() -> None:
    gallery = gallery_of(along_the_axis(0.1, 0.9, 1.0, 1.1))
    decisions = decide(along_the_axis(0.0), gallery, 0.6)
    assert decisions.distance[0] == pytest.approx((0.1 + 0.9 + 1.0) / 3)
    assert not decisions.matched[0]
    assert decisions.references_within[0] == 1


def test_references_that_are_far_do_not_keep_the_person_out() -> None:
    gallery = gallery_of(along_the_axis(0.3, 0.3, 0.3, 3.0, 3.0, 3.0))
    assert decide(along_the_axis(0.0), gallery, 0.6).matched[0]


def test_distances_of_equal_vectors_are_zero_and_never_nan() -> None:
    vectors = random_vectors(9, 3)
    assert np.diag(distances(vectors, vectors)) == pytest.approx(np.zeros(9), abs=1e-3)
