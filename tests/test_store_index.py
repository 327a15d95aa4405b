"""The index: what it gives back, which look answers which request, what a damaged one says."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import random_faces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import ASKED, add_scan, ask, assert_same, change, indexed, segment, write

from facegrab.errors import StoreError
from facegrab.store.index import Index, Request, Seen
from facegrab.types import UNKNOWN, Faces

ALL = replace(ASKED, every=1)


def scan_of(path: Path, faces: Faces, **more: Any) -> int:
    with indexed(path) as index:
        return add_scan(index, faces, **more)


def sized(faces: Faces, *sizes_px: int) -> Faces:
    """The same faces in boxes of these sides."""
    box = faces.box.copy()
    box[:, 2:] = box[:, :2] + np.array(sizes_px, np.float32)[:, None] - 1
    box = np.round(box)
    return replace(faces, box=box)


class TestRoundTrip:
    @given(st.integers(1, 9), st.integers(0, 99), st.integers(0, 2**40), st.data())
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_faces_come_back_to_the_last_bit(
        self, tmp_path: Path, count: int, seed: int, most: int, data: st.DataObject
    ) -> None:
        path = tmp_path / f"{count}-{seed}.db"
        path.unlink(missing_ok=True)
        numbers = st.lists(st.integers(UNKNOWN, most), min_size=count, max_size=count)
        faces = replace(
            random_faces(count, seed),
            shot=np.array(data.draw(numbers), np.int64),
            track=np.array(data.draw(numbers), np.int64),
        )
        row = scan_of(path, faces)
        with indexed(path) as index:
            assert_same(index.faces(row), faces)

    def test_points_that_are_not_known_stay_unknown(self, tmp_path: Path) -> None:
        faces = random_faces(2)
        faces = replace(faces, points68=np.full_like(faces.points68, np.nan))
        row = scan_of(tmp_path / "i.db", faces)
        with indexed(tmp_path / "i.db") as index:
            assert_same(index.faces(row), faces)

    def test_faces_come_in_the_order_of_frames(self, tmp_path: Path) -> None:
        faces = random_faces(8)
        row = scan_of(tmp_path / "i.db", faces.select(np.array([6, 7, 2, 1, 0, 3, 5, 4])))
        with indexed(tmp_path / "i.db") as index:
            assert_same(index.faces(row), faces)

    def test_looks_stay_apart(self, tmp_path: Path) -> None:
        with indexed(tmp_path / "i.db") as index:
            one = add_scan(index, random_faces(4, 1), "a")
            other = add_scan(index, random_faces(6, 2), "b", path="/b.mp4")
            assert_same(index.faces(one), random_faces(4, 1))
            assert_same(index.faces(other), random_faces(6, 2))
            assert (index.count(one), index.count(other)) == (4, 6)
            assert len(index.faces(3)) == index.count(3) == 0

    def test_nothing_of_a_transaction_that_failed(self, tmp_path: Path) -> None:
        with indexed(tmp_path / "i.db") as index:
            row = add_scan(index, random_faces(4))
            twice = Faces.concatenate([random_faces(2), random_faces(2)])

            def change() -> None:
                with index.database.transaction():
                    index.update(row, complete=0)
                    index.add(row, segment(1), twice, [None] * 4)

            with pytest.raises(sqlite3.IntegrityError):
                change()
            assert_same(index.faces(row), random_faces(4))
            assert index.scan(row).complete
            assert [each.number for each in index.segments(row)] == [0]

    def test_what_is_known_of_a_source(self, tmp_path: Path) -> None:
        with indexed(tmp_path / "i.db") as index:
            row = add_scan(index, random_faces(2), asked=replace(ASKED, largest_px=300.0))
            with index.database.transaction():
                index.update(
                    row, width=640, height=360, duration_seconds=1.5, frame_count=37, origin=-7,
                    frames_read=37, frames_damaged=1, warnings='["odd", "\\u00e4"]', computed="cpu",
                )  # fmt: skip
        with indexed(tmp_path / "i.db") as index:
            assert index.scans() == [index.scan(row)] == [
                Seen(
                    row, replace(ASKED, largest_px=300.0), "/a.mp4", 640, 360, 1.5, 37, -7, 37, 3,
                    1, ("odd", "ä"), "cpu", True, False,
                )
            ]  # fmt: skip


class TestSegments:
    def test_they_come_back_in_order(self, tmp_path: Path) -> None:
        three = [segment(0, 1), segment(1, 2), segment(2, whole=False)]
        with indexed(tmp_path / "i.db") as index, index.database.transaction():
            row = index.begin("abc", ASKED, Path("/a.mp4"))
            for each in (three[2], three[0], three[1]):
                index.add(row, each, Faces.empty(128), [])
        with indexed(tmp_path / "i.db") as index:
            assert index.segments(row) == three
            assert index.segments(row + 1) == []

    def test_the_last_one_can_be_taken_back(self, tmp_path: Path) -> None:
        """Its faces go, those before it stay, and so does every other look."""
        faces = random_faces(8)
        with indexed(tmp_path / "i.db") as index:
            other = add_scan(index, faces, "other", path="/b.mp4")
            with index.database.transaction():
                row = index.begin("abc", ASKED, Path("/a.mp4"))
                index.add(row, segment(0, 1), faces.select(np.arange(4)), [None] * 4)
                index.add(row, segment(1, whole=False), faces.select(np.arange(4, 8)), [None] * 4)
                index.update(row, frames_looked_at=6)
            with index.database.transaction():
                index.remove_segment(row, 1, first_frame=2)
            assert index.segments(row) == [segment(0, 1)]
            assert_same(index.faces(row), faces.select(np.arange(4)))
            assert index.scan(row).frames_looked_at == 3
            assert_same(index.faces(other), faces)
            assert len(index.segments(other)) == 1

    def test_faces_since_a_frame(self, tmp_path: Path) -> None:
        row = scan_of(tmp_path / "i.db", random_faces(8))
        with indexed(tmp_path / "i.db") as index:
            assert_same(index.faces(row, since=2), random_faces(8).select(np.arange(4, 8)))


class TestFind:
    """Which look through a source answers a request."""

    def found(self, path: Path, asked: Request, content: str = "abc") -> int | None:
        with indexed(path) as index:
            seen = index.find(content, asked)
        return None if seen is None else seen.row

    @pytest.mark.parametrize(
        ("change", "answers"),
        [
            ({}, True),
            ({"every": 14}, True),
            ({"every": 70}, True),
            ({"every": 1}, False),
            ({"every": 6}, False),
            ({"every": 8}, False),  # 8 looks at frame 8, 7 did not
            ({"smallest_px": 65.0}, True),
            ({"smallest_px": 63.0}, False),
            ({"largest_px": 300.0}, True),
            ({"largest_px": 299.0}, True),
            ({"largest_px": 301.0}, False),
            ({"largest_px": None}, False),
            ({"detection": '{"detector": "other"}'}, False),
            ({"every": 14, "smallest_px": 80.0, "largest_px": 100.0}, True),
        ],
    )
    def test_finer_answers_coarser_and_never_the_other_way(
        self, tmp_path: Path, change: dict[str, Any], answers: bool
    ) -> None:
        limited = replace(ASKED, largest_px=300.0)
        row = scan_of(tmp_path / "i.db", random_faces(2), asked=limited)
        found = self.found(tmp_path / "i.db", replace(limited, **change))
        assert found == (row if answers else None)

    def test_what_knows_no_largest_answers_any(self, tmp_path: Path) -> None:
        row = scan_of(tmp_path / "i.db", random_faces(2))
        assert self.found(tmp_path / "i.db", replace(ASKED, largest_px=10_000.0)) == row

    def test_another_content_is_another_source(self, tmp_path: Path) -> None:
        scan_of(tmp_path / "i.db", random_faces(2))
        assert self.found(tmp_path / "i.db", ASKED, "abd") is None

    def test_of_several_the_one_with_the_least_to_sift_out(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        fine = scan_of(path, random_faces(2), asked=replace(ASKED, every=1, smallest_px=32.0))
        same = scan_of(path, random_faces(2))
        smaller = scan_of(path, random_faces(2), asked=replace(ASKED, smallest_px=32.0))
        assert self.found(path, ASKED) == same
        assert self.found(path, replace(ASKED, every=21)) == same
        assert self.found(path, replace(ASKED, every=21, smallest_px=32.0)) == smaller
        assert self.found(path, replace(ASKED, every=5)) == fine

    def test_one_that_only_began_answers_the_very_same_request(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        row = scan_of(path, random_faces(2), complete=False)
        assert self.found(path, ASKED) == row
        for other in ({"every": 14}, {"smallest_px": 65.0}, {"largest_px": 300.0}):
            assert self.found(path, replace(ASKED, **other)) is None
        done = scan_of(path, random_faces(2), asked=replace(ASKED, every=1))
        assert self.found(path, ASKED) == done

    def test_one_that_forgot_people_answers_nothing(self, tmp_path: Path) -> None:
        row = scan_of(tmp_path / "i.db", random_faces(2))
        with indexed(tmp_path / "i.db") as index, index.database.transaction():
            index.update(row, forgotten=1)
        assert self.found(tmp_path / "i.db", ASKED) is None


class TestSift:
    def test_every_so_many_frames_and_sizes(self, tmp_path: Path) -> None:
        faces = sized(random_faces(6), 70, 20, 80, 90, 64, 300)  # frames 0 0 1 1 2 2
        row = scan_of(tmp_path / "i.db", faces, asked=replace(ASKED, every=1, smallest_px=10.0))
        with indexed(tmp_path / "i.db") as index:
            seen = index.scan(row)
            for asked, expected in [
                (replace(seen.request), [0, 1, 2, 3, 4, 5]),
                (replace(seen.request, every=2), [0, 1, 4, 5]),
                (replace(seen.request, smallest_px=64.0), [0, 2, 3, 4, 5]),
                (replace(seen.request, largest_px=90.0), [0, 1, 2, 3, 4]),
                (replace(seen.request, every=2, smallest_px=65.0, largest_px=299.0), [0]),
            ]:
                assert seen.request.answers(asked)
                sifted = index.faces(row, seen.request.narrows(asked))
                assert_same(sifted, faces.select(np.array(expected)))

    def test_what_was_found_below_the_aim_is_no_smaller_than_asked_for(
        self, tmp_path: Path
    ) -> None:
        """The same request gives all that it found, also what is smaller than it promised."""
        faces = sized(random_faces(2), 60, 70)
        row = scan_of(tmp_path / "i.db", faces)
        with indexed(tmp_path / "i.db") as index:
            assert_same(index.faces(row, ASKED.narrows(ASKED)), faces)
            coarser = replace(ASKED, every=14, largest_px=65.0)
            assert_same(index.faces(row, ASKED.narrows(coarser)), faces.select(np.array([0])))


class TestBlocks:
    @given(
        st.lists(st.integers(1, 5), min_size=1, max_size=12),
        st.integers(1, 9),
        st.integers(1, 7),
        st.integers(1, 3),
    )
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whole_shots_at_a_time_make_all_faces(
        self, tmp_path: Path, shots: list[int], least: int, read: int, every: int
    ) -> None:
        """Shots of so many frames, two faces a frame, however many rows are read at a time."""
        path = tmp_path / "i.db"
        path.unlink(missing_ok=True)
        shot = np.repeat(np.arange(len(shots)), 2 * np.array(shots))
        row = scan_of(path, replace(random_faces(len(shot)), shot=shot), asked=ALL)
        sift = ALL.narrows(replace(ALL, every=every))
        with indexed(path) as index, pytest.MonkeyPatch.context() as patch:
            patch.setattr("facegrab.store.index._ROWS", read)
            blocks = list(index.blocks(row, sift, least))
            assert_same(Faces.concatenate(blocks), index.faces(row, sift))
        assert all(len(each) >= least for each in blocks[:-1])
        seen = [set(each.shot.tolist()) for each in blocks]
        assert sum(map(len, seen)) == len(set().union(*seen))
        assert all(len(each) < least + 2 * max(shots) for each in blocks)

    def test_no_faces_make_no_block(self, tmp_path: Path) -> None:
        row = scan_of(tmp_path / "i.db", random_faces(0))
        with indexed(tmp_path / "i.db") as index:
            assert list(index.blocks(row, None)) == []


class TestMoved:
    def test_a_video(self, tmp_path: Path) -> None:
        row = scan_of(tmp_path / "i.db", random_faces(2))
        with indexed(tmp_path / "i.db") as index:
            with index.database.transaction():
                index.moved(row, Path("/b/c.mp4"), ())
            assert index.scan(row).path == "/b/c.mp4"
            assert_same(index.faces(row), random_faces(2))
        assert ask(tmp_path / "i.db", "SELECT DISTINCT picture FROM face") == [(None,)]

    def test_the_pictures_of_a_folder(self, tmp_path: Path) -> None:
        faces = random_faces(4)
        old, new = ([Path(f"/{place}/{n}.png") for n in (0, 1)] for place in ("old", "new"))
        with indexed(tmp_path / "i.db") as index:
            other = add_scan(index, faces, "other", path="/b.mp4")
            with index.database.transaction():
                row = index.begin("abc", ASKED, Path("/old"))
                index.add(row, segment(0), faces, [old[n] for n in faces.frame])
            with index.database.transaction():
                index.moved(row, Path("/new"), new)
        sql = "SELECT frame, picture FROM face WHERE scan = {} ORDER BY frame, number"
        expected = [(int(frame), str(new[frame])) for frame in faces.frame]
        assert ask(tmp_path / "i.db", sql.format(row)) == expected
        assert {picture for _, picture in ask(tmp_path / "i.db", sql.format(other))} == {None}


class TestRemove:
    def test_another_content_in_the_same_place_is_told(self, tmp_path: Path) -> None:
        with indexed(tmp_path / "i.db") as index:
            old = add_scan(index, random_faces(2), "old")
            also = add_scan(index, random_faces(2), "old", asked=replace(ASKED, every=1))
            add_scan(index, random_faces(2), "old", path="/b.mp4")
            assert index.replaced(Path("/a.mp4"), "new") == [old, also]
            assert index.replaced(Path("/a.mp4"), "old") == []
            assert index.replaced(Path("/c.mp4"), "new") == []

    def test_a_look_goes_with_all_that_it_saw(self, tmp_path: Path) -> None:
        path = tmp_path / "i.db"
        with indexed(path) as index:
            row = add_scan(index, random_faces(6, 1), "one")
            other = add_scan(index, random_faces(4, 2), "two", path="/b.mp4")
            with index.database.transaction():
                index.remove(row)
            assert [each.row for each in index.scans()] == [other]
            assert_same(index.faces(other), random_faces(4, 2))
        for table in ("face", "segment"):
            assert ask(path, f"SELECT DISTINCT scan FROM {table}") == [(other,)]

    def test_what_is_removed_is_nowhere_in_the_file(self, tmp_path: Path) -> None:
        """A face's embedding is biometric data."""
        path, faces = tmp_path / "i.db", random_faces(2)
        row = scan_of(path, faces)
        bits = faces.embedding[0].astype("<f2").tobytes()
        assert bits in path.read_bytes()
        with indexed(path) as index, index.database.transaction():
            index.remove(row)
        assert bits not in path.read_bytes()

    def test_a_row_is_never_given_to_another_look(self, tmp_path: Path) -> None:
        """Folders that share an index name its looks by their rows."""
        with indexed(tmp_path / "i.db") as index:
            add_scan(index, random_faces(2), "one")
            last = add_scan(index, random_faces(2), "two")
            with index.database.transaction():
                index.remove(last)
            assert add_scan(index, random_faces(2), "three") > last


