"""The tiled pyramid: where its levels lie and what is in them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facegrab.models.details import MEAN_RGB
from facegrab.models.details import OUTER_PADDING_PX as MARGIN
from facegrab.vision.pyramid import (
    ALL_LEVELS,
    Canvas,
    LayoutOf,
    Level,
    coarse_layout,
    dlib_layout,
    resize_corners,
)

SIDES = st.integers(1, 2000)
LAYOUTS = st.sampled_from([dlib_layout, coarse_layout])


def test_layout_of_a_small_frame_is_dlibs() -> None:
    """Sizes and places that dlib's create_tiled_pyramid prints for 599 x 337."""
    place = dlib_layout(599, 337)
    assert (place.width, place.height) == (621, 1267)
    assert place.levels[:3] == (
        Level(11, 11, 599, 337),
        Level(11, 358, 499, 280),
        Level(11, 648, 415, 233),
    )
    assert place.levels[5] == Level(371, 1122, 239, 134)
    assert place.levels[-1] == Level(600, 359, 10, 5)


@given(LAYOUTS, SIDES, SIDES)
def test_levels_lie_inside(layout_of: LayoutOf, width: int, height: int) -> None:
    place = layout_of(width, height, ALL_LEVELS)
    for number, level in enumerate(place.levels):
        assert level.x >= MARGIN
        assert level.y >= MARGIN
        assert level.x + level.width <= place.width - MARGIN
        assert level.y + level.height <= place.height - MARGIN
        if number:
            assert level.y >= MARGIN + height  # nothing covers the first level


@given(LAYOUTS, SIDES, SIDES, st.data())
def test_the_level_of_a_pixel_is_the_first_it_lies_in(
    layout_of: LayoutOf, width: int, height: int, data: st.DataObject
) -> None:
    place = layout_of(width, height, ALL_LEVELS)
    number = data.draw(st.integers(0, len(place.levels) - 1))
    level = place.levels[number]
    x = data.draw(st.integers(level.x, level.x + level.width - 1))
    y = data.draw(st.integers(level.y, level.y + level.height - 1))
    nearest = place.levels[place.nearest(x, y)]
    assert nearest.x <= x < nearest.x + nearest.width
    assert nearest.y <= y < nearest.y + nearest.height
    assert place.nearest(x, y) <= number  # dlib packs small levels over each other at some sizes


def test_canvas_holds_the_image_and_zero_between_the_levels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    pixels, place = Canvas().fill(image)
    first = pixels[:, MARGIN : MARGIN + 90, MARGIN : MARGIN + 120].transpose(1, 2, 0)
    assert np.allclose(first * 256 + np.array(MEAN_RGB), image, atol=1e-3)
    covered = np.zeros(pixels.shape[1:], bool)
    for level in place.levels:
        covered[level.y : level.y + level.height, level.x : level.x + level.width] = True
    assert not pixels[:, ~covered].any()
    assert pixels[:, covered].all(axis=0).mean() > 0.9


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(5, 60), st.integers(5, 60)), min_size=2, max_size=4))
def test_a_canvas_keeps_nothing_of_the_image_before(sizes: list[tuple[int, int]]) -> None:
    random = np.random.default_rng(1)
    kept = Canvas()
    for height, width in sizes:
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert np.array_equal(kept.fill(image)[0], Canvas().fill(image)[0])


def test_resize_maps_corners_onto_corners() -> None:
    ramp = np.tile(np.arange(11, dtype=np.float32), (7, 1))
    resized = resize_corners(ramp, 21, 4)
    assert np.allclose(resized, np.tile(np.arange(21) / 2, (4, 1)), atol=1e-5)


@given(SIDES, SIDES)
def test_levels_of_the_coarse_pyramid_keep_their_distance(width: int, height: int) -> None:
    place = coarse_layout(width, height)
    for number, level in enumerate(place.levels):
        for other in place.levels[:number]:
            apart_x = max(other.x - level.x - level.width, level.x - other.x - other.width)
            apart_y = max(other.y - level.y - level.height, level.y - other.y - other.height)
            assert max(apart_x, apart_y) >= 10


def test_the_coarse_pyramid_has_half_of_the_pixels() -> None:
    coarse, exact = coarse_layout(1536, 864), dlib_layout(1536, 864)
    assert coarse.width * coarse.height < 0.5 * exact.width * exact.height


@given(LAYOUTS, st.integers(100, 2000), st.integers(100, 2000), st.data())
def test_a_levels_corners_are_the_images(
    layout_of: LayoutOf, width: int, height: int, data: st.DataObject
) -> None:
    place = layout_of(width, height, ALL_LEVELS)
    number = data.draw(st.integers(0, min(len(place.levels) - 1, 6)))
    level = place.levels[number]
    corner = np.array([level.width - 1, level.height - 1], np.float64)
    error = np.abs(place.to_image(number, corner) - [width - 1, height - 1]).max()
    assert error <= 2 * (width / level.width)
