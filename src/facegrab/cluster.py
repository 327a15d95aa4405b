"""A Ray cluster: workers on its nodes look through segments, with the very results of one process.

Ray holds the workers, each on its share of a node's processors, starts those again that die, and
tries again what they were at. Only addresses of segments go out, and rows and encoded extracts come
back.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Self

from facegrab.errors import DeviceError, FaceGrabError
from facegrab.models.compute import CUDA
from facegrab.seer import Ready, Refused, Seer, own_version
from facegrab.settings import AUTO, ProcessSettings
from facegrab.task import Orders, Part, SetAsideError, Task

logger = logging.getLogger(__name__)

TRIES = 3
"""Workers that a segment may cost."""
LATE_TIMES, LATE_SECONDS = 4, 30.0
"""A segment is started again elsewhere when it takes so many times as long as half of the others
do, and so long at least: that long networks take to load on a node that comes new."""
AHEAD = 16
"""Segments started and not yet taken, for each worker: as many as they do while a late one is
noticed and done again, see bench/scale.py. What is done too early waits in memory."""
AHEAD_BYTES = 4 * 2**30
"""Of what waits there, beyond which nothing new is started."""
CONNECT_SECONDS = 5.0
"""For the cluster to answer; Ray itself tries for minutes."""
OTHERS_SECONDS = 30.0
"""That the start waits for the other workers when the first one is ready: what they lack is told
before the work begins, but nodes may be in use by others."""
_LOOK_ROUND_SECONDS = 1.0
_POLL_SECONDS = 0.1


@dataclass(eq=False, slots=True)
class _Job:
    """A segment that is to be looked through."""

    task: Task
    future: Future[Part] = field(default_factory=Future)
    copies: int = 0
    since: float = 0.0
    """When the last of these began."""
    lost: int = 0


@dataclass(eq=False, slots=True)
class _Hand:
    """A worker, and what it is at."""

    actor: Any
    ready: Ready | None = None
    job: _Job | None = None
    since: float = 0.0


class Cluster:
    """The workers of a cluster; see Engine.

    Args:
        orders: what they have to know.
        ray: what stands in for Ray; None for itself.
        clock: seconds that never go back.

    Raises:
        DeviceError: Ray is not installed, there is no cluster, or it is of another version.
    """

    def __init__(
        self, orders: Orders, ray: Any = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ray = ray or _ray()
        self._clock = clock
        process = orders.process
        self._cpus = process.threads or 1
        # Of one card as many workers as --jobs says.
        self._gpus = 1 / process.jobs if process.device == CUDA else 0.0
        process = replace(process, threads=self._cpus)
        self._orders = replace(orders, process=process, folder=None)
        self._ours = False
        self._hands: dict[Any, _Hand] = {}
        """Workers by what they are waited for: that they are ready, or a segment."""
        self._idle: list[_Hand] = []
        self._unfit = 0
        self._lock = threading.Condition()
        self._queue: deque[_Job] = deque()
        self._untaken: dict[Future[Part], int] = {}
        """Segments started, and the bytes of what came of them and waits."""
        self._waiting_bytes = 0
        self._late: list[_Job] = []
        self._took: deque[float] = deque(maxlen=500)
        self._error: FaceGrabError | None = None
        self._stop = False
        self._looked_round = 0.0
        self._thread = threading.Thread(target=self._run, name="facegrab-cluster", daemon=True)

    def __enter__(self) -> Self:
        self._connect(self._orders.process)
        try:
            self.begin()
            self._thread.start()
        except BaseException:
            self._disconnect()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            self._stop = True
            self._lock.notify_all()
        self._thread.join()
        self._disconnect()

    @property
    def is_busy(self) -> bool:
        """Whether there is enough to do for all until something comes back."""
        with self._lock:
            return len(self._queue) >= 2 * max(len(self._hands) + len(self._idle), 1)

    @property
    def unclaimed(self) -> int:
        """Segments given out that nobody has taken yet."""
        with self._lock:
            return len(self._untaken)

    def see(self, task: Task) -> Future[Part]:
        """Has a segment looked through, when one of them comes to it."""
        job = _Job(task)
        with self._lock:
            self._queue.append(job)
            self._lock.notify_all()
        return job.future

    def take(self, future: Future[Part]) -> Part:
        """What came of a segment, see Engine."""
        try:
            return future.result()
        finally:
            self._let_go(future)

    def drop(self, future: Future[Part]) -> None:
        """Nobody waits for a segment any more."""
        future.cancel()
        self._let_go(future)

    def _let_go(self, future: Future[Part]) -> None:
        with self._lock:
            self._waiting_bytes -= self._untaken.pop(future, 0)
            self._lock.notify_all()

    def begin(self) -> None:
        """Has workers begin, and waits until one of them is ready.

        Raises:
            see _first_workers.
        """
        self._seer = self._remote()
        self._first_workers()

    # The connection

    def _connect(self, process: ProcessSettings) -> None:
        """Raises DeviceError: there is no cluster, or it is of another version."""
        ray, address = self._ray, process.address
        if ray.is_initialized():
            return
        if address != AUTO:
            _require_answer(address)
        try:
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR,
                configure_logging=False,
            )  # fmt: skip
        except ConnectionError as error:
            raise DeviceError(_no_cluster(address)) from error
        except (RuntimeError, ValueError, OSError) as error:
            said = " ".join(str(error).split())
            if "ersion mismatch" in said:
                raise DeviceError(
                    f"the Ray cluster is of another version than this machine: {said}"
                ) from error
            raise DeviceError(f"{_no_cluster(address)} ({said})") from error
        self._ours = True

    def _disconnect(self) -> None:
        for hand in (*self._hands.values(), *self._idle):
            self._kill(hand)
        self._hands.clear()
        self._idle.clear()
        if self._ours:
            self._ray.shutdown()

    def _remote(self) -> Any:
        """Ray's idea of a worker."""
        return self._ray.remote(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_restarts=-1,
            max_task_retries=TRIES - 1,
        )(Seer)

    # The workers

    def _room(self) -> int:
        """Workers that the nodes there are have room for, whatever else they are at."""
        return sum(self._room_on(node["Resources"]) for node in self._ray.nodes() if node["Alive"])

    def _room_on(self, resources: dict[str, float]) -> int:
        room = resources.get("CPU", 0.0) / self._cpus
        if self._gpus:
            room = min(room, resources.get("GPU", 0.0) / self._gpus)
        return int(room + 1e-6)

    def _first_workers(self) -> None:
        """Waits until the first worker is ready, and a little for the others.

        Raises:
            DeviceError: no node has room for a worker.
            WeightsError, ...: a worker cannot begin.
        """
        if not self._room():
            needs = f"{self._cpus} processors" + (" and a graphics card" if self._gpus else "")
            raise DeviceError(
                f"no node of the Ray cluster has {needs} to give: fewer --threads, or more nodes"
            )
        self._grow()
        end: float | None = None
        told = self._clock() + OTHERS_SECONDS
        while self._hands and (end is None or self._clock() < end):
            self._settle(self._ended())
            if self._error is not None:
                raise self._error
            now = self._clock()
            if end is None and self._idle:
                end = now + OTHERS_SECONDS
            elif end is None and now > told:
                logger.info("waiting for room on the Ray cluster")
                told = float("inf")

    def _grow(self) -> None:
        """As many workers as there is room for."""
        missing = self._room() - self._unfit - len(self._hands) - len(self._idle)
        for _ in range(missing):
            self._await(_Hand(self._seer.remote(self._orders, str(Path.cwd()))))

    def _await(self, hand: _Hand) -> None:
        """Asks a worker to be ready."""
        hand.ready, hand.job = None, None
        self._hands[hand.actor.begin.remote()] = hand

    def _leave_dead_nodes(self) -> None:
        """What workers on nodes that are gone were at goes to others."""
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        for ref, hand in list(self._hands.items()):
            if hand.ready is not None and hand.ready.node not in alive:
                del self._hands[ref]
                self._again(hand.job)
                self._kill(hand)
        gone = [hand for hand in self._idle if hand.ready and hand.ready.node not in alive]
        for hand in gone:
            self._idle.remove(hand)
            self._kill(hand)

    def _again(self, job: _Job | None) -> None:
        """A segment goes back to the front, if nobody else is at it."""
        if job is None or job.future.done():
            return
        job.copies -= 1
        if job.copies == 0:
            self._queue.appendleft(job)

    def _kill(self, hand: _Hand) -> None:
        with suppress(Exception):
            self._ray.kill(hand.actor)

    # The thread

    def _run(self) -> None:
        try:
            while self.step():
                pass
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            self._fail(error)

    def step(self) -> bool:
        """Gives out what there is to do, and takes what comes back in the next moment.

        Returns:
            whether there is to be another one.
        """
        with self._lock:
            if self._stop:
                return False
            self._look_round()
            self._start()
            if not self._hands:
                self._rest()
                return True
        ended = self._ended()
        with self._lock:
            self._settle(ended)
        return True

    def _rest(self) -> None:
        """There is nothing to wait for but more to do."""
        self._lock.wait(_POLL_SECONDS)

    def _fail(self, error: Exception) -> None:
        """The cluster is gone: nobody shall wait for it."""
        said = " ".join(str(error).split())[:300]
        with self._lock:
            jobs = {*self._queue, *(hand.job for hand in self._hands.values() if hand.job)}
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(
                        DeviceError(
                            f"the Ray cluster is gone ({said}): run the same command again when "
                            "it is back; it goes on where it stopped"
                        )
                    )
            self._queue.clear()

    def _look_round(self) -> None:
        now = self._clock()
        if now - self._looked_round >= _LOOK_ROUND_SECONDS:
            self._looked_round = now
            self._leave_dead_nodes()
            self._note_late()
            self._grow()

    def _start(self) -> None:
        """Gives workers that have nothing to do late segments, then the next ones."""
        while self._idle and self._late:
            job = self._late.pop(0)
            if job.copies and not job.future.done():
                self._give(job)
        while self._idle and self._queue and self._may_start(self._queue[0]):
            job = self._queue.popleft()
            if not job.future.cancelled():
                self._untaken.setdefault(job.future, 0)
                self._give(job)

    def _may_start(self, job: _Job) -> bool:
        """Whether a segment may be looked at though others wait that were done before their turn.

        One that was begun may at any time: it may be the very one that all others wait for.
        """
        if job.future in self._untaken or job.future.cancelled():
            return True
        most = AHEAD * (len(self._hands) + len(self._idle))
        return len(self._untaken) < most and self._waiting_bytes < AHEAD_BYTES

    def _give(self, job: _Job) -> None:
        hand = self._idle.pop()
        hand.job = job
        hand.since = job.since = self._clock()
        job.copies += 1
        self._hands[hand.actor.see.remote(job.task)] = hand

    def _note_late(self) -> None:
        """Notes segments to begin again elsewhere, and ends whoever is late with one that is done.

        A segment may take long by itself. So each further beginning waits longer than the last one.
        """
        self._late.clear()
        if not self._took:
            return
        now, limit = self._clock(), max(LATE_TIMES * median(self._took), LATE_SECONDS)
        for ref, hand in list(self._hands.items()):
            job = hand.job
            if job is None or now - hand.since <= limit:
                continue
            if job.future.done():  # it may hang for ever: another comes in its place
                del self._hands[ref]
                self._kill(hand)
            elif job not in self._late and now - job.since > limit * LATE_TIMES ** (job.copies - 1):
                self._late.append(job)

    def _ended(self) -> list[Any]:
        """What is waited for and there."""
        refs = list(self._hands)
        ended, _ = self._ray.wait(refs, num_returns=1, timeout=_POLL_SECONDS)
        if ended:  # and all others that are
            ended, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        return list(ended)

    def _settle(self, ended: list[Any]) -> None:
        for ref in ended:
            hand = self._hands.pop(ref)
            try:
                result = self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                self._died(hand, error)
                continue
            if hand.job is None:
                self._begun(hand, result)
            else:
                self._seen(hand, hand.job, result)

    def _begun(self, hand: _Hand, result: Ready | Refused) -> None:
        if isinstance(result, Refused):
            self._refuse(hand, _named(result))
        elif result.version != own_version():
            self._refuse(hand, DeviceError(
                f"node {result.host} has FaceGrab {result.version}, this machine {own_version()}: "
                "install the same one"
            ))  # fmt: skip
        else:
            hand.ready = result
            self._idle.append(hand)

    def _refuse(self, hand: _Hand, error: FaceGrabError) -> None:
        """A worker that cannot begin: an error at the start, later it is left out."""
        self._unfit += 1
        self._kill(hand)
        if self._thread.is_alive():
            logger.warning("a worker is left out: %s", error)
        else:
            self._error = self._error or error

    def _seen(self, hand: _Hand, job: _Job, result: Part | Refused) -> None:
        hand.job = None
        self._idle.append(hand)
        if job.future.done():  # somebody else was faster, or nobody waits
            return
        if isinstance(result, Refused):
            job.future.set_exception(_named(result))
        else:
            self._took.append(self._clock() - hand.since)
            self._untaken[job.future] = result.size_bytes
            self._waiting_bytes += result.size_bytes
            job.future.set_result(result)

    def _died(self, hand: _Hand, error: Exception) -> None:
        """A worker died, as often as Ray tries; it starts again."""
        job = hand.job
        if job is None and not self._thread.is_alive():
            said = " ".join(str(error).split())[-300:]
            self._error = DeviceError(f"no worker can start on the Ray cluster: {said}")
        elif job is None:  # whether it has another place, the next look round tells
            self._kill(hand)
            return
        elif job.copies > 1:
            job.copies -= 1
        elif isinstance(error, self._ray.exceptions.RayActorError) or job.lost + 1 >= TRIES:
            if not job.future.done():
                job.future.set_exception(SetAsideError(f"{TRIES} workers died of it"))
        else:
            job.lost += 1
            self._again(job)
        self._await(hand)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise DeviceError(
            f"--engine ray needs Ray ({error}): pip install 'facegrab[ray]'"
        ) from error
    return ray


def _no_cluster(address: str) -> str:
    if address == AUTO:
        return (
            "this machine is part of no Ray cluster: ray start --head begins one, ray start "
            "--address HOST:PORT joins one"
        )
    return f"no Ray cluster answers at {address}: is it HOST:PORT as ray start --head says?"


def _require_answer(address: str) -> None:
    """Raises DeviceError: nobody listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError, ValueError) as error:
        raise DeviceError(f"{_no_cluster(address)} ({error})") from error


def _named(refused: Refused) -> FaceGrabError:
    """The error, with the node that it happened on."""
    text = str(refused.error)
    if refused.host in text:
        return refused.error
    return type(refused.error)(f"node {refused.host}: {text}")
