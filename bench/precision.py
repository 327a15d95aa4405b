"""The fast precision against float32 on the labelled pictures: do decisions stay?

Every picture at three sizes. Both find faces and describe them, each by its own networks; a face of
one is that of the other if the boxes overlap by ``SAME``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bench.detection import Boxes, detectors, dlib_faces, noses, noses_found
from bench.found import hamilton_frames
from bench.media import Setup, media
from bench.table import Row
from bench.truth import found_count, overlaps
from facegrab.media.images import read_image
from facegrab.models import packs
from facegrab.models.compute import Compute, choose
from facegrab.models.specs import DetectorSpec
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Feed
from facegrab.vision.look import Eyes

SCALES = (1.0, 0.7, 0.5)
SAME = 0.4
MOVED_SHARE = 0.1
"""Of its side: a box that moves by more has moved."""
MOVED_REQUIRED = 0.05
FAR_PERCENTILE = 99
FAR_REQUIRED = 0.1
QUICK_EVERY = 8


@dataclass(slots=True)
class _Seen:
    """What was counted over all pictures."""

    faces: int = 0
    lost: int = 0
    gained: int = 0
    true_slow: int = 0
    true_fast: int = 0
    moved: list[float] = field(default_factory=list)
    far: list[float] = field(default_factory=list)


def precision(setup: Setup) -> Iterator[Row]:
    """Faces lost and gained, boxes moved, embeddings moved, for each detector."""
    pictures = _pictures()
    pictures = pictures[:: QUICK_EVERY if setup.quick else 1]
    for spec in detectors():
        yield from _rows(spec, pictures)
    slow, fast = (hamilton_frames(each) for each in ("f32", "auto"))
    yield Row(
        "precision: frames kept of hamilton, every 7th",
        str(len(fast)),
        f"f32 {len(slow)}",
        required="the same",
        met=slow == fast,
        values={"f32": sorted(slow), "auto": sorted(fast)},
    )


def _rows(spec: DetectorSpec, pictures: list[Path]) -> Iterator[Row]:
    recogniser = packs.resolve_recogniser("dlib")
    slow = open_eyes(spec, recogniser, Compute(), mesh=False)
    fast = open_eyes(spec, recogniser, choose(by_itself=True), mesh=False)
    seen = _Seen()
    for path in pictures:
        _picture(path, slow, fast, seen)
    moved = float(np.mean(np.array(seen.moved) > MOVED_SHARE))
    far = float(np.percentile(seen.far, FAR_PERCENTILE))
    name = f"precision: {spec.name}"
    yield Row(
        f"{name}, labelled faces found",
        f"{fast.computed}: {seen.true_fast}",
        f"f32 {seen.true_slow}",
        required="as many",
        met=seen.true_fast >= seen.true_slow,
        values={"auto": seen.true_fast, "f32": seen.true_slow},
    )
    yield Row(
        f"{name}, of {seen.faces} faces", f"{seen.lost} lost, {seen.gained} more", "f32",
        values={"faces": seen.faces, "lost": seen.lost, "gained": seen.gained},
    )  # fmt: skip
    yield Row(
        f"{name}, boxes moved by a tenth of their side", f"{moved:.1%}", "f32",
        required=f"<= {MOVED_REQUIRED:.0%}", met=moved <= MOVED_REQUIRED,
        values={"share": moved},
    )  # fmt: skip
    yield Row(
        f"{name}, embeddings moved, {FAR_PERCENTILE} % by at most", f"{far:.3f}", "f32",
        required=f"<= {FAR_REQUIRED}", met=far <= FAR_REQUIRED,
        values={"distance": far, "median": float(np.median(seen.far))},
    )  # fmt: skip


def _pictures() -> list[Path]:
    folders = [media("people", name) for name in ("azure", "lfw10x10", "stills")]
    folders += [media("detection", name) for name in ("dlib_faces", "compreface_sample_images")]
    found = [each for folder in folders for each in sorted(folder.rglob("*"))]
    found += [media("people", f"{name}.png") for name in ("lin-manuel-miranda", "alex-lacamoire")]
    return [each for each in found if each.suffix.lower() in (".jpg", ".jpeg", ".png")]


def _picture(path: Path, slow: Eyes, fast: Eyes, seen: _Seen) -> None:
    whole = read_image(path)
    for scale in SCALES:
        image = whole
        if scale != 1:
            size = None
            shrunk = cv2.resize(whole, size, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            image = np.asarray(shrunk, np.uint8)
        first, second = _found(slow, image), _found(fast, image)
        seen.true_slow += _labelled(path, scale, first)
        seen.true_fast += _labelled(path, scale, second)
        _compare(image, slow, fast, first, second, seen)


def _found(eyes: Eyes, image: Image) -> Detections:
    height, width = image.shape[:2]
    detector = eyes.detector
    feed = Feed.widest(detector.smallest_px, detector.longest_fed_px, width, height)
    return detector([image], [feed])[0]


def _labelled(path: Path, scale: float, found: Detections) -> int:
    """Faces found of those that the labels name; without labels, whether any was found."""
    boxes: dict[Path, Boxes] = dlib_faces()
    points: dict[Path, Boxes] = noses()
    if path in boxes:
        return found_count(boxes[path] * scale, found)
    if path in points:
        return noses_found(points[path] * scale, found)
    return int(len(found) > 0)


def _compare(
    image: Image, slow: Eyes, fast: Eyes, first: Detections, second: Detections, seen: _Seen
) -> None:
    seen.faces += len(first)
    overlap = overlaps(first.box, second.box)
    of = overlap.argmax(axis=1) if overlap.size else np.zeros(len(first), np.int64)
    rows = np.flatnonzero(overlap.max(axis=1, initial=0) > SAME)
    seen.lost += len(first) - len(rows)
    seen.gained += int((overlap.max(axis=0, initial=0) <= SAME).sum())
    if not len(rows):
        return
    other = of[rows]
    side = (first.box[rows, 2:] - first.box[rows, :2]).max(axis=1)
    seen.moved += (np.abs(first.box[rows] - second.box[other]).max(axis=1) / side).tolist()
    one, two = _embedded(slow, image, first, rows), _embedded(fast, image, second, other)
    seen.far += np.linalg.norm(one - two, axis=1).tolist()


def _embedded(eyes: Eyes, image: Image, found: Detections, rows: np.ndarray) -> FloatArray:
    which = np.zeros(len(rows), np.int64)
    points = eyes.points([image], which, found.box[rows], found.points5[rows])
    chips = eyes.recogniser.chips([image], which, points.tree_box, points.points5)
    return eyes.recogniser(chips)
