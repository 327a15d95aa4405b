"""What was said of faces is found again, by time and place, whatever frames a scan looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import random_faces
from stores import ask

from facegrab.errors import StoreError
from facegrab.people.said import UNSAID, Labels, Said, spread
from facegrab.store import schema
from facegrab.store.database import Database
from facegrab.store.reviews import (
    APART,
    EXAMPLES,
    IS,
    IS_NOT,
    ONE,
    Part,
    Review,
    Reviews,
    in_effect,
)
from facegrab.types import Faces

RATE = 25
SIDE = 60
NAMES = ("", "Zoë")


def walking(frames: range, *, speed: float = 4, lane: float = 0, track: int = 0) -> Faces:
    """A face that moves by so many pixels a frame."""
    frame = np.array(frames, np.int64)
    left = 20 + speed * frame
    box = np.column_stack([left, left * 0 + lane, left + SIDE, left * 0 + lane + SIDE])
    count = len(frame)
    return replace(
        random_faces(count),
        frame=frame,
        number=np.full(count, track),
        pts_seconds=frame / RATE,
        box=box.astype(np.float32),
        shot=np.zeros(count, np.int64),
        track=np.full(count, track),
    )


def together(*parts: Faces) -> Faces:
    faces = Faces.concatenate(parts)
    return faces.select(np.lexsort((faces.number, faces.frame)))


def said(*reviews: tuple[str, str, Faces]) -> Said:
    """In this order, of one source."""
    rows = [
        Review(number + 1, what, who, (Part.of("film", "dlib", faces),))
        for number, (what, who, faces) in enumerate(reviews)
    ]
    return Said("film", rows, NAMES)


def people(labels: Labels) -> list[str | None]:
    return [None if n == UNSAID else NAMES[n] for n in labels.person.tolist()]


SEEN = range(0, 140, 7)


def test_the_same_scan_has_the_very_faces() -> None:
    one, other = walking(SEEN), walking(SEEN, lane=200, track=1)
    labels = said((IS, "", one)).of(together(one, other))
    assert people(labels) == ["", None] * len(one)


@pytest.mark.parametrize("every", [1, 2, 5, 7, 11, 24])
@pytest.mark.parametrize("start", [0, 3])
def test_a_scan_of_other_frames_has_the_faces_between(every: int, start: int) -> None:
    frames = range(start, SEEN[-1] + 1, every)
    mine, other = walking(frames, track=4), walking(frames, lane=200, track=5)
    labels = said((IS, "", walking(SEEN))).of(together(mine, other))
    assert people(labels) == ["", None] * len(mine)


def test_whoever_walks_past_while_a_face_was_not_seen_is_not_taken_for_it() -> None:
    gap = [frame for frame in SEEN if not 40 < frame < 80]
    mine = Faces.concatenate([walking(range(f, f + 1)) for f in gap])
    past = walking(range(42, 78, 7), track=1)
    assert people(said((IS, "", mine)).of(together(mine, past))).count("") == len(mine)


def test_whoever_has_the_same_place_in_another_photo_is_somebody_else() -> None:
    """Of a folder of portraits another scan may look at others."""
    mine, first, last = (walking(range(f, f + 1), speed=0, track=f) for f in (7, 5, 10))
    assert people(said((IS, "", mine)).of(together(first, last))) == [None, None]
    assert people(said((IS, "", mine)).of(together(first, mine, last))) == [None, "", None]


def test_a_long_time_is_not_guessed_over() -> None:
    ends = Faces.concatenate([walking(range(0, 3)), walking(range(200, 203))])
    between = walking(range(90, 110))
    assert people(said((IS, "", ends)).of(between)) == [None] * len(between)


def test_another_place_or_time_is_another_face() -> None:
    mine = walking(SEEN)
    for other in (walking(SEEN, lane=90), walking(range(300, 340, 7))):
        assert not said((IS, "", mine)).of(other).any


def test_the_last_answer_counts_and_a_refusal_refuses_one_person_only() -> None:
    mine = walking(SEEN)
    labels = said((IS, "", mine), (IS, "Zoë", mine), (IS_NOT, "", mine)).of(mine)
    assert set(people(labels)) == {"Zoë"}
    assert labels.refused.all(axis=0).tolist() == [True, False]
    labels = said((IS_NOT, "", mine), (IS, "", mine)).of(mine)
    assert set(people(labels)) == {""}
    assert not labels.refused.any()


def test_a_later_half_stands_apart_and_is_answered_for_by_itself() -> None:
    mine = walking(SEEN)
    half = mine.select(np.arange(10, 20))
    labels = said((IS, "", mine), (APART, "", half), (IS, "Zoë", half)).of(mine)
    assert people(labels) == [""] * 10 + ["Zoë"] * 10
    assert len(np.unique(labels.parted(mine.track))) == 2


def of_parts(reviews: list[Review], parts: list[Faces]) -> list[set[str | None]]:
    """Whose the faces of each part are, when all are seen."""
    said = Said("film", reviews, NAMES)
    labels = [said.of(each) for each in parts]
    spread(labels)
    return [set(people(each)) for each in labels]


@pytest.mark.parametrize("seconds", [0, 60])
def test_what_is_one_person_shares_answers_but_keeps_what_was_said_of_each(seconds: int) -> None:
    """Also over the ends of the parts that a long film is read in."""
    parts = [walking(SEEN, lane=100 * n, track=n) for n in range(4)]
    parts = [replace(f, pts_seconds=f.pts_seconds + n * seconds) for n, f in enumerate(parts)]
    one, more, all_ = (
        Review(row, ONE, "", tuple(Part.of("film", "dlib", parts[n]) for n in which))
        for row, which in ((1, (0, 1)), (2, (1, 2)), (3, (0, 3)))
    )
    last = Review(4, IS, "Zoë", (Part.of("film", "dlib", parts[2]),))
    other = Review(5, IS, "", (Part.of("film", "dlib", parts[0]),))
    seen = parts if seconds else [together(*parts)]
    everybody = [{"Zoë"}] * 4 if seconds else [{"Zoë"}]
    assert of_parts([one, more, all_, last], seen) == everybody
    each = [{""}, {None}, {"Zoë"}, {None}]
    assert of_parts([one, more, all_, last, other], seen) == (
        each if seconds else [{"", None, "Zoë"}]
    )


def test_what_was_said_of_another_hour_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A film is read part by part, and there may be thousands of answers about each."""

    def never(*_: object) -> None:
        raise AssertionError("looked for")

    monkeypatch.setattr("facegrab.people.said.found_again", never)
    later = walking(range(9000, 9100, 7))
    assert not said(*[(IS, "", walking(SEEN))] * 3).of(later).any
    assert not said((IS, "", later)).of(walking(SEEN)).any


