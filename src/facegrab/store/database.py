"""An SQLite file of ours: who holds it, transactions, and errors that name the way out."""

from __future__ import annotations

import glob
import os
import platform
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from facegrab.errors import OutputError, StoreError
from facegrab.store.files import no_space
from facegrab.store.schema import check, prepare

OWN, LIBRARY = "main", "library"
"""Schema names: of the file that was opened, and of the one attached to it."""

_WAIT_MS = 10_000
"""For others' transactions on a file that several may use: a segment's takes some milliseconds."""
_LONGEST_NOTE_BYTES = 200
_LONGEST_SUPER_JOURNAL_BYTES = 2**16
"""The paths of two journals."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class Database:
    """An open file; close it, or use it as a context manager.

    Args:
        path: the file; made if missing, brought up to date if older.
        alone: nobody else can open it until it is closed.
        wait: for somebody who holds it, some seconds; with ``alone`` nobody is waited for.

    Raises:
        StoreError: the file is no index, is newer than this program, or is in use.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, *, alone: bool = True, wait: bool = True) -> None:
        self.path = path
        self._paths = {OWN: path}
        self._held: list[Path] = []
        with self.errors():
            wait_seconds = _WAIT_MS / 1000 if wait and not alone else 0
            self._db = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
        try:
            self._open(alone=alone)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files."""
        # Notes first: as soon as the files are free, somebody else may have left one.
        try:
            for path in self._held:
                with suppress(OSError):
                    _note_of(path).unlink()
            self._held.clear()
        finally:
            self._db.close()

    def attach(self, path: Path) -> None:
        """Opens a second file as LIBRARY; transactions then span both.

        Raises:
            StoreError, OutputError: as for the first one.
        """
        self._paths[LIBRARY] = path
        with Database(path, alone=False) as library:  # made, or brought up to date
            library._tidy()
        with self.errors(LIBRARY):
            self._db.execute(f"ATTACH ? AS {LIBRARY}", (str(path),))
        _remove_stale_journals(self.path)

    def hold(self, schema: str) -> None:
        """From now on nobody else can open the file, until it is closed.

        Raises:
            StoreError: somebody else uses it.
        """
        with self.errors(schema):
            self._db.execute(f"PRAGMA {schema}.locking_mode = EXCLUSIVE")
            # The lock comes with the first transaction that might write. This one does not: what
            # turns out not to be ours, or cannot be brought up to date, stays as it is.
            # Named, because a statement kept from before a file was attached locks only the others.
            self._db.execute(f"BEGIN EXCLUSIVE -- {schema}")
            self._db.execute("COMMIT")
        path = self._paths[schema]
        self._held.append(path)
        with suppress(OSError):  # whoever cannot read it is told less
            _note_of(path).write_text(_who(), encoding="ascii")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Runs one statement; in a block of ``transaction`` or ``errors``."""
        return self._db.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row."""
        self._db.executemany(sql, rows)

    def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows that a query answers.

        Raises:
            StoreError: the file is damaged.
        """
        with self.errors():
            return self._db.execute(sql, values).fetchall()

    def copy_to(self, path: Path) -> None:
        """Writes the file as it is after the last transaction to another, which is replaced.

        Raises:
            OutputError: the disk is full.
        """
        path.unlink(missing_ok=True)
        with self.errors(), closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)

    def shrink(self) -> None:
        """Gives back the space of what was removed.

        Raises:
            OutputError: the disk is full: it takes as much again for a moment.
        """
        with self.errors():
            self._db.execute("VACUUM")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on disk when the block ends.

        Raises:
            OutputError: it could not be written; nothing of the block was.
        """
        with self.errors():
            self._db.execute("BEGIN")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def errors(self, schema: str = OWN) -> Iterator[None]:
        """Turns SQLite's errors into ours.

        Raises:
            StoreError: the file is in use or damaged.
            OutputError: it cannot be written.
        """
        try:
            yield
        except sqlite3.DatabaseError as error:
            raised = _ours(error, self._path_of(error, schema))
            if raised is None:
                raise
            raise raised from error

    def _path_of(self, error: sqlite3.DatabaseError, schema: str) -> Path:
        """The file that an error is about, in a statement about a schema's and maybe another's."""
        path = self._paths[schema]
        in_use_by_us = _is_busy(error) and path in self._held
        return self._paths.get(LIBRARY, path) if in_use_by_us else path

    def _tidy(self) -> None:
        """Removes what a run that died left beside the file, if nobody uses that now."""
        note = _note_of(self.path)
        if not note.exists() and not _journal_of(self.path).exists():
            return
        # Not with errors(): who cannot write, or comes at a bad time, leaves it to the next one.
        with suppress(OSError, sqlite3.OperationalError):
            self._db.execute("PRAGMA busy_timeout = 0")
            self._db.execute("BEGIN IMMEDIATE")
            note.unlink(missing_ok=True)  # nobody holds what we could begin to write
            try:
                _touch(self._db, OWN)
                self._db.execute("COMMIT")  # with which SQLite removes the journal
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _open(self, *, alone: bool) -> None:
        with self.errors():
            # What is forgotten is written over, not left in free pages: it is biometric data.
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute("PRAGMA foreign_keys = ON")
            # First, because a lock is written too, and never into another program's file.
            check(self._db, self.path)
        if alone:
            self.hold(OWN)
        with self.errors():
            prepare(self._db, self.path)
            self._db.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
        if alone and _journal_of(self.path).exists():
            with self.transaction():  # SQLite removes at the end what it has written to
                _touch(self._db, OWN)


def _touch(database: sqlite3.Connection, schema: str) -> None:
    """A write that changes nothing."""
    version = database.execute(f"PRAGMA {schema}.user_version").fetchone()[0]
    database.execute(f"PRAGMA {schema}.user_version = {version}")


def _remove_stale_journals(path: Path) -> None:
    """Removes what died with transactions over two files, both of which have been opened since.

    SQLite names both files' journals in a third one, whose end is the commit; it stays behind if
    the program dies before any journal names it back (https://www.sqlite.org/atomiccommit.html,
    5.5 and 5.6). As long as another journal than ours is there, it may be needed.
    """
    ours = os.path.realpath(_journal_of(path))
    for journal in path.parent.glob(f"{glob.escape(path.name)}-mj*"):
        with suppress(OSError, ValueError):
            with journal.open("rb") as file:
                names = file.read(_LONGEST_SUPER_JOURNAL_BYTES).split(b"\0")
            others = [name for name in map(os.fsdecode, names) if os.path.realpath(name) != ours]
            if not any(name and os.path.lexists(name) for name in others):
                journal.unlink()


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _ours(error: sqlite3.DatabaseError, path: Path) -> StoreError | OutputError | None:
    name = getattr(error, "sqlite_errorname", "")
    if _is_busy(error):
        return StoreError(f"{path} is in use by another run{_holder(path)}: wait for it")
    if name.startswith("SQLITE_FULL"):
        return no_space(path)
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return OutputError(f"cannot write {path}: {error}")
    damaged = name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))
    if damaged or str(error).startswith(("no such table", "no such column")):
        return StoreError(
            f"{path} is damaged or no index of FaceGrab: choose another folder, or remove it"
        )
    return None


def _journal_of(path: Path) -> Path:
    """What SQLite writes beside a file before it changes that."""
    return path.with_name(f"{path.name}-journal")


def _note_of(path: Path) -> Path:
    """A file that says who holds another one; only believed while that is locked."""
    return path.with_name(f".{path.name}.holder")


def may_be_held(path: Path) -> bool:
    """Whether somebody has noted that nobody else can open the file: who died has left that too."""
    return _note_of(path).exists()


def _who() -> str:
    node = _UNPRINTABLE.sub("?", platform.node())[:60]
    return f"process {os.getpid()} on {node}, since {datetime.now():%Y-%m-%d %H:%M}"


def _holder(path: Path) -> str:
    try:
        with _note_of(path).open("rb") as file:
            text = file.read(_LONGEST_NOTE_BYTES).decode("ascii", "replace")
    except OSError:
        return ""
    return f" ({_UNPRINTABLE.sub('?', text)})" if text else ""
