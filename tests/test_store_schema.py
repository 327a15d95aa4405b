"""Indexes of earlier versions: brought up to date whole, or left as they are."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes import random_faces
from stores import ASKED, SETTINGS, answered, ask, assert_same, change, dump, indexed, write

from facegrab.errors import OutputError, StoreError
from facegrab.store import schema
from facegrab.store.answers import Entered, Stranger
from facegrab.store.database import Database
from facegrab.store.schema import APPLICATION_ID, SCHEMA_VERSION
from facegrab.types import UNKNOWN, Faces

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
VERSION_2 = (
    VERSION_1.replace("references_within INTEGER, file TEXT,", "references_within INTEGER,")
    + """
CREATE TABLE extract (
    source INTEGER NOT NULL, frame INTEGER NOT NULL, number INTEGER NOT NULL,
    alignment TEXT NOT NULL, file TEXT NOT NULL UNIQUE, size_px INTEGER, native_scale REAL,
    UNIQUE (source, frame, number, alignment),
    FOREIGN KEY (source, frame, number) REFERENCES outcome (source, frame, number));
"""
)
VERSION_3 = VERSION_2 + "ALTER TABLE source ADD COLUMN computed TEXT;"
VERSIONS = {1: VERSION_1, 2: VERSION_2, 3: VERSION_3}
FACES = {1: 6, 2: 4}
"""Of the sources: a video that was finished, and pictures of a run that was interrupted."""
OTHER = "other person"


def face_row(source: int, faces: Faces, row: int) -> tuple[Any, ...]:
    return (
        source, int(faces.frame[row]), int(faces.number[row]),
        f"/p/{faces.frame[row]}.jpg" if source == 2 else None, float(faces.pts_seconds[row]),
        *faces.box[row].tolist(), float(faces.score[row]),
        faces.points5[row].astype("<f4").tobytes(), faces.points68[row].astype("<f4").tobytes(),
        faces.embedding[row].astype("<f2").tobytes(), float(faces.sharpness[row]),
        float(faces.size_px[row]),
    )  # fmt: skip


def file_of(source: int, row: int) -> str | None:
    return f"{'ab'[source - 1]}_f{row}.jpg" if row % 2 == 0 else None


def make(path: Path, version: int) -> Path:
    """An index of two sources, in which faces of even rows have a file."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(VERSIONS[version])
        settings = [(name, json.dumps(value)) for name, value in SETTINGS.items()]
        database.executemany("INSERT INTO run VALUES (?, ?)", settings)
        database.execute(
            "INSERT INTO source (id, path, name, width, height, frames_read, frames_looked_at,"
            " frames_damaged, complete) VALUES (1, '/a.mp4', 'a', 640, 360, 99, 15, 2, 1),"
            " (2, '/p', 'b', 80, 60, 7, 7, 0, 0)"
        )
        if version >= 3:
            database.execute("UPDATE source SET computed = 'cpu' WHERE id = 1")
        for source, count in FACES.items():
            insert_faces(database, version, source, random_faces(count, source))
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()
    return path


def insert_faces(database: sqlite3.Connection, version: int, source: int, faces: Faces) -> None:
    for row in range(len(faces)):
        values = face_row(source, faces, row)
        database.execute(f"INSERT INTO face VALUES ({', '.join('?' * 15)})", values)
        key = (source, int(faces.frame[row]), int(faces.number[row]))
        file = file_of(source, row)
        dropped = None if file else OTHER
        outcome = (*key, row / 10, 1, *([file] if version == 1 else []), dropped)
        database.execute(f"INSERT INTO outcome VALUES ({', '.join('?' * len(outcome))})", outcome)
        if version > 1 and file:
            database.execute(
                "INSERT INTO extract VALUES (?, ?, ?, 'mean-face-256', ?, 256, .5)", (*key, file)
            )


@pytest.fixture(params=[1, 2, 3])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def old(tmp_path: Path, version: int) -> Path:
    """An index of an earlier version."""
    return make(tmp_path / "facegrab.db", version)


