"""What is found depends neither on the batch nor on the threads, to the last bit."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from clips import shared_media

from facegrab.follow import ALONE, Runs
from facegrab.media import open_source
from facegrab.media.source import find_sources
from facegrab.models import compute, packs
from facegrab.scan import scan
from facegrab.types import Faces, Frame
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

pytestmark = pytest.mark.real

FRAMES = 24
FEWEST = 12
EVERY = 11
SMALL_PX = 30
"""Faces of the audience too."""
TRIED = ((1, 1), (1, 128), (2, 7), (4, 1), (4, 128))
"""Threads and sizes of batch: the ends of both with each other, and a middle."""


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Frames of two sizes: the networks meet new shapes within a batch, too."""
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    clip = media / "video" / "face_recognition__short_hamilton_clip.mp4"
    found = list(_frames(clip, EVERY))[:FRAMES]
    return [
        Frame(each.index, each.pts_seconds, each.image[: 360 - 90 * (number % 2)])
        for number, each in enumerate(found)
    ]


def _frames(clip: Path, every: int) -> list[Frame]:
    (source,) = find_sources([str(clip)])
    with open_source(source, every) as reader:
        return list(reader)


def _named(detector: str) -> str:
    """A detector's name, or the path of one whose weights lie beside the media."""
    media = shared_media()
    return str(media.parent / "weights" / detector) if media and "/" in detector else detector


@pytest.mark.parametrize(
    ("detector", "runs"),
    [
        ("mtcnn", ALONE),
        ("dlib", ALONE),
        ("mtcnn", Runs(EVERY, 4)),
        ("yunet/yunet_s_640_640.onnx", Runs(EVERY, 4)),
    ],
)
def test_neither_batch_nor_threads_change_a_bit(
    detector: str, runs: Runs, frames: list[Frame]
) -> None:
    models = packs.choose("auto", _named(detector), "dlib")
    expected: Faces | None = None
    for threads, batch_size in TRIED:
        look = Look(open_eyes(*models, compute.choose(threads=threads)), Wanted(min_face=SMALL_PX))
        batches = scan(frames, look, batch_size, compute.lookers(threads), runs=runs)
        found = Faces.concatenate([each.faces for each in batches])
        if expected is None:
            assert len(found) >= FEWEST
            expected = found
        for field in fields(Faces):
            one, other = getattr(expected, field.name), getattr(found, field.name)
            assert np.array_equal(one, other), f"{field.name}: {threads} threads, {batch_size}"


@pytest.mark.parametrize(
    ("detector", "wanted"),
    [
        ("mtcnn", Wanted()),
        # Shown small enough for Wanted(), all of a frame is no more than the place of a face.
        ("yunet/yunet_s_640_640.onnx", Wanted(min_face=SMALL_PX)),
    ],
)
def test_following_faces_finds_them_as_a_look_at_everything_does(
    detector: str, wanted: Wanted
) -> None:
    """Every frame with one speaker, who is sure: the same faces at the same places, about."""
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    every_frame = _frames(media / "video" / "lipnet__lbax4n.mpg", 1)
    models = packs.choose("auto", _named(detector), "dlib")
    look = Look(open_eyes(*models, compute.choose()), wanted)
    whole, spared = (
        Faces.concatenate([each.faces for each in scan(every_frame, look, 16, runs=runs)])
        for runs in (ALONE, Runs(1, 8))
    )
    assert whole.frame.tolist() == spared.frame.tolist() == list(range(len(every_frame)))
    assert np.abs(whole.box - spared.box).max() < 0.1 * whole.size_px.min()
    assert np.linalg.norm(whole.embedding - spared.embedding, axis=1).max() < 0.2
    assert (whole.box != spared.box).any(axis=1).mean() > 0.5  # or nothing was spared
