"""dlib's chips: where they lie, and those of machine code against OpenCV's."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facegrab import machine_code
from facegrab.models import details
from facegrab.models.details import CHIP_PX
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision import chip_compiled, chips, landmarks, warp_kernel
from facegrab.vision.align import CHIP_FACE, CHIP_PADDING
from facegrab.vision.chips import chip_poses, cut_chips

needs_numba = pytest.mark.skipif(
    landmarks.walker_name() != "compiled", reason="Numba, which this platform may lack, is missing"
)
ANGLES = st.floats(-3.1, 3.1)
IN_CHIP = (CHIP_PADDING + CHIP_FACE) / (2 * CHIP_PADDING + 1) * CHIP_PX
OFTEN_HALVED = 2100.0
"""Side of a chip in the image that is halved four times."""

MOST = 1 if int(cv2.__version__.split(".")[0]) >= 5 else 12
"""Grey levels between the two: OpenCV 4 has but 32 steps between two pixels."""


def corners(angle: float, side: float, x: float, y: float) -> FloatArray:
    """Points (5, 2) of a face whose chip has a side and a middle in the image."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points: NDArray[Any] = (IN_CHIP - CHIP_PX / 2) * (side / CHIP_PX) @ turn.T + [x, y]
    return points.astype(np.float32)


def painted(shape: tuple[int, ...], seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1), np.uint8)


def both(images: Sequence[Image], image_of: IntArray, points5: FloatArray) -> tuple[Image, Image]:
    """By machine code, and by OpenCV."""
    size = np.array([images[i].shape[1::-1] for i in image_of])
    poses = chip_poses(points5, size)
    expected = [chips._cut(images[i], *each) for i, *each in zip(image_of, *poses, strict=True)]
    return chip_compiled.chips(images, image_of, poses), np.stack(expected)


@given(ANGLES, st.floats(1, 2000), st.floats(-3000, 3000), st.floats(-3000, 3000))
def test_a_chip_can_be_cut_anywhere(angle: float, side: float, x: float, y: float) -> None:
    image = np.full((80, 60, 3), 255, np.uint8)
    points = corners(angle, side, x, y)
    if np.ptp(points, axis=0).max() == 0:
        return
    (chip,) = cut_chips([image], np.zeros(1, np.int64), points[None])
    assert chip.shape == (150, 150, 3)


@pytest.mark.parametrize("kind", ["numpy", landmarks.walker_name()])
def test_points_that_coincide_show_what_is_there(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chips, "walker_name", lambda: kind)
    image = np.full((80, 60, 3), (200, 100, 50), np.uint8)
    (chip,) = cut_chips([image], np.zeros(1, np.int64), np.full((1, 5, 2), 30, np.float32))
    assert (chip == (200, 100, 50)).all()


