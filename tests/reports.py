"""Folders as runs leave them, written in milliseconds, for tests of the report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from clips import write_image
from fakes import random_faces
from stores import ASKED, add_scan

from facegrab.store.answers import Answers, Extract, Rows
from facegrab.store.database import OWN, Database
from facegrab.store.index import Index
from facegrab.summary import BLURRED, OTHER_PERSON

SETTINGS: dict[str, Any] = {
    "blur_threshold": 10.0,
    "index": None,
    "licences": ["detector painted: MIT", "recogniser hue: CC0-1.0"],
    "per_frame": False,
    "references": "abc",
    "tolerance": 0.6,
}
TRACK = 10
"""Faces of a track: nine with extracts and a blurred one; every third track is a stranger's."""
EVERY_SECONDS = 0.25


def write_folder(
    folder: Path,
    faces: int = 60,
    films: Sequence[str] = ("/films/a film.mp4",),
    settings: dict[str, Any] = SETTINGS,
    prefix: str = "film",
) -> Path:
    """A folder of some faces a film, one every quarter of a second, with small images.

    Args:
        folder: to be made.
        faces: seen in each film.
        films: their paths.
        settings: of the run.
        prefix: of the extracts' names.
    """
    folder.mkdir(parents=True)
    image = write_image(folder / "image.png", np.full((16, 16, 3), 90, np.uint8))
    with Database(folder / "facegrab.db") as database:
        index, answers = Index(database), Answers(database, OWN, settings)
        for number, path in enumerate(films):
            found = _faces(faces)
            scan = add_scan(index, found, str(number), path=path)
            rows = _rows(0, found, f"{prefix}{number}")
            with database.transaction():
                index.update(scan, duration_seconds=faces * EVERY_SECONDS, frame_count=faces * 7)
                row = answers.enter(str(number), Path(path), f"film{number}", ASKED, scan).row
                answers.put(replace(rows, source=row))
                answers.finish(row)
            for each in rows.extracts:
                os.link(image, folder / each.file)
    image.unlink()
    return folder


def _faces(count: int) -> Any:
    number = np.arange(count, dtype=np.int64)
    return replace(
        random_faces(count),
        frame=number * 7,
        number=np.zeros(count, np.int64),
        pts_seconds=np.asarray(number * EVERY_SECONDS, np.float64),
        track=number // TRACK,
        shot=number // TRACK,
    )


def _rows(source: int, faces: Any, prefix: str) -> Rows:
    number = np.arange(len(faces))
    stranger = faces.track % 3 == 2
    blurred = ~stranger & (number % TRACK == TRACK - 1)
    distance = np.where(stranger, 0.9, 0.3) + number % TRACK / 100
    by_track = ~stranger & (number % TRACK == 1)
    distance[by_track] = 0.65
    dropped = np.select([stranger, blurred], [OTHER_PERSON, BLURRED], "").tolist()
    extracts = [
        Extract(int(row), "mean-face-256", f"{prefix}_{row:05}_0.png", 256, 0.5)
        for row in np.flatnonzero(~stranger & ~blurred)
    ]
    return Rows(
        source, faces, distance.astype(np.float32), (distance <= 0.6).astype(np.int64), by_track,
        [why or None for why in dropped], extracts,
    )  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of a page: elements with their attributes, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    @classmethod
    def of(cls, path: Path) -> Page:
        """A page on disk."""
        return cls(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._inside):
            self.words.append(data)

    @property
    def text(self) -> str:
        """The words, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
