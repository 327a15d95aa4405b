"""Recognisers of the ArcFace kind: the chip, the colours, the batch, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs_of_kinds import ARCFACE_LENGTH, Size, arcface, recogniser_spec, saved

from facegrab.errors import WeightsError
from facegrab.models.compute import Compute
from facegrab.models.specs import RecogniserSpec
from facegrab.types import FloatArray, Image
from facegrab.vision.align import ARCFACE_PX
from facegrab.vision.open_onnx import open_recogniser


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))


def spec_of(folder: Path, batch: int | None = 1, factor: float = 1.0) -> RecogniserSpec:
    graph = saved(arcface(Size(112, 112, batch), factor=factor), folder / "arcface.onnx")
    return recogniser_spec(graph, batch)


def pictures(count: int) -> list[Image]:
    random = np.random.default_rng(5)
    blocks = random.integers(0, 256, (count, 7, 7, 3), np.uint8)
    return list(blocks.repeat(16, axis=1).repeat(16, axis=2))


def expected(chips: list[Image]) -> FloatArray:
    """Means of blocks of the normalised colours, planes first, as unit vectors."""
    blocks = np.array([chip[::16, ::16].transpose(2, 0, 1) for chip in chips], np.float64)
    vectors = (blocks.reshape(len(chips), -1) - 127.5) / 127.5
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("batch", [None, 1, 4])
@pytest.mark.parametrize("count", [0, 1, 5, 17])
def test_embeddings_are_unit_vectors_whatever_the_batch(
    tmp_path: Path, batch: int | None, count: int
) -> None:
    chips = pictures(count)
    embedding = open_recogniser(spec_of(tmp_path, batch), Compute())(chips)
    assert embedding.shape == (count, ARCFACE_LENGTH)
    assert embedding.dtype == np.float32
    if count:
        np.testing.assert_allclose(embedding, expected(chips), atol=1e-5)


def test_a_second_output_of_norms_is_passed_over(tmp_path: Path) -> None:
    graph = saved(arcface(Size(112, 112, None), norm=True), tmp_path / "arcface.onnx")
    chips = pictures(3)
    embedding = open_recogniser(recogniser_spec(graph, None), Compute())(chips)
    np.testing.assert_allclose(embedding, expected(chips), atol=1e-5)


def test_the_chip_has_the_points_on_the_template(tmp_path: Path) -> None:
    """Each point is a spot of its own colour, turned and larger in the second frame."""
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255]])
    scale, turn = 1.5, 0.3
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = ARCFACE_PX @ linear.T + [80, 40]
    frame = np.zeros((300, 320, 3), np.uint8)
    rows, columns = np.indices(frame.shape[:2])
    for (x, y), colour in zip(points, colours, strict=True):
        frame[np.hypot(columns - x, rows - y) < 6] = colour
    recogniser = open_recogniser(spec_of(tmp_path), Compute())
    images = [np.zeros((10, 10, 3), np.uint8), frame]
    box = np.zeros((1, 4), np.float32)
    (chip,) = recogniser.chips(images, np.array([1]), box, points[None].astype(np.float32))
    assert chip.shape == (112, 112, 3)
    assert chip.dtype == np.uint8
    for (x, y), colour in zip(ARCFACE_PX, colours, strict=True):
        place = np.argwhere(np.abs(chip.astype(int) - colour).max(axis=2) < 60)
        np.testing.assert_allclose(place.mean(axis=0), [y, x], atol=0.3)


def test_no_faces_are_no_chips(tmp_path: Path) -> None:
    recogniser = open_recogniser(spec_of(tmp_path), Compute())
    none = np.empty((0, 5, 2), np.float32)
    assert recogniser.chips([], np.empty(0, np.int64), none[:, 0].repeat(2, axis=1), none) == []


@pytest.mark.parametrize("factor", [np.nan, np.inf, 0.0])
def test_numbers_that_are_no_vector_are_told(tmp_path: Path, factor: float) -> None:
    recogniser = open_recogniser(spec_of(tmp_path, factor=factor), Compute())
    with pytest.raises(WeightsError, match="made answers a face with numbers that are not finite"):
        recogniser(pictures(1))


def test_another_length_is_told(tmp_path: Path) -> None:
    recogniser = open_recogniser(replace(spec_of(tmp_path), length=512), Compute())
    with pytest.raises(WeightsError, match=r"made gives \(1, 147\) for 1 faces, not \(1, 512\)"):
        recogniser(pictures(1))


def test_a_chip_is_a_square_of_known_size(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    with pytest.raises(ValueError, match="no square"):
        open_recogniser(replace(spec, pixels=replace(spec.pixels, width_px=96)), Compute())
