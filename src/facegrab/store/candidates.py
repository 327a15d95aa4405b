"""The extracts of a folder that are surely the people's, with what was seen of each face."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import StoreError
from facegrab.store.album import is_of_a_folder
from facegrab.store.answers import KEPT
from facegrab.store.findings import Findings
from facegrab.store.rows import to_embeddings
from facegrab.types import FloatArray, IntArray

_COLUMNS = (
    "s.id, s.path, f.frame, f.number, f.pts_seconds, f.picture, f.shot, f.track,"
    " f.x0, f.y0, f.x1, f.y1, f.size_px, f.sharpness, f.points5, f.embedding, e.file,"
    " iif(f.picture IS NULL, c.width, NULL), iif(f.picture IS NULL, c.height, NULL)"
)
_FIRST = (
    " JOIN (SELECT source, frame, number, file, min(rowid) FROM extract"
    " GROUP BY source, frame, number) AS e"
    " ON e.source = s.id AND e.frame = f.frame AND e.number = f.number"
)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Faces of one person that have an extract, a row each.

    Attributes:
        source: int64 (N,), row of the source.
        frame: int64 (N,), of the source.
        number: int64 (N,), of the face in its frame.
        pts_seconds: float64 (N,).
        shot: int64 (N,), of the source.
        track: int64 (N,), of the source.
        box: float32 (N, 4), x0 y0 x1 y1 in the full frame.
        size_px: float32 (N,), the longer side of the box.
        sharpness: float32 (N,), variance of the Laplacian, at the face's own resolution.
        points5: float32 (N, 5, 2), see types.Detections.
        embedding: float32 (N, D).
        path: (N,), of the source.
        picture: (N,), the image file that the frame is, or None for a video.
        file: (N,), of the first alignment's extract, below the folder, with ``/``.
        frame_size: float32 (N, 2), width and height of the frame in pixels; NaN where it is not
            known.
    """

    source: IntArray
    frame: IntArray
    number: IntArray
    pts_seconds: NDArray[np.float64]
    shot: IntArray
    track: IntArray
    box: FloatArray
    size_px: FloatArray
    sharpness: FloatArray
    points5: FloatArray
    embedding: FloatArray
    path: tuple[str, ...]
    picture: tuple[str | None, ...]
    file: tuple[str, ...]
    frame_size: FloatArray

    def __len__(self) -> int:
        return len(self.file)

    def select(self, rows: NDArray[Any]) -> Candidates:
        """The rows that an index array names, in its order."""
        taken: dict[str, Any] = {}
        for each in fields(self):
            column = getattr(self, each.name)
            is_tuple = isinstance(column, tuple)
            taken[each.name] = tuple(column[row] for row in rows) if is_tuple else column[rows]
        return Candidates(**taken)


class Portfolio(Findings):
    """Reads what there is to choose from in a folder that a run wrote."""

    def people(self) -> list[str]:
        """Names of those who have extracts that are surely theirs; "" where one is asked for.

        Raises:
            StoreError: the index is damaged.
        """
        rows = self._db.fetch(
            "SELECT DISTINCT o.person FROM outcome o JOIN extract e ON e.source = o.source"
            " AND e.frame = o.frame AND e.number = o.number WHERE o.verdict = ? ORDER BY 1",
            (KEPT,),
        )
        names = [str(name) for (name,) in rows]
        for name in names:
            if name and not is_of_a_folder(name):
                raise StoreError(
                    f"{self._db.path} is damaged (a person called {name!r}): run again into "
                    "another folder"
                )
        return names

    def candidates(self, person: str) -> Candidates:
        """A person's faces, by source, frame and number.

        Raises:
            StoreError: the index is damaged.
        """
        rows = self._db.fetch(
            f"SELECT {_COLUMNS}{self._faces}{_FIRST}"
            f" LEFT JOIN {self._schema}.scan c ON c.id = s.scan"
            " WHERE o.dropped IS NULL AND o.verdict = ? AND o.person = ?"
            " ORDER BY s.id, f.frame, f.number",
            (KEPT, person),
        )
        with self._reading():
            return _candidates(rows)

    def files_of(self, source: int, frame: int, number: int) -> list[str]:
        """All extracts of a face, one an alignment."""
        rows = self._db.fetch(
            "SELECT file FROM extract WHERE source = ? AND frame = ? AND number = ? ORDER BY rowid",
            (source, frame, number),
        )
        return [str(file) for (file,) in rows]


def _candidates(rows: list[tuple[Any, ...]]) -> Candidates:
    columns = list(zip(*rows, strict=True)) or [()] * 19
    points = np.frombuffer(b"".join(columns[14]), "<f4").astype(np.float32).reshape(-1, 5, 2)
    if len(points) != len(rows):
        raise ValueError(f"{len(points)} times five points of {len(rows)} faces")
    return Candidates(
        source=np.array(columns[0], np.int64),
        path=tuple(map(str, columns[1])),
        frame=np.array(columns[2], np.int64),
        number=np.array(columns[3], np.int64),
        pts_seconds=np.array(columns[4], np.float64),
        picture=tuple(None if each is None else str(each) for each in columns[5]),
        shot=np.array(columns[6], np.int64),
        track=np.array(columns[7], np.int64),
        box=np.array(columns[8:12], np.float32).T.reshape(-1, 4),
        size_px=np.array(columns[12], np.float32),
        sharpness=np.array(columns[13], np.float32),
        points5=points,
        embedding=to_embeddings(columns[15]),
        file=tuple(map(str, columns[16])),
        frame_size=np.array(columns[17:19], np.float32).T.reshape(-1, 2),
    )
