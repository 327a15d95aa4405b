"""Several processes on one video: ``--jobs`` beside one process with its threads."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.measure import Ran, run, warm_up
from bench.media import Setup
from bench.runs import frames_in, require_all_looked_at, seconds_of, wall
from bench.table import Row
from bench.tour import repeated, tour, tour_reference

JOBS = 2
TIMES, TIMES_QUICK = 4, 3
"""Of the clip: a video of four minutes has twelve segments."""


def jobs(setup: Setup) -> Iterator[Row]:
    """The same video by one process and by two, by turns; it informs."""
    seconds, times = seconds_of(setup), setup.rounds(TIMES, TIMES_QUICK)
    warm_up()
    one, two = list[Ran](), list[Ran]()
    with repeated(tour(seconds), times) as clip:
        for _ in range(setup.rounds(3)):
            one.append(run(clip, tour_reference()))
            two.append(run(clip, tour_reference(), jobs=JOBS))
    require_all_looked_at([*one, *two], times * frames_in(seconds))
    ratio = median(a.wall / b.wall for a, b in zip(one, two, strict=True))
    yield Row(
        f"--jobs {JOBS}, {seconds * times} s of 1080p",
        f"{wall(two):.2f} s",
        f"one process {wall(one):.2f} s",
        f"{ratio:.2f}x as fast",
        values={
            "jobs_s": [ran.wall for ran in two],
            "one_s": [ran.wall for ran in one],
            "speed_up": ratio,
        },
    )
