"""dlib's detector on the coarse pyramid loses no face between its levels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.vision.eyes import open_detector
from facegrab.vision.feed import Feed

pytestmark = pytest.mark.real

FACE_PX = 95
"""Side of the astronaut's face in her portrait."""


def test_a_face_of_any_size_is_found() -> None:
    data = pytest.importorskip("skimage.data")
    portrait = data.astronaut()[:300, 60:360]
    detector = open_detector(packs.resolve_detector("dlib"), choose())
    missed = []
    for side in range(detector.smallest_px + 4, 240, 4):
        scale = side / FACE_PX
        image = np.asarray(cv2.resize(portrait, None, fx=scale, fy=scale), np.uint8)
        if len(detector([image], [Feed(1.0)])[0]) != 1:
            missed.append(side)
    assert missed == []