class TestBroughtUpToDate:
    def test_its_faces_are_kept_without_tracks(self, old: Path) -> None:
        with indexed(old) as index:
            for source, count in FACES.items():
                found, expected = index.faces(source), random_faces(count, source)
                assert set(found.shot) == set(found.track) == {UNKNOWN}
                found.shot[:], found.track[:] = expected.shot, expected.track
                assert_same(found, expected)
        pictures = "SELECT DISTINCT scan, picture FROM face ORDER BY scan, picture"
        assert ask(old, pictures) == [(1, None), (2, "/p/0.jpg"), (2, "/p/1.jpg")]

    def test_what_was_known_of_its_sources(self, old: Path, version: int) -> None:
        with indexed(old) as index:
            video, folder = index.scans()
        assert (video.path, video.width, video.height) == ("/a.mp4", 640, 360)
        assert (video.frames_read, video.frames_looked_at, video.frames_damaged) == (99, 15, 2)
        assert video.computed == ("cpu" if version == 3 else "")
        assert (video.complete, folder.complete) == (True, False)
        assert (video.warnings, video.forgotten) == ((), False)
        assert ask(old, "SELECT id, name, scan, path, complete FROM source") == [
            (1, "a", 1, "/a.mp4", 1), (2, "b", 2, "/p", 0),
        ]  # fmt: skip

    def test_its_outcomes_and_files(self, old: Path, version: int) -> None:
        with answered(old) as answers:
            tally = answers.tally(1)
            assert (tally.written, tally.unsure, tally.dropped) == ({"": 3}, {}, {OTHER: 3})
            assert (tally.by_track, tally.enlarged) == (0, 0)
            assert tally.stranger == Stranger(0.1, 0.0, 6)
            assert answers.files() == {"a_f0.jpg", "a_f2.jpg", "a_f4.jpg", "b_f0.jpg", "b_f2.jpg"}
            label = "mean-face" if version == 1 else "mean-face-256"
            assert answers.extracts(2) == {(0, 0, label): "b_f0.jpg", (1, 0, label): "b_f2.jpg"}
        size = (None, None) if version == 1 else (256, 0.5)
        sizes = "SELECT DISTINCT size_px, native_scale FROM extract"
        assert ask(old, sizes) == [size]
        said = "SELECT DISTINCT dropped, person, probability, verdict FROM outcome ORDER BY dropped"
        assert ask(old, said) == [(None, "", None, "keep"), (OTHER, "", None, "drop")]
        outcomes = "SELECT distance, references_within, by_track, dropped FROM outcome"
        assert ask(old, f"{outcomes} WHERE source = 1 ORDER BY frame, number") == [
            (row / 10, 1, 0, OTHER if row % 2 else None) for row in range(FACES[1])
        ]

    def test_sqlite_finds_nothing_wrong(self, old: Path) -> None:
        with Database(old):
            pass
        assert ask(old, "PRAGMA user_version") == [(SCHEMA_VERSION,)] == [(6,)]
        assert ask(old, "PRAGMA foreign_key_check") == []
        assert ask(old, "PRAGMA integrity_check") == [("ok",)]

    def test_opened_again_nothing_changes(self, old: Path) -> None:
        with answered(old):
            pass
        once = dump(old)
        with answered(old):
            pass
        assert dump(old) == once

    def test_the_table_names_its_files(self, old: Path, tmp_path: Path) -> None:
        with answered(old) as answers:
            answers.write_csv(tmp_path / "a.csv")
        with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert [line["source"] for line in lines] == [
            *["/a.mp4"] * 6, "/p/0.jpg", "/p/0.jpg", "/p/1.jpg", "/p/1.jpg",
        ]  # fmt: skip
        assert [line["file"] for line in lines] == [
            file_of(source, row) or "" for source, count in FACES.items() for row in range(count)
        ]
        assert [float(line["distance"]) for line in lines[:6]] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]

    def test_it_looks_like_a_new_one(self, old: Path, tmp_path: Path) -> None:
        write(tmp_path / "new.db", random_faces(2))
        with Database(old):
            pass
        tables = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        made, new = ([(n, shape(sql)) for n, sql in ask(path, tables)] for path in (
            old, tmp_path / "new.db",
        ))  # fmt: skip
        assert made == new
        for name, _ in made:
            for pragma in ("table_xinfo", "foreign_key_list", "index_list"):
                info = f"PRAGMA {pragma}({name})"
                assert ask(old, info) == ask(tmp_path / "new.db", info)

    def test_it_answers_no_request_because_nothing_tells_what_it_saw(self, old: Path) -> None:
        with indexed(old) as index:
            assert index.find("abc", ASKED) is None
            assert index.replaced(Path("/a.mp4"), "abc") == []

    def test_a_source_done_again_keeps_its_name_and_tells_its_old_files(self, old: Path) -> None:
        with answered(old) as answers, Database.transaction(answers._db):
            entered = answers.enter("abc", Path("/a.mp4"), "clip", ASKED, 3)
        files = ("a_f0.jpg", "a_f2.jpg", "a_f4.jpg")
        assert entered == Entered(1, "a", complete=False, outdated=files)
        with answered(old) as answers:
            assert answers.files() == {"b_f0.jpg", "b_f2.jpg"}
            assert answers.tally(1).found == 0

    def test_another_run_s_is_refused(self, old: Path) -> None:
        with pytest.raises(StoreError, match="another run"), answered(old, {"tolerance": 0.5}):
            pass
        with answered(old) as answers:
            assert len(answers.files()) == 5


