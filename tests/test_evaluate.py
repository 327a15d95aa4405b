"""Verification figures: numbers known beforehand, painted people, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from clips import write_image
from fakes import HUE, PEOPLE, paint, painted_eyes, scene

from facegrab import evaluate as module
from facegrab.errors import GalleryError, MissingError
from facegrab.evaluate import Described, Evaluation, Labelled, compare, evaluate, labelled
from facegrab.roc import BOTTOM, LEFT, RIGHT, TOP, Curve, write_roc
from facegrab.types import FloatArray, Image
from facegrab.verification import At, Pairs, figures
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look


def pairs(same: Sequence[float], different: Sequence[float]) -> Pairs:
    return Pairs(np.sort(np.array(same, np.float32)), np.sort(np.array(different, np.float32)))


def paint_people(folder: Path, **counts: int) -> Path:
    """Sub-folders of people with so many pictures each."""
    for who, count in counts.items():
        (folder / who).mkdir(parents=True)
        for number in range(count):
            picture = scene()
            if who in PEOPLE:
                paint(picture, who, 10 + 20 * number, 30)
            write_image(folder / who / f"{number}.png", picture)
    return folder


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """3 of red, 2 of orange, which is .4 away, 2 of blue and one of nobody among those."""
    folder = paint_people(tmp_path / "people", red=3, orange=2, blue=2)
    write_image(folder / "blue" / "none.png", scene())
    return folder


def seen(folder: Path) -> Evaluation:
    return evaluate(folder, Look(painted_eyes(), Wanted()))


# Figures.


def test_rates_are_shares_of_pairs() -> None:
    each = pairs([0.25, 0.5, np.inf, 0.625], [0.5625, 0.75, 0.875, np.inf])
    assert each.rates(0.2) == (0.0, 0.0)
    assert each.rates(0.5) == (0.5, 0.0)  # up to and with the tolerance
    assert each.rates(0.625) == (0.75, 0.25)
    assert each.rates(9.0) == (0.75, 0.75)  # a picture without a face is never accepted


def test_accuracy_weighs_both_kinds_of_pairs_alike() -> None:
    each = pairs([0.25, 0.5, np.inf, 0.625], [0.5625, 0.75, 0.875, 0.9])
    # At .5: 2 of 4 and 4 of 4; at .625: 3 of 4 and 3 of 4. The first of two equals.
    assert each.accuracy() == (0.75, 0.5)
    # Taking all for strangers is right in 99 of 100 pairs, and yet no better than a coin.
    assert pairs([0.9], np.linspace(0.1, 0.8, 99).tolist()).accuracy() == (0.5, 0.0)


def test_the_equal_error_rate() -> None:
    assert pairs([0.1, 0.2], [0.3, 0.4]).equal_error_rate() == 0
    assert pairs([0.1, 0.2, 0.3, 0.6], [0.5, 0.7, 0.8, 0.9]).equal_error_rate() == 0.25
    assert pairs([np.inf, np.inf], [0.5]).equal_error_rate() == 1


def test_a_tolerance_lets_no_more_strangers_in_than_allowed() -> None:
    each = pairs([0.1, 0.5], [0.3 + n / 1000 for n in range(1000)])
    for rate, strangers in ((0.01, 10), (0.001, 1), (0.0019, 1)):
        at = each.tolerance_at(rate)
        assert at is not None
        assert each.rates(at) == (0.5, strangers / 1000)
        assert each.rates(at + 1e-3)[1] > rate  # and is the largest of that kind


def test_equal_distances_are_not_let_in_by_halves() -> None:
    at = pairs([0.1], [0.2, *[0.3] * 199]).tolerance_at(0.01)
    assert at is not None
    assert 0.2 < at < np.float32(0.3)


def test_too_few_pairs_say_nothing() -> None:
    assert pairs([0.1], [0.5] * 99).tolerance_at(0.01) is None
    assert pairs([0.1], [0.5] * 100).tolerance_at(0.01) is not None
    assert pairs([np.inf], [np.inf] * 100).tolerance_at(0.01) is None


def test_a_tolerance_is_no_larger_than_what_was_seen() -> None:
    assert pairs([0.25, 0.5], [np.inf] * 100).tolerance_at(0.01) == 0.5
    assert pairs([0.25], [0.75] * 2).tolerance_at(1.0) == 0.75


def test_all_figures_of_hand_made_pairs() -> None:
    each = figures(pairs([0.25, 0.5, 0.625, 0.75], [0.6875, *[0.875] * 199]), 0.7)
    assert (each.same_pairs, each.different_pairs) == (4, 200)
    assert each.accuracy == pytest.approx((1 + 199 / 200) / 2)
    assert each.best_tolerance == 0.75
    assert each.equal_error_rate == 1 / 200
    assert each.used == At(0.7, 0.75, 1 / 200)
    at = each.at_rate[0.01]
    assert at is not None
    assert (at.true_accept_rate, at.false_accept_rate) == (1.0, 1 / 200)
    assert at.tolerance == pytest.approx(0.875)
    assert each.at_rate[0.001] is None


def test_the_curve_begins_at_one_false_accept_and_rises() -> None:
    curve = pairs([0.1, 0.2, 0.5, 0.9], [0.4, 0.6]).curve()
    assert curve.tolist() == [[0.5, 0.75], [1, 1]]
    curve = pairs([0.1, np.inf], np.linspace(0, 1, 5000).tolist()).curve()
    assert curve[0].tolist() == [1 / 5000, 0]
    assert curve[-1].tolist() == [1, 0.5]
    assert (np.diff(curve, axis=0) >= 0).all()


# Pictures.


def test_painted_people_are_told_apart_as_they_were_painted(people: Path) -> None:
    result = seen(people)
    assert (result.people, result.pictures, result.unreadable) == (3, 8, ())
    assert result.missed == (people / "blue" / "none.png",)
    assert (len(result.pairs.same), len(result.pairs.different)) == (3 + 1 + 3, 28 - 7)
    assert result.pairs.rates(0.2) == (5 / 7, 0.0)  # two true pairs have the one without a face
    assert result.pairs.rates(0.6) == (5 / 7, 6 / 21)  # red and orange
    assert np.isinf(result.pairs.different).sum() == 5


def test_pictures_that_a_label_may_be_wrong_of_are_named(tmp_path: Path) -> None:
    folder = paint_people(tmp_path, red=3, blue=3)
    wrong = (folder / "red" / "2.png").rename(folder / "blue" / "9.png")
    result = seen(folder)
    assert len(result.nearest_strangers) == len(result.farthest_same) == 3
    for pair in result.nearest_strangers[:2]:
        assert wrong in (pair.first, pair.second)
        assert pair.distance < 0.2
    assert all(wrong in (pair.first, pair.second) for pair in result.farthest_same)
    assert result.farthest_same[0].distance == result.pairs.same[-1]
    assert result.nearest_strangers[0].distance == result.pairs.different[0]


def test_many_pictures_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    embedding = random.normal(0, 0.1, (37, 128)).astype(np.float32)
    pictures = tuple(Labelled(str(n % 5), Path(f"{n}.png")) for n in range(37))
    found = np.arange(37) % 9 != 0

    def compared(block: int) -> Evaluation:
        monkeypatch.setattr(module, "_BLOCK", block)
        return compare(Described(pictures, found, embedding, "euclidean"))

    whole, parts = compared(256), compared(4)
    person = np.arange(37) % 5
    away = np.linalg.norm(embedding[:, None] - embedding, axis=2)
    away[~found] = away[:, ~found] = np.inf
    upper = np.triu_indices(37, 1)
    same = (person[:, None] == person)[upper]
    for result in (whole, parts):
        np.testing.assert_allclose(result.pairs.same, np.sort(away[upper][same]), atol=1e-5)
        np.testing.assert_allclose(result.pairs.different, np.sort(away[upper][~same]), atol=1e-5)
    assert [d.first for d in whole.farthest_same] == [d.first for d in parts.farthest_same]


def test_pictures_lie_at_any_depth_of_a_sub_folder_but_not_beside_them(
    people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (people / "red" / "old").mkdir()
    write_image(people / "red" / "old" / "9.png", scene((256, 144), red=(9, 9)))
    write_image(people / "loose.png", scene((256, 144), red=(9, 9)))
    (people / "empty").mkdir()
    found = labelled(people)
    assert [each.person for each in found] == ["blue"] * 3 + ["orange"] * 2 + ["red"] * 4
    assert "that lie in no sub-folder are left out: 1" in caplog.text


def test_what_cannot_be_read_is_left_out_and_named(
    people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = people / "red" / "0.png"
    broken.write_bytes(broken.read_bytes()[:20])
    result = seen(people)
    assert (result.pictures, result.unreadable) == (7, (broken,))
    assert len(result.pairs.same) == 1 + 1 + 3
    assert str(broken) in caplog.text


def test_pictures_are_described_without_resamples(
    people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jitters: list[int] = []
    real = Look.reference

    def noted(look: Look, image: Image, jitter: int) -> tuple[FloatArray, int]:
        jitters.append(jitter)
        return real(look, image, jitter)

    monkeypatch.setattr(Look, "reference", noted)
    seen(people)
    assert jitters == [1] * 8


def test_progress_is_told_by_the_picture(people: Path) -> None:
    told: list[tuple[int, int]] = []
    evaluate(people, Look(painted_eyes(), Wanted()), lambda *each: told.append(each))
    assert told == [(number, 8) for number in range(8)]


@pytest.mark.parametrize("counts", [{"red": 3}, {"red": 1, "blue": 1}])
def test_without_both_kinds_of_pairs_nothing_is_measured(
    tmp_path: Path, counts: dict[str, int]
) -> None:
    with pytest.raises(GalleryError, match="a sub-folder for each of two people or more"):
        seen(paint_people(tmp_path, **counts))


def test_pictures_without_a_sub_folder_are_not_enough(people: Path) -> None:
    with pytest.raises(GalleryError, match="0 pictures of 0 people"):
        labelled(people / "red")


def test_what_is_no_folder(people: Path) -> None:
    for path in (people / "none", people / "red" / "0.png"):
        with pytest.raises(MissingError, match="is no folder"):
            labelled(path)


def test_too_many_pictures(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PICTURES", 7)
    with pytest.raises(GalleryError, match="8 pictures are more than 7"):
        labelled(people)


def test_a_set_in_which_no_face_is_found_has_figures_too(tmp_path: Path) -> None:
    result = seen(paint_people(tmp_path, nobody=2, noone=2))
    each = figures(result.pairs, HUE.tolerance)
    assert len(result.missed) == 4
    assert each.used == At(0.6, 0.0, 0.0)
    assert (each.accuracy, each.equal_error_rate) == (0.5, 1.0)


# The plot.

SVG = "{http://www.w3.org/2000/svg}"


def drawn(path: Path, *curves: Curve) -> ElementTree.Element:
    write_roc(path, curves)
    return ElementTree.parse(path).getroot()


def test_the_plot_shows_curves_within_its_frame(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    good = pairs(random.normal(0.4, 0.1, 400).tolist(), random.normal(1, 0.1, 4000).tolist())
    bad = pairs(random.normal(0.7, 0.2, 400).tolist(), random.normal(1, 0.2, 4000).tolist())
    root = drawn(tmp_path / "a.svg", Curve("good", good, 0.6), Curve("bad", bad, 0.6))
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == len(root.findall(f"{SVG}circle")) == 2
    for line in lines:
        points = np.array([p.split(",") for p in line.attrib["points"].split()], float)
        assert points[:, 0].min() >= LEFT
        assert points[-1].tolist() == [RIGHT, TOP]
        assert points[:, 1].max() <= BOTTOM
    words = [text.text for text in root.findall(f"{SVG}text")]
    assert "good, dot: tolerance 0.6" in words
    assert {"0.01 %", "0.1 %", "1 %", "10 %", "100 %"} <= set(words)


def test_a_perfect_curve_can_be_drawn(tmp_path: Path) -> None:
    root = drawn(tmp_path / "a.svg", Curve("it", pairs([0.1], [0.9, 0.8]), 0.5))
    words = [text.text for text in root.findall(f"{SVG}text")]
    assert "90 %" in words
    (dot,) = root.findall(f"{SVG}circle")
    assert (float(dot.attrib["cx"]), float(dot.attrib["cy"])) == (LEFT, TOP)


def test_names_in_a_plot_are_text(tmp_path: Path) -> None:
    root = drawn(tmp_path / "a.svg", Curve("<b>&\x1b", pairs([0.1], [0.5]), 0.3))
    assert "<b>&?, dot: tolerance 0.3" in [text.text for text in root.findall(f"{SVG}text")]
