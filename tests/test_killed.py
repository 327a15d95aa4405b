"""Real processes that are killed at random steps, and what they leave when they are run again."""

from __future__ import annotations

import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("no process is forked there, and none killed by a signal", allow_module_level=True)

from killed import Killer
from stopped import Job, assert_same, in_memory, left, make_sources

KILLS = 20
BOTH = {"align": ("mean-face", "dlib-chip")}
JOBS = ("two alignments", "shared index", "film as PNG", "three sources")


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as ready:
        yield ready


@pytest.fixture(scope="module")
def jobs(room: Path) -> dict[str, Job]:
    (room / "media").mkdir()
    sources = make_sources(room / "media")
    red, short = sources["red"], sources["short"]
    return {
        "two alignments": Job(red, [short], BOTH),
        "shared index": Job(red, [short], shared=True),
        "film as PNG": Job(red, [sources["film"]], {"format": "png"}),
        "three sources": Job(red, [sources["images"], sources["drift"], short], shared=True),
    }


@pytest.fixture(scope="module")
def undisturbed(
    jobs: dict[str, Job], killer: Killer, room: Path
) -> dict[str, tuple[int, dict[str, Any]]]:
    """Of each job, the steps it takes and what it leaves."""
    ends = {}
    for name, job in jobs.items():
        place = new(room)
        code, steps = killer.run(job, place)
        assert code == 0
        assert steps > 200
        ends[name] = steps, left(place)
    return ends


def new(room: Path) -> Path:
    """An empty place, always of the same name."""
    place = room / "trial"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_at_a_random_step_and_maybe_again(
    jobs: dict[str, Job],
    undisturbed: dict[str, tuple[int, dict[str, Any]]],
    killer: Killer,
    room: Path,
    seed: int,
) -> None:
    """Before and within what is done to files, and within SQLite's statements."""
    chance = random.Random(seed)
    name = JOBS[seed % len(JOBS)]
    steps, expected = undisturbed[name]
    place = new(room)
    moments = [chance.randrange(1, steps)]
    while chance.random() < 0.5:
        moments.append(chance.randrange(1, steps))
    for number, moment in enumerate(moments):
        code, _ = killer.run(jobs[name], place, at_step=moment)
        # What is left to do may take fewer steps.
        assert code == -signal.SIGKILL or (number and code == 0)
    code, _ = killer.run(jobs[name], place)
    assert code == 0
    assert_same(place, expected, f"killed at {moments} of {steps}")


@pytest.mark.parametrize("seed", range(8))
def test_killed_in_the_middle_of_a_commit(
    jobs: dict[str, Job],
    undisturbed: dict[str, tuple[int, dict[str, Any]]],
    killer: Killer,
    room: Path,
    seed: int,
) -> None:
    """While SQLite writes to the file, which grows: behind a size the system kills the process."""
    name = JOBS[seed % 2]
    place = new(room)
    assert killer.run(jobs[name], place)[0] == 0
    database = place / ("index/seen.db" if jobs[name].shared else "out/facegrab.db")
    limit = random.Random(seed).randrange(2**13, database.stat().st_size)
    place = new(room)
    code, _ = killer.run(jobs[name], place, at_bytes=limit)
    assert code == -signal.SIGXFSZ
    assert killer.run(jobs[name], place)[0] == 0
    assert_same(place, undisturbed[name][1], f"killed when a file had {limit} bytes")
