"""UltraFace: boxes in shares of an image of one size, no points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import Size, detector_spec, find, saved, scene, ultraface

from facegrab.errors import WeightsError
from facegrab.models.specs import DetectorSpec

SMALL = Size(320, 240)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


def spec_of(folder: Path, *, softmax: bool = True, decoded: bool = True) -> DetectorSpec:
    model = ultraface(SMALL, softmax=softmax, decoded=decoded)
    return detector_spec(saved(model, folder / "ultraface.onnx"), "ultraface", 320, 240)


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("face", [(0, 3, 4), (1, 5, 2), (2, 1, 2)])
def test_a_face_of_each_stride(tmp_path: Path, face: tuple[int, int, int], softmax: bool) -> None:
    level, column, row = face
    found = find(spec_of(tmp_path, softmax=softmax), scene(320, 240, face))
    side = 8 * 2**level
    expected = [(column - 1) * side, (row - 1) * side, (column + 2) * side, (row + 2) * side]
    np.testing.assert_allclose(found.box, [np.array(expected) - [0, 0, 1, 1]], atol=1e-2)
    np.testing.assert_allclose(found.score, [1], atol=1e-3)
    assert np.isnan(found.points5).all()


def test_a_larger_picture_is_shown_as_large_as_fits(tmp_path: Path) -> None:
    """960x720 at a third; 640x960 at a quarter, with black beside it."""
    spec = spec_of(tmp_path)
    fed = scene(320, 240, (1, 5, 2))
    found = find(spec, fed.repeat(3, axis=0).repeat(3, axis=1), factor=0.9)
    expected = np.array([4, 1, 7, 4]) * 48 - [0, 0, 1, 1]
    np.testing.assert_allclose(found.box, [expected], atol=1e-2)
    fed = scene(160, 240, (1, 5, 2))
    found = find(spec, fed.repeat(4, axis=0).repeat(4, axis=1))
    expected = np.array([4, 1, 7, 4]) * 64 - [0, 0, 1, 1]
    np.testing.assert_allclose(found.box, [expected], atol=1e-2)


def test_a_size_in_the_file_counts_if_the_spec_has_none(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert spec.graph is not None
    assert len(find(detector_spec(spec.graph, "ultraface"), scene(96, 64, (0, 3, 4)))) == 1


def test_boxes_that_the_graph_does_not_decode_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"made is no ultraface: .* post-processing"):
        find(spec_of(tmp_path, decoded=False), scene(320, 240, (1, 5, 2)))
