"""Whole runs: time against decoding alone, memory, stages, start to the first frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from bench.detection import shared_yunet
from bench.measure import Ran, decode, run, warm_up
from bench.media import Setup
from bench.runs import against, peak_row, seconds_of, wall
from bench.table import AtMost, Row, UnmeasurableError, failed
from bench.tour import tour, tour_reference
from bench.video import facts

DEFAULT_REQUIRED = AtMost(1.5, goal=1.15)
YUNET_REQUIRED = AtMost(1.3, goal=1.1)
QUARTER = {"scale": 0.25, "detector": "dlib"}
QUARTER_REQUIRED = AtMost(1.8)
EVERY_FRAME_REQUIRED = AtMost(4.0, goal=2.0)
PEAK_REQUIRED = 900e6
READY_REQUIRED = 1.0


def whole_run(setup: Setup) -> Iterator[Row]:
    """Decoding alone and every setting, by turns, each in a process of its own."""
    seconds = seconds_of(setup)
    clip, reference = tour(seconds), tour_reference()
    yunet, why_not = _yunet()
    decoded, default, other, quarter = list[Ran](), list[Ran](), list[Ran](), list[Ran]()
    warm_up()
    warm_up(**QUARTER)
    if yunet:
        warm_up(detector=yunet)
    for _ in range(setup.rounds(5)):
        decoded.append(decode(clip))
        default.append(run(clip, reference))
        if yunet:
            other.append(run(clip, reference, detector=yunet))
        quarter.append(run(clip, reference, **QUARTER))
    work = f"whole run, {seconds} s of 1080p"
    yield against(f"{work}, defaults (mtcnn)", default, decoded, DEFAULT_REQUIRED)
    if other:
        yield against(f"{work}, yunet", other, decoded, YUNET_REQUIRED)
    else:
        yield failed(f"{work}, yunet", why_not)
    yield against(f"{work}, dlib at -s .25", quarter, decoded, QUARTER_REQUIRED)
    said = default[0].said
    yield Row(
        "  the clip",
        facts(clip),
        f"decodes at {said['frames'] / wall(decoded):.0f} frames/s",
        values={"frames": said["frames"], "decode_s": wall(decoded)},
    )
    yield Row(
        "  of it",
        f"{said['looked_at']} frames looked at",
        f"{said['faces']} faces, {said['written']} written",
        values={name: said[name] for name in ("looked_at", "faces", "written")},
    )
    for words, runs in (("defaults", default), ("yunet", other), ("dlib at -s .25", quarter)):
        if runs:
            yield _processor_time(words, runs, decoded)
    yield peak_row("peak memory, defaults", default, PEAK_REQUIRED)
    yield from _stages("defaults", default)
    yield from _stages("dlib at -s .25", quarter)
    yield from _ready(default)


def every_frame(setup: Setup) -> Iterator[Row]:
    """Nothing passed over: what the networks cost. Three rounds, because one takes a minute."""
    seconds = seconds_of(setup)
    clip, reference = tour(seconds), tour_reference()
    decoded, ours = list[Ran](), list[Ran]()
    warm_up()
    for _ in range(setup.rounds(3)):
        decoded.append(decode(clip))
        ours.append(run(clip, reference, skip_frames=0))
    work = f"every frame (-sf 0), {seconds} s of 1080p, defaults"
    yield against(work, ours, decoded, EVERY_FRAME_REQUIRED, every=1)
    yield _processor_time("every frame", ours, decoded)
    yield from _stages("every frame", ours)


def _yunet() -> tuple[str | None, str]:
    """Path of YuNet's weights beside the media; or None, and why."""
    try:
        return str(shared_yunet().graph), ""
    except UnmeasurableError as error:
        return None, str(error)


def _ready(runs: Sequence[Ran]) -> Iterator[Row]:
    """From the process's start; the networks lie in the cache already."""
    ready, first_batch = median(ran.ready for ran in runs), median(ran.first_batch for ran in runs)
    yield Row(
        "start to first frame, second run",
        f"{ready:.2f} s",
        required=f"<= {READY_REQUIRED:.1f} s",
        met=ready <= READY_REQUIRED,
        values={"ready_s": [ran.ready for ran in runs]},
    )
    yield Row(
        "  until its first batch is committed",
        f"{first_batch:.2f} s",
        values={"first_batch_s": [ran.first_batch for ran in runs]},
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
