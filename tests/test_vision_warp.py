"""The Lanczos warp in machine code against OpenCV's."""

from __future__ import annotations

import logging
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import hypot
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
from facegrab.vision import align, landmarks, mean_compiled, warp_compiled, warp_grid

needs_numba = pytest.mark.skipif(
    landmarks.walker_name() != "compiled", reason="Numba, which this platform may lack, is missing"
)

KINDS = ("noise", "edges", "smooth", "white")
GREY, COLOUR = (), (3,)


def painted(kind: str, shape: tuple[int, ...], seed: int = 0) -> Image:
    """An image; edges make Lanczos overshoot, white shows what is taken for black."""
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    match kind:
        case "edges":
            return np.where(noise < 128, 0, 255).astype(np.uint8)
        case "smooth":
            return np.asarray(cv2.GaussianBlur(noise, (7, 7), 0), np.uint8).reshape(shape)
        case "white":
            return np.full(shape, 255, np.uint8)
        case _:
            return noise


def pose(scale: float, angle: float, centre: tuple[float, float], size: int) -> NDArray[Any]:
    """From the image to an extract in whose middle the centre is."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, size / 2 - turn @ centre])


def inverse_of(matrix: NDArray[Any]) -> NDArray[np.float64]:
    return cv2.invertAffineTransform(matrix).astype(np.float64)


def by_opencv(image: Image, matrix: NDArray[Any], size: int) -> Image:
    return np.asarray(
        cv2.warpAffine(image.copy(), matrix, (size, size), flags=cv2.INTER_LANCZOS4), np.uint8
    )


def same(image: Image, matrix: NDArray[Any], size: int) -> bool:
    """To the bit: both count in whole numbers."""
    return np.array_equal(warp_compiled.warp(image, matrix, size), by_opencv(image, matrix, size))


@needs_numba
@given(
    st.sampled_from(KINDS),
    st.tuples(st.integers(1, 160), st.integers(1, 160)),
    st.sampled_from([GREY, COLOUR]),
    st.integers(16, 200),
    st.floats(1, 8),
    st.floats(-3.2, 3.2),
    st.tuples(st.floats(-0.4, 1.4), st.floats(-0.4, 1.4)),
    st.integers(0, 99),
)
@example("noise", (160, 160), COLOUR, 200, 1.0, 0.785, (0.5, 0.5), 0)
def test_any_pose_of_any_image(
    kind: str,
    shape: tuple[int, int],
    colour: tuple[int, ...],
    size: int,
    scale: float,
    angle: float,
    place: tuple[float, float],
    seed: int,
) -> None:
    image = painted(kind, (*shape, *colour), seed)
    centre = place[0] * shape[1], place[1] * shape[0]
    assert same(image, pose(scale, angle, centre, size), size)


@needs_numba
@pytest.mark.parametrize("kind", KINDS)
def test_every_step_between_pixels(kind: str) -> None:
    """32 x 32 sets of weights, each met."""
    matrix = pose(32, 0, (20, 20), 1024)
    whole = warp_grid.positions(inverse_of(matrix), 1024)
    met = {(int(x) >> 5) & 31 for x in whole[0] + whole[2, 0]}
    assert met == set(range(32))
    assert same(painted(kind, (40, 40, 3)), matrix, 1024)


@needs_numba
@pytest.mark.parametrize("size", [1, 16, 63, 64, 65, 127, 128, 129, 256, 512, 1024])
@pytest.mark.parametrize("scale", [1.0, 2.7])
def test_any_size(size: int, scale: float) -> None:
    image = painted("noise", (500, 700, 3))
    assert same(image, pose(scale, 0.6, (340, 260), size), size)


@needs_numba
@pytest.mark.parametrize("colour", [GREY, COLOUR])
@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 2, np.pi, -2.0])
def test_every_edge_and_corner(angle: float, colour: tuple[int, ...]) -> None:
    image = painted("edges", (70, 50, *colour))
    for x in (-20, -3, 0, 25, 49, 53, 70):
        for y in (-20, -3, 0, 35, 69, 73, 90):
            assert same(image, pose(1.5, angle, (x, y), 48), 48)


@needs_numba
@pytest.mark.parametrize("shift", [300.0, -300.0, 40_000.0, 3e6, -3e6, 1e12, -1e300])
def test_far_from_the_image_is_black(shift: float) -> None:
    matrix = np.array([[1.5, 0.2, shift], [-0.2, 1.5, -shift]])
    result = warp_compiled.warp(painted("white", (60, 60, 3)), matrix, 64)
    assert result.shape == (64, 64, 3)
    assert not result.any()


@needs_numba
@pytest.mark.parametrize("colour", [GREY, COLOUR])
def test_images_of_any_layout(colour: tuple[int, ...]) -> None:
    """Views into a white frame, turned, mirrored, thinned out and locked: beyond them is black."""
    frame = painted("white", (200, 300, *colour))
    frame[40:120, 50:150] = painted("noise", (80, 100, *colour))
    part = frame[40:120, 50:150]
    views = [part, part[::-1], part[:, ::-1], part[::2], part[:, ::3], part.swapaxes(0, 1)]
    views += [part[..., ::-1], part[:1], part[:, :1], np.asfortranarray(part)]
    (locked := part.copy()).flags.writeable = False
    for view in (*views, locked):
        height, width = view.shape[:2]
        assert same(view, pose(2.2, 0.5, (width / 2, height / 2), 200), 200)


@needs_numba
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9, 1), np.uint8),
        np.zeros((9, 9, 3, 1), np.uint8),
        np.zeros(9, np.uint8),
        np.zeros((9, 9, 3)),
    ],
)
def test_machine_code_reads_images_only(image: Image) -> None:
    with pytest.raises(ValueError, match="an image is uint8"):
        warp_compiled.warp(image, pose(2, 0, (4, 4), 16), 16)


@needs_numba
@pytest.mark.parametrize(
    "matrix",
    [
        pose(0.6, 0, (4, 4), 16),
        pose(1, 0, (4, 4), 16) * [[1, 1, 1], [1e-3, 1, 1]] + [[0, 9, 0], [0, 0, 0]],
        np.full((2, 3), np.nan),
        np.full((2, 3), np.inf),
        np.array([[2.0, 0, np.inf], [0, 2, 0]]),
    ],
)
def test_what_would_not_fit_into_the_room_is_refused(matrix: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="no transform that enlarges"):
        warp_compiled.warp(np.zeros((9, 9, 3), np.uint8), matrix, 16)


@given(
    st.floats(1, 8),
    st.floats(-3.2, 3.2),
    st.floats(-1e4, 1e4),
    st.floats(-1e4, 1e4),
    st.integers(1, 300),
)
@example(1.0, np.pi / 4, 0.3, 0.7, 300)
def test_a_tile_fits_into_its_room(
    scale: float, angle: float, x: float, y: float, size: int
) -> None:
    """The machine code does not ask."""
    inverse = inverse_of(pose(scale, angle, (x, y), size))
    across, down = warp_grid.positions(inverse, size).reshape(2, 2, size)
    tile = warp_grid.TILE_PX
    widest = max(
        np.ptp(across[axis, a : a + tile]) + np.ptp(down[axis, b : b + tile])
        for axis in (0, 1)
        for a in range(0, size, tile)
        for b in range(0, size, tile)
    )
    assert (int(widest) >> warp_grid.POSITION_BITS) + 1 + warp_grid.TAPS <= warp_compiled.ROOM_PX


def test_weights_add_up() -> None:
    """So that white stays white."""
    sums = warp_grid.weights().sum(axis=(2, 3), dtype=np.int64)
    assert (sums == 1 << warp_grid.ONE_BITS).all()


@needs_numba
def test_threads_warp_at_once() -> None:
    random = np.random.default_rng(2)
    images = [painted("noise", (300, 400, 3), seed) for seed in range(3)]
    calls = []
    for number in range(12):
        matrix = pose(random.uniform(1, 4), random.uniform(-3, 3), (200, 150), 256)
        calls.append((images[number % 3], matrix, 256))
    alone = [warp_compiled.warp(*call) for call in calls]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda call: warp_compiled.warp(*call), calls * 10))
    assert all((one == other).all() for one, other in zip(alone * 10, together, strict=True))


@needs_numba
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86's names")
def test_taps_are_weighed_eight_at_a_time() -> None:
    """Or it would be slower than OpenCV, which no other test sees."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(warp_compiled._compiled().inspect_llvm())
    assembly = machine_code._target_machine(llvm).emit_assembly(module)
    # Three colours and grey, eight rows each; where it can, the processor adds in the same step.
    assert assembly.count("pmaddwd") + assembly.count("pdpwssd") >= 32
    assert "pmulld" not in assembly


