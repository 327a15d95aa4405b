"""Whole runs of several people, of people it is not, of doubt, of groups and of growing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import CtrlC, fail_at, query, rows, table
from studio import (
    BLUE,
    COUNT,
    COUSIN,
    DOUBT,
    EITHER,
    EVENING,
    GREEN,
    LIME,
    NIGHT,
    RED,
    Studio,
)

from facegrab.answering import Answering
from facegrab.errors import StoreError
from facegrab.people.gallery import Gallery
from facegrab.summary import OTHER_PERSON

pytestmark = pytest.mark.usefixtures("short_segments")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


class TestSeveral:
    def test_each_gets_a_folder_and_nobody_else_s_faces(self, studio: Studio) -> None:
        who = {"Al": studio.of(RED), "Zoë": studio.of(GREEN)}
        summary = studio.asks(who, studio.film("v", RED, GREEN, BLUE), "out")
        assert studio.looked_at == COUNT
        assert studio.images("out") == {"Al": COUNT, "Zoë": COUNT}
        assert summary.written_of == {"Al": COUNT, "Zoë": COUNT}
        assert summary.faces_written == 2 * COUNT
        assert summary.dropped == {OTHER_PERSON: COUNT}
        of_hue = {"Al": RED, "Zoë": GREEN}
        for line in table(studio.home / "out"):
            left = float(line["x0"]) - int(line["frame"])
            hue = (RED, GREEN, BLUE)[round((left - 8) / 80)]
            if line["verdict"] == "keep":
                assert of_hue[line["person"]] == hue
                assert line["file"].startswith(f"{line['person']}/")
                assert float(line["probability"]) > 0.9
            else:
                assert (hue, line["verdict"], line["file"]) == (BLUE, "drop", "")
                assert float(line["probability"]) < 0.1

    def test_with_several_alignments_each_has_a_folder_in_the_person_s(
        self, studio: Studio
    ) -> None:
        who = {"Al": studio.of(RED), "Zoë": studio.of(GREEN)}
        labels = ("mean-face-32", "dlib-chip-150")
        film = studio.film("v", RED, GREEN)
        summary = studio.asks(who, film, "out", align=("mean-face", "dlib-chip"))
        assert studio.images("out") == {f"{n}/{each}": COUNT for n in who for each in labels}
        assert summary.faces_written == 2 * COUNT
        assert {path.split("/")[0] for path in studio.files("out")} == {*who, "facegrab.csv"}

    @pytest.mark.parametrize("recognition", [{}, {"tolerance": 0.6}])
    def test_one_who_may_be_either_is_ambiguous(
        self, studio: Studio, recognition: dict[str, Any]
    ) -> None:
        who = {"Al": studio.of(RED), "Bo": studio.of(LIME)}
        summary = studio.asks(who, studio.film("v", EITHER), "out", **recognition)
        assert studio.images("out") == {"ambiguous": COUNT}
        assert summary.unsure == {"ambiguous": COUNT}
        assert summary.faces_written == 0
        assert summary.faces_matched == COUNT
        assert {line["verdict"] for line in table(studio.home / "out")} == {"ambiguous"}

    def test_the_same_command_again_changes_nothing_and_reads_nothing(self, studio: Studio) -> None:
        who = {"Al": studio.of(RED), "Zoë": studio.of(GREEN)}
        films = [studio.film("v", RED, GREEN), studio.film("w", DOUBT)]
        first = studio.asks(who, films, "out")
        before = studio.files("out"), rows(studio.home / "out")
        again = studio.asks(who, films, "out")
        assert (studio.looked_at, studio.read) == (0, 0)
        assert (studio.files("out"), rows(studio.home / "out")) == before
        for name in ("written_of", "unsure", "dropped", "faces_found", "probably_wrong"):
            assert getattr(again, name) == getattr(first, name)

    def test_other_people_are_refused_the_folder(self, studio: Studio) -> None:
        film = studio.film("v", RED, GREEN)
        studio.asks({"Al": studio.of(RED)}, film, "out")
        before = studio.files("out")
        for who in ({"Bo": studio.of(RED)}, {"Al": studio.of(GREEN)}, studio.of(RED)):
            with pytest.raises(StoreError, match="another run"):
                studio.asks(who, film, "out")
        assert studio.files("out") == before

    def test_another_question_of_the_same_index_reads_what_it_needs(self, studio: Studio) -> None:
        """A frame for each that has an extract."""
        film = studio.film("v", RED, lambda n: GREEN if n < 5 else BLUE)
        studio.asks({"Al": studio.of(RED), "Bo": studio.of(COUSIN)}, film, "first")
        index = studio.home / "first" / "facegrab.db"
        zoe, al, nobody = ((n, studio.of(hue)) for n, hue in (("Z", GREEN), ("A", RED), ("N", -38)))
        for people, read in (({**dict([zoe, al])}, COUNT), (dict([zoe]), 5), (dict([nobody]), 0)):
            name = "-".join(people)
            studio.asks(people, film, f"{name} again", index=index)
            assert (studio.looked_at, studio.read) == (0, read)
            studio.asks(people, film, f"{name} fresh")
            assert studio.files(f"{name} again") == studio.files(f"{name} fresh")


class TestDoubt:
    def test_the_uncertain_lie_apart_and_count_apart(self, studio: Studio) -> None:
        films = [studio.film("sure", RED), studio.film("doubt", DOUBT)]
        summary = studio.asks(studio.of(RED), films, "out")
        assert studio.images("out") == {"": COUNT, "uncertain": COUNT}
        assert summary.faces_written == COUNT
        assert summary.unsure == {"ask": COUNT}
        assert summary.faces_matched == 2 * COUNT
        assert not summary.dropped
        assert 0 < summary.probably_missed < COUNT
        assert studio.verdicts("out") == {("sure", "", "keep"), ("doubt", "", "ask")}
        assert {
            line["file"].startswith("uncertain/") == (line["verdict"] == "ask")
            for line in table(studio.home / "out")
        } == {True}

    def test_of_several_people_each_has_a_folder_for_them(self, studio: Studio) -> None:
        who = {"Al": studio.of(RED), "Zoë": studio.of(GREEN)}
        films = [studio.film("a", DOUBT), studio.film("z", GREEN - DOUBT)]
        studio.asks(who, films, "out")
        assert studio.images("out") == {"Al/uncertain": COUNT, "Zoë/uncertain": COUNT}

    @pytest.mark.parametrize(("tolerance", "written"), [(0.6, 1), (0.7, 2)])
    def test_a_tolerance_that_is_given_decides_alone(
        self, studio: Studio, tolerance: float, written: int
    ) -> None:
        films = [studio.film("sure", RED), studio.film("doubt", DOUBT)]
        summary = studio.asks(studio.of(RED), films, "out", tolerance=tolerance)
        assert studio.images("out") == {"": written * COUNT}
        assert not summary.unsure
        assert summary.probably_wrong != summary.probably_wrong  # not known
        assert {line["probability"] for line in table(studio.home / "out")} == {""}
        assert query(studio.home / "out", "SELECT DISTINCT probability FROM outcome") == [(None,)]
        assert {verdict for _, _, verdict in studio.verdicts("out")} <= {"keep", "drop"}


class TestNot:
    def test_the_cousin_is_refused_who_is_kept_without_it(self, studio: Studio) -> None:
        film = studio.film("v", RED, COUSIN)
        red, cousin = studio.of(RED), studio.of(COUSIN + 2)
        assert studio.asks(red, film, "all").faces_written == 2 * COUNT
        for name, index in (("fresh", None), ("again", studio.home / "all" / "facegrab.db")):
            for tolerance in ("auto", 0.6):
                out = f"{name} {tolerance}"
                summary = studio.asks(
                    red, film, out, others=[cousin], tolerance=tolerance, index=index
                )
                assert summary.dropped == {OTHER_PERSON: COUNT}
                assert studio.images(out) == {"": COUNT}
                kept = [line for line in table(studio.home / out) if line["file"]]
                assert max(float(line["x1"]) for line in kept) < 80

    def test_with_it_the_folder_is_another_question_s(self, studio: Studio) -> None:
        film, red = studio.film("v", RED), studio.of(RED)
        studio.asks(red, film, "out")
        with pytest.raises(StoreError, match="another run"):
            studio.asks(red, film, "out", others=[studio.of(GREEN)])


class TestTheWholeSaysOtherwise:
    """A segment's verdict puts an extract somewhere, and the whole puts it elsewhere."""

    def film(self, studio: Studio, who: str) -> Path:
        """In the first segment in doubt, or maybe LIME's; in the second red."""
        first = DOUBT if who == "one" else EITHER
        return studio.film("v", lambda n: first if n < 4 else 2 * (COUNT - n))

    def people(self, studio: Studio, who: str) -> Path | dict[str, Path]:
        red = studio.of(RED)
        return red if who == "one" else {"Al": red, "Bo": studio.of(LIME)}

    def stopped(self, studio: Studio, who: str, film: Path) -> dict[str, int]:
        """Where the segments put the images; the whole was not asked yet."""
        with pytest.MonkeyPatch.context() as patch:
            fail_at(patch, Answering, "answer", 1, KeyboardInterrupt())
            assert studio.asks(self.people(studio, who), film, "out").interrupted
        return studio.images("out")

    @pytest.mark.parametrize(
        ("who", "first", "last"), [("one", "uncertain", ""), ("two", "ambiguous", "Al")]
    )
    def test_they_are_moved_and_none_is_left_behind(
        self, studio: Studio, who: str, first: str, last: str
    ) -> None:
        people, film = self.people(studio, who), self.film(studio, who)
        assert self.stopped(studio, who, film) == {first: 4, last: 4}
        summary = studio.asks(people, film, "out")
        assert (studio.looked_at, studio.read) == (0, 0)
        assert studio.images("out") == {last: COUNT}
        assert summary.faces_written == COUNT
        assert not any(first in path for path in studio.files("out"))
        studio.asks(people, film, "fresh")
        assert studio.files("out") == studio.files("fresh")
        assert rows(studio.home / "out") == rows(studio.home / "fresh")

    def test_one_deleted_by_hand_is_made_anew(self, studio: Studio) -> None:
        film = self.film(studio, "one")
        self.stopped(studio, "one", film)
        studio.asks(studio.of(RED), film, "fresh")
        for file in sorted((studio.home / "out" / "uncertain").iterdir())[:2]:
            file.unlink()
        studio.asks(studio.of(RED), film, "out")
        assert studio.looked_at == 0
        assert 0 < studio.read < COUNT
        assert studio.images("out") == {"": COUNT}
        assert studio.files("out").keys() == studio.files("fresh").keys()

    def test_a_folder_deleted_by_hand_likewise(self, studio: Studio) -> None:
        film = self.film(studio, "one")
        self.stopped(studio, "one", film)
        shutil.rmtree(studio.home / "out" / "uncertain")
        studio.asks(studio.of(RED), film, "out")
        assert studio.images("out") == {"": COUNT}

    def test_what_is_nobody_s_in_the_end_goes(self, studio: Studio) -> None:
        """Of four faces in a row such a distance may be the person's, of eight it is not."""
        film = studio.film("v", DOUBT + 1)
        with pytest.MonkeyPatch.context() as patch:
            fail_at(patch, Answering, "answer", 1, KeyboardInterrupt())
            studio.asks(studio.of(RED), film, "out")
        assert studio.images("out") == {"uncertain": COUNT}
        studio.asks(studio.of(RED), film, "out")
        assert studio.images("out") == {}
        assert studio.files("out").keys() == {"facegrab.csv"}


