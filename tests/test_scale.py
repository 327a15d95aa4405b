"""A cluster that is only imagined, and the engine that is not: whatever fails, nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.imagined import Imagined, Trouble
from bench.scale import BAD, Fleet, simulate, work_through
from facegrab import cluster, desk

SMALL = Fleet(hours=8, nodes=10, workers_a_node=4, driver_seconds=0.0)
"""1440 segments, 40 workers."""
TROUBLE = replace(BAD, worker_hours=0.05, node_hours=0.2, slow_share=0.05, poisoned_share=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_every_segment_is_done_once_or_set_aside_once(seed: int) -> None:
    outcome = simulate(replace(SMALL, trouble=TROUBLE, seed=seed))
    assert outcome.deaths > 50
    assert outcome.nodes_lost > 0
    assert list(outcome.committed) == sorted(set(outcome.committed))
    assert not set(outcome.committed) & set(outcome.aside)
    assert sorted(outcome.committed + outcome.aside) == list(range(SMALL.segments))
    assert outcome.poisoned <= set(outcome.aside)
    spent = outcome.spent
    all_of_them = spent.useful + spent.again + spent.lost + spent.restarting
    assert outcome.ideal_seconds < outcome.seconds
    assert all_of_them < 40 * (outcome.seconds + TROUBLE.restart_seconds)


def test_nothing_is_lost_where_nothing_fails() -> None:
    outcome = simulate(SMALL)
    assert outcome.committed == tuple(range(SMALL.segments))
    assert (outcome.spent.lost, outcome.spent.again, outcome.deaths) == (0, 0, 0)
    assert outcome.spent.useful == pytest.approx(40 * outcome.ideal_seconds)
    assert outcome.lost_share < 0.15  # at the end not all have something to do


def test_the_same_chances_are_the_same_outcome() -> None:
    fleet = replace(SMALL, trouble=TROUBLE)
    assert simulate(fleet) == simulate(fleet)
    assert simulate(fleet) != simulate(replace(fleet, seed=1))


def test_only_what_no_worker_outlives_is_set_aside() -> None:
    trouble = Trouble(slow_share=0.02, poisoned_share=0.01, node_hours=0.5)
    outcome = simulate(replace(SMALL, trouble=trouble))
    assert set(outcome.aside) == outcome.poisoned
    assert outcome.deaths >= cluster.TRIES * len(outcome.poisoned) > 0


def test_a_node_that_is_lost_with_what_all_wait_for() -> None:
    """What was done too early fills the room; the one to go on with has to start all the same."""
    long = 1000.0
    there = Imagined(2, 1, Trouble(), [long, *[0.1] * 200])
    there.lose(0, 20.0)
    there.lose(1, 20.0)
    outcome = work_through(there)
    assert outcome.most_waiting == 2 * desk.AHEAD
    assert outcome.nodes_lost == 2
    assert outcome.committed == tuple(range(201))


def test_workers_that_hang_for_ever_are_replaced() -> None:
    outcome = simulate(replace(SMALL, trouble=Trouble(slow_share=0.05, slow_times=1e9)))
    assert len(outcome.committed) == SMALL.segments
    assert outcome.lost_share < 2


def test_what_waits_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "AHEAD_BYTES", 10_000)
    monkeypatch.setattr(desk, "LATE_SECONDS", 1e9)
    there = Imagined(1, 4, Trouble(), [100.0, *[1.0] * 200], part_bytes=1000)
    outcome = work_through(there)
    assert len(outcome.committed) == 201
    assert 10 <= outcome.most_waiting <= 10 + 4
