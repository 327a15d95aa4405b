"""The tiled image pyramid that dlib's detector network looks at, in one canvas."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.models.details import MEAN_RGB
from facegrab.models.details import OUTER_PADDING_PX as MARGIN
from facegrab.models.details import PYRAMID_PADDING_PX as GAP
from facegrab.types import FloatArray, Image

DLIB_RATE = 5 / 6
"""Each level's size over the one before in dlib's pyramid (pyramid_down<6>)."""
DLIB_SHIFT_PX = 0.3
"""dlib's pyramid_down<6> maps a point up by x * 6/5 + .3."""
COARSE_RATE = 0.61
"""The same in the coarse pyramid, which has half the pixels of dlib's. On 41 photographs at 13
sizes no face was lost at .61, 6 % were at .55; on 333 faces of films and groups one was. At .61
the second and third level lie beside each other."""
_ENDLESS = 2**40
ALL_LEVELS = 1000
"""More than any pyramid has."""
SMALLEST_HEIGHT = 5
"""dlib ends the pyramid before a level of fewer rows."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where one level lies in the canvas, in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where all levels of one image size lie, the image's own size first.

    Attributes:
        levels: largest first.
        width: of the canvas in pixels.
        height: of the canvas in pixels.
        exact: the pyramid is dlib's own.
    """

    levels: tuple[Level, ...]
    width: int
    height: int
    exact: bool

    def nearest(self, x: int, y: int) -> int:
        """The level that holds a canvas pixel, or the one nearest to it."""
        best, best_distance = 0, float("inf")
        for number, level in enumerate(self.levels):
            dx = max(level.x - x, 0, x - (level.x + level.width - 1))
            dy = max(level.y - y, 0, y - (level.y + level.height - 1))
            distance = dx * dx + dy * dy
            if distance < best_distance:
                best, best_distance = number, distance
            if best_distance == 0:
                break
        return best

    def to_image(self, number: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates within a level, in pixels, as coordinates in the image."""
        if self.exact:
            for _ in range(number):
                points = points / DLIB_RATE + DLIB_SHIFT_PX
            return points
        image, level = self.levels[0], self.levels[number]
        x_ratio = (image.width - 1) / max(level.width - 1, 1)
        y_ratio = (image.height - 1) / max(level.height - 1, 1)
        return np.asarray(points * np.array([x_ratio, y_ratio] * (points.size // 2)))


LayoutOf: TypeAlias = Callable[[int, int, int], Layout]
"""Lays out the canvas for an image of width x height pixels, of so many levels at most."""


@lru_cache(maxsize=64)
def coarse_layout(width: int, height: int, most_levels: int = ALL_LEVELS) -> Layout:
    """A canvas with levels COARSE_RATE apart: each in the gap of least height that it fits into."""
    placed: list[Level] = []
    free = [Level(MARGIN, MARGIN, width, _ENDLESS)]
    bottom = MARGIN
    for level_width, level_height in _level_sizes(width, height, COARSE_RATE)[:most_levels]:
        fitting = [g for g in free if g.width >= level_width and g.height >= level_height]
        gap = min(fitting, key=lambda each: each.height)
        free.remove(gap)
        level = Level(gap.x, gap.y, level_width, level_height)
        placed.append(level)
        right, below = level_width + GAP, level_height + GAP
        free.append(Level(gap.x + right, gap.y, gap.width - right, level_height))
        free.append(Level(gap.x, gap.y + below, gap.width, gap.height - below))
        bottom = max(bottom, level.y + level.height)
    return Layout(tuple(placed), width + 2 * MARGIN, bottom + MARGIN, exact=False)


@lru_cache(maxsize=64)
def dlib_layout(width: int, height: int, most_levels: int = ALL_LEVELS) -> Layout:
    """dlib's canvas for an image of width x height pixels: a column, the rest up beside it.

    The packing is dlib's (compute_tiled_image_pyramid_details): the network sees a level's
    neighbours across the gap, so another packing would move scores; so would fewer levels, and
    their number is not limited.
    """
    sizes = _level_sizes(width, height, DLIB_RATE)
    column = _column_height(sizes)
    placed: list[Level] = []
    y = MARGIN
    while y < column + MARGIN and len(placed) < len(sizes):
        level_width, level_height = sizes[len(placed)]
        placed.append(Level(MARGIN, y, level_width, level_height))
        y += level_height + GAP
    y -= GAP
    for level_width, level_height in sizes[len(placed) :]:
        level = Level(MARGIN + width - level_width, y - level_height, level_width, level_height)
        if level.y < MARGIN + height:  # it would cover the first level
            break
        placed.append(level)
        y -= level_height + GAP
    return Layout(tuple(placed), width + 2 * MARGIN, column + 2 * MARGIN, exact=True)


def _level_sizes(width: int, height: int, rate: float) -> list[tuple[int, int]]:
    sizes = [(width, height)]
    while True:
        width, height = int(rate * width), int(rate * height)
        if width == 0 or height < SMALLEST_HEIGHT:
            return sizes
        sizes.append((width, height))


def _column_height(sizes: list[tuple[int, int]]) -> int:
    """Height of the first column: it ends where the rest fits upwards beside it."""
    first_width, first_height = sizes[0]
    total = sum(height + GAP for _, height in sizes) - 2 * GAP
    column = previous_width = 0
    for width, height in sizes:
        fits_beside = width <= first_width - previous_width - GAP
        if fits_beside and (column - first_height) * 2 >= total - first_height:
            break
        column += height + GAP
        previous_width = width
    return column - GAP


class Canvas(threading.local):
    """Makes canvases, in the same memory of each thread as long as the images keep their size.

    Fresh memory would cost a quarter of the time: the system hands it out page by page.

    Args:
        layout_of: which pyramid.
    """

    def __init__(self, layout_of: LayoutOf = dlib_layout) -> None:
        self._layout_of = layout_of
        self._layout: Layout | None = None
        self._pixels = np.empty((0, 0, 0), np.float32)
        self._planes: list[NDArray[np.uint8]] = []

    def fill(self, image: Image, most_levels: int = ALL_LEVELS) -> tuple[FloatArray, Layout]:
        """The canvas of an image, valid until the next call.

        Args:
            image: RGB uint8 (H, W, 3).
            most_levels: the largest ones only.

        Returns:
            float32 (3, canvas height, canvas width), mean subtracted, divided by 256, zero
            between the levels; and its layout.
        """
        height, width = image.shape[:2]
        place = self._layout_of(width, height, most_levels)
        if place != self._layout:
            self._pixels = np.zeros((3, place.height, place.width), np.float32)
            self._planes = [np.empty((height, width), np.uint8) for _ in MEAN_RGB]
            self._layout = place
        planes = cv2.split(image, self._planes)
        for pixels, plane, mean in zip(self._pixels, planes, MEAN_RGB, strict=True):
            _fill_plane(pixels, plane, mean, place)
        return self._pixels, place


def _fill_plane(pixels: FloatArray, plane: NDArray[Any], mean: float, place: Layout) -> None:
    """Writes one colour's levels, each resized from the one before, where they lie."""
    first, *rest = (_part(pixels, level) for level in place.levels)
    np.subtract(plane, np.float32(mean), out=first)
    first *= np.float32(1 / 256)
    for part in rest:
        resize_corners(first, part.shape[1], part.shape[0], into=part)
        first = part


def _part(pixels: FloatArray, level: Level) -> FloatArray:
    return pixels[level.y : level.y + level.height, level.x : level.x + level.width]


def resize_corners(
    image: FloatArray, width: int, height: int, into: FloatArray | None = None
) -> FloatArray:
    """Bilinear resize that maps corner pixels onto corner pixels, as dlib's resize_image does."""
    rows, columns = image.shape[:2]
    step_x = (columns - 1) / max(width - 1, 1)
    step_y = (rows - 1) / max(height - 1, 1)
    matrix = np.array([[step_x, 0, 0], [0, step_y, 0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    resized = cv2.warpAffine(
        image, matrix, (width, height), dst=into, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(resized, np.float32)
