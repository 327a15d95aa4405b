"""Extracting: the chosen faces of a batch, each warped straight from its full-resolution frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from facegrab.store.answers import Extract
from facegrab.summary import ENLARGED, NO_POSE
from facegrab.types import Faces, Image
from facegrab.vision.align import Matrix, touched, warp
from facegrab.vision.alignments import Alignment, native_scale


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """An extract that will be made.

    Attributes:
        entry: what the index will say of it.
        matrix: from the full frame to the extract.
        alignment: how the face is placed.
    """

    entry: Extract
    matrix: Matrix
    alignment: Alignment

    @property
    def file(self) -> str:
        """Path of the image below the folder."""
        return self.entry.file

    @property
    def given(self) -> str:
        """The name that the image is handed over by."""
        return self.entry.given or self.entry.file


def placed(planned: Planned, folder: str) -> Planned:
    """The same extract in a folder, ending in ``/``; "" leaves it where it is."""
    if not folder:
        return planned
    entry = planned.entry
    return replace(planned, entry=replace(entry, file=folder + entry.file, given=entry.file))


class Extractor:
    """Makes the extracts of a run, of all its alignments in one go.

    Args:
        alignments: at least one; of several, each has a folder of its own, called by its label.
        upsample: also make extracts that enlarge the face.
    """

    def __init__(self, alignments: Sequence[Alignment], *, upsample: bool) -> None:
        self._alignments = alignments
        self._upsample = upsample

    def plan(
        self, faces: Faces, rows: Sequence[int], name_of: Callable[[int], str]
    ) -> tuple[list[Planned], dict[int, str]]:
        """What to make of some faces.

        Args:
            faces: of a batch.
            rows: those to extract.
            name_of: from a row to the name of its file.

        Returns:
            the extracts, a row's together; why there is none of a row that has none.
        """
        planned: list[Planned] = []
        none: dict[int, str] = {}
        chosen = np.array(rows, np.int64)
        points = faces.box[chosen], faces.points5[chosen], faces.points68[chosen]
        matrices = zip(*(each.matrices(*points) for each in self._alignments), strict=True)
        for row, matrix in zip(rows, matrices, strict=True):
            made, reason = self._of_face(row, name_of(row), matrix)
            planned += made
            if not made:
                none[row] = reason
        return planned, none

    def _of_face(
        self, row: int, name: str, matrices: Sequence[Matrix | None]
    ) -> tuple[list[Planned], str]:
        made: list[Planned] = []
        reason = NO_POSE
        for alignment, matrix in zip(self._alignments, matrices, strict=True):
            if matrix is None:  # points that coincide
                continue
            scale = native_scale(matrix)
            if scale > 1 and not self._upsample:
                reason = ENLARGED
                continue
            folder = f"{alignment.label}/" if len(self._alignments) > 1 else ""
            entry = Extract(row, alignment.label, folder + name, alignment.size_px, scale)
            made.append(Planned(entry, matrix, alignment))
        return made, reason


def make(planned: Sequence[Planned], image: Image) -> Iterator[tuple[Planned, Image]]:
    """The extracts of one frame, one by one.

    Args:
        planned: what to make of it.
        image: the frame, RGB uint8 (H, W, 3).
    """
    for each in planned:
        size_px = each.alignment.size_px
        yield each, warp(*touched(image, each.matrix, size_px), size_px)


def held(planned: Planned, image: Image) -> tuple[Callable[[], Image], int]:
    """What makes an extract later, if it is wanted, and the bytes that it keeps for that.

    Of a face that will be enlarged it keeps the face, else the extract: what is less.

    Args:
        planned: the extract.
        image: the frame, RGB uint8 (H, W, 3).
    """
    size_px = planned.alignment.size_px
    part, matrix = touched(image, planned.matrix, size_px)
    if part.nbytes < part.shape[2] * size_px**2:
        own = part.copy()
        return partial(warp, own, matrix, size_px), own.nbytes
    extract = warp(part, matrix, size_px)
    return lambda: extract, extract.nbytes
