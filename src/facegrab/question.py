"""One question: who is asked for and what is to be written, put to faces that were seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facegrab.extract import Extractor, Planned, placed
from facegrab.media.source import Source
from facegrab.people.decide import people_distances, rescue_limit
from facegrab.people.evidence import Evidence
from facegrab.people.judge import AMBIGUOUS, ASK, DROP, Asked, Judge, Verdicts
from facegrab.people.promise import Promise
from facegrab.store.answers import Rows
from facegrab.store.files import as_text
from facegrab.store.naming import Naming
from facegrab.store.origin import Origin
from facegrab.summary import BLURRED, OTHER_PERSON
from facegrab.types import Faces
from facegrab.vision.alignments import Alignment


@dataclass(frozen=True, slots=True)
class Place:
    """A source as the answers speak of it.

    Attributes:
        source: the files.
        row: of it in the index.
        naming: of its extracts.
        content: what it is known by; "" where nothing was said of its faces.
    """

    source: Source
    row: int
    naming: Naming
    content: str = ""

    def picture(self, frame: int) -> Path | None:
        """The image file that a frame is, or None for a video."""
        return self.source.images[frame].absolute() if self.source.images else None

    def name(self, faces: Faces, row: int) -> str:
        """The name of a face's extract."""
        frame, number = int(faces.frame[row]), int(faces.number[row])
        picture = self.picture(frame)
        if picture is not None:
            return self.naming.of_picture(picture.name, frame, number)
        return self.naming.of_video(float(faces.pts_seconds[row]), frame, number)


class Keyed(Protocol):
    """Models by their key."""

    @property
    def key(self) -> str:
        """Names the model and its weights."""


class Chosen(Protocol):
    """What a question needs of a choice of models and alignments."""

    @property
    def detector(self) -> Keyed:
        """That found the faces."""

    @property
    def recogniser(self) -> Keyed:
        """That described them."""

    @property
    def alignments(self) -> tuple[Alignment, ...]:
        """Of the extracts."""


class Written(Protocol):
    """What a question needs of the settings."""

    @property
    def blur_threshold(self) -> float:
        """Below it nothing is written."""

    @property
    def upsample(self) -> bool:
        """Also where the face is enlarged."""


UNCERTAIN = "uncertain"
"""Folder of extracts that somebody should look at, in that of the person."""


