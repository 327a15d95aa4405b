"""The best and most different of many pictures; what each is worth."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from portraits import apart, drawn

from facegrab.people import worth
from facegrab.people.choose import Pictures, choose, turn_bins
from facegrab.types import FloatArray, IntArray
from facegrab.vision.portrait import PRINT_BITS, portrait


def pictures(count: int, seed: int = 1, **columns: object) -> Pictures:
    """Pictures that are unlike each other in every way, all worth the same."""
    random = np.random.default_rng(seed)
    made = Pictures(
        worth=np.full(count, 0.8, np.float32),
        vector=apart(count, 0.8),
        fingerprint=random.integers(0, 2, (count, PRINT_BITS)).astype(np.bool_),
        yaw=random.uniform(-50, 50, count).astype(np.float32),
        pitch=random.uniform(-20, 20, count).astype(np.float32),
        source=np.zeros(count, np.int64),
        shot=np.zeros(count, np.int64),
    )
    return replace(made, **columns)  # type: ignore[arg-type]


def joined(*parts: Pictures) -> Pictures:
    return Pictures(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Pictures)}
    )


class TestChoose:
    def test_the_worth_most_first(self) -> None:
        value = np.linspace(0.3, 0.9, 20).astype(np.float32)
        assert choose(pictures(20, worth=value), 5)[0] == 19

    def test_none_twice_and_no_more_than_asked(self) -> None:
        chosen = choose(pictures(40), 15)
        assert len(set(chosen.tolist())) == 15

    def test_all_when_there_are_no_more(self) -> None:
        assert sorted(choose(pictures(8), 15).tolist()) == list(range(8))

    def test_those_of_no_worth_never(self) -> None:
        value = np.array([0.8, 0, 0.7, 0, 0.6], np.float32)
        assert sorted(choose(pictures(5, worth=value), 5).tolist()) == [0, 2, 4]

    def test_nothing_to_choose_from(self) -> None:
        assert choose(pictures(0), 5).tolist() == []

    def test_of_near_duplicates_one(self) -> None:
        one = pictures(6)
        copies = replace(one, vector=one.vector + np.float32(0.001))
        copies.fingerprint[:, :3] ^= True
        copies = replace(copies, worth=np.full(6, 0.85, np.float32))
        chosen = choose(joined(one, copies), 12)
        assert len(chosen) == 6
        assert set(chosen.tolist()) == set(range(6, 12))  # the better ones

    @pytest.mark.parametrize("differs", ["vector", "fingerprint"])
    def test_a_duplicate_is_alike_in_both(self, differs: str) -> None:
        """The same look of the recogniser with another picture stays, and the other way round."""
        one = pictures(1)
        other = pictures(1, seed=9, vector=apart(1, 0.8, seed=5))
        other = replace(one, **{differs: getattr(other, differs)})
        assert len(choose(joined(one, other), 2)) == 2

    def test_spread_over_sources(self) -> None:
        source = np.repeat([0, 1, 2], [90, 5, 5])
        chosen = choose(pictures(100, source=source), 12)
        assert np.bincount(source[chosen]).tolist() == pytest.approx([4, 4, 4], abs=1)

    def test_spread_over_shots(self) -> None:
        shot = np.repeat([0, 1], [95, 5])
        chosen = choose(pictures(100, shot=shot), 8)
        assert (shot[chosen] == 1).sum() >= 3

    def test_spread_over_turns(self) -> None:
        yaw = np.concatenate([np.random.default_rng(2).uniform(-3, 3, 95), [-45, -30, 25, 40, 55]])
        all_of_them = pictures(100, yaw=yaw.astype(np.float32), pitch=np.zeros(100, np.float32))
        chosen = set(choose(all_of_them, 10).tolist())
        assert {95, 96, 97, 98, 99} <= chosen

    def test_a_bad_one_is_not_taken_for_being_new(self) -> None:
        value = np.array([0.85] * 20 + [0.3], np.float32)
        yaw = np.array([0.0] * 20 + [60], np.float32)
        assert 20 not in choose(pictures(21, worth=value, yaw=yaw), 5)

    def test_unknown_turns(self) -> None:
        unknown = np.full(10, np.nan, np.float32)
        assert len(choose(pictures(10, yaw=unknown, pitch=unknown), 5)) == 5

    @pytest.mark.parametrize("differs", ["vector", "fingerprint"])
    def test_the_most_unlike_first(self, differs: str) -> None:
        """Twenty that are much like each other, and three that are not, all worth the same."""
        flat = np.zeros(23, np.float32)
        vector = np.concatenate([apart(20, 0.5), apart(3, 1.2, seed=7)])
        prints = np.zeros((23, PRINT_BITS), np.bool_)
        prints[np.arange(20), np.arange(20)] = True
        prints[20:] = np.random.default_rng(1).integers(0, 2, (3, PRINT_BITS)) == 1
        if differs == "vector":
            prints[:] = False
        else:
            vector = apart(23, 0.5)
        them = replace(pictures(23, vector=vector, yaw=flat, pitch=flat), fingerprint=prints)
        assert {20, 21, 22} <= set(choose(them, 4).tolist())

    def test_more_different_than_at_random(self) -> None:
        """Many of one look, few of others: the mean difference of the picked is larger."""
        same = pictures(80, vector=apart(80, 0.3), yaw=np.zeros(80, np.float32))
        all_of_them = joined(same, pictures(20, seed=4, vector=apart(20, 0.8, seed=6)))
        random = np.random.default_rng(0)

        def mean(rows: IntArray) -> float:
            vector = all_of_them.vector[rows]
            away = np.linalg.norm(vector[:, None] - vector[None], axis=2)
            return float(away[np.triu_indices(len(vector), 1)].mean())

        by_chance = [mean(random.choice(100, 15, replace=False)) for _ in range(20)]
        assert mean(choose(all_of_them, 15)) > max(by_chance)

    def test_the_same_each_time(self) -> None:
        assert choose(pictures(50), 20).tolist() == choose(pictures(50), 20).tolist()


def test_bins_of_turns() -> None:
    yaw = np.array([0, 7, 8, -8, np.nan, 0], np.float32)
    pitch = np.array([0, 5, 0, 0, 0, 13], np.float32)
    first, second, *others = turn_bins(yaw, pitch).tolist()
    assert first == second
    assert len({first, *others}) == 5
    assert others[2] == -1


class TestWorth:
    def test_every_quality_rises_to_one(self) -> None:
        figures = {
            "clear": worth.clear(np.array([0.0, 0.1, 0.2, 0.5, 2])),
            "large": worth.large(np.array([0.0, 30, 60, 120, 900])),
            "dark": worth.lit(np.array([0, 30, 40, 50, 90]), np.full(5, 40), np.zeros(5)),
            "bright": worth.lit(np.array([255, 235, 220, 210, 150]), np.full(5, 40), np.zeros(5)),
            "flat": worth.lit(np.full(5, 120), np.array([0, 8, 10, 14, 40]), np.zeros(5)),
            "clipped": worth.lit(np.full(5, 120), np.full(5, 40), np.array([1, 0.2, 0.1, 0.05, 0])),
            "covered": worth.free(np.zeros(5), np.array([0.5, 0.08, 0.06, 0.04, 0])),
            "unfamiliar": worth.free(np.array([3, 1, 0.9, 0.8, 0.2]), np.zeros(5)),
        }
        for name, values in figures.items():
            assert values.tolist() == sorted(values.tolist()), name
            assert values[0] == pytest.approx(worth.FLOOR)
            assert values[-1] == 1, name

    def test_a_face_that_the_frame_cuts(self) -> None:
        box = np.array([[10, 10, 49, 49], [-10, 10, 29, 49], [80, 10, 119, 49]], float)
        whole, left, right = worth.inside(box, np.full(3, 100.0), np.full(3, 100.0)).tolist()
        assert whole == 1
        assert left < 0.5
        assert right < 0.5

    def test_a_frame_of_unknown_size_cuts_nothing(self) -> None:
        box = np.array([[80, 10, 119, 49]], float)
        assert worth.inside(box, np.full(1, np.nan), np.full(1, np.nan)).tolist() == [1]

    def test_none_makes_up_for_another(self) -> None:
        one = np.ones(1, np.float32)
        good = worth.Worth(one, one, one, one, one)
        bad = replace(good, clear=np.array([worth.FLOOR], np.float32))
        assert good.total.tolist() == [1]
        assert bad.total[0] < 0.6
        assert bad.least.tolist() == pytest.approx([worth.FLOOR])


def thumbs(*hands: int, count: int = 30, light: float = 1.0) -> FloatArray:
    return np.array(
        [
            portrait(drawn(smile=0.3 * np.sin(row), light=light, hand=row in hands)).thumb
            for row in range(count)
        ]
    )


class TestSpots:
    flat = np.zeros(30, np.float32)
    one = np.zeros(30, np.int64)

    def test_a_hand_is_one(self) -> None:
        found = worth.spots(thumbs(4, 17), self.flat, self.flat, self.one)
        assert set(np.flatnonzero(found > 0.1).tolist()) == {4, 17}
        assert worth.free(self.flat, found)[4] == pytest.approx(worth.FLOOR)

    def test_only_similarly_turned_ones_are_compared(self) -> None:
        yaw = np.array([40.0 if row == 4 else 0 for row in range(30)], np.float32)
        assert worth.spots(thumbs(4), yaw, self.flat, self.one)[4] == 0

    def test_a_little_farther_turned_only_much_is_one(self) -> None:
        yaw = np.array([25.0 if row in (4, 9) else 0 for row in range(30)], np.float32)
        seen = thumbs()
        seen[4] = portrait(drawn(turn=0.5)).thumb
        half = drawn(turn=0.5)
        half[:, :140] = 20
        seen[9] = portrait(half).thumb
        found = worth.spots(seen, yaw, self.flat, self.one)
        assert found[4] == 0
        assert found[9] > 0.1

    def test_too_few_tell_nothing(self) -> None:
        few = worth.spots(thumbs(2, count=6), self.flat[:6], self.flat[:6], self.one[:6])
        assert not few.any()

    def test_another_light_is_none(self) -> None:
        """Of a second film whose light falls otherwise not everything is covered."""
        other = thumbs(count=10).copy()
        other[:, 8:] += 1.5
        both = np.concatenate([thumbs(count=30), other])
        source = np.repeat([0, 1], [30, 10])
        flat = np.zeros(40, np.float32)
        assert np.median(worth.spots(both, flat, flat, source)[30:]) == 0

    def test_unknown_turns(self) -> None:
        unknown = np.full(30, np.nan, np.float32)
        assert not worth.spots(thumbs(4), unknown, unknown, self.one).any()


def test_who_is_unlike_the_others_of_the_film() -> None:
    vector = apart(20, 0.3)
    vector[7] = apart(1, 3.0, seed=8)[0]
    away = worth.unfamiliar(vector, np.zeros(20, np.int64))
    assert away.argmax() == 7
    assert np.delete(away, 7).max() < 0.5
