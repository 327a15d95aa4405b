"""Whole runs: time against decoding alone, memory, stages, start-up."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from bench.clips import tour, tour_reference, tour_repeated
from bench.detection import shared_yunet
from bench.measure import Ran, decode, run, wall_of
from bench.media import Setup
from bench.table import Row, UnmeasurableError
from bench.video import facts

SECONDS, SECONDS_QUICK = 60, 10
DEFAULT_REQUIRED = 7.0
QUARTER = 0.25
QUARTER_REQUIRED = 4.5
MEGABYTE = 1e6
PEAK_REQUIRED = 900e6
TIMES = 10
GROWTH_REQUIRED = 1.05
HELP_REQUIRED = 0.200


def whole_run(setup: Setup) -> Iterator[Row]:
    """Decoding alone and every setting, by turns, each in a process of its own."""
    clip, reference = tour(_seconds(setup)), tour_reference()
    yunet = _yunet()
    decoded: list[Ran] = []
    default: list[Ran] = []
    other: list[Ran] = []
    quarter: list[Ran] = []
    for _ in range(setup.rounds(5)):
        decoded.append(decode(clip))
        default.append(run(clip, reference))
        if yunet:
            other.append(run(clip, reference, detector=yunet))
        quarter.append(run(clip, reference, QUARTER, "dlib"))
    yield _against("whole run, defaults (mtcnn)", default, decoded, DEFAULT_REQUIRED)
    if other:
        yield _against("whole run, yunet", other, decoded, DEFAULT_REQUIRED)
    yield _against(f"whole run, dlib at -s {QUARTER}", quarter, decoded, QUARTER_REQUIRED)
    said = default[0].said
    yield Row(
        "  the clip",
        facts(clip),
        f"decodes at {said['frames'] / _wall(decoded):.0f} frames/s",
        values={"frames": said["frames"], "decode_s": _wall(decoded)},
    )
    yield Row(
        "  of it",
        f"{said['looked_at']} frames looked at",
        f"{said['faces']} faces, {said['written']} written",
        values={name: said[name] for name in ("looked_at", "faces", "written")},
    )
    yield _processor_time("defaults", default, decoded)
    yield _processor_time(f"dlib at -s {QUARTER}", quarter, decoded)
    yield _peak(default)
    yield from _stages("defaults", default)
    yield from _stages(f"dlib at -s {QUARTER}", quarter)
    ready = median(ran.ready for ran in default)
    yield Row("start to first frame", f"{ready:.2f} s", values={"ready_s": ready})


def _yunet() -> str | None:
    """Path of the recommended detector's weights, where they lie beside the media."""
    with suppress(UnmeasurableError):
        return str(shared_yunet().graph)
    return None


def memory_growth(setup: Setup) -> Iterator[Row]:
    """The peak does not grow with the clip."""
    seconds, reference = _seconds(setup), tour_reference()
    times = setup.rounds(TIMES, 3)
    short = _peak_of([run(tour(seconds), reference) for _ in range(setup.rounds(3))])
    long = _peak_of([run(tour_repeated(seconds, times), reference)])
    yield Row(
        f"peak memory, a clip {times}x as long",
        f"{long / MEGABYTE:.0f} MB",
        f"once {short / MEGABYTE:.0f} MB",
        f"{long / short:.3f}x",
        f"<= {GROWTH_REQUIRED}x",
        long <= GROWTH_REQUIRED * short,
        {"long_bytes": long, "short_bytes": short, "ratio": long / short},
    )


def startup(setup: Setup) -> Iterator[Row]:
    """What a user waits for."""
    command = shutil.which("facegrab", path=str(Path(sys.executable).parent))
    program = [command] if command else [sys.executable, "-m", "facegrab"]
    rounds = range(setup.rounds(15, 3))
    bare, wall = [], []
    for _ in rounds:
        bare.append(wall_of([sys.executable, "-c", ""]))
        wall.append(wall_of([*program, "--help"]))
    ours, python = median(wall), median(bare)
    yield Row(
        "facegrab --help",
        f"{ours * 1e3:.0f} ms",
        f"bare python {python * 1e3:.0f} ms",
        required=f"<= {HELP_REQUIRED * 1e3:.0f} ms",
        met=ours <= HELP_REQUIRED,
        values={"ours_s": ours, "python_s": python},
    )


def _seconds(setup: Setup) -> int:
    return SECONDS_QUICK if setup.quick else SECONDS


def _wall(runs: Sequence[Ran]) -> float:
    return median(ran.wall for ran in runs)


def _against(work: str, ours: Sequence[Ran], decoding: Sequence[Ran], required: float) -> Row:
    # A ratio a round, then their median: what slows the machine for a while slows both.
    ratio = median(a.wall / b.wall for a, b in zip(ours, decoding, strict=True))
    return Row(
        work,
        f"{_wall(ours):.2f} s",
        f"decoding alone {_wall(decoding):.2f} s",
        f"{ratio:.2f}x",
        f"<= {required:g}x",
        ratio <= required,
        {
            "ours_s": [ran.wall for ran in ours],
            "decode_s": [ran.wall for ran in decoding],
            "ratio": ratio,
        },
    )


def _processor_time(settings: str, ours: Sequence[Ran], decoding: Sequence[Ran]) -> Row:
    """What a run costs however many cores share it, and however busy they are."""
    our_time, their_time = (median(ran.said["cpu_s"] for ran in runs) for runs in (ours, decoding))
    return Row(
        f"  processor time, {settings}",
        f"{our_time:.2f} s",
        f"decoding alone {their_time:.2f} s",
        f"{our_time / their_time:.2f}x",
        values={"ours_s": our_time, "decode_s": their_time},
    )


def _peak(runs: Sequence[Ran]) -> Row:
    peak = _peak_of(runs)
    return Row(
        "peak memory, defaults",
        f"{peak / MEGABYTE:.0f} MB",
        required=f"< {PEAK_REQUIRED / MEGABYTE:.0f} MB",
        met=peak < PEAK_REQUIRED,
        values={"bytes": [ran.said["peak_bytes"] for ran in runs]},
    )


def _peak_of(runs: Sequence[Ran]) -> float:
    """The highest of several runs."""
    return float(max(ran.said["peak_bytes"] for ran in runs))


def _stages(settings: str, runs: Sequence[Ran]) -> Iterator[Row]:
    names = sorted({name for ran in runs for name in ran.said["seconds"]})
    times = {name: median(ran.said["seconds"].get(name, 0.0) for ran in runs) for name in names}
    whole = times.pop("all", 0.0)
    for name, seconds in sorted(times.items(), key=lambda item: -item[1]):
        yield Row(
            f"  stage {name}, {settings}",
            f"{seconds:.2f} s",
            ratio=f"{seconds / whole:.0%}",
            values={"seconds": seconds},
        )
