"""The sharpness of faces in machine code against that of one aligned face after the other."""

from __future__ import annotations

import platform
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facegrab import machine_code
from facegrab.types import FloatArray, Image
from facegrab.vision import (
    align,
    landmarks,
    mean_grid,
    quality,
    sharp_compiled,
    sharpness,
    warp_grid,
    warp_kernel,
)
from facegrab.vision.sharpness import Pose, sharpness_of

needs_numba = pytest.mark.skipif(
    landmarks.walker_name() != "compiled", reason="Numba, which this platform may lack, is missing"
)


def near(found: FloatArray, expected: FloatArray) -> bool:
    """Of faces that shrink the last bit of some weights is another."""
    return np.allclose(found, expected, rtol=1e-4, atol=1e-3)


def painted(shape: tuple[int, ...], seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1), np.uint8)


def pose(shrink: float, angle: float, centre: tuple[float, float], size: int) -> Pose:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / shrink
    return np.column_stack([turn, size / 2 - turn @ centre]), size


def alone(image: Image, *poses: Pose) -> FloatArray:
    """By the warp of extracts, OpenCV's luma and its Laplacian."""
    return np.array([quality.sharpness(align.luma(image, *each)) for each in poses], np.float32)


def of_one(image: Image, *poses: Pose) -> FloatArray:
    return sharpness_of([image], np.zeros(len(poses), np.int64), poses)


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.integers(16, 256),
    st.floats(0.2, 6),
    st.floats(-3.2, 3.2),
    st.tuples(st.floats(-0.4, 1.4), st.floats(-0.4, 1.4)),
)
@example((300, 300), 256, 4.0, np.pi / 4, (0.5, 0.5))
@example((300, 300), 67, 1.0, 0.0, (0.5, 0.5))
@example((300, 300), 67, float(np.nextafter(1, 2)), np.pi / 4, (0.5, 0.5))
@example((300, 300), 67, float(np.nextafter(4, 5)), 1.0, (0.5, 0.5))
@example((20, 30), 100, 0.5, 0.3, (1e9, -1e12))
def test_any_pose_of_any_image(
    shape: tuple[int, int], size: int, shrink: float, angle: float, place: tuple[float, float]
) -> None:
    image = painted((*shape, 3))
    posed = pose(shrink, angle, (place[0] * shape[1], place[1] * shape[0]), size)
    assert near(of_one(image, posed), alone(image, posed))


@pytest.mark.parametrize("size", range(60, 70))
def test_a_face_that_is_not_shrunk_to_the_bit(size: int) -> None:
    image = painted((200, 300, 3))
    poses = [pose(shrink, angle, (150, 99), size) for shrink in (0.3, 1) for angle in (0, 0.4, 2)]
    assert np.array_equal(of_one(image, *poses), alone(image, *poses))


def test_faces_do_not_depend_on_each_other() -> None:
    """Whatever their number, sizes, ways and images; rows may lie apart, pixels too."""
    wide = painted((240, 800, 3), 1)
    images = [painted((300, 400, 3)), wide[:, 100:340], wide[::2, ::-1], painted((90, 70, 3), 2)]
    image_of = np.array([3, 0, 0, 1, 2, 1, 0, 3])
    shrinks = [0.4, 2.2, 5.0, 1.0, 3.1, 0.9, 1.3, 1.7]
    poses = [pose(each, each, (40, 50), 40 + 9 * row) for row, each in enumerate(shrinks)]
    found = sharpness_of(images, image_of, poses)
    each_alone = zip(image_of, poses, strict=True)
    expected = [of_one(np.ascontiguousarray(images[i]), one).item() for i, one in each_alone]
    assert found.tolist() == expected
    assert len(set(expected)) == len(expected)


def test_no_face() -> None:
    assert sharpness_of([], np.empty(0, np.int64), []).shape == (0,)
    assert of_one(painted((9, 9, 3))).shape == (0,)


def test_all_of_one_colour_is_not_sharp_at_all() -> None:
    image = np.full((300, 300, 3), (200, 77, 31), np.uint8)
    assert of_one(image, pose(0.7, 0.3, (150, 150), 99), pose(2, 1, (150, 150), 64)).tolist() == [
        0,
        0,
    ]


@pytest.mark.usefixtures("_without_numba")
def test_without_numba_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharp_compiled, "sharpness", None)
    image, posed = painted((90, 70, 3)), pose(0.8, 0.4, (35, 45), 64)
    assert np.array_equal(of_one(image, posed), alone(image, posed))


@pytest.fixture
def _without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharpness, "walker_name", lambda: "numpy")


@needs_numba
def test_threads_measure_at_once() -> None:
    image = painted((300, 400, 3))
    calls = [[pose(shrink, shrink, (200, 150), 120)] * 3 for shrink in (0.5, 1.4, 2.7, 3.9)]
    expected = [of_one(image, *each).tolist() for each in calls] * 10
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda each: of_one(image, *each).tolist(), calls * 10)) == expected


@needs_numba
@pytest.mark.parametrize(
    ("image", "shrink", "size"),
    [
        (np.zeros((9, 9), np.uint8), 1, 16),
        (np.zeros((9, 9, 4), np.uint8), 1, 16),
        (np.zeros((9, 9, 3), np.float32), 1, 16),
        (np.zeros((9, 9, 3), np.uint8), 4.01, 16),
        (np.zeros((9, 9, 3), np.uint8), np.nan, 16),
        (np.zeros((9, 9, 3), np.uint8), 1, 1),
    ],
)
def test_what_machine_code_would_misread_is_refused(image: Any, shrink: float, size: int) -> None:
    matrix, _ = pose(shrink, 0, (4, 4), 16)
    with pytest.raises(ValueError, match=r"image|shrinks|side"):
        sharp_compiled.sharpness([image], np.zeros(1, np.int64), matrix[None], np.array([size]))


@needs_numba
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86's names")
def test_taps_are_weighed_eight_at_a_time() -> None:
    """Or it would be slower than one by one, which no other test sees."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(sharp_compiled._compiled().inspect_llvm())
    outer = [each.name for each in module.functions if each.is_declaration]
    assert all(each.startswith("llvm.") for each in outer)  # or it could not be kept
    assembly = machine_code._target_machine(llvm).emit_assembly(module)
    # Four pixels, of 4, 6 and 8 rows.
    assert assembly.count("pmaddwd") + assembly.count("pdpwssd") >= 72
    assert "prefetch" in assembly


@needs_numba
def test_weights_that_nobody_else_has_last_until_they_were_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two threads that come first make them both, one in vain; then compiling takes seconds."""
    made, alive = [], []
    loaded = sharp_compiled._function._loaded

    def in_vain() -> Any:
        weights = warp_grid.weights()
        made.append(weakref.ref(weights))
        return weights

    def late() -> Any:
        alive.append(made[0]() is not None)
        return loaded()

    monkeypatch.setattr(sharp_compiled, "lanczos_weights", in_vain)
    monkeypatch.setattr(sharp_compiled._function, "_loaded", late)
    of_one(painted((40, 40, 3)), pose(0.5, 0, (20, 20), 32))
    assert alive == [True]


@needs_numba
def test_another_grid_is_compiled_anew() -> None:
    shared = sharp_compiled._function._load.keywords["shares"]
    files = (warp_grid.__file__, mean_grid.__file__, warp_kernel.__file__)
    assert shared == [Path(each) for each in files]