class TestGroup:
    @pytest.fixture
    def films(self, studio: Studio) -> list[Path]:
        """Green is there longest, then red; blue is in one frame only."""
        return [
            studio.film("a", RED, GREEN),
            studio.film("b", GREEN, count=5),
            studio.film("c", BLUE, count=1),
        ]

    def test_everybody_has_a_folder_the_largest_first(
        self, studio: Studio, films: list[Path]
    ) -> None:
        summary = studio.asks("*", films, "out", group=True)
        assert studio.images("out") == {"person-1": COUNT + 5, "person-2": COUNT, "others": 1}
        assert summary.written_of == studio.images("out")
        assert summary.unsure == {}
        assert studio.verdicts("out") == {
            ("a", "person-1", "keep"), ("a", "person-2", "keep"), ("b", "person-1", "keep"),
            ("c", "others", "keep"),
        }  # fmt: skip
        assert {path.name for path in (studio.home / "out").iterdir()} == {
            "facegrab.csv", "facegrab.db", "person-1", "person-2", "others",
        }  # fmt: skip

    def test_a_group_can_be_asked_for(self, studio: Studio, films: list[Path]) -> None:
        studio.asks("*", films, "out", group=True)
        saved = studio.home / "out" / "person-1" / "references.npz"
        assert set(Gallery.load(saved).embedding.argmax(axis=1)) == {1}
        assert not (studio.home / "out" / "others" / "references.npz").exists()
        summary = studio.asks(saved, studio.film("other", RED, GREEN), "next")
        assert studio.images("next") == {"": COUNT}
        assert summary.dropped == {OTHER_PERSON: COUNT}
        both = {n: saved.parents[1] / n / saved.name for n in ("person-1", "person-2")}
        studio.asks(both, films, "both", index=studio.home / "out" / "facegrab.db")
        assert studio.looked_at == 0
        assert studio.images("both") == {"person-1": COUNT + 5, "person-2": COUNT}

    def test_again_it_changes_nothing(self, studio: Studio, films: list[Path]) -> None:
        studio.asks("*", films, "out", group=True)
        before = studio.files("out"), rows(studio.home / "out")
        studio.asks("*", films, "out", group=True)
        assert (studio.looked_at, studio.read) == (0, 0)
        assert (studio.files("out"), rows(studio.home / "out")) == before

    def test_one_more_video_is_sorted_in_with_the_others(
        self, studio: Studio, films: list[Path]
    ) -> None:
        """Red is there longer then, and all extracts change their places."""
        studio.asks("*", films, "out", group=True)
        more = [*films, studio.film("d", RED, count=7)]
        studio.asks("*", more, "out", group=True)
        assert studio.looked_at == studio.read == 7
        assert studio.images("out") == {"person-1": COUNT + 7, "person-2": COUNT + 5, "others": 1}
        studio.asks("*", more, "fresh", group=True)
        assert studio.files("out") == studio.files("fresh")

    def test_without_the_others_it_is_refused(self, studio: Studio, films: list[Path]) -> None:
        """It would number its own people from 1, and put them to other people's faces."""
        studio.asks("*", films[:2], "out", group=True)
        before = studio.files("out"), rows(studio.home / "out")
        for some in (films[:1], films[2:]):
            with pytest.raises(StoreError, match=r"[ab]\.mp4, too"):
                studio.asks("*", some, "out", group=True)
        assert (studio.files("out"), rows(studio.home / "out")) == before

    @pytest.mark.parametrize("steps", [1, 2, 3, 4])
    def test_stopped_it_tells_what_is_there_and_goes_on(
        self, studio: Studio, films: list[Path], steps: int
    ) -> None:
        """Two steps are a video; what is not sorted yet lies beside the folders."""
        summary = studio.asks("*", films[:2], "out", group=True, watcher=CtrlC(steps))
        assert summary.interrupted
        there = studio.images("out")
        assert there.keys() <= {""}
        assert summary.faces_written == sum(there.values())
        assert summary.faces_found == sum(there.values()) == len(table(studio.home / "out"))
        assert sum(there.values()) == (8, 16, 20, 21)[steps - 1]
        studio.asks("*", films[:2], "out", group=True)
        studio.asks("*", films[:2], "fresh", group=True)
        assert studio.files("out") == studio.files("fresh")

    def test_nobody_at_all(self, studio: Studio) -> None:
        summary = studio.asks("*", studio.film("empty"), "out", group=True)
        assert summary.faces_found == 0
        assert studio.images("out") == {}


