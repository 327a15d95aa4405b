"""Judging: who each face is, by the distance, by those beside, and by the rest of the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fakes import random_faces
from hypothesis import given
from hypothesis import strategies as st

from facegrab.people.gallery import Gallery
from facegrab.people.judge import (
    AMBIGUOUS,
    ASK,
    DROP,
    KEEP,
    NOBODY,
    Asked,
    Judge,
    Person,
    Verdicts,
)
from facegrab.people.probability import alone, belief, near
from facegrab.people.together import Together
from facegrab.types import Faces, FloatArray

TOLERANCE = 0.6
AXES = np.eye(128, dtype=np.float32)


def at(distance: float, axis: int = 1, start: int = 0) -> FloatArray:
    """An embedding so far from that of person ``start``, towards an axis of its own."""
    return np.asarray(AXES[start] + distance * AXES[axis], np.float16).astype(np.float32)


def faces_of(rows: Sequence[tuple[int, int, FloatArray]]) -> Faces:
    """Faces of (frame, track, embedding), in the order of frames."""
    rows = sorted(rows, key=lambda row: row[0])
    frame = np.array([row[0] for row in rows], np.int64)
    number = np.array([sum(f == g for f in frame[:n]) for n, g in enumerate(frame)], np.int64)
    return replace(
        random_faces(len(rows)),
        frame=frame,
        number=number,
        track=np.array([row[1] for row in rows], np.int64),
        embedding=np.stack([row[2] for row in rows]),
    )


def track(number: int, frames: range, embedding: FloatArray) -> list[tuple[int, int, FloatArray]]:
    return [(frame, number, embedding) for frame in frames]


def gallery(*embeddings: FloatArray) -> Gallery:
    return Gallery(np.stack(embeddings), tuple(f"{n}.jpg" for n in range(len(embeddings))))


REFERENCE = gallery(AXES[0])


def asked(*people: Person, others: Sequence[Gallery] = (), **more: bool) -> Asked:
    who = people or (Person("", REFERENCE),)
    return Asked(who, tuple(others), TOLERANCE, "euclidean", **more)


def judged(question: Asked, faces: Faces) -> Verdicts:
    judge = Judge(question)
    judge.see(faces)
    (verdicts,) = judge.verdicts()
    return verdicts


def of_tracks(verdicts: Verdicts, faces: Faces) -> dict[int, str]:
    """The verdict on each track, which is one on all of its faces."""
    said: dict[int, str] = {}
    for number, verdict in zip(faces.track.tolist(), verdicts.verdict.tolist(), strict=True):
        assert said.setdefault(number, verdict) == verdict
    return said


class TestProbability:
    def test_it_falls_with_the_distance(self) -> None:
        share = alone(np.linspace(0, 2, 40, dtype=np.float32), np.full(40, 3))
        assert all(a > b for a, b in pairwise(share.tolist()))
        assert share[0] > 0.999
        assert share[-1] < 0.001

    def test_the_nearest_third_of_many_faces_says_less_than_one(self) -> None:
        distance = np.full(4, 0.9, np.float32)
        share = alone(distance, np.array([1, 2, 5, 8]))
        assert all(a > b for a, b in pairwise(share.tolist()))

    def test_a_poor_face_moves_to_the_middle(self) -> None:
        """Neither a sure match nor surely none."""
        distance, one = np.array([0.5, 1.4], np.float32), np.array([1, 1])
        poor, clear = (
            alone(distance, one, belief(np.full(2, sharpness, np.float32)))
            for sharpness in (3.0, 500.0)
        )
        assert clear.tolist() == alone(distance, one).tolist()
        assert 0.5 < poor[0] < clear[0]
        assert clear[1] < poor[1] < 0.1

    def test_a_cosine_distance_counts_as_the_euclidean_one_does(self) -> None:
        a, b = np.float32(0.9), np.float32(0.5)
        cosine = near(np.array([a**2 / 2]), float(b**2 / 2), "cosine")
        assert cosine == pytest.approx(near(np.array([a]), float(b), "euclidean"))

    def test_near_is_kept_far_is_dropped_and_between_is_asked(self) -> None:
        faces = faces_of([
            *track(0, range(4), at(0.3)),
            *track(1, range(10, 14), at(0.52, axis=2)),
            *track(2, range(20, 24), at(0.9, axis=3)),
        ])  # fmt: skip
        verdicts = judged(asked(), faces)
        assert of_tracks(verdicts, faces) == {0: KEEP, 1: ASK, 2: DROP}
        assert (verdicts.person == 0).all()
        assert verdicts.probability[faces.track == 1].max() < 0.5


class TestLookAlikes:
    ALIKE = 0.48
    """Of the references: by itself the person's."""

    def scene(self, beside: bool) -> Faces:
        """The person, and a look-alike who is beside the person in one track of two."""
        first = 0 if beside else 100
        return faces_of([
            *track(0, range(8), at(0.2)),
            *track(1, range(first, first + 8), at(0.75, axis=2)),
            *track(2, range(200, 208), at(self.ALIKE, axis=2)),
        ])  # fmt: skip

    def test_by_itself_one_who_is_near_enough_is_kept(self) -> None:
        alone = faces_of(track(0, range(8), at(self.ALIKE, axis=2)))
        assert of_tracks(judged(asked(), alone), alone) == {0: KEEP}

    def test_whoever_is_nearer_to_one_beside_the_person_is_not_kept(self) -> None:
        faces = self.scene(beside=True)
        apart, together = (
            judged(asked(), each).probability[each.track == 2].mean()
            for each in (self.scene(beside=False), faces)
        )
        assert together < apart
        assert of_tracks(judged(asked(), faces), faces) == {0: KEEP, 1: DROP, 2: DROP}

    def test_a_track_like_the_sure_ones_is_kept_though_the_references_are_far(self) -> None:
        """Blurred or in the dark: .8 of a tolerance and more from every reference."""
        poor = np.asarray(at(0.4) + 0.34 * AXES[5], np.float16).astype(np.float32)
        faces = faces_of([*track(0, range(8), at(0.4)), *track(1, range(50, 58), poor)])
        only = faces_of(track(1, range(50, 58), poor))
        assert of_tracks(judged(asked(), faces), faces)[1] == KEEP
        assert judged(asked(), faces).probability[-1] > judged(asked(), only).probability[-1]

    def test_a_face_beside_the_sure_person_is_somebody_else(self) -> None:
        """Also a single one that looks a little like both references and person."""
        alike = at(0.45, axis=2)
        faces = faces_of([*track(0, range(8), at(0.2)), (0, 1, alike)])
        alone = faces_of([*track(0, range(8), at(0.2)), (90, 1, alike)])
        assert of_tracks(judged(asked(), alone), alone) == {0: KEEP, 1: KEEP}
        assert of_tracks(judged(asked(), faces), faces) == {0: KEEP, 1: DROP}

    def test_a_split_screen_shows_the_person_twice(self) -> None:
        faces = faces_of([*track(0, range(8), at(0.2)), *track(1, range(8), at(0.25, axis=2))])
        assert of_tracks(judged(asked(), faces), faces) == {0: KEEP, 1: KEEP}


