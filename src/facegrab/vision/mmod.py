"""dlib's max-margin detector: a canvas in, boxes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facegrab.models.details import NMS_OVERLAP, WINDOW_PX
from facegrab.models.runtime import Net
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.pyramid import Canvas, Layout, LayoutOf, dlib_layout

STRIDE_PX = 8
"""Canvas pixels from one score to the next: three convolutions of stride 2."""
FIRST_CENTRE_PX = 14
"""Canvas pixel under the first score: three 5x5 kernels without padding."""


SMALLEST_IMAGE_PX = 16
"""No face fits into less, and the network has no output for it."""


class Detector(Protocol):
    """Finds faces in images, each on its own; the images may differ in size."""

    smallest_px: int
    """Side of the smallest box, in pixels of the image, that is found reliably."""

    def __call__(self, images: Iterable[Image]) -> list[Detections]:
        """One Detections per image, in that image's pixels.

        The images may be made one by one as they are asked for, so none need be kept.
        """
        ...


class MmodDetector:
    """dlib's CNN face detector (D. King, Max-Margin Object Detection, arXiv:1502.00046).

    Args:
        net: (1, 3, H, W) canvas to (1, 1, h, w) scores.
        layout_of: the pyramid; with dlib's the boxes are dlib's.
    """

    smallest_px = 72
    """Measured: every face of 72 px and more was found, below that recall falls."""

    def __init__(self, net: Net, layout_of: LayoutOf = dlib_layout) -> None:
        self._net = net
        self._canvas = Canvas(layout_of)

    def __call__(self, images: Iterable[Image]) -> list[Detections]:
        return [self._find(image) for image in images]

    def _find(self, image: Image) -> Detections:
        if min(image.shape[:2]) < SMALLEST_IMAGE_PX:
            return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
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
    return Detections(box, scores[rows, columns].astype(np.float32))


def _box(x: int, y: int, place: Layout) -> list[float]:
    number = place.nearest(x, y)
    level = place.levels[number]
    half = (WINDOW_PX - 1) / 2
    corners = np.array([x - level.x, y - level.y, x - level.x, y - level.y], np.float64)
    corners += [-half, -half, half, half]
    return list(round_half_away(place.to_image(number, corners)))


def round_half_away(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as C's lround makes them: dlib's boxes and landmarks are rounded so."""
    return np.asarray(np.copysign(np.floor(np.abs(values) + 0.5), values))


def _non_maximum_suppression(found: Detections) -> Detections:
    """Keeps a box unless it overlaps a better one that was kept."""
    kept: list[int] = []
    for number in range(len(found)):
        if not kept or _overlap(found.box[number], found.box[kept]).max() <= NMS_OVERLAP:
            kept.append(number)
    return Detections(found.box[kept], found.score[kept])


def _overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over the *bounding rectangle* of both: dlib's measure, not the usual union."""
    low, high = others[:, :2], others[:, 2:]
    inner = np.minimum(box[2:], high) - np.maximum(box[:2], low) + 1
    outer = np.maximum(box[2:], high) - np.minimum(box[:2], low) + 1
    return np.asarray(inner.clip(min=0).prod(axis=1) / outer.prod(axis=1), np.float32)
