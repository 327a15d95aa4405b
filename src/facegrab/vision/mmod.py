"""dlib's max-margin detector: a canvas in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.models.details import NMS_OVERLAP, WINDOW_PX
from facegrab.models.runtime import Net
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.feed import Feed, round_half_away
from facegrab.vision.pyramid import Canvas, Layout, LayoutOf, dlib_layout

STRIDE_PX = 8
"""Canvas pixels from one score to the next: three convolutions of stride 2."""
FIRST_CENTRE_PX = 14
"""Canvas pixel under the first score: three 5x5 kernels without padding."""


SMALLEST_IMAGE_PX = 16
"""No face fits into less, and the network has no output for it."""


class MmodDetector:
    """dlib's CNN face detector (D. King, Max-Margin Object Detection, arXiv:1502.00046).

    Args:
        net: (1, 3, H, W) canvas to (1, 1, h, w) scores.
        layout_of: the pyramid; with dlib's the boxes are dlib's.
    """

    smallest_px = 72
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
        return feed.to_source(self._find_in_fed(feed.resize(image)), width, height)

    def _find_in_fed(self, image: Image) -> Detections:
        if min(image.shape[:2]) < SMALLEST_IMAGE_PX:
            return Detections.empty()
        # One canvas a call: batching gains nothing on a CPU and costs 100 MB an image.
        canvas, place = self._canvas.fill(image)
        return _non_maximum_suppression(_decode(self._net(canvas[None])[0, 0], place))


def _decode(scores: FloatArray, place: Layout) -> Detections:
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


def _non_maximum_suppression(found: Detections) -> Detections:
    """Keeps a box unless it overlaps a better one that was kept."""
    kept: list[int] = []
    for number in range(len(found)):
        if not kept or _overlap(found.box[number], found.box[kept]).max() <= NMS_OVERLAP:
            kept.append(number)
    return Detections.without_points(found.box[kept], found.score[kept])


def _overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over the *bounding rectangle* of both: dlib's measure, not the usual union."""
    low, high = others[:, :2], others[:, 2:]
    inner = np.minimum(box[2:], high) - np.maximum(box[:2], low) + 1
    outer = np.maximum(box[2:], high) - np.minimum(box[:2], low) + 1
    return np.asarray(inner.clip(min=0).prod(axis=1) / outer.prod(axis=1), np.float32)
