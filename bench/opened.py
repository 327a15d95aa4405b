"""How long the report of very many extracts takes to be written and to open from disk."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from bench.media import Setup
from bench.networks import face_chip
from bench.table import Row, UnmeasurableError
from facegrab.store.answers import Answers, Extract, Rows
from facegrab.store.database import OWN, Database
from facegrab.store.index import Index, Request, SegmentRow
from facegrab.types import Faces
from facegrab.view.report import write_report

EXTRACTS, EXTRACTS_QUICK = 20_000, 2_000
FILMS, TRACK = 4, 25
OPENS_REQUIRED = 2.0
LENGTH = 128
SIZE_PX = 256
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def report(setup: Setup) -> Iterator[Row]:
    """A folder of one extract many times over, in tracks of films; Chromium opens its report."""
    count = setup.rounds(EXTRACTS, EXTRACTS_QUICK)
    with TemporaryDirectory(prefix="facegrab-bench-") as name, _chromium() as browser:
        folder = _folder(Path(name, "out"), count)
        wrote, opens = list[float](), list[float]()
        for _ in range(setup.rounds(5, 2)):
            start = time.perf_counter()
            written = write_report(folder)
            wrote.append(time.perf_counter() - start)
            tab = browser.new_context().new_page()
            tab.goto(written.path.as_uri(), wait_until="load")
            opens.append(float(tab.evaluate(LOADED)) / 1000)
            tab.close()
    yield Row(
        f"report of {written.extracts} extracts, opened from disk",
        f"{median(opens):.2f} s",
        required=f"<= {OPENS_REQUIRED:.1f} s",
        met=median(opens) <= OPENS_REQUIRED,
        values={"opens_s": opens},
    )
    yield Row("  writing it", f"{median(wrote):.2f} s", f"{written.pages} pages",
              values={"writes_s": wrote, "pages": written.pages})  # fmt: skip


@contextmanager
def _chromium() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise UnmeasurableError("playwright is missing: pip install playwright") from error
    if path is None:
        raise UnmeasurableError("there is no Chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def _folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    image = folder / "face.jpg"
    face = cv2.cvtColor(cv2.resize(face_chip(), (SIZE_PX, SIZE_PX)), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(image), face)
    settings = {"blur_threshold": 0.0, "index": None, "licences": [], "per_frame": False,
                "references": "abc", "tolerance": 0.6}  # fmt: skip
    with Database(folder / "facegrab.db") as database:
        index, answers = Index(database), Answers(database, OWN, settings)
        for film in range(FILMS):
            faces = _faces(count // FILMS)
            asked = Request('{"detector": "none"}', 7, 64.0)
            with database.transaction():
                scan = index.begin(str(film), asked, Path(f"/{film}.mp4"))
                index.add(scan, SegmentRow(0, "0", None, 1, "s"), faces, [None] * len(faces))
                index.update(scan, complete=1, frames_looked_at=len(faces), frame_count=len(faces))
                row = answers.enter(str(film), Path(f"/{film}.mp4"), str(film), asked, scan).row
                answers.put(rows := _rows(row, faces, film))
                answers.finish(row)
            for each in rows.extracts:
                os.link(image, folder / each.file)
    image.unlink()
    return folder


def _faces(count: int) -> Faces:
    rng = np.random.default_rng(count)
    number = np.arange(count, dtype=np.int64)
    corner = rng.uniform(0, 500, (count, 2))
    return Faces(
        frame=number * 7,
        number=np.zeros(count, np.int64),
        pts_seconds=number * 0.28,
        box=np.hstack([corner, corner + 100]).astype(np.float32),
        score=np.ones(count, np.float32),
        points5=rng.uniform(0, 100, (count, 5, 2)).astype(np.float32),
        points68=np.full((count, 68, 2), np.nan, np.float32),
        embedding=rng.normal(0, 0.1, (count, LENGTH)).astype(np.float16).astype(np.float32),
        sharpness=rng.uniform(50, 500, count).astype(np.float32),
        shot=number // TRACK,
        track=number // TRACK,
    )


def _rows(source: int, faces: Faces, film: int) -> Rows:
    count = len(faces)
    distance = 0.3 + np.arange(count) % TRACK / 100
    extracts = [
        Extract(row, f"mean-face-{SIZE_PX}", f"{film}_{row:06}_0.jpg", SIZE_PX, 0.5)
        for row in range(count)
    ]
    return Rows(source, faces, distance.astype(np.float32), np.ones(count, np.int64),
                np.zeros(count, np.bool_), [None] * count, extracts)  # fmt: skip
