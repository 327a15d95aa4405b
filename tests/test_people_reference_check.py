"""The reference doctor's judgement, on faces that are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegrab.errors import GalleryError
from facegrab.models.specs import Metric
from facegrab.people import reference_check
from facegrab.people.decide import people_distances
from facegrab.people.gallery import Gallery
from facegrab.people.identity import common_identity
from facegrab.people.reference_check import ALIKE_BITS, Finding, Pictured, check
from facegrab.people.reference_gaps import found_by_front, turns
from facegrab.types import FloatArray
from facegrab.vision.pose import TURNS

LENGTH = 32
TOLERANCE = 0.6
METRICS: list[Metric] = ["euclidean", "cosine"]


def face(who: int, seed: int, noise: float = 0.25) -> FloatArray:
    """Of person who: other faces of the same are about .35 from it, others' 1.4."""
    random = np.random.default_rng((who, seed))
    found = np.eye(LENGTH)[who] + random.normal(0, noise / LENGTH**0.5, LENGTH)
    return np.asarray(found, np.float16).astype(np.float32)


def picture(name: str, *faces: FloatArray, size: float = 100, sharp: float = 50) -> Pictured:
    count = len(faces)
    return Pictured(
        name,
        f"hash of {name}",
        np.array(faces, np.float32).reshape(count, LENGTH),
        np.full(count, size, np.float32),
        np.full(count, sharp, np.float32),
        np.zeros(count, np.float32),
        np.random.default_rng(list(name.encode())).random(64) < 0.5,
    )


def of(who: int, count: int, **options: float) -> list[Pictured]:
    """Pictures of one person, called 0-0, 0-1, ..."""
    return [picture(f"{who}-{n}", face(who, n), **options) for n in range(count)]


def checked(pictures: Sequence[Pictured], metric: Metric = "euclidean") -> dict[str, Finding]:
    found = check(pictures, metric, TOLERANCE, blur_threshold=10)
    assert [each.name for each in found] == [each.name for each in pictures]
    return {each.name: each for each in found}


def verdicts(pictures: Sequence[Pictured]) -> dict[str, str]:
    return {name: each.verdict for name, each in checked(pictures).items()}


class TestWhoIsMeant:
    @settings(deadline=None)
    @given(
        st.integers(2, 12),
        st.lists(st.integers(1, 11), max_size=4),
        st.integers(0, 99),
        st.sampled_from(METRICS),
    )
    def test_the_person_of_most_pictures_whoever_the_others_are(
        self, count: int, others: list[int], seed: int, metric: Metric
    ) -> None:
        """Also if nearly half and more show others, as long as no other is in as many."""
        random = np.random.default_rng(seed)
        pictures = of(0, count)
        for who, number in enumerate(others, start=1):
            pictures += of(who, min(number, count - 1))
        shuffled = [pictures[each] for each in random.permutation(len(pictures))]
        found = checked(shuffled, metric)
        kept = {name for name, each in found.items() if each.verdict == "kept"}
        assert kept == {f"0-{number}" for number in range(count)}
        assert {each.verdict for name, each in found.items() if name not in kept} <= {"other"}

    def test_of_a_group_photo_the_face_of_the_person(self) -> None:
        strangers = [face(who, 7) for who in (3, 4, 5)]
        group = picture("group", strangers[0], strangers[1], face(0, 8), strangers[2])
        found = checked([*of(0, 3), group])
        assert (found["group"].verdict, found["group"].face, found["group"].faces) == ("kept", 2, 4)

    def test_all_are_group_photos(self) -> None:
        pictures = [picture(f"{n}", face(1 + n, 0), face(0, n), face(11 + n, 0)) for n in range(4)]
        assert {each.face for each in checked(pictures).values()} == {1}

    def test_a_stranger_copied_many_times_has_one_voice(self) -> None:
        stranger = picture("s", face(1, 0))
        copies = [replace(stranger, name=f"copy {number}") for number in range(9)]
        found = verdicts([*of(0, 3), stranger, *copies])
        assert [found[f"0-{number}"] for number in range(3)] == ["kept"] * 3
        assert found["s"] == "other"
        assert {found[each.name] for each in copies} == {"duplicate"}

    def test_poor_faces_have_no_voice(self) -> None:
        found = verdicts([*of(0, 2), *of(1, 2, size=20), *of(2, 2, sharp=1)])
        assert [found[name] for name in ("0-0", "1-0", "2-0")] == ["kept", "other", "other"]

    def test_unless_there_are_no_others(self) -> None:
        assert set(verdicts(of(0, 3, sharp=1)).values()) == {"blurred"}

    def test_one_picture_is_judged_by_its_largest_face(self) -> None:
        alone = picture("a", face(0, 0), face(1, 0))
        alone.size_px[:] = [60, 90]
        (found,) = check([alone], "euclidean", TOLERANCE, blur_threshold=10)
        assert (found.verdict, found.face, found.distance) == ("kept", 1, None)


