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
    # What was seen (scan, segment, face) stands apart from what was asked and answered (run,
    # source, outcome, extract), which may lie in another file: a scan's id is never given anew, or
    # that file would take it for the one it knew. What older versions saw answers nothing else,
    # because they did not note what a source is known by (content).
    """
CREATE TABLE scan (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    content TEXT,
    detection TEXT NOT NULL,
    every INTEGER NOT NULL,
    smallest_px REAL NOT NULL,
    largest_px REAL,
    path TEXT NOT NULL,
    width INTEGER, height INTEGER,
    duration_seconds REAL,
    frame_count INTEGER,
    origin INTEGER,
    frames_read INTEGER NOT NULL DEFAULT 0,
    frames_looked_at INTEGER NOT NULL DEFAULT 0,
    frames_damaged INTEGER NOT NULL DEFAULT 0,
    warnings TEXT NOT NULL DEFAULT '[]',
    computed TEXT,
    complete INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0
);
INSERT INTO scan (id, detection, every, smallest_px, path, width, height, frames_read,
        frames_looked_at, frames_damaged, computed, complete)
    SELECT id, '', 1, 0, path, width, height, frames_read,
        frames_looked_at, frames_damaged, computed, complete FROM source;
CREATE TABLE segment (
    scan INTEGER NOT NULL REFERENCES scan (id),
    number INTEGER NOT NULL,
    start TEXT NOT NULL,
    next TEXT,
    frames_looked_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    whole INTEGER NOT NULL,
    PRIMARY KEY (scan, number)
) WITHOUT ROWID;
CREATE TABLE face4 (
    scan INTEGER NOT NULL REFERENCES scan (id),
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
    shot INTEGER NOT NULL,
    track INTEGER NOT NULL,
    PRIMARY KEY (scan, frame, number)
) WITHOUT ROWID;
INSERT INTO face4 SELECT source, frame, number, picture, pts_seconds, x0, y0, x1, y1, score,
    points5, points68, embedding, sharpness, size_px, -1, -1 FROM face;
CREATE TABLE source4 (
    id INTEGER PRIMARY KEY,
    content TEXT UNIQUE,
    path TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    scan INTEGER,
    every INTEGER NOT NULL DEFAULT 1,
    smallest_px REAL NOT NULL DEFAULT 0,
    largest_px REAL,
    complete INTEGER NOT NULL DEFAULT 0
);
INSERT INTO source4 (id, path, name, scan, complete)
    SELECT id, path, name, id, complete FROM source;
CREATE TABLE outcome4 (
    source INTEGER NOT NULL REFERENCES source4 (id),
    frame INTEGER NOT NULL,
    number INTEGER NOT NULL,
    distance REAL,
    references_within INTEGER,
    by_track INTEGER NOT NULL,
    dropped TEXT,
    PRIMARY KEY (source, frame, number)
) WITHOUT ROWID;
INSERT INTO outcome4 SELECT source, frame, number, distance, references_within, 0, dropped
    FROM outcome;
CREATE TABLE extract4 (
    source INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    number INTEGER NOT NULL,
    alignment TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE,
    size_px INTEGER,
    native_scale REAL,
    UNIQUE (source, frame, number, alignment),
    FOREIGN KEY (source, frame, number) REFERENCES outcome4 (source, frame, number)
);
INSERT INTO extract4 SELECT * FROM extract ORDER BY rowid;
DROP TABLE extract;
DROP TABLE outcome;
DROP TABLE face;
DROP TABLE source;
ALTER TABLE source4 RENAME TO source;
ALTER TABLE face4 RENAME TO face;
ALTER TABLE outcome4 RENAME TO outcome;
ALTER TABLE extract4 RENAME TO extract;
CREATE TABLE coming (file TEXT PRIMARY KEY) WITHOUT ROWID;
""",
    # Whose a face is ("" where one person is asked for), how probably, and what follows: keep, ask,
    # ambiguous or drop. And what the last run had to tell.
    """
ALTER TABLE outcome ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE outcome ADD COLUMN probability REAL;
ALTER TABLE outcome ADD COLUMN verdict TEXT NOT NULL DEFAULT 'keep';
UPDATE outcome SET verdict = 'drop' WHERE dropped = 'other person';
CREATE TABLE told (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
""",
    # What somebody has said of faces. It hangs on what a source is known by, on times and places in
    # the frame, so that it outlasts the faces' rows; an id is never given anew, so that those in
    # effect say what was known when a source was answered (reviewed).
    """
CREATE TABLE review (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    said TEXT NOT NULL,
    person TEXT NOT NULL
);
CREATE TABLE review_part (
    review INTEGER NOT NULL REFERENCES review (id),
    content TEXT NOT NULL,
    recogniser TEXT NOT NULL,
    ticks BLOB NOT NULL,
    box BLOB NOT NULL,
    examples INTEGER NOT NULL,
    embedding BLOB NOT NULL
);
CREATE INDEX review_part_of ON review_part (review);
ALTER TABLE source ADD COLUMN reviewed TEXT NOT NULL DEFAULT '';
""",
)
SCHEMA_VERSION = len(_STEPS)


def check(database: sqlite3.Connection, path: Path) -> int:
    """The version of its tables, 0 for an empty file. Nothing is written.

    Raises:
        StoreError: the file is another program's, a newer FaceGrab's, or damaged.
        sqlite3.DatabaseError: it is damaged.
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
    return 0 if empty else int(version)


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Makes the tables, or brings those of an older version up to date, in one transaction.

    Raises:
        StoreError: see check; or its rows contradict each other.
        sqlite3.DatabaseError: it is damaged or cannot be written.
    """
    steps = _STEPS[check(database, path) :]
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
