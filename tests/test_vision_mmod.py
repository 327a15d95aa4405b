"""dlib's detector around its network: which boxes stay, and where they lie."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from facegrab.types import FloatArray, Image
from facegrab.vision.feed import Feed
from facegrab.vision.mmod import SMALLEST_PX, MmodDetector, levels_for
from facegrab.vision.pyramid import ALL_LEVELS, COARSE_RATE, LayoutOf, coarse_layout, dlib_layout

WIDTH, HEIGHT = 640, 480
LEAST, MARGIN = 0.5, 0.001


class Peaks:
    """A network that says what it is told, at places of its output."""

    def __init__(self, **scores: float) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._scores = scores

    def __call__(self, x: FloatArray) -> FloatArray:
        self.shapes.append(x.shape)
        output = np.full((1, 1, x.shape[2] // 8, x.shape[3] // 8), -1, np.float32)
        for place, score in self._scores.items():
            _, row, column = place.split("_")
            output[0, 0, int(row), int(column)] = score
        return output


def image() -> Image:
    return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def second_level() -> tuple[int, int]:
    """Row and column of the output that see what row 30, column 40 sees, a level below."""
    first, second = coarse_layout(WIDTH, HEIGHT).levels[:2]
    x, y = (40 * 8 + 14 - first.x) * COARSE_RATE, (30 * 8 + 14 - first.y) * COARSE_RATE
    return round((y + second.y - 14) / 8), round((x + second.x - 14) / 8)


def found_sides(first: float, second: float, layout_of: LayoutOf = coarse_layout) -> list[float]:
    row, column = second_level()
    net = Peaks(**{"at_30_40": first, f"at_{row}_{column}": second})
    (found,) = MmodDetector(net, layout_of)([image()], [Feed(1.0)])
    return [float(box[2] - box[0]) for box in found.box]


def test_levels_that_see_a_face_alike_give_the_box_between() -> None:
    """Which of two is the better by a hair, as lower precision makes them, must not matter."""
    (one,) = found_sides(LEAST + MARGIN, LEAST)
    (other,) = found_sides(LEAST, LEAST + MARGIN)
    assert abs(one - other) <= 1
    assert 79 < one < 79 / COARSE_RATE


def test_a_level_that_is_surer_pulls_the_box_to_its_own() -> None:
    (small,), (large,) = found_sides(1.0, 0.1), found_sides(0.1, 1.0)
    assert small == pytest.approx(79 + (79 / COARSE_RATE - 79) * 0.1 / 1.1, abs=2)
    assert large == pytest.approx(79 + (79 / COARSE_RATE - 79) * 1.0 / 1.1, abs=2)


def test_with_dlibs_pyramid_the_best_box_is_dlibs() -> None:
    (found,) = MmodDetector(Peaks(at_30_40=0.5, at_30_41=0.4), dlib_layout)([image()], [Feed(1.0)])
    place = dlib_layout(WIDTH, HEIGHT).levels[0]
    centre = (found.box[0, 0] + found.box[0, 2]) / 2
    assert centre == pytest.approx(40 * 8 + 14 - place.x, abs=1)
    assert found.box[0, 2] - found.box[0, 0] == pytest.approx(79, abs=1)


def test_faces_apart_stay_apart_best_first() -> None:
    net = Peaks(at_30_20=0.5, at_30_60=0.9)
    (found,) = MmodDetector(net, coarse_layout)([image()], [Feed(1.0)])
    assert found.score.tolist() == pytest.approx([0.9, 0.5])
    assert found.box[0, 0] > found.box[1, 2]


@pytest.mark.parametrize(
    ("largest_px", "levels"),
    [
        (SMALLEST_PX / 2, 1),
        (SMALLEST_PX, 1),
        (SMALLEST_PX / COARSE_RATE * 0.99, 2),
        (SMALLEST_PX / COARSE_RATE * 1.01, 3),
        (inf, ALL_LEVELS),
    ],
)
def test_levels_for_larger_faces_than_wanted_are_left_out(largest_px: float, levels: int) -> None:
    assert levels_for(largest_px) == levels


def test_a_limit_makes_the_canvas_smaller_but_dlibs() -> None:
    net = Peaks()
    for layout_of in (coarse_layout, dlib_layout):
        for limit in (inf, 100.0):
            MmodDetector(net, layout_of)([image()], [Feed(1.0, limit)])
    whole, part, dlibs, still_dlibs = (shape[2] * shape[3] for shape in net.shapes)
    assert part < whole
    assert dlibs == still_dlibs


def test_no_face_is_no_row() -> None:
    (found,) = MmodDetector(Peaks(), coarse_layout)([image()], [Feed(1.0)])
    assert found.box.shape == (0, 4)
