"""The shrinking warp in machine code against its own formula, and against OpenCV's."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from math import ceil, hypot
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facegrab import machine_code
from facegrab.types import Image
from facegrab.vision import align, landmarks, mean_compiled, mean_grid, warp_grid, warp_kernel

needs_numba = pytest.mark.skipif(
    landmarks.walker_name() != "compiled", reason="Numba, which this platform may lack, is missing"
)
GREY, COLOUR = (), (3,)
SHRINKS = st.floats(1.001, align.MOST_SHRINK)


def painted(shape: tuple[int, ...], *, smooth: bool = False) -> Image:
    noise = np.random.default_rng(len(shape)).integers(0, 256, shape, dtype=np.uint8)
    if not smooth:
        return noise
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8).reshape(shape)


def pose(
    shrink: float, angle: float, centre: tuple[float, float], size: int
) -> NDArray[np.float64]:
    """From the image to an extract in whose middle the centre is."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / shrink
    return np.column_stack([turn, size / 2 - turn @ centre])


def at(image: Image, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Between four pixels each, black beyond the edge."""
    height, width = image.shape[:2]
    found = np.zeros((*x.shape, *image.shape[2:]))
    for down in (0, 1):
        for across in (0, 1):
            column, row = np.floor(x).astype(int) + across, np.floor(y).astype(int) + down
            there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row)) * there
            pixel = image[row.clip(0, height - 1), column.clip(0, width - 1)]
            found += (weight if image.ndim == 2 else weight[..., None]) * pixel
    return found


def by_formula(
    image: Image,
    matrix: NDArray[np.float64],
    size: int,
    multiple: int,
    steps: int | None = None,
    off: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float64]:
    """The mean of places; their middle to so many steps a pixel, or as it is.

    Positions are added up from rounded ones: where one falls between two steps, being off by a
    little decides.
    """
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    y, x = np.mgrid[:size, :size]
    middle = np.stack([inverse[axis] @ [x.ravel(), y.ravel(), np.ones(size**2)] for axis in (0, 1)])
    if steps:
        middle = np.floor((middle + np.array(off)[:, None]) * steps + 0.5) / steps
    place = (np.arange(multiple) - (multiple - 1) / 2) / multiple
    found = [
        at(image, *(middle + (inverse[:, :2] @ [across, down])[:, None]))
        for across in place
        for down in place
    ]
    return np.asarray(np.mean(found, axis=0).reshape(size, size, *image.shape[2:]))


@needs_numba
@given(
    st.tuples(st.integers(1, 120), st.integers(1, 120)),
    st.sampled_from([GREY, COLOUR]),
    st.integers(1, 40),
    SHRINKS,
    st.floats(-3.2, 3.2),
    st.tuples(st.floats(-0.4, 1.4), st.floats(-0.4, 1.4)),
)
@example((120, 120), COLOUR, 40, 4.0, np.pi / 4, (0.5, 0.5))
@example((120, 120), GREY, 40, 2.0, np.pi / 4, (0.5, 0.5))
@example((120, 120), GREY, 40, 2.0001, 0.0, (0.0, 1.0))
def test_any_pose_of_any_image(
    shape: tuple[int, int],
    colour: tuple[int, ...],
    size: int,
    shrink: float,
    angle: float,
    place: tuple[float, float],
) -> None:
    """Each pixel the mean of its places, to a grey level, whatever is beyond the edge."""
    image = painted((*shape, *colour))
    matrix = pose(shrink, angle, (place[0] * shape[1], place[1] * shape[0]), size)
    multiple = ceil(shrink)
    found = mean_compiled.mean(image, matrix, size, multiple)
    assert found.shape == (size, size, *colour)
    little = 1.5 / (1 << warp_grid.POSITION_BITS)
    either = [
        np.abs(found - by_formula(image, matrix, size, multiple, mean_grid.STEPS, (x, y)))
        for x in (-little, little)
        for y in (-little, little)
    ]
    assert np.min(either, axis=0).max() <= 1


@needs_numba
@pytest.mark.parametrize("shrink", [1.01, 1.7, 2.4, 3.3, 4.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_steps_between_pixels_are_not_seen(shrink: float, angle: float) -> None:
    image, multiple = painted((400, 500, 3), smooth=True), ceil(shrink)
    matrix = pose(shrink, angle, (250.3, 199.8), 64)
    found = mean_compiled.mean(image, matrix, 64, multiple)
    exact = by_formula(image, matrix, 64, multiple)
    assert np.abs(found - exact).max() <= 2
    by_opencv = align._mean_by_opencv(image, matrix, 64, multiple).astype(int)
    assert np.abs(found - by_opencv).max() <= 2


@needs_numba
def test_images_of_any_layout() -> None:
    """Views into a white frame: beyond them is black."""
    for colour in (GREY, COLOUR):
        frame = np.full((200, 300, *colour), 255, np.uint8)
        frame[40:120, 50:150] = painted((80, 100, *colour))
        part = frame[40:120, 50:150]
        for view in (part, part[::-1], part[:, ::-1], part[:, ::3], part.swapaxes(0, 1), part[:1]):
            height, width = view.shape[:2]
            for centre in ((width / 2, height / 2), (0, 0), (width, height)):
                matrix = pose(1.8, 0.5, centre, 30)
                alone = np.ascontiguousarray(view)
                found = mean_compiled.mean(view, matrix, 30, 2)
                assert np.array_equal(found, mean_compiled.mean(alone, matrix, 30, 2))
                assert np.abs(found - by_formula(alone, matrix, 30, 2)).max() < 30


@needs_numba
@pytest.mark.parametrize("shift", [300.0, -300.0, 3e6, -3e6, 1e12, -1e300])
def test_far_from_the_image_is_black(shift: float) -> None:
    matrix = np.array([[0.5, 0.1, shift], [-0.1, 0.5, -shift]])
    result = mean_compiled.mean(np.full((60, 60, 3), 255, np.uint8), matrix, 64, 2)
    assert result.shape == (64, 64, 3)
    assert not result.any()


@needs_numba
@pytest.mark.parametrize(
    ("matrix", "multiple"),
    [
        (pose(2.0, 0, (4, 4), 16), 1),
        (pose(0.001, 0, (4, 4), 16), 2),
        (pose(13.0, 0, (4, 4), 16), 2),
        (pose(8.0, 0, (4, 4), 16), 8),
        (np.full((2, 3), np.nan), 2),
        (np.array([[0.5, 0, np.inf], [0, 0.5, 0]]), 2),
    ],
)
def test_what_eight_taps_do_not_hold_is_refused(matrix: NDArray[np.float64], multiple: int) -> None:
    with pytest.raises(ValueError, match="no mean of"):
        mean_compiled.mean(np.zeros((9, 9, 3), np.uint8), matrix, 16, multiple)


@needs_numba
@pytest.mark.parametrize(
    "image", [np.zeros((9, 9, 4), np.uint8), np.zeros(9, np.uint8), np.zeros((9, 9, 3))]
)
def test_machine_code_reads_images_only(image: Image) -> None:
    with pytest.raises(ValueError, match="an image is uint8"):
        mean_compiled.mean(image, pose(2, 0, (4, 4), 16), 16, 2)


@needs_numba
@pytest.mark.parametrize("shrink", [np.nextafter(1, 2), 1 + 1e-15])
def test_what_hardly_shrinks_is_not_refused(shrink: float) -> None:
    """Whatever rounding makes of a face that is as large as its extract."""
    image = np.full((60, 60, 3), 255, np.uint8)
    for angle in np.linspace(-3.14, 3.14, 500):
        assert align.warp(image, pose(shrink, angle, (30, 30), 32), 32)[16, 16].min() == 255


@given(SHRINKS, st.floats(-3.2, 3.2))
@example(4.0, np.pi / 4)
@example(np.nextafter(1, 2), np.pi / 4)
@example(np.nextafter(3, 4), np.pi / 4)
def test_taps_hold_all_that_is_averaged(shrink: float, angle: float) -> None:
    """And so do the rows in the middle that the machine code is told to look at."""
    inverse = np.asarray(np.linalg.inv(pose(shrink, angle, (0, 0), 1)[:, :2]), np.float64)
    multiple = ceil(shrink)
    reach_px = mean_grid.reach_px(inverse, multiple)
    assert reach_px <= warp_grid.REACH
    weights = mean_grid.weights(inverse, multiple)
    assert (weights.sum(axis=(2, 3), dtype=int) == 1 << warp_grid.ONE_BITS).all()
    assert weights.min() >= 0
    unseen = (warp_grid.TAPS - mean_grid.rows_of(reach_px)) // 2
    assert not weights[:, :, :unseen].any()
    assert not weights[:, :, warp_grid.TAPS - unseen :].any()


@needs_numba
def test_threads_warp_at_once() -> None:
    random = np.random.default_rng(2)
    image = painted((300, 400, 3))
    calls = [
        (image, pose(random.uniform(1, 4), random.uniform(-3, 3), (200, 150), 96), 96, 4)
        for _ in range(8)
    ]
    alone = [mean_compiled.mean(*call) for call in calls]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda call: mean_compiled.mean(*call), calls * 5))
    assert all((one == other).all() for one, other in zip(alone * 5, together, strict=True))


@needs_numba
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86's names")
def test_taps_are_weighed_eight_at_a_time() -> None:
    """Or it would be slower than OpenCV, which no other test sees."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(mean_compiled._compiled().inspect_llvm())
    outer = [each.name for each in module.functions if each.is_declaration]
    assert all(each.startswith("llvm.") for each in outer)  # or it could not be kept
    assembly = machine_code._target_machine(llvm).emit_assembly(module)
    # Three colours and grey, of 4, 6 and 8 rows.
    assert assembly.count("pmaddwd") + assembly.count("pdpwssd") >= 72
    assert "pmulld" not in assembly


@needs_numba
def test_another_grid_is_compiled_anew() -> None:
    shared = mean_compiled._function._load.keywords["shares"]
    files = (warp_grid.__file__, mean_grid.__file__, warp_kernel.__file__)
    assert shared == [Path(each) for each in files]


@pytest.mark.parametrize("shape", [(2000, 3000, 3), (2000, 3000), (1, 5000, 3), (5000, 2, 3)])
@pytest.mark.parametrize("shrink", [4.01, 7.3, 29.0, 900.0])
def test_what_shrinks_more_is_halved_before(shape: tuple[int, ...], shrink: float) -> None:
    """A ramp stays where it is, and a pattern of single pixels becomes grey."""
    height, width = shape[:2]
    ramp = np.zeros(shape, np.uint8)
    ramp[:] = (np.arange(width) * 255 // width).reshape(1, -1, *[1] * (len(shape) - 2))
    matrix = pose(shrink, 0.0, (width / 2, height / 2), 64)
    assert hypot(*matrix[0, :2]) < 1 / align.MOST_SHRINK
    found = align.warp(ramp, matrix, 64)
    assert found.shape == (64, 64, *shape[2:])
    if min(width, height) > 66 * shrink:
        expected = 127.5 + (np.arange(64) - 32) * shrink * 255 / width
        assert np.abs(found.reshape(64, 64, -1) - expected[:, None]).max() <= 2
        pattern = np.indices(shape)[:2].sum(axis=0).astype(np.uint8) % 2 * 254
        grey = align.warp(pattern, matrix, 64)
        assert grey.min() >= 120
        assert grey.max() <= 134


@pytest.mark.parametrize("shrink", [1.5, 2.5, 3.9, 9.3])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_beyond_a_corner_the_rest_is_averaged_as_well(shrink: float, share: float) -> None:
    """Of a pose that is mostly outside the part that it touches is smaller than the extract."""
    pattern = np.indices((900, 1200)).sum(axis=0).astype(np.uint8) % 2 * 254
    visible_px = share * shrink * 100
    matrix = pose(shrink, 0.0, (0, 0), 100)
    matrix[:, 2] = -matrix[:, :2] @ [1200 - visible_px, 900 - visible_px]
    found = align.warp(*align.touched(pattern, matrix, 100), 100)
    assert np.array_equal(found, align.warp(pattern, matrix, 100))
    inside = found[1 : int(share * 100) - 1, 1 : int(share * 100) - 1]
    assert inside.min() >= 100
    assert inside.max() <= 154
