"""An imagined cluster: what stands in for Ray, with a clock of its own, and everything may fail.

The engine that gives out the work is the real one. Workers compute nothing: how long each segment
takes, and who dies when, is drawn beforehand.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from facegrab.scan import Scanned
from facegrab.seer import Ready, own_version
from facegrab.task import Part, Task
from facegrab.types import Faces

HOUR = 3600.0
LOADING = -1
"""In place of a segment's number: a worker loads its networks."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befalls a cluster.

    Attributes:
        worker_hours: a worker's process lives so long in the mean; 0: for ever.
        node_hours: likewise a node, with all workers on it.
        back_seconds: until another node comes in its place.
        slow_share: of the segments' runs take ``slow_times`` as long: a disk that hangs, a node in
            use by others. Another run of the same segment takes its usual time.
        slow_times: see there.
        poisoned_share: of the segments kill every worker that looks at them.
        restart_seconds: until a worker that died looks at something again: networks are loaded.
    """

    worker_hours: float = 0.0
    node_hours: float = 0.0
    back_seconds: float = 120.0
    slow_share: float = 0.0
    slow_times: float = 20.0
    poisoned_share: float = 0.0
    restart_seconds: float = 5.0


@dataclass(slots=True)
class Spent:
    """Seconds of workers, by what came of them.

    Attributes:
        useful: on what was the first to come back.
        again: on segments that somebody else was faster at, or nobody waits for.
        lost: by deaths of workers and nodes.
        restarting: until they looked at something again.
    """

    useful: float = 0.0
    again: float = 0.0
    lost: float = 0.0
    restarting: float = 0.0


@dataclass(eq=False, slots=True)
class _Node:
    number: int
    free: int


@dataclass(eq=False, slots=True)
class _Call:
    """Something that a worker was asked; the reference that is waited for."""

    result: Any = None
    error: Exception | None = None
    is_there: bool = False
    is_dropped: bool = False
    begun: float = 0.0
    number: int = LOADING
    work: float = 0.0
    lost: float = 0.0
    deaths: int = 0


class _Died(Exception):  # noqa: N818 - named as what happened
    """A worker did, as often as Ray tries."""


class Full(_Died):
    """A worker's node had no room for what it saw."""


@dataclass(eq=False, slots=True)
class _Actor:
    """A worker; where it has no place yet, it waits for one."""

    cluster: Imagined
    node: _Node | None = None
    call: _Call | None = None

    @property
    def begin(self) -> Any:
        return SimpleNamespace(remote=self._begin)

    @property
    def see(self) -> Any:
        return SimpleNamespace(remote=self._see)

    def _begin(self) -> _Call:
        return self.cluster.begun(self)

    def _see(self, task: Task, _: None) -> _Call:
        return self.cluster.asked(self, task)


