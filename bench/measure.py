"""Clocks: functions in this process, turn by turn, and runs in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.media import HAMILTON_CLIP, media
from bench.table import UnmeasurableError

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Timed:
    """Something to be timed: a call, how often a round, and how much work one call is."""

    call: Callable[[], object]
    calls: int = 1
    work: int = 1


def interleaved(rounds: int, *things: Timed) -> list[float]:
    """Median seconds per unit of work of each, measured by turns after one call to warm up."""
    times: list[list[float]] = [[] for _ in things]
    for thing in things:
        thing.call()
    for _ in range(rounds):
        for kept, thing in zip(times, things, strict=True):
            for _ in range(thing.calls):
                start = time.perf_counter()
                thing.call()
                kept.append((time.perf_counter() - start) / thing.work)
    return [median(each) for each in times]


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished process.

    Attributes:
        wall: its seconds from start to end, start-up included.
        ready: seconds to the first frame; nonsense where there was none.
        first_batch: seconds until the first batch was committed; the same.
        said: what it reported.
    """

    wall: float
    ready: float
    first_batch: float
    said: dict[str, Any]


def decode(clip: Path) -> Ran:
    """Decoding alone: PyAV, frame threads, every frame, nothing converted."""
    return _child("decode", str(clip))


def run(clip: Path, reference: Path, **settings: Any) -> Ran:
    """FaceGrab at embedded defaults but for these ProcessSettings.

    Its folder is thrown away.
    """
    with TemporaryDirectory(prefix="facegrab-bench-") as folder:
        return run_into(Path(folder), clip, reference, **settings)


def run_into(
    folder: Path, clip: Path, reference: Path, *, index: Path | None = None, **settings: Any
) -> Ran:
    """The same into a folder that stays, and from an index that there may be."""
    places = ["--reference", str(reference), "--output", str(folder)]
    if index is not None:
        places += ["--index", str(index)]
    return _child("run", str(clip), *places, "--settings", json.dumps(settings))


def match(**settings: int) -> Ran:
    """Faces in memory against people, in a process of its own."""
    return _child("match", "--settings", json.dumps(settings))


@cache
def warm_up(**settings: Any) -> None:
    """Once for each settings: networks are converted and cached, so that no run pays for it."""
    run(media("video", HAMILTON_CLIP), media("people", "lin-manuel-miranda.png"), **settings)


def wall_of(command: Sequence[str]) -> float:
    """Seconds that a command takes."""
    start = time.perf_counter()
    _checked(command)
    return time.perf_counter() - start


def _child(*arguments: str) -> Ran:
    begun, start = time.time(), time.perf_counter()
    said = json.loads(_checked([sys.executable, "-m", "bench.child", *arguments]))
    wall = time.perf_counter() - start
    ready, first_batch = (said.get(name, begun) - begun for name in ("begun", "first_batch"))
    return Ran(wall, ready, first_batch, said)


def _checked(command: Sequence[str]) -> str:
    # As an installed FaceGrab has it; else each process would compile all of its modules.
    keeping = {key: each for key, each in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command, cwd=ROOT, env=keeping, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UnmeasurableError(f"{' '.join(command[1:4])} ended with {done.returncode}: {last}")
    return done.stdout
