"""Shots: a new picture is a cut; what moves, pans or flashes is not, or once."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegrab.types import Image
from facegrab.vision.shots import LEAST_CHANGE, MEMORY, SIGNATURE_LENGTH, Cuts, change, signature


def place(seed: int, size: tuple[int, int] = (320, 180)) -> Image:
    """A place as a camera may see it: soft shapes of any colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def cuts(images: list[Image]) -> list[int]:
    """The images that begin a shot."""
    detector = Cuts()
    return [number for number, image in enumerate(images) if detector(signature(image))]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (1920, 1080), (1080, 1920)])
def test_images_of_any_size_have_a_signature_of_one_length(size: tuple[int, int]) -> None:
    found = signature(place(1, size))
    assert found.shape == (SIGNATURE_LENGTH,)
    assert found.dtype == np.uint8


def test_the_same_picture_at_another_size_is_no_change() -> None:
    assert change(signature(place(1)), signature(place(1, (1280, 720)))) < 1


def test_a_source_does_not_begin_with_a_cut() -> None:
    assert cuts([place(1)]) == []


def test_every_other_place_is_a_cut() -> None:
    images = [place(1)] * 5 + [place(2)] * 5 + [place(3)] + [place(4)]
    assert cuts(images) == [5, 10, 11]


def test_the_same_cut_in_the_dark_is_a_cut() -> None:
    images = [place(1)] * 5 + [place(2)] * 5
    assert cuts([(image * 0.15).astype(np.uint8) for image in images]) == [5]


def test_a_camera_that_pans_and_people_who_walk_are_no_cuts() -> None:
    wide = place(1, (1600, 180))
    images = []
    for step in range(30):
        image = wide[:, 10 * step : 10 * step + 640].copy()
        image[60:180, 15 * step : 15 * step + 60] = (200, 40, 40)
        images.append(image)
    assert cuts(images) == []


def test_a_flash_cuts_once_at_most() -> None:
    images = [place(1)] * 9
    images[4] = np.full_like(images[4], 250)
    assert cuts(images) in ([], [4])


def test_what_changes_fast_all_the_time_cuts_no_more_than_at_first() -> None:
    """A camera that is swung over a wide view: changes that a still camera would not make."""
    wide = place(1, (7200, 180))
    images = [wide[:, 220 * step : 220 * step + 640] for step in range(30)]
    signatures = [signature(image) for image in images]
    changes = [change(*pair) for pair in pairwise(signatures)]
    assert min(changes[5:]) > LEAST_CHANGE
    assert cuts(images) in ([], [1], [1, 2])


def test_noise_and_slow_darkening_are_no_cuts() -> None:
    random = np.random.default_rng(3)
    images = []
    for step in range(20):
        darker = place(1).astype(np.float64) * (1 - 0.02 * step)
        images.append((darker + random.normal(0, 8, darker.shape)).clip(0, 255).astype(np.uint8))
    assert cuts(images) == []


@given(st.integers(0, 2**31), st.integers(0, 20))
def test_primed_with_the_last_signatures_it_goes_on_exactly(seed: int, after: int) -> None:
    random = np.random.default_rng(seed)
    shots = np.cumsum(random.random(24) < 0.25)
    much = random.integers(1, 90, (24, 1))
    moved = random.integers(-much, much, (24, SIGNATURE_LENGTH))
    signatures = [
        (signature(place(int(shot))).astype(np.int64) + move).clip(0, 255).astype(np.uint8)
        for shot, move in zip(shots, moved, strict=True)
    ]
    whole = Cuts()
    expected = [whole(each) for each in signatures]
    resumed = Cuts(signatures[max(after - MEMORY, 0) : after])
    assert [resumed(each) for each in signatures[after:]] == expected[after:]


def test_change_is_the_same_either_way_and_none_from_itself() -> None:
    a, b = signature(place(1)), signature(place(2))
    assert change(a, b) == change(b, a) > 0
    assert change(a, a) == 0
