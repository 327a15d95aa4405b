"""Detection, embedding and one whole look, on nets whose answers are known by construction."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from fakes import HUE, PAINTED
from numpy.typing import NDArray

from facegrab.settings import AUTO
from facegrab.types import Detections, FloatArray, Frame, Image, IntArray
from facegrab.vision.align import CHIP_FACE, MEAN_FACE
from facegrab.vision.embed import BATCH, ResnetRecogniser, jittered, storable
from facegrab.vision.feed import Feed, Wanted
from facegrab.vision.look import Eyes, Look
from facegrab.vision.mmod import MmodDetector
from facegrab.vision.points import PointFinder


class ScoreNet:
    """A net that answers the same score at given places of a canvas."""

    def __init__(self, hits: dict[tuple[int, int], float]) -> None:
        self.hits = hits

    def __call__(self, x: FloatArray) -> FloatArray:
        scores = np.full((1, 1, x.shape[2] // 8, x.shape[3] // 8), -1, np.float32)
        for (row, column), score in self.hits.items():
            scores[0, 0, row, column] = score
        return scores


def find(net: ScoreNet, image: Image) -> Detections:
    return MmodDetector(net)([image], [Feed(1.0)])[0]


def test_a_score_on_the_first_level_is_a_box_of_the_windows_size() -> None:
    found = find(ScoreNet({(10, 20): 0.7}), np.zeros((400, 500, 3), np.uint8))
    # The score's centre is canvas pixel 14 + 8 x index; the level begins at 11; half a window 39.5.
    assert found.box.tolist() == [[124, 44, 203, 123]]
    assert found.score.tolist() == [np.float32(0.7)]


def test_of_overlapping_boxes_the_best_stays_and_the_order_is_by_score() -> None:
    hits = {(10, 20): 0.7, (10, 21): 0.9, (30, 30): 0.8, (12, 20): 0.1}
    found = find(ScoreNet(hits), np.zeros((400, 500, 3), np.uint8))
    assert found.score.tolist() == [np.float32(0.9), np.float32(0.8)]


def test_no_score_no_box() -> None:
    images = [np.zeros((60, 60, 3), np.uint8), np.zeros((9, 300, 3), np.uint8)]
    found = MmodDetector(ScoreNet({}))(images, [Feed(1.0)] * 2)
    assert [len(each) for each in found] == [0, 0]


class MeanNet:
    """A recogniser whose vector begins with the chip's mean colour."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, x: FloatArray) -> FloatArray:
        self.batches.append(len(x))
        means = x.mean(axis=(2, 3))
        return np.hstack([means, np.zeros((len(x), 125), np.float32)]).astype(np.float32)


def test_chips_go_through_in_bounded_batches_and_keep_their_order() -> None:
    net = MeanNet()
    chips = [np.full((150, 150, 3), value, np.uint8) for value in range(2 * BATCH + 3)]
    vectors = ResnetRecogniser(net, Layout(CHIP_FACE), HUE)(chips)
    assert net.batches == [BATCH, BATCH, 3]
    assert np.allclose(np.diff(vectors[:, 0]), 1 / 256, atol=1e-5)
    assert ResnetRecogniser(net, Layout(CHIP_FACE), HUE)([]).shape == (0, 128)


def test_threads_that_embed_at_once_do_not_share_the_nets_input() -> None:
    meeting = Barrier(2, timeout=10)

    class MeetingNet(MeanNet):
        def __call__(self, x: FloatArray) -> FloatArray:
            meeting.wait()  # both inputs are made
            return super().__call__(x)

    recogniser = ResnetRecogniser(MeetingNet(), Layout(CHIP_FACE), HUE)
    chips = [[np.full((150, 150, 3), value, np.uint8)] for value in (10, 90)]
    with ThreadPoolExecutor(2) as threads:
        dark, bright = (each[0, 0] for each in threads.map(recogniser, chips))
    assert bright - dark == pytest.approx(80 / 256, abs=1e-5)


def test_storable_is_what_float16_gives_back() -> None:
    vectors = np.random.default_rng(0).normal(0, 0.1, (50, 128)).astype(np.float32)
    kept = storable(vectors)
    assert np.array_equal(kept, kept.astype(np.float16).astype(np.float32))
    assert np.linalg.norm(kept - vectors, axis=1).max() < 1e-3


def test_jitter_begins_with_the_chip_itself_and_repeats_itself() -> None:
    chip = np.random.default_rng(1).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    samples = jittered(chip, 6)
    assert len(samples) == 6
    assert np.array_equal(samples[0], chip)
    assert len({sample.tobytes() for sample in samples}) == 6
    assert all(np.array_equal(a, b) for a, b in zip(samples, jittered(chip, 6), strict=True))


class Places:
    """A detector that finds boxes by the size of the image it is given."""

    smallest_px = 72
    longest_fed_px = 1536

    def __init__(self, boxes: dict[int, list[list[int]]]) -> None:
        self.boxes = boxes

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        found = [np.array(self.boxes[i.shape[1]], np.float32).reshape(-1, 4) for i in images]
        scores = [np.linspace(1, 0.5, len(box), dtype=np.float32) for box in found]
        return [Detections.without_points(*each) for each in zip(found, scores, strict=True)]


