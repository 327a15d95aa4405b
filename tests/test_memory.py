"""When memory is given back."""

from __future__ import annotations

import pytest

from facegrab import memory
from facegrab.memory import LARGE_BYTES, PASSED_BYTES, Passing


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    times: list[None] = []
    monkeypatch.setattr(memory, "give_back", lambda: times.append(None))
    return times


def test_large_frames_that_pass_have_it_given_back_now_and_then(given: list[None]) -> None:
    passing, frame_bytes = Passing(), 3840 * 2160 * 3
    for _ in range(80):
        passing.count(frame_bytes)
    assert len(given) == 80 // -(-PASSED_BYTES // frame_bytes)


def test_smaller_ones_stay_where_they_are(given: list[None]) -> None:
    passing = Passing()
    for _ in range(1000):
        passing.count(LARGE_BYTES)
    assert not given
