"""facegrab eval: what it prints and writes, and what it refuses."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import HUE, PAINTED, painted_eyes
from test_evaluate import paint_people

from facegrab import cli, eval_command
from facegrab.eval_command import main
from facegrab.evaluate import evaluate
from facegrab.models import packs
from facegrab.models.compute import Compute
from facegrab.models.specs import DetectorSpec, RecogniserSpec
from facegrab.options import FAILED, INTERRUPTED, OK
from facegrab.verification import At, figures
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

COSINE = replace(HUE, name="angle", metric="cosine", tolerance=0.3)
RECOGNISERS = {"auto": HUE, "dlib": HUE, "angle": COSINE}


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Networks that see painted people, by name; what is opened is written down."""
    opened: list[tuple[str, str]] = []

    def choose(models: str, detector: str, recogniser: str) -> tuple[Any, Any]:
        return replace(PAINTED, name=detector), RECOGNISERS[recogniser]

    def opening(
        detector: DetectorSpec, recogniser: RecogniserSpec, compute: Compute, **_: bool
    ) -> Any:
        opened.append((detector.name, recogniser.name))
        assert compute.device == "cpu"
        return painted_eyes(recogniser)

    monkeypatch.setattr(packs, "choose", choose)
    monkeypatch.setattr("facegrab.vision.eyes.open_eyes", opening)
    return opened


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three each of red, orange, which is .4 away, and blue; two of blue have no face."""
    folder = paint_people(tmp_path / "people", red=3, orange=3, blue=1, nobody=2)
    for picture in (folder / "nobody").iterdir():
        picture.rename(folder / "blue" / f"none {picture.name}")
    (folder / "nobody").rmdir()
    return folder


def rows(out: str) -> dict[str, list[str]]:
    """Cells of the table by row; a second row of one name is its name and ``'``."""
    found: dict[str, list[str]] = {}
    for line in out.split("\n\n")[1].splitlines():
        name, *cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        while name in found:
            name += "'"
        found[name] = cells
    return found


@pytest.mark.usefixtures("networks")
def test_the_figures_of_one_set(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", str(people)]) == OK
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(
        "3 people, 9 pictures: 9 pairs of one person (true pairs), 27 of two (strangers)\n"
    )
    assert rows(out) == {
        "auto + dlib": [],
        "pictures without a face": ["2"],
        "accuracy": ["83.3 %"],
        "at tolerance": rows(out)["at tolerance"],
        "equal error rate": ["33.3 %"],
        "1 stranger in 100 accepted: true pairs accepted": ["too few pairs"],
        "at tolerance'": [],
        "1 stranger in 1000 accepted: true pairs accepted": ["too few pairs"],
        "at tolerance''": [],
        "a run's tolerance": ["0.6"],
        "true pairs accepted": ["66.7 %"],
        "strangers accepted": ["33.33 %"],
    }
    assert float(rows(out)["at tolerance"][0]) < 0.1
    for name in ("none 0.png", "none 1.png"):
        assert f"  no face found in {people / 'blue' / name}\n" in out
    assert "the most alike of two people: " in out
    assert "the least alike of one person: " in out


@pytest.mark.usefixtures("networks")
def test_a_tolerance_takes_the_place_of_the_recogniser_s(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(people), "-t", "0.2"]) == OK
    table = rows(capsys.readouterr().out)
    assert table["a run's tolerance"] == ["0.2"]
    assert table["strangers accepted"] == ["0.00 %"]


@pytest.mark.usefixtures("networks")
def test_a_tolerance_is_suggested_where_pairs_are_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 600 pairs of two people, of which 100 are of red and orange, .4 apart.
    assert main([str(paint_people(tmp_path, red=10, orange=10, blue=10, green=10))]) == OK
    table = rows(capsys.readouterr().out)
    assert table["1 stranger in 100 accepted: true pairs accepted"] == ["100.0 %"]
    assert 0.3 < float(table["at tolerance'"][0]) < 0.5
    assert table["1 stranger in 1000 accepted: true pairs accepted"] == ["too few pairs"]


