"""SCRFD: known outputs become known faces, with and without points, flat and batched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import POINTS, SCRFD_BOX, Size, detector_spec, find, saved, scene, scrfd

from facegrab.models.specs import DetectorSpec


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


def spec_of(folder: Path, size: Size, *, points: bool = True, flat: bool = True) -> DetectorSpec:
    model = scrfd(size, points=points, flat=flat)
    return detector_spec(saved(model, folder / "scrfd.onnx"), "scrfd")


def box_of(level: int, column: int, row: int) -> list[float]:
    """Where SCRFD_BOX puts the box of a cell, corner pixels."""
    side = 8 * 2**level
    left, top, right, bottom = np.array(SCRFD_BOX) * side
    x, y = column * side, row * side
    return [x - left, y - top, x + right - 1, y + bottom - 1]


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("face", [(0, 3, 4), (1, 5, 2), (2, 1, 2)])
def test_a_face_of_each_stride(tmp_path: Path, face: tuple[int, int, int], flat: bool) -> None:
    found = find(spec_of(tmp_path, Size(), flat=flat), scene(160, 128, face))
    np.testing.assert_allclose(found.box, [box_of(*face)], atol=1e-3)
    np.testing.assert_allclose(found.score, [1], atol=1e-4)
    level, *cell = face
    points = (np.reshape(POINTS, (5, 2)) + cell) * 8 * 2**level
    np.testing.assert_allclose(found.points5[0], points, atol=1e-3)


def test_without_points_they_are_nan(tmp_path: Path) -> None:
    found = find(spec_of(tmp_path, Size(), points=False), scene(160, 128, (1, 5, 2)))
    np.testing.assert_allclose(found.box, [box_of(1, 5, 2)], atol=1e-3)
    assert np.isnan(found.points5).all()


@pytest.mark.parametrize("declared", [Size(640, 640), Size(160, 160, bound=True)])
def test_a_file_of_one_size(tmp_path: Path, declared: Size) -> None:
    found = find(spec_of(tmp_path, declared), scene(96, 160, (1, 2, 5)))
    np.testing.assert_allclose(found.box, [box_of(1, 2, 5)], atol=1e-3)
