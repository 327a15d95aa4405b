"""How real heads are turned, checked by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import shared_media

from facegrab.media import open_source
from facegrab.media.source import find_sources
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.types import Frame
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look
from facegrab.vision.pose import head_pose, head_pose_of_five

pytestmark = pytest.mark.real


@pytest.fixture
def clip() -> Path:
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    return media / "video" / "intel__head-pose-face-detection-female-and-male.gif"


def test_two_who_turn_their_heads(clip: Path) -> None:
    """The woman looks to the picture's left, the man from the right to the front; both lean."""
    look = Look(open_eyes(*packs.choose(detector="mtcnn"), choose()), Wanted(min_face=40))
    (source,) = find_sources([str(clip)])
    with open_source(source, every=15) as reader:
        frames = list(reader)
    width = frames[0].image.shape[1]
    faces = look(frames)
    first = faces.frame == 0
    woman = faces.box[:, 0] < width / 3
    assert woman.sum() == len(frames) == (~woman).sum()
    yaw, _, roll = head_pose_of_five(faces.points5)
    assert (yaw[woman] < -20).all()
    assert yaw[first & ~woman] > 5
    assert (np.abs(yaw[~first & ~woman]) < 10).all()
    assert (roll[~first & ~woman] < -20).all()  # counter-clockwise, as his head leans
    still = head_pose(faces.points68)[0][first]
    assert np.sign(still).tolist() == np.sign(yaw[first]).tolist()


def test_the_mirrored_clip_is_turned_the_other_way(clip: Path) -> None:
    look = Look(open_eyes(*packs.choose(detector="mtcnn"), choose()), Wanted(min_face=40))
    (source,) = find_sources([str(clip)])
    with open_source(source, every=60) as reader:
        image = next(iter(reader)).image
    found = []
    for each in (image, np.ascontiguousarray(image[:, ::-1])):
        faces = look([Frame(0, 0.0, each, 0)])
        found.append(head_pose_of_five(faces.points5)[0][np.argsort(faces.box[:, 0])])
    assert found[0] == pytest.approx(-found[1][::-1], abs=6)
