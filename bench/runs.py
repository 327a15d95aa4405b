"""What the rows of whole runs share: a run is a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench.measure import Ran
from bench.media import Setup
from bench.table import AtMost, Row, UnmeasurableError
from bench.video import RATE
from facegrab import ProcessSettings

SECONDS, SECONDS_QUICK = 60, 10
MEGABYTE = 1e6
PEAK_GROWTH = AtMost(1.03)
EVERY = ProcessSettings().skip_frames + 1
"""One frame in so many is looked at by default."""


def seconds_of(setup: Setup) -> int:
    """Of the 1080p clip."""
    return SECONDS_QUICK if setup.quick else SECONDS


def wall(runs: Sequence[Ran]) -> float:
    """Median seconds from the process's start to its end."""
    return median(ran.wall for ran in runs)


def peak_of(runs: Sequence[Ran]) -> float:
    """The highest of several runs, in bytes."""
    return float(max(ran.said["peak_bytes"] for ran in runs))


def require_all_looked_at(runs: Sequence[Ran], frames: int, every: int = EVERY) -> None:
    """That runs have looked at every so manieth frame of a clip, and so did the work.

    Raises:
        UnmeasurableError: one of them has not.
    """
    due = len(range(0, frames, every))
    for ran in runs:
        if ran.said["looked_at"] != due:
            raise UnmeasurableError(f"a run looked at {ran.said['looked_at']} of {due} frames")


def against(
    work: str, ours: Sequence[Ran], decoding: Sequence[Ran], limit: AtMost, every: int = EVERY
) -> Row:
    """Wall time of runs beside decoding alone; they were measured by turns.

    Raises:
        UnmeasurableError: a run has not looked at every frame that it should.
    """
    require_all_looked_at(ours, decoding[0].said["frames"], every)
    # A ratio a round, then their median: what slows the machine for a while slows both.
    ratio = median(a.wall / b.wall for a, b in zip(ours, decoding, strict=True))
    return Row(
        work,
        f"{wall(ours):.2f} s",
        f"decoding alone {wall(decoding):.2f} s",
        f"{ratio:.2f}x",
        str(limit),
        ratio <= limit.ratio,
        {
            "ours_s": [ran.wall for ran in ours],
            "decode_s": [ran.wall for ran in decoding],
            "ratio": ratio,
        },
    )


def peak_row(work: str, runs: Sequence[Ran], most_bytes: float) -> Row:
    """The most memory that one of the runs has had."""
    peak = peak_of(runs)
    return Row(
        work,
        f"{peak / MEGABYTE:.0f} MB",
        required=f"<= {most_bytes / MEGABYTE:.0f} MB",
        met=peak <= most_bytes,
        values={"bytes": [ran.said["peak_bytes"] for ran in runs]},
    )


def peak_growth_row(work: str, long: Sequence[Ran], short: Sequence[Ran]) -> Row:
    """Peak memory of a long clip beside that of a short one."""
    more, once = peak_of(long), peak_of(short)
    return Row(
        work,
        f"{more / MEGABYTE:.0f} MB",
        f"once {once / MEGABYTE:.0f} MB",
        f"{more / once:.3f}x",
        str(PEAK_GROWTH),
        more <= PEAK_GROWTH.ratio * once,
        {"long_bytes": more, "short_bytes": once, "ratio": more / once},
    )


def frames_in(seconds: int) -> int:
    """Of a clip of so many seconds."""
    return seconds * RATE
