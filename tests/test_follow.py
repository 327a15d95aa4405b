"""Frames that follow on each other: the same groups however they are batched."""

from __future__ import annotations

from dataclasses import replace

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


@pytest.mark.parametrize(("skip_frames", "length"), [(0, 28), (6, 4), (13, 2), (27, 1), (999, 1)])
def test_groups_span_a_second_or_so(skip_frames: int, length: int) -> None:
    runs = Runs.of(skip_frames)
    assert runs == Runs(skip_frames + 1, length)
    assert runs.length * runs.every <= max(FOLLOWED, runs.every)


def test_the_first_of_each_group_is_looked_at_all_over() -> None:
    follows = Runs(1, 4).follows(frames(*range(10)))
    assert follows == [False, True, True, True, False, True, True, True, False, True]
    assert Runs(2, 2).follows(frames(0, 2, 4, 6)) == [False, True, False, True]
    assert ALONE.follows(frames(0, 1, 2)) == [False] * 3
    assert Runs(1, 4).follows([]) == []


def test_a_frame_behind_a_gap_follows_nothing() -> None:
    assert Runs(1, 4).follows(frames(0, 1, 3, 5, 6)) == [False, True, False, False, True]


def test_a_frame_of_another_segment_follows_nothing() -> None:
    """What is seen in a segment must not hang on whether the one before it was read."""
    one, other = frames(0, 1, 2, 3)[:2], [replace(each, segment=1) for each in frames(2, 3)]
    assert Runs(1, 4).follows([*one, *other]) == [False, True, False, True]
    assert Runs(1, 4).follows(other, one[-1]) == [False, True]


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
    batches = list(chunks(whole, batch_size))
    assert [frame for batch in batches for frame in batch] == whole
    last = [None, *(batch[-1] for batch in batches)]
    followed = [
        follows
        for batch, before in zip(batches, last, strict=False)
        for follows in runs.follows(batch, before)
    ]
    assert followed == runs.follows(whole)