class Question:
    """Decides about faces and plans their extracts; the same for faces just seen and for old ones.

    Args:
        asked: who is asked for.
        choice: models, tolerance and alignments.
        settings: what is written.
        evidence: what somebody has said of the folder's faces.
    """

    def __init__(
        self,
        asked: Asked,
        choice: Chosen,
        settings: Written,
        evidence: Evidence | None = None,
    ) -> None:
        self._asked = asked
        self._evidence = evidence or Evidence()
        self._choice = choice
        self._blur_threshold = settings.blur_threshold
        self._extractor = Extractor(choice.alignments, upsample=settings.upsample)

    @property
    def in_effect(self) -> str:
        """Names what was said of the folder's faces."""
        return self._evidence.in_effect

    def promise(self) -> Promise:
        """For the faces of a source, as they come."""
        return Promise(self._asked.tolerance)

    def judge(self, place: Place) -> Judge:
        """Says who the faces of a source are, when it has seen them all."""
        return self._evidence.judge(self._asked, place.content)

    def judged(self, place: Place, faces: Faces) -> Verdicts:
        """Who some faces are, for all that they show by themselves."""
        judge = self.judge(place)
        judge.see(faces)
        (verdicts,) = judge.verdicts()
        return verdicts

    def answer(self, place: Place, faces: Faces, verdicts: Verdicts) -> tuple[Rows, list[Planned]]:
        """What becomes of faces, and the extracts to be had of them.

        Args:
            place: the faces' source.
            faces: in the order of frames and numbers.
            verdicts: on them.
        """
        wanted = verdicts.verdict != DROP
        sharp = faces.sharpness >= self._blur_threshold
        dropped = [
            None if ok and clear else BLURRED if ok else OTHER_PERSON
            for ok, clear in zip(wanted.tolist(), sharp.tolist(), strict=True)
        ]
        chosen = np.flatnonzero(wanted & sharp).tolist()
        planned, none = self._extractor.plan(faces, chosen, partial(place.name, faces))
        for row, why in none.items():
            dropped[row] = why
        names = [verdicts.name(row) for row in range(len(faces))]
        said = verdicts.verdict.tolist()
        planned = [
            placed(each, _folder(names[each.entry.row], said[each.entry.row])) for each in planned
        ]
        rows = Rows(
            place.row,
            faces,
            verdicts.distance,
            verdicts.references_within,
            verdicts.by_track,
            dropped,
            [each.entry for each in planned],
            names,
            verdicts.probability,
            said,
        )
        return rows, planned

    def nearest(self, faces: Faces) -> NDArray[np.float32]:
        """float32 (N,): distance of each face from the nearest reference; NaN if there is none.

        It stands in extracts' metadata: the same whenever they are made, and whoever they are of.
        """
        people = [each.gallery for each in self._asked.people]
        if not people:
            return np.full(len(faces), np.nan, np.float32)
        return np.asarray(people_distances(faces.embedding, people).min(axis=1), np.float32)

    def wants(self, place: Place, faces: Faces) -> list[str]:
        """Names of the extracts to be had of some faces, for all that they show by themselves.

        Args:
            place: the faces' source.
            faces: with their tracks.
        """
        rows, _ = self.answer(place, faces, self.judged(place, faces))
        return [each.given or each.file for each in rows.extracts]

    def may_want(
        self, place: Place, faces: Faces, promise: Promise
    ) -> tuple[list[Planned], list[Planned], Callable[[Planned], Origin]]:
        """Extracts that may be wanted once whole tracks are known.

        Args:
            place: the faces' source.
            faces: of one batch.
            promise: what came before of the source.

        Returns:
            those that will probably be wanted, those that will only if their tracks are the
            person's, and where each is from.
        """
        asked, distance = self._asked, self.nearest(faces)
        near = likely = np.ones(len(faces), np.bool_)
        if asked.people:
            near = likely = distance <= asked.tolerance
            if not (asked.per_frame and asked.by_tolerance):
                near = distance <= rescue_limit(asked.tolerance)
                likely = promise.of(faces.track, distance)
        rows = np.flatnonzero(near & (faces.sharpness >= self._blur_threshold)).tolist()
        planned, _ = self._extractor.plan(faces, rows, partial(place.name, faces))
        first = [each for each in planned if likely[each.entry.row]]
        others = [each for each in planned if not likely[each.entry.row]]

        def origin_of(planned: Planned) -> Origin:
            return self.origin(place, faces, planned, float(distance[planned.entry.row]))

        return first, others, origin_of

    def origin(self, place: Place, faces: Faces, planned: Planned, distance: float) -> Origin:
        """Where an extract is from.

        Args:
            place: its source.
            faces: that it is of one of.
            planned: the extract.
            distance: of the face, see nearest.
        """
        row = planned.entry.row
        picture = place.picture(int(faces.frame[row]))
        return Origin(
            source=as_text(place.source.path.absolute()),
            source_name=place.naming.source,
            frame=int(faces.frame[row]),
            pts_seconds=float(faces.pts_seconds[row]),
            picture=None if picture is None else as_text(picture),
            box=faces.box[row],
            points5=faces.points5[row],
            points68=faces.points68[row],
            matrix=planned.matrix,
            alignment=planned.alignment.name,
            size_px=planned.entry.size_px,
            native_scale=planned.entry.native_scale,
            detector=self._choice.detector.key,
            recogniser=self._choice.recogniser.key,
            distance=distance,
            sharpness=float(faces.sharpness[row]),
        )


def _folder(person: str, verdict: str) -> str:
    """Where extracts go: ``""``, ``uncertain/``, both below ``person/``, or ``ambiguous/``."""
    if verdict == AMBIGUOUS:
        return f"{AMBIGUOUS}/"
    parts = [person, UNCERTAIN if verdict == ASK else ""]
    return "".join(f"{part}/" for part in parts if part)