class TestSeveral:
    PEOPLE = (Person("Al", REFERENCE), Person("Zoë", gallery(AXES[1])))

    def test_a_face_goes_to_the_nearest(self) -> None:
        faces = faces_of([*track(0, range(4), at(0.1, 3, 1)), *track(1, range(4), at(0.1, 3, 0))])
        for by_tolerance in (False, True):
            verdicts = judged(asked(*self.PEOPLE, by_tolerance=by_tolerance), faces)
            assert of_tracks(verdicts, faces) == {0: KEEP, 1: KEEP}
            assert (verdicts.person == 1 - faces.track).all()
            assert verdicts.distance.max() == pytest.approx(0.1, abs=0.001)

    @pytest.mark.parametrize("by_tolerance", [False, True])
    def test_one_between_two_is_ambiguous(self, by_tolerance: bool) -> None:
        twins = (Person("Al", REFERENCE), Person("Bo", gallery(at(0.3, 1))))
        faces = faces_of([*track(0, range(4), at(0.15, 1)), *track(1, range(4), at(0.2, 7))])
        said = of_tracks(judged(asked(*twins, by_tolerance=by_tolerance), faces), faces)
        assert said[0] == AMBIGUOUS

    def test_a_coin_toss_is_ambiguous(self) -> None:
        """Though one is the likelier, by a hair."""
        twins = (Person("Al", REFERENCE), Person("Bo", gallery(at(0.2, 1))))
        for distance in (0.098, 0.1, 0.102):
            faces = faces_of(track(0, range(8), at(distance, 1)))
            assert of_tracks(judged(asked(*twins), faces), faces) == {0: AMBIGUOUS}

    @pytest.mark.parametrize("by_tolerance", [False, True])
    def test_whoever_is_nearer_to_one_it_is_not_is_refused(self, by_tolerance: bool) -> None:
        faces = faces_of([*track(0, range(4), at(0.4, 2)), *track(1, range(9, 13), at(0.3, 3))])
        stranger = gallery(at(0.45, 2))
        question = asked(others=[stranger], by_tolerance=by_tolerance)
        assert of_tracks(judged(question, faces), faces) == {0: DROP, 1: KEEP}
        assert of_tracks(judged(asked(by_tolerance=by_tolerance), faces), faces)[0] == KEEP

    def test_everybody_is_kept_and_is_nobody(self) -> None:
        verdicts = judged(Asked((), (), TOLERANCE, "euclidean"), random_faces(5))
        assert set(verdicts.verdict) == {KEEP}
        assert set(verdicts.person) == {NOBODY}
        assert np.isnan(verdicts.distance).all()
        assert np.isnan(verdicts.probability).all()


