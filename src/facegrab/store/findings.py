"""What a folder of extracts has to tell: the answers with what was seen, for people to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from facegrab.errors import MissingError, StoreError
from facegrab.store.answers import KEPT
from facegrab.store.database import LIBRARY, OWN, Database
from facegrab.store.found import Appearance, FaceFound, SourceFound, State
from facegrab.store.output import INDEX_NAME
from facegrab.summary import OTHER_PERSON
from facegrab.types import FloatArray

POINTS_AT_A_TIME = 4096
"""Faces whose points are in memory at a time: 160 kB."""

_WRITTEN, _UNSURE = "+", "?"
"""In place of a reason for having no extract: there is one."""
_FACES = (
    " FROM source s JOIN {schema}.face f ON f.scan = s.scan"
    " JOIN main.outcome o ON o.source = s.id AND o.frame = f.frame AND o.number = f.number"
)
_TRACK = "CASE WHEN f.track < 0 THEN -1 - f.frame ELSE f.track END"
"""What older versions saw has no tracks: there each frame is one."""


class Findings:
    """Reads a folder that a run wrote; use it as a context manager.

    Args:
        folder: that of the run.

    Raises:
        MissingError: it holds no answers, or the index that holds its faces is gone.
        StoreError: it is damaged, newer than this program, or in use.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / INDEX_NAME
        if not file.is_file():
            raise MissingError(f"{folder} holds no index: name a folder that a run wrote")
        with ExitStack() as stack:
            self._db = stack.enter_context(Database(file, alone=False))
            self.settings = self._settings()
            if not self.settings:
                raise MissingError(f"{folder} holds no answers: name a folder that a run wrote")
            self._schema = self._attached()
            self._faces = _FACES.format(schema=self._schema)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def told(self, name: str) -> Any:
        """What ``tell`` kept, as JSON knows it; None if nothing was."""
        if not self._can_tell():
            return None
        rows = self._db.fetch("SELECT value FROM told WHERE name = ?", (name,))
        return _json(rows[0][0]) if rows else None

    def tell(self, name: str, value: Any) -> None:
        """Keeps something about the last run, as far as the index has room for it.

        Args:
            name: of it.
            value: what json.dumps takes.

        Raises:
            StoreError, OutputError: the index is in use or cannot be written.
        """
        if self._can_tell():
            with self._db.transaction():
                self._db.execute(
                    "INSERT OR REPLACE INTO told VALUES (?, ?)", (name, json.dumps(value))
                )

    def sources(self) -> list[SourceFound]:
        """All sources, in the order in which they were entered."""
        dropped: dict[int, dict[str, int]] = {}
        for source, why, count in self._db.fetch(
            f"SELECT source, coalesce(dropped, iif(verdict = '{KEPT}', '{_WRITTEN}', '{_UNSURE}'))"
            " AS why, count(*) FROM outcome GROUP BY source, why"
            " ORDER BY source, count(*) DESC, why"
        ):
            dropped.setdefault(source, {})[str(why)] = int(count)
        rows = self._db.fetch(
            "SELECT s.id, s.path, EXISTS (SELECT 1 FROM"
            f" {self._schema}.face f WHERE f.scan = s.scan AND f.picture NOT NULL),"
            " c.duration_seconds, c.frame_count, s.every, c.frames_read, c.frames_looked_at,"
            " c.frames_damaged, s.complete, c.forgotten"
            f" FROM source s LEFT JOIN {self._schema}.scan c ON c.id = s.scan ORDER BY s.id"
        )
        with self._reading():
            return [_source(row, dropped.get(row[0], {})) for row in rows]

    def appearances(self) -> list[Appearance]:
        """Who is where when, by source and time."""
        rows = self._db.fetch(
            f"SELECT s.id, {self._person}, {self._state} AS state, {_TRACK} AS track,"
            f" min(f.pts_seconds), max(f.pts_seconds), count(*){self._faces}"
            " GROUP BY s.id, 2, state, 4 ORDER BY s.id, 5, 4, 2, state"
        )
        with self._reading():
            return [
                Appearance(int(source), str(person), state, int(track), float(start), float(end),
                           int(faces))
                for source, person, state, track, start, end, faces in rows
            ]  # fmt: skip

    def extracts(self) -> list[FaceFound]:
        """Every face that has an extract, by person, source and time."""
        return self._found(
            f"SELECT {self._columns}, e.file, e.count, 1{self._faces}"
            " JOIN (SELECT source, frame, number, file, min(rowid), count(*) AS count"
            " FROM extract GROUP BY source, frame, number) AS e"
            " ON e.source = s.id AND e.frame = f.frame AND e.number = f.number"
            f" ORDER BY {self._person}, s.id, f.frame, f.number"
        )

    def strangers(self, most: int) -> list[FaceFound]:
        """The nearest faces of those who are not the person, one a track, the nearest first."""
        # Of a query with one min() SQLite takes the other columns from the row that has it.
        return self._found(
            "SELECT source, person, state, track, frame, pts_seconds, picture, min(distance),"
            " probability, sharpness, size_px, by_track, NULL, 0, count(*)"
            f" FROM (SELECT {self._columns}{self._faces}"
            " WHERE o.dropped = ? AND o.distance NOT NULL)"
            " GROUP BY source, track ORDER BY min(distance), source, track LIMIT ?",
            (OTHER_PERSON, most),
        )

    def scores(
        self, width: float, of: Literal["distance", "probability"] = "distance"
    ) -> dict[tuple[int, State], int]:
        """How many faces are how far from the references, or how probably the person.

        Args:
            width: of a bin; the first begins at 0.
            of: what is counted.

        Returns:
            faces by number of the bin and what became of them.
        """
        value = "o.distance" if of == "distance" else self._probability
        rows = self._db.fetch(
            f"SELECT CAST({value} / ? AS INTEGER), {self._state} AS state, count(*){self._faces}"
            f" WHERE {value} NOT NULL GROUP BY 1, state ORDER BY 1, state",
            (width,),
        )
        with self._reading():
            return {(int(number), state): int(count) for number, state, count in rows}

    def sharpness(self) -> list[float]:
        """Of every face of the person, those that were dropped as blurred too."""
        rows = self._db.fetch(f"SELECT f.sharpness{self._faces} WHERE o.dropped IS NOT ?",
                              (OTHER_PERSON,))  # fmt: skip
        with self._reading():
            return [float(each) for (each,) in rows]

    def points5(self) -> Iterator[FloatArray]:
        """The five points of the faces that have an extract: float32 (N, 5, 2), some at a time."""
        with self._reading(), self._db.errors():
            cursor = self._db.execute(f"SELECT f.points5{self._faces} WHERE o.dropped IS NULL")
            while rows := cursor.fetchmany(POINTS_AT_A_TIME):
                points = np.frombuffer(b"".join(each for (each,) in rows), "<f4")
                yield points.astype(np.float32).reshape(len(rows), 5, 2)

    @property
    def _person(self) -> str:
        return "o.person"

    @property
    def _probability(self) -> str:
        return "o.probability"

    @property
    def _state(self) -> str:
        ask = " WHEN o.verdict IN ('ask', 'ambiguous') THEN 'ask'"
        return (
            f"CASE WHEN o.dropped = '{OTHER_PERSON}' THEN 'other'"
            f" WHEN o.dropped NOT NULL THEN 'left'{ask} ELSE 'kept' END"
        )

    @property
    def _columns(self) -> str:
        """The first twelve fields of FaceFound."""
        return (
            f"s.id AS source, {self._person} AS person, {self._state} AS state, {_TRACK} AS track,"
            " f.frame, f.pts_seconds, f.picture, o.distance AS distance,"
            f" {self._probability} AS probability, f.sharpness, f.size_px, o.by_track"
        )

    def _found(self, sql: str, values: tuple[Any, ...] = ()) -> list[FaceFound]:
        rows = self._db.fetch(sql, values)
        with self._reading():
            return [_face(row) for row in rows]

    def _can_tell(self) -> bool:
        """Whether the index has the table, which those of older versions lack."""
        return bool(
            self._db.fetch(
                "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = 'told'"
            )
        )

    def _settings(self) -> dict[str, Any]:
        rows = self._db.fetch("SELECT name, value FROM run ORDER BY name")
        return {str(name): _json(value) for name, value in rows}

    def _attached(self) -> str:
        """The schema that holds the faces."""
        index = self.settings.get("index")
        if not isinstance(index, str):
            return OWN
        if not Path(index).is_file():
            folder = self._db.path.parent
            raise MissingError(
                f"the faces of {folder} lie in {index}, which is gone: run the same command again"
            )
        self._db.attach(Path(index))
        return LIBRARY

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what no FaceGrab wrote into our error."""
        try:
            yield
        except (ValueError, TypeError, OverflowError) as error:
            raise StoreError(
                f"{self._db.path} is damaged ({error}): run again into another folder"
            ) from error


def _json(text: Any) -> Any:
    """What JSON says; the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return str(text)