HALF = Wanted(scale=0.5, extract_size=64)


class Layout:
    """Landmarks at fixed places of the box."""

    def __init__(self, points: NDArray[Any]) -> None:
        self.points = points

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        side = (box[:, 2:] - box[:, :2])[:, None]
        return np.asarray(self.points[None] * side + box[:, None, :2], np.float32)


def look(boxes: dict[int, list[list[int]]], wanted: Wanted = HALF) -> Look:
    points68 = np.vstack([np.zeros((17, 2)), MEAN_FACE])
    corners = Layout(CHIP_FACE)
    eyes = Eyes(
        Places(boxes),
        PointFinder(corners, Layout(points68)),
        ResnetRecogniser(MeanNet(), corners, HUE),
        PAINTED,
    )
    return Look(eyes, wanted)


def test_rows_follow_the_frames_and_each_is_described_from_its_own_frame() -> None:
    small, large = np.full((100, 120, 3), 50, np.uint8), np.full((200, 300, 3), 220, np.uint8)
    boxes = {120: [[10, 10, 59, 59]], 300: [[20, 20, 99, 99], [150, 50, 209, 109]]}
    frames = [Frame(7, 0.28, large), Frame(14, 0.56, small), Frame(21, 0.84, large)]
    faces = look(boxes)(frames)
    assert faces.frame.tolist() == [7, 7, 14, 21, 21]
    assert faces.number.tolist() == [0, 1, 0, 0, 1]
    assert faces.pts_seconds.tolist() == [0.28, 0.28, 0.56, 0.84, 0.84]
    assert faces.size_px.tolist() == [80, 60, 50, 80, 60]
    assert (faces.embedding[:, 0] > 0).tolist() == [True, True, False, True, True]


def test_frames_without_faces_give_no_rows() -> None:
    faces = look({120: []})([Frame(0, 0.0, np.zeros((100, 120, 3), np.uint8))])
    assert len(faces) == 0
    assert faces.embedding.shape == (0, 128)


def test_a_reference_is_the_largest_face() -> None:
    image = np.full((200, 300, 3), 10, np.uint8)
    image[:, 140:] = 250
    embedding, count = look({300: [[0, 0, 49, 49], [170, 50, 299, 179]]}).reference(image, jitter=1)
    assert count == 2
    assert embedding.shape == (1, 128)
    assert embedding[0, 0] > 0.2  # bright: of the face at the right


def test_a_reference_s_embedding_is_as_long_as_the_recogniser_says_also_without_a_face() -> None:
    embedding, count = look({300: []}).reference(np.zeros((200, 300, 3), np.uint8), jitter=1)
    assert (embedding.shape, count) == ((0, 128), 0)


def test_faces_of_other_sizes_than_asked_for_are_left_out_of_every_column() -> None:
    image = np.full((200, 300, 3), 50, np.uint8)
    boxes = {300: [[20, 20, 99, 99], [150, 50, 209, 109], [10, 110, 39, 139]]}
    frames = [Frame(0, 0.0, image), Frame(1, 0.04, image)]
    sizes: dict[tuple[int | str, int | None], list[int]] = {
        (AUTO, None): [80, 60, 30],
        (60, None): [80, 60],
        (61, None): [80],
        (AUTO, 60): [60, 30],
        (31, 79): [60],
        (100, None): [],
    }
    for (low, high), expected in sizes.items():
        faces = look(boxes, Wanted(AUTO, low, high, 64))(frames)
        assert faces.size_px.tolist() == expected * 2
        assert faces.number.tolist() == [*range(len(expected))] * 2


def test_the_face_that_is_wanted_decides_how_large_a_frame_is_shown() -> None:
    def fed(wanted: Wanted) -> tuple[float, float]:
        feed = look({}, wanted).feed(1920, 1080)
        return feed.factor, feed.largest_px

    assert fed(Wanted(AUTO, 48)) == (1.5, np.inf)  # more than auto would feed: it was asked for
    assert fed(Wanted(AUTO, 144, 500)) == (0.5, 500)
    assert fed(Wanted(AUTO, 10)) == (2.0, np.inf)  # enlarged by 2 at most
    assert fed(Wanted(AUTO, AUTO, 300)) == (0.8, 300)


def test_a_face_whose_points_coincide_is_measured_in_its_box() -> None:
    random = np.random.default_rng(5)
    image = random.integers(0, 256, (240, 300, 3), dtype=np.uint8)
    image[95:] = 90
    seen = look({300: [[20, 10, 99, 89], [20, 120, 89, 189]]})
    points = PointFinder(Layout(CHIP_FACE), Layout(np.full((68, 2), 0.5)))
    faces = Look(replace(seen.eyes, points=points), HALF)([Frame(0, 0.0, image)])
    rough, smooth = faces.sharpness.tolist()
    assert rough > 1000
    assert smooth < 100  # the edge of the image is in it


def test_a_box_without_room_for_a_face_is_none() -> None:
    boxes = [[20, 20, 20, 60], [20, 20, 10, 10], [30, 30, 79, 79]]
    faces = look({120: boxes})([Frame(0, 0.0, np.zeros((100, 120, 3), np.uint8))])
    assert faces.box.tolist() == [[30, 30, 79, 79]]
    assert faces.number.tolist() == [0]
