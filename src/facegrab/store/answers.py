"""The answers: what became of the faces of a folder's sources, for one question."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import StoreError
from facegrab.store.database import OWN, Database
from facegrab.store.files import as_text, atomic
from facegrab.store.index import Request
from facegrab.store.reviews import Reviews, in_effect
from facegrab.summary import OTHER_PERSON
from facegrab.types import Faces, FloatArray, IntArray

CSV_COLUMNS = (
    "source", "frame", "pts_seconds", "x0", "y0", "x1", "y1", "score", "distance",
    "references_within", "sharpness", "size_px", "shot", "track", "by_track", "native_scale",
    "file", "dropped", "person", "probability", "verdict",
)  # fmt: skip

KEPT, DROPPED = "keep", "drop"
"""Of the verdicts on a face those that are as old as the index."""
_LAST = 2**62
"""No frame has a greater number."""

Key: TypeAlias = tuple[int, int]
"""Frame and number of a face in its source."""


_SAID = "distance, references_within, by_track, dropped, person, probability, verdict"
_NEWLY_SAID = ", ".join(f"excluded.{name.strip()}" for name in _SAID.split(","))


@dataclass(frozen=True, slots=True)
class Extract:
    """One image of a face.

    Attributes:
        row: of the face among those it is handled with.
        alignment: label of the alignment.
        file: path below the output folder, with ``/``.
        size_px: side of the image.
        native_scale: pixels of the extract per pixel of the source: above 1 it is enlarged.
        given: the name by which the image was handed over; "" for that of the file.
    """

    row: int
    alignment: str
    file: str
    size_px: int
    native_scale: float
    given: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Faces of one source and what became of them, one row a face.

    Attributes:
        source: row of the source.
        faces: N faces.
        distance: float32 (N,), to the references; NaN where there are none.
        references_within: int64 (N,), references within the tolerance.
        by_track: bool (N,), belongs to the person only because its track does.
        dropped: (N,), why there is no image, or None.
        extracts: the images, of any number of alignments.
        person: (N,), the name of whose it is, or most probably is; by default "".
        probability: float32 (N,), that it is that person's; by default NaN, not known.
        verdict: (N,), what follows; by default KEPT, unless somebody else is why there is no image.
    """

    source: int
    faces: Faces
    distance: FloatArray
    references_within: IntArray
    by_track: NDArray[np.bool_]
    dropped: Sequence[str | None]
    extracts: Sequence[Extract]
    person: Sequence[str] = ()
    probability: FloatArray | None = None
    verdict: Sequence[str] = ()

    def __post_init__(self) -> None:
        others = [DROPPED if why == OTHER_PERSON else KEPT for why in self.dropped]
        count = len(self.dropped)
        for name, default in (
            ("person", [""] * count),
            ("probability", np.full(count, np.nan, np.float32)),
            ("verdict", others),
        ):
            given = getattr(self, name)
            if given is None or not len(given):
                object.__setattr__(self, name, default)
        columns = (
            self.distance, self.references_within, self.by_track, self.dropped, self.person,
            self.likely, self.verdict,
        )  # fmt: skip
        if {len(column) for column in columns} != {len(self.faces)}:
            raise ValueError(f"columns of {[len(column) for column in columns]} rows")

    @property
    def likely(self) -> FloatArray:
        """float32 (N,): probability."""
        assert self.probability is not None
        return self.probability

    def key(self, row: int) -> Key:
        """Frame and number of a face."""
        return int(self.faces.frame[row]), int(self.faces.number[row])


