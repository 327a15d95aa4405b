"""The answers: sources and their names, what became of faces, and folders of other questions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import random_faces
from stores import ASKED, SETTINGS, add_scan, answered, ask, dump, rows_of, write

from facegrab.errors import StoreError
from facegrab.store.answers import Answers, Entered, Extract, Rows
from facegrab.store.database import OWN, Database
from facegrab.store.index import Index
from facegrab.summary import BLURRED, OTHER_PERSON


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "facegrab.db"


@contextmanager
def writing(path: Path) -> Iterator[Answers]:
    """The answers, within a transaction."""
    with Database(path) as database:
        answers = Answers(database, OWN, SETTINGS)
        with database.transaction():
            yield answers


def entered(path: Path, content: str, where: str, name: str, scan: int = 1) -> Entered:
    with writing(path) as answers:
        return answers.enter(content, Path(where), name, ASKED, scan)


def put(path: Path, rows: Rows) -> None:
    with writing(path) as answers:
        answers.put(rows)


class TestEnter:
    def test_names_are_free_in_any_case(self, path: Path) -> None:
        paths = ["/a/x.mp4", "/b/X.mp4", "/c/x.mp4", "/d/x-2.mp4"]
        names = [entered(path, each, each, Path(each).stem).name for each in paths]
        assert names == ["x", "X-2", "x-3", "x-2-2"]

    def test_what_is_asked_of_a_source_is_noted(self, path: Path) -> None:
        with writing(path) as answers:
            asked = replace(ASKED, largest_px=200.0)
            answers.enter("a", Path("/a.mp4"), "a", asked, 4)
        columns = "content, path, name, scan, every, smallest_px, largest_px, complete"
        row = ("a", "/a.mp4", "a", 4, 7, 64.0, 200.0, 0)
        assert ask(path, f"SELECT {columns} FROM source") == [row]

    def test_a_source_is_found_again_by_its_content_and_keeps_name_and_answers(
        self, path: Path
    ) -> None:
        """A video that was moved and renamed."""
        entered(path, "a", "/a/x.mp4", "x")
        put(path, rows_of(1, random_faces(2)))
        with writing(path) as answers:
            answers.finish(1)
        assert entered(path, "a", "/b/y.mp4", "y") == Entered(1, "x", complete=True)
        assert ask(path, "SELECT path, name FROM source") == [("/b/y.mp4", "x")]
        with answered(path) as answers:
            assert answers.tally(1).written == {"": 2}

    def test_another_look_at_it_has_not_answered_the_question(self, path: Path) -> None:
        entered(path, "a", "/x.mp4", "x", scan=1)
        with writing(path) as answers:
            answers.finish(1)
        assert entered(path, "a", "/x.mp4", "x", scan=2) == Entered(1, "x", complete=False)
        assert entered(path, "a", "/x.mp4", "x", scan=2).complete is False

    def test_a_changed_file_keeps_the_name_and_tells_the_images_of_the_old_one(
        self, path: Path
    ) -> None:
        entered(path, "other", "/o.mp4", "o")
        entered(path, "old", "/x.mp4", "x")
        for source in (1, 2):
            put(path, rows_of(source, random_faces(2)))
        again = entered(path, "new", "/x.mp4", "y", scan=2)
        assert again == Entered(2, "x", complete=False, outdated=("2-0.jpg", "2-1.jpg"))
        with answered(path) as answers:
            assert answers.files() == {"1-0.jpg", "1-1.jpg"}
            assert answers.tally(2).found == 0
        assert ask(path, "SELECT content, scan FROM source WHERE id = 2") == [("new", 2)]

    def test_the_old_file_comes_back_under_another_name(self, path: Path) -> None:
        for content, where in (("old", "/x.mp4"), ("new", "/x.mp4"), ("old", "/y.mp4")):
            entered(path, content, where, Path(where).stem)
        assert ask(path, "SELECT content, path, name FROM source ORDER BY id") == [
            ("new", "/x.mp4", "x"), ("old", "/y.mp4", "y"),
        ]  # fmt: skip


class TestPut:
    def test_what_is_said_twice_is_the_last(self, path: Path) -> None:
        faces = random_faces(4)
        entered(path, "a", "/x.mp4", "x")
        unknown = Rows(
            1, faces, np.full(4, np.nan, np.float32), np.zeros(4, np.int64), np.zeros(4, np.bool_),
            [OTHER_PERSON] * 4, [],
        )  # fmt: skip
        put(path, unknown)
        known = replace(
            rows_of(1, faces),
            by_track=np.array([False, True, False, True]),
            dropped=[None, None, BLURRED, OTHER_PERSON],
            extracts=[Extract(0, "a", "a.jpg", 64, 1.5), Extract(0, "b", "b.jpg", 64, 0.5),
                      Extract(1, "a", "c.jpg", 64, 1.0)],
        )  # fmt: skip
        put(path, known)
        columns = "distance, references_within, by_track, dropped"
        assert ask(path, f"SELECT {columns} FROM outcome ORDER BY frame, number") == [
            (0.5, 1, 0, None), (0.5, 1, 1, None), (0.5, 1, 0, BLURRED), (0.5, 1, 1, OTHER_PERSON),
        ]  # fmt: skip
        with answered(path) as answers:
            assert answers.extracts(1) == {
                (0, 0, "a"): "a.jpg", (0, 0, "b"): "b.jpg", (0, 1, "a"): "c.jpg",
            }  # fmt: skip
            # Of two extracts of one face, which counts once, the first one is enlarged.
            tally = answers.tally(1)
            assert (tally.written, tally.unsure) == ({"": 2}, {})
            assert tally.dropped == {BLURRED: 1, OTHER_PERSON: 1}
            assert (tally.by_track, tally.enlarged, tally.found) == (2, 1, 4)
            assert np.isnan(tally.wrong)  # not known where the tolerance decided
            assert answers.tally(2).found == 0

    def test_people_and_how_sure_they_are(self, path: Path) -> None:
        """Of each person so many, what is in doubt, and how many are probably wrong."""
        faces = random_faces(6)
        entered(path, "a", "/x.mp4", "x")
        said = replace(
            rows_of(1, faces),
            dropped=[None, None, BLURRED, None, None, OTHER_PERSON],
            person=["Zoë", "Al", "Al", "Al", "Zoë", "Al"],
            probability=np.array([0.9, 0.8, 0.9, 0.25, 0.5, 0.125], np.float32),
            verdict=["keep", "keep", "keep", "ask", "ambiguous", "drop"],
            extracts=[],
        )
        put(path, said)
        with answered(path) as answers:
            tally = answers.tally(1)
        assert tally.written == {"Zoë": 1, "Al": 1}
        assert tally.unsure == {"ask": 1, "ambiguous": 1}
        assert tally.dropped == {BLURRED: 1, OTHER_PERSON: 1}
        assert tally.wrong == pytest.approx(0.3)
        assert tally.missed == pytest.approx(0.875)

    def test_an_image_twice_is_refused_whole(self, path: Path) -> None:
        entered(path, "a", "/x.mp4", "x")
        put(path, rows_of(1, random_faces(2)))
        before = dump(path)
        with pytest.raises(sqlite3.IntegrityError):
            put(path, rows_of(1, random_faces(4)))
        assert dump(path) == before

    def test_a_column_that_is_too_short_is_noticed(self) -> None:
        rows = rows_of(1, random_faces(4))
        with pytest.raises(ValueError, match="columns"):
            replace(rows, dropped=[None] * 3)

    def test_images_that_are_gone(self, path: Path) -> None:
        entered(path, "a", "/x.mp4", "x")
        put(path, rows_of(1, random_faces(4)))
        with writing(path) as answers:
            answers.remove_files(["1-0.jpg", "1-3.jpg", "none.jpg"])
        with answered(path) as answers:
            assert answers.files() == {"1-1.jpg", "1-2.jpg"}
            assert answers.tally(1).found == 4


class TestForget:
    def test_from_a_frame_on(self, path: Path) -> None:
        """Two faces a frame: those of frame 1 and later go, of this source only."""
        for number, content in enumerate(("a", "b"), 1):
            entered(path, content, f"/{content}.mp4", content)
            put(path, rows_of(number, random_faces(6)))
        with writing(path) as answers:
            gone = answers.forget_from("b", 1)
        assert sorted(gone) == ["2-2.jpg", "2-3.jpg", "2-4.jpg", "2-5.jpg"]
        with answered(path) as answers:
            assert [answers.tally(source).found for source in (1, 2)] == [6, 2]
            assert len(answers.files()) == 8
        with writing(path) as answers:
            assert answers.forget_from("none", 0) == []


class TestComing:
    def test_what_was_announced_and_never_came_is_told(self, path: Path) -> None:
        """The program died between the two."""
        entered(path, "a", "/x.mp4", "x")
        with answered(path) as answers:
            answers.announce(["1-0.jpg", "1-1.jpg"])
            answers.announce(["1-1.jpg", "late.jpg"])
        with answered(path) as answers:
            assert sorted(answers.stranded()) == ["1-0.jpg", "1-1.jpg", "late.jpg"]

    def test_what_came_is_not(self, path: Path) -> None:
        entered(path, "a", "/x.mp4", "x")
        with answered(path) as answers:
            answers.announce(["1-0.jpg", "1-1.jpg", "2-9.jpg"])
        put(path, rows_of(1, random_faces(2)))
        with answered(path) as answers:
            assert answers.stranded() == ["2-9.jpg"]
        with writing(path) as answers:
            answers.arrived()
            answers.gone(["2-9.jpg"])
        with answered(path) as answers:
            assert answers.stranded() == []


class TestOtherQuestions:
    def test_a_folder_with_images_is_refused(self, path: Path) -> None:
        write(path, random_faces(2))
        before = dump(path)
        with (
            pytest.raises(StoreError, match=r"tolerance 0\.6, now 0\.5") as caught,
            answered(path, SETTINGS | {"tolerance": 0.5}),
        ):
            pass
        assert str(path.parent) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert dump(path) == before

    def test_one_that_wrote_nothing_is_in_nobody_s_way(self, path: Path) -> None:
        """Its answers are forgotten; what was seen stays."""
        faces = random_faces(2)
        with Database(path) as database:
            add_scan(Index(database), faces)
        entered(path, "abc", "/a.mp4", "a")
        put(path, replace(rows_of(1, faces), extracts=[]))
        other = SETTINGS | {"tolerance": 0.5}
        with answered(path, other) as answers:
            assert answers.tally(1).found == 0
            answers.announce(["x.jpg"])
        assert ask(path, "SELECT count(*) FROM source") == [(0,)]
        with Database(path) as database:
            assert len(Index(database).faces(1)) == 2
            answers = Answers(database, OWN, other)
            with database.transaction():
                assert answers.enter("abc", Path("/b/a.mp4"), "a", ASKED, 1) == Entered(1, "a")
                answers.put(rows_of(1, faces))
        with pytest.raises(StoreError, match=r"tolerance 0\.5, now 0\.6"), answered(path):
            pass

    def test_and_is_forgotten_as_a_whole_or_not_at_all(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entered(path, "abc", "/a.mp4", "a")
        before = dump(path)
        with monkeypatch.context() as patch:
            patch.setattr("json.dumps", lambda value: object())  # fails when it is inserted
            with pytest.raises(sqlite3.Error), answered(path, SETTINGS | {"tolerance": 0.5}):
                pass
        assert dump(path) == before
        assert entered(path, "other", "/c/a.mp4", "a").name == "a-2"
