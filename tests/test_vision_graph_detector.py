"""What all detectors of one shot share: sizes, large faces, limits, bad answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import LICENCE, Size, detector_spec, saved, scene, yunet

from facegrab.errors import WeightsError
from facegrab.models.compute import Compute
from facegrab.models.specs import DetectorSpec, Pixels
from facegrab.types import FloatArray, Image
from facegrab.vision.anchors import Candidates, no_points
from facegrab.vision.feed import Feed
from facegrab.vision.graph_detector import GraphDetector, OneShot, resized
from facegrab.vision.open_onnx import open_detector


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


class FakeNet:
    """Remembers what it was shown, and answers always the same."""

    outputs: tuple[str, ...] = ("out",)

    def __init__(self, answer: float = 0.0) -> None:
        self.seen: list[FloatArray] = []
        self._answer = answer

    def __call__(self, x: FloatArray) -> tuple[FloatArray, ...]:
        self.seen.append(x.copy())
        return (np.full((1, 4), self._answer, np.float32),)


SPEC = DetectorSpec("fake", "yunet", None, "", LICENCE, Pixels("bgr", (9, 8, 7), (2, 4, 8)), 20)


def nothing(outputs: Sequence[FloatArray], width: int, height: int, least: float) -> Candidates:
    return Candidates(np.zeros(0, np.float32), np.zeros((0, 4), np.float32), no_points(0))


def one_box(*box: float) -> OneShot:
    """A kind whose networks see a box of these edges in whatever they are shown."""

    def decode(outputs: Sequence[FloatArray], width: int, height: int, least: float) -> Candidates:
        return Candidates(np.ones(1, np.float32), np.array([box], np.float32), no_points(1))

    return OneShot(decode, 0.5, 0.3, 1000, 100)


def kind() -> OneShot:
    """A kind whose networks see nothing."""
    return OneShot(nothing, 0.5, 0.3, longest_fed_px=1000, largest_px=100)


def noise(width: int, height: int) -> Image:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def test_the_network_sees_its_own_colours_and_black_beyond_the_edge() -> None:
    net, image = FakeNet(), noise(40, 33)
    GraphDetector(net, SPEC, kind())([image], [Feed(1)])
    (seen,) = net.seen
    assert seen.shape == (1, 3, 64, 64)
    expected = np.zeros((64, 64, 3))
    expected[:33, :40] = image
    expected = (expected[..., ::-1] - np.array([9, 8, 7])) / np.array([2, 4, 8])
    np.testing.assert_allclose(seen[0].transpose(1, 2, 0), expected, atol=1e-5)


def test_pictures_of_changing_sizes_leave_no_trace_of_each_other() -> None:
    net = FakeNet()
    detector = GraphDetector(net, SPEC, kind())
    images = [noise(60, 60), noise(40, 33), noise(60, 60), noise(40, 60)]
    detector(images, [Feed(1)] * 4)
    for image, seen in zip(images, net.seen, strict=True):
        fresh = FakeNet()
        GraphDetector(fresh, SPEC, kind())([image], [Feed(1)])
        np.testing.assert_array_equal(fresh.seen[0], seen)


@pytest.mark.parametrize(
    ("size", "factor"), [((1, 1), 1.0), ((1, 1), 0.1), ((3000, 2), 0.2), ((1, 70), 2.0)]
)
def test_tiny_and_thin_pictures(size: tuple[int, int], factor: float) -> None:
    (found,) = GraphDetector(FakeNet(), SPEC, kind())([noise(*size)], [Feed(factor)])
    assert len(found) == 0


def test_no_pictures() -> None:
    assert GraphDetector(FakeNet(), SPEC, kind())([], []) == []


@pytest.mark.parametrize(
    ("size", "factor", "looks"),
    [((200, 100), 1.0, 1), ((200, 104), 1.0, 2), ((400, 300), 0.25, 1), ((60, 60), 2.0, 2)],
)
def test_a_second_look_where_a_face_could_be_too_large(
    size: tuple[int, int], factor: float, looks: int
) -> None:
    net = FakeNet()
    GraphDetector(net, SPEC, kind())([noise(*size)], [Feed(factor)])
    assert len(net.seen) == looks


def test_no_second_look_for_faces_that_nobody_wants() -> None:
    net = FakeNet()
    GraphDetector(net, SPEC, kind())([noise(800, 800)], [Feed(0.5, largest_px=200)])
    assert len(net.seen) == 1


def test_a_face_too_large_for_the_first_look(tmp_path: Path) -> None:
    """A square of 128 px is a cell of 32 px at the second look, and its box four times as large."""
    spec = detector_spec(saved(yunet(Size()), tmp_path / "yunet.onnx"), "yunet")
    image = scene(128, 160, (2, 1, 2)).repeat(4, axis=0).repeat(4, axis=1)
    (found,) = open_detector(spec, Compute())([image], [Feed(1)])
    large = found.box[(found.box[:, 2] - found.box[:, 0]) > 300]
    x, y = 1.5 * 128, 2.25 * 128
    expected = [x - 1.5 * 128, y - 2 * 128, x + 1.5 * 128 - 1, y + 2 * 128 - 1]
    np.testing.assert_allclose(large, [expected], atol=1e-2)


def test_small_faces_of_the_second_look_do_not_count() -> None:
    """Its box of 12 px is one of 48: half the largest and more counts, 50 px."""
    detector = GraphDetector(FakeNet(), SPEC, one_box(0, 0, 12, 12))
    (found,) = detector([noise(200, 200)], [Feed(1)])
    np.testing.assert_allclose(found.box, [[0, 0, 11, 11]])
    detector = GraphDetector(FakeNet(), SPEC, one_box(0, 0, 13, 13))
    (found,) = detector([noise(200, 200)], [Feed(1)])
    np.testing.assert_allclose(sorted(found.box[:, 2]), [12, 51])


def test_faces_larger_than_wanted_are_left_out() -> None:
    detector = GraphDetector(FakeNet(), SPEC, one_box(4, 4, 24, 34))
    assert len(detector([noise(100, 100)], [Feed(0.5, largest_px=60)])[0]) == 1
    assert len(detector([noise(100, 100)], [Feed(0.5, largest_px=59)])[0]) == 0


def test_the_last_pixel_of_a_box_is_inside() -> None:
    detector = GraphDetector(FakeNet(), SPEC, one_box(4, 4, 24, 34))
    (found,) = detector([noise(100, 100)], [Feed(0.5)])
    np.testing.assert_allclose(found.box, [[8, 8, 47, 67]])


def test_the_least_face_is_the_specs_the_longest_feed_the_kinds_or_the_graphs() -> None:
    detector = GraphDetector(FakeNet(), SPEC, kind())
    assert (detector.smallest_px, detector.longest_fed_px) == (20, 1000)
    fixed = replace(SPEC, pixels=replace(SPEC.pixels, width_px=320, height_px=240))
    assert GraphDetector(FakeNet(), fixed, kind()).longest_fed_px == 320


@pytest.mark.parametrize("answer", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_told(answer: float) -> None:
    with pytest.raises(WeightsError, match="fake answers with numbers that are not finite"):
        GraphDetector(FakeNet(answer), SPEC, kind())([noise(50, 50)], [Feed(1)])
    with pytest.raises(WeightsError, match="fake answers"):
        GraphDetector(FakeNet(), SPEC, one_box(0, 0, 9, answer))([noise(50, 50)], [Feed(1)])


def test_a_picture_shrinks_by_means_of_whole_steps() -> None:
    """Three by three pixels a mean; what makes no whole step is left out, and known to be."""
    image = noise(61, 32)
    small, across, down = resized(image, 1 / 3)
    assert small.shape == (10, 20, 3)
    means = image[:30, :60].reshape(10, 3, 20, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, means, atol=0.51)
    assert (across, down) == (3, 3)


def test_the_scale_is_that_of_what_is_shown() -> None:
    small, across, down = resized(noise(101, 67), 0.4)
    assert small.shape[:2] == (26, 40)
    assert (across, down) == pytest.approx((100 / 40, 66 / 26))
    assert resized(noise(7, 9), 1.0)[1:] == (1, 1)


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    spec = detector_spec(saved(yunet(Size()), tmp_path / "yunet.onnx"), "yunet")
    saved(yunet(Size(64, 64)), tmp_path / "yunet.onnx")
    with pytest.raises(WeightsError, match="not the file that made was added as"):
        open_detector(spec, Compute())
