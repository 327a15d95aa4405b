"""A process that runs jobs in children of its own, and has the system kill them at any step.

Started as a program by ``Killer``. Everything is imported once; each run is then a forked process
of its own, which a SIGKILL ends as it ends any other.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from stopped import Job

from facegrab.media import segments

STEPS_OF_SQLITE = 300
"""Instructions of its virtual machine that are a step of ours."""
_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect")


class Killer:
    """Runs jobs in processes that may be killed; use it as a context manager."""

    def __enter__(self) -> Self:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OPENBLAS_NUM_THREADS": "1",  # a process that is to be forked has one thread
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def run(self, job: Job, place: Path, *, at_step: int = 0, at_bytes: int = 0) -> tuple[int, int]:
        """Runs a job to its end, or until it is killed.

        Args:
            job: what to do.
            place: where it writes.
            at_step: the step that it does not come to the end of; 0: all are done.
            at_bytes: the system kills it when it writes to a file behind so many; 0: never.

        Returns:
            what the process ended with, which for a signal is its negative number, and the steps
            it had come to, if it was not killed.
        """
        assert self._process.stdin
        assert self._process.stdout
        words = [asdict(job), place, at_step, at_bytes]
        print(json.dumps(words, default=str), file=self._process.stdin, flush=True)
        code, steps = json.loads(self._process.stdout.readline())
        return code, steps


def _main() -> None:
    segments.SEGMENT_SECONDS = 0.15  # type: ignore[assignment]
    segments.IMAGES_PER_SEGMENT = 2
    for line in sys.stdin:
        job, place, at_step, at_bytes = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            _child(Job(**job), Path(place), at_step, at_bytes, writer)
        os.close(writer)
        _, status = os.waitpid(child, 0)
        steps = os.read(reader, 20) or b"0"
        os.close(reader)
        sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), int(steps)]) + "\n")
        sys.stdout.flush()


def _child(job: Job, place: Path, at_step: int, at_bytes: int, writer: int) -> None:
    """A run; its steps are counted, and it does not live through the one that is named."""
    counted = itertools.count(1)
    ended = False

    def step(*_: object) -> None:
        if not ended and next(counted) == at_step:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        _watch(place, step)
        if at_bytes:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, at_bytes))
        job.run(place)
        ended = True
        os.write(writer, str(next(counted) - 1).encode())
        code = 0
    finally:
        os._exit(code)


def _watch(place: Path, step: Callable[..., None]) -> None:
    """Has a step counted whenever something is done to a file below a place."""

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS and str(arguments[0]).startswith(str(place)):
            step()

    sys.addaudithook(heard)
    fsync, connect, write_bytes = os.fsync, sqlite3.connect, Path.write_bytes

    def synced(number: int) -> None:
        fsync(number)
        step()

    def written(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            step()
        return write_bytes(path, data)

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*arguments, **options)
        database.set_trace_callback(step)
        database.set_progress_handler(step, STEPS_OF_SQLITE)
        return database

    os.fsync = synced  # type: ignore[assignment]
    sqlite3.connect = connected  # type: ignore[assignment]
    Path.write_bytes = written  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    _main()
