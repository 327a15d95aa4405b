"""The detectors' ways around their networks on a graphics card: who is shown what, together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf

import cv2
import numpy as np
import pytest
from fakes import HUE, FixedPoints
from onnx import helper

from facegrab.models import compute
from facegrab.models.compute import F32, FP16, ONNX_RUNTIME, Compute, choose
from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.models.gpu_graphs import GpuGraph
from facegrab.models.gpu_half import Body
from facegrab.models.gpu_net import open_net
from facegrab.models.mtcnn_shapes import OUTPUT_CHANNELS, REFINEMENT_CHANNELS
from facegrab.types import FloatArray, Image
from facegrab.vision import eyes
from facegrab.vision.feed import Feed
from facegrab.vision.gpu_batches import SIZES_KEPT, Shown, together
from facegrab.vision.gpu_embed import GpuResnetRecogniser
from facegrab.vision.gpu_mmod import GpuMmodDetector, layout_for, mmod_graph
from facegrab.vision.gpu_mtcnn import GpuMtcnnDetector, drawn_for, proposal_graph
from facegrab.vision.mmod import MmodDetector
from facegrab.vision.mtcnn import MtcnnDetector
from facegrab.vision.pyramid import Canvas, coarse_layout

WIDE, HIGH = (64, 48), (48, 64)
FEED = Feed(2.0)


def image(size: tuple[int, int], value: int = 0) -> Image:
    return np.full((size[1], size[0], 3), value, np.uint8)


def test_images_of_one_size_and_feed_go_together() -> None:
    images = [image(WIDE), image(HIGH), image(WIDE), image(WIDE)]
    assert together(images, [FEED, FEED, FEED, Feed(1.0)]) == {
        Shown(64, 48, FEED): [0, 2],
        Shown(48, 64, FEED): [1],
        Shown(64, 48, Feed(1.0)): [3],
    }


class Spots:
    """dlib's network: a face wherever an image's value says so, in the canvas' scores."""

    def __init__(self) -> None:
        self.opened: list[Shown] = []
        self.shown: list[int] = []

    def __call__(self, shown: Shown) -> Spots.Net:
        self.opened.append(shown)
        return Spots.Net(self, shown)

    class Net:
        def __init__(self, spots: Spots, shown: Shown) -> None:
            self._spots = spots
            self._shown = shown

        def __call__(self, images: Sequence[Image]) -> FloatArray:
            self._spots.shown.append(len(images))
            layout = layout_for(self._shown)
            scores = np.full((len(images), 1, layout.height // 8, layout.width // 8), -1.0)
            for number, each in enumerate(images):
                scores[number, 0, 5, int(each[0, 0, 0])] = 0.5
            return scores.astype(np.float32)


def test_frames_keep_their_faces() -> None:
    spots = Spots()
    big, small, other = image((200, 150), 6), image((20, 4)), image((150, 200), 9)
    images = [big, small, other, image((200, 150), 12)]
    feeds = [Feed(1.0)] * 4
    found = GpuMmodDetector(spots)(images, feeds)
    assert [len(each) for each in found] == [1, 0, 1, 1]
    assert spots.shown == [2, 1]
    # Eight pixels of the canvas are eight of the image.
    assert found[3].box[0, 0] - found[0].box[0, 0] == 8 * (12 - 6)


def test_the_boxes_are_those_of_the_processors_way() -> None:
    def scores(x: FloatArray) -> FloatArray:
        output = np.full((1, 1, x.shape[2] // 8, x.shape[3] // 8), -1, np.float32)
        output[0, 0, 5, 7] = 0.5
        return output

    for feed in (Feed(0.8), Feed(0.5), Feed(1.0), FEED):
        images, feeds = [image((200, 152), 7)], [feed]
        (expected,) = MmodDetector(scores, coarse_layout)(images, feeds)
        (found,) = GpuMmodDetector(Spots())(images, feeds)
        np.testing.assert_array_equal(found.box, expected.box)


def test_a_border_that_is_not_shown_moves_no_box() -> None:
    """1603 columns in squares of 4 are 400 of them, 1600 columns, shown as 401."""
    (found,) = GpuMmodDetector(Spots())([image((1603, 1200), 45)], [Feed(0.25)])
    shown_at = 8 * 45 + 14 - 11 - 39  # the left edge of the window
    assert found.box[0, 0] == round((shown_at + 0.5) * 1600 / 401 - 0.5)


def test_few_sizes_are_kept() -> None:
    spots = Spots()
    detector = GpuMmodDetector(spots)
    sizes = [(200, 150 + number) for number in range(SIZES_KEPT + 1)]
    for size in (*sizes, sizes[-1], sizes[0]):
        detector([image(size)], [Feed(1.0)])
    assert [shown.height for shown in spots.opened] == [150, 151, 152, 150]


# ---- What the networks are shown

SIZES = [(240, 136), (241, 135), (97, 203)]


@pytest.fixture
def nothing() -> Body:
    """A network that says what it is shown."""
    node = helper.make_node("Identity", ["x"], ["y_half"])
    return Body((node,), (), "x", "y_half", "y", ("N", 3, "h", "w"))


def photograph(size: tuple[int, int]) -> Image:
    """Smooth: of noise, a resize leaves hardly anything."""
    small = np.random.default_rng(1).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def shown(made: GpuGraph, image: Image) -> FloatArray:
    canvases = open_net(made, "test", Compute(precision=FP16))([image])
    return np.asarray(canvases[0], np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [2.0, 1.0, 0.7, 0.3])
def test_mtcnn_sees_the_processors_canvas(
    nothing: Body, size: tuple[int, int], factor: float
) -> None:
    kind = Shown(*size, Feed(factor))
    expected: list[FloatArray] = []

    def proposal(x: FloatArray) -> FloatArray:
        expected.append(x[0])
        return np.full((1, 5, x.shape[2] // 2 - 5, x.shape[3] // 2 - 5), UNLIKELY, np.float32)

    MtcnnDetector(proposal, proposal, proposal)([photograph(size)], [kind.feed])
    got = shown(proposal_graph(nothing, kind), photograph(size))
    # A processor rounds the colours after each halving and each resize.
    assert np.abs(got - expected[0]).max() < 2.5
    assert np.abs(got - expected[0]).mean() < 0.6


@pytest.mark.parametrize(
    ("size", "factor"),
    [*product(SIZES, (2.0, 1.0, 0.7)), ((240, 136), 0.5), ((240, 135), 0.3), ((99, 201), 0.33)],
)
def test_dlibs_detector_sees_the_processors_canvas(
    nothing: Body, size: tuple[int, int], factor: float
) -> None:
    """Of images that are whole squares: else a processor's squares are a little larger."""
    kind = Shown(*size, Feed(factor))
    expected, _ = Canvas(coarse_layout).fill(kind.feed.resize(photograph(size)))
    apart = np.abs(shown(mmod_graph(nothing, kind), photograph(size)) - expected)
    assert apart.max() < 1.5 / 256
    assert apart.mean() < 0.4 / 256


# ---- MTCNN

LIKELY, UNLIKELY = 5.0, -5.0


class Cascade:
    """MTCNN's networks, which find a face where the canvas' first level begins."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.crops: list[int] = []

    def proposal_of(self, shown: Shown) -> Cascade.Proposal:
        return Cascade.Proposal(self, shown)

    class Proposal:
        def __init__(self, cascade: Cascade, shown: Shown) -> None:
            self._cascade = cascade
            drawn = drawn_for(shown)
            assert drawn is not None
            self._places = drawn.layout.level_of.shape

        def __call__(self, images: Sequence[Image]) -> FloatArray:
            self._cascade.frames.append(len(images))
            rows, columns = self._places
            output = np.zeros((len(images), 5, rows - 5, columns - 5), np.float32)
            output[:, 0] = UNLIKELY
            for number, each in enumerate(images):
                output[number, 0, 3, int(each[0, 0, 0])] = LIKELY
            return output

    def refinement(self, x: FloatArray) -> FloatArray:
        return self._yes(x, REFINEMENT_CHANNELS)

    def output(self, x: FloatArray) -> FloatArray:
        return self._yes(x, OUTPUT_CHANNELS)

    def _yes(self, x: FloatArray, channels: int) -> FloatArray:
        self.crops.append(len(x))
        answer = np.zeros((len(x), channels), np.float32)
        answer[:, 0] = LIKELY
        return answer

    def on_a_processor(self, x: FloatArray) -> FloatArray:
        """The proposal network on one canvas."""
        rows, columns = x.shape[2] // 2, x.shape[3] // 2
        output = np.zeros((1, 5, rows - 5, columns - 5), np.float32)
        output[:, 0] = UNLIKELY
        output[0, 0, 3, int(x[0, 0, 0, 0])] = LIKELY
        return output


def test_frames_of_one_size_are_proposed_from_together() -> None:
    nets = Cascade()
    detector = GpuMtcnnDetector(nets.proposal_of, nets.refinement, nets.output)
    images = [image(WIDE, 2), image((5, 5)), image(HIGH, 3), image(WIDE, 4)]
    found = detector(images, [FEED] * 4)
    assert nets.frames == [2, 1]
    assert nets.crops == [3, 3]
    assert [len(each) for each in found] == [1, 0, 1, 1]
    alone = [detector([each], [FEED])[0] for each in images]
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.box, other.box)
        np.testing.assert_array_equal(one.points5, other.points5)


def test_frames_that_follow_are_not_proposed_from() -> None:
    nets = Cascade()
    detector = GpuMtcnnDetector(nets.proposal_of, nets.refinement, nets.output)
    images = [image(WIDE, 2), image(WIDE, 2), image(WIDE, 4)]
    found, _ = detector.following(images, [FEED] * 3, [False, True, False])
    assert nets.frames == [2]
    assert [len(each) for each in found] == [1, 1, 1]
    changed = [image(WIDE, 2), photograph(WIDE)]
    changed[1][0, 0] = 3
    detector.following(changed, [FEED] * 2, [False, True])
    assert nets.frames == [2, 1, 1]


@pytest.mark.parametrize("size", [WIDE, (241, 135), (97, 203)])
@pytest.mark.parametrize("feed", [FEED, Feed(0.7), Feed(0.9, 40.0)])
def test_windows_lie_where_the_processors_way_has_them(size: tuple[int, int], feed: Feed) -> None:
    nets = Cascade()
    gpu = GpuMtcnnDetector(nets.proposal_of, nets.refinement, nets.output)
    cpu = MtcnnDetector(nets.on_a_processor, nets.refinement, nets.output)
    images, feeds = [image(size, 5)], [feed]
    (expected,), (found,) = cpu(images, feeds), gpu(images, feeds)
    assert len(found) == 1
    np.testing.assert_array_equal(found.box, expected.box)


def test_no_frame_is_no_answer() -> None:
    nets = Cascade()
    assert GpuMtcnnDetector(nets.proposal_of, nets.refinement, nets.output)([], []) == []
    assert GpuMmodDetector(Spots())([], []) == []


# ---- The recogniser


def test_all_chips_go_up_together_and_none_is_no_call() -> None:
    shown: list[int] = []

    def net(chips: Sequence[Image]) -> FloatArray:
        shown.append(len(chips))
        return np.ones((len(chips), EMBEDDING_LENGTH), np.float32)

    corners = FixedPoints(np.zeros((5, 2), np.float32))
    recogniser = GpuResnetRecogniser(net, corners, HUE)
    assert recogniser([image((150, 150))] * 40).shape == (40, EMBEDDING_LENGTH)
    assert recogniser([]).shape == (0, EMBEDDING_LENGTH)
    assert shown == [40]


# ---- The choice


def test_cuda_computes_in_fp16_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "usable_cores", lambda: 8)
    chosen = choose("cuda")
    assert chosen == Compute("cuda", ONNX_RUNTIME, FP16)
    assert str(chosen) == "cuda with ONNX Runtime in fp16"
    for asked in ("f32", "exact"):
        assert choose("cuda", asked).precision == F32
    # Whatever nobody has compared is computed as it was made.
    for kind, precision in (("mtcnn", FP16), ("dlib", FP16), ("yunet", F32), ("arcface", F32)):
        assert chosen.of_network(kind, eyes.BEST_DETECTORS).precision == precision
    assert compute.lookers(8, "cuda") == 1
    assert chosen.thread_count == 8


def test_nobody_gets_fp16_on_a_processor() -> None:
    for precision in ("auto", "f32", "exact"):
        assert choose(precision=precision).precision != FP16


def test_words_of_a_card_say_nothing_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyes, "slow_because", lambda: "OpenVINO is not installed")
    card, processor = choose("cuda"), Compute()
    assert eyes._computed(card, card) == "cuda with ONNX Runtime in fp16"
    assert "OpenVINO is not installed" in eyes._computed(processor, processor)


def test_a_limit_makes_the_pyramid_smaller() -> None:
    whole, part = (layout_for(Shown(640, 480, Feed(1.0, most))) for most in (inf, 100.0))
    assert len(part.levels) < len(whole.levels)