class TestGrow:
    def test_another_light_is_found_by_what_was_found(self, studio: Studio) -> None:
        films = [studio.film("night", NIGHT), studio.film("evening", EVENING)]
        assert studio.asks(studio.of(RED), films, "plain").faces_written == COUNT
        summary = studio.asks(studio.of(RED), films, "grown", grow=True)
        assert studio.images("grown") == {"": 2 * COUNT}
        assert summary.dropped == {}
        before = studio.files("grown"), rows(studio.home / "grown")
        studio.asks(studio.of(RED), films, "grown", grow=True)
        assert (studio.looked_at, studio.read) == (0, 0)
        assert (studio.files("grown"), rows(studio.home / "grown")) == before

    def test_of_several_people_each_grows(self, studio: Studio) -> None:
        who = {"Al": studio.of(RED), "Zoë": studio.of(GREEN)}
        films = [studio.film("v", NIGHT), studio.film("w", EVENING)]
        studio.asks(who, films, "out", grow=True)
        assert studio.images("out") == {"Al": 2 * COUNT}

    def test_who_was_found_so_finds_nobody_else(self, studio: Studio) -> None:
        """One generation: the next one is as near to NIGHT as that is to EVENING."""
        hues = {"evening": EVENING, "night": NIGHT, "stranger": NIGHT + NIGHT - EVENING}
        films = [studio.film(name, hue) for name, hue in hues.items()]
        studio.asks(studio.of(RED), films, "out", grow=True)
        assert studio.verdicts("out") == {
            ("evening", "", "keep"), ("night", "", "keep"), ("stranger", "", "drop"),
        }  # fmt: skip

    @pytest.mark.parametrize(("hue", "verdict"), [(DOUBT, "ask"), (28, "keep")])
    def test_one_who_is_not_sure_finds_nobody(
        self, studio: Studio, hue: float, verdict: str
    ) -> None:
        films = [studio.film("doubt", hue), studio.film("night", NIGHT)]
        studio.asks(studio.of(RED), films, "out", grow=True)
        assert studio.verdicts("out") == {("doubt", "", verdict), ("night", "", "drop")}

    def test_a_single_face_finds_nobody(self, studio: Studio) -> None:
        films = [studio.film("evening", EVENING, count=2), studio.film("night", NIGHT)]
        studio.asks(studio.of(RED), films, "out", grow=True)
        assert studio.verdicts("out") == {("evening", "", "keep"), ("night", "", "drop")}

    def test_one_it_is_not_does_not_join(self, studio: Studio) -> None:
        films = [studio.film("cousin", COUSIN), studio.film("night", NIGHT)]
        cousin = studio.of(COUSIN + 2)
        studio.asks(studio.of(RED), films, "out", grow=True, others=[cousin])
        assert studio.verdicts("out") == {("cousin", "", "drop"), ("night", "", "drop")}
