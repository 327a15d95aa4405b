"""Frames that follow on each other: the same groups however they are batched."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegrab.follow import ALONE, FOLLOWED, Runs
from facegrab.scan import chunks
from facegrab.types import Frame

IMAGE = np.zeros((2, 2, 3), np.uint8)


def frames(*indices: int) -> list[Frame]:
    return [Frame(index, index / 25, IMAGE) for index in indices]


FULL_HD, SMALL = 3 * 1920 * 1080, 3 * 320 * 180


@pytest.mark.parametrize(
    ("skip_frames", "frame_bytes", "length"),
    [(0, SMALL, 28), (0, FULL_HD, 5), (6, FULL_HD, 4), (6, 4 * FULL_HD, 2), (27, SMALL, 1)],
)
def test_groups_span_a_second_or_so_and_bounded_memory(
    skip_frames: int, frame_bytes: int, length: int
) -> None:
    runs = Runs.of(skip_frames, frame_bytes)
    assert runs == Runs(skip_frames + 1, length)
    assert runs.length * runs.every <= max(FOLLOWED, runs.every)
    assert Runs.of(1000, frame_bytes).length == 1


def test_the_first_of_each_group_is_looked_at_all_over() -> None:
    follows = Runs(1, 4).follows(frames(*range(10)))
    assert follows == [False, True, True, True, False, True, True, True, False, True]
    assert Runs(2, 2).follows(frames(0, 2, 4, 6)) == [False, True, False, True]
    assert ALONE.follows(frames(0, 1, 2)) == [False] * 3
    assert Runs(1, 4).follows([]) == []


def test_a_frame_behind_a_gap_follows_nothing() -> None:
    assert Runs(1, 4).follows(frames(0, 1, 3, 5, 6)) == [False, True, False, False, True]


@given(
    st.sets(st.integers(0, 60), min_size=1).map(sorted),
    st.integers(1, 20),
    st.integers(1, 4),
    st.integers(1, 6),
)
def test_batches_change_nothing(
    indices: list[int], batch_size: int, every: int, length: int
) -> None:
    runs = Runs(every, length)
    whole = frames(*(index * every for index in indices))
    batches = list(chunks(whole, batch_size, runs=runs))
    assert [frame for batch in batches for frame in batch] == whole
    followed = [follows for batch in batches for follows in runs.follows(batch)]
    assert followed == runs.follows(whole)
    for batch in batches:
        assert len(batch) < batch_size + runs.length
    for batch, following in pairwise(batches):
        assert len(batch) + runs.length > batch_size, following
