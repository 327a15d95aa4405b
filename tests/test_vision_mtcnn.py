"""The cascade around MTCNN's networks, with networks that take white for a face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from facegrab.models.compute import Compute
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision import candidates, mtcnn, mtcnn_views
from facegrab.vision.candidates import Halvings, inset, kept, moved, seen_in, squares
from facegrab.vision.feed import Feed
from facegrab.vision.mtcnn import MtcnnDetector, pyramid
from facegrab.vision.mtcnn_views import ExactView, FastView, area_mean, packed, sums_down

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)


# ---- candidates


def random_boxes(count: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 150, (count, 2)), rng.uniform(5, 60, (count, 2))
    box = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    return box, rng.uniform(0.6, 1, count).astype(np.float32)


def kept_by_definition(box: FloatArray, score: FloatArray, most: float, smaller: bool) -> list[int]:
    staying: list[int] = []
    for row in np.argsort(-score, kind="stable").tolist():
        for better in staying:
            low = np.maximum(box[row, :2], box[better, :2])
            high = np.minimum(box[row, 2:], box[better, 2:])
            common = float((high - low).clip(min=0).prod())
            areas = [float((box[each, 2:] - box[each, :2]).prod()) for each in (row, better)]
            if common / (min(areas) if smaller else sum(areas) - common) > most:
                break
        else:
            staying.append(row)
    return staying


@pytest.mark.parametrize("smaller", [False, True])
@pytest.mark.parametrize("most", [0.1, 0.4, 0.7])
def test_suppression_is_greedy(most: float, smaller: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of any size."""
    box, score = random_boxes(150)
    box[100:] = box[:50] + 4
    score[20:40] = score[20]
    expected = kept_by_definition(box, score, most, smaller)
    assert 5 < len(expected) < 145
    for block in (1, 7, 150, 256):
        monkeypatch.setattr(candidates, "NMS_BLOCK", block)
        assert kept(box, score, most, over_smaller=smaller).tolist() == expected


def test_nothing_to_suppress() -> None:
    box, score = random_boxes(1)
    assert kept(box[:0], score[:0], 0.5).tolist() == []
    assert kept(box, score, 0.5).tolist() == [0]


def test_squares_share_the_centre_and_the_longer_side() -> None:
    box = np.array([[0, 10, 20, 14], [5, 0, 7, 8]], np.float32)
    assert squares(box).tolist() == [[0, 2, 20, 22], [2, 0, 10, 8]]
    assert squares(box[:0]).shape == (0, 4)


def test_offsets_count_in_sizes() -> None:
    box = np.array([[10, 20, 30, 60]], np.float32)
    offset = np.array([[0.5, -0.25, 0.1, 0]], np.float32)
    assert moved(box, offset).tolist() == [[20, 10, 32, 60]]
    np.testing.assert_allclose(moved(box, offset, 10), [[15, 12.5, 31, 60]])
    assert inset(box, 1).tolist() == [[10, 20, 29, 59]]


def test_what_shows_nothing_is_not_seen() -> None:
    box = [
        [-30, -30, 5, 5], [-30, 0, 0.5, 30], [99, 49, 140, 90], [99.5, 10, 140, 50], [3, 3, 3.5, 9],
        [5, 9, 4, 8], [-900, -900, 900, 900],
    ]  # fmt: skip
    size = np.tile(np.array([100, 50], np.float32), (len(box), 1))
    seen = seen_in(np.array(box, np.float32), size)
    assert seen.tolist() == [True, False, True, False, False, False, True]