@pytest.mark.usefixtures("networks")
def test_a_rate_to_suggest(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("facegrab.verification.FALSE_ACCEPT_RATES", (0.1, 0.04))
    assert main([str(people)]) == OK
    out = capsys.readouterr().out
    suggested = rows(out)["at tolerance''"][0]
    assert f"  -t {suggested} would accept about 1 stranger in 25 of such pictures\n" in out


def test_sets_are_compared_side_by_side_each_once(
    people: Path, networks: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--detector", "a", "--detector", "b", "--detector", "a"]
    arguments += ["--recogniser", "dlib", "--recogniser", "angle", str(people)]
    assert main(arguments) == OK
    assert networks == [("a", "dlib"), ("a", "angle"), ("b", "dlib"), ("b", "angle")]
    table = rows(capsys.readouterr().out)
    assert table["a + dlib"] == ["a + angle", "b + dlib", "b + angle"]
    assert table["a run's tolerance"] == ["0.6", "0.3", "0.6", "0.3"]


def test_one_tolerance_for_two_metrics_is_refused_before_anything_is_opened(
    people: Path, networks: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(people), "-t", "0.4", "--recogniser", "dlib", "--recogniser", "angle"]
    assert main(arguments) == FAILED
    assert networks == []
    assert capsys.readouterr().err == (
        "facegrab: one tolerance does not fit these recognisers, their distances differ: "
        "leave out -t\n"
    )


@pytest.mark.usefixtures("networks")
def test_figures_for_programs(people: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert main([str(people), "--recogniser", "angle", "--json", str(file)]) == OK
    content = json.loads(file.read_text())
    result = evaluate(people, Look(painted_eyes(COSINE), Wanted()))
    expected = figures(result.pairs, 0.3)
    (models,) = content.pop("models")
    assert content == {"folder": str(people), "people": 3, "pictures": 9, "unreadable": []}
    assert models["detector"] == "auto"
    assert (models["recogniser"], models["metric"]) == ("angle", "cosine")
    assert models["missed"] == [str(people / "blue" / f"none {n}.png") for n in range(2)]
    assert models["accuracy"] == expected.accuracy
    assert models["used"]["false_accept_rate"] == expected.used.false_accept_rate
    assert models["at_rate"] == {"0.01": None, "0.001": None}
    assert len(models["nearest_strangers"]) == len(models["farthest_same"]) == 3


@pytest.mark.usefixtures("networks")
def test_the_plot(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "roc.svg"
    assert main([str(people), "--plot", str(file)]) == OK
    assert f"the curve is in {file}" in capsys.readouterr().out
    assert "auto + dlib, dot: tolerance 0.6" in file.read_text()


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("option", ["--plot", "--json"])
def test_what_cannot_be_written(
    people: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # The figures took long to measure: they are printed all the same.
    assert main([str(people), option, str(tmp_path / "no" / "file")]) == FAILED
    out, err = capsys.readouterr()
    assert "accuracy" in out
    assert err.startswith("facegrab: cannot write ")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: FOLDER (facegrab eval --help"),
        (["FOLDER", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["FOLDER", "-t", "two"], "argument -t/--tolerance: invalid"),
        (["FOLDER", "-t", "7"], "tolerance is a number from 0.1 to 1"),
        (["FOLDER", "--device", "tpu"], "argument --device: invalid choice"),
        (["FOLDER/red"], "give a sub-folder for each of two people or more"),
        (["FOLDER/nothing"], "is no folder: give one with a sub-folder for each person"),
    ],
)
def test_what_is_refused_in_one_line(
    people: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([each.replace("FOLDER", str(people)) for each in arguments]) == FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("facegrab: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("networks")
def test_only_some_pictures_without_a_face_are_named(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(eval_command, "MOST_NAMED", 1)
    assert main([str(people)]) == OK
    out = capsys.readouterr().out
    assert out.count("no face found in") == 1
    assert "  and in 1 more\n" in out


@pytest.mark.usefixtures("networks")
def test_what_is_left_out_is_said(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / "red" / "a\x1bb.png").write_bytes(b"nothing")
    assert main([str(people)]) == OK
    err = capsys.readouterr().err
    assert err.startswith("warning: left out: ")
    assert r"a\x1bb.png" in err


@pytest.mark.usefixtures("networks")
def test_progress_in_a_terminal(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main([str(people)]) == OK
    err = capsys.readouterr().err
    assert "\rauto + dlib: picture 9 of 9" in err
    assert err.endswith("\r\x1b[K")


@pytest.mark.usefixtures("networks")
def test_ctrl_c(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facegrab.evaluate.describe", pressed)
    assert main([str(people)]) == INTERRUPTED
    assert capsys.readouterr().err == "facegrab: stopped\n"


@pytest.mark.usefixtures("networks")
def test_a_terminal_that_knows_few_letters(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (people / "blue" / "none 0.png").rename(people / "blue" / "羅\x1b.png")
    content = io.BytesIO()
    shown = io.TextIOWrapper(content, "ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    assert main([str(people)]) == OK
    shown.flush()
    assert b"\\u7f85\\x1b.png" in content.getvalue()


def test_a_suggested_tolerance_is_rounded_down() -> None:
    assert eval_command._floored(At(0.5839, 1.0, 0.001)) == "0.583"
