"""Grouping: unknown people are told apart, and each group can be looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegrab.models.specs import Metric
from facegrab.people import cluster
from facegrab.people.cluster import average_linkage
from facegrab.people.gallery import distances
from facegrab.people.group import MOST_REFERENCES, NOBODY, group, representatives
from facegrab.types import UNKNOWN, FloatArray, IntArray

LENGTH = 32
TOLERANCES: dict[Metric, float] = {"euclidean": 0.6, "cosine": 0.6}
METRICS = st.sampled_from(list(TOLERANCES))


@dataclass(frozen=True, eq=False)
class Crowd:
    """Faces, and who they are."""

    embedding: FloatArray
    track: IntArray
    frame: IntArray
    source: IntArray
    who: IntArray

    def grouped(self, metric: Metric = "euclidean", rows: IntArray | None = None) -> IntArray:
        at = np.arange(len(self.who)) if rows is None else rows
        return group(
            self.embedding[at],
            self.track[at],
            self.frame[at],
            self.source[at],
            metric,
            TOLERANCES[metric],
        )


def faces(who: list[int], *, noise: float = 0.15, seed: int = 0) -> FloatArray:
    """Embeddings as an index holds them; two people are 1.4 apart, or 1 by cosine."""
    random = np.random.default_rng(seed)
    found = np.eye(LENGTH)[who] + random.normal(0, noise / LENGTH**0.5, (len(who), LENGTH))
    return found.astype(np.float16).astype(np.float32)


def crowd(seed: int) -> Crowd:
    """Up to five people in several tracks each, some at once, of two sources, rows shuffled.

    Tracks and frames of both sources have the same numbers.
    """
    random = np.random.default_rng(seed)
    who: list[int] = []
    track: list[int] = []
    frame: list[int] = []
    source: list[int] = []
    for scene in range(random.integers(2, 7)):
        cast = random.permutation(5)[: random.integers(1, 4)]
        length = int(random.integers(1, 12))
        for number, person in enumerate(cast.tolist()):
            who += [person] * length
            track += [10 * (scene // 2) + number] * length
            frame += range(100 * (scene // 2), 100 * (scene // 2) + length)
            source += [scene % 2] * length
    rows = random.permutation(len(who))
    columns = (np.array(each, np.int64)[rows] for each in (track, frame, source, who))
    return Crowd(faces(who, seed=seed)[rows], *columns)


def same(labels: IntArray) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which rows are together, (N, N)."""
    return np.asarray(labels[:, None] == labels)


@given(st.integers(0, 999), METRICS)
def test_people_are_found_and_numbered_by_size(seed: int, metric: Metric) -> None:
    made = crowd(seed)
    person = made.grouped(metric)
    count = np.bincount(made.who)
    assert np.array_equal(person == NOBODY, count[made.who] == 1)
    known = person != NOBODY
    assert np.array_equal(same(person[known]), same(made.who[known]))
    sizes = np.bincount(person[known])
    assert (np.diff(sizes) <= 0).all()


@given(st.integers(0, 999), METRICS, st.floats(0.1, 0.9))
def test_the_order_of_the_rows_and_the_numbers_of_sources_do_not_matter(
    seed: int, metric: Metric, noise: float
) -> None:
    made = crowd(seed)
    blurred = faces(made.who.tolist(), noise=noise, seed=seed)
    made = Crowd(blurred, made.track, made.frame, made.source, made.who)
    person = made.grouped(metric)
    rows = np.random.default_rng(seed + 1).permutation(len(made.who))
    assert made.grouped(metric, rows).tolist() == person[rows].tolist()
    moved = Crowd(blurred, made.track + 7, made.frame, 3 * made.source + 4, made.who)
    assert np.array_equal(same(moved.grouped(metric)), same(person))


def pair(distance: float, *, frames: tuple[int, int], sources: tuple[int, int] = (0, 0)) -> Crowd:
    """Two tracks of three faces each, so far from each other, that begin at those frames."""
    embedding = np.zeros((6, LENGTH), np.float32)
    embedding[3:, 0] = distance
    frame = np.concatenate([first + np.arange(3) for first in frames])
    source = np.repeat(sources, 3).astype(np.int64)
    track = np.repeat([0, 1], 3).astype(np.int64)
    return Crowd(embedding, track, frame.astype(np.int64), source, track)


