"""Beyond one machine: what whoever commits can take in, and a thousand imagined workers."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from bench.media import Setup
from bench.replay import Replay
from bench.runs import MEGABYTE, seconds_of
from bench.scale import fleets, simulate, told
from bench.table import Row
from bench.tour import repeated, tour
from facegrab import FaceGrab, ProcessSettings
from facegrab.cataloguing import scan_into
from facegrab.media.plan import plan
from facegrab.media.source import Source
from facegrab.task import Orders

TIMES, TIMES_QUICK = 30, 3
"""Of the clip of a minute."""
HOURS, HOURS_QUICK = 300, 20
"""Of imagined video."""


@dataclass(frozen=True, slots=True)
class _Driven:
    """What the driver did with segments that cost nothing.

    Attributes:
        seconds: for all of them.
        replay: the engine that gave them.
        index_bytes: of the file.
    """

    seconds: float
    replay: Replay
    index_bytes: int

    @property
    def a_segment_ms(self) -> float:
        """Milliseconds for each."""
        return 1e3 * self.seconds / self.replay.segments


def driver(setup: Setup) -> Iterator[Row]:
    """What the machine that commits takes for what others have seen; it informs."""
    seconds, times = seconds_of(setup), setup.rounds(TIMES, TIMES_QUICK)
    hours = seconds * times / 3600
    with repeated(tour(seconds), times) as clip:
        yield _planning(clip, hours)
        rows, both = _driven(_scan, clip), _driven(_run, clip)
    yield from (_row("rows", rows), _row("rows and extracts", both))
    part = both.replay.part
    sent = pickle.dumps(part, pickle.HIGHEST_PROTOCOL)
    start = time.perf_counter()
    pickle.loads(sent)
    faces = sum(len(batch.faces) for batch in part.batches)
    yield Row(
        "  what comes of a segment",
        f"{len(sent) / 1e6:.2f} MB, read in {1e3 * (time.perf_counter() - start):.1f} ms",
        f"{faces} faces",
        values={"bytes": len(sent), "faces": faces},
    )
    face_bytes = rows.index_bytes / (rows.replay.faces + faces)
    yield Row(
        "  index, an hour of video",
        f"{rows.index_bytes / hours / MEGABYTE:.0f} MB",
        f"{face_bytes:.0f} bytes a face",
        values={"hour_bytes": rows.index_bytes / hours, "face_bytes": face_bytes},
    )


def cluster(setup: Setup) -> Iterator[Row]:
    """The engine with a thousand workers that fail, imagined; it informs."""
    for name, fleet in fleets(setup.rounds(HOURS, HOURS_QUICK)):
        outcome = simulate(fleet)
        yield Row(
            f"{fleet.nodes * fleet.workers_a_node} imagined workers, {fleet.hours:g} h: {name}",
            f"{outcome.seconds:.0f} s",
            f"ideal {outcome.ideal_seconds:.0f} s",
            f"+{outcome.lost_share:.0%}",
            values={"told": told(name, outcome), "seconds": outcome.seconds},
        )


def _planning(clip: Path, hours: float) -> Row:
    """Where segments begin, from a file that the system has in its memory."""
    start = time.perf_counter()
    plan(Source(clip), ProcessSettings().skip_frames + 1)
    took = time.perf_counter() - start
    size = clip.stat().st_size
    return Row(
        "driver: plans, an hour of 1080p",
        f"{took / hours:.1f} s",
        f"{size / took / 1e6:.0f} MB/s of its {size / hours / 1e9:.1f} GB",
        values={"hour_s": took / hours, "bytes_s": size / took},
    )


def _row(what: str, driven: _Driven) -> Row:
    replay, took = driven.replay, driven.seconds
    extracts = f", {replay.extracts / took:.0f} extracts/s" if replay.extracts else ""
    return Row(
        f"driver: commits {what}, a segment",
        f"{driven.a_segment_ms:.1f} ms",
        f"{replay.faces / took:.0f} faces/s{extracts}",
        values={"segment_ms": driven.a_segment_ms, "segments": replay.segments,
                "faces": replay.faces, "extracts": replay.extracts},
    )  # fmt: skip


def _driven(work: Callable[[Path, Path], object], clip: Path) -> _Driven:
    """Does some work with an engine that costs nothing."""
    made = list[Replay]()

    def engine(orders: Orders) -> Replay:
        made.append(Replay(orders))
        return made[0]

    with (
        TemporaryDirectory(prefix="facegrab-bench-") as folder,
        patch("facegrab.walk.engine_of", engine),
    ):
        work(clip, Path(folder))
        end = time.perf_counter()
        size = Path(folder, "facegrab.db").stat().st_size
    (replay,) = made
    return _Driven(end - replay.began - replay.own_seconds, replay, size)


def _scan(clip: Path, folder: Path) -> object:
    return scan_into(folder / "facegrab.db", clip, ProcessSettings(detector="mtcnn"))


def _run(clip: Path, folder: Path) -> object:
    """Every face is wanted: as many extracts as there are faces."""
    return FaceGrab("*", process=ProcessSettings(detector="mtcnn")).process(clip, folder)
