"""Extracts as a page shows them: small, linked to their time in the source."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facegrab.address import located
from facegrab.errors import FaceGrabError, MissingError
from facegrab.fetching import content_of
from facegrab.store.album import leads_inside
from facegrab.store.found import FaceFound, SourceFound
from facegrab.view.links import at, clock, link

THUMB_PX = 96
EMBEDDED_PX = 128
"""Side of the copies that are in the page itself: sharp enough on a fine screen."""
EMBEDDED_QUALITY = 80
"""About 4 kB a face."""
LARGEST_BYTES = 2**24
"""No extract of 1024 px has more."""


@dataclass(frozen=True, slots=True)
class Thumb:
    """An extract on a page.

    Attributes:
        image: reference to the picture, or the picture itself; None if it is gone.
        file: reference to the extract; None if it is gone or is not to be named.
        moment: reference to its time in the source.
        alt: what it is, in words.
        time: in the source, or the picture's name.
        score: distance or probability; '' where there is none.
        notes: what is special about it.
    """

    image: str | None
    file: str | None
    moment: str
    alt: str
    time: str
    score: str
    notes: str


class Pictures:
    """Makes thumbs and references for pages in one folder.

    Args:
        folder: absolute, with the extracts.
        target: absolute, the folder of the pages.
        sources: of the extracts, by their rows.
        embed: pages hold copies.
    """

    def __init__(
        self, folder: Path, target: Path, sources: Mapping[int, SourceFound], *, embed: bool
    ) -> None:
        self._folder = folder
        self._target = target
        self._sources = sources
        self._embed = embed
        self._there: dict[str, frozenset[str]] = {}

    def thumb(self, face: FaceFound, who: str) -> Thumb:
        """A face as a page shows it.

        Args:
            face: one with an extract.
            who: it is, for the words.
        """
        time, score = self.time(face), score_of(face)
        file = None if face.file is None else self._existing(face.file)
        notes = []
        if face.by_track:
            notes.append("by its track")
        if face.extracts > 1:
            notes.append(f"{face.extracts} alignments")
        words = [f"{who} at {time}", *([in_words(face)] if score else []), *notes]
        reference = None if file is None else link(file, self._target)
        image = reference
        if file is not None and self._embed:
            image = _embedded(self._folder, face.file or "")
        return Thumb(
            image=image,
            file=None if self._embed else reference,
            moment=self.moment(face),
            alt=", ".join(words) + ("" if image else ": the file is missing"),
            time=time,
            score=score,
            notes=", ".join(notes),
        )

    def time(self, face: FaceFound) -> str:
        """When, or in which picture."""
        if face.picture is not None:
            return Path(face.picture).name
        return clock(face.seconds, tenths=True)

    def moment(self, face: FaceFound) -> str:
        """Reference to the time in the source, or to the picture."""
        if face.picture is not None:
            return link(located(face.picture), self._target)
        return self.time_in(face.source, face.seconds)

    def time_in(self, source: int, seconds: float) -> str:
        """Reference to a time in a source."""
        found = self._sources[source]
        return link(place_of(found), self._target) + ("" if found.pictures else at(seconds))

    def _existing(self, name: str) -> Path | None:
        """The file, if there is one and its name, which may come from anywhere, may be followed."""
        if not leads_inside(name):
            return None
        below, _, file = name.rpartition("/")
        if below not in self._there:
            self._there[below] = _names_in(self._folder / below)
        return self._folder / name if file in self._there[below] else None


def place_of(source: SourceFound) -> Path:
    """Where a source can be looked at; of an image pattern (``img_%04d.jpg``), its folder."""
    path = located(source.path)
    return path.parent if source.pictures and "%" in path.name else path


def score_of(face: FaceFound) -> str:
    """``97 %`` where a probability was asked for, else the distance."""
    if face.probability is not None:
        return f"{100 * face.probability:.3g} %"
    return "" if face.distance is None else f"{face.distance:.2f}"


def in_words(face: FaceFound) -> str:
    """The score with its name."""
    return f"{'distance' if face.probability is None else 'probability'} {score_of(face)}"


def _names_in(folder: Path) -> frozenset[str]:
    """One look at a folder is quicker than one at each of 20,000 files."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except OSError:
        return frozenset()


def _embedded(folder: Path, name: str) -> str | None:
    """A small copy as a data: reference; None if the file is gone or no image.

    Raises:
        AccessError, MediaError, DeviceError: the bucket in which it lies cannot be read.
    """
    try:
        content = content_of(folder, name, LARGEST_BYTES + 1)
    except MissingError:
        return None
    except FaceGrabError:  # no bucket that refuses, which is an OSError, too, shall look like this
        raise
    except OSError:
        return None
    if len(content) > LARGEST_BYTES:
        return None
    data = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        return None
    if max(image.shape[:2]) > EMBEDDED_PX:
        image = cv2.resize(image, (EMBEDDED_PX, EMBEDDED_PX), interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, EMBEDDED_QUALITY]
    _, small = cv2.imencode(".jpg", image, quality)
    return "data:image/jpeg;base64," + base64.b64encode(small.tobytes()).decode("ascii")
