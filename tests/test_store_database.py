"""Files of ours: who holds them, what is never written to, transactions over two of them."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes import random_faces
from stores import ASKED, add_scan, ask, change, dump, segment, write

from facegrab.errors import OutputError, StoreError
from facegrab.store import database as databases
from facegrab.store.database import LIBRARY, OWN, Database
from facegrab.store.index import Index
from facegrab.store.schema import APPLICATION_ID, SCHEMA_VERSION
from facegrab.types import Faces

HOLD = """
import sys
from pathlib import Path
from facegrab.store.database import LIBRARY, Database
with Database(Path(sys.argv[1])) as database:
    if sys.argv[2:]:
        database.attach(Path(sys.argv[2]))
        if sys.argv[3:]:
            database.hold(LIBRARY)
    print('open', flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(*arguments: object) -> Iterator[int]:
    """Another process that has a file open, and its number."""
    command = [sys.executable, "-c", HOLD, *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield other.pid
        other.communicate("")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "facegrab.db"


def one_line(caught: pytest.ExceptionInfo[Exception], path: Path) -> str:
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


class TestTwoAtOnce:
    def test_the_second_one_is_told_who_holds_it(self, path: Path) -> None:
        with held(path) as number:
            with pytest.raises(StoreError, match="in use by another run") as caught:
                Database(path)
            told = rf"\(process {number} on [^,]+, since \d{{4}}-\d\d-\d\d \d\d:\d\d\): wait"
            assert re.search(told, one_line(caught, path))
            with pytest.raises(StoreError, match=f"process {number}"):
                Database(path)
        Database(path).close()
        assert [each.name for each in path.parent.iterdir()] == [path.name]

    def test_within_one_program_too(self, path: Path) -> None:
        with Database(path), pytest.raises(StoreError, match=f"process {os.getpid()} "):
            Database(path)
        Database(path).close()

    def test_who_was_refused_leaves_the_note_of_the_holder(self, path: Path) -> None:
        with Database(path):
            for _ in range(2):
                with pytest.raises(StoreError, match=f"process {os.getpid()} "):
                    Database(path)

    def test_a_stale_note_is_not_believed(self, path: Path) -> None:
        """Of a run that was killed: the system has taken the lock back, the note lies there."""
        note = path.with_name(f".{path.name}.holder")
        note.write_text("process 1 on elsewhere, since 1999-12-31 23:59", "ascii")
        with Database(path), pytest.raises(StoreError) as caught:
            Database(path)
        assert "elsewhere" not in str(caught.value)
        assert not note.exists()

    @pytest.mark.parametrize("note", [b"", b"\x1b[31mred\n\n" * 99, b"\xff\xfe" * 4000])
    def test_a_note_that_is_none_of_ours_says_little(self, path: Path, note: bytes) -> None:
        with Database(path):
            path.with_name(f".{path.name}.holder").write_bytes(note)
            with pytest.raises(StoreError, match="in use") as caught:
                Database(path)
        text = one_line(caught, path)
        assert text.isprintable()
        assert len(text) < len(str(path)) + 300

    def test_a_note_that_cannot_be_written_is_done_without(self, path: Path) -> None:
        path.with_name(f".{path.name}.holder").mkdir()
        with Database(path), pytest.raises(StoreError, match="another run: wait for it"):
            Database(path)


class TestRefused:
    """What is none of ours, or is newer, is never written to."""

    def refused(self, path: Path, match: str) -> None:
        before = path.read_bytes()
        for _ in range(2):
            with pytest.raises(StoreError, match=match) as caught:
                Database(path)
            one_line(caught, path)
            with Database(path.with_name("own.db")) as own:
                with pytest.raises(StoreError, match=match) as caught:
                    own.attach(path)
                one_line(caught, path)
        assert path.read_bytes() == before
        assert {each.name for each in path.parent.iterdir()} == {path.name, "own.db"}

    @pytest.mark.parametrize("data", [b"no database, but long enough " * 99, bytes(600)])
    def test_no_database(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        self.refused(path, "no index")

    def test_another_program_s_database(self, path: Path) -> None:
        change(path, "CREATE TABLE mail (sender TEXT);")
        self.refused(path, "not an index of FaceGrab")

    def test_one_of_another_program_that_is_in_use(self, path: Path) -> None:
        change(path, "CREATE TABLE mail (sender TEXT);")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        self.refused(path, "not an index of FaceGrab")
        other.close()

    def test_a_newer_one(self, path: Path) -> None:
        write(path, random_faces(2))
        change(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        self.refused(path, "newer FaceGrab")

    def test_one_without_tables(self, path: Path) -> None:
        change(path, f"CREATE TABLE mail (sender TEXT); PRAGMA application_id = {APPLICATION_ID};")
        self.refused(path, "damaged")

    def test_tables_that_are_gone(self, path: Path) -> None:
        write(path, random_faces(2))
        change(path, "DROP TABLE face;")
        with Database(path) as database, pytest.raises(StoreError, match="damaged") as caught:
            Index(database).faces(1)
        one_line(caught, path)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"cannot write .*i\.db"):
            Database(tmp_path / "none" / "i.db")

    def test_opening_an_index_changes_nothing(self, path: Path) -> None:
        write(path, random_faces(2))
        before = path.read_bytes()
        with Database(path) as database:
            Index(database).faces(1)
        assert path.read_bytes() == before


class TestTwoFiles:
    @pytest.fixture
    def library(self, tmp_path: Path) -> Path:
        (tmp_path / "elsewhere").mkdir()
        return tmp_path / "elsewhere" / "library.db"

    def counts(self, path: Path, library: Path) -> list[int]:
        return [
            ask(path, "SELECT count(*) FROM run")[0][0],
            ask(library, "SELECT count(*) FROM scan")[0][0],
            ask(library, "SELECT count(*) FROM face")[0][0],
        ]

    def both(self, database: Database, faces: Faces) -> None:
        """Writes into both files, in one transaction."""
        index = Index(database, LIBRARY)
        with database.transaction():
            database.execute(f"INSERT INTO {OWN}.run VALUES ('a', '1')")
            row = index.begin("abc", ASKED, Path("/a.mp4"))
            index.add(row, segment(0), faces, [None] * len(faces))

    def test_one_transaction_is_of_both(self, path: Path, library: Path) -> None:
        with Database(path) as database:
            database.attach(library)
            self.both(database, random_faces(4))
            assert len(Index(database, LIBRARY).faces(1)) == 4
            assert len(Index(database).scans()) == 0
        assert self.counts(path, library) == [1, 1, 4]

    def test_all_or_nothing(self, path: Path, library: Path) -> None:
        twice = random_faces(4)
        twice.frame[:], twice.number[:] = 0, 0
        with Database(path) as database:
            database.attach(library)
            with pytest.raises(sqlite3.IntegrityError):
                self.both(database, twice)
        assert self.counts(path, library) == [0, 0, 0]

    def test_a_full_disk_of_one_is_an_error_of_both(self, path: Path, library: Path) -> None:
        with Database(path) as database:
            database.attach(library)
            pages = database.fetch(f"PRAGMA {LIBRARY}.page_count")[0][0]
            database.fetch(f"PRAGMA {LIBRARY}.max_page_count = {pages}")
            with pytest.raises(OutputError, match="no space left"):
                self.both(database, random_faces(40))
        assert self.counts(path, library) == [0, 0, 0]

    def test_two_folders_may_ask_one_library_at_a_time(self, path: Path, library: Path) -> None:
        with held(path.with_name("other.db"), library), Database(path) as database:
            database.attach(library)
            add_scan(Index(database, LIBRARY), random_faces(2))

    def test_but_only_one_may_look(
        self, path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(databases, "_WAIT_MS", 0)
        with held(path.with_name("other.db"), library, "hold") as number:
            database = Database(path)
            with pytest.raises(StoreError, match=f"in use .*process {number} ") as caught:
                database.attach(library)
            database.close()
            one_line(caught, library)
        with Database(path) as database:
            database.attach(library)
            database.hold(LIBRARY)
            database.hold(LIBRARY)
            with pytest.raises(StoreError, match=f"in use .*process {os.getpid()} "):
                Database(library)
        assert [each.name for each in library.parent.iterdir()] == [library.name]

    def test_one_that_is_used_while_another_wants_to_hold_it(
        self, path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(databases, "_WAIT_MS", 0)
        with Database(path) as database:
            database.attach(library)
            other = sqlite3.connect(library, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="in use by another run") as caught:
                database.hold(LIBRARY)
            one_line(caught, library)
            other.close()
            database.hold(LIBRARY)

    def test_what_is_attached_is_brought_up_to_date(self, path: Path, library: Path) -> None:
        from test_store_schema import make

        make(library, 3)
        with Database(path) as database:
            database.attach(library)
            assert len(Index(database, LIBRARY).scans()) == 2
        assert dump(library)[-1] == f"({SCHEMA_VERSION},)"


def test_a_copy_of_a_file_that_is_held(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(b"what was there before")
    with Database(tmp_path / "own.db") as database:
        with database.transaction():
            database.execute("INSERT INTO coming VALUES ('in')")
        database.copy_to(copy)
        with database.transaction():
            database.execute("INSERT INTO coming VALUES ('later')")
        with Database(copy) as other:  # which nobody holds
            assert other.fetch("SELECT file FROM coming") == [("in",)]
