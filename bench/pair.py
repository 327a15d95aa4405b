"""Two videos at once on one machine: two processes that share its cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

from bench.measure import Ran, run, warm_up
from bench.media import Setup
from bench.runs import frames_in, require_all_looked_at, seconds_of
from bench.table import Row
from bench.tour import tour, tour_reference

REQUIRED = 1.0
NOISE = 0.02
"""Allowed: medians of five rounds differ from one run of the bench to the next."""

Work = Callable[[], Ran]


def pair(setup: Setup) -> Iterator[Row]:
    """Two runs at once, and the same two one after the other, by turns."""
    seconds = seconds_of(setup)
    work = partial(run, tour(seconds), tour_reference())
    warm_up()
    apart, together = list[float](), list[float]()
    for _ in range(setup.rounds(5)):
        apart.append(_one_after_the_other(work, seconds))
        together.append(_at_once(work, seconds))
    ratio = median(a / b for a, b in zip(together, apart, strict=True))
    yield Row(
        f"two videos of {seconds} s at once",
        f"{median(together):.2f} s",
        f"one after the other {median(apart):.2f} s",
        f"{ratio:.3f}x",
        f"<= {REQUIRED + NOISE:g}x ({REQUIRED:g} and {NOISE:.0%} for noise)",
        ratio <= REQUIRED + NOISE,
        {"together_s": together, "apart_s": apart, "ratio": ratio},
    )


def _one_after_the_other(work: Work, seconds: int) -> float:
    start = time.perf_counter()
    runs = [work(), work()]
    taken = time.perf_counter() - start
    require_all_looked_at(runs, frames_in(seconds))
    return taken


def _at_once(work: Work, seconds: int) -> float:
    # The threads only wait for their processes.
    with ThreadPoolExecutor(2) as pool:
        start = time.perf_counter()
        waiting = [pool.submit(work) for _ in range(2)]
        runs = [each.result() for each in waiting]
        taken = time.perf_counter() - start
    require_all_looked_at(runs, frames_in(seconds))
    return taken
