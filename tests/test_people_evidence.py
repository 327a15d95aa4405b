"""Evidence: what was said makes witnesses, strangers and references, as long as it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_people_judge import AXES, TOLERANCE, at, faces_of, gallery, track

from facegrab.people.evidence import MOST, Evidence
from facegrab.people.gallery import Gallery, distances
from facegrab.people.judge import Asked, Person
from facegrab.people.verdicts import DROP, KEEP, Verdicts
from facegrab.store.reviews import APART, IS, IS_NOT, Part, Review
from facegrab.store.reviews import ONE as ONE_PERSON
from facegrab.types import Faces, FloatArray

ONE = Asked((Person("", gallery(AXES[0])),), (), TOLERANCE, "euclidean")
FILM, OTHER = "film", "another"


def reviews(*said: tuple[str, str, Faces], content: str = FILM) -> list[Review]:
    return [
        Review(number + 1, what, who, (Part.of(content, "dlib", faces),))
        for number, (what, who, faces) in enumerate(said)
    ]


def judged(faces: Faces, said: list[Review], asked: Asked = ONE, content: str = FILM) -> Verdicts:
    judge = Evidence(said, "dlib").judge(asked, content)
    judge.see(faces)
    (verdicts,) = judge.verdicts()
    return verdicts


def by_track(verdicts: Verdicts, faces: Faces) -> dict[int, tuple[str, str]]:
    return {
        int(number): (verdicts.name(row), str(verdicts.verdict[row]))
        for row, number in enumerate(faces.track.tolist())
    }


def placed(faces: Faces) -> Faces:
    """Each track in a place of its own, at times of its frames."""
    left = faces.track * 100.0
    box = np.column_stack([left, left * 0, left + 50, left * 0 + 50]).astype(np.float32)
    return replace(faces, box=box, pts_seconds=np.asarray(faces.frame * 0.04, np.float64))


def film(*tracks: tuple[range, FloatArray]) -> Faces:
    rows = [row for number, each in enumerate(tracks) for row in track(number, *each)]
    return placed(faces_of(rows))


def of(faces: Faces, number: int) -> Faces:
    return faces.select(faces.track == number)


FIRST, LATER = range(0, 8), range(20, 28)


def test_a_track_is_whose_it_was_said_to_be_however_far_it_is() -> None:
    faces = film((FIRST, at(1.2)), (LATER, AXES[5]))
    verdicts = judged(faces, reviews((IS, "", of(faces, 1))))
    assert by_track(verdicts, faces) == {0: ("", DROP), 1: ("", KEEP)}
    assert verdicts.probability[faces.track == 1].tolist() == [1.0] * 8


def test_those_who_are_one_person_are_that_however_many_parts_a_film_is_read_in() -> None:
    faces = film((FIRST, AXES[4]), (LATER, AXES[5]))
    said = reviews((ONE_PERSON, "", faces), (IS, "", of(faces, 0)))
    judge = Evidence(said, "dlib").judge(ONE, FILM)
    judge.see(of(faces, 0))
    judge.see(of(faces, 1))
    assert [set(each.verdict.tolist()) for each in judge.verdicts()] == [{KEEP}, {KEEP}]


def test_whoever_stands_beside_the_person_is_somebody_else() -> None:
    faces = film((FIRST, at(0.45, 1)), (FIRST, at(0.45, 2)))
    assert {verdict for _, verdict in by_track(judged(faces, []), faces).values()} != {DROP}
    said = by_track(judged(faces, reviews((IS, "", of(faces, 0)))), faces)
    assert said == {0: ("", KEEP), 1: ("", DROP)}


def test_one_that_was_refused_takes_those_very_like_it_along_and_not_the_person() -> None:
    faces = film((FIRST, at(0.5, 1)), (LATER, at(0.48, 1)), (range(40, 48), at(0.1, 2)))
    assert by_track(judged(faces, []), faces)[1] != ("", DROP)
    said = by_track(judged(faces, reviews((IS_NOT, "", of(faces, 0)))), faces)
    assert said == {0: ("", DROP), 1: ("", DROP), 2: ("", KEEP)}


def test_faces_of_another_film_join_the_references_and_push_nobody_out() -> None:
    turned = film((FIRST, at(0.75, 3)))
    said = reviews((IS, "", turned), content=OTHER)
    faces = film((FIRST, at(0.75, 3)), (LATER, at(0.25, 4)))
    before, after = judged(faces, []), judged(faces, said)
    assert by_track(before, faces)[0] == ("", DROP)
    assert by_track(after, faces) == {0: ("", KEEP), 1: ("", KEEP)}
    assert (after.distance <= before.distance + 1e-6).all()


def test_faces_of_the_film_itself_join_no_references() -> None:
    faces = film((FIRST, at(0.75, 3)))
    (person,) = Evidence(reviews((IS, "", faces)), "dlib").asked(ONE, FILM).people
    assert person.further is None


def test_a_few_join_all_unlike_each_other() -> None:
    many = [
        review
        for axis in range(1, 40)
        for review in reviews((IS, "", film((FIRST, at(0.7, axis)))), content=f"{axis}")
    ]
    twice = [replace(each, row=row + 1) for row, each in enumerate([*many, *many])]
    (person,) = Evidence(twice, "dlib").asked(ONE, FILM).people
    assert person.further is not None
    assert len(person.further) == MOST
    same = reviews((IS, "", film((FIRST, at(0.05)))), content=OTHER)
    (person,) = Evidence(same, "dlib").asked(ONE, FILM).people
    assert person.further is None


def test_what_another_recogniser_described_is_not_compared() -> None:
    said = reviews((IS, "Zoë", film((FIRST, AXES[5]))), content=OTHER)
    assert Evidence(said, "sface").asked(ONE, FILM) == ONE
    assert len(Evidence(said, "dlib").asked(ONE, FILM).people) == 2


def test_a_new_person_competes_with_those_asked_for() -> None:
    faces = film((FIRST, AXES[5]), (LATER, AXES[5]), (range(40, 48), at(0.1)))
    verdicts = judged(faces, reviews((IS, "Zoë", of(faces, 0))))
    assert by_track(verdicts, faces) == {0: ("Zoë", KEEP), 1: ("Zoë", KEEP), 2: ("", KEEP)}


@pytest.mark.parametrize("later", [IS_NOT, IS])
def test_what_was_said_otherwise_later_is_no_evidence(later: str) -> None:
    faces = film((FIRST, AXES[5]))
    who = "" if later == IS_NOT else "Al"
    said = reviews((IS, "", faces), (later, who, faces), content=OTHER)
    first = Evidence(said, "dlib").asked(ONE, FILM).people[0]
    assert first.further is None
    assert (first.never is None) == (later == IS)


def test_what_was_said_of_a_part_counts_for_that_part() -> None:
    faces = film((range(0, 12), at(0.2)))
    tail = faces.select(np.arange(4, 12))
    said = reviews((IS, "", faces), (APART, "", tail), (IS, "Zoë", tail))
    verdicts = judged(faces, said)
    assert [verdicts.name(row) for row in range(12)] == [""] * 4 + ["Zoë"] * 8


def test_of_everybody_names_are_given_and_nobody_is_looked_for() -> None:
    asked = Asked((), (), TOLERANCE, "euclidean")
    faces = film((FIRST, AXES[5]), (LATER, AXES[5]))
    verdicts = judged(faces, reviews((IS, "Zoë", of(faces, 0))), asked)
    assert by_track(verdicts, faces) == {0: ("Zoë", KEEP), 1: ("", KEEP)}


def test_by_the_tolerance_only_what_was_said_is_otherwise() -> None:
    asked = replace(ONE, by_tolerance=True)
    faces = film((FIRST, at(0.1)), (LATER, AXES[5]), (range(40, 48), AXES[5]))
    said = reviews((IS_NOT, "", of(faces, 0)), (IS, "", of(faces, 1)))
    verdicts = judged(faces, said, asked)
    assert by_track(verdicts, faces) == {0: ("", DROP), 1: ("", KEEP), 2: ("", DROP)}


def test_nothing_said_changes_nothing() -> None:
    assert Evidence().asked(ONE, FILM) is ONE
    assert Evidence().said(ONE, FILM) is None
    assert isinstance(ONE.people[0].gallery, Gallery)


def test_a_thousand_answers_are_compared_at_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them one by one, for each film and answer, would take longer than the answer."""
    calls = 0

    def counted(*those: Any) -> FloatArray:
        nonlocal calls
        calls += 1
        return distances(*those)

    monkeypatch.setattr("facegrab.people.evidence.distances", counted)
    faces = film((FIRST, at(0.1)))
    evidence = Evidence(reviews(*[(IS, "", faces)] * 1000, content=OTHER), "dlib")
    known = evidence.asked(ONE, FILM)
    assert evidence.asked(ONE, FILM) is known
    assert calls == 1
    other = replace(ONE, tolerance=0.1)
    assert evidence.asked(other, FILM).tolerance == 0.1
