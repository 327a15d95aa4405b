"""What grows with a clip: time a frame and memory shall not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from bench.measure import Ran, run, warm_up
from bench.media import Setup
from bench.runs import frames_in, peak_growth_row, require_all_looked_at, seconds_of
from bench.table import Row, UnmeasurableError
from bench.tour import repeated, tour, tour_reference

TIMES, TIMES_QUICK = 10, 3
TIMES_LONG = 60
CONSTANT_WITHIN = 0.05


def growth(setup: Setup) -> Iterator[Row]:
    """A clip and the same ten times over, by turns; with ``--long`` sixty times over, once."""
    seconds, times = seconds_of(setup), setup.rounds(TIMES, TIMES_QUICK)
    short = tour(seconds)
    once, many, longest = list[Ran](), list[Ran](), list[Ran]()
    warm_up()
    with repeated(short, times) as clip:
        for _ in range(setup.rounds(3)):
            once.append(run(short, tour_reference()))
            many.append(run(clip, tour_reference()))
    if setup.long:
        # One before and one after: a machine may be another one an hour of film later.
        once.append(run(short, tour_reference()))
        with repeated(short, TIMES_LONG) as clip:
            longest.append(run(clip, tour_reference()))
        once.append(run(short, tour_reference()))
    require_all_looked_at(once, frames_in(seconds))
    yield from _rows(seconds, times, many, once[: len(many)])
    if longest:
        yield from _rows(seconds, TIMES_LONG, longest * 2, once[-2:])
    else:
        yield Row(f"a clip {TIMES_LONG}x as long", "not measured", "asked for by --long")


def _rows(seconds: int, times: int, long: Sequence[Ran], once: Sequence[Ran]) -> Iterator[Row]:
    require_all_looked_at(long, times * frames_in(seconds))
    yield _time_row(seconds, times, long, once)
    yield peak_growth_row(f"peak memory, a clip {times}x as long", long, once)


def _time_row(seconds: int, times: int, long: Sequence[Ran], once: Sequence[Ran]) -> Row:
    more, less = ([_frame_seconds(ran) for ran in runs] for runs in (long, once))
    ratio = median(a / b for a, b in zip(more, less, strict=True))
    return Row(
        f"time a frame, {seconds} s {times}x as long",
        f"{median(more) * 1e3:.2f} ms",
        f"once {median(less) * 1e3:.2f} ms",
        f"{ratio:.3f}x",
        f"within {CONSTANT_WITHIN:.0%}",
        abs(ratio - 1) <= CONSTANT_WITHIN,
        {"long_s": more, "short_s": less, "ratio": ratio},
    )


def _frame_seconds(ran: Ran) -> float:
    """Seconds a frame after the first batch: what is done once, at the start, is left out.

    Raises:
        UnmeasurableError: there was no other batch.
    """
    frames = ran.said["frames"] - ran.said["first_batch_frames"]
    if frames <= 0:
        raise UnmeasurableError("the clip is one batch: nothing comes after it")
    return float((ran.said["ended"] - ran.said["first_batch"]) / frames)
