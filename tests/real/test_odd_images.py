"""The real networks on images that no face fits into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import write_image

from facegrab.cli import main
from facegrab.models import packs
from facegrab.models.compute import Compute
from facegrab.vision.eyes import open_detector
from facegrab.vision.feed import Feed

pytestmark = pytest.mark.real


@pytest.mark.parametrize("exact", [True, False])
def test_images_of_any_shape_are_looked_at(exact: bool) -> None:
    detector = open_detector(packs.resolve_detector("dlib"), Compute(exact=exact))
    sides = (1, 2, 5, 7, 15, 16, 17, 29, 40, 79, 300)
    images = [np.zeros((h, w, 3), np.uint8) for h in sides for w in sides]
    assert [len(found) for found in detector(images, [Feed(1.0)] * len(images))] == [0] * len(
        images
    )


def test_a_tiny_picture_does_not_end_the_run(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, shape in enumerate([(1, 1, 3), (5, 5, 3), (4, 300, 3)]):
        write_image(folder / f"a{number}.png", np.zeros(shape, np.uint8))
    portrait = write_image(folder / "portrait.png", np.asarray(data.astronaut()))
    arguments = ["-r", str(portrait), "-i", str(folder), "-o", str(tmp_path / "out"), "-sf", "0"]
    assert main(arguments) == 0
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 1