class TestTooClose:
    @pytest.mark.parametrize("count", [2, 5])
    def test_two_people_of_equal_numbers_are_named(self, count: int) -> None:
        with pytest.raises(GalleryError) as caught:
            checked([*of(0, count), *of(1, count), *of(2, 1)])
        message = str(caught.value)
        assert "\n" not in message
        assert f"two people are in {count} pictures each" in message
        one, other = message.split("the other in")
        for number in range(count):
            assert f"0-{number}" in one
            assert f"1-{number}" in other

    def test_a_couple_in_every_picture(self) -> None:
        with pytest.raises(GalleryError, match="two people are together in a, b: give a picture"):
            checked([picture("a", face(0, 0), face(1, 0)), picture("b", face(0, 1), face(1, 1))])

    def test_a_picture_more_decides(self) -> None:
        couple = [picture(f"{n}", face(1, n), face(0, n)) for n in range(3)]
        found = checked([*couple, picture("alone", face(0, 9))])
        assert [each.face for each in found.values()] == [1, 1, 1, 0]

    def test_nobody_is_like_another(self) -> None:
        with pytest.raises(GalleryError, match="no two of 0-0, 1-0, 2-0 show the same person"):
            checked([*of(0, 1), *of(1, 1), *of(2, 1)])

    def test_many_names_are_cut(self) -> None:
        with pytest.raises(GalleryError, match=r"0-9 and 3 more, the other in 1-0, .*and 3 more:"):
            checked([*of(0, 13), *of(1, 13)])

    def test_one_folder_is_named_once(self) -> None:
        pictures = [replace(each, name=f"far/away/{each.name}") for each in [*of(0, 2), *of(1, 2)]]
        with pytest.raises(GalleryError, match="one in far/away/0-0, 0-1, the other in far/away/1"):
            checked(pictures)