@dataclass(frozen=True, slots=True)
class Entered:
    """A source of the folder.

    Attributes:
        row: of the table source.
        name: what its files' names begin with.
        complete: its question is answered.
        outdated: files it had that are of another video, which lay in its place.
    """

    row: int
    name: str
    complete: bool = False
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stranger:
    """The nearest face of somebody else.

    Attributes:
        distance: from the references.
        pts_seconds: when.
        faces: of the same track.
    """

    distance: float
    pts_seconds: float
    faces: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a source's faces, in numbers.

    Attributes:
        written: faces of a person of which there is an extract, by the person's name.
        unsure: faces that somebody should look at, of which there is one too, by the verdict.
        dropped: the others, by the reason for that.
        by_track: that belong to the person only because their tracks do.
        enlarged: extracts in which the face is larger than in its source.
        wrong: of what is written so much is probably somebody else's; NaN if that is not known.
        missed: of all else so much is probably a person's; likewise.
        stranger: the nearest face of somebody else, if there is any.
    """

    written: dict[str, int]
    unsure: dict[str, int]
    dropped: dict[str, int]
    by_track: int
    enlarged: int
    wrong: float
    missed: float
    stranger: Stranger | None

    @property
    def found(self) -> int:
        """Faces in all."""
        return sum(sum(each.values()) for each in (self.written, self.unsure, self.dropped))


class Answers:
    """What became of the faces, in an open database whose OWN file holds it.

    Args:
        database: an open one.
        schema: of it, the file that holds what was seen.
        settings: what the answers depend on. A folder of other settings is refused, unless no
            image was written with them: then its answers are forgotten.

    Raises:
        StoreError: it holds the answers to another question.
    """

    def __init__(self, database: Database, schema: str, settings: Mapping[str, Any]) -> None:
        self._db = database
        self._schema = schema
        self._check(settings)

    def enter(self, content: str, path: Path, name: str, asked: Request, scan: int) -> Entered:
        """Enters a source, or finds it again; call it in a transaction.

        Args:
            content: what it is known by.
            path: where it lies.
            name: what its files should be called; one with a number where another has that. A
                source keeps the name it got first.
            asked: which of its faces are asked for.
            scan: row of the look that saw them.
        """
        columns = (as_text(path), scan, asked.every, asked.smallest_px, asked.largest_px)
        update = "UPDATE source SET path = ?, scan = ?, every = ?, smallest_px = ?, largest_px = ?"
        known = self._db.fetch(
            "SELECT id, name, complete, scan, reviewed FROM source WHERE content = ?", (content,)
        )
        if known:
            row, name, complete, before, reviewed = known[0]
            complete = bool(complete) and before == scan and reviewed == self._in_effect()
            self._db.execute(f"{update}, complete = ? WHERE id = ?", (*columns, int(complete), row))
            return Entered(row, name, complete)
        replaced = self._db.fetch(
            "SELECT id, name FROM source WHERE path = ? ORDER BY id", (as_text(path),)
        )
        if not replaced:
            name = self._free_name(name)
            cursor = self._db.execute(
                "INSERT INTO source (path, scan, every, smallest_px, largest_px, name, content)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*columns, name, content),
            )
            return Entered(int(cursor.lastrowid or 0), name)
        row, name = replaced[0]
        outdated = tuple(self.extracts(row).values())
        self.forget(row)
        self._db.execute(
            f"{update}, complete = 0, content = ? WHERE id = ?", (*columns, content, row)
        )
        return Entered(row, name, outdated=outdated)

    def put(self, rows: Rows) -> None:
        """Enters what became of faces, in place of what was said of them; in a transaction."""
        self._db.executemany(
            f"INSERT INTO outcome (source, frame, number, {_SAID}) VALUES"
            " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            f" ({_SAID}) = ({_NEWLY_SAID})",
            zip(
                [rows.source] * len(rows.faces),
                rows.faces.frame.tolist(),
                rows.faces.number.tolist(),
                _or_none(rows.distance),
                rows.references_within.tolist(),
                rows.by_track.astype(int).tolist(),
                rows.dropped,
                rows.person,
                _or_none(rows.likely),
                rows.verdict,
                strict=True,
            ),
        )
        self._db.executemany(
            "INSERT INTO extract VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (rows.source, *rows.key(each.row), each.alignment, each.file, each.size_px,
                 each.native_scale)
                for each in rows.extracts
            ),
        )  # fmt: skip

    def extracts(
        self, source: int, first_frame: int = 0, last_frame: int = _LAST
    ) -> dict[tuple[int, int, str], str]:
        """Files of a source, of some of its frames, by frame, number and label of the alignment."""
        rows = self._db.fetch(
            "SELECT frame, number, alignment, file FROM extract WHERE source = ?"
            " AND frame BETWEEN ? AND ?",
            (source, first_frame, last_frame),
        )
        return {(frame, number, label): str(file) for frame, number, label, file in rows}

    def remove_files(self, files: Iterable[str]) -> None:
        """Forgets images; call it in a transaction."""
        self._db.executemany("DELETE FROM extract WHERE file = ?", ((file,) for file in files))

    def forget(self, source: int) -> None:
        """Forgets what became of a source's faces; call it in a transaction."""
        for table in ("extract", "outcome"):
            self._db.execute(f"DELETE FROM {table} WHERE source = ?", (source,))

    def forget_from(self, content: str, first_frame: int) -> list[str]:
        """Forgets what became of a source's faces from a frame on; call it in a transaction.

        Returns:
            the files of the images that are forgotten.
        """
        where = "source = (SELECT id FROM source WHERE content = ?) AND frame >= ?"
        files = self._db.fetch(f"SELECT file FROM extract WHERE {where}", (content, first_frame))
        for table in ("extract", "outcome"):
            self._db.execute(f"DELETE FROM {table} WHERE {where}", (content, first_frame))
        return [str(file) for (file,) in files]

    def tally(self, source: int) -> Tally:
        """What became of a source's faces, in numbers."""
        counts = self._db.fetch(
            "SELECT dropped, verdict, person, count(*), total(by_track), sum(1 - probability),"
            " sum(probability) FROM outcome WHERE source = ? GROUP BY dropped, verdict, person",
            (source,),
        )
        enlarged = self._db.fetch(
            "SELECT count(*) FROM extract WHERE source = ? AND native_scale > 1", (source,)
        )
        written, unsure, dropped = Counter[str](), Counter[str](), Counter[str]()
        wrong = missed = 0.0
        for why, verdict, person, count, _, not_theirs, theirs in counts:
            if why is not None:
                dropped[why] += count
            elif verdict == KEPT:
                written[person] += count
            else:
                unsure[verdict] += count
            if verdict == KEPT:
                wrong += (math.nan if not_theirs is None else not_theirs) if why is None else 0
            else:
                missed += math.nan if theirs is None else theirs
        return Tally(
            dict(written),
            dict(unsure),
            dict(dropped),
            int(sum(row[4] for row in counts)),
            int(enlarged[0][0]),
            wrong,
            missed,
            self._stranger(source),
        )

    def _stranger(self, source: int) -> Stranger | None:
        """The nearest face of somebody else."""
        # Of a query with one min() SQLite takes the other columns from the row that has it.
        rows = self._db.fetch(
            "SELECT min(o.distance), f.pts_seconds, f.track, s.scan FROM outcome o"
            f" JOIN source s ON s.id = o.source JOIN {self._schema}.face f"
            " ON f.scan = s.scan AND f.frame = o.frame AND f.number = o.number"
            " WHERE o.source = ? AND o.verdict = ?",
            (source, DROPPED),
        )
        distance, seconds, track, scan = rows[0]
        if distance is None:
            return None
        ((faces,),) = self._db.fetch(
            f"SELECT count(*) FROM {self._schema}.face WHERE scan = ? AND track = ?", (scan, track)
        )
        return Stranger(float(distance), float(seconds), int(faces))

    def finish(self, source: int) -> None:
        """Notes that a source's question is answered; call it in a transaction."""
        self._db.execute(
            "UPDATE source SET complete = 1, reviewed = ? WHERE id = ?",
            (self._in_effect(), source),
        )

    def reopen(self, source: int) -> None:
        """Notes that a source's question is to be answered again; call it in a transaction."""
        self._db.execute("UPDATE source SET complete = 0 WHERE id = ?", (source,))

    def _in_effect(self) -> str:
        """Names what somebody has said of the folder's faces."""
        return in_effect(Reviews(self._db).rows())

    def remember(self, name: str, value: Any) -> None:
        """Keeps something about the last run in the table ``told``, if it is not the same.

        Args:
            name: of it.
            value: what json.dumps takes.
        """
        text = json.dumps(value, sort_keys=True)
        if self._db.fetch("SELECT 1 FROM told WHERE name = ? AND value = ?", (name, text)):
            return
        with self._db.transaction():
            self._db.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (name, text))

    def finished(self) -> dict[str, str]:
        """Paths of the sources whose question is answered, by content."""
        return dict(self._db.fetch("SELECT content, path FROM source WHERE complete"))

    def files(self) -> frozenset[str]:
        """Names of all images written."""
        return frozenset(str(file) for (file,) in self._db.fetch("SELECT file FROM extract"))

    def announce(self, files: Iterable[str]) -> None:
        """Notes, at once, images that will be put in place before they are entered.

        If the program dies in between, the next one finds them here.
        """
        with self._db.transaction():
            self.leaving(files)

    def arrived(self) -> None:
        """Forgets of what was announced that which is entered; in that transaction."""
        self._db.execute("DELETE FROM coming WHERE file IN (SELECT file FROM extract)")

    def leaving(self, files: Iterable[str]) -> None:
        """Notes images that will be removed; in the transaction that forgets them.

        If the program dies before they are, the next one finds them here.
        """
        self._db.executemany("INSERT OR IGNORE INTO coming VALUES (?)", ((f,) for f in files))

    def gone(self, files: Iterable[str]) -> None:
        """Forgets what was stranded, and is removed now; call it in a transaction."""
        self._db.executemany("DELETE FROM coming WHERE file = ?", ((file,) for file in files))

    def stranded(self) -> list[str]:
        """Images that were announced and never entered, or forgotten and not removed yet."""
        rows = self._db.fetch(
            "SELECT file FROM coming WHERE file NOT IN (SELECT file FROM extract)"
        )
        return [str(file) for (file,) in rows]

    def write_csv(self, path: Path) -> None:
        """The faces as a table for people, see write_table."""
        write_table(self._db, path, self._schema)

    def forget_others(self, source: int, scan: int, other: str) -> None:
        """Forgets faces that are not the person's, and what was said of them; in a transaction.

        Args:
            source: row of the source.
            scan: row of the look that saw them.
            other: what was said of them.
        """
        self._db.execute(
            f"DELETE FROM {self._schema}.face WHERE scan = ? AND NOT EXISTS (SELECT 1"
            " FROM main.outcome AS o WHERE o.source = ? AND o.frame = face.frame"
            " AND o.number = face.number AND o.dropped IS NOT ?)",
            (scan, source, other),
        )
        self._db.execute("DELETE FROM outcome WHERE source = ? AND dropped = ?", (source, other))

    def answered_by(self, content: str) -> int | None:
        """Row of the look by which a source's question was answered wholly; None if it was not."""
        rows = self._db.fetch("SELECT scan FROM source WHERE content = ? AND complete", (content,))
        return None if not rows else int(rows[0][0])

    def _check(self, settings: Mapping[str, Any]) -> None:
        new = {name: json.dumps(value) for name, value in settings.items()}
        old = dict(self._db.fetch("SELECT name, value FROM run"))
        changed = [name for name in new if old.get(name) != new[name]]
        if not changed:
            return
        # A run that wrote nothing is told to change a setting: its folder must not be in the way,
        # unless somebody has said who is who there, which is of the people asked for then.
        if self.files() or ("references" in changed and self._in_effect()):
            what = ", ".join(f"{n} {old.get(n, 'unset')}, now {new[n]}" for n in changed)
            raise StoreError(
                f"{self._db.path.parent} holds the result of another run ({what}): "
                "choose another output folder, or remove that one"
            )
        with self._db.transaction():
            for table in ("extract", "outcome", "source", "run"):
                self._db.execute(f"DELETE FROM {OWN}.{table}")
            self._db.executemany(f"INSERT INTO {OWN}.run VALUES (?, ?)", new.items())

    def _free_name(self, name: str) -> str:
        taken = {row[0].casefold() for row in self._db.fetch("SELECT name FROM source")}
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}-{number}"
        return candidate


