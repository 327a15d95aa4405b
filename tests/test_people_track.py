"""Tracks: one person's faces in neighbouring frames, never across a cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegrab.models.specs import Metric
from facegrab.people.track import GAP, Tracker
from facegrab.types import FloatArray, IntArray

LENGTH = 16
TOLERANCE = 0.6


@dataclass(frozen=True, eq=False)
class Looked:
    """One looked-at frame."""

    frame: int
    cut: bool
    box: FloatArray
    embedding: FloatArray


def person(number: int, noise: float = 0.0, seed: int = 0) -> FloatArray:
    """An embedding; two people are 1.4 apart."""
    vector = np.random.default_rng(seed).normal(0, noise / LENGTH**0.5, LENGTH)
    vector[number] += 1
    return vector.astype(np.float32)


def box_at(x: float, y: float = 100, side: float = 50) -> list[float]:
    return [x, y, x + side - 1, y + side - 1]


def looked(frame: int, *faces: tuple[int, float], cut: bool = False) -> Looked:
    """A frame with people at x: ``looked(3, (0, 10), (1, 200))``."""
    return Looked(
        frame,
        cut,
        np.array([box_at(x) for _, x in faces], np.float32).reshape(-1, 4),
        np.array([person(who, 0.2, frame * 7 + who) for who, _ in faces], np.float32).reshape(
            -1, LENGTH
        ),
    )


def tracked(frames: list[Looked], tracker: Tracker | None = None) -> list[list[int]]:
    tracker = tracker or Tracker("euclidean", TOLERANCE)
    return [tracker.add(f.frame, f.cut, f.box, f.embedding).tolist() for f in frames]


def random_source(seed: int) -> list[Looked]:
    """Frames with few or no faces, duplicates and cuts, at random."""
    random = np.random.default_rng(seed)
    places = random.uniform(0, 150, (4, 2))
    frames, number = [], 0
    for _ in range(30):
        number += int(random.integers(1, 4))
        who = random.integers(0, 4, random.integers(0, 5))
        corner = (places[who] + random.normal(0, 12, (len(who), 2))).round()
        side = random.uniform(20, 60, (len(who), 1)).round()
        box = np.hstack([corner, corner + side])
        noise = random.normal(0, 0.1, (len(who), LENGTH))
        embedding = (np.eye(LENGTH)[who] * 0.6 + noise).astype(np.float16)
        if len(who) > 1 and random.random() < 0.2:
            box[1], embedding[1] = box[0], embedding[0]
        frames.append(
            Looked(
                number,
                bool(random.random() < 0.1),
                box.astype(np.float32),
                embedding.astype(np.float32),
            )
        )
    return frames


def resumed(frames: list[Looked], tracks: list[list[int]], metric: Metric) -> Tracker:
    """A tracker made from what is stored of the frames so far."""
    shot = max((n for n, f in enumerate(frames) if f.cut), default=0)
    number: list[IntArray] = [np.full(len(f.box), f.frame, np.int64) for f in frames]
    none = np.empty(0, np.int64)
    return Tracker.resumed(
        metric,
        TOLERANCE,
        max((t for each in tracks for t in each), default=-1) + 1,
        np.array([f.frame for f in frames[shot:]], np.int64)[-GAP:],
        np.concatenate([none, *number]),
        np.concatenate([np.empty((0, 4), np.float32), *(f.box for f in frames)]),
        np.concatenate([np.empty((0, LENGTH), np.float32), *(f.embedding for f in frames)]),
        np.concatenate([none, *(np.array(each, np.int64) for each in tracks)]),
    )


def test_people_who_stand_side_by_side_are_a_track_each() -> None:
    frames = [looked(n, (0, 100 + n), (1, 300 - n)) for n in range(6)]
    assert tracked(frames) == [[0, 1]] * 6


def test_people_who_cross_keep_their_tracks() -> None:
    frames = [looked(n, (0, 100 + 20 * n), (1, 300 - 20 * n)) for n in range(11)]
    assert tracked(frames) == [[0, 1]] * 11


def test_one_who_is_hidden_for_some_frames_goes_on() -> None:
    frames = [looked(0, (0, 100)), *(looked(n) for n in range(1, GAP)), looked(GAP, (0, 130))]
    assert tracked(frames)[-1] == [0]


def test_one_who_is_gone_for_longer_is_a_new_track() -> None:
    frames = [
        looked(0, (0, 100)),
        *(looked(n) for n in range(1, GAP + 1)),
        looked(GAP + 1, (0, 100)),
    ]
    assert tracked(frames)[-1] == [1]


def test_a_cut_ends_every_track() -> None:
    frames = [looked(0, (0, 100)), looked(1, (0, 100), cut=True), looked(2, (0, 100))]
    assert tracked(frames) == [[0], [1], [1]]


def test_another_person_in_the_same_place_is_another_track() -> None:
    assert tracked([looked(0, (0, 100)), looked(1, (1, 100))]) == [[0], [1]]


def test_somebody_far_off_or_much_larger_is_another_track() -> None:
    far = looked(1, (0, 500))
    large = Looked(1, False, np.array([box_at(25, 25, 200)], np.float32), far.embedding)
    for other in (far, large):
        assert tracked([looked(0, (0, 100)), other]) == [[0], [1]]


def test_a_fast_walker_is_found_where_the_walk_leads() -> None:
    frames = [looked(n, (0, 100 + 60 * n)) for n in (0, 1)]
    frames += [looked(2), looked(3), looked(4), looked(5, (0, 100 + 60 * 5))]
    assert tracked(frames)[-1] == [0]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_nearest_in_appearance_wins_where_boxes_lie_on_each_other(metric: Metric) -> None:
    tracker = Tracker(metric, TOLERANCE)
    frames = [looked(0, (0, 100), (1, 104)), looked(1, (1, 100), (0, 104))]
    assert tracked(frames, tracker) == [[0, 1], [1, 0]]


def test_frames_come_in_order() -> None:
    tracker = Tracker("euclidean", TOLERANCE)
    tracked([looked(3, (0, 100))], tracker)
    with pytest.raises(ValueError, match="frame 3 after frame 3"):
        tracked([looked(3, (0, 100))], tracker)


@given(st.integers(0, 2**31))
def test_every_face_has_a_track_that_lies_in_one_shot(seed: int) -> None:
    frames = random_source(seed)
    shots: dict[int, int] = {}
    shot, highest = 0, -1
    for f, tracks in zip(frames, tracked(frames), strict=True):
        shot += f.cut
        assert len(tracks) == len(f.box) == len(set(tracks))
        for track in tracks:
            assert shots.setdefault(track, shot) == shot
        new = sorted(track for track in tracks if track > highest)
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)


@given(st.integers(0, 2**31), st.integers(0, 30), st.sampled_from(["euclidean", "cosine"]))
def test_resumed_from_stored_rows_it_goes_on_exactly(seed: int, after: int, metric: Metric) -> None:
    frames = random_source(seed)
    expected = tracked(frames, Tracker(metric, TOLERANCE))
    tracker = resumed(frames[:after], expected[:after], metric)
    assert tracked(frames[after:], tracker) == expected[after:]


@given(st.integers(0, 2**31))
def test_the_order_of_a_frames_faces_does_not_matter(seed: int) -> None:
    frames = random_source(seed)
    random = np.random.default_rng(seed)
    turned = []
    orders = []
    for f in frames:
        order = random.permutation(len(f.box))
        orders.append(order)
        turned.append(Looked(f.frame, f.cut, f.box[order], f.embedding[order]))
    for f, order, before, after in zip(
        frames, orders, tracked(frames), tracked(turned), strict=True
    ):
        key = [(*f.box[row].tolist(), *f.embedding[row].tolist()) for row in range(len(f.box))]
        # Of two faces that are the same in everything, either may have either track.
        assert sorted(zip(key, before, strict=True)) == sorted(
            (key[row], track) for row, track in zip(order.tolist(), after, strict=True)
        )