def _source(row: tuple[Any, ...], counts: Mapping[str, int]) -> SourceFound:
    number, path, pictures, seconds, frame_count, every, *frames, complete, forgotten = row
    return SourceFound(
        row=int(number),
        path=str(path),
        pictures=bool(pictures),
        seconds=None if seconds is None else float(seconds),
        frame_count=None if frame_count is None else int(frame_count),
        every=int(every),
        frames_read=int(frames[0] or 0),
        frames_looked_at=int(frames[1] or 0),
        frames_damaged=int(frames[2] or 0),
        complete=bool(complete),
        forgotten=bool(forgotten),
        written=counts.get(_WRITTEN, 0),
        unsure=counts.get(_UNSURE, 0),
        dropped={why: each for why, each in counts.items() if why not in (_WRITTEN, _UNSURE)},
    )


def _face(row: tuple[Any, ...]) -> FaceFound:
    source, person, state, track, frame, seconds, picture, distance, probability, *rest = row
    sharpness, size_px, by_track, file, extracts, faces = rest
    return FaceFound(
        source=int(source),
        person=str(person),
        state=state,
        track=int(track),
        frame=int(frame),
        seconds=float(seconds),
        picture=None if picture is None else str(picture),
        distance=None if distance is None else float(distance),
        probability=None if probability is None else float(probability),
        sharpness=float(sharpness),
        size_px=float(size_px),
        by_track=bool(by_track),
        file=None if file is None else str(file),
        extracts=int(extracts),
        faces=int(faces),
    )