class TestVerdicts:
    def test_each_kind(self) -> None:
        found = checked(
            [
                *of(0, 4),
                picture("small", face(0, 20), size=39),
                picture("blurred", face(0, 21), sharp=9.9),
                picture("stranger", face(1, 0)),
                picture("nobody"),
                replace(picture("broken"), readable=False),
            ]
        )
        assert [each.verdict for each in found.values()] == [
            *["kept"] * 4, "small", "blurred", "other", "no face", "unreadable",
        ]  # fmt: skip
        assert found["stranger"].distance == pytest.approx(1.4, abs=0.2)
        assert found["small"].distance is not None
        assert found["small"].distance < TOLERANCE
        assert found["nobody"].face is None

    def test_the_distance_is_that_of_a_run_without_the_picture(self) -> None:
        pictures = of(0, 6)
        found = checked(pictures)
        for number, each in enumerate(pictures):
            rest = [other.embedding[0] for other in pictures if other is not each]
            gallery = Gallery(np.stack(rest), ("",) * len(rest))
            expected = people_distances(each.embedding, [gallery])[0, 0]
            assert found[f"0-{number}"].distance == pytest.approx(expected, abs=1e-6)

    def test_of_copies_the_one_with_the_largest_face_is_kept(self) -> None:
        original = picture("original", face(0, 9), size=300)
        smaller = picture("smaller", face(0, 9, noise=0.255), size=100)
        bits = original.fingerprint
        assert bits is not None
        bits = bits.copy()
        bits[:ALIKE_BITS] ^= True
        found = checked([*of(0, 2), replace(smaller, fingerprint=bits), original])
        assert (found["smaller"].verdict, found["smaller"].of) == ("duplicate", "original")
        assert found["original"].verdict == "kept"

    def test_two_pictures_of_one_moment_are_no_copies(self) -> None:
        """Alike faces in pictures that are not, and a burst of the same scene with other faces."""
        one, other = picture("one", face(0, 9)), picture("other", face(0, 9, noise=0.255))
        assert verdicts([*of(0, 2), one, other])["other"] == "kept"
        same_scene = replace(picture("later", face(0, 5)), fingerprint=one.fingerprint)
        assert verdicts([one, same_scene, *of(0, 2)])["later"] == "kept"

    def test_a_saved_reference_is_the_same_as_its_picture(self) -> None:
        pictures = of(0, 3)
        unknown = np.full(1, np.inf, np.float32)
        saved = replace(
            pictures[1], name="saved#1", size_px=unknown, sharpness=unknown, fingerprint=None
        )
        found = checked([*pictures, saved])
        assert found["0-1"].of == "saved#1"
        assert found["saved#1"].verdict == "kept"

    def test_saved_ones_without_a_hash_are_compared_by_their_numbers(self) -> None:
        saved = [replace(each, hash="", fingerprint=None) for each in of(0, 3)]
        found = verdicts([*saved, replace(saved[0], name="again")])
        assert list(found.values()) == ["kept"] * 3 + ["duplicate"]


class TestRefused:
    def test_no_face_anywhere(self) -> None:
        with pytest.raises(GalleryError, match="no face found in a, b: give sharp pictures"):
            checked([picture("a"), picture("b")])

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reference_check, "MOST_PICTURES", 2)
        with pytest.raises(GalleryError, match="3 pictures are more than 2"):
            checked(of(0, 3))


def test_the_order_of_faces_does_not_matter() -> None:
    embedding = np.stack([face(who, n) for who in (0, 1, 2) for n in range(4)][:-1])
    picture_of, votes = np.arange(11) % 8, np.ones(11, np.bool_)
    back = np.arange(11)[::-1]
    for rows in (np.arange(11), back):
        found = common_identity(embedding[rows], picture_of[rows], votes, "euclidean", TOLERANCE)
        assert {frozenset(found.members), frozenset(found.rival)} == {
            frozenset({0, 1, 2, 3}),
            frozenset({4, 5, 6, 7}),
        }


def test_a_face_between_two_people_is_of_the_nearer_and_brings_in_nobody() -> None:
    """Two who are alike, and a picture of the one that is within the tolerance of both."""
    towards = np.eye(LENGTH, dtype=np.float32)[9]
    own = of(0, 6)
    others = [picture(f"1-{n}", face(0, 10 + n, 0.1) + np.float32(0.9) * towards) for n in range(4)]
    between = picture("between", face(0, 30, 0.1) + np.float32(0.5) * towards)
    found = checked([*own, *others, between])
    assert {each.verdict for name, each in found.items() if name[0] == "0"} == {"kept"}
    assert {each.verdict for name, each in found.items() if name[0] != "0"} == {"other"}
    assert found["between"].distance is not None
    assert found["between"].distance < TOLERANCE


class TestTurns:
    def test_what_no_reference_shows(self) -> None:
        pictures = of(0, 5)
        for each, yaw in zip(pictures, (0, 5, -30, -70, np.nan), strict=True):
            each.yaw[:] = yaw
        stranger = picture("stranger", face(1, 0))
        stranger.yaw[:] = 80
        found = [*pictures, stranger]
        heads = turns(found, list(checked(found).values()))
        assert heads.counts == dict(zip(TURNS, (1, 1, 2, 0, 0), strict=True))
        assert (heads.unknown, heads.missing) == (1, ["half right", "profile right"])

    def test_every_turn_but_the_front_has_its_cost(self) -> None:
        costs = {name: found_by_front(name) for name in TURNS}
        assert [name for name, each in costs.items() if each is None] == ["front"]
        assert costs["profile left"] == costs["profile right"] != costs["half left"]
