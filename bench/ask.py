"""A second question: what was seen once is not looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.measure import Ran, decode, match, run_into, warm_up
from bench.media import Setup
from bench.runs import MEGABYTE, peak_of, seconds_of
from bench.table import Row
from bench.tour import repeated, tour, tour_other, tour_reference

TIMES, TIMES_QUICK = 10, 3
FIRST_REQUIRED = 2.0
FACES, FACES_QUICK = 1_000_000, 50_000
PEOPLE, REFERENCES = 10, 5
MATCH_REQUIRED = 1.0
MATCH_MEMORY_REQUIRED = 1.5e9
LENGTH = 128


def ask(setup: Setup) -> Iterator[Row]:
    """A clip of ten minutes for one person, then for another from the same index, by turns."""
    yield from _second_question(setup)
    yield from _matching(setup)


def _second_question(setup: Setup) -> Iterator[Row]:
    seconds, times = seconds_of(setup), setup.rounds(TIMES, TIMES_QUICK)
    warm_up()
    first, second, decoded = list[Ran](), list[Ran](), list[Ran]()
    with repeated(tour(seconds), times) as clip:
        for _ in range(setup.rounds(3)):
            decoded.append(decode(clip))
            with TemporaryDirectory(prefix="facegrab-bench-") as folder:
                one, other = Path(folder, "one"), Path(folder, "other")
                first.append(run_into(one, clip, tour_reference()))
                index = one / "facegrab.db"
                second.append(run_into(other, clip, tour_other(), index=index))
    once, again, alone = (median(ran.wall for ran in runs) for runs in (first, second, decoded))
    ratio = median(a.wall / b.wall for a, b in zip(second, first, strict=True))
    begins = median(ran.first_batch for ran in second)
    minutes = seconds * times / 60
    yield Row(
        f"second question, {minutes:g} min of 1080p, another person",
        f"{again:.2f} s",
        f"first {once:.1f} s, decoding alone {alone:.1f} s",
        f"{ratio:.2f}x",
        values={
            "second_s": [ran.wall for ran in second],
            "first_s": [ran.wall for ran in first],
            "decode_s": [ran.wall for ran in decoded],
            "written": second[0].said["written"],
        },
    )
    yield Row(
        "  until its first images are there",
        f"{begins:.2f} s",
        f"{second[0].said['written']} written",
        required=f"<= {FIRST_REQUIRED:.1f} s",
        met=begins <= FIRST_REQUIRED,
        values={"first_s": [ran.first_batch for ran in second]},
    )


def _matching(setup: Setup) -> Iterator[Row]:
    """Faces in memory against ten people, and as a question decides: by tracks of ten faces."""
    count = FACES_QUICK if setup.quick else FACES
    runs = [
        match(count=count, people=PEOPLE, references=REFERENCES, length=LENGTH)
        for _ in range(setup.rounds(3))
    ]
    seconds = median(ran.said["distances_s"] for ran in runs)
    decided = median(ran.said["decide_s"] for ran in runs)
    loaded = median(ran.said["loaded_bytes"] for ran in runs)
    peak = peak_of(runs)
    yield Row(
        f"matching {count} faces against {PEOPLE} people",
        f"{seconds:.2f} s",
        f"{REFERENCES} references each",
        required=f"<= {MATCH_REQUIRED:.1f} s",
        met=seconds <= MATCH_REQUIRED,
        values={"distances_s": [ran.said["distances_s"] for ran in runs]},
    )
    yield Row("  with tracks and decisions", f"{decided:.2f} s", values={"decide_s": decided})
    yield Row(
        "  peak memory",
        f"{peak / MEGABYTE:.0f} MB",
        f"the faces alone {loaded / MEGABYTE:.0f} MB",
        required=f"<= {MATCH_MEMORY_REQUIRED / MEGABYTE:.0f} MB",
        met=peak <= MATCH_MEMORY_REQUIRED,
        values={"peak_bytes": peak, "loaded_bytes": loaded},
    )
