"""How MTCNN's networks are shown an image: fast, or exactly as facenet-pytorch does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.models.canvas import planes
from facegrab.models.details import COLOURS
from facegrab.models.mtcnn_shapes import (
    PROPOSAL_STRIDE_PX,
    PROPOSAL_WINDOW_PX,
)
from facegrab.models.runtime import Net
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.candidates import Halvings
from facegrab.vision.glance import glance
from facegrab.vision.sieve import sieved

MOST_PIXELS = 1 << 19
"""Shown to the proposal network at a time: its features then take about 60 MB."""
MOST_WINDOWS = 20_000
"""Faces seen at a time; the best are kept. A picture full of faces has a tenth of that: this bounds
the time that an image made to take long can take."""
OVERLAP_PX = PROPOSAL_WINDOW_PX - PROPOSAL_STRIDE_PX


class Windows(NamedTuple):
    """Places of one level at which the proposal network sees a face.

    Attributes:
        box: float32 (N, 4), edges of the window in source pixels.
        output: float32 (N, 5), what the network says there.
    """

    box: FloatArray
    output: FloatArray


class View(Protocol):
    """An image as the networks see it."""

    def __init__(self, image: Image) -> None: ...

    size: tuple[int, int]
    """Width and height."""

    inset_px: float
    """By how much overlaps, and the first regression, count boxes too small."""

    def windows(
        self, net: Net, scales: Sequence[float], least_logit: float, rough: Net | None = None
    ) -> list[Windows]:
        """Per scale, what the proposal network finds in the image of that scale.

        Args:
            net: the proposal network.
            scales: pixels per source pixel; the image of each has 12 or more to each side.
            least_logit: of a window that counts.
            rough: its logits, faster and less exact: windows that a better neighbour hides may be
                missing then (vision.sieve).
        """
        ...

    @property
    def glance(self) -> Image:
        """See vision.glance."""
        ...

    def crops(self, box: FloatArray, side_px: int) -> FloatArray:
        """The image in square boxes, float32 (N, 3, side_px, side_px), 0 to 255.

        Args:
            box: float32 (N, 4), edges in source pixels; each shows some of the image.
            side_px: of the crops.
        """
        ...


class Place(NamedTuple):
    """Where a level lies in the canvas, in pixels; x and y are even."""

    x: int
    y: int
    width: int
    height: int


class FastView:
    """All levels of the pyramid on one canvas, and everything cut from the next larger halving.

    One call a canvas: with nine small levels, calls would cost as much as the work.

    Args:
        image: RGB uint8 (H, W, 3).
    """

    inset_px = 0.0

    def __init__(self, image: Image) -> None:
        self._halvings = Halvings(image)
        self.size = image.shape[1], image.shape[0]

    def windows(
        self, net: Net, scales: Sequence[float], least_logit: float, rough: Net | None = None
    ) -> list[Windows]:
        if not scales:
            return []
        width, height = self.size
        layout = packed(tuple((round(width * scale), round(height * scale)) for scale in scales))
        canvas = np.zeros((layout.height, layout.width, COLOURS), np.uint8)
        halvings = self._halvings.for_scale(np.array(scales))
        per_pixel = [
            self._draw(canvas, place, times)
            for place, times in zip(layout.places, halvings.tolist(), strict=True)
        ]
        inside = layout.level_of < len(layout.places)
        seen = _seen(net, canvas, least_logit, rough, inside)
        return by_level(seen, layout, np.array(per_pixel))

    def _draw(self, canvas: Image, place: Place, halvings: int) -> FloatArray:
        """Puts a level on the canvas; source pixels per pixel, in x and y."""
        part = self._halvings[halvings]
        level = canvas[place.y : place.y + place.height, place.x : place.x + place.width]
        cv2.resize(part, level.shape[1::-1], dst=level, interpolation=cv2.INTER_LINEAR)
        covered = np.array([part.shape[1], part.shape[0]], np.float32) * 2**halvings
        return np.asarray(covered / [place.width, place.height], np.float32)

    @cached_property
    def glance(self) -> Image:
        return glance(self._halvings[0])

    def crops(self, box: FloatArray, side_px: int) -> FloatArray:
        return self._halvings.crops(box, side_px)


class Seen(NamedTuple):
    """Windows of a whole canvas: int64 (N,), x and y of their first pixels, and output (N, 5)."""

    x: IntArray
    y: IntArray
    output: FloatArray


def _seen(
    net: Net, canvas: Image, least: float, rough: Net | None, inside: NDArray[np.bool_]
) -> Seen:
    """What the proposal network finds on a canvas, in strips of bounded size."""
    height, width = canvas.shape[:2]
    step = PROPOSAL_STRIDE_PX
    rows = max(MOST_PIXELS // width - OVERLAP_PX, step) // step * step
    parts = []
    for top in range(0, height - OVERLAP_PX, rows):
        strip = planes(canvas[None, top : top + rows + OVERLAP_PX])
        output = (
            net(strip)[0]
            if rough is None
            else sieved(net, rough, strip, inside[top // step :], least)
        )
        x, y, said = places_of(output, least)
        parts.append(Seen(x, y + top, said))
    return Seen(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def places_of(output: FloatArray, least: float) -> tuple[IntArray, IntArray, FloatArray]:
    """x and y in pixels, (N,), of the windows of at least that logit, and their output (N, 5).

    Args:
        output: float32 (5, h, w) of the proposal network.
        least: logit.
    """
    y, x = np.nonzero(output[0] >= least)
    if len(y) > MOST_WINDOWS:
        best = np.argsort(-output[0, y, x], kind="stable")[:MOST_WINDOWS]
        y, x = y[best], x[best]
    return PROPOSAL_STRIDE_PX * x, PROPOSAL_STRIDE_PX * y, output[:, y, x].T


def by_level(seen: Seen, layout: Layout, per_pixel: FloatArray) -> list[Windows]:
    """The windows that lie in a level from edge to edge, in source pixels.

    Args:
        seen: on the canvas.
        layout: of the canvas.
        per_pixel: float32 (levels, 2), source pixels per pixel of each level, in x and y.
    """
    level = layout.level_of[seen.y // PROPOSAL_STRIDE_PX, seen.x // PROPOSAL_STRIDE_PX]
    order = np.argsort(level, kind="stable")
    # Windows in no level have a number behind the last one's.
    ends = np.searchsorted(level[order], np.arange(len(layout.places)), side="right")
    order = order[: ends[-1]]
    level = level[order]
    corner = np.array([place[:2] for place in layout.places])[level]
    box = _box(seen.x[order] - corner[:, 0], seen.y[order] - corner[:, 1])
    box *= np.concatenate([per_pixel, per_pixel], axis=1)[level]
    output = seen.output[order]
    starts = [0, *ends[:-1].tolist()]
    return [Windows(box[a:b], output[a:b]) for a, b in zip(starts, ends.tolist(), strict=True)]


def _box(x: IntArray, y: IntArray) -> FloatArray:
    """Edges of windows, float32 (N, 4)."""
    corner = np.stack([x, y], axis=1).astype(np.float32)
    return np.concatenate([corner, corner + PROPOSAL_WINDOW_PX], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the levels lie on a canvas.

    Attributes:
        places: of each level, the largest first.
        width: of the canvas.
        height: of the canvas.
        level_of: uint8, for each place of the proposal network's output the level that its window
            lies in from edge to edge, or the number of levels if it lies in none.
    """

    places: tuple[Place, ...]
    width: int
    height: int
    level_of: NDArray[np.uint8]


