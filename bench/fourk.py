"""4K: time against decoding alone, and memory."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Ran, decode, run, warm_up
from bench.media import Setup
from bench.runs import (
    against,
    frames_in,
    peak_growth_row,
    peak_row,
    require_all_looked_at,
    wall,
)
from bench.table import AtMost, Row
from bench.tour import ULTRA_HD, repeated, tour, tour_reference
from bench.video import facts

SECONDS, SECONDS_QUICK = 30, 4
TIMES, TIMES_QUICK = 10, 3
REQUIRED = AtMost(1.3)
PEAK_REQUIRED = 1.2e9
BATCH_SIZE = 128


def fourk(setup: Setup) -> Iterator[Row]:
    """At defaults, with the largest batches."""
    seconds, times = (SECONDS_QUICK, TIMES_QUICK) if setup.quick else (SECONDS, TIMES)
    clip, reference = tour(seconds, ULTRA_HD), tour_reference()
    decoded, ours = list[Ran](), list[Ran]()
    warm_up()
    for _ in range(setup.rounds(5)):
        decoded.append(decode(clip))
        ours.append(run(clip, reference, batch_size=BATCH_SIZE))
    yield against(f"4K, {seconds} s, defaults (mtcnn)", ours, decoded, REQUIRED)
    frames = frames_in(seconds)
    yield Row(
        "  the clip",
        facts(clip),
        f"decodes at {frames / wall(decoded):.0f} frames/s",
        values={"frames": frames, "decode_s": wall(decoded)},
    )
    yield peak_row(f"4K, peak memory, --batch_size {BATCH_SIZE}", ours, PEAK_REQUIRED)
    with repeated(clip, times) as longer:
        long = run(longer, reference, batch_size=BATCH_SIZE)
    require_all_looked_at([long], times * frames)
    yield peak_growth_row(f"4K, peak memory, a clip {times}x as long", [long], ours)
