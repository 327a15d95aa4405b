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


@pytest.mark.parametrize(("skip_frames", "length"), [(0, 4), (1, 2), (2, 1), (3, 1), (6, 1)])
def test_groups_span_so_many_source_frames(skip_frames: int, length: int) -> None:
    runs = Runs.of(skip_frames)
    assert runs == Runs(skip_frames + 1, length)
    assert runs.length * runs.every <= max(FOLLOWED, runs.every)


def test_the_first_of_each_group_is_looked_at_all_over() -> None:
    follows = Runs.of(0).follows(frames(*range(10)))
    assert follows == [False, True, True, True, False, True, True, True, False, True]
    assert Runs.of(1).follows(frames(0, 2, 4, 6)) == [False, True, False, True]
    assert ALONE.follows(frames(0, 1, 2)) == [False] * 3
    assert Runs.of(0).follows([]) == []


def test_a_frame_behind_a_gap_follows_nothing() -> None:
    assert Runs.of(0).follows(frames(0, 1, 3, 5, 6)) == [False, True, False, False, True]


@given(
    st.sets(st.integers(0, 60), min_size=1).map(sorted),
    st.integers(1, 20),
    st.integers(0, 3),
)
def test_batches_change_nothing(indices: list[int], batch_size: int, skip_frames: int) -> None:
    every = skip_frames + 1
    runs = Runs.of(skip_frames)
    whole = frames(*(index * every for index in indices))
    batches = list(chunks(whole, batch_size, runs=runs))
    assert [frame for batch in batches for frame in batch] == whole
    followed = [follows for batch in batches for follows in runs.follows(batch)]
    assert followed == runs.follows(whole)
    for batch in batches:
        assert len(batch) < batch_size + runs.length
    for batch, following in pairwise(batches):
        assert len(batch) >= batch_size, following
