"""Shots, tracks and the decision on real faces, without a run around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from clips import shared_media

from facegrab.media import open_source
from facegrab.media.images import read_image
from facegrab.media.source import find_sources
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.people.decide import decide
from facegrab.people.gallery import Gallery
from facegrab.people.track import Tracker
from facegrab.types import Faces, Frame, IntArray
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look
from facegrab.vision.shots import Cuts, Signature, signature

pytestmark = pytest.mark.real

EVERY = 7
SMALLEST_PX = 36
SINGERS_LAST = 210
"""Frame before the cut to the audience."""


@dataclass(frozen=True, eq=False)
class Clip:
    """The clip, looked at, and its truth."""

    faces: Faces
    looked_at: list[int]
    signatures: list[Signature]
    gallery: Gallery
    tolerance: float
    visible: set[int]
    cuts: list[int]


@pytest.fixture(scope="module")
def clip() -> Clip:
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    truth = json.loads((media / "truth" / "hamilton.json").read_text(encoding="utf-8"))
    singer = truth["people"]["lin-manuel-miranda"]
    detector, recogniser = packs.choose("auto", "mtcnn", "dlib")
    look = Look(open_eyes(detector, recogniser, choose()), Wanted(min_face=SMALLEST_PX))
    reference, _ = look.reference(read_image(media / singer["reference"]), 5)
    frames = list(_frames(media / truth["video"]))
    looked_at = [frame.index for frame in frames]
    return Clip(
        Faces.concatenate([look([frame]) for frame in frames]),
        looked_at,
        [signature(frame.image) for frame in frames],
        Gallery(reference, ("singer",)),
        recogniser.tolerance,
        {frame for first, last in singer["visible"] for frame in range(first, last + 1)}
        & set(looked_at),
        truth["cuts"],
    )


def _frames(path: Path) -> Iterator[Frame]:
    (source,) = find_sources([str(path)])
    with open_source(source, EVERY, "cpu") as reader:
        yield from reader


def _tracks(clip: Clip, *, with_cuts: bool) -> IntArray:
    tracker, cuts = Tracker("euclidean", clip.tolerance), Cuts()
    tracks = np.empty(len(clip.faces), np.int64)
    for number, tiny in zip(clip.looked_at, clip.signatures, strict=True):
        rows = clip.faces.frame == number
        cut = cuts(tiny) and with_cuts
        tracks[rows] = tracker.add(number, cut, clip.faces.box[rows], clip.faces.embedding[rows])
    return tracks


def test_every_cut_is_found_at_every_seventh_frame(clip: Clip) -> None:
    cuts = Cuts()
    found = {
        number for number, tiny in zip(clip.looked_at, clip.signatures, strict=True) if cuts(tiny)
    }
    assert {-(-cut // EVERY) * EVERY for cut in clip.cuts} <= found


@pytest.mark.parametrize("with_cuts", [True, False])
def test_every_frame_of_the_singer_and_nobody_else(clip: Clip, with_cuts: bool) -> None:
    """Also where no cut is seen: then a track goes from the singer to a man in the audience."""
    tracks = _tracks(clip, with_cuts=with_cuts)
    singers = set(tracks[clip.faces.frame == SINGERS_LAST])
    beyond = set(tracks[clip.faces.frame > SINGERS_LAST])
    assert with_cuts != bool(singers & beyond)
    decisions = decide(
        clip.faces.embedding,
        clip.gallery,
        clip.tolerance,
        track=tracks,
        frame=clip.faces.frame,
    )
    kept = clip.faces.frame[decisions.matched].tolist()
    assert sorted(kept) == sorted(clip.visible)
    assert decisions.by_track.any()
