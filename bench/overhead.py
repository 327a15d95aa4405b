"""What ``--engine ray`` costs beside a local run, on a cluster of this machine.

All is pinned: the local run, then the cluster and its driver, to one processor; then those to two.
So whatever Ray, the driver and the sending cost is in the figures.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from bench.measure import ROOT, Ran, run, warm_up
from bench.media import Setup
from bench.runs import frames_in, require_all_looked_at, seconds_of, wall
from bench.table import AtMost, Row, UnmeasurableError
from bench.tour import repeated, tour, tour_reference

TIMES, TIMES_QUICK = 10, 2
"""Of the clip: ten minutes."""
ONE_REQUIRED, TWO_REQUIRED = AtMost(1.08), AtMost(1.10)
STORE_BYTES = 400_000_000
NOTHING_ELSE = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_MEMORY_MONITOR": "1"}


def overhead(setup: Setup) -> Iterator[Row]:
    """One worker beside the run itself, two beside half of that, by turns."""
    seconds, times = seconds_of(setup), setup.rounds(TIMES, TIMES_QUICK)
    processors = sorted(_usable())
    if len(processors) < 2:
        raise UnmeasurableError("two processors are needed")
    warm_up()
    alone, one, two = list[Ran](), list[Ran](), list[Ran]()
    with repeated(tour(seconds), times) as clip:

        def ran(address: str | None) -> Ran:
            engine = {"engine": "ray", "address": address} if address else {}
            return run(clip, tour_reference(), threads=1, **engine)

        for _ in range(setup.rounds(3, 1)):
            with _pinned(processors[:1]):
                alone.append(ran(None))
                with _cluster(1) as address:
                    one.append(ran(address))
            with _pinned(processors[:2]), _cluster(2) as address:
                two.append(ran(address))
    require_all_looked_at([*alone, *one, *two], times * frames_in(seconds))
    work = f"--engine ray, {seconds * times} s of 1080p"
    yield _row(f"{work}, one worker", one, alone, 1.0, ONE_REQUIRED)
    yield _row(f"{work}, two workers, two processors", two, alone, 0.5, TWO_REQUIRED)


def _row(work: str, ours: list[Ran], alone: list[Ran], part: float, limit: AtMost) -> Row:
    ratio = median(a.wall / (part * b.wall) for a, b in zip(ours, alone, strict=True))
    return Row(
        work,
        f"{wall(ours):.1f} s",
        f"{'half of ' if part < 1 else ''}a local run {part * wall(alone):.1f} s",
        f"{ratio:.2f}x",
        str(limit),
        ratio <= limit.ratio,
        {"ours_s": [each.wall for each in ours], "local_s": [each.wall for each in alone]},
    )


def _usable() -> set[int]:
    if not hasattr(os, "sched_setaffinity"):
        raise UnmeasurableError("this system pins no process to a processor")
    return os.sched_getaffinity(0)


@contextmanager
def _pinned(processors: list[int]) -> Iterator[None]:
    """This process and those it starts stay on these."""
    before = _usable()
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _cluster(workers: int) -> Iterator[str]:
    """Address of a node with that many processors."""
    try:
        from ray.cluster_utils import Cluster
    except ImportError as error:
        raise UnmeasurableError("Ray is missing: pip install ray") from error
    before = dict(os.environ)
    os.environ |= NOTHING_ELSE | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    node: dict[str, Any] = {
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
    }
    there = Cluster(initialize_head=True, head_node_args=node)
    try:
        yield str(there.address)
    finally:
        there.shutdown()
        os.environ.clear()
        os.environ.update(before)
