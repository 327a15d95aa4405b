"""A Ray cluster: workers on its nodes look through segments, with the very results of one process.

Ray holds the workers, each on its share of a node's processors, starts those again that die, and
tries again what they were at. Only addresses of segments go out, and rows and encoded extracts come
back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from facegrab.desk import Desk, Job
from facegrab.errors import DeviceError, FaceGrabError
from facegrab.models.compute import CUDA
from facegrab.raylink import connect, gone_for, load_ray, require_room
from facegrab.seer import Ready, Refused, Seer, own_version
from facegrab.task import Orders, Part, SetAsideError, Task

logger = logging.getLogger(__name__)

TRIES = 3
"""Workers that a segment may cost."""
OTHERS_SECONDS = 30.0
"""That the start waits for the other workers when the first one is ready: what they lack is told
before the work begins, but nodes may be in use by others."""
_TOLD_SECONDS = 10.0
"""Without any worker that is ready, after which it is said what the run waits for."""
_LOOK_ROUND_SECONDS = 1.0
_POLL_SECONDS = 0.1


@dataclass(eq=False, slots=True)
class _Hand:
    """A worker, and what it is at."""

    actor: Any
    ready: Ready | None = None
    job: Job | None = None
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
        self._ray = ray or load_ray()
        self._clock = clock
        process = orders.process
        self._cpus = process.threads or 1
        # Of one card as many workers as --jobs says.
        self._gpus = 1 / process.jobs if process.device == CUDA else 0.0
        process = replace(process, threads=self._cpus)
        self._orders = replace(orders, process=process, folder=None, asked=None)
        self._for = orders
        self._asked: Any = None
        """Where workers find who is asked for."""
        self._ours = False
        self._hands: dict[Any, _Hand] = {}
        """Workers by what they are waited for: that they are ready, or a segment."""
        self._idle: list[_Hand] = []
        self._unfit = 0
        self._lock = threading.Condition()
        self._desk = Desk()
        self._error: FaceGrabError | None = None
        self._gone: FaceGrabError | None = None
        """Why nothing is done any more."""
        self._stop = False
        self._looked_round = 0.0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._ours = connect(self._ray, self._orders.process.address)
        try:
            self.begin()
        except BaseException:
            self._disconnect()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            self._stop = True
            self._lock.notify_all()
        if self._thread:
            self._thread.join()
        self._disconnect()

    @property
    def is_busy(self) -> bool:
        """Whether there is enough to do for all until something comes back."""
        with self._lock:
            return len(self._desk.queue) >= 2 * max(self._workers, 1)

    @property
    def unclaimed(self) -> int:
        """Segments given out that nobody has taken yet."""
        with self._lock:
            return self._desk.unclaimed

    def see(self, task: Task) -> Future[Part]:
        """Has a segment looked through, when one of them comes to it."""
        with self._lock:
            self._lock.notify_all()
            future = self._desk.add(task)
            if self._gone:  # since the last one was taken
                future.set_exception(self._gone)
            return future

    def take(self, future: Future[Part]) -> Part:
        """What came of a segment, see Engine."""
        try:
            return future.result()
        finally:
            with self._lock:
                self._desk.let_go(future)
                self._lock.notify_all()

    def drop(self, future: Future[Part]) -> None:
        """Nobody waits for a segment any more."""
        with self._lock:
            future.cancel()
            self._desk.let_go(future)
            self._lock.notify_all()

    def begin(self) -> None:
        """Has workers begin.

        Raises:
            DeviceError: no node has room for one.
        """
        self._seer = self._remote()
        if not self._room():
            needs = f"{self._cpus} processors" + (" and a graphics card" if self._gpus else "")
            raise DeviceError(
                f"no node of the Ray cluster has {needs} to give: fewer --threads, or more nodes"
            )
        self._grow()

    def ask(self, orders: Orders) -> bool:
        """Says who is asked for, to workers that began before it was known.

        Args:
            orders: what they would have to know now.

        Returns:
            False where they began with others: nothing is said then.
        """
        known = replace(self._for, asked=orders.asked, folder=orders.folder)
        if known == orders:
            self._for = orders
        return known == orders

    def ready(self) -> None:
        """Waits until one of the workers is ready, and gives out what there is to do.

        Raises:
            see wait_for_workers.
        """
        if self._thread:
            return
        self.wait_for_workers()
        try:
            self._asked = self._ray.put(self._for.asked)
        except Exception as error:
            raise gone_for(error) from error
        self._thread = threading.Thread(target=self._run, name="facegrab-cluster", daemon=True)
        self._thread.start()

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

    @property
    def _workers(self) -> int:
        return len(self._hands) + len(self._idle)

    def _room(self) -> int:
        """Workers that the nodes there are have room for, whatever else they are at."""
        return sum(self._room_on(node["Resources"]) for node in self._ray.nodes() if node["Alive"])

    def _room_on(self, resources: dict[str, float]) -> int:
        room = resources.get("CPU", 0.0) / self._cpus
        if self._gpus:
            room = min(room, resources.get("GPU", 0.0) / self._gpus)
        return int(room + 1e-6)

    def wait_for_workers(self) -> None:
        """Waits until the first worker is ready, and a little for the others.

        Raises:
            DeviceError, WeightsError, ...: a worker cannot begin.
        """
        end: float | None = None
        told = self._clock() + _TOLD_SECONDS
        while self._hands and (end is None or self._clock() < end):
            self._settle(self._ended())
            if self._error is not None:
                raise self._error
            now = self._clock()
            if end is None and self._idle:
                end = now + OTHERS_SECONDS
            elif end is None and now > told:
                logger.info(
                    "waiting for a worker on the Ray cluster: others may have its processors, "
                    "which ray status shows"
                )
                told = float("inf")

    def _grow(self) -> None:
        """As many workers as there is room for."""
        missing = self._room() - self._unfit - self._workers
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
                if hand.job:
                    self._desk.again(hand.job)
                self._kill(hand)
        gone = [hand for hand in self._idle if hand.ready and hand.ready.node not in alive]
        for hand in gone:
            self._idle.remove(hand)
            self._kill(hand)

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
        """The cluster is gone, or has no room: nobody shall wait for it."""
        gone = gone_for(error)
        with self._lock:
            self._gone = gone
            jobs = {*self._desk.queue, *(hand.job for hand in self._hands.values() if hand.job)}
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(gone)
            self._desk.queue.clear()

    def _look_round(self) -> None:
        now = self._clock()
        if now - self._looked_round >= _LOOK_ROUND_SECONDS:
            self._looked_round = now
            self._leave_dead_nodes()
            self._end_vain(now)
            self._grow()

    def _start(self) -> None:
        """Gives workers that have nothing to do what is to be done."""
        now = self._clock()
        while self._idle and (job := self._desk.next(self._workers, now)):
            hand = self._idle.pop()
            hand.job, hand.since = job, now
            self._hands[hand.actor.see.remote(job.task, self._asked)] = hand

    def _end_vain(self, now: float) -> None:
        """Ends workers that are late with what others have done; others come in their places."""
        at_work = [(hand.job, hand.since) for hand in self._hands.values() if hand.job]
        vain = self._desk.note_late(at_work, now)
        for ref, hand in list(self._hands.items()):
            if hand.job in vain:
                del self._hands[ref]
                self._kill(hand)

    def _ended(self) -> list[Any]:
        """What is waited for and there."""
        refs = list(self._hands)
        ended, _ = self._ray.wait(refs, num_returns=1, timeout=_POLL_SECONDS)
        if ended:  # and all others that are
            ended, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        return list(ended)

    def _settle(self, ended: list[Any]) -> None:
        for ref in ended:
            hand = self._hands[ref]
            try:
                result = self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                require_room(self._ray, error, hand.ready.host if hand.ready else "")
                del self._hands[ref]
                self._died(hand, error)
                continue
            del self._hands[ref]  # only now: whatever else was raised, its job is told
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
        if self._thread:
            logger.warning("a worker is left out: %s", error)
        else:
            self._error = self._error or error

    def _seen(self, hand: _Hand, job: Job, result: Part | Refused) -> None:
        hand.job = None
        self._idle.append(hand)
        if job.future.done():  # somebody else was faster, or nobody waits
            return
        if isinstance(result, Refused):
            job.future.set_exception(_named(result))
        else:
            self._desk.came(job, result, self._clock() - hand.since)

    def _died(self, hand: _Hand, error: Exception) -> None:
        """A worker died, as often as Ray tries; it starts again."""
        job = hand.job
        if job is None and not self._thread:
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
            self._desk.again(job)
        self._await(hand)


def _named(refused: Refused) -> FaceGrabError:
    """The error, with the node that it happened on."""
    text = str(refused.error)
    if refused.host in text:
        return refused.error
    return type(refused.error)(f"node {refused.host}: {text}")
