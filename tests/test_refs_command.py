"""facegrab refs: what it says and writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import write_image
from fakes import HUE, PAINTED, paint, painted_eyes, scene

from facegrab import cli
from facegrab.models import packs
from facegrab.options import FAILED, INTERRUPTED, OK
from facegrab.people import reference_look
from facegrab.people.gallery import Gallery
from facegrab.types import Image


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "choose", lambda *_: (PAINTED, HUE))
    monkeypatch.setattr("facegrab.vision.eyes.open_eyes", lambda *_, **__: painted_eyes())


def photo(seed: int, **where: tuple[int, int]) -> Image:
    """People before a background of its own: else all would be copies of one."""
    frame = scene((256, 144))
    grain = np.random.default_rng(seed).integers(60, 180, (9, 16), np.uint8)
    frame[:] = cv2.resize(grain, (256, 144), interpolation=cv2.INTER_NEAREST)[..., None]
    for who, (x, y) in where.items():
        paint(frame, who, x, y)
    return frame


@pytest.fixture
def mess(tmp_path: Path) -> Path:
    """Three of red, one of them with two others; green, a copy, a small, a blurred, and no face."""
    folder = tmp_path / "mess"
    folder.mkdir()
    write_image(folder / "a.png", photo(1, red=(20, 40)))
    write_image(folder / "b.png", photo(2, red=(60, 50)))
    write_image(folder / "c.png", photo(3, green=(10, 20), red=(90, 60), blue=(180, 30)))
    write_image(folder / "d green.png", photo(4, green=(100, 30)))
    shutil.copy(folder / "a.png", folder / "e copy.png")
    small, blurred = photo(5), photo(6)
    paint(small, "red", 50, 50, 32)
    paint(blurred, "red", 70, 40, blurred=True)
    write_image(folder / "f small.png", small)
    write_image(folder / "g blurred.png", blurred)
    write_image(folder / "h nobody.png", photo(7))
    (folder / "i broken.png").write_bytes(b"no picture")
    return folder


def sections(out: str) -> dict[str, list[str]]:
    """Names of files by title."""
    found: dict[str, list[str]] = {}
    for block in out.split("\n\n")[1:]:
        title, *lines = block.splitlines()
        found[title.split(",")[0].split(":")[0]] = [
            line.split("mess/")[1].split(".png")[0] for line in lines if "mess/" in line
        ]
    return found


def test_what_is_said(mess: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["refs", str(mess)]) == OK
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("9 pictures: 3 good references of one person\n")
    found = sections(out)
    assert sorted(found.pop("kept")) == ["a", "b", "c"]
    assert "c.png (of 3 faces)" in out
    found.pop("heads")
    assert found == {
        "somebody else": ["d green"],
        "duplicates": ["e copy"],
        "too small": ["f small"],
        "blurred": ["g blurred"],
        "no face found": ["h nobody"],
        "no readable picture": ["i broken"],
    }
    assert f"e copy.png shows what {mess / 'a.png'} does" in out
    assert "references from the front find 39% of such faces" in out


def test_the_good_ones_are_written_and_nothing_else_changes(mess: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in mess.iterdir()}
    clean = tmp_path / "clean.npz"
    assert cli.main(["refs", str(mess), "--fix", str(clean)]) == OK
    saved = Gallery.load(clean)
    assert sorted(Path(each).name for each in saved.names) == ["a.png", "b.png", "c.png"]
    assert all(Path(each).is_absolute() for each in saved.names)
    assert all(saved.hashes)
    # Of the group photo it is red, who is neither the largest nor the surest.
    assert saved.distances(saved.embedding).max() < 0.1
    assert {path: path.read_bytes() for path in mess.iterdir()} == before


def test_what_was_written_can_be_looked_at(
    mess: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = tmp_path / "clean.npz"
    cli.main(["refs", str(mess), "--fix", str(clean)])
    capsys.readouterr()
    assert cli.main(["refs", str(clean)]) == OK
    out = capsys.readouterr().out
    assert out.startswith("3 pictures: 3 good references of one person\n")
    assert "heads: 3 of unknown turn" in out
    assert "none" not in out


def test_for_programs(mess: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["refs", "--json", str(mess)]) == OK
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    found = {Path(each["name"]).stem: each for each in content["pictures"]}
    assert found["a"]["verdict"] == "kept"
    assert found["c"]["faces"] == 3
    assert found["e copy"]["of"] == str(mess / "a.png")
    assert found["d green"]["distance"] > 1
    assert found["i broken"] == {
        "name": str(mess / "i broken.png"), "verdict": "unreadable", "face": None, "faces": 0,
        "distance": None, "of": None, "size_px": None, "sharpness": None, "yaw": None,
    }  # fmt: skip
    assert sum(content["heads"].values()) + content["heads_unknown"] == 3


def test_two_people_in_equal_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    for number in range(3):
        write_image(folder / f"r{number}.png", photo(number, red=(20 + 9 * number, 40)))
        write_image(folder / f"g{number}.png", photo(9 + number, green=(20 + 9 * number, 50)))
    clean = tmp_path / "clean.npz"
    clean.write_bytes(b"what was there")
    assert cli.main(["refs", str(folder), "--fix", str(clean)]) == FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "two people are in 3 pictures each" in err
    assert all(f"{who}{number}.png" in err for who in "rg" for number in range(3))
    assert clean.read_bytes() == b"what was there"
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{mess}", "--fix", "{tmp}/x.zip"], "x.zip: the name of a reference file ends in .npz"),
        (["{tmp}/x.npz", "--fix", "{tmp}/mess/../x.npz"], "is one of those to look at"),
        (["{tmp}/gone"], "gone"),
        (["{tmp}/gone.npz"], "no such file"),
        (["{mess}", "-t", "7"], "tolerance"),
        (["{mess}", "--blur-threshold", "x"], "blur_threshold"),
        (["{mess}/h nobody.png"], "no face found in"),
        (["{mess}", "--fix", "{tmp}/none/x.npz"], "cannot write"),
        (["{mess}/f small.png", "--fix", "{tmp}/y.npz"], "y.npz is not written"),
        ([], "required"),
    ],
)
def test_what_is_refused_in_one_line(
    mess: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    given = [each.format(mess=mess, tmp=mess.parent) for each in arguments]
    assert cli.main(["refs", *given]) == FAILED
    err = capsys.readouterr().err
    assert err.startswith("facegrab: ")
    assert said in err
    assert err.count("\n") == 1
    assert not list(mess.parent.glob("*.npz"))


def test_one_picture_named_twice_is_looked_at_once(
    mess: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["refs", str(mess / "a.png"), str(mess / "[ab].png")]) == OK
    assert capsys.readouterr().out.startswith("2 pictures: 2 good references")


def test_a_strict_tolerance_and_another_threshold_count(
    mess: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["refs", str(mess), "-bt", "0", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)["pictures"]
    assert "blurred" not in {each["verdict"] for each in found}


def test_names_do_not_command_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "a\x1b[2J.png", photo(1, red=(20, 40)))
    assert cli.main(["refs", str(tmp_path)]) == OK
    assert "a\\x1b[2J.png" in capsys.readouterr().out
    write_image(tmp_path / "b\x1b[2J.png", photo(2, green=(20, 40)))
    assert cli.main(["refs", str(tmp_path)]) == FAILED
    assert "\x1b" not in capsys.readouterr().err


def test_ctrl_c(
    mess: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reference_look, "read_image", interrupted)
    assert cli.main(["refs", str(mess)]) == INTERRUPTED
    assert capsys.readouterr().err == "facegrab: stopped\n"
