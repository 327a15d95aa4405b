"""Faces found again where they were: what is shown to the network, and when all of an image is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from graphs_of_kinds import LICENCE, Size, detector_spec, saved, yunet

from facegrab.models.compute import Compute
from facegrab.models.specs import DetectorSpec, Pixels
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.anchors import Candidates, no_points
from facegrab.vision.detect import FollowingDetector, Trail
from facegrab.vision.feed import Feed
from facegrab.vision.graph_detector import OneShot
from facegrab.vision.graph_follower import PLACE_PX, GraphFollower
from facegrab.vision.open_onnx import open_detector

WIDTH, HEIGHT = 640, 480
FEED = Feed(1.0)
SPEC = DetectorSpec("squares", "yunet", None, "", LICENCE, Pixels("rgb", (0, 0, 0), (1, 1, 1)), 20)
WHOLE, PLACE = (HEIGHT, WIDTH), (PLACE_PX, PLACE_PX)


class SquaresNet:
    """Answers with what it was shown, and remembers its size."""

    outputs: tuple[str, ...] = ("red",)

    def __init__(self) -> None:
        self.shown: list[tuple[int, int]] = []

    def __call__(self, x: FloatArray) -> tuple[FloatArray, ...]:
        self.shown.append((x.shape[2], x.shape[3]))
        return (x[0, 0].copy(),)


def squares(outputs: Sequence[FloatArray], width: int, height: int, least: float) -> Candidates:
    """Each red spot is a face, the brighter the surer; its box is measured from its mass.

    So it is right to less than a pixel where the spot was shown at another size.
    """
    red = outputs[0]
    count, label = cv2.connectedComponents((red > 60).astype(np.uint8))
    score, box = [], []
    for number in range(1, count):
        mass = np.where(cv2.dilate((label == number).astype(np.uint8), np.ones((3, 3))), red, 0)
        share = mass / mass.max()
        side = share.sum() ** 0.5
        y, x = (
            share.sum(axis=1 - each) @ (np.arange(share.shape[each]) + 0.5) / share.sum()
            for each in (0, 1)
        )
        score.append(mass.max() / 255)
        box.append([x - side / 2, y - side / 2, x + side / 2, y + side / 2])
    return Candidates(
        np.array(score, np.float32), np.array(box, np.float32).reshape(-1, 4), no_points(len(box))
    )


def image(*faces: tuple[int, int, int], ground: int = 0) -> Image:
    """Red squares of x, y and side on a ground that is no red."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[..., 2] = ground
    for number, (x, y, side) in enumerate(faces):
        picture[y : y + side, x : x + side, 0] = 255 - 10 * number
    return picture


@pytest.fixture
def net() -> SquaresNet:
    return SquaresNet()


@pytest.fixture
def detector(net: SquaresNet) -> GraphFollower:
    return GraphFollower(net, SPEC, OneShot(squares, 0.2, 0.3, 1000, 1000))


def boxes(found: Detections) -> list[tuple[float, ...]]:
    return [tuple(map(float, box)) for box in found.box]


def test_a_face_is_found_where_it_went_by_a_look_at_its_place(
    detector: GraphFollower, net: SquaresNet
) -> None:
    faces = [(300, 200, 40), (306, 196, 42), (310, 190, 44)]
    found, _ = detector.following([image(each) for each in faces], [FEED] * 3, [False, True, True])
    assert net.shown == [WHOLE, PLACE, PLACE]
    for each, (x, y, side) in zip(found, faces, strict=True):
        np.testing.assert_allclose(boxes(each), [[x, y, x + side - 1, y + side - 1]], atol=0.7)


def test_faces_of_all_sizes_are_shown_in_one_picture(
    detector: GraphFollower, net: SquaresNet
) -> None:
    first = image((60, 60, 24), (400, 100, 120), (600, 440, 30))
    second = image((62, 60, 24), (396, 104, 120), (604, 440, 30))
    (_, found), _ = detector.following([first, second], [FEED] * 2, [False, True])
    assert net.shown == [WHOLE, (PLACE_PX, 3 * PLACE_PX)]
    (alone,) = detector([second], [FEED])
    np.testing.assert_allclose(sorted(boxes(found)), sorted(boxes(alone)), atol=1)


def test_a_neighbour_that_a_place_shows_too_is_found_once(
    detector: GraphFollower, net: SquaresNet
) -> None:
    picture = image((200, 200, 40), (250, 200, 40))
    (_, found), _ = detector.following([picture] * 2, [FEED] * 2, [False, True])
    assert net.shown == [WHOLE, (PLACE_PX, 2 * PLACE_PX)]
    assert len(found) == 2


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(image((300, 200, 40), ground=90), id="another picture"),
        pytest.param(image(), id="the face is gone"),
        pytest.param(image((300, 200, 40))[:400], id="another size"),
    ],
)
def test_all_is_looked_at_where_places_do_not_do(
    detector: GraphFollower, net: SquaresNet, then: Image
) -> None:
    (_, found), _ = detector.following([image((300, 200, 40)), then], [FEED] * 2, [False, True])
    assert net.shown[0] == WHOLE
    assert net.shown[-1][1] == WIDTH
    assert len(net.shown) <= 3
    (alone,) = detector([then], [FEED])
    assert boxes(found) == boxes(alone)


