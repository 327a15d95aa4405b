"""What is found: the hamilton clip with its truth, and the crowd with its own."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.crowd import Boxes, crowd
from bench.detection import shared_yunet
from bench.media import HAMILTON_CLIP, Setup, media, shared_weights
from bench.table import Row, UnmeasurableError, unmeasured
from bench.truth import found_count
from facegrab import FaceGrab, ProcessSettings
from facegrab.models import packs
from facegrab.models.compute import Compute
from facegrab.types import Detections
from facegrab.vision.eyes import open_detector

PERSON = "lin-manuel-miranda"
EVERY_FRAME_REQUIRED = 140
DEFAULTS_SPAN = range(82, 211)
SMALL_FACE_PX = 36
SMALL_REQUIRED = 21
"""Of 22 that are looked at: in frame 14 dlib's recogniser is not sure."""
CROWD_REQUIRED = 0.97
CROWD_SECONDS, CROWD_SECONDS_QUICK = 30, 8

EXACTLY = Compute(exact=True)

Table = list[dict[str, str]]


def hamilton(_: Setup) -> Iterator[Row]:
    """One reference, a real clip, the truth checked by eye."""
    truth = json.loads(media("truth", "hamilton.json").read_text(encoding="utf-8"))
    person = truth["people"][PERSON]
    visible = {frame for first, last in person["visible"] for frame in range(first, last + 1)}
    reference, clip = media(person["reference"]), media(truth["video"])
    table = _table(reference, clip, ProcessSettings(skip_frames=0, scale=1.0, detector="dlib"))
    yield from _judged(
        "hamilton, every frame, dlib at scale 1", table, visible, visible, EVERY_FRAME_REQUIRED
    )
    looked_at = set(range(0, truth["frames"], ProcessSettings().skip_frames + 1))
    near = looked_at & set(DEFAULTS_SPAN)
    for words, settings, sure in _models():
        work = f"hamilton 82-210, defaults, {words}"
        table = _table(reference, clip, settings)
        yield from _judged(work, table, near, visible, len(near) if sure else None)
        work = f"hamilton, faces of {SMALL_FACE_PX} px and more, {words}"
        table = _table(reference, clip, replace(settings, min_face=SMALL_FACE_PX))
        required = SMALL_REQUIRED if sure else None
        yield from _judged(work, table, looked_at & visible, visible, required)
    yield from unmeasured("hamilton, yunet", shared_yunet)
    yield from unmeasured("hamilton, mobilefacenet", _mobilefacenet)


def hamilton_frames(precision: str) -> set[int]:
    """Frames that have an extract at defaults but for the precision."""
    settings = ProcessSettings(precision=precision)
    reference, clip = media("people", f"{PERSON}.png"), media("video", HAMILTON_CLIP)
    return {
        int(line["frame"])
        for line in _table(reference, clip, settings)
        if line["verdict"] == "keep" and line["file"]
    }


def _models() -> Iterator[tuple[str, ProcessSettings, bool]]:
    """Words and settings of every detector and recogniser at hand; whether figures are promised."""
    yield "mtcnn and dlib", ProcessSettings(detector="mtcnn"), True
    yield "dlib and dlib", ProcessSettings(detector="dlib"), False
    with suppress(UnmeasurableError):
        yunet = str(shared_yunet().graph)
        yield "yunet and dlib", ProcessSettings(detector=yunet), False
    with suppress(UnmeasurableError):
        mobile = str(_mobilefacenet())
        yield "mtcnn and mobilefacenet", ProcessSettings(detector="mtcnn", recogniser=mobile), False


def _mobilefacenet() -> Path:
    return shared_weights("mobilefacenet", "MobileFaceNet.onnx")


def _judged(
    work: str, table: Table, asked: set[int], visible: set[int], required: int | None
) -> Iterator[Row]:
    """How many of the frames asked for have an extract, and how many extracts are not the person's.

    Of several extracts of one frame at most one is the person's.
    """
    written = Counter(
        int(line["frame"]) for line in table if line["verdict"] == "keep" and line["file"]
    )
    hits = len(asked & set(written))
    dropped = Counter(
        line["dropped"]
        for line in table
        if int(line["frame"]) in asked - set(written) and line["dropped"]
    )
    why = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    yield Row(
        f"{work}: true frames",
        f"{hits} of {len(asked)}",
        f"in the others: {why}" if why else "",
        required="" if required is None else f">= {required}",
        met=None if required is None else hits >= required,
        values={"found": hits, "true": len(asked)},
    )
    others = sum(max(0, count - (frame in visible)) for frame, count in written.items())
    yield Row(
        f"{work}: other people",
        str(others),
        required="" if required is None else "0",
        met=None if required is None else others == 0,
        values={"others": others},
    )


def crowd_found(setup: Setup) -> Iterator[Row]:
    """Six moving faces of 64 to 110 px at a time, at defaults."""
    seconds = CROWD_SECONDS_QUICK if setup.quick else CROWD_SECONDS
    made = crowd(
        seconds, lambda: open_detector(packs.resolve_detector("dlib"), Compute(exact=True))
    )
    settings = ProcessSettings()
    table = _table("*", made.path, settings)
    frames = range(0, len(made.boxes), settings.skip_frames + 1)
    true = found = faces = 0
    for frame in frames:
        boxes = _array(made.boxes[frame])
        seen = _detections([line for line in table if int(line["frame"]) == frame])
        true, faces = true + len(boxes), faces + len(seen)
        found += found_count(boxes, seen)
    yield Row(
        f"crowd of 6, faces of 64-110 px, {seconds} s",
        f"{found} of {true}",
        ratio=f"{found / true:.1%}",
        required=f">= {CROWD_REQUIRED:.0%}",
        met=found >= CROWD_REQUIRED * true,
        values={"found": found, "true": true, "beside_truth": faces - found},
    )
    yield Row("crowd: boxes beside the truth", str(faces - found))


def _array(boxes: Boxes) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    seen = [box for box in boxes if box is not None]
    return np.array(seen, np.float64).reshape(-1, 4)


def _detections(lines: Table) -> Detections:
    box = [[float(line[corner]) for corner in ("x0", "y0", "x1", "y1")] for line in lines]
    score = [float(line["score"]) for line in lines]
    return Detections.without_points(
        np.array(box, np.float32).reshape(-1, 4), np.array(score, np.float32)
    )


def _table(reference: Path | str, clip: Path, settings: ProcessSettings) -> Table:
    """The lines of the table that a run writes."""
    with TemporaryDirectory(prefix="facegrab-bench-") as folder:
        FaceGrab(reference, process=settings).process(clip, folder)
        with (Path(folder) / "facegrab.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