@pytest.mark.parametrize("kind", ["numpy", landmarks.walker_name()])
@pytest.mark.parametrize("far", [1e20, -1e20, 1e30])
def test_nothing_is_to_be_seen_however_far_beyond_the_edge(
    kind: str, far: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the points of a network that is none may lie."""
    monkeypatch.setattr(chips, "walker_name", lambda: kind)
    image = np.full((80, 60, 3), 255, np.uint8)
    points = np.stack([corners(0.3, 90, far, 40), corners(0.3, 90, 30, far)])
    assert not np.any(cut_chips([image], np.zeros(2, np.int64), points))


def test_a_chip_shows_what_lies_in_its_square() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    image[100:300, 100:300] = (200, 100, 50)
    points = np.stack([corners(0, 198, 200, 200), corners(0, 900, 200, 200)])
    inside, wide = cut_chips([image], np.zeros(2, np.int64), points)
    assert (inside[3:-3, 3:-3] == (200, 100, 50)).all()
    assert wide[75, 75].tolist() == [200, 100, 50]
    assert not wide[:40].any()


@needs_numba
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    ANGLES,
    st.floats(10, 1300),
    st.tuples(st.floats(-0.4, 1.4), st.floats(-0.4, 1.4)),
)
@example((300, 300), np.pi / 4, 150.0, (0.5, 0.5))
@example((300, 300), 0.0, 150.0, (0.5, 0.5))
@example((300, 300), np.pi / 4, 299.0, (0.5, 0.5))
@example((300, 300), np.pi / 4, 301.0, (0.5, 0.5))
@example((300, 4), 1.0, 700.0, (0.5, 0.5))
@example((1, 1), 1.0, 700.0, (0.5, 0.5))
def test_any_face_in_any_image(
    shape: tuple[int, int], angle: float, side: float, place: tuple[float, float]
) -> None:
    points = corners(angle, side, place[0] * shape[1], place[1] * shape[0])
    found, expected = both([painted((*shape, 3))], np.zeros(1, np.int64), points[None])
    assert np.abs(found.astype(int) - expected).max() <= MOST


@needs_numba
@pytest.mark.parametrize("side", [70.0, 149.0, 260.0, 330.0, 800.0, OFTEN_HALVED])
def test_nearly_all_levels_are_opencvs(side: float) -> None:
    """All but those that rounding decides about, and not every processor rounds a sum once."""
    points = corners(0.3, side, 700, 720)[None]
    found, expected = both([painted((1400, 1500, 3))], np.zeros(1, np.int64), points)
    assert (found != expected).mean() < (0.001 if MOST == 1 else 0.5)


@needs_numba
def test_chips_do_not_depend_on_each_other() -> None:
    """Whatever their number, sizes and images; rows may lie apart, pixels too."""
    wide = painted((700, 2400, 3), 1)
    images = [painted((900, 900, 3)), wide[:, 100:1000], wide[::2, ::-1], painted((90, 70, 3), 2)]
    image_of = np.array([3, 0, 0, 1, 2, 1, 0, 3])
    sides = [60, 350, OFTEN_HALVED, 149, 700, 299, 1300, 4000]
    points = np.stack([corners(side, side, 40, 50) for side in sides])
    found = cut_chips(images, image_of, points)
    for i, each, chip in zip(image_of, points, found, strict=True):
        alone = np.ascontiguousarray(images[i])
        assert np.array_equal(chip, cut_chips([alone], np.zeros(1, np.int64), each[None])[0])
    assert len({chip.tobytes() for chip in found}) == len(sides)


def test_no_face() -> None:
    no_points = np.empty((0, 5, 2), np.float32)
    assert cut_chips([painted((9, 9, 3))], np.empty(0, np.int64), no_points) == []
    assert cut_chips([], np.empty(0, np.int64), no_points) == []


def test_without_numba_opencv_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chips, "walker_name", lambda: "numpy")
    monkeypatch.setattr(chip_compiled, "chips", None)
    points = corners(0.3, 200, 120, 100)[None]
    (chip,) = cut_chips([painted((200, 240, 3))], np.zeros(1, np.int64), points)
    assert chip.std() > 10


@needs_numba
def test_threads_cut_at_once() -> None:
    images, image_of = [painted((600, 700, 3))], np.zeros(4, np.int64)
    calls = [np.stack([corners(0.3, side, 350, 300)] * 4) for side in (90, 250, 420, 900)]
    expected = [np.stack(cut_chips(images, image_of, each)) for each in calls] * 10
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda each: np.stack(cut_chips(images, image_of, each)), calls * 10)
        assert all(map(np.array_equal, found, expected))


@needs_numba
@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3), np.float32)],
)
def test_an_image_that_machine_code_would_misread_is_refused(image: Any) -> None:
    poses = chip_poses(corners(0, 9, 4, 4)[None], np.array([[9, 9]]))
    with pytest.raises(ValueError, match="image"):
        chip_compiled.chips([image], np.zeros(1, np.int64), poses)


@needs_numba
def test_a_pose_in_another_image_is_refused() -> None:
    poses = chip_poses(corners(0, 99, 50, 50)[None], np.array([[100, 100]]))
    for wrong in (
        poses._replace(end=poses.end + 100),
        poses._replace(matrix=poses.matrix * np.nan),
    ):
        with pytest.raises(ValueError, match="no chips"):
            chip_compiled.chips([np.zeros((100, 100, 3), np.uint8)], np.zeros(1, np.int64), wrong)


@needs_numba
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86's names")
def test_machine_code_can_be_kept_and_counts_in_vectors() -> None:
    """Or it would be slower than OpenCV, which no other test sees."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(chip_compiled._compiled().inspect_llvm())
    outer = [each.name for each in module.functions if each.is_declaration]
    assert all(each.startswith("llvm.") for each in outer)  # or it could not be kept
    assembly = machine_code._target_machine(llvm).emit_assembly(module)
    assert assembly.count("cvtdq2ps") >= 8  # of four pixels, to the left and right
    assert "prefetch" in assembly


@needs_numba
def test_another_side_is_compiled_anew() -> None:
    shared = chip_compiled._function._load.keywords["shares"]
    assert shared == [Path(details.__file__), Path(warp_kernel.__file__), machine_code.VECTORS]