@pytest.fixture
def chosen_anew() -> Iterator[None]:
    """The choice between machine code and OpenCV is open, before and after."""
    choices = (landmarks.walker_name, align._warps)
    for choice in choices:
        choice.cache_clear()
    yield
    for choice in choices:
        choice.cache_clear()


@needs_numba
@pytest.mark.usefixtures("chosen_anew")
def test_with_numba_machine_code_warps(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "facegrab.vision")
    assert align._warps() == (warp_compiled.warp, mean_compiled.mean)
    assert caplog.messages == []


@pytest.mark.usefixtures("chosen_anew")
def test_without_numba_opencv_warps(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "facegrab.vision")
    monkeypatch.setattr(landmarks, "find_spec", lambda name: None)
    monkeypatch.setattr(warp_compiled, "warp", None)
    monkeypatch.setattr(mean_compiled, "mean", None)
    image, matrix = painted("noise", (90, 70, 3)), pose(2, 0.4, (35, 45), 64)
    for _ in range(2):
        assert np.array_equal(align.warp(image, matrix, 64), by_opencv(image, matrix, 64))
        assert align.warp(image, matrix / 4, 16).any()
    assert len(caplog.messages) == 1
    assert "pip install numba" in caplog.text


@needs_numba
@given(st.floats(0.3, 3), st.floats(-3.2, 3.2))
@example(1.0, 0.7)
@example(np.nextafter(1, 2), np.pi / 4)
@example(np.nextafter(1, 0), np.pi / 4)
def test_every_similarity_has_a_warp(scale: float, angle: float) -> None:
    """Whatever rounding makes of a scale of 1."""
    matrix = pose(scale, angle, (30, 30), 64)
    result = align.warp(painted("white", (60, 60, 3)), matrix, 64)
    assert result[32, 32].min() == 255
    if hypot(matrix[0, 0], matrix[1, 0]) > 1:
        assert np.array_equal(result, by_opencv(painted("white", (60, 60, 3)), matrix, 64))