@lru_cache(maxsize=16)
def packed(sizes: tuple[tuple[int, int], ...]) -> Layout:
    """A canvas as wide as the first level and as low as it gets.

    Each level goes where it ends highest up, into one of the free rectangles that the others left.
    A network's windows that reach over two levels are left out, so there is no gap.

    Args:
        sizes: width and height of each level, the largest first.
    """
    width = _even(sizes[0][0])
    free: list[tuple[int, int, float, float]] = [(0, 0, width, inf)]
    places: list[Place] = []
    for wide, high in sizes:
        w, h = _even(wide), _even(high)
        best = min((r for r in free if r[2] >= w and r[3] >= h), key=lambda r: (r[1], r[2]))
        free.remove(best)
        x, y, right, below = best
        free += [(x + w, y, right - w, h), (x, y + h, right, below - h)]
        places.append(Place(x, y, wide, high))
    height = max(_even(place.y + place.height) for place in places)
    return Layout(tuple(places), width, height, _levels(places, width, height))


def _levels(places: Sequence[Place], width: int, height: int) -> NDArray[np.uint8]:
    step, window = PROPOSAL_STRIDE_PX, PROPOSAL_WINDOW_PX
    level_of = np.full((height // step, width // step), len(places), np.uint8)
    for number, (x, y, wide, high) in enumerate(places):
        rows, columns = (high - window) // step + 1, (wide - window) // step + 1
        level_of[y // step : y // step + rows, x // step : x // step + columns] = number
    return level_of


def _even(side: int) -> int:
    return side + side % 2


class ExactView:
    """The image resampled and cut just as facenet-pytorch 2.6 does, boxes counted as it counts.

    That is an area mean over whole source pixels, one call a level; boxes cut down to whole pixels,
    and cut off, and so distorted, at the image's edge; and windows that begin a pixel late, for
    their coordinates count from 1. Slow: for comparisons.

    Args:
        image: RGB uint8 (H, W, 3).
    """

    inset_px = 1.0

    def __init__(self, image: Image) -> None:
        self._image = image
        self._sums = sums_down(image.astype(np.float64))
        self.size = image.shape[1], image.shape[0]

    def windows(
        self, net: Net, scales: Sequence[float], least_logit: float, rough: Net | None = None
    ) -> list[Windows]:
        return [self._windows(net, scale, least_logit) for scale in scales]

    def _windows(self, net: Net, scale: float, least_logit: float) -> Windows:
        width, height = self.size
        level = area_mean(self._sums, int(height * scale + 1), int(width * scale + 1))
        output = net(np.ascontiguousarray(level.transpose(2, 0, 1)[None]))[0]
        x, y, said = places_of(output, least_logit)
        box = _box(x, y)
        low = np.floor((box[:, :2] + 1) / np.float32(scale)) - 1
        high = np.floor(box[:, 2:] / np.float32(scale))
        return Windows(np.concatenate([low, high], axis=1), said)

    @cached_property
    def glance(self) -> Image:
        return glance(self._image)

    def crops(self, box: FloatArray, side_px: int) -> FloatArray:
        width, height = self.size
        crops = np.empty((len(box), side_px, side_px, COLOURS), np.float32)
        low = np.trunc(box[:, :2]).clip(min=0).astype(int)
        high = np.minimum(np.trunc(box[:, 2:]), [width, height]).astype(int)
        for number, ((x0, y0), (x1, y1)) in enumerate(zip(low, high, strict=True)):
            crops[number] = area_mean(self._sums[y0 : y1 + 1, x0:x1], side_px, side_px)
        return np.ascontiguousarray(crops.transpose(0, 3, 1, 2))


def area_mean(sums: NDArray[np.float64], height: int, width: int) -> FloatArray:
    """The mean over all pixels that a new pixel touches, float32 (height, width, 3).

    PyTorch's adaptive average pooling, which it uses for ``interpolate(mode="area")``.

    Args:
        sums: of an image, see sums_down; or of a part of it.
        height, width: wanted.
    """
    rows = _means(sums, height)
    return _means(sums_down(rows.swapaxes(0, 1)), width).swapaxes(0, 1).astype(np.float32)


def sums_down(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of all rows before each, (N + 1, ...): what lies between two is their difference."""
    return np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0)])


def _means(sums: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Along the first axis, from floor(i n / count) to ceil((i + 1) n / count)."""
    size = len(sums) - 1
    number: IntArray = np.arange(count, dtype=np.int64)
    first, end = number * size // count, -(-(number + 1) * size // count)
    means: NDArray[np.float64] = (sums[end] - sums[first]) / (end - first)[:, None, None]
    return means
