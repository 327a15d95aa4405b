"""The whole pipeline on real clips whose truth is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from clips import shared_media
from fakes import stored_faces
from numpy.typing import NDArray

from facegrab.cli import main
from facegrab.vision.align import extract_matrix

pytestmark = pytest.mark.real

EVERY = 7
SIZE = 256
HAMILTON = "face_recognition__short_hamilton_clip.mp4"


@pytest.fixture(scope="module")
def media() -> Path:
    folder = shared_media()
    if folder is None:
        pytest.skip("the shared media are not here")
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "facegrab.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def kept_of(folder: Path) -> list[dict[str, str]]:
    """Faces that are the person's; those in doubt lie in a folder of their own."""
    return [row for row in rows_of(folder) if row["file"] and row["verdict"] == "keep"]


def test_the_singer_and_nobody_else(media: Path, tmp_path: Path) -> None:
    """At plain defaults: at least 18 of the 19 looked-at frames with a face of 77 px and more."""
    truth = json.loads((media / "truth" / "hamilton.json").read_text(encoding="utf-8"))
    singer = truth["people"]["lin-manuel-miranda"]
    reference, clip = media / singer["reference"], media / truth["video"]
    assert main(["-r", str(reference), "-i", str(clip), "-o", str(tmp_path / "out")]) == 0
    kept = [int(row["frame"]) for row in kept_of(tmp_path / "out")]
    visible = {f for first, last in singer["visible"] for f in range(first, last + 1)}
    first, last = singer["visible"][-1]
    assert set(kept) <= visible
    assert len(kept) == len(set(kept))
    assert len([f for f in kept if first <= f <= last]) >= 18
    assert len(list((tmp_path / "out").glob("*.jpg"))) == len(kept)


def test_small_faces_too_and_a_second_question_is_the_same(media: Path, tmp_path: Path) -> None:
    """From 36 px up all 22 looked-at frames, one of them for its track's sake, and nobody else."""
    truth = json.loads((media / "truth" / "hamilton.json").read_text(encoding="utf-8"))
    singer = truth["people"]["lin-manuel-miranda"]
    arguments = ["-r", str(media / singer["reference"]), "--min-face", "36"]
    arguments += ["-i", str(media / truth["video"])]
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 0
    kept = kept_of(tmp_path / "out")
    visible = {f for first, last in singer["visible"] for f in range(first, last + 1)}
    assert [int(row["frame"]) for row in kept] == sorted(visible & set(range(0, 275, EVERY)))
    index = str(tmp_path / "out" / "facegrab.db")
    assert main([*arguments, "-o", str(tmp_path / "again"), "--index", index]) == 0
    images = sorted((tmp_path / "out").glob("*.jpg"))
    assert len(images) == len(kept)
    for image in images:
        assert image.read_bytes() == (tmp_path / "again" / image.name).read_bytes()


def eyes_of(out: Path) -> NDArray[np.float64]:
    """(N, 2, 2), left and right eye x y of every extract of a run's only source."""
    written = [bool(row["file"]) and row["verdict"] == "keep" for row in rows_of(out)]
    eyes = []
    for points in stored_faces(out).points68[written]:
        matrix = extract_matrix(points, SIZE)
        in_extract = points @ matrix[:, :2].T + matrix[:, 2]
        eyes.append([in_extract[36:42].mean(axis=0), in_extract[42:48].mean(axis=0)])
    return np.array(eyes)


@pytest.mark.parametrize(
    ("reference", "clip", "more"),
    [
        ("*", "lipnet__lbax4n.mpg", ["-sf", "3", "-bt", "0"]),
        ("people/lin-manuel-miranda.png", HAMILTON, []),
    ],
    ids=["a seated speaker", "a singer who turns his head"],
)
def test_eyes_stand_still(
    reference: str, clip: str, more: list[str], media: Path, tmp_path: Path
) -> None:
    """Within 2 px of each other in the median, at 256 px."""
    who = reference if reference == "*" else str(media / reference)
    out = tmp_path / "out"
    assert main(["-r", who, "-i", str(media / "video" / clip), "-o", str(out), *more]) == 0
    eyes = eyes_of(out)
    assert len(eyes) >= 18
    apart = np.linalg.norm(eyes - np.median(eyes, axis=0), axis=2)
    assert np.median(apart, axis=0).max() <= 2


def test_people_seen_from_behind_are_nobody(media: Path, tmp_path: Path) -> None:
    clip = media / "video" / "intel__one-by-one-person-detection.mp4"
    arguments = ["-r", "*", "-i", str(clip), "-o", str(tmp_path / "out"), "-sf", "200"]
    assert main(arguments) == 0
    assert not [row for row in rows_of(tmp_path / "out") if row["file"]]