@pytest.mark.parametrize(
    "then",
    [
        pytest.param([(300, 200, 40), (20, 300, 60)], id="somebody comes"),
        pytest.param([(364, 200, 40)], id="somebody jumps"),
        pytest.param([(300, 200, 40), (20, 300, 60), (66, 220, 60)], id="two come"),
        pytest.param([(300, 200, 40), (0, 420, 60)], id="in the corner"),
    ],
)
def test_a_part_that_changes_much_is_looked_at_and_no_more(
    detector: GraphFollower, net: SquaresNet, then: list[tuple[int, int, int]]
) -> None:
    pictures = [image((300, 200, 40)), image(*then)]
    (_, found), _ = detector.following(pictures, [FEED] * 2, [False, True])
    assert WHOLE not in net.shown[1:]
    (alone,) = detector(pictures[1:], [FEED])
    np.testing.assert_allclose(sorted(boxes(found)), sorted(boxes(alone)), atol=1)


def test_a_part_does_not_cut_a_face_that_is_known(detector: GraphFollower, net: SquaresNet) -> None:
    """The hand of somebody large moves: their face is seen whole, and once."""
    first, then = image((150, 100, 120)), image((150, 100, 120), (250, 250, 60))
    (_, found), _ = detector.following([first, then], [FEED] * 2, [False, True])
    assert WHOLE not in net.shown[1:]
    assert PLACE not in net.shown
    (alone,) = detector([then], [FEED])
    np.testing.assert_allclose(sorted(boxes(found)), sorted(boxes(alone)), atol=1)


def test_all_is_looked_at_where_a_face_reaches_out_of_the_part(net: SquaresNet) -> None:
    def reaching(
        outputs: Sequence[FloatArray], width: int, height: int, least: float
    ) -> Candidates:
        found = squares(outputs, width, height, least)
        return found.moved(width - 30, 0) if width < WIDTH else found

    detector = GraphFollower(net, SPEC, OneShot(reaching, 0.2, 0.3, 1000, 1000))
    pictures = [image(), image((20, 260, 50))]
    (_, found), _ = detector.following(pictures, [FEED] * 2, [False, True])
    assert [each[1] < WIDTH for each in net.shown] == [False, True, False]
    assert boxes(found) == boxes(detector(pictures[1:], [FEED])[0])


def test_all_is_looked_at_where_somebody_is_lost_while_another_comes(
    detector: GraphFollower, net: SquaresNet
) -> None:
    pictures = [image((20, 20, 24)), image((500, 300, 60))]
    detector.following(pictures, [FEED] * 2, [False, True])
    assert net.shown == [WHOLE, PLACE, WHOLE]


def test_what_does_not_follow_is_looked_at_all_over(
    detector: GraphFollower, net: SquaresNet
) -> None:
    detector.following([image((9, 9, 40))] * 3, [FEED] * 3, [True, False, True])
    assert net.shown == [WHOLE, WHOLE, PLACE]


def test_what_one_call_left_the_next_one_goes_on_from(
    detector: GraphFollower, net: SquaresNet
) -> None:
    faces = [image((300 + 4 * number, 200, 40)) for number in range(4)]
    whole, _ = detector.following(faces, [FEED] * 4, [False, True, True, True])
    net.shown.clear()
    parts: list[Detections] = []
    left: Trail | None = None
    for number, each in enumerate(faces):
        found, left = detector.following([each], [FEED], [number > 0], left)
        parts += found
    assert net.shown == [WHOLE, PLACE, PLACE, PLACE]
    assert [boxes(each) for each in parts] == [boxes(each) for each in whole]
    (alone,), _ = detector.following(faces[:1], [FEED], [False], left)
    assert net.shown[4:] == [WHOLE]
    assert boxes(alone) == boxes(whole[0])


def test_nobody_stays_nobody_without_a_look(detector: GraphFollower, net: SquaresNet) -> None:
    found, _ = detector.following([image()] * 3, [FEED] * 3, [False, True, True])
    assert net.shown == [WHOLE]
    assert [len(each) for each in found] == [0, 0, 0]


def test_more_places_than_the_image_has_room_for_are_not_shown(
    detector: GraphFollower, net: SquaresNet
) -> None:
    crowd = image(*((20 + 60 * x, 20 + 60 * y, 24) for x in range(4) for y in range(4)))
    detector.following([crowd] * 2, [FEED] * 2, [False, True])
    assert net.shown == [WHOLE, WHOLE]


def test_a_face_at_the_edge_is_followed(detector: GraphFollower, net: SquaresNet) -> None:
    (_, found), _ = detector.following([image((600, 0, 40))] * 2, [FEED] * 2, [False, True])
    assert net.shown == [WHOLE, PLACE]
    # Beyond the edge its pixels go on, and with them the square: the box is about there.
    assert abs(boxes(found)[0][0] - 600) < 5


@pytest.mark.parametrize(("bound", "follows"), [(False, True), (True, False)])
def test_yunet_follows_if_it_takes_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: bool, follows: bool
) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    graph = saved(yunet(Size(64, 64, bound=bound)), tmp_path / "net.onnx")
    opened = open_detector(detector_spec(graph, "yunet", 64, 64), Compute())
    assert isinstance(opened, FollowingDetector) == follows