class TestParts:
    @given(st.integers(0, 2**20), st.booleans())
    def test_it_does_not_matter_in_which_parts_tracks_are_seen(
        self, seed: int, per_frame: bool
    ) -> None:
        random = np.random.default_rng(seed)
        rows = []
        for number in range(6):
            mean = at(float(random.uniform(0.1, 0.9)), axis=number + 1)
            for frame in range(10 * number, 10 * number + int(random.integers(1, 9))):
                noise = random.normal(0, 0.02, 128)
                rows.append((frame, number, (mean + noise).astype(np.float16).astype(np.float32)))
        faces = faces_of(rows)
        question = asked(per_frame=per_frame)
        whole, judge = judged(question, faces), Judge(question)
        parts = [faces.select(np.flatnonzero(faces.track // 2 == part)) for part in range(3)]
        for part in parts:
            judge.see(part)
        split = judge.verdicts()
        assert [len(each.verdict) for each in split] == [len(each) for each in parts]
        for name in ("person", "distance", "references_within", "by_track", "verdict"):
            together = np.concatenate([getattr(each, name) for each in split])
            np.testing.assert_array_equal(together, getattr(whole, name))
        likely = np.concatenate([each.probability for each in split])
        np.testing.assert_allclose(likely, whole.probability, atol=1e-6)

    def test_no_faces(self) -> None:
        assert len(judged(asked(), random_faces(0)).verdict) == 0
        assert Judge(asked()).verdicts() == []

    def test_a_face_unlike_its_track_is_not_kept_with_it(self) -> None:
        odd = at(0.72, axis=9)
        faces = faces_of([*track(0, range(9), at(0.2)), (9, 0, odd)])
        assert judged(asked(), faces).verdict.tolist() == [KEEP] * 9 + [DROP]


class TestTogether:
    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=40))
    def test_pairs_are_those_of_a_plain_search(self, rows: list[tuple[int, int]]) -> None:
        piece = np.array([row[0] for row in rows], np.int64)
        frame = np.array([row[1] for row in rows], np.int64)
        found = Together.of(piece, frame, 6)
        expected = {(a, b) for a, f in rows for b, g in rows if f == g and a != b}
        assert set(zip(found.one.tolist(), found.other.tolist(), strict=True)) == expected
        table = found.table(np.arange(6), np.array([4, 1]), 6)
        assert table.tolist() == [[(row, each) in expected for each in (4, 1)] for row in range(6)]
        some = np.arange(6) == 2
        assert found.touched(some).tolist() == [(each, 2) in expected for each in range(6)]
