"""Stand-ins for the networks: people are painted squares, found and told apart by their colour.

A square survives H.264, rotation and resizing, and nothing here takes more than a millisecond, so
the whole pipeline runs in tests as it does for a user.
"""

from __future__ import annotations

import csv
import itertools
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.models.specs import DetectorSpec, Licence, Pixels, RecogniserSpec
from facegrab.store.database import Database
from facegrab.store.index import Index
from facegrab.summary import Plan
from facegrab.types import Detections, Faces, FloatArray, Image, IntArray
from facegrab.vision.align import CHIP_FACE, CHIP_PADDING, MEAN_FACE, PADDING
from facegrab.vision.chips import cut_chips
from facegrab.vision.feed import Feed
from facegrab.vision.landmarks import Landmarker
from facegrab.vision.look import Eyes
from facegrab.vision.points import PointFinder

PEOPLE = {
    "red": (225, 25, 25),
    "orange": (225, 105, 25),
    "green": (25, 200, 25),
    "blue": (35, 35, 230),
}
"""Orange is red's cousin, at a distance of about .4; the others are more than 1 apart."""

SIDE = 48
"""Side of a painted face in pixels."""
CLIP_FRAMES = 30
RED_UNTIL = 20
"""What the clip of the tests holds."""

SMALLEST_PX = 72
"""As the real detector says; with it ``auto`` shows frames at nearly their own size."""

_BRIGHT, _SATURATED = 70, 50
_SMALLEST_AREA_PX = 200


def scene(size: tuple[int, int] = (256, 144), side: int = SIDE, **where: tuple[int, int]) -> Image:
    """A grey frame (width, height) with people at x y: ``scene(red=(10, 20))``."""
    frame = np.full((size[1], size[0], 3), 120, np.uint8)
    for who, (x, y) in where.items():
        paint(frame, who, x, y, side)
    return frame


def paint(
    frame: Image, who: str, x: int, y: int, side: int = SIDE, *, blurred: bool = False
) -> None:
    """Paints a face: a square with a check of darker patches, or without it if blurred."""
    colour = np.array(PEOPLE[who], np.uint8)
    frame[y : y + side, x : x + side] = colour
    if not blurred:
        rows, columns = np.indices((side, side)) * 8 // side
        dark = (rows + columns) % 2 == 1
        frame[y : y + side, x : x + side][dark] = colour * 0.7


class PaintedDetector:
    """Finds squares of saturated colours; what differs in its strongest channel is two squares."""

    smallest_px = SMALLEST_PX
    longest_fed_px = 1536

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        self.batches.append(len(images))
        return [
            feed.to_source(self._find(feed.resize(image)), image.shape[1], image.shape[0])
            for image, feed in zip(images, feeds, strict=True)
        ]

    def _find(self, image: Image) -> Detections:
        planes = cv2.split(image)
        found: list[tuple[float, list[int]]] = []
        for channel, plane in enumerate(planes):
            others = cv2.max(planes[channel - 1], planes[channel - 2])
            spread = cv2.subtract(plane, cv2.min(planes[channel - 1], planes[channel - 2]))
            mask = (plane > _BRIGHT) & (plane > others) & (spread > _SATURATED)
            if not mask.any():
                continue
            stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2]
            for x, y, width, height, area in stats[1:].tolist():
                if area >= _SMALLEST_AREA_PX:
                    # What is farther to the left scores better, whatever its size.
                    score = 2 - x / image.shape[1]
                    found.append((score, [x, y, x + width - 1, y + height - 1]))
        found.sort(reverse=True)
        return Detections.without_points(
            np.array([box for _, box in found], np.float32).reshape(-1, 4),
            np.array([score for score, _ in found], np.float32),
        )


class FixedPoints:
    """Places the same points in every box."""

    def __init__(self, unit: FloatArray) -> None:
        self._unit = unit

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        assert len(image_of) == len(box)
        side = box[:, None, 2:] - box[:, None, :2]
        return np.asarray(box[:, None, :2] + self._unit * side, np.float32)


FREE = Licence("CC0-1.0", commercial=True, source="tests/fakes.py")
_PIXELS = Pixels("rgb", (0, 0, 0), (1, 1, 1))
PAINTED = DetectorSpec("painted", "dlib", None, "0" * 64, FREE, _PIXELS, SMALLEST_PX)
HUE = RecogniserSpec(
    "dlib", "dlib", None, "0" * 64, FREE, _PIXELS, "euclidean", 0.6, EMBEDDING_LENGTH
)
"""Called as dlib's is, so that references of 2018 are of its kind."""


class HueRecogniser:
    """The hue of a chip's mean colour as a vector of length 1."""

    def __init__(self, corners: Landmarker, spec: RecogniserSpec = HUE) -> None:
        self._corners = corners
        self.spec = spec

    def chips(
        self, images: Sequence[Image], image_of: IntArray, tree_box: FloatArray, points5: FloatArray
    ) -> list[Image]:
        corners = self._corners(images, image_of, tree_box)
        return cut_chips(images, image_of, corners)

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        embedding = np.zeros((len(chips), self.spec.length), np.float32)
        for row, each in enumerate(chips):
            mean = each.reshape(-1, 3).mean(axis=0)
            pure = mean - mean.min()
            embedding[row, :3] = pure / max(float(np.linalg.norm(pure)), 1e-6)
        return embedding


