"""Indexes of earlier versions: brought up to date whole, or left as they are."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fakes import random_faces
from test_store_index import SETTINGS, assert_same, write

from facegrab.errors import OutputError, StoreError
from facegrab.store import schema
from facegrab.store.index import Index
from facegrab.store.schema import APPLICATION_ID, SCHEMA_VERSION
from facegrab.types import Faces

# Not taken from the program: it is what lies on users' disks.
VERSION_1 = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,
    width INTEGER, height INTEGER, frames_read INTEGER NOT NULL DEFAULT 0,
    frames_looked_at INTEGER NOT NULL DEFAULT 0, frames_damaged INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0);
CREATE TABLE face (
    source INTEGER NOT NULL REFERENCES source (id), frame INTEGER NOT NULL,
    number INTEGER NOT NULL, picture TEXT, pts_seconds REAL NOT NULL,
    x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,
    score REAL NOT NULL, points5 BLOB NOT NULL, points68 BLOB NOT NULL,
    embedding BLOB NOT NULL, sharpness REAL NOT NULL, size_px REAL NOT NULL,
    PRIMARY KEY (source, frame, number)) WITHOUT ROWID;
CREATE TABLE outcome (
    source INTEGER NOT NULL, frame INTEGER NOT NULL, number INTEGER NOT NULL,
    distance REAL, references_within INTEGER, file TEXT, dropped TEXT,
    PRIMARY KEY (source, frame, number),
    FOREIGN KEY (source, frame, number) REFERENCES face (source, frame, number)) WITHOUT ROWID;
"""
COUNT = 6