def _or_none(values: FloatArray) -> list[float | None]:
    return [None if np.isnan(each) else float(each) for each in values]


def write_table(database: Database, path: Path, schema: str = OWN) -> None:
    """The faces of a folder as a table for people, without embeddings, replaced in one step.

    Args:
        database: of the folder.
        path: of the table.
        schema: of the file in the database that holds the faces.

    Raises:
        OutputError: it cannot be written.
    """
    with (
        database.errors(),
        atomic(path) as part,
        part.open("w", newline="", encoding="utf-8") as f,
    ):
        writer = csv.writer(f)
        writer.writerow(CSV_COLUMNS)
        writer.writerows(_table_rows(database, schema))


def _table_rows(database: Database, schema: str) -> Iterator[tuple[Any, ...]]:
    """A row a face; of several extracts, the first alignment's."""
    yield from database.execute(
        "SELECT coalesce(f.picture, s.path), f.frame, round(pts_seconds, 6), x0, y0, x1, y1,"
        " round(score, 4), round(distance, 4), references_within, round(sharpness, 1),"
        " f.size_px, shot, track, by_track, round(e.native_scale, 3), e.file, dropped, person,"
        " round(probability, 4), verdict"
        f" FROM source s JOIN {schema}.face f ON f.scan = s.scan"
        " JOIN outcome o ON o.source = s.id AND o.frame = f.frame AND o.number = f.number"
        " LEFT JOIN (SELECT source, frame, number, file, native_scale, min(rowid)"
        " FROM extract GROUP BY source, frame, number) AS e"
        " ON e.source = s.id AND e.frame = f.frame AND e.number = f.number"
        " ORDER BY s.id, f.frame, f.number"
    )
