"""YuNet: known outputs become known faces, whatever size the graph declares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import POINTS, Size, detector_spec, find, saved, scene, yunet

from facegrab.models.specs import DetectorSpec
from facegrab.vision.yunet import decode

ANY = Size()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


def spec_of(folder: Path, size: Size) -> DetectorSpec:
    return detector_spec(saved(yunet(size), folder / "yunet.onnx"), "yunet")


def box_of(level: int, column: int, row: int) -> list[float]:
    """Where YUNET_BOX puts the box of a cell, corner pixels."""
    side = 8 * 2**level
    x, y = (column + 0.5) * side, (row + 0.25) * side
    return [x - 1.5 * side, y - 2 * side, x + 1.5 * side - 1, y + 2 * side - 1]


@pytest.mark.parametrize("face", [(0, 3, 4), (1, 5, 2), (2, 1, 2)])
def test_a_face_of_each_stride(tmp_path: Path, face: tuple[int, int, int]) -> None:
    found = find(spec_of(tmp_path, ANY), scene(160, 128, face))
    np.testing.assert_allclose(found.box, [box_of(*face)], atol=1e-3)
    np.testing.assert_allclose(found.score, [1], atol=1e-4)
    level, *cell = face
    points = (np.reshape(POINTS, (5, 2)) + cell) * 8 * 2**level
    np.testing.assert_allclose(found.points5[0], points, atol=1e-3)


def test_best_first(tmp_path: Path) -> None:
    image = scene(320, 192, (0, 4, 10), (1, 15, 5))
    image[image == 255] = 250
    image[..., 1][image[..., 1] > 0] = 255
    found = find(spec_of(tmp_path, ANY), image)
    np.testing.assert_allclose(found.box, [box_of(1, 15, 5), box_of(0, 4, 10)], atol=1e-3)
    assert found.score[0] > found.score[1] > 0.9


def test_sides_that_are_no_multiples_of_32(tmp_path: Path) -> None:
    face = (0, 16, 10)
    found = find(spec_of(tmp_path, ANY), scene(137, 89, face))
    np.testing.assert_allclose(found.box, [box_of(*face)], atol=1e-3)


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_a_picture_shown_smaller_is_found_in_the_picture(tmp_path: Path, factor: float) -> None:
    step = round(1 / factor)
    fed = scene(160, 96, (1, 4, 3))
    source = fed.repeat(step, axis=0).repeat(step, axis=1)
    found = find(spec_of(tmp_path, ANY), source, factor)
    low, high = np.split(np.array(box_of(1, 4, 3)), 2)
    expected = [*low * step, *(high + 1) * step - 1]
    np.testing.assert_allclose(found.box, [expected], atol=1e-3)
    points = ((np.reshape(POINTS, (5, 2)) + np.array([4, 3])) * 16 + 0.5) * step - 0.5
    np.testing.assert_allclose(found.points5[0], points, atol=1e-3)


@pytest.mark.parametrize("declared", [Size(640, 640), Size(320, 192), Size(64, None), Size()])
def test_a_size_that_is_only_declared_is_no_obstacle(tmp_path: Path, declared: Size) -> None:
    face = (2, 5, 1)
    found = find(spec_of(tmp_path, declared), scene(416, 96, face))
    np.testing.assert_allclose(found.box, [box_of(*face)], atol=1e-3)


def test_a_size_that_the_graph_needs_is_kept(tmp_path: Path) -> None:
    """The picture is shown no larger than fits: half as large, at the top left."""
    spec = spec_of(tmp_path, Size(160, 96, bound=True))
    fed = scene(160, 80, (1, 4, 3))
    found = find(spec, fed.repeat(2, axis=0).repeat(2, axis=1))
    low, high = np.split(np.array(box_of(1, 4, 3)), 2)
    np.testing.assert_allclose(found.box, [[*low * 2, *(high + 1) * 2 - 1]], atol=1e-3)
    assert len(find(spec, scene(96, 64, (0, 3, 4)))) == 1


def test_other_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match="1x24x1"):
        decode([np.zeros((1, 24, 1), np.float32)] * 3, 64, 64, 0.5)