def test_two_of_one_frame_are_two_people_however_alike() -> None:
    assert pair(0.5, frames=(0, 10)).grouped().tolist() == [0] * 6
    assert pair(0.5, frames=(0, 2)).grouped().tolist() == [0] * 3 + [1] * 3
    assert pair(0.5, frames=(0, 2), sources=(0, 1)).grouped().tolist() == [0] * 6


def test_whoever_is_seen_in_a_mirror_is_one_person() -> None:
    assert pair(0.4, frames=(0, 0)).grouped().tolist() == [0] * 6


@given(st.integers(0, 999), METRICS)
def test_faces_of_one_frame_never_share_a_group(seed: int, metric: Metric) -> None:
    """Four brothers, much alike, who come again and again in other company."""
    random = np.random.default_rng(seed)
    own = random.normal(0, 1, (4, LENGTH))
    own *= 0.37 / np.linalg.norm(own, axis=1, keepdims=True)
    own[:, 0] += 0.6 if metric == "euclidean" else 0.37
    who = np.concatenate([random.permutation(4)[: random.integers(2, 5)] for _ in range(8)])
    frame = np.cumsum(random.random(len(who)) < 0.4, dtype=np.int64)
    embedding = (own[who] + random.normal(0, 0.01, (len(who), LENGTH))).astype(np.float32)
    track = np.arange(len(who))
    person = group(embedding, track, frame, np.zeros_like(track), metric, TOLERANCES[metric])
    together = same(frame) & (person != NOBODY) & same(person)
    np.fill_diagonal(together, val=False)
    # Those as good as equal are the same one twice.
    assert not (together & (distances(embedding, embedding, metric) > 0.46)).any()


def test_who_is_kept_from_a_group_is_kept_from_all_that_joined_it() -> None:
    """The second is in a frame with the first, and nearest to the third, who is the first."""
    embedding = np.zeros((6, LENGTH), np.float32)
    embedding[:, 0] = [0, 0, 0.5, 0.5, 0.2, 0.2]
    track = np.array([0, 0, 1, 1, 2, 2])
    frame = np.array([0, 1, 0, 1, 7, 8])
    person = group(embedding, track, frame, np.zeros(6, np.int64), "euclidean", 0.6)
    assert person.tolist() == [0, 0, 1, 1, 0, 0]


def test_a_track_that_goes_over_to_another_person_is_parted() -> None:
    who = [0] * 8 + [1] * 8 + [0] * 8
    track = np.array([5] * 16 + [6] * 8)
    frame = np.concatenate([np.arange(16), np.arange(50, 58)])
    person = group(faces(who), track, frame, np.zeros(24, np.int64), "euclidean", 0.6)
    assert person.tolist() == who


def test_faces_without_a_track_are_each_for_themselves() -> None:
    who = [0, 1, 0, 1, 0]
    none, zero = np.full(5, UNKNOWN), np.zeros(5, np.int64)
    assert group(faces(who), none, np.arange(5), zero, "euclidean", 0.6).tolist() == who


def test_no_face_one_face_and_a_face_that_is_none() -> None:
    for count in (0, 1):
        zero = np.zeros(count, np.int64)
        assert group(faces([0] * count), zero, zero, zero, "cosine", 0.6).tolist() == [-1] * count
    broken = faces([0, 0, 0])
    broken[1, 3] = np.nan
    track, zero = np.arange(3), np.zeros(3, np.int64)
    assert group(broken, track, track, zero, "euclidean", 0.6).tolist() == [0, NOBODY, 0]
    broken[1] = 0  # an angle with nothing
    assert group(broken, track, track, zero, "cosine", 0.6).tolist() == [0, NOBODY, 0]


def test_a_broken_face_leaves_the_others_alone() -> None:
    """A track of two people is still parted."""
    who = [2, *[0] * 8, *[1] * 8]
    broken = faces(who)
    broken[0, 3] = np.inf
    track, zero = np.repeat([0, 1], [1, 16]), np.zeros(17, np.int64)
    person = group(broken, track, np.arange(17), zero, "euclidean", 0.6)
    assert person.tolist() == [NOBODY, *[0] * 8, *[1] * 8]


