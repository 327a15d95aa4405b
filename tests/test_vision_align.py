"""Similarity transforms and extracts."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facegrab.vision import align
from facegrab.vision.quality import sharpness

ANGLES = st.floats(-3.1, 3.1)
SCALES = st.floats(0.05, 20)
SHIFTS = st.floats(-2000, 2000)


def posed(points: NDArray[Any], angle: float, scale: float, x: float, y: float) -> NDArray[Any]:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + [x, y]


def face_points(angle: float, scale: float, x: float, y: float) -> NDArray[Any]:
    """68 points whose inner 51 are the mean face in a pose."""
    inner = posed(align.MEAN_FACE, angle, scale, x, y)
    return np.vstack([np.zeros((17, 2)), inner]).astype(np.float32)


@given(ANGLES, SCALES, SHIFTS, SHIFTS)
def test_similarity_recovers_a_pose(angle: float, scale: float, x: float, y: float) -> None:
    points = np.random.default_rng(0).normal(size=(51, 2))
    moved = posed(points, angle, scale, x, y)
    matrix = align.similarity(moved, points)
    assert np.allclose(moved @ matrix[:, :2].T + matrix[:, 2], points, atol=1e-6)


@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_a_weight_of_three_is_the_same_point_three_times(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    source, target = random.normal(size=(2, count, 2))
    times = random.integers(1, 20, count)
    weighted = align.similarity(source, target, times.astype(np.float64))
    repeated = align.similarity(np.repeat(source, times, axis=0), np.repeat(target, times, axis=0))
    assert np.allclose(weighted, repeated, atol=1e-9)


@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_similarity_is_the_best_one(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    source, target = random.normal(size=(2, count, 2))
    best = align.similarity(source, target)

    def error(matrix: NDArray[Any]) -> float:
        return float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())

    for turn, lift, x, y in random.normal(scale=0.01, size=(8, 4)):
        change = np.array([[turn, -lift, x], [lift, turn, y]])
        assert error(best) <= error(best + change) + 1e-9


def test_points_that_coincide_have_no_pose() -> None:
    with pytest.raises(ValueError, match="no pose"):
        align.similarity(np.ones((5, 2)), np.ones((5, 2)))


@given(ANGLES, st.floats(40, 800), SHIFTS, SHIFTS, st.integers(32, 1024))
def test_every_pose_lands_on_the_mean_face(
    angle: float, scale: float, x: float, y: float, size: int
) -> None:
    points = face_points(angle, scale, x, y)
    matrix = align.extract_matrix(points, size)
    landed = points[17:].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    padding = int(size * 0.18)
    assert np.abs(landed - (align.MEAN_FACE * (size - 2 * padding) + padding)).max() < 0.05
    assert padding - 1 <= landed.min()
    assert landed.max() <= size - padding + 1


@given(ANGLES, st.floats(40, 800), st.floats(-0.06, 0.06))
def test_a_turned_head_keeps_its_eyes_in_place(angle: float, scale: float, swing: float) -> None:
    """The nose swings by up to 10 px, the mouth by half of that: the eyes give way by 2 at most."""
    face = align.MEAN_FACE.copy()
    face[10:19, 0] += swing
    face[31:, 0] += swing / 2
    points = np.vstack([np.zeros((17, 2)), posed(face, angle, scale, 300, 200)]).astype(np.float32)
    matrix = align.extract_matrix(points, 256)
    landed = points[36:48].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    assert np.linalg.norm(landed - (align.MEAN_FACE[19:31] * 164 + 46), axis=1).max() < 2


def test_a_pattern_stands_upright_in_the_extract() -> None:
    """A face-sized cross, drawn turned and far from the origin, is a straight cross at the end."""
    image = np.zeros((600, 900, 3), np.uint8)
    points = face_points(0.5, 150, 520, 260)
    nose, brow = points[30], points[27]
    cv2.line(image, brow.astype(int).tolist(), nose.astype(int).tolist(), (255, 255, 255), 7)
    extract = align.extract(image, points, 256)
    bright = np.nonzero(extract[..., 0] > 128)
    assert bright[1].std() < 3
    assert bright[0].std() > 10
    assert abs(bright[1].mean() - (align.MEAN_FACE[10, 0] * 164 + 46)) < 1.5


@pytest.mark.parametrize("shrink", [1.5, 2.0, 3.7, 8.0, 40.0])
def test_shrinking_is_an_area_mean(shrink: float) -> None:
    """Single bright pixels must not come and go with their place: no light is lost."""
    random = np.random.default_rng(2)
    image = np.zeros((1600, 1600, 3), np.uint8)
    image[random.integers(200, 1400, 8000), random.integers(200, 1400, 8000)] = 255
    size = 32
    matrix = np.array([[1 / shrink, 0, -400 / shrink], [0, 1 / shrink, -400 / shrink]])
    side = int(size * shrink)
    covered = image[400 : 400 + side, 400 : 400 + side]
    shrunk = align.warp(image, matrix, size)
    assert shrunk.mean() == pytest.approx(covered.mean(), rel=0.1, abs=0.6)


def test_enlarging_is_lanczos() -> None:
    image = np.random.default_rng(3).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    matrix = np.array([[2.0, 0, -20], [0, 2.0, -20]])
    expected = cv2.warpAffine(image, matrix, (64, 64), flags=cv2.INTER_LANCZOS4)
    assert np.array_equal(align.warp(image, matrix, 64), expected)


def test_beyond_the_edge_is_black() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    extract = align.extract(image, face_points(0, 100, -20, 0), 128)
    assert not extract[:, :20].any()
    assert extract[60, 100].min() > 190


@given(ANGLES, st.floats(70, 300), st.floats(-400, 700), st.floats(-400, 700))
def test_luma_of_a_large_face_is_the_extracts(
    angle: float, scale: float, x: float, y: float
) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (9, 9), 0), np.uint8)
    points = face_points(angle, scale, x, y)
    luma = cv2.cvtColor(align.extract(image, points, 64), cv2.COLOR_RGB2GRAY)
    grey = align.luma(image, *align.at_own_size(partial(align.extract_matrix, points), 64))
    # Where Lanczos overshoots at the black edge, each colour is clipped before they are mixed.
    assert np.abs(luma.astype(int) - grey).mean() < 1


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_a_small_face_is_not_blurred_because_its_extract_is_large(size: int) -> None:
    """The same sharp face of about 100 px counts as sharp whatever is asked for."""
    image = np.random.default_rng(6).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    points = face_points(0.2, 80, 100, 100)
    luma = align.luma(image, *align.at_own_size(partial(align.extract_matrix, points), size))
    assert luma.shape[0] == pytest.approx(80 * 256 / 164, abs=2)
    assert sharpness(luma) > 1000


def test_many_faces_at_their_own_size_are_each_alone_to_the_bit() -> None:
    """Small ones, large ones, and tiny ones, for which there is a least size."""
    scales = [5, 8, 20, 60, 164, 163.7, 300, 700]
    points = np.stack([face_points(0.3 * scale, scale, 40, 9) for scale in scales])
    together = align.all_at_own_size(points, 256)
    for face, (matrix, size_px) in zip(points, together, strict=True):
        alone, own_size = align.at_own_size(partial(align.extract_matrix, face), 256)
        assert own_size == size_px
        assert np.array_equal(alone, matrix)
    assert {16, 256} < {size_px for _, size_px in together}


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 52.0)])
def test_many_similarities_are_each_alone_to_the_bit(weight: NDArray[np.float64] | None) -> None:
    faces = np.random.default_rng(7).normal(300, 90, (40, 51, 2)).astype(np.float32)
    for one_is_fixed in (False, True):

        def fit(faces: NDArray[Any], fixed: bool = one_is_fixed) -> NDArray[Any]:
            pair = (align.MEAN_FACE, faces) if fixed else (faces, align.MEAN_FACE)
            return align.similarity(*pair, weight)

        assert np.array_equal(fit(faces), [fit(face) for face in faces])
        assert fit(faces[:0]).shape == (0, 2, 3)


def test_blur_lowers_sharpness() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (256, 256), dtype=np.uint8)
    values = [sharpness(noise)]
    blurred = [np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma), np.uint8) for sigma in (1, 2, 4)]
    values += [sharpness(each) for each in blurred]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 10 < values[1]
    assert sharpness(np.full((64, 64), 9, np.uint8)) == 0