def ramp(width: int, height: int) -> Image:
    """Red grows by 1 a pixel to the right, green by 1 downwards."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


@pytest.mark.parametrize("box", [[20, 30, 44, 54], [10.5, 20.25, 70.5, 80.25], [3, 1, 123, 121]])
def test_crops_lie_where_the_box_is(box: list[float]) -> None:
    """At every halving: pixel i shows the place i + .5 steps from the edge."""
    crop = Halvings(ramp(201, 151)).crops(np.array([box], np.float32), 24)[0]
    middle = (np.arange(24) + 0.5) * (box[2] - box[0]) / 24 - 0.5
    np.testing.assert_allclose(crop[0, 12], box[0] + middle, atol=1.1)
    np.testing.assert_allclose(crop[1, :, 12], box[1] + middle, atol=1.1)


def test_crops_are_not_shifted() -> None:
    """Without a halving, which rounds, to a fifth of a pixel."""
    crop = Halvings(ramp(201, 151)).crops(np.array([[10, 20, 55.6, 65.6]], np.float32), 24)[0]
    middle = (np.arange(24) + 0.5) * 45.6 / 24 - 0.5
    assert abs((crop[0, 12] - 10 - middle).mean()) < 0.2
    assert abs((crop[1, :, 12] - 20 - middle).mean()) < 0.2


def test_crops_go_on_beyond_the_edge() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    crops = Halvings(image).crops(np.array([[-30, -30, 30, 30], [35, 0, 59, 24]], np.float32), 24)
    assert (crops == 200).all()


def test_halvings_shrink_by_less_than_two() -> None:
    halvings = Halvings(ramp(200, 100))
    scale = np.array([2, 1, 0.51, 0.5, 0.26, 0.25, 0.01])
    assert halvings.for_scale(scale).tolist() == [0, 0, 0, 1, 1, 2, 6]
    assert [halvings[n].shape[:2] for n in range(7)] == [
        (100, 200), (50, 100), (25, 50), (12, 25), (6, 12), (3, 6), (1, 3),
    ]  # fmt: skip
    assert Halvings(ramp(1, 1)).for_scale(np.array([0.1])).tolist() == [0]


# ---- views


SIZES = [((1920, 1080), 1 / 3), ((1080, 1920), 0.7), ((33, 900), 2.0), ((640, 360), 1.0)]


@pytest.mark.parametrize(("size", "factor"), SIZES)
def test_levels_do_not_overlap(size: tuple[int, int], factor: float) -> None:
    sizes = tuple((round(size[0] * s), round(size[1] * s)) for s in pyramid(*size, Feed(factor)))
    layout = packed(sizes)
    places = layout.places
    canvas = np.zeros((layout.height, layout.width), np.int64)
    for place in places:
        assert place.x % 2 == place.y % 2 == 0
        canvas[place.y : place.y + place.height, place.x : place.x + place.width] += 1
    assert [(place.width, place.height) for place in places] == list(sizes)
    assert canvas.max() == 1
    assert canvas.sum() == sum(w * h for w, h in sizes)
    assert canvas.mean() > 0.84


def test_the_pyramid_begins_and_ends_with_the_faces_wanted() -> None:
    scales = pyramid(1920, 1080, Feed(1 / 3))
    assert 12 / scales[0] == pytest.approx(60)
    assert 1080 * scales[-1] >= 12 > 1080 * scales[-1] * mtcnn.RATE
    assert 12 / pyramid(1920, 1080, Feed(1 / 3, largest_px=100))[-1] >= 100
    assert pyramid(1920, 1080, Feed(1 / 3, largest_px=100)) == scales[:3]
    assert pyramid(1920, 1080, Feed(1 / 3, largest_px=10)) == scales[:1]
    assert pyramid(2000, 19, Feed(1.0)) == []


class Nets:
    """Networks that take white with black around it for a face: its inner two thirds are white.

    They remember the sizes of their inputs.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def proposal(self, x: FloatArray) -> FloatArray:
        self.seen.append(x.shape)
        windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (12, 12), (1, 2))
        return self._said(windows[:, ::2, ::2], 5)

    def refinement(self, x: FloatArray) -> FloatArray:
        self.seen.append(x.shape)
        return self._said(x[:, 0], 5)

    def output(self, x: FloatArray) -> FloatArray:
        self.seen.append(x.shape)
        said = self._said(x[:, 0], 15)
        said[:, 5:] = POINTS.T.ravel()
        return said

    @staticmethod
    def _said(windows: FloatArray, channels: int) -> FloatArray:
        side = windows.shape[-1]
        inner = windows[..., side // 6 : -side // 6, side // 6 : -side // 6].mean(axis=(-1, -2))
        ring = (windows.mean(axis=(-1, -2)) - inner * (4 / 9)) / (5 / 9)
        said = np.zeros((len(windows), channels, *inner.shape[1:]), np.float32)
        said[:, 0] = (inner - ring - 100) / 20
        return said

    def detector(self, *, exact: bool = False) -> MtcnnDetector:
        return MtcnnDetector(self.proposal, self.refinement, self.output, exact=exact)


def scene(size: tuple[int, int], *faces: tuple[int, int, int]) -> Image:
    """Black, with faces at x, y, of so many pixels."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y, side in faces:
        edge = side // 6
        image[y + edge : y + side - edge, x + edge : x + side - edge] = 255
    return image


def found(
    images: Sequence[Image], factor: float = 0.5, largest_px: float = np.inf, *, exact: bool = False
) -> list[Detections]:
    feeds = [Feed(factor, largest_px)] * len(images)
    return Nets().detector(exact=exact)(images, feeds)


@pytest.mark.parametrize("exact", [False, True])
def test_faces_are_found_where_they_are(exact: bool) -> None:
    faces = [(30, 40, 60), (200, 100, 85), (90, 200, 41)]
    (result,) = found([scene((400, 300), *faces)], exact=exact)
    assert len(result) == 3
    assert (np.diff(result.score) <= 0).all()
    assert ((result.score > 0.7) & (result.score <= 1)).all()
    for x, y, side in faces:
        off = np.abs(result.box - [x, y, x + side - 1, y + side - 1]).max(axis=1)
        row = int(off.argmin())
        assert off[row] < 0.25 * side
        width = result.box[row, 2] - result.box[row, 0] + 1
        expected = result.box[row, :2] + POINTS * width
        np.testing.assert_allclose(result.points5[row], expected, atol=0.01)


def test_a_box_may_reach_over_the_edge() -> None:
    nets = Nets()

    def output(x: FloatArray) -> FloatArray:
        said = nets.output(x)
        said[:, 1:5] = [-0.5, 0, 0.25, 0]
        return said

    image = scene((300, 200), (4, 50, 60))
    (plain,) = found([image])
    (wider,) = MtcnnDetector(nets.proposal, nets.refinement, output)([image], [Feed(0.5)])
    side = plain.box[0, 2] - plain.box[0, 0] + 1
    np.testing.assert_allclose(wider.box - plain.box, [[-side / 2, 0, side / 4, 0]], atol=1e-3)
    assert wider.box[0, 0] < 0
    np.testing.assert_array_equal(wider.points5, plain.points5)


AWAY = [(-90, 0, -90, 0), (0, 90, 0, 90), (0, 0, -1, -1), (1.5, 1.5, 0, 0), (-90, -90, 90, 90)]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("offset", AWAY)
def test_boxes_that_go_astray_are_no_faces(offset: tuple[float, ...], exact: bool) -> None:
    """Out of the image, inside out, or far too large."""
    nets = Nets()

    def refinement(x: FloatArray) -> FloatArray:
        said = nets.refinement(x)
        said[:, 1:5] = offset
        return said

    detector = MtcnnDetector(nets.proposal, refinement, nets.output, exact=exact)
    (result,) = detector([scene((300, 200), (30, 40, 60))], [Feed(0.5)])
    assert len(result) == 0
    if max(offset) < 90:
        assert all(shape[-1] != 48 for shape in nets.seen)


def test_windows_are_where_the_canvas_says() -> None:
    """Each level apart from the others on the canvas, back in source pixels: within a step."""
    faces = [(101, 57, 64), (333, 200, 230)]
    image = scene((640, 480), *faces)
    levels = FastView(image).windows(Nets().proposal, pyramid(640, 480, Feed(0.5)), 0.0)
    scales = pyramid(640, 480, Feed(0.5))
    hits = 0
    for scale, (box, output) in zip(scales, levels, strict=True):
        assert len(box) == len(output)
        step = 2 / scale
        for each in box:
            np.testing.assert_allclose(each[2:] - each[:2], 12 / scale, rtol=0.06)
            middle = (each[:2] + each[2:]) / 2
            assert any(
                (np.abs(middle - [x + side / 2, y + side / 2]) <= side / 2 + step).all()
                for x, y, side in faces
            )
        hits += len(box)
    assert hits > 10


def test_strips_see_what_the_whole_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    image = scene((300, 200), (30, 40, 60), (200, 100, 85))
    scales = pyramid(300, 200, Feed(1.0))
    whole = FastView(image).windows(Nets().proposal, scales, 0.4)
    for pixels in (1, 3000, 9000):
        monkeypatch.setattr(mtcnn_views, "MOST_PIXELS", pixels)
        nets = Nets()
        strips = FastView(image).windows(nets.proposal, scales, 0.4)
        assert len(nets.seen) > 3
        assert max(h * w for _, _, h, w in nets.seen) <= max(pixels, 12 * 180)
        for one, other in zip(whole, strips, strict=True):
            np.testing.assert_array_equal(one.box, other.box)
            np.testing.assert_array_equal(one.output, other.output)


def test_the_exact_view_counts_as_facenet_pytorch() -> None:
    """Its generateBoundingBox: floor of (2 i + 1) / s and (2 i + 12) / s, from 1."""
    scale = 0.2873
    (level,) = ExactView(scene((200, 100), (100, 30, 50))).windows(Nets().proposal, [scale], 0.0)
    assert len(level.box) > 0
    columns = np.arange(30)
    first, last = np.floor((2 * columns + 1) / scale), np.floor((2 * columns + 12) / scale)
    for box in level.box:
        row = first.tolist().index(box[0] + 1)
        assert last[row] == box[2]
    assert np.abs(level.box.mean(axis=0) - [100, 30, 150, 80]).max() < 8


def test_area_means_are_over_whole_pixels() -> None:
    """Of a part of an image too."""
    whole = np.random.default_rng(0).integers(0, 256, (12, 15, 3), np.uint8)
    image = whole[2:9, 4:14]
    sums = sums_down(whole.astype(np.float64))[2:10, 4:14]
    for height, width in ((7, 10), (3, 4), (9, 13), (1, 1)):
        result = area_mean(sums, height, width)
        for row in range(height):
            for column in range(width):
                rows = slice(row * 7 // height, -(-(row + 1) * 7 // height))
                columns = slice(column * 10 // width, -(-(column + 1) * 10 // width))
                expected = image[rows, columns].mean(axis=(0, 1))
                np.testing.assert_allclose(result[row, column], expected, rtol=1e-6)


# ---- detector


def assert_same(one: Detections, other: Detections) -> None:
    np.testing.assert_array_equal(one.box, other.box)
    np.testing.assert_array_equal(one.score, other.score)
    np.testing.assert_array_equal(one.points5, other.points5)


def test_a_batch_finds_what_each_image_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of different sizes, one without a face, one too small; crops in calls of three."""
    images = [
        scene((400, 300), (30, 40, 60), (200, 100, 85)),
        scene((100, 50)),
        scene((5, 9), (0, 0, 5)),
        scene((120, 200), (10, 100, 70)),
    ]
    alone = [found([image])[0] for image in images]
    assert [len(each) for each in alone] == [2, 0, 0, 1]
    for stage in ("REFINEMENT", "OUTPUT"):
        monkeypatch.setattr(mtcnn, stage, getattr(mtcnn, stage)._replace(batch=3))
    nets = Nets()
    together = nets.detector()(images, [Feed(0.5)] * 4)
    assert max(shape[0] for shape in nets.seen) == 3
    for one, other in zip(alone, together, strict=True):
        assert_same(one, other)


def test_each_image_has_a_feed_of_its_own() -> None:
    image = scene((400, 300), (30, 40, 36), (200, 100, 85))
    near, far = Nets().detector()([image, image], [Feed(20 / 80), Feed(20 / 34)])
    assert [len(near), len(far)] == [1, 2]
    assert near.box[0, 0] > 150


def test_larger_faces_than_wanted_are_left_out() -> None:
    image = scene((640, 480), (20, 20, 45), (200, 100, 200))
    (every,), (small,) = found([image]), found([image], largest_px=60)
    assert len(every) == 2
    sides = small.box[:, 2:] - small.box[:, :2] + 1
    assert len(small) > 0
    assert sides.max() <= 60 < (every.box[:, 2] - every.box[:, 0] + 1).max()
    assert small.box[:, 0].min() < 40
    (none,) = found([image], largest_px=35)
    assert len(none) == 0


DEGENERATE = [(1, 1), (1, 500), (500, 1), (11, 11), (12, 12), (13, 12), (2000, 13), (12, 700)]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("size", DEGENERATE)
def test_tiny_and_narrow_images(size: tuple[int, int], exact: bool) -> None:
    for image in (scene(size), scene(size, (0, 0, 2000))):
        (result,) = found([image], 2.0, exact=exact)
        assert len(result) == 0 or min(size) >= 10


def test_no_image_and_no_face() -> None:
    assert found([]) == []
    (result,) = found([scene((300, 200))])
    assert_same(result, Detections.empty())
    assert all(a.dtype == np.float32 for a in (result.box, result.score, result.points5))


def test_types_are_those_of_detections() -> None:
    (result,) = found([scene((300, 200), (30, 40, 60))])
    assert all(a.dtype == np.float32 for a in (result.box, result.score, result.points5))


def test_windows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    image = scene((300, 200), (30, 40, 60), (200, 100, 85))
    view, proposal = FastView(image), Nets().proposal
    scales = pyramid(300, 200, Feed(0.5))
    every = np.concatenate([level.output for level in view.windows(proposal, scales, -2.0)])
    monkeypatch.setattr(mtcnn_views, "MOST_WINDOWS", 12)
    best = np.concatenate([level.output for level in view.windows(proposal, scales, -2.0)])
    assert len(every) > 24
    assert np.sort(best[:, 0]).tolist() == np.sort(every[:, 0])[-len(best) :].tolist()
    assert 6 < len(best) <= 12


def test_opens_its_own_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, str]] = []

    def load(graph: object, compute: Compute) -> object:
        opened.append((graph, compute.device))
        return graph

    monkeypatch.setattr(mtcnn, "mtcnn_graphs", lambda runtime: ("p", "r", "o"))
    monkeypatch.setattr(mtcnn, "load_net", load)
    assert isinstance(mtcnn.open_mtcnn(Compute("cuda")), MtcnnDetector)
    assert opened == [("p", "cuda"), ("r", "cuda"), ("o", "cuda")]


def test_opens_a_rough_network_where_it_is_to_look_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """And asks that one: the other is shown no canvas."""
    nets, shown = Nets(), Nets()
    every = {"p": nets.proposal, "r": nets.refinement, "o": nets.output, "rough": shown.proposal}
    precisions = {}

    def load(graph: str, compute: Compute) -> object:
        precisions[graph] = compute.precision
        return every[graph]

    monkeypatch.setattr(mtcnn, "mtcnn_graphs", lambda runtime: ("p", "r", "o"))
    monkeypatch.setattr(mtcnn, "rough_graph", lambda: "rough")
    monkeypatch.setattr(mtcnn, "load_net", load)
    images = [scene((400, 300), (30, 40, 60), (200, 100, 85))]
    (result,) = mtcnn.open_mtcnn(Compute(runtime="openvino", sieved=True))(images, [Feed(0.5)])
    assert precisions == {"p": "f32", "r": "f32", "o": "f32", "rough": "bf16"}
    (expected,) = found(images)
    assert len(result) == 2
    np.testing.assert_array_equal(result.box, expected.box)
    assert len(shown.seen) == 1
    assert {shape[2:] for shape in nets.seen} == {(12, 12), (24, 24), (48, 48)}