def test_what_was_said_of_another_source_says_nothing() -> None:
    mine = walking(SEEN)
    review = Review(1, IS, "", (Part.of("another", "dlib", mine),))
    assert not Said("film", [review], NAMES).of(mine).any


def test_the_index_gives_back_what_it_was_given(tmp_path: Path) -> None:
    faces = walking(SEEN)
    with Database(tmp_path / "facegrab.db") as database:
        reviews = Reviews(database)
        assert reviews.all() == ()
        row = reviews.add(IS, "Zoë", [Part.of("film", "dlib", faces)])
        again = reviews.add(IS_NOT, "", [Part.of("film", "dlib", faces, keep=False)])
        first, second = reviews.all()
        assert (first.row, first.said, first.person) == (row, IS, "Zoë")
        (part,) = first.parts
        assert part.ticks.tolist() == (faces.frame * 40_000).tolist()
        np.testing.assert_array_equal(part.box, faces.box)
        assert {each.tobytes() for each in part.embedding} <= {
            each.tobytes() for each in faces.embedding
        }
        assert len(part.embedding) == EXAMPLES
        assert second.parts[0].embedding.size == 0
        assert reviews.undo(again)
        assert not reviews.undo(again)
        assert reviews.add(IS_NOT, "", [Part.of("film", "dlib", faces)]) > again
        with pytest.raises(ValueError, match="cannot be said"):
            reviews.add("maybe", "", [])


def test_a_damaged_answer_is_told(tmp_path: Path) -> None:
    with Database(tmp_path / "facegrab.db") as database:
        reviews = Reviews(database)
        reviews.add(IS, "", [Part.of("film", "dlib", walking(SEEN))])
        with database.transaction():
            database.execute("UPDATE review_part SET ticks = zeroblob(8 * 1048577)")
        with pytest.raises(StoreError, match="damaged"):
            reviews.all()


def test_what_is_in_effect_has_a_name() -> None:
    assert in_effect([]) == ""
    assert in_effect([1, 2]) == in_effect([2, 1]) != in_effect([1, 12])


def test_an_index_of_before_gets_room_for_answers(tmp_path: Path) -> None:
    path = tmp_path / "facegrab.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "_STEPS", schema._STEPS[:5])
        patch.setattr(schema, "SCHEMA_VERSION", 5)
        with Database(path) as database, database.transaction():
            database.execute(
                "INSERT INTO source (content, path, name, complete) VALUES ('c', '/a', 'a', 1)"
            )
    assert ask(path, "PRAGMA user_version") == [(5,)]
    with Database(path) as database:
        assert Reviews(database).all() == ()
    assert ask(path, "SELECT content, complete, reviewed FROM source") == [("c", 1, "")]
