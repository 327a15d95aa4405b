"""The index: every face that a scan saw and what became of it, in one SQLite file."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import OutputError, StoreError
from facegrab.store.files import as_text, atomic, no_space
from facegrab.store.schema import prepare
from facegrab.types import Faces, FloatArray, IntArray

SHORTEST_EMBEDDING = 16
"""No recogniser makes do with fewer numbers."""

CSV_COLUMNS = (
    "source", "frame", "pts_seconds", "x0", "y0", "x1", "y1", "score", "distance",
    "references_within", "sharpness", "size_px", "native_scale", "file", "dropped",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extract:
    """One written image of a face.

    Attributes:
        row: of the face among its batch.
        alignment: label of the alignment.
        file: path below the output folder, with ``/``.
        size_px: side of the image.
        native_scale: pixels of the extract per pixel of the source: above 1 it is enlarged.
    """

    row: int
    alignment: str
    file: str
    size_px: int
    native_scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Faces of one source and what became of them, one row a face.

    Attributes:
        source: row of the source.
        faces: N faces.
        pictures: (N,), path of the image file the face was in; None for a video.
        distance: float32 (N,), to the references; NaN where there are none.
        references_within: int64 (N,), references within the tolerance.
        dropped: (N,), why no image was written, or None.
        extracts: the images, of any number of alignments.
    """

    source: int
    faces: Faces
    pictures: Sequence[Path | None]
    distance: FloatArray
    references_within: IntArray
    dropped: Sequence[str | None]
    extracts: Sequence[Extract]

    def __post_init__(self) -> None:
        columns = (self.pictures, self.distance, self.references_within, self.dropped)
        if {len(column) for column in columns} != {len(self.faces)}:
            raise ValueError(f"columns of {[len(column) for column in columns]} rows")


class Index:
    """An open index. Nobody else can open it meanwhile; close it, or use it as a context manager.

    Args:
        path: the file; made if missing.
        settings: what this run's result depends on. An index of other settings is refused, unless
            no image was written with them: then it is emptied and takes the new ones.

    Raises:
        StoreError: the file is no index, is newer than this program, holds another run, or is
            in use.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        with self._errors():
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            with self._errors():
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._db.execute("PRAGMA foreign_keys = ON")
                prepare(self._db, self.path)
            self._check_settings(settings)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def begin_source(self, path: Path, name: str) -> tuple[int, str, list[str]]:
        """Enters a source, or empties it if it was scanned before.

        Args:
            path: where it lies.
            name: what its files should be called.

        Returns:
            its row id; its name, which is the one asked for, or one with a number where another
            source has that (a source keeps the name it got first); the files it had.
        """
        with self.transaction():
            row = self._db.execute(
                "SELECT id, name FROM source WHERE path = ?", (as_text(path),)
            ).fetchone()
            if row is None:
                name = self._free_name(name)
                cursor = self._db.execute(
                    "INSERT INTO source (path, name) VALUES (?, ?)", (as_text(path), name)
                )
                return int(cursor.lastrowid or 0), name, []
            files = self._db.execute(
                "SELECT file FROM extract WHERE source = ?", (row[0],)
            ).fetchall()
            for table in ("extract", "outcome", "face"):
                self._db.execute(f"DELETE FROM {table} WHERE source = ?", (row[0],))
            self._db.execute("UPDATE source SET complete = 0 WHERE id = ?", (row[0],))
            return int(row[0]), str(row[1]), [str(file) for (file,) in files]

    def add(self, rows: Rows) -> None:
        """Writes faces and what became of them; call it in a transaction."""
        self._db.executemany(f"INSERT INTO face VALUES ({', '.join('?' * 15)})", _face_rows(rows))
        self._db.executemany(
            "INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?)",
            zip(
                [rows.source] * len(rows.faces),
                rows.faces.frame.tolist(),
                rows.faces.number.tolist(),
                [None if np.isnan(each) else float(each) for each in rows.distance],
                rows.references_within.tolist(),
                rows.dropped,
                strict=True,
            ),
        )
        self._db.executemany(
            "INSERT INTO extract VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    rows.source,
                    int(rows.faces.frame[each.row]),
                    int(rows.faces.number[each.row]),
                    each.alignment,
                    each.file,
                    each.size_px,
                    each.native_scale,
                )
                for each in rows.extracts
            ),
        )

    def update_source(self, source: int, **columns: int | str) -> None:
        """Sets columns of a source: width, height, frames_read, ..., computed, complete."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE source SET {names} WHERE id = ?", (*columns.values(), source))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on disk when the block ends.

        Raises:
            OutputError: it could not be written; nothing of the block was.
        """
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def faces(self, source: int) -> Faces:
        """Every face of a source, in the order of frames and numbers."""
        with self._errors():
            rows = self._db.execute(
                "SELECT frame, number, pts_seconds, x0, y0, x1, y1, score, points5, points68,"
                " embedding, sharpness FROM face WHERE source = ? ORDER BY frame, number",
                (source,),
            ).fetchall()
        return _faces_of_rows(rows, self.path)

    def files(self) -> frozenset[str]:
        """Names of all images written."""
        with self._errors():
            rows = self._db.execute("SELECT file FROM extract").fetchall()
        return frozenset(str(file) for (file,) in rows)

    def write_csv(self, path: Path) -> None:
        """The faces as a table for people, without embeddings, replaced in one step.

        Raises:
            OutputError: it cannot be written.
        """
        with (
            self._errors(),
            atomic(path) as part,
            part.open("w", newline="", encoding="utf-8") as f,
        ):
            writer = csv.writer(f)
            writer.writerow(CSV_COLUMNS)
            writer.writerows(self._csv_rows())

    def _csv_rows(self) -> Iterable[tuple[Any, ...]]:
        """A row a face; of several extracts, the first alignment's."""
        return self._db.execute(
            "SELECT coalesce(picture, path),"
            " frame, round(pts_seconds, 6), x0, y0, x1, y1, round(score, 4), round(distance, 4),"
            " references_within, round(sharpness, 1), size_px, round(e.native_scale, 3), e.file,"
            " dropped FROM face JOIN source ON source.id = face.source"
            " LEFT JOIN outcome USING (source, frame, number)"
            " LEFT JOIN (SELECT source, frame, number, file, native_scale, min(rowid)"
            " FROM extract GROUP BY source, frame, number) AS e USING (source, frame, number)"
            " ORDER BY source.id, frame, number"
        )

    def _check_settings(self, settings: Mapping[str, Any]) -> None:
        new = {name: json.dumps(value) for name, value in settings.items()}
        with self._errors():
            old = dict(self._db.execute("SELECT name, value FROM run").fetchall())
        changed = [name for name in new if old.get(name) != new[name]]
        if not changed:
            return
        # A run that wrote nothing is told to change a setting: its folder must not be in the way.
        if self.files():
            what = ", ".join(f"{n} {old.get(n, 'unset')}, now {new[n]}" for n in changed)
            raise StoreError(
                f"{self.path.parent} holds the result of another run ({what}): "
                "choose another output folder, or remove that one"
            )
        with self.transaction():
            for table in ("extract", "outcome", "face", "source", "run"):
                self._db.execute(f"DELETE FROM {table}")
            self._db.executemany("INSERT INTO run VALUES (?, ?)", new.items())

    def _free_name(self, name: str) -> str:
        taken = {row[0].casefold() for row in self._db.execute("SELECT name FROM source")}
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}-{number}"
        return candidate

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise StoreError(f"{self.path} is in use by another run: wait for it") from error
            if name.startswith("SQLITE_FULL"):
                raise no_space(self.path) from error
            if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise OutputError(f"cannot write {self.path}: {error}") from error
            damaged = name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))
            if damaged or str(error).startswith(("no such table", "no such column")):
                raise StoreError(
                    f"{self.path} is damaged or no index of FaceGrab: "
                    "choose another folder, or remove it"
                ) from error
            raise


