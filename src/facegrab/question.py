"""One question: who is asked for and what is to be written, put to faces that were seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facegrab.choice import Choice
from facegrab.extract import Extractor, Planned
from facegrab.media.source import Source
from facegrab.people.decide import decide, rescue_limit
from facegrab.people.gallery import Gallery
from facegrab.settings import ProcessSettings
from facegrab.store.answers import Rows
from facegrab.store.files import as_text
from facegrab.store.naming import Naming
from facegrab.store.origin import Origin
from facegrab.summary import BLURRED, OTHER_PERSON
from facegrab.types import Faces


@dataclass(frozen=True, slots=True)
class Place:
    """A source as the answers speak of it.

    Attributes:
        source: the files.
        row: of it in the index.
        naming: of its extracts.
    """

    source: Source
    row: int
    naming: Naming

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


class Question:
    """Decides about faces and plans their extracts; the same for faces just seen and for old ones.

    Args:
        gallery: the references; an empty one asks for everybody.
        choice: models, tolerance and alignments.
        settings: what is written.
    """

    def __init__(self, gallery: Gallery, choice: Choice, settings: ProcessSettings) -> None:
        self._gallery = gallery
        self._choice = choice
        self._blur_threshold = settings.blur_threshold
        self._extractor = Extractor(choice.alignments, upsample=settings.upsample)

    def answer(self, place: Place, faces: Faces) -> tuple[Rows, list[Planned]]:
        """Who the faces are, and the extracts to be had of them.

        Args:
            place: the faces' source.
            faces: of whole tracks, in the order of frames and numbers.
        """
        decisions = decide(
            faces.embedding,
            self._gallery,
            self._choice.tolerance,
            track=faces.track,
            frame=faces.frame,
            per_frame=self._choice.per_frame,
        )
        sharp = faces.sharpness >= self._blur_threshold
        dropped = [
            None if ok and clear else BLURRED if ok else OTHER_PERSON
            for ok, clear in zip(decisions.matched.tolist(), sharp.tolist(), strict=True)
        ]
        wanted = np.flatnonzero(decisions.matched & sharp).tolist()
        planned, none = self._extractor.plan(faces, wanted, partial(place.name, faces))
        for row, why in none.items():
            dropped[row] = why
        rows = Rows(
            place.row,
            faces,
            decisions.distance,
            decisions.references_within,
            decisions.by_track,
            dropped,
            [each.entry for each in planned],
        )
        return rows, planned

    def may_want(
        self, place: Place, faces: Faces
    ) -> tuple[list[Planned], list[Planned], Callable[[Planned], Origin]]:
        """Extracts that may be wanted once whole tracks are known.

        Args:
            place: the faces' source.
            faces: of one batch.

        Returns:
            those that will probably be wanted, those that will only if their tracks are the
            person's, and where each is from.
        """
        alone = decide(faces.embedding, self._gallery, self._choice.tolerance, per_frame=True)
        near = alone.matched
        if not self._choice.per_frame and len(self._gallery):
            near = near | (alone.distance <= rescue_limit(self._choice.tolerance))
        rows = np.flatnonzero(near & (faces.sharpness >= self._blur_threshold)).tolist()
        planned, _ = self._extractor.plan(faces, rows, partial(place.name, faces))
        likely = [each for each in planned if alone.matched[each.entry.row]]
        unlikely = [each for each in planned if not alone.matched[each.entry.row]]
        return likely, unlikely, partial(self.origin, place, faces, alone.distance)

    def origin(
        self, place: Place, faces: Faces, distance: NDArray[np.float32], planned: Planned
    ) -> Origin:
        """Where an extract is from."""
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
            distance=float(distance[row]),
            sharpness=float(faces.sharpness[row]),
        )
