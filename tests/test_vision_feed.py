"""How large a frame is shown to the detector, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegrab.types import Detections
from facegrab.vision.feed import Feed, Wanted

SMALLEST = 72


@pytest.mark.parametrize(
    ("scale", "extract_size", "frame", "fed", "smallest"),
    [
        ("auto", 256, (1920, 1080), (1536, 864), 90),
        ("auto", 256, (640, 360), (720, 405), 64),
        ("auto", 256, (3840, 2160), (1536, 864), 180),
        ("auto", 512, (1920, 1080), (1080, 608), 128),
        ("auto", 32, (640, 360), (1282, 721), 36),
        (0.25, 256, (1920, 1080), (960, 540), 144),
        (1.0, 256, (640, 360), (1282, 721), 36),
        (0.37, 256, (641, 361), (475, 268), 98),
        (0.5, 256, (641, 361), (641, 361), 72),
    ],
)
def test_feed_sizes(
    scale: float | str,
    extract_size: int,
    frame: tuple[int, int],
    fed: tuple[int, int],
    smallest: int,
) -> None:
    feed = Feed.choose(Wanted(scale, extract_size=extract_size), SMALLEST, 1536, *frame)
    assert feed.size(*frame) == fed
    assert feed.smallest_source_px(SMALLEST) == smallest
    image = np.zeros((frame[1], frame[0], 3), np.uint8)
    assert feed.resize(image).shape == (fed[1], fed[0], 3)


@given(st.floats(0.1, 1.0), st.integers(60, 700), st.integers(60, 700), st.data())
def test_a_box_comes_back_to_where_it_was(
    scale: float, width: int, height: int, data: st.DataObject
) -> None:
    feed = Feed(2 * scale)
    fed = feed.size(width, height)
    x0 = data.draw(st.integers(0, width - 20))
    y0 = data.draw(st.integers(0, height - 20))
    box = np.array([x0, y0, x0 + 19, y0 + 19], np.float64)
    ratio = np.array([fed[0] / width, fed[1] / height] * 2)
    there = ((box + 0.5) * ratio - 0.5).astype(np.float32)[None]
    back = feed.to_source(Detections.without_points(there, np.ones(1, np.float32)), width, height)
    # dlib's own way back from one upsample is off by up to a pixel and a half.
    assert np.abs(back.box[0] - box).max() <= (2 if scale == 1.0 else 1)


@pytest.mark.parametrize("scale", [0.1, 0.2, 0.33, 0.4, 0.5, 0.7, 1.0])
def test_what_is_seen_lies_where_the_box_says(scale: float) -> None:
    """A bright square, found in the fed image and mapped back, is the square in the frame."""
    image = np.zeros((400, 600, 3), np.uint8)
    image[100:300, 150:350] = 255
    feed = Feed(2 * scale)
    rows, columns = np.nonzero(feed.resize(image)[..., 0] > 127)
    fed = np.array([[columns.min(), rows.min(), columns.max(), rows.max()]], np.float32)
    back = feed.to_source(Detections.without_points(fed, np.ones(1, np.float32)), 600, 400)
    assert np.abs(back.box[0] - [150, 100, 349, 299]).max() <= 1 / (2 * scale) + 1
