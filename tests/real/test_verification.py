"""The real networks rank pictures of two people as they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import write_image
from matplotlib import cbook
from matplotlib.image import imread

from facegrab.eval_command import main
from facegrab.evaluate import compare, describe, labelled
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.types import Image
from facegrab.verification import figures
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

pytestmark = pytest.mark.real


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two portraits in the public domain, three pictures each: as it is, mirrored, darker."""
    data = pytest.importorskip("skimage.data")
    folder = tmp_path / "people"
    hopper = imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    for name, portrait in {
        "collins": np.asarray(data.astronaut()),
        "hopper": np.asarray(hopper),
    }.items():
        (folder / name).mkdir(parents=True)
        darker = np.asarray(portrait * 0.6, np.uint8)
        versions: list[Image] = [portrait, portrait[:, ::-1], darker]
        for number, image in enumerate(versions):
            write_image(folder / name / f"{number}.png", np.ascontiguousarray(image))
    return folder


@pytest.mark.parametrize("detector", ["mtcnn", "dlib"])
def test_two_people_are_told_apart_without_an_error(people: Path, detector: str) -> None:
    specs = packs.choose(detector=detector)
    look = Look(open_eyes(*specs, choose(), mesh=False), Wanted())
    result = compare(describe(labelled(people), look))
    assert (len(result.pairs.same), len(result.pairs.different)) == (6, 9)
    assert result.missed == ()
    each = figures(result.pairs, specs[1].tolerance)
    assert (each.accuracy, each.equal_error_rate) == (1.0, 0.0)
    assert (each.used.true_accept_rate, each.used.false_accept_rate) == (1.0, 0.0)


def test_the_command_says_so(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(people)]) == 0
    out = capsys.readouterr().out
    assert "2 people, 6 pictures: 6 pairs of one person" in out
    assert "100.0 %" in out
