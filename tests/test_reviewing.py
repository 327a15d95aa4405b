"""Reviewing: an answer decides, is kept, undone, found again, and the folder follows it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import query, table
from stopped import portrait
from studio import BLUE, COUNT, DOUBT, EITHER, GREEN, LIME, RED, Studio

from facegrab.again import REFERENCES
from facegrab.applying import apply, source_of
from facegrab.errors import AccessError, MissingError, SettingError, StaleError, StoreError
from facegrab.indexing import forget_others, forget_sources
from facegrab.media.source import Source
from facegrab.media.spans import SpansReader
from facegrab.people.gallery import Gallery
from facegrab.people.verdicts import ASK, DROP, KEEP
from facegrab.review_desk import ReviewDesk
from facegrab.reviewing import APART, IS, IS_NOT, ONE, SKIPPED, Reviewing
from facegrab.store.database import Database
from facegrab.store.sources import SourceRow

pytestmark = pytest.mark.usefixtures("short_segments")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.fixture
def asked(studio: Studio) -> Studio:
    """A folder of red and blue in one film, and of somebody in doubt in another."""
    studio.asks(studio.of(RED), films_of(studio), "out")
    assert studio.images("out") == {"": COUNT, "uncertain": COUNT}
    return studio


def films_of(studio: Studio) -> list[Path]:
    return [studio.film("v", RED, BLUE), studio.film("w", DOUBT)]


def again(studio: Studio, out: str = "out") -> None:
    """The same command."""
    films = [studio.home / "v.mp4", studio.home / "w.mp4"]
    studio.asks(studio.home / f"{RED}.png", films, out)


def verdicts(reviewing: Reviewing) -> list[str]:
    """From the left to the right, as the films' people stand."""
    tracks = reviewing.tracks
    places = [
        (int(tracks.film[t]), float(reviewing.films[int(tracks.film[t])].faces.box[r[0], 0]))
        for t in range(len(tracks))
        if len(r := tracks.rows_of(t))
    ]
    order = sorted(range(len(tracks)), key=lambda t: places[t])
    return [str(tracks.verdict[t]) for t in order]


def track_of(reviewing: Reviewing, verdict: str) -> int:
    """The only one of a verdict."""
    (found,) = (t for t in range(len(reviewing.tracks)) if reviewing.tracks.verdict[t] == verdict)
    return found


