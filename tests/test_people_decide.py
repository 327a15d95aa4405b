"""Deciding: the distance is the mean over the three nearest references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import HUE
from hypothesis import given
from hypothesis import strategies as st

from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.people.decide import NEAREST, Decisions, decide, rescue_limit
from facegrab.people.gallery import Gallery, distances
from facegrab.types import FloatArray, IntArray


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


def decided(
    places: list[float],
    tracks: list[int],
    *,
    frames: list[int] | None = None,
    tolerance: float = 0.6,
    per_frame: bool = False,
) -> Decisions:
    """Faces at known distances from one reference, in tracks."""
    return decide(
        along_the_axis(*places),
        gallery_of(along_the_axis(0.0)),
        tolerance,
        track=np.array(tracks, np.int64),
        frame=np.array(frames or range(len(places)), np.int64),
        per_frame=per_frame,
    )


def test_a_face_that_misses_the_tolerance_is_kept_and_marked_for_its_tracks_sake() -> None:
    decisions = decided([0.5, 0.55, 0.65, 0.5], [4, 4, 4, 4])
    assert decisions.matched.tolist() == [True] * 4
    assert decisions.by_track.tolist() == [False, False, True, False]
    assert decisions.track_distance == pytest.approx(0.5)
    assert decisions.distance[2] == pytest.approx(0.65)


def test_a_fluke_is_refused_by_its_track() -> None:
    decisions = decided([0.7, 0.75, 0.58, 0.72], [0, 0, 0, 0])
    assert not decisions.matched.any()
    assert decisions.refused.tolist() == [False, False, True, False]


def test_per_frame_is_the_decision_without_tracks() -> None:
    places = [0.5, 0.55, 0.65, 0.5, 0.7, 0.75, 0.58, 0.72]
    tracks = [0] * 4 + [1] * 4
    alone = decide(along_the_axis(*places), gallery_of(along_the_axis(0.0)), 0.6)
    for each in (decided(places, tracks, per_frame=True), alone):
        assert each.matched.tolist() == [place <= 0.6 for place in places]
        assert not each.by_track.any()
        assert not each.refused.any()
        assert each.track_distance.tolist() == each.distance.tolist()


def test_a_track_of_one_face_decides_as_the_face_alone() -> None:
    decisions = decided([0.5, 0.65], [0, 1])
    assert decisions.matched.tolist() == [True, False]


def test_nobody_is_rescued_from_beyond_the_limit() -> None:
    limit = rescue_limit(0.6)
    decisions = decided([0.5, 0.5, 0.5, limit + 0.01, 0.5, 0.5, limit - 0.01], [0] * 7)
    assert decisions.matched.tolist() == [True, True, True, False, True, True, True]


def test_a_track_of_two_people_is_parted() -> None:
    """Eight faces of the person, eight of another: neither lifts the other."""
    decisions = decided([0.4] * 8 + [1.3] * 8 + [0.45] * 8, [3] * 24)
    assert decisions.matched.tolist() == [True] * 8 + [False] * 8 + [True] * 8
    assert decisions.track_distance[:8] == pytest.approx(0.4)
    assert decisions.track_distance[8:16] == pytest.approx(1.3)


def test_a_stranger_among_the_faces_of_a_track_is_not_rescued() -> None:
    """As near to the reference as others that are, but unlike the rest of the track."""
    faces = along_the_axis(*[0.5] * 9)
    faces[4] = 0
    faces[4, 1] = 0.65
    decisions = decide(
        faces,
        gallery_of(along_the_axis(0.0)),
        0.6,
        track=np.zeros(9, np.int64),
        frame=np.arange(9, dtype=np.int64),
    )
    assert decisions.matched.tolist() == [True] * 4 + [False] + [True] * 4


def test_one_odd_picture_at_the_end_of_a_track_parts_nothing() -> None:
    faces = along_the_axis(*[0.3] * 9)
    faces[8] = 0
    faces[8, 1] = 0.59
    decisions = decide(
        faces,
        gallery_of(along_the_axis(0.0)),
        0.6,
        track=np.zeros(9, np.int64),
        frame=np.arange(9, dtype=np.int64),
    )
    assert decisions.track_distance == pytest.approx(0.3)


def test_a_long_track_has_to_be_a_little_nearer_than_a_single_face() -> None:
    decisions = decided([0.58] * 12 + [0.58] + [0.52] * 12, [0] * 12 + [1] + [2] * 12)
    assert decisions.matched.tolist() == [False] * 12 + [True] * 13


def test_a_strict_tolerance_parts_no_track_of_one_person() -> None:
    """How far the faces of one person are from each other does not depend on who is asked for."""
    decisions = decided([0.1] * 6 + [0.25] * 6, [0] * 12, tolerance=0.2)
    assert decisions.track_distance == pytest.approx(0.1)


@pytest.mark.parametrize("other", [0.2, 1.2])
def test_by_cosine_too(other: float) -> None:
    """Six faces straight ahead and six at a cosine distance: parted if that is another person."""
    angle = np.arccos(1 - other)
    faces = np.zeros((12, EMBEDDING_LENGTH), np.float32)
    faces[:6, 0] = 2.0
    faces[6:, :2] = 3.0 * np.array([np.cos(angle), np.sin(angle)])
    gallery = replace(gallery_of(along_the_axis(1.0)), metric="cosine")
    decisions = decide(
        faces,
        gallery,
        0.68,
        track=np.zeros(12, np.int64),
        frame=np.arange(12, dtype=np.int64),
    )
    assert decisions.distance[-1] == pytest.approx(other, abs=1e-5)
    assert decisions.matched.tolist() == [True] * 6 + [other < 0.68] * 6
    assert decisions.track_distance[-1] == pytest.approx(other if other > 0.68 else 0, abs=1e-5)


def test_tracks_need_their_frames() -> None:
    with pytest.raises(ValueError, match="frames"):
        decide(
            random_vectors(2, 1),
            gallery_of(random_vectors(1, 2)),
            0.6,
            track=np.zeros(2, np.int64),
        )


def test_no_reference_matches_every_face_of_every_track() -> None:
    decisions = decide(
        random_vectors(4, 1),
        Gallery.empty(HUE),
        0.1,
        track=np.zeros(4, np.int64),
        frame=np.arange(4, dtype=np.int64),
    )
    assert decisions.matched.all()
    assert not decisions.by_track.any()


@given(st.integers(0, 60), st.integers(0, 999))
def test_the_order_of_the_rows_does_not_matter(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    embedding = along_the_axis(*random.uniform(0.3, 0.9, count))
    track, frame = random.integers(0, 9, count), np.arange(count)
    order = random.permutation(count)

    def of(rows: IntArray) -> Decisions:
        return decide(
            embedding[rows],
            gallery_of(along_the_axis(0.0)),
            0.6,
            track=track[rows],
            frame=frame[rows],
        )

    before, after = of(np.arange(count)), of(order)
    assert after.matched.tolist() == before.matched[order].tolist()
    assert after.track_distance.tolist() == before.track_distance[order].tolist()


@given(st.integers(1, 60), st.integers(0, 999))
def test_every_face_is_accounted_for(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    places = random.uniform(0.3, 1.0, count).tolist()
    decisions = decided(places, random.integers(0, 6, count).tolist())
    alone = decisions.distance <= np.float32(0.6)
    assert (decisions.by_track == (decisions.matched & ~alone)).all()
    assert (decisions.refused == (alone & ~decisions.matched)).all()
    assert (decisions.distance[decisions.matched] <= rescue_limit(0.6)).all()
