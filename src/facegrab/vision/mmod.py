"""dlib's max-margin detector: a canvas in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isinf, log

import numpy as np

from facegrab.models.details import NMS_OVERLAP, WINDOW_PX
from facegrab.models.runtime import Net
from facegrab.types import Detections, FloatArray, Image, IntArray
from facegrab.vision.feed import Feed, round_half_away
from facegrab.vision.pyramid import (
    ALL_LEVELS,
    COARSE_RATE,
    Canvas,
    Layout,
    LayoutOf,
    dlib_layout,
)

STRIDE_PX = 8
"""Canvas pixels from one score to the next: three convolutions of stride 2."""
FIRST_CENTRE_PX = 14
"""Canvas pixel under the first score: three 5x5 kernels without padding."""


SMALLEST_PX = 72
SMALLEST_IMAGE_PX = 16
"""No face fits into less, and the network has no output for it."""


class MmodDetector:
    """dlib's CNN face detector (D. King, Max-Margin Object Detection, arXiv:1502.00046).

    Args:
        net: (1, 3, H, W) canvas to (1, 1, h, w) scores.
        layout_of: the pyramid; with dlib's the boxes are dlib's, with another one each is the mean
            of those that see the same face.
    """

    smallest_px = SMALLEST_PX
    """Measured: every face of 72 px and more was found, below that recall falls."""

    longest_fed_px = 1536
    """A 1080p frame then takes about 100 ms on 2 cores."""

    def __init__(self, net: Net, layout_of: LayoutOf = dlib_layout) -> None:
        self._net = net
        self._canvas = Canvas(layout_of)

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        return [self._find(image, feed) for image, feed in zip(images, feeds, strict=True)]

    def _find(self, image: Image, feed: Feed) -> Detections:
        height, width = image.shape[:2]
        largest_px = feed.largest_px * feed.factor
        return feed.to_source(self._find_in_fed(feed.resize(image), largest_px), width, height)

    def _find_in_fed(self, image: Image, largest_px: float) -> Detections:
        if min(image.shape[:2]) < SMALLEST_IMAGE_PX:
            return Detections.empty()
        # One canvas a call: batching gains nothing on a CPU and costs 100 MB an image.
        canvas, place = self._canvas.fill(image, levels_for(largest_px))
        found = decoded(self._net(canvas[None])[0, 0], place)
        best, best_of = suppressed(found)
        if place.exact:
            return Detections.without_points(found.box[best], found.score[best])
        return Detections.without_points(mean_boxes(found, best_of, len(best)), found.score[best])


def levels_for(largest_px: float) -> int:
    """Levels of the coarse pyramid down to the one that shows the largest face wanted.

    Args:
        largest_px: its side in the fed image; infinite if there is no limit.
    """
    if isinf(largest_px):
        return ALL_LEVELS
    # A level finds faces of up to the next one's smallest, and one more is for what lies between.
    return max(ceil(log(max(largest_px, SMALLEST_PX) / SMALLEST_PX) / -log(COARSE_RATE)), 0) + 1


def decoded(scores: FloatArray, place: Layout) -> Detections:
    """Boxes of all scores above zero, best first, in pixels of the image."""
    rows, columns = np.nonzero(scores > 0)
    order = np.argsort(-scores[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    box = np.empty((len(rows), 4), np.float32)
    for number, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        box[number] = _box(
            FIRST_CENTRE_PX + STRIDE_PX * column, FIRST_CENTRE_PX + STRIDE_PX * row, place
        )
    return Detections.without_points(box, scores[rows, columns].astype(np.float32))


def _box(x: int, y: int, place: Layout) -> list[float]:
    number = place.nearest(x, y)
    level = place.levels[number]
    half = (WINDOW_PX - 1) / 2
    corners = np.array([x - level.x, y - level.y, x - level.x, y - level.y], np.float64)
    corners += [-half, -half, half, half]
    return list(round_half_away(place.to_image(number, corners)))


def suppressed(found: Detections) -> tuple[IntArray, IntArray]:
    """The boxes that overlap no better one that stays, and the number among these of each box's."""
    best: list[int] = []
    best_of = np.empty(len(found), np.int64)
    for number in range(len(found)):
        overlap = _overlap(found.box[number], found.box[best])
        nearest = int(overlap.argmax()) if best else -1
        if not best or overlap[nearest] <= NMS_OVERLAP:
            nearest = len(best)
            best.append(number)
        best_of[number] = nearest
    return np.array(best, np.int64), best_of


def mean_boxes(found: Detections, best_of: IntArray, count: int) -> FloatArray:
    """The mean box of each group, weighted by score.

    Neighbouring levels see a face with nearly the same score. Were the best taken alone, a
    thousandth decided between two boxes of which one is 1.6 times the other: in bfloat16 17 % of
    the boxes moved by a tenth of their side or more against float32, of the means none.
    """
    weight = np.zeros((count, len(found)), np.float64)
    weight[best_of, np.arange(len(found))] = found.score
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(weight @ found.box, np.float32)


def _overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over the *bounding rectangle* of both: dlib's measure, not the usual union."""
    low, high = others[:, :2], others[:, 2:]
    inner = np.minimum(box[2:], high) - np.maximum(box[:2], low) + 1
    outer = np.maximum(box[2:], high) - np.minimum(box[:2], low) + 1
    return np.asarray(inner.clip(min=0).prod(axis=1) / outer.prod(axis=1), np.float32)
