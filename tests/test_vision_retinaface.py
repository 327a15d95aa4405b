"""RetinaFace: outputs relative to anchors become faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import POINTS, Size, detector_spec, find, retinaface, saved, scene

from facegrab.models.specs import DetectorSpec


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


def spec_of(folder: Path, size: Size, *, softmax: bool = True) -> DetectorSpec:
    model = retinaface(size, softmax=softmax)
    return detector_spec(saved(model, folder / "retinaface.onnx"), "retinaface")


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize(
    ("face", "anchor_px"), [((0, 6, 4), 16), ((1, 5, 6), 64), ((2, 5, 3), 256)]
)
def test_a_face_of_each_stride(
    tmp_path: Path, face: tuple[int, int, int], anchor_px: int, softmax: bool
) -> None:
    found = find(spec_of(tmp_path, Size(), softmax=softmax), scene(320, 256, face))
    level, column, row = face
    stride = 8 * 2**level
    centre = np.array([column + 0.5, row + 0.5]) * stride
    middle = centre + np.array([0.1, -0.2]) * anchor_px
    half = np.array([1.0, 0.75]) * anchor_px  # twice as wide, 1.5 times as high
    np.testing.assert_allclose(found.box, [[*(middle - half), *(middle + half - 1)]], atol=1e-2)
    np.testing.assert_allclose(found.score, [1], atol=1e-3)
    points = centre + np.reshape(POINTS, (5, 2)) * 0.1 * anchor_px
    np.testing.assert_allclose(found.points5[0], points, atol=1e-3)


@pytest.mark.parametrize("declared", [Size(640, 640), Size(160, 100, bound=True)])
def test_a_file_of_one_size(tmp_path: Path, declared: Size) -> None:
    """Also where the cells of the last line reach over the edge."""
    found = find(spec_of(tmp_path, declared), scene(96, 96, (1, 3, 4)))
    middle, half = np.array([56 + 6.4, 72 - 12.8]), np.array([64, 48])
    np.testing.assert_allclose(found.box, [[*(middle - half), *(middle + half - 1)]], atol=1e-2)