def one_at_a_time(mean: FloatArray, apart: IntArray, limit: float) -> IntArray:
    """Average linkage as it is defined."""
    count, points = len(mean), mean.astype(np.float64)
    far = ((points[:, None] - points) ** 2).sum(axis=2)
    np.fill_diagonal(far, np.inf)
    far[apart[:, 0], apart[:, 1]] = far[apart[:, 1], apart[:, 0]] = np.inf
    label, size = np.arange(count), np.ones(count)
    while count and far.min() <= limit:
        one, other = sorted(divmod(int(far.argmin()), count))
        far[one] = (size[one] * far[one] + size[other] * far[other]) / (size[one] + size[other])
        far[:, one] = far[one]
        far[other] = far[:, other] = far[one, one] = np.inf
        size[one] += size[other]
        label[label == other] = one
    return label


@pytest.mark.parametrize("block", [1, 1 << 24])
@given(st.integers(0, 40), st.integers(0, 9999), st.floats(0.02, 1))
def test_as_the_textbook_joins_them(block: int, count: int, seed: int, limit: float) -> None:
    random = np.random.default_rng(seed)
    own = random.normal(0, 0.1, (4, LENGTH))
    noise = random.normal(0, random.uniform(0.01, 0.1), (count, LENGTH))
    mean = (own[random.integers(0, 4, count)] + noise).astype(np.float32)
    apart = random.integers(0, max(count, 1), (count // 2, 2))
    apart = apart[apart[:, 0] != apart[:, 1]]
    square = (mean**2).sum(axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_BLOCK", block)
        label = average_linkage(mean, square, apart, limit)
    assert label.tolist() == one_at_a_time(mean, apart, limit).tolist()


def test_many_pieces_of_equal_faces_end() -> None:
    """Nothing but ties."""
    mean = np.ones((500, LENGTH), np.float32)
    apart = np.empty((0, 2), np.int64)
    label = average_linkage(mean, (mean**2).sum(axis=1), apart, 0.1)
    assert label.tolist() == [0] * 500


def test_references_are_sharp_of_several_tracks_and_unlike() -> None:
    embedding = np.zeros((40, LENGTH), np.float32)
    embedding[:, 0] = np.tile(np.linspace(0, 0.3, 10), 4)
    track = np.repeat(np.arange(4), 10)
    sharpness = np.where(track == 3, 5, 100).astype(np.float32)
    rows = representatives(embedding, track, np.zeros(40, np.int64), sharpness, "euclidean", most=3)
    assert len(rows) == 3
    assert 3 not in track[rows]
    assert np.ptp(embedding[rows, 0]) > 0.1


def test_the_odd_face_is_no_reference() -> None:
    who = [0] * 59 + [1]
    track, zero = np.arange(60), np.zeros(60, np.int64)
    sharpness = np.full(60, 50, np.float32)
    sharpness[40:] = 100
    rows = representatives(faces(who), track, zero, sharpness, "cosine")
    assert len(rows) == MOST_REFERENCES
    assert rows.min() >= 40
    assert 59 not in rows


@given(st.integers(0, 999), METRICS, st.integers(1, 8))
def test_the_same_references_in_any_order_of_the_rows(seed: int, metric: Metric, most: int) -> None:
    made = crowd(seed)
    sharpness = np.random.default_rng(seed).integers(0, 9, len(made.who)).astype(np.float32)
    rows = representatives(made.embedding, made.track, made.source, sharpness, metric, most)
    assert 1 <= len(rows) <= most
    assert len(set(rows.tolist())) == len(rows)
    other = np.random.default_rng(seed + 1).permutation(len(made.who))
    moved = representatives(
        made.embedding[other],
        made.track[other],
        made.source[other],
        sharpness[other],
        metric,
        most,
    )
    assert sorted(other[moved].tolist()) == rows.tolist()


def test_of_no_faces_there_are_no_references_and_of_one_it_is_it() -> None:
    for count in (0, 1):
        zero = np.zeros(count, np.int64)
        rows = representatives(faces([0] * count), zero, zero, zero.astype(np.float32), "cosine")
        assert rows.tolist() == list(range(count))
