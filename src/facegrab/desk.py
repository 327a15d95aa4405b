"""The desk of a cluster: which segment a worker that has nothing to do gets next."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from statistics import median

from facegrab.task import Part, Task

LATE_TIMES, LATE_SECONDS = 4, 30.0
"""A segment is started again elsewhere when it takes so many times as long as half of the others
do, and so long at least: that long networks take to load on a node that comes new."""
AHEAD = 16
"""Segments started and not yet taken, for each worker: as many as they do while a late one is
noticed and done again, see bench/scale.py. What is done too early waits in memory."""
AHEAD_BYTES = 4 * 2**30
"""Of what waits there, beyond which nothing new is started."""
_TIMES_KEPT = 500


@dataclass(eq=False, slots=True)
class Job:
    """A segment that is to be looked through.

    Attributes:
        task: the segment.
        future: what comes of it.
        copies: workers that are at it.
        since: when the last of them began.
        lost: workers that it has cost.
    """

    task: Task
    future: Future[Part] = field(default_factory=Future)
    copies: int = 0
    since: float = 0.0
    lost: int = 0


class Desk:
    """Keeps what is to be done; whoever uses it from several threads has a lock."""

    def __init__(self) -> None:
        self.queue: deque[Job] = deque()
        self._untaken: dict[Future[Part], int] = {}
        """Segments started, and the bytes of what came of them and waits."""
        self._waiting_bytes = 0
        self._late: list[Job] = []
        self._took: deque[float] = deque(maxlen=_TIMES_KEPT)

    @property
    def unclaimed(self) -> int:
        """Segments given out that nobody has taken yet."""
        return len(self._untaken)

    def add(self, task: Task) -> Future[Part]:
        """Notes a segment, behind all others."""
        job = Job(task)
        self.queue.append(job)
        return job.future

    def next(self, workers: int, now: float) -> Job | None:
        """What one of so many workers begins with now: late segments, then the next ones."""
        while self._late:
            job = self._late.pop(0)
            if job.copies and not job.future.done():
                return self._begun(job, now)
        while self.queue and self._may_start(self.queue[0], workers):
            job = self.queue.popleft()
            if not job.future.cancelled():
                self._untaken.setdefault(job.future, 0)
                return self._begun(job, now)
        return None

    def came(self, job: Job, part: Part, seconds: float) -> None:
        """A segment was looked through, in so many seconds."""
        self._took.append(seconds)
        self._untaken[job.future] = part.size_bytes
        self._waiting_bytes += part.size_bytes
        job.future.set_result(part)

    def again(self, job: Job) -> None:
        """A worker is no longer at a segment: it goes back to the front, if nobody else is."""
        if job.future.done():
            return
        job.copies -= 1
        if job.copies == 0:
            self.queue.appendleft(job)

    def let_go(self, future: Future[Part]) -> None:
        """What came of a segment was taken, or nobody waits for it."""
        self._waiting_bytes -= self._untaken.pop(future, 0)

    def note_late(self, at_work: list[tuple[Job, float]], now: float) -> list[Job]:
        """Notes segments to begin again elsewhere.

        A segment may take long by itself. So each further beginning waits longer than the last one.

        Args:
            at_work: what each worker is at, and since when.
            now: by the same clock.

        Returns:
            those among them that are late and done: somebody else was faster. Whoever is at one may
            hang for ever.
        """
        self._late.clear()
        if not self._took:
            return []
        vain, limit = list[Job](), max(LATE_TIMES * median(self._took), LATE_SECONDS)
        for job, since in at_work:
            if now - since <= limit:
                continue
            if job.future.done():
                vain.append(job)
            elif job not in self._late and now - job.since > limit * LATE_TIMES ** (job.copies - 1):
                self._late.append(job)
        return vain

    def _begun(self, job: Job, now: float) -> Job:
        job.copies += 1
        job.since = now
        return job

    def _may_start(self, job: Job, workers: int) -> bool:
        """Whether a segment may be looked at though others wait that were done before their turn.

        One that was begun may at any time: it may be the very one that all others wait for.
        """
        if job.future in self._untaken or job.future.cancelled():
            return True
        return len(self._untaken) < AHEAD * workers and self._waiting_bytes < AHEAD_BYTES
