"""A thousand workers that fail, imagined: what the engine's way with failures costs.

``python -m bench.scale`` prints it by itself. The engine is the real one, `facegrab.cluster`; the
cluster is imagined (`bench/imagined.py`), and so are the times that segments take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from bench.imagined import HOUR, Imagined, Spent, Trouble
from facegrab.cluster import Cluster
from facegrab.media.source import Source
from facegrab.settings import RAY, ProcessSettings, RecognitionSettings
from facegrab.task import Orders, Part, SetAsideError, Task
from facegrab.types import Segment

SEGMENT_SECONDS = 20.0
WORK_SECONDS, WORK_SPREAD = 4.5, 0.5
"""That a core takes for a segment of 1080p, in the median (docs/performance.md: 13.5 s of processor
time for 60 s of video), and the standard deviation of its logarithm."""
DRIVER_SECONDS = 0.033
"""That the driver takes to plan a segment and to commit its rows; see the rows ``driver``."""
PART_BYTES = 230_000
"""Of what comes of a segment, rows only; see the same rows."""
NODES, WORKERS_A_NODE = 125, 8
DRIVERS = 25
"""Each with an index of its own, and five nodes."""
NONE = Trouble()
USUAL = Trouble(worker_hours=24, node_hours=24 * 14, slow_share=0.001, poisoned_share=0.0002)
"""One of the thousand workers dies every minute and a half, a node every three hours."""
BAD = Trouble(worker_hours=1, node_hours=24, slow_share=0.01, poisoned_share=0.001)
"""One every four seconds, a node every 12 minutes: machines that are taken away at will."""


_MOMENT = 0.1
_LONGEST_TIMES = 20


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who does what.

    Attributes:
        hours: of video.
        nodes: how many.
        workers_a_node: that each has room for.
        trouble: what befalls them.
        driver_seconds: that whoever commits takes for a segment.
        part_bytes: of what comes of a segment.
        seed: of all chances.
    """

    hours: float
    nodes: int = NODES
    workers_a_node: int = WORKERS_A_NODE
    trouble: Trouble = NONE
    driver_seconds: float = DRIVER_SECONDS
    part_bytes: int = PART_BYTES
    seed: int = 0

    @property
    def segments(self) -> int:
        """Of all the video."""
        return round(self.hours * 3600 / SEGMENT_SECONDS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.

    Attributes:
        committed: numbers of segments, in the order in which the driver had them.
        aside: numbers of those set aside.
        poisoned: of those that no worker outlives.
        seconds: from the first worker's being ready until all was committed.
        ideal_seconds: if nothing failed, everybody worked all the time, and nobody waited.
        spent: seconds of workers.
        deaths: of workers.
        nodes_lost: how many.
        most_waiting: segments that had come back before their turn, at most.
    """

    committed: tuple[int, ...]
    aside: tuple[int, ...]
    poisoned: frozenset[int]
    seconds: float
    ideal_seconds: float
    spent: Spent
    deaths: int
    nodes_lost: int
    most_waiting: int

    @property
    def lost_share(self) -> float:
        """Time beyond the ideal, as a share of it."""
        return self.seconds / self.ideal_seconds - 1


class _Engine(Cluster):
    """The engine, whose time is the imagined cluster's."""

    def __init__(self, there: Imagined) -> None:
        process = ProcessSettings(engine=RAY)
        orders = Orders(process, RecognitionSettings())
        super().__init__(orders, there, lambda: there.now)
        self._there = there

    def _rest(self) -> None:
        self._there.rest(0.1)


def simulate(fleet: Fleet) -> Outcome:
    """Has the engine look through imagined video, with one driver that takes it in order.

    Args:
        fleet: what there is.
    """
    chance = Random(fleet.seed)
    work = [WORK_SECONDS * chance.lognormvariate(0, WORK_SPREAD) for _ in range(fleet.segments)]
    there = Imagined(
        fleet.nodes, fleet.workers_a_node, fleet.trouble, work, fleet.seed, fleet.part_bytes
    )
    return work_through(there, fleet.driver_seconds)


def work_through(there: Imagined, driver_seconds: float = 0.0) -> Outcome:
    """The same on a cluster that is imagined already.

    Args:
        there: the cluster.
        driver_seconds: that whoever commits takes for a segment.

    Raises:
        RuntimeError: there is no end to it.
    """
    engine = _Engine(there)
    engine.begin()
    engine.wait_for_workers()
    driver = _Driver(engine, there, driver_seconds)
    ideal = sum(each for n, each in enumerate(there.work_seconds) if n not in there.poisoned)
    begun, latest = there.now, there.now + _LONGEST_TIMES * (ideal + HOUR)
    while driver.is_waiting:
        engine.step()
        driver.take()
        if there.now > latest:
            raise RuntimeError(f"nothing goes on: {len(driver.committed)} segments are done")
    return Outcome(
        tuple(driver.committed), tuple(driver.aside), there.poisoned,
        max(driver.free_at, there.now) - begun, ideal / (there.nodes_count * there.workers_a_node),
        there.spent, there.deaths, there.nodes_lost, driver.most_waiting,
    )  # fmt: skip


class _Driver:
    """Takes what comes back, in order, one after the other."""

    def __init__(self, engine: Cluster, there: Imagined, seconds: float) -> None:
        self._engine, self._there, self._seconds = engine, there, seconds
        source = Source(Path("imagined"))
        self._queue: deque[tuple[int, Future[Part]]] = deque(
            (number, engine.see(Task(source, Segment(number, 0, 0, 0, 1, 1), None, "")))
            for number in range(len(there.work_seconds))
        )
        self.free_at = there.now
        self.committed = list[int]()
        self.aside = list[int]()
        self.most_waiting = 0

    @property
    def is_waiting(self) -> bool:
        """Whether something has not come back."""
        return bool(self._queue)

    def take(self) -> None:
        """Takes what is there, as far as time allows."""
        self.most_waiting = max(self.most_waiting, self._engine.unclaimed)
        while self._queue and self.free_at <= self._there.now and self._queue[0][1].done():
            number, future = self._queue.popleft()
            try:
                self._engine.take(future)
                self.committed.append(number)
            except SetAsideError:
                self.aside.append(number)
            # What was there a moment ago was begun then.
            self.free_at = max(self.free_at, self._there.now - _MOMENT) + self._seconds


def fleets(hours: float) -> Iterator[tuple[str, Fleet]]:
    """What is compared, in words."""
    free = Fleet(hours, driver_seconds=0.0)
    yield "a driver that takes no time, nothing fails", free
    yield "workers die once a day, nodes every two weeks", replace(free, trouble=USUAL)
    yield "workers die every hour, nodes every day", replace(free, trouble=BAD)
    one = Fleet(hours, trouble=USUAL)
    yield "one driver as it is, the former failures", one
    yield (
        f"one of {DRIVERS} drivers, with its share of all",
        replace(one, hours=hours / DRIVERS, nodes=round(NODES / DRIVERS)),
    )


def told(name: str, outcome: Outcome) -> str:
    """An outcome in a line."""
    spent, rightly = outcome.spent, len(outcome.poisoned.intersection(outcome.aside))
    return (
        f"{name}: {outcome.seconds:.0f} s, ideally {outcome.ideal_seconds:.0f} "
        f"(+{outcome.lost_share:.1%}); {outcome.deaths} workers died, {outcome.nodes_lost} nodes "
        f"were lost, {len(outcome.aside)} segments set aside, {rightly} of them "
        f"rightly; of the workers' time {spent.lost / spent.useful:.2%} lost, "
        f"{spent.again / spent.useful:.2%} for nothing; {outcome.most_waiting} waited at most"
    )


if __name__ == "__main__":
    for name, fleet in fleets(1000):
        print(told(name, simulate(fleet)), flush=True)
