"""What tracks promise before they have ended."""

from __future__ import annotations

import numpy as np
import pytest

from facegrab.people import promise
from facegrab.people.promise import Promise
from facegrab.types import UNKNOWN


def of(promised: Promise, *faces: tuple[int, float]) -> list[bool]:
    """Faces of one batch, each the number of its track and its distance."""
    track, distance = zip(*faces, strict=True)
    found = promised.of(np.array(track, np.int64), np.array(distance, np.float32))
    return [bool(each) for each in found]


def test_a_track_speaks_for_its_faces_from_the_first_near_one_on() -> None:
    promised = Promise(0.6)
    assert of(promised, (1, 0.7), (2, 0.5)) == [False, True]
    assert of(promised, (1, 0.4), (2, 0.72)) == [True, True]
    assert of(promised, (1, 0.74), (3, 0.74)) == [True, False]


def test_of_a_long_one_more_than_a_face_by_chance_must_be_near() -> None:
    promised = Promise(0.6)
    assert of(promised, *[(1, 0.75)] * 20) == [False] * 20
    assert of(promised, (1, 0.55)) == [False]
    assert of(promised, *[(1, 0.45)] * 6) == [True] * 6


def test_without_tracks_each_speaks_for_itself() -> None:
    assert of(Promise(0.6), (UNKNOWN, 0.4), (UNKNOWN, 0.7)) == [True, False]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise, "MOST_TRACKS", 3)
    monkeypatch.setattr(promise, "REMEMBERED", 5)
    promised = Promise(0.6)
    for track in range(50):
        of(promised, *[(track, 0.3)] * 20)
    assert {*promised._seen} == {47, 48, 49}
    assert all(len(each) == 5 for each in promised._seen.values())
