"""Runs that are stopped and done again: what they read, how they run, and all that they leave."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from clips import another, write_clip, write_image
from fakes import SIDE, painted_eyes, scene

from facegrab.grab import FaceGrab
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.summary import Summary, Watcher
from facegrab.types import Image
from facegrab.vision.look import Eyes

NEAR, FAR = 29.0, 40.0
"""Degrees of hue from red: a face of NEAR is within a tolerance of .6, one of FAR is not, but may
be the person's for its track's sake."""

EVERYWHERE = {"batch_size": 4, "skip_frames": 0, "extract_size": 32, "scale": 0.5}


@dataclass(frozen=True)
class Job:
    """A run as somebody starts it, again and again.

    Attributes:
        reference: the person, or several by name, or "*".
        sources: where to look.
        process: the settings.
        shared: the index lies outside of the folder.
        recognition: other settings than a tolerance of .6.
    """

    reference: Path | str | dict[str, Path]
    sources: list[Path]
    process: dict[str, Any] = field(default_factory=dict)
    shared: bool = False
    recognition: dict[str, Any] = field(default_factory=lambda: {"tolerance": 0.6})

    def run(
        self,
        place: Path,
        *,
        eyes: Eyes | None = None,
        watcher: Watcher | None = None,
        index: Path | None = None,
    ) -> Summary:
        """Runs, into folders of a place that is the trial's own, but for an index elsewhere."""
        settings = ProcessSettings(**{**EVERYWHERE, **self.process})
        recognition = RecognitionSettings(jitter=1, **self.recognition)
        grab = FaceGrab(self.reference, recognition, settings, eyes=eyes or painted_eyes())
        if self.shared and index is None:
            index = place / "index" / "seen.db"
        return grab.process([*self.sources], place / "out", index=index, watcher=watcher)


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in memory where there is one: what is synced there costs no time."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def left(place: Path) -> dict[str, Any]:
    """Every file of a place, byte for byte, and every row of its databases.

    Nothing is left out but the bytes of the databases, in which the order of free pages may
    differ, and where the index lies, which is in a place of its own.
    """
    files = {str(p.relative_to(place)): p for p in sorted(place.rglob("*"))}
    return {
        name: None if path.is_dir() else _rows(path) if path.suffix == ".db" else path.read_bytes()
        for name, path in files.items()
    }


def assert_same(place: Path, expected: dict[str, Any], what: str = "") -> None:
    """That a place holds the very same, or else a word about where it differs."""
    there = left(place)
    names = sorted(there.keys() | expected.keys())
    differ = [name for name in names if there.get(name, "none") != expected.get(name, "none")]
    for name in differ:
        if name.endswith(".db") and name in there and name in expected:
            assert there[name] == expected[name], what
    assert not differ, (what, differ)


def _rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {name: database.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
    finally:
        database.close()
    return {
        name: sorted((row for row in all_rows if row[0] != "index"), key=repr)
        for name, all_rows in rows.items()
    }


def hue(degrees: float) -> tuple[int, int, int]:
    """A colour so many degrees from red, as HueRecogniser measures it: 90 is green, -90 blue."""
    red, other = (float(f(np.radians(abs(degrees)))) for f in (np.cos, np.sin))
    strongest = max(red, other)
    values = [25 + round(200 * part / strongest) for part in (red, other)]
    return (values[0], values[1], 25) if degrees >= 0 else (values[0], 25, values[1])


def square(frame: Image, degrees: float, x: int, y: int) -> None:
    """A face of that hue."""
    rows, columns = np.indices((SIDE, SIDE)) * 8 // SIDE
    shade = np.where((rows + columns) % 2, 0.7, 1.0)[..., None]
    frame[y : y + SIDE, x : x + SIDE] = (np.array(hue(degrees)) * shade).astype(np.uint8)


def drifting(count: int) -> list[Image]:
    """Frames with two people of whom a later part decides.

    The left one looks like a stranger at first, and is red in the end: his first faces are his for
    the track's sake. The right one seems to be red at first, and is not.
    """
    frames = []
    for number in range(count):
        frame = scene()
        part = number / (count - 1)
        square(frame, FAR * max(0.0, 1 - 3 * max(0.0, part - 0.15)), 16 + number, 20)
        square(frame, NEAR if part < 0.25 else FAR, 150 + number, 80)
        frames.append(frame)
    return frames


def reddish(degrees: float, green_until: int) -> list[Image]:
    """Six frames of somebody of that hue, with green beside for some of them."""
    frames = []
    for number in range(6):
        frame = scene()
        square(frame, degrees, 16 + number, 20)
        if number < green_until:
            square(frame, 90, 150 + number, 80)
        frames.append(frame)
    return frames


def portrait(path: Path, degrees: float) -> Path:
    """A picture of somebody of that hue."""
    frame = scene((160, 120))
    square(frame, degrees, 40, 30)
    return write_image(path, frame)


def make_sources(folder: Path) -> dict[str, Path]:
    """A clip of drifting people, one more of the same, a short one and a sequence; references.

    Further red in two kinds of light, of which the second is too far from the reference, but not
    from the first.
    """
    options = {"preset": "ultrafast", "g": "4", "sc_threshold": "0"}
    drift = write_clip(folder / "drift.mp4", drifting(22), options=options)
    images = folder / "images"
    images.mkdir()
    for number, frame in enumerate(drifting(7)):
        write_image(images / f"{number}.png", frame)
    (images / "3.png").write_bytes(b"no picture")
    return {
        "red": write_image(folder / "red.png", scene((160, 120), red=(40, 30))),
        "drift": drift,
        "again": another(drift, folder / "again.mp4"),
        "short": write_clip(folder / "short.mp4", drifting(10), options=options),
        "images": images,
        "film": images / "%d.png",
        "lime": portrait(folder / "lime.png", 60),
        "evening": write_clip(folder / "evening.mp4", reddish(16, 5), options=options),
        "night": write_clip(folder / "night.mp4", reddish(36, 4), options=options),
    }