def face_row(faces: Faces, row: int) -> tuple[Any, ...]:
    return (
        1, int(faces.frame[row]), int(faces.number[row]), None, float(faces.pts_seconds[row]),
        *faces.box[row].tolist(), float(faces.score[row]),
        faces.points5[row].astype("<f4").tobytes(), faces.points68[row].astype("<f4").tobytes(),
        faces.embedding[row].astype("<f2").tobytes(), float(faces.sharpness[row]),
        float(faces.size_px[row]),
    )  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An index of version 1: six faces, of which those of even rows have a file."""
    path = tmp_path / "facegrab.db"
    faces = random_faces(COUNT)
    database = sqlite3.connect(path)
    database.executescript(VERSION_1)
    settings = [(name, json.dumps(value)) for name, value in SETTINGS.items()]
    database.executemany("INSERT INTO run VALUES (?, ?)", settings)
    database.execute("INSERT INTO source (id, path, name) VALUES (1, 'a.mp4', 'a')")
    for row in range(COUNT):
        kept = row % 2 == 0
        database.execute(
            f"INSERT INTO face VALUES ({', '.join('?' * 15)})",
            face_row(faces, row),
        )
        database.execute(
            "INSERT INTO outcome VALUES (1, ?, ?, ?, 1, ?, ?)",
            (
                int(faces.frame[row]),
                int(faces.number[row]),
                row / 10,
                f"a_f{row}.jpg" if kept else None,
                None if kept else "other person",
            ),
        )
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute("PRAGMA user_version = 1")
    database.commit()
    database.close()
    return path


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def dump(path: Path) -> list[str]:
    database = sqlite3.connect(path)
    try:
        return [*database.iterdump(), str(database.execute("PRAGMA user_version").fetchone())]
    finally:
        database.close()


class TestVersion1:
    def test_its_faces_and_files_are_kept(self, old: Path) -> None:
        with Index(old, SETTINGS) as index:
            assert_same(index.faces(1), random_faces(COUNT))
            assert index.files() == {"a_f0.jpg", "a_f2.jpg", "a_f4.jpg"}

    def test_its_files_are_extracts_of_the_mean_face(self, old: Path) -> None:
        with Index(old, SETTINGS):
            pass
        assert ask(old, "SELECT frame, number, alignment, file, size_px FROM extract") == [
            (0, 0, "mean-face", "a_f0.jpg", None),
            (1, 0, "mean-face", "a_f2.jpg", None),
            (2, 0, "mean-face", "a_f4.jpg", None),
        ]
        columns = [name for _, name, *_ in ask(old, "PRAGMA table_info(outcome)")]
        assert "file" not in columns
        outcomes = "SELECT distance, dropped FROM outcome ORDER BY frame, number"
        other = "other person"
        assert ask(old, outcomes) == [
            (0.0, None), (0.1, other), (0.2, None), (0.3, other), (0.4, None), (0.5, other),
        ]  # fmt: skip
        assert ask(old, "PRAGMA user_version") == [(SCHEMA_VERSION,)] == [(3,)]
        assert ask(old, "PRAGMA foreign_key_check") == []
        assert ask(old, "PRAGMA integrity_check") == [("ok",)]

    def test_opened_again_nothing_changes(self, old: Path) -> None:
        for _ in range(2):
            with Index(old, SETTINGS):
                pass
            once = dump(old)
        assert dump(old) == once

    def test_the_table_names_its_files(self, old: Path, tmp_path: Path) -> None:
        with Index(old, SETTINGS) as index:
            index.write_csv(tmp_path / "a.csv")
        text = (tmp_path / "a.csv").read_text("utf-8")
        assert [line.count(".jpg") for line in text.splitlines()] == [0, 1, 0, 1, 0, 1, 0]

    def test_it_looks_like_a_new_one(self, old: Path, tmp_path: Path) -> None:
        write(tmp_path / "new.db", random_faces(2))
        with Index(old, SETTINGS):
            pass
        tables = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        assert ask(old, tables) == ask(tmp_path / "new.db", tables)
        for (name,) in ask(old, tables):
            info = f"PRAGMA table_info({name})"
            assert ask(old, info) == ask(tmp_path / "new.db", info)

    def test_a_source_done_again_tells_its_old_files(self, old: Path) -> None:
        with Index(old, SETTINGS) as index:
            _, name, files = index.begin_source(Path("a.mp4"), "b")
            assert (name, sorted(files)) == ("a", ["a_f0.jpg", "a_f2.jpg", "a_f4.jpg"])
            assert len(index.faces(1)) == 0

    def test_another_run_s_is_refused(self, old: Path) -> None:
        with pytest.raises(StoreError, match="another run"):
            Index(old, SETTINGS | {"tolerance": 0.5})
        with Index(old, SETTINGS) as index:
            assert len(index.files()) == 3


class TestAMigrationThatFails:
    def test_a_full_disk_leaves_it_as_it_was(
        self, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = dump(old)
        connect = sqlite3.connect

        def cramped(*arguments: Any, **options: Any) -> sqlite3.Connection:
            database: sqlite3.Connection = connect(*arguments, **options)
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.execute(f"PRAGMA max_page_count = {pages}")
            return database

        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", cramped)
            with pytest.raises(OutputError, match="no space left"):
                Index(old, SETTINGS)
        assert dump(old) == before
        with Index(old, SETTINGS) as index:
            assert len(index.files()) == 3

    @pytest.mark.parametrize("place", ["CREATE TABLE extract", "ALTER TABLE outcome"])
    def test_whatever_statement_fails_it_stays_as_it_was(
        self, old: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        before = dump(old)
        step = schema._STEPS[1].replace(place, f"INSERT INTO nowhere VALUES (1); {place}")
        assert step != schema._STEPS[1]
        monkeypatch.setattr(schema, "_STEPS", (schema._STEPS[0], step))
        with pytest.raises(StoreError, match="damaged"):
            Index(old, SETTINGS)
        assert dump(old) == before

    def test_two_faces_of_one_file_are_refused_and_kept(self, old: Path) -> None:
        """No FaceGrab wrote that; a migration that dropped one of them would lose a file."""
        database = sqlite3.connect(old)
        with database:
            database.execute("UPDATE outcome SET file = 'a_f0.jpg' WHERE frame = 1")
        database.close()
        before = dump(old)
        with pytest.raises(StoreError, match="damaged"):
            Index(old, SETTINGS)
        assert dump(old) == before


@pytest.mark.parametrize(
    ("version", "words"), [(SCHEMA_VERSION + 1, "newer FaceGrab"), (0, "damaged"), (-1, "damaged")]
)
def test_other_versions_are_refused_and_left_alone(old: Path, version: int, words: str) -> None:
    database = sqlite3.connect(old)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    before = dump(old)
    with pytest.raises(StoreError, match=words) as caught:
        Index(old, SETTINGS)
    assert "\n" not in str(caught.value)
    assert str(old) in str(caught.value)
    assert dump(old) == before


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "facegrab.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE outcome (file TEXT)")
    database.execute("PRAGMA user_version = 1")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not an index of FaceGrab"):
        Index(path, SETTINGS)
    assert path.read_bytes() == before
