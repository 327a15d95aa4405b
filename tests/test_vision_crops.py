"""Crops of halvings in machine code against OpenCV's, and glances that read few pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from facegrab.models.canvas import planes
from facegrab.types import FloatArray, Image
from facegrab.vision import candidates, landmarks
from facegrab.vision.candidates import Halvings
from facegrab.vision.glance import continues, glance

needs_numba = pytest.mark.skipif(
    landmarks.walker_name() != "compiled", reason="Numba, which this platform may lack, is missing"
)
SIZES = ((640, 361), (97, 255), (31, 33), (300, 7), (1, 40), (1, 1))


def painted(width: int, height: int) -> Image:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)


def boxes(width: int, height: int, count: int = 60) -> FloatArray:
    """Squares of a pixel to twice the image, which all show some of it."""
    rng = np.random.default_rng(height)
    side = np.exp(rng.uniform(0, np.log(2 * max(width, height) + 1), (count, 1)))
    centre = rng.uniform(0, (width, height), (count, 2))
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1).astype(np.float32)


def by_opencv(
    image: Image, box: FloatArray, side_px: int, monkeypatch: pytest.MonkeyPatch
) -> FloatArray:
    with monkeypatch.context() as patch:
        patch.setattr(candidates, "walker_name", lambda: "numpy")
        return Halvings(image).crops(box, side_px)


def by_definition(image: Image, box: FloatArray, side_px: int) -> FloatArray:
    """One square out of whole halvings."""
    halvings = Halvings(image)
    step = float(box[2] - box[0]) / side_px
    times = int(halvings.for_scale(np.array(1 / step)))
    x, y = (float(low + 0.5 * step) / 2**times - 0.5 for low in box[:2])
    matrix = np.array([[step / 2**times, 0, x], [0, step / 2**times, y]])
    crop = cv2.warpAffine(
        halvings[times],
        matrix,
        (side_px, side_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    (found,) = planes(np.asarray(crop, np.uint8)[None])
    return np.asarray(found, np.float32)


@needs_numba
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side_px", [24, 48])
def test_crops_are_those_of_whole_halvings(
    size: tuple[int, int], side_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, box = painted(*size), boxes(*size)
    crops = Halvings(image).crops(box, side_px)
    assert crops.dtype == np.float32
    for expected in (
        by_opencv(image, box, side_px, monkeypatch),
        np.stack([by_definition(image, each, side_px) for each in box]),
    ):
        off = np.abs(crops - expected)
        assert off.max() <= 1
        assert (off > 0).mean() < 1e-4


@needs_numba
def test_halvings_that_are_there_change_nothing() -> None:
    """Some, or all of them; nor do other crops."""
    image, box = painted(641, 363), boxes(641, 363)
    expected = Halvings(image).crops(box, 24)
    for level in (1, 3, 8):
        halvings = Halvings(image)
        assert halvings[level].size
        assert np.array_equal(halvings.crops(box, 24), expected)
    alone = np.concatenate([Halvings(image).crops(each[None], 24) for each in box])
    assert np.array_equal(alone, expected)


@needs_numba
def test_a_part_of_an_image_is_cropped_within_its_edge() -> None:
    image = painted(300, 200)
    part = image[20:150, 31:222]
    assert not part.flags.c_contiguous
    box = boxes(191, 130)
    assert np.array_equal(Halvings(part).crops(box, 24), Halvings(part.copy()).crops(box, 24))


@needs_numba
@pytest.mark.parametrize(
    ("halvings", "place"),
    [(6, (1, 0, 0)), (0, (0, 3, 3)), (0, (-1, 3, 3)), (0, (1, np.nan, 0)), (1, (1, 0, np.inf))],
)
def test_places_that_are_nowhere_are_refused(
    halvings: int, place: tuple[float, float, float]
) -> None:
    from facegrab.vision import crop_compiled

    with pytest.raises(ValueError, match="no places of crops"):
        crop_compiled.crops(
            painted(50, 40), np.array([halvings]), np.array([place], np.float32), 24
        )


@needs_numba
def test_only_images_in_whole_rows_are_cropped() -> None:
    from facegrab.vision import crop_compiled

    place = np.array([[1, 0, 0]], np.float32)
    for image in (painted(50, 40)[:, ::2], painted(50, 40)[..., :2], painted(50, 40)[..., 0]):
        with pytest.raises(ValueError, match="in whole rows"):
            crop_compiled.crops(image, np.zeros(1, np.int64), place, 24)


# ---- glances


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((1920, 1080), (33, 60)),
        ((1080, 1921), (60, 33)),
        ((640, 360), (45, 80)),
        ((20, 9), (9, 20)),
    ],
)
def test_a_glance_is_small_and_looks_like_the_image(
    size: tuple[int, int], seen: tuple[int, int]
) -> None:
    smooth = cv2.resize(painted(8, 6), size, interpolation=cv2.INTER_LINEAR)
    found = glance(np.asarray(smooth, np.uint8))
    assert found.shape == (*seen, 3)
    whole = cv2.resize(smooth, seen[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - whole).mean() < 3


@pytest.mark.parametrize("size", [(3000, 9), (40, 63), (200, 130)])
def test_a_glance_takes_no_more_room_than_the_image(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    resize = cv2.resize

    def noted(*given: Any, **more: Any) -> Any:
        made.append(resize(*given, **more).size)
        return resize(*given, **more)

    monkeypatch.setattr(cv2, "resize", noted)
    image = painted(*size)
    assert np.abs(glance(image).mean() - image.mean()) < 2
    assert max(made) <= image.size


def test_noise_goes_on_and_a_change_in_one_place_does_not() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(60, 180, (720, 1280, 3)).astype(np.uint8)
    noisy = (image + rng.integers(-40, 41, image.shape)).clip(0, 255).astype(np.uint8)
    assert continues(glance(noisy), glance(image))
    noisy[240:360, 480:640] = 250
    assert not continues(glance(noisy), glance(image))
