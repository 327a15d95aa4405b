"""The index: what it gives back, and what it refuses to open."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from fakes import random_faces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facegrab.errors import OutputError, StoreError
from facegrab.store.index import Extract, Index, Rows
from facegrab.store.schema import APPLICATION_ID, SCHEMA_VERSION
from facegrab.types import Faces

SETTINGS = {"tolerance": 0.6, "references": "abc"}


def rows_of(source: int, faces: Faces) -> Rows:
    count = len(faces)
    return Rows(
        source,
        faces,
        [None] * count,
        np.full(count, 0.5, np.float32),
        np.ones(count, np.int64),
        [None] * count,
        [Extract(row, "mean-face-256", f"{source}-{row}.jpg", 256, 0.5) for row in range(count)],
    )


def write(path: Path, faces: Faces) -> int:
    with Index(path, SETTINGS) as index:
        row, _, _ = index.begin_source(Path("a.mp4"), "a")
        with index.transaction():
            index.add(rows_of(row, faces))
        return row


def assert_same(one: Faces, other: Faces) -> None:
    for field in fields(Faces):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, err_msg=field.name)


class TestRoundTrip:
    @given(st.integers(1, 9), st.integers(0, 99))
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_faces_come_back_to_the_last_bit(self, tmp_path: Path, count: int, seed: int) -> None:
        path = tmp_path / f"{count}-{seed}.db"
        faces = random_faces(count, seed)
        row = write(path, faces)
        with Index(path, SETTINGS) as index:
            assert_same(index.faces(row), faces)
        path.unlink()

    def test_faces_come_in_the_order_of_frames(self, tmp_path: Path) -> None:
        faces = random_faces(8)
        row = write(tmp_path / "i.db", faces.select(np.array([6, 7, 2, 1, 0, 3, 5, 4])))
        with Index(tmp_path / "i.db", SETTINGS) as index:
            assert_same(index.faces(row), faces)

    def test_sources_stay_apart(self, tmp_path: Path) -> None:
        with Index(tmp_path / "i.db", SETTINGS) as index:
            for name, seed in (("a", 1), ("b", 2)):
                row, _, _ = index.begin_source(Path(name), name)
                with index.transaction():
                    index.add(rows_of(row, random_faces(4, seed)))
            assert_same(index.faces(1), random_faces(4, 1))
            assert_same(index.faces(2), random_faces(4, 2))
            assert len(index.faces(3)) == 0

    def test_nothing_of_a_transaction_that_failed(self, tmp_path: Path) -> None:
        with Index(tmp_path / "i.db", SETTINGS) as index:
            row, _, _ = index.begin_source(Path("a"), "a")
            faces = random_faces(4)
            twice = Faces.concatenate([faces, faces])
            with pytest.raises(sqlite3.IntegrityError), index.transaction():
                index.add(rows_of(row, twice))
            assert len(index.faces(row)) == 0
            with index.transaction():
                index.add(rows_of(row, random_faces(4)))
            assert len(index.faces(row)) == 4

    def test_a_column_that_is_too_short_is_noticed(self) -> None:
        rows = rows_of(1, random_faces(4))
        with pytest.raises(ValueError, match="columns"):
            Rows(1, rows.faces, [], rows.distance, rows.references_within, [], [])


class TestSources:
    def test_names_are_free_in_any_case(self, tmp_path: Path) -> None:
        with Index(tmp_path / "i.db", SETTINGS) as index:
            paths = ["a/x.mp4", "b/X.mp4", "c/x.mp4", "d/x-2.mp4"]
            names = [index.begin_source(Path(path), Path(path).stem)[1] for path in paths]
        assert names == ["x", "X-2", "x-3", "x-2-2"]

    def test_a_source_keeps_its_name_and_tells_the_files_it_had(self, tmp_path: Path) -> None:
        with Index(tmp_path / "i.db", SETTINGS) as index:
            index.begin_source(Path("a/x.mp4"), "x")
            row, name, files = index.begin_source(Path("b/x.mp4"), "x")
            assert (row, name, files) == (2, "x-2", [])
            with index.transaction():
                index.add(rows_of(row, random_faces(2)))
        with Index(tmp_path / "i.db", SETTINGS) as index:
            assert index.begin_source(Path("b/x.mp4"), "x") == (2, "x-2", ["2-0.jpg", "2-1.jpg"])
            assert len(index.faces(2)) == 0


class TestRefused:
    def refused(self, path: Path, match: str) -> None:
        before = path.read_bytes()
        with pytest.raises(StoreError, match=match) as caught:
            Index(path, SETTINGS)
        assert str(path.parent) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("data", [b"no database, but long enough " * 99, bytes(600)])
    def test_no_database(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "i.db"
        path.write_bytes(data)
        self.refused(path, "no index")

    def test_another_programs_database(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE mail (sender TEXT)")
        database.close()
        self.refused(path, "not an index of FaceGrab")

    def test_a_newer_index(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        write(path, random_faces(2))
        database = sqlite3.connect(path)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        database.close()
        self.refused(path, "newer FaceGrab")

    def test_tables_that_are_gone(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE mail (sender TEXT)")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.close()
        self.refused(path, "damaged")

    @pytest.mark.parametrize("keep", [0.3, 0.6])
    def test_a_file_that_is_cut_off(self, tmp_path: Path, keep: float) -> None:
        path = tmp_path / "i.db"
        write(path, random_faces(60))
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(StoreError, match="damaged"), Index(path, SETTINGS) as index:
            index.faces(1)

    def test_an_embedding_of_another_length(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        row = write(path, random_faces(2))
        database = sqlite3.connect(path)
        database.execute("UPDATE face SET embedding = x'0000'")
        database.commit()
        database.close()
        with pytest.raises(StoreError, match="damaged"), Index(path, SETTINGS) as index:
            index.faces(row)

    def test_another_runs_result(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        write(path, random_faces(2))
        with pytest.raises(StoreError, match=r"tolerance 0\.6, now 0\.5"):
            Index(path, SETTINGS | {"tolerance": 0.5})

    def test_a_run_that_wrote_nothing_is_in_nobodys_way(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        with Index(path, SETTINGS) as index:
            row, _, _ = index.begin_source(Path("a.mp4"), "a")
            dropped = replace(rows_of(row, random_faces(2)), extracts=[])
            with index.transaction():
                index.add(dropped)
        other = SETTINGS | {"tolerance": 0.5}
        with Index(path, other) as index:
            assert len(index.faces(row)) == 0
            assert index.begin_source(Path("b/a.mp4"), "a") == (1, "a", [])
            with index.transaction():
                index.add(rows_of(1, random_faces(2)))
        with pytest.raises(StoreError, match=r"tolerance 0\.5, now 0\.6"):
            Index(path, SETTINGS)
        with Index(path, other) as index:
            assert_same(index.faces(1), random_faces(2))

    def test_and_is_forgotten_as_a_whole_or_not_at_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "i.db"
        with Index(path, SETTINGS) as index:
            index.begin_source(Path("a.mp4"), "a")
        monkeypatch.setattr("json.dumps", lambda value: object())  # fails when it is inserted
        with pytest.raises(sqlite3.Error):
            Index(path, SETTINGS | {"tolerance": 0.5})
        monkeypatch.undo()
        with Index(path, SETTINGS) as index:
            assert index.begin_source(Path("c/a.mp4"), "a")[1] == "a-2"

    def test_in_use_by_the_same_program(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        with Index(path, SETTINGS) as index:
            index.begin_source(Path("a"), "a")
            with pytest.raises(StoreError, match="in use"):
                Index(path, SETTINGS)
        Index(path, SETTINGS).close()

    def test_in_use_by_another_program(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        hold = (
            "import sys; from pathlib import Path; from facegrab.store.index import Index\n"
            "with Index(Path(sys.argv[1]), {}) as index:\n"
            "    index.begin_source(Path('a'), 'a')\n"
            "    print('open', flush=True)\n"
            "    sys.stdin.read()\n"
        )
        command = [sys.executable, "-c", hold, str(path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as other:  # type: ignore[call-overload]
            assert other.stdout.readline() == "open\n"
            with pytest.raises(StoreError, match="in use by another run"):
                Index(path, {})
            other.communicate("")
        Index(path, {}).close()

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"cannot write .*i\.db"):
            Index(tmp_path / "none" / "i.db", SETTINGS)