def painted_eyes(spec: RecogniserSpec = HUE) -> Eyes:
    """Networks that see painted people."""
    # The chip is the box; the extract is the box without its edge, which would look sharp.
    points5 = (CHIP_PADDING + CHIP_FACE) / (2 * CHIP_PADDING + 1)
    inner = 0.1 + 0.8 * (MEAN_FACE * (1 - 2 * PADDING) + PADDING)
    jaw = np.full((68 - len(inner), 2), 0.5)
    corners = FixedPoints(points5.astype(np.float32))
    mesh = FixedPoints(np.concatenate([jaw, inner]).astype(np.float32))
    return Eyes(
        computed="painted",
        detector=PaintedDetector(),
        points=PointFinder(corners, mesh),
        recogniser=HueRecogniser(corners, spec),
        detector_spec=PAINTED,
    )


class Notes:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.steps: list[tuple[int, int, int]] = []
        self.ended = 0

    def begin(self, plan: Plan) -> None:
        self.plans.append(plan)

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        self.steps.append((frames_read, faces_found, faces_written))

    def end(self) -> None:
        self.ended += 1


class CtrlC(Notes):
    """Somebody who presses Ctrl-C after some batches."""

    def __init__(self, after: int = 1) -> None:
        super().__init__()
        self._after = after

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        super().step(frames_read, faces_found, faces_written)
        if len(self.steps) == self._after:
            raise KeyboardInterrupt


def random_faces(count: int, seed: int = 1) -> Faces:
    """Faces of random numbers, two a frame, with embeddings that float16 can hold."""
    random = np.random.default_rng(seed)
    corner = random.uniform(-5, 500, (count, 2))
    embedding = random.normal(0, 0.1, (count, EMBEDDING_LENGTH)).astype(np.float16)
    return Faces(
        frame=np.arange(count, dtype=np.int64) // 2,
        number=np.arange(count, dtype=np.int64) % 2,
        pts_seconds=np.arange(count, dtype=np.float64) // 2 * 0.04,
        box=np.hstack([corner, corner + random.uniform(20, 90, (count, 2))]).astype(np.float32),
        score=random.uniform(0, 2, count).astype(np.float32),
        points5=random.uniform(0, 500, (count, 5, 2)).astype(np.float32),
        points68=random.uniform(0, 500, (count, 68, 2)).astype(np.float32),
        embedding=embedding.astype(np.float32),
        sharpness=random.uniform(0, 900, count).astype(np.float32),
        shot=np.zeros(count, np.int64),
        track=np.arange(count, dtype=np.int64) % 2,
    )


def our_threads() -> list[str]:
    """Names of FaceGrab's threads that are alive."""
    return [t.name for t in threading.enumerate() if t.name.startswith("facegrab")]


def pictures(folder: Path) -> list[str]:
    """Names of the images in a folder, sorted."""
    return sorted(p.name for p in folder.iterdir() if p.suffix in (".jpg", ".png"))


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of facegrab.csv."""
    with (folder / "facegrab.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the index in a folder answers."""
    database = sqlite3.connect(folder / "facegrab.db")
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def stored_faces(folder: Path, scan: int = 1) -> Faces:
    """The faces that the index in a folder holds."""
    with Database(folder / "facegrab.db") as database:
        return Index(database).faces(scan)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Everything in the index but its settings."""
    return [
        *query(folder, "SELECT * FROM scan ORDER BY id"),
        *query(folder, "SELECT * FROM segment ORDER BY scan, number"),
        *query(folder, "SELECT * FROM source ORDER BY id"),
        *query(folder, "SELECT * FROM face ORDER BY scan, frame, number"),
        *query(folder, "SELECT * FROM outcome ORDER BY source, frame, number"),
        *query(folder, "SELECT * FROM extract ORDER BY source, frame, number, alignment"),
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the index and the report, which says how long it took, byte for byte."""
    return {
        p.name: p.read_bytes()
        for p in folder.iterdir()
        if p.name != "facegrab.db" and p.suffix != ".html"
    }


def assert_consistent(folder: Path) -> None:
    """Images and index agree, and nothing half-written lies about."""
    files = [file for (file,) in query(folder, "SELECT file FROM extract")]
    assert sorted(files) == pictures(folder)
    assert query(folder, "SELECT count(*) FROM face") == query(
        folder, "SELECT count(*) FROM outcome"
    )
    assert not query(folder, "SELECT * FROM coming")
    assert not [
        p.name for p in folder.iterdir() if p.name.endswith((".part", "-journal", ".holder"))
    ]


def fail_at(
    patch: pytest.MonkeyPatch, owner: Any, name: str, call: int, error: BaseException
) -> None:
    """Lets a function raise at a call of it, counted from 1, and at every later one."""
    real: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    def failing(*arguments: Any, **options: Any) -> Any:
        if next(calls) >= call:
            raise error
        return real(*arguments, **options)

    patch.setattr(owner, name, failing)