def _face_rows(rows: Rows) -> Iterator[tuple[Any, ...]]:
    faces = rows.faces
    size_px = faces.size_px
    for row, picture in enumerate(rows.pictures):
        yield (
            rows.source,
            int(faces.frame[row]),
            int(faces.number[row]),
            None if picture is None else as_text(picture),
            float(faces.pts_seconds[row]),
            *faces.box[row].tolist(),
            float(faces.score[row]),
            faces.points5[row].astype("<f4").tobytes(),
            faces.points68[row].astype("<f4").tobytes(),
            faces.embedding[row].astype("<f2").tobytes(),
            float(faces.sharpness[row]),
            float(size_px[row]),
        )


def _faces_of_rows(rows: Sequence[tuple[Any, ...]], path: Path) -> Faces:
    columns = list(zip(*rows, strict=True)) or [()] * 12
    try:
        return Faces(
            frame=np.array(columns[0], np.int64),
            number=np.array(columns[1], np.int64),
            pts_seconds=np.array(columns[2], np.float64),
            box=np.array(columns[3:7], np.float32).T.reshape(-1, 4),
            score=np.array(columns[7], np.float32),
            points5=_stack(columns[8], "<f4").reshape(-1, 5, 2),
            points68=_stack(columns[9], "<f4").reshape(-1, 68, 2),
            embedding=_embeddings(columns[10]),
            sharpness=np.array(columns[11], np.float32),
        )
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): scan again into another folder") from error


def _embeddings(blobs: Sequence[bytes]) -> FloatArray:
    """float32 (N, D), of D numbers each, as the recogniser of the run makes them."""
    embedding = _stack(blobs, "<f2").reshape(max(len(blobs), 1), -1)[: len(blobs)]
    if len(blobs) and embedding.shape[1] < SHORTEST_EMBEDDING:
        raise ValueError(f"embeddings of {embedding.shape[1]} numbers")
    return embedding


def _stack(blobs: Sequence[bytes], dtype: str) -> NDArray[np.float32]:
    return np.frombuffer(b"".join(blobs), dtype).astype(np.float32)
