"""The index's tables, and the way from older ones to today's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from facegrab.errors import StoreError

APPLICATION_ID = 0x46474442
"""Marks the file as ours (SQLite's application_id): FGDB."""

# Each script leads from the version of its place to the next one; together they are the schema.
# A landed script is never changed.
_STEPS = (
    """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    width INTEGER, height INTEGER,
    frames_read INTEGER NOT NULL DEFAULT 0,
    frames_looked_at INTEGER NOT NULL DEFAULT 0,
    frames_damaged INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE face (
    source INTEGER NOT NULL REFERENCES source (id),
    frame INTEGER NOT NULL,
    number INTEGER NOT NULL,
    picture TEXT,
    pts_seconds REAL NOT NULL,
    x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,
    score REAL NOT NULL,
    points5 BLOB NOT NULL,
    points68 BLOB NOT NULL,
    embedding BLOB NOT NULL,
    sharpness REAL NOT NULL,
    size_px REAL NOT NULL,
    PRIMARY KEY (source, frame, number)
) WITHOUT ROWID;
CREATE TABLE outcome (
    source INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    number INTEGER NOT NULL,
    distance REAL,
    references_within INTEGER,
    file TEXT,
    dropped TEXT,
    PRIMARY KEY (source, frame, number),
    FOREIGN KEY (source, frame, number) REFERENCES face (source, frame, number)
) WITHOUT ROWID;
""",
    # Any number of images a face. The old ones were all of mean-face; their scale was not noted.
    """
CREATE TABLE extract (
    source INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    number INTEGER NOT NULL,
    alignment TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE,
    size_px INTEGER,
    native_scale REAL,
    UNIQUE (source, frame, number, alignment),
    FOREIGN KEY (source, frame, number) REFERENCES outcome (source, frame, number)
);
INSERT INTO extract SELECT source, frame, number, 'mean-face', file, NULL, NULL
    FROM outcome WHERE file NOT NULL ORDER BY source, frame, number;
ALTER TABLE outcome DROP COLUMN file;
""",
    # Device, runtime and precision that the faces of a source were found with.
    """
ALTER TABLE source ADD COLUMN computed TEXT;
""",
)
SCHEMA_VERSION = len(_STEPS)


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Makes the tables, or brings those of an older version up to date, in one transaction.

    Raises:
        StoreError: the file is another program's, a newer FaceGrab's, or its rows contradict each
            other.
        sqlite3.DatabaseError: it is damaged or cannot be written.
    """
    version = database.execute("PRAGMA user_version").fetchone()[0]
    application = database.execute("PRAGMA application_id").fetchone()[0]
    empty = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not empty and application != APPLICATION_ID:
        raise StoreError(f"{path} is not an index of FaceGrab: choose another folder")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was made by a newer FaceGrab (index version {version}, this one "
            f"knows {SCHEMA_VERSION}): update FaceGrab, or choose another folder"
        )
    if not empty and version < 1:
        raise StoreError(f"{path} is damaged: choose another folder, or remove it")
    steps = _STEPS[0 if empty else version :]
    if steps:
        try:
            database.executescript(
                f"BEGIN IMMEDIATE; {' '.join(steps)} PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        except sqlite3.IntegrityError as error:  # rows that no FaceGrab wrote
            raise StoreError(
                f"{path} is damaged ({error}): choose another folder, or remove it"
            ) from error