class TestAnswers:
    def test_it_asks_about_what_is_in_doubt_and_of_nothing_else(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        assert verdicts(reviewing) == [KEEP, DROP, ASK]
        assert reviewing.next() == track_of(reviewing, ASK)

    @pytest.mark.parametrize(("said", "verdict"), [(IS, KEEP), (IS_NOT, DROP)])
    def test_an_answer_decides_and_is_kept(self, asked: Studio, said: str, verdict: str) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(said, "", [track_of(reviewing, ASK)])
        assert verdicts(reviewing) == [KEEP, DROP, verdict]
        assert reviewing.next() is None
        assert verdicts(Reviewing(asked.home / "out")) == [KEEP, DROP, verdict]

    def test_where_nobody_is_seen_nothing_is_asked(self, studio: Studio) -> None:
        studio.asks(studio.of(RED), [studio.film("v"), studio.film("w", count=9)], "out")
        reviewing = Reviewing(studio.home / "out")
        assert (len(reviewing.films), len(reviewing.tracks), reviewing.next()) == (2, 0, None)
        assert apply(studio.home / "out").there == 0

    def test_a_sure_one_can_be_refused(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(IS_NOT, "", [track_of(reviewing, KEEP)])
        assert verdicts(reviewing)[0] == DROP

    def test_what_is_passed_over_is_not_asked_again_and_decides_nothing(
        self, asked: Studio
    ) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(SKIPPED, "", [track_of(reviewing, ASK)])
        assert (reviewing.next(), verdicts(reviewing)) == (None, [KEEP, DROP, ASK])

    def test_an_answer_is_undone_and_the_last_first(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        first = reviewing.say(IS, "", [track_of(reviewing, ASK)])
        second = reviewing.say(IS_NOT, "", [track_of(reviewing, DROP)])
        assert reviewing.undo() == second
        assert reviewing.undo([first, second]) == first
        assert verdicts(reviewing) == [KEEP, DROP, ASK]
        assert reviewing.undo() is None

    def test_the_later_of_two_answers_counts(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        track = track_of(reviewing, ASK)
        for said in (IS, IS_NOT, IS):
            reviewing.say(said, "", [track])
        assert verdicts(reviewing) == [KEEP, DROP, KEEP]

    def test_a_new_person_is_one_from_then_on(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(IS, "Zoë", [track_of(reviewing, DROP)])
        assert reviewing.people == ("", "Zoë")
        assert verdicts(reviewing) == [KEEP, KEEP, ASK]
        assert sorted(reviewing.tracks.person.tolist()) == ["", "", "Zoë"]

    @pytest.mark.parametrize("name", ["", "a/b", "..", "uncertain", "CON", "x" * 300])
    def test_a_name_that_no_folder_can_have_is_refused(self, asked: Studio, name: str) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.asked = reviewing.asked.__class__(
            (), (), reviewing.asked.tolerance, reviewing.asked.metric
        )
        with pytest.raises(SettingError):
            reviewing.say(IS, name, [0])
        assert reviewing.answers == 0

    @pytest.mark.parametrize("said", [IS, IS_NOT, SKIPPED])
    def test_what_could_not_be_read_back_is_not_kept(self, studio: Studio, said: str) -> None:
        studio.asks("*", studio.film("v", RED, BLUE), "out", group=True)
        reviewing = Reviewing(studio.home / "out")
        for name in ("x" * 300, "a/b", ".."):
            with pytest.raises(SettingError):
                reviewing.say(said, name, [0])
        assert Reviewing(studio.home / "out").answers == 0

    def test_what_is_known_stays_if_the_folder_cannot_be_read_anew(
        self, asked: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run may take the folder while it is read."""

        def in_use(*_: object) -> None:
            raise StoreError("in use by another run")

        reviewing = Reviewing(asked.home / "out")
        key = reviewing.key(2)
        with Database(asked.home / "out" / "facegrab.db") as database, database.transaction():
            database.execute("UPDATE source SET complete = 0")
        with monkeypatch.context() as patch:
            patch.setattr("facegrab.reviewing._files", in_use)
            with pytest.raises(StoreError, match="in use"):
                reviewing.refresh()
        assert (len(reviewing.films), reviewing.find(key)) == (2, 2)
        assert reviewing.refresh()
        reviewing.say(IS, "", [reviewing.find(key)])
        assert verdicts(reviewing) == [KEEP, DROP, KEEP]

    def test_what_is_said_in_one_film_is_known_in_another(self, studio: Studio) -> None:
        films = [studio.film("v", DOUBT), studio.film("w", DOUBT + 6)]
        studio.asks(studio.of(RED), films, "out")
        reviewing = Reviewing(studio.home / "out")
        before = reviewing.tracks.share[reviewing.tracks.film == 1]
        reviewing.say(IS, "", [int(reviewing.tracks.film.argmin())])
        after = reviewing.tracks.share[reviewing.tracks.film == 1]
        assert before[0] < 0.2
        assert after[0] > 0.9

    def test_whoever_looks_like_one_who_was_named_is_that_one_too(self, studio: Studio) -> None:
        """Though no reference is near to either."""
        film = studio.film("v", lambda frame: BLUE if frame < COUNT else GREEN, count=2 * COUNT)
        studio.asks(studio.of(RED), film, "out")
        reviewing = Reviewing(studio.home / "out")
        blue = int((reviewing.tracks.start == 0).argmax())
        rows = reviewing.tracks.rows_of(blue)
        reviewing.say(APART, "", [blue], rows[4:])
        tracks = reviewing.tracks
        head = next(t for t in range(len(tracks)) if reviewing.tracks.rows_of(t)[0] == 0)
        reviewing.say(IS, "", [head])
        tracks = reviewing.tracks
        by_frame = {int(tracks.rows_of(t)[0]): str(v) for t, v in enumerate(tracks.verdict)}
        assert by_frame == {0: KEEP, 4: KEEP, COUNT: DROP}

    def test_whoever_is_very_near_to_a_refused_one_is_refused_too(self, studio: Studio) -> None:
        films = [studio.film("v", DOUBT), studio.film("w", DOUBT, count=COUNT + 1)]
        studio.asks(studio.of(RED), films, "out")
        reviewing = Reviewing(studio.home / "out")
        assert verdicts(reviewing) == [ASK, ASK]
        reviewing.say(IS_NOT, "", [0])
        assert verdicts(reviewing) == [DROP, DROP]


class TestTracks:
    def test_a_track_is_split_and_each_part_decided_by_itself(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        track = track_of(reviewing, DROP)
        rows = reviewing.tracks.rows_of(track)
        reviewing.say(APART, "", [track], rows[3:])
        lengths = sorted(reviewing.tracks.length.tolist())
        assert lengths == [3, COUNT - 3, COUNT, COUNT]
        tail = int(next(t for t in range(4) if reviewing.tracks.length[t] == COUNT - 3))
        reviewing.say(IS, "Zoë", [tail])
        tracks = Reviewing(asked.home / "out").tracks
        told = {int(tracks.length[t]): bool(tracks.told[t]) for t in range(4)}
        assert told == {COUNT - 3: True, 3: False, COUNT: False}

    def test_tracks_of_several_films_are_one_person_by_a_name_only(self, studio: Studio) -> None:
        films = [studio.film("v", GREEN), studio.film("w", BLUE)]
        studio.asks(studio.of(RED), films, "out")
        reviewing = Reviewing(studio.home / "out")
        with pytest.raises(SettingError, match="by a name"):
            reviewing.say(ONE, "", [0, 1])
        reviewing.say(IS, "Zoë", [0, 1])
        assert reviewing.tracks.person.tolist() == ["Zoë", "Zoë"]

    def test_two_of_one_film_that_are_one_person_are_decided_together(self, studio: Studio) -> None:
        studio.asks(studio.of(RED), studio.film("v", GREEN, BLUE), "out")
        reviewing = Reviewing(studio.home / "out")
        reviewing.say(ONE, "", [0, 1])
        reviewing.say(IS, "Zoë", [0])
        assert reviewing.tracks.person.tolist() == ["Zoë", "Zoë"]


class TestApply:
    def test_an_extract_moves_without_the_video(self, asked: Studio) -> None:
        out = asked.home / "out"
        reviewing = Reviewing(out)
        reviewing.say(IS, "", [track_of(reviewing, ASK)])
        for name in "vw":
            (asked.home / f"{name}.mp4").unlink()
        done = apply(out)
        assert (done.made, done.gone, done.there, done.failed) == (COUNT, COUNT, 2 * COUNT, ())
        assert asked.images("out") == {"": 2 * COUNT}
        assert {line["verdict"] for line in table(out)} == {"keep", "drop"}

    def test_a_folder_of_photos_that_is_the_output_too(self, studio: Studio) -> None:
        photos = studio.home / "photos"
        photos.mkdir()
        for number, hue in enumerate((BLUE, GREEN)):
            portrait(photos / f"{number}.png", hue)
        studio.asks(studio.of(RED), photos, "photos")
        reviewing = Reviewing(photos)
        reviewing.say(IS, "", [0])
        assert apply(photos).there == 1
        desk = ReviewDesk(photos, lambda: None)
        assert desk.frame(reviewing.key(1), 0)
        reviewing.reread()
        reviewing.say(IS, "", [1])
        done = apply(photos)
        assert (done.there, done.failed) == (2, ())

    def test_an_extract_of_nobody_goes(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(IS_NOT, "", [track_of(reviewing, ASK)])
        apply(asked.home / "out")
        assert asked.images("out") == {"": COUNT}

    def test_an_extract_that_was_never_made_is_cut_out_of_the_video(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(IS, "Zoë", [track_of(reviewing, DROP)])
        apply(asked.home / "out")
        assert asked.images("out") == {"": COUNT, "uncertain": COUNT, "Zoë": COUNT}

    def test_of_a_video_that_is_gone_one_line_tells_and_all_else_is_done(
        self, studio: Studio
    ) -> None:
        films = [studio.film("v", DOUBT, BLUE), studio.film("w", BLUE)]
        studio.asks(studio.of(RED), films, "out")
        reviewing = Reviewing(studio.home / "out")
        reviewing.say(IS, "", [track_of(reviewing, ASK)])
        blue = [t for t in range(3) if reviewing.tracks.verdict[t] == DROP]
        reviewing.say(IS, "Zoë", blue)
        films[0].unlink()
        done = apply(studio.home / "out")
        ((path, why),) = done.failed
        assert path == str(films[0])
        assert "no such file" in why
        assert studio.images("out") == {"": COUNT, "Zoë": COUNT}

    def test_a_video_that_may_not_be_read_does_not_keep_others_from_theirs(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        films = [studio.film("v", BLUE), studio.film("w", GREEN)]
        studio.asks(studio.of(RED), films, "out")
        Reviewing(studio.home / "out").say(IS, "Zoë", [0, 1])
        real = source_of

        def locked(known: SourceRow, *more: Any) -> Source:
            if known.path.endswith("v.mp4"):
                raise AccessError(f"no permission to read {known.path}")
            return real(known, *more)

        monkeypatch.setattr("facegrab.applying.source_of", locked)
        done = apply(studio.home / "out")
        assert done.failed == ((str(films[0]), f"no permission to read {films[0]}"),)
        assert studio.images("out") == {"Zoë": COUNT}

    def test_a_video_that_is_another_now_is_not_cut(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(IS, "Zoë", [track_of(reviewing, DROP)])
        asked.film("v", GREEN)
        ((_, why),) = apply(asked.home / "out").failed
        assert "not what was seen" in why
        assert asked.images("out") == {"": COUNT, "uncertain": COUNT}

    @pytest.mark.parametrize("said", [IS, IS_NOT])
    def test_the_command_again_honours_answers_and_finds_nothing_to_do_after_apply(
        self, asked: Studio, said: str
    ) -> None:
        out = asked.home / "out"
        reviewing = Reviewing(out)
        reviewing.say(said, "", [track_of(reviewing, ASK)])
        shutil.copytree(out, asked.home / "applied")
        again(asked)
        assert asked.looked_at == 0
        apply(asked.home / "applied")
        assert asked.files("applied") == asked.files("out")
        again(asked, "applied")
        assert asked.read == 0

    @pytest.mark.parametrize(
        "recognition", [{"tolerance": 0.6}, {"grow": True}, {"per_frame": True}]
    )
    def test_it_does_what_the_command_does_however_it_decides(
        self, studio: Studio, recognition: dict[str, Any]
    ) -> None:
        film = films_of(studio)
        studio.asks(studio.of(RED), film, "out", **recognition)
        reviewing = Reviewing(studio.home / "out")
        reviewing.say(IS, "", [int((reviewing.tracks.verdict == DROP).argmax())])
        shutil.copytree(studio.home / "out", studio.home / "applied")
        studio.asks(studio.home / f"{RED}.png", film, "out", **recognition)
        apply(studio.home / "applied")
        assert studio.files("applied") == studio.files("out")

    def test_a_track_that_may_be_either_s_goes_to_whose_it_is(self, studio: Studio) -> None:
        who = {"Al": studio.of(RED), "Bo": studio.of(LIME)}
        studio.asks(who, studio.film("v", EITHER), "out")
        assert studio.images("out") == {"ambiguous": COUNT}
        reviewing = Reviewing(studio.home / "out")
        assert reviewing.next() == 0
        reviewing.say(IS, "Bo", [0])
        apply(studio.home / "out")
        assert studio.images("out") == {"Bo": COUNT}
        with pytest.raises(SettingError, match="whose they are not"):
            reviewing.say(IS_NOT, "", [0])

    def test_people_who_were_sorted_get_names_and_references(self, studio: Studio) -> None:
        film, out = studio.film("v", RED, BLUE), studio.home / "out"
        studio.asks("*", film, "out", group=True)
        reviewing = Reviewing(out)
        first, other = reviewing.tracks.person.tolist()
        reviewing.say(IS, "Zoë", [0])
        apply(out)
        assert studio.images("out") == {"Zoë": COUNT, other: COUNT}
        assert not (out / first).exists()
        known = Gallery.load(out / "Zoë" / REFERENCES)
        apart = known.distances(reviewing.films[0].faces.embedding).min(axis=1)
        rows = reviewing.tracks.rows_of(0)
        assert (apart[rows].max(), len(np.flatnonzero(apart < 0.1))) < (0.1, len(rows) + 1)
        reviewing.say(IS_NOT, other, [1])
        apply(out)
        assert sorted(each.name for each in out.iterdir() if each.is_dir()) == ["Zoë"]

    def test_nobody_who_answers_waits_for_a_run(
        self, asked: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It takes hours, and every page would stand still for ten seconds at each key."""
        reviewing, waits = Reviewing(asked.home / "out"), list[float]()
        reviewing.say(IS, "", [0])
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect

        def impatient(path: Path, timeout: float, **more: Any) -> sqlite3.Connection:
            waits.append(timeout)
            return connect(path, timeout=0, **more)

        with Database(asked.home / "out" / "facegrab.db"):
            monkeypatch.setattr("sqlite3.connect", impatient)
            with pytest.raises(StoreError, match="in use by another run"):
                reviewing.say(IS, "", [0])
            with pytest.raises(StoreError, match="in use by another run"):
                reviewing.undo()
        assert waits == [0, 0]

    def test_a_folder_in_use_is_left_alone(
        self, asked: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("facegrab.store.database._WAIT_MS", 0)
        reviewing = Reviewing(asked.home / "out")
        with Database(asked.home / "out" / "facegrab.db"):
            with pytest.raises(StoreError, match="in use by another run"):
                apply(asked.home / "out")
            with pytest.raises(StoreError, match="in use by another run"):
                reviewing.say(IS, "", [0])
        reviewing.say(IS, "", [0])
        assert reviewing.answers == 1


class TestChanges:
    def test_two_who_review_at_once_lose_nothing(self, asked: Studio) -> None:
        one, other = Reviewing(asked.home / "out"), Reviewing(asked.home / "out")
        one.say(IS, "", [track_of(one, ASK)])
        other.say(IS_NOT, "", [track_of(other, KEEP)])
        assert verdicts(other) == [DROP, DROP, KEEP]
        assert one.refresh()
        assert verdicts(one) == [DROP, DROP, KEEP]
        assert not one.refresh()

    def test_a_key_is_of_one_track_and_no_other(self, asked: Studio) -> None:
        reviewing = Reviewing(asked.home / "out")
        keys = [reviewing.key(track) for track in range(3)]
        assert [reviewing.find(key) for key in keys] == [0, 1, 2]
        reviewing.say(APART, "", [0], reviewing.tracks.rows_of(0)[4:])
        with pytest.raises(StaleError):
            reviewing.find(keys[0])
        for wrong in ("", "0", "0-0-", "x-0-0", "9-0-0", "0-999999-0", "../..", "0-0-0-0", "²-0-0"):
            with pytest.raises(StaleError):
                reviewing.find(wrong)

    def test_a_run_in_between_is_noticed_and_no_answer_lands_on_another_face(
        self, asked: Studio
    ) -> None:
        reviewing = Reviewing(asked.home / "out")
        more = [asked.home / "v.mp4", asked.home / "w.mp4", asked.film("x", LIME)]
        asked.asks(asked.home / f"{RED}.png", more, "out")
        with pytest.raises(StaleError):
            reviewing.say(IS, "", [0])
        assert reviewing.answers == 0
        assert len(reviewing.films) == 3
        reviewing.say(IS, "", [0])

    def test_answers_outlast_the_faces_rows(self, studio: Studio) -> None:
        films, index = films_of(studio), studio.home / "all.db"
        other = studio.film("x", GREEN)
        studio.asks(studio.of(RED), films, "out", index=index)
        reviewing = Reviewing(studio.home / "out")
        reviewing.say(IS, "", [track_of(reviewing, ASK)])
        index.unlink()
        studio.asks(studio.home / f"{RED}.png", [other, *films], "out", index=index)
        assert studio.looked_at > 0
        assert studio.images("out") == {"": 2 * COUNT}

    def test_answers_are_not_lost_where_nothing_was_written(self, studio: Studio) -> None:
        """They are of the person asked for then; other settings do not matter."""
        film = studio.film("v", GREEN)
        studio.asks(studio.of(RED), film, "out")
        assert studio.images("out") == {}
        Reviewing(studio.home / "out").say(IS_NOT, "", [0])
        with pytest.raises(StoreError, match=r"references .*choose another output folder"):
            studio.asks(studio.of(BLUE), film, "out")
        studio.asks(studio.home / f"{RED}.png", film, "out", tolerance=0.4)
        assert Reviewing(studio.home / "out").answers == 1

    def test_without_answers_or_a_question_there_is_nothing_to_review(
        self, asked: Studio, tmp_path: Path
    ) -> None:
        with pytest.raises(MissingError, match="holds no index"):
            Reviewing(tmp_path)
        with Database(asked.home / "out" / "facegrab.db") as database, database.transaction():
            database.execute("DELETE FROM told WHERE name = 'question'")
        with pytest.raises(StoreError, match="give its command once more"):
            Reviewing(asked.home / "out")

    @pytest.mark.parametrize(
        "damage",
        [
            "UPDATE review SET said = 'maybe'",
            "UPDATE review SET person = x'00'",
            "UPDATE review SET person = '../elsewhere'",
            "UPDATE review SET person = '..'",
            "UPDATE review SET person = 'a/b'",
            "UPDATE review_part SET ticks = 'x'",
            "UPDATE review_part SET ticks = x'00'",
            "UPDATE review_part SET box = x'00'",
            "UPDATE review_part SET examples = 7",
            "UPDATE review_part SET embedding = x'007e007e'",
            "UPDATE review_part SET examples = 1, embedding = x'003c'",
            "UPDATE review_part SET examples = 1, embedding = x'003c' WHERE rowid = 1",
            "UPDATE face SET embedding = substr(embedding, 1, 64)",
            "UPDATE told SET value = '{\"people\": [[1, 2]]}' WHERE name = 'question'",
            "UPDATE told SET value = '[' WHERE name = 'question'",
            "UPDATE told SET value = json_set(value, '$.process', json('[1]'))",
            "UPDATE told SET value = json_set(value, '$.recognition', 'auto')",
            "UPDATE told SET value = json_set(value, '$.tolerance', 'TOLERANCE')",
            "UPDATE source SET every = 0",
        ],
    )
    def test_a_damaged_index_is_told_in_a_line(self, asked: Studio, damage: str) -> None:
        reviewing = Reviewing(asked.home / "out")
        reviewing.say(IS, "", [0, 2])
        with Database(asked.home / "out" / "facegrab.db") as database, database.transaction():
            database.execute(damage.replace("'TOLERANCE'", "json('1" + "0" * 400 + "')"))
        with pytest.raises(StoreError):
            Reviewing(asked.home / "out")


def test_no_face_of_others_is_kept_where_they_are_to_be_forgotten(studio: Studio) -> None:
    studio.asks(studio.of(RED), studio.film("v", DOUBT), "out")
    with Database(studio.home / "out" / "facegrab.db") as database, database.transaction():
        database.execute(
            "UPDATE told SET value = replace(value, '\"forget_others\": false',"
            " '\"forget_others\": true')"
        )
    reviewing = Reviewing(studio.home / "out")
    reviewing.say(IS_NOT, "", [0])
    assert query(studio.home / "out", "SELECT examples, embedding FROM review_part") == [(0, b"")]


def test_a_video_is_read_only_where_something_is_to_be_cut(
    asked: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(SpansReader, "__init__", never)
    reviewing = Reviewing(asked.home / "out")
    reviewing.say(IS, "", [track_of(reviewing, ASK)])
    apply(asked.home / "out")


def test_what_is_forgotten_is_forgotten_here_too(asked: Studio) -> None:
    out = asked.home / "out"
    reviewing = Reviewing(out)
    reviewing.say(IS, "", [track_of(reviewing, ASK)])
    reviewing.say(IS_NOT, "", [track_of(reviewing, DROP)])
    forget_others(out, [reviewing.asked.people[0].gallery], 0.6)
    assert set(query(out, "SELECT examples, embedding FROM review_part")) == {(0, b"")}
    forget_sources(out, ["w.mp4"])
    assert query(out, "SELECT said FROM review") == [("not",)]
    forget_sources(out, ["v.mp4"])
    assert query(out, "SELECT * FROM review_part") == []