def shape(sql: str) -> str:
    """A table's definition, but for how it is written and called."""
    return re.sub(r'(outcome|source|face|extract)4?|["\s]', lambda m: m[1] or "", sql)


def open_(path: Path) -> None:
    Database(path).close()


class TestAMigrationThatFails:
    """The file is left byte for byte."""

    def fails(self, path: Path, error: type[Exception], match: str) -> str:
        before = path.read_bytes()
        with pytest.raises(error, match=match) as caught:
            open_(path)
        assert path.read_bytes() == before
        assert [each.name for each in path.parent.iterdir()] == [path.name]
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
        return str(caught.value)

    def test_a_full_disk(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect

        def cramped(*arguments: Any, **options: Any) -> sqlite3.Connection:
            database = connect(*arguments, **options)
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.execute(f"PRAGMA max_page_count = {pages}")
            return database

        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", cramped)
            self.fails(old, OutputError, "no space left")
        with answered(old) as answers:
            assert len(answers.files()) == 5

    @pytest.mark.parametrize(
        "place", ["CREATE TABLE scan", "CREATE TABLE face4", "DROP TABLE face;", "CREATE TABLE co"]
    )
    def test_whatever_statement_fails(
        self, old: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        steps = [*schema._STEPS]
        assert steps[3].count(place) == 1
        steps[3] = steps[3].replace(place, f"INSERT INTO nowhere VALUES (1); {place}")
        with monkeypatch.context() as patch:
            patch.setattr(schema, "_STEPS", tuple(steps))
            self.fails(old, StoreError, "damaged")
        with answered(old) as answers:
            assert len(answers.files()) == 5

    @pytest.mark.parametrize("version", [1], indirect=True)
    def test_two_faces_of_one_file(self, old: Path) -> None:
        """No FaceGrab wrote that; a migration that dropped one of them would lose a file."""
        change(old, "UPDATE outcome SET file = 'a_f0.jpg' WHERE frame = 1")
        self.fails(old, StoreError, "damaged")

    def test_an_extract_of_no_face(self, tmp_path: Path) -> None:
        old = make(tmp_path / "facegrab.db", 3)
        change(old, "INSERT INTO extract VALUES (1, 77, 0, 'mean-face-256', 'x.jpg', 1, 1)")
        self.fails(old, StoreError, "damaged")

    @pytest.mark.parametrize(
        ("number", "words"),
        [(SCHEMA_VERSION + 1, "newer FaceGrab"), (0, "damaged"), (-1, "damaged")],
    )
    def test_other_versions(self, old: Path, number: int, words: str) -> None:
        change(old, f"PRAGMA user_version = {number}")
        self.fails(old, StoreError, words)

    def test_another_program_s_database(self, tmp_path: Path) -> None:
        path = tmp_path / "facegrab.db"
        change(path, "CREATE TABLE outcome (file TEXT); PRAGMA user_version = 1;")
        self.fails(path, StoreError, "not an index of FaceGrab")