DAMAGED = [
    ("scan", "warnings", "'no JSON'"),
    ("scan", "warnings", "'3'"),
    ("scan", "warnings", "'{\"a\": 1}'"),
    ("scan", "warnings", "'" + "[" * 20_000 + "'"),
    ("scan", "warnings", "x'00ff'"),
    ("scan", "every", "0"),
    ("scan", "every", "'seven'"),
    ("scan", "smallest_px", "'small'"),
    ("scan", "width", "'wide'"),
    ("scan", "frames_read", "'all'"),
    ("face", "embedding", "x'0000'"),
    ("face", "points68", "x'000000'"),
    ("face", "points5", "'text'"),
    ("face", "track", "'one'"),
    ("face", "shot", "x'00'"),
    ("face", "x0", "'left'"),
    ("face", "pts_seconds", "'now'"),
]


class TestDamaged:
    @pytest.mark.parametrize(("table", "column", "value"), DAMAGED)
    def test_what_no_facegrab_wrote_is_one_clear_line(
        self, tmp_path: Path, table: str, column: str, value: str
    ) -> None:
        path = tmp_path / "i.db"
        row = write(path, random_faces(2))
        change(path, f"UPDATE {table} SET {column} = {value}")
        with indexed(path) as index, pytest.raises(StoreError, match="damaged") as caught:
            self.use(index, row)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500

    def use(self, index: Index, row: int) -> None:
        index.find("abc", ASKED)
        index.scans()
        index.faces(row)

    @pytest.mark.parametrize("keep", [0.3, 0.6])
    def test_a_file_that_is_cut_off(self, tmp_path: Path, keep: float) -> None:
        path = tmp_path / "i.db"
        write(path, random_faces(60))
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(StoreError, match="damaged"), indexed(path) as index:
            index.faces(1)