@needs_numba
def test_another_grid_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else machine code with the constants of an older version would be run."""
    import numba

    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    kernel, grid = tmp_path / "kernel.py", tmp_path / "grid.py"
    compilations = []

    def compiled() -> Any:
        compilations.append(grid.read_text())
        return numba.cfunc("void(int64)")(lambda number: None)

    kernel.write_text("kernel")
    for text in ("one", "one", "two", "one"):
        grid.write_text(text)
        machine_code.load("warp", kernel, compiled, shares=[grid])
    assert compilations == ["one", "two"]
    assert warp_compiled._function._load.keywords["shares"] == [Path(warp_grid.__file__)]


STARTING = """
import sys
import numpy as np
from facegrab.vision import align
image, matrix = np.zeros((90, 90, 3), np.uint8), np.array([[2.0, 0, 0], [0, 2.0, 0]])
assert not {"numba", "llvmlite"} & sys.modules.keys()
align.warp(image, matrix, 32)
align.warp(image, matrix / 4, 32)
print("llvmlite" in sys.modules, "numba" in sys.modules)
"""


@needs_numba
def test_numba_is_imported_to_compile_only(tmp_path: Path) -> None:
    """And nothing of it before a face is warped."""
    command = [sys.executable, "-W", "error", "-c", STARTING]
    environment = {**os.environ, "FACEGRAB_CACHE": str(tmp_path)}
    said = [
        subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [each.stdout.split() for each in said] == [[b"True", b"True"], [b"True", b"False"]]