@dataclass(slots=True)
class Imagined:
    """A cluster that is not there; `Cluster` takes it for Ray.

    Args:
        nodes: how many.
        workers_a_node: that each has room for.
        trouble: what befalls it.
        work_seconds: that each segment takes, by its number.
        seed: of all chances.
        part_bytes: of what comes of a segment.
    """

    nodes_count: int
    workers_a_node: int
    trouble: Trouble
    work_seconds: list[float]
    seed: int = 0
    part_bytes: int = 0
    now: float = 0.0
    spent: Spent = field(default_factory=Spent)
    deaths: int = 0
    nodes_lost: int = 0
    poisoned: frozenset[int] = frozenset()
    tries: int = 1
    _part: Part = field(init=False)
    _random: Random = field(init=False)
    _nodes: list[_Node] = field(default_factory=list)
    _waiting: list[_Actor] = field(default_factory=list)
    _actors: list[_Actor] = field(default_factory=list)
    _events: list[tuple[float, int, str, Any]] = field(default_factory=list)
    _count: Any = field(default_factory=itertools.count)
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        batch = Scanned((), Faces.empty(), (), (("", bytes(self.part_bytes)),))
        self._part = Part((batch,), None, 0, 0, None, (), {})
        self._random = Random(self.seed)
        share, numbers = self.trouble.poisoned_share, range(len(self.work_seconds))
        self.poisoned = frozenset(n for n in numbers if self._random.random() < share)
        for _ in range(self.nodes_count):
            self._add_node()

    # What Ray has

    exceptions = SimpleNamespace(
        RayError=_Died, RayActorError=_Died, ObjectStoreFullError=Full, OutOfDiskError=Full
    )

    def is_initialized(self) -> bool:
        """It needs no connection."""
        return True

    def nodes(self) -> list[dict[str, Any]]:
        """Those that are there."""
        room = {"CPU": self.workers_a_node}
        return [
            {"Alive": True, "NodeID": str(each.number), "Resources": room} for each in self._nodes
        ]

    def remote(self, *, max_task_retries: int, **_: Any) -> Any:
        """Makes workers."""
        self.tries = max_task_retries + 1
        return lambda _: SimpleNamespace(remote=self._made)

    def kill(self, actor: _Actor) -> None:
        """Ends a worker and gives its place to another."""
        if actor.call:
            self._drop(actor.call)
        if actor in self._waiting:
            self._waiting.remove(actor)
        node, actor.node = actor.node, None
        if node:
            self._actors.remove(actor)
            node.free += 1
            self._place()

    def wait(
        self, calls: list[_Call], *, num_returns: int, timeout: float
    ) -> tuple[list[_Call], None]:
        """Time goes on until something happens."""
        end = self.now + timeout
        there = [each for each in calls if each.is_there]
        while not there and self._events and self._events[0][0] <= end:
            self._happen()
            there = [each for each in calls if each.is_there]
        if not there:
            self.now = end
        return there[:num_returns], None

    def put(self, value: Any) -> Any:
        """Where workers find it."""
        return value

    def get(self, call: _Call) -> Any:
        """What came of it."""
        if call.error:
            raise call.error
        return call.result

    # What happens

    def lose(self, node: int, seconds: float) -> None:
        """A node will be lost, in so many seconds."""
        self._later(seconds, "node dies", self._nodes[node])

    def rest(self, seconds: float) -> None:
        """Time goes on."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self._happen()
        self.now = end

    def begun(self, actor: _Actor) -> _Call:
        """A worker loads its networks, when it has a place."""
        actor.call = _Call(begun=self.now)
        if actor.node:
            self._load(actor)
        return actor.call

    def asked(self, actor: _Actor, task: Task) -> _Call:
        """A worker looks at a segment: what will come of it, if its node lives, is drawn."""
        call = actor.call = _Call(begun=self.now, number=task.start.number)
        seconds = 0.0
        while call.deaths < self.tries:
            call.work, death = self._drawn(call.number)
            if death >= call.work:
                call.result = self._part
                seconds += call.work
                break
            call.deaths += 1
            call.lost += death
            seconds += death
            if call.deaths < self.tries:
                seconds += self.trouble.restart_seconds
        else:
            call.error = _Died("it died")
        self._later(seconds, "there", (actor, call, actor.node))
        return call

    def _drawn(self, number: int) -> tuple[float, float]:
        """Seconds that a run of a segment takes, and after which its worker dies."""
        work = self.work_seconds[number]
        if self._random.random() < self.trouble.slow_share:
            work *= self.trouble.slow_times
        if number in self.poisoned:
            return work, work * self._random.random()
        return work, self._lifetime(self.trouble.worker_hours)

    def _lifetime(self, mean_hours: float) -> float:
        return self._random.expovariate(1 / (mean_hours * HOUR)) if mean_hours else float("inf")

    def _later(self, seconds: float, kind: str, what: Any) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._count), kind, what))

    def _happen(self) -> None:
        self.now, _, kind, what = heapq.heappop(self._events)
        if kind == "there":
            self._there(*what)
        elif kind == "node comes":
            self._add_node()
        elif what in self._nodes:
            self._lose(what)

    def _there(self, actor: _Actor, call: _Call, node: _Node) -> None:
        if call.is_dropped or actor.node is not node:
            return
        call.is_there, actor.call = True, None
        spent = self.spent
        if call.number == LOADING:
            spent.restarting += self.trouble.restart_seconds
            return
        self.deaths += call.deaths
        spent.lost += call.lost
        spent.restarting += min(call.deaths, self.tries - 1) * self.trouble.restart_seconds
        if call.error:
            return
        if call.number in self._seen:
            spent.again += call.work
        else:
            self._seen.add(call.number)
            spent.useful += call.work

    def _drop(self, call: _Call) -> None:
        """Nobody is at it any more."""
        if not (call.is_there or call.is_dropped):
            call.is_dropped = True
            self.spent.lost += self.now - call.begun

    def _add_node(self) -> None:
        node = _Node(next(self._count), self.workers_a_node)
        self._nodes.append(node)
        life = self._lifetime(self.trouble.node_hours)
        if life < float("inf"):
            self._later(life, "node dies", node)
        self._place()

    def _lose(self, node: _Node) -> None:
        self.nodes_lost += 1
        self._nodes.remove(node)
        for actor in [each for each in self._actors if each.node is node]:
            self._actors.remove(actor)
            actor.node = None
            if actor.call and actor.call.number == LOADING:  # Ray itself finds it another place
                self._waiting.append(actor)
            elif actor.call:
                self._drop(actor.call)
        self._later(self.trouble.back_seconds, "node comes", None)

    def _made(self, *_: Any) -> _Actor:
        actor = _Actor(self)
        self._waiting.append(actor)
        self._place()
        return actor

    def _place(self) -> None:
        """Gives workers that wait the places that are free."""
        for node in self._nodes:
            while node.free and self._waiting:
                actor = self._waiting.pop(0)
                actor.node = node
                node.free -= 1
                self._actors.append(actor)
                if actor.call:
                    self._load(actor)

    def _load(self, actor: _Actor) -> None:
        assert actor.node is not None
        assert actor.call is not None
        number = str(actor.node.number)
        actor.call.result = Ready(number, number, own_version(), "imagined")
        self._later(self.trouble.restart_seconds, "there", (actor, actor.call, actor.node))
