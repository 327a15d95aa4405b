"""What a cascade does with its candidates: cut them out, weed them, make them square.

Boxes in here are edges: x0 y0 x1 y1 float32, x1 - x0 is the width; the first pixel of an image
reaches from 0 to 1. All steps work on arrays; only without Numba OpenCV cuts box by box.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facegrab.models.canvas import planes
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.landmarks import walker_name

NMS_BLOCK = 256
"""Boxes compared with each other at a time, which bounds the memory; more are not faster."""


class Halvings:
    """An image at 1, 1/2, 1/4 ... of its size, each made when it is asked for.

    Two by two pixels are averaged, which OpenCV does 5 to 10 times as fast as any other shrinking.
    An odd last row or column is left out, so that a half's pixel always covers two by two.

    Args:
        image: uint8 (H, W, 3).
    """

    def __init__(self, image: Image) -> None:
        self._levels = [image]
        self.last = max(min(image.shape[:2]).bit_length() - 1, 0)
        """How often the image can be halved."""

    def __getitem__(self, number: int) -> Image:
        """The image, halved so many times."""
        while len(self._levels) <= number:
            finest = self._levels[-1]
            height, width = (side // 2 for side in finest.shape[:2])
            part = finest[: 2 * height, : 2 * width]
            half = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(half, np.uint8))
        return self._levels[number]

    def for_scale(self, scale: NDArray[np.floating]) -> IntArray:
        """How often to halve before a resize to these scales still shrinks, by less than 2."""
        times = np.floor(np.log2(1 / np.asarray(scale)) + 1e-9)
        return times.clip(0, self.last).astype(np.int64)

    def crops(self, box: FloatArray, side_px: int) -> FloatArray:
        """Squares cut out, bilinearly from the halving next above.

        Beyond the edge its pixels go on: a face that is cut off is found more often than on black.
        With Numba, halvings that are not there yet are made only where a crop depends on them; one
        of a million values is a grey level off OpenCV's then.

        Args:
            box: float32 (N, 4) edges, square, in the image's pixels.
            side_px: of the crops.

        Returns:
            float32 (N, 3, side_px, side_px), whole grey levels.

        Raises:
            DeviceError: Numba is installed and does not work.
        """
        step = (box[:, 2] - box[:, 0]).astype(np.float64) / side_px
        times = self.for_scale(1 / step)
        shrunk = 2.0**times
        # A crop's pixel i lies at box + (i + .5) step; a pixel's own place is its middle.
        corner = (box[:, :2] + 0.5 * step[:, None]) / shrunk[:, None] - 0.5
        place = np.column_stack([step / shrunk, corner]).astype(np.float32)
        if walker_name() != "compiled":
            return self._by_opencv(times, place, side_px)
        from facegrab.vision import crop_compiled

        crops = np.empty((len(box), 3, side_px, side_px), np.float32)
        nearest = np.minimum(times, len(self._levels) - 1)
        for level in np.flatnonzero(np.bincount(nearest)):
            rows = np.flatnonzero(nearest == level)
            image, further = self._levels[level], times[rows] - level
            crops[rows] = crop_compiled.crops(image, further, place[rows], side_px)
        return crops

    def _by_opencv(self, times: IntArray, place: FloatArray, side_px: int) -> FloatArray:
        """The same for crops of which the halving, the step in it and the first pixel are known."""
        crops = np.empty((len(times), side_px, side_px, 3), np.uint8)
        for number, (step, x, y) in enumerate(place.astype(np.float64)):
            cv2.warpAffine(
                self[times[number]],
                np.array([[step, 0, x], [0, step, y]]),
                (side_px, side_px),
                dst=crops[number],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        return planes(crops)


def squares(box: FloatArray) -> FloatArray:
    """Boxes about the same centres, as wide and as high as the longer side; edges, (N, 4)."""
    centre = (box[:, :2] + box[:, 2:]) / 2
    half = (box[:, 2:] - box[:, :2]).max(axis=1, initial=0)[:, None] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def moved(box: FloatArray, offset: FloatArray, less_px: float = 0.0) -> FloatArray:
    """Boxes whose corners are moved by so many of their sizes.

    Args:
        box: float32 (N, 4) edges.
        offset: float32 (N, 4), of x0 y0 x1 y1.
        less_px: subtracted from the sizes first.
    """
    size = box[:, 2:] - box[:, :2] - np.float32(less_px)
    return np.asarray(box + offset * np.concatenate([size, size], axis=1), np.float32)


def inset(box: FloatArray, by_px: float) -> FloatArray:
    """Boxes that end so much earlier on the right and below; by 1, edges become corner pixels."""
    return box - np.array([0, 0, by_px, by_px], np.float32)


def seen_in(box: FloatArray, size: FloatArray) -> NDArray[np.bool_]:
    """Which boxes are a pixel large or more, and show a pixel of their image: bool (N,).

    Args:
        box: float32 (N, 4), edges.
        size: float32 (N, 2), width and height of the image of each.
    """
    large = (box[:, 2:] - box[:, :2] >= 1).all(axis=1)
    inside = (box[:, 2:] >= 1).all(axis=1) & (box[:, :2] <= size - 1).all(axis=1)
    return np.asarray(large & inside, np.bool_)


def kept(
    box: FloatArray,
    score: FloatArray,
    most_overlap: float,
    *,
    over_smaller: bool = False,
    group: IntArray | None = None,
) -> IntArray:
    """Greedy non-maximum suppression: a box stays unless it overlaps a better one that stays.

    Args:
        box: float32 (N, 4) edges.
        score: float32 (N,).
        most_overlap: what a box may have in common with a better one: the intersection over the
            union.
        over_smaller: over the smaller box instead.
        group: int64 (N,); boxes of different groups do not hide each other. None: all are of one.

    Returns:
        int64, rows that stay, best score first; of equal scores the first one is the better.
    """
    order = np.argsort(-score, kind="stable")
    staying: list[IntArray] = []

    def overlapping(some: IntArray, others: IntArray) -> NDArray[np.bool_]:
        found = _overlapping(box[some], box[others], most_overlap, over_smaller)
        return found if group is None else found & (group[some, None] == group[others])

    while len(order):
        block, order = order[:NMS_BLOCK], order[NMS_BLOCK:]
        apart = ~overlapping(block, block)
        alive = np.ones(len(block), np.bool_)
        for number in range(len(block)):
            if alive[number]:
                alive[number + 1 :] &= apart[number, number + 1 :]
        staying.append(block[alive])
        if len(order):
            hidden = overlapping(block[alive], order)
            order = order[~hidden.any(axis=0)]
    return np.concatenate([np.empty(0, np.int64), *staying])


def _overlapping(
    some: FloatArray, others: FloatArray, most_overlap: float, over_smaller: bool
) -> NDArray[np.bool_]:
    """Which boxes of (N, 4) have more in common with which of (M, 4): bool (N, M)."""
    a0, b0, a1, b1 = np.ascontiguousarray(some.T)[:, :, None]
    c0, d0, c1, d1 = np.ascontiguousarray(others.T)
    common = np.minimum(a1, c1) - np.maximum(a0, c0)
    np.maximum(common, 0, out=common)
    height = np.minimum(b1, d1) - np.maximum(b0, d0)
    common *= np.maximum(height, 0, out=height)
    area, other_area = (a1 - a0) * (b1 - b0), (c1 - c0) * (d1 - d0)
    whole = np.minimum(area, other_area) if over_smaller else area + other_area - common
    return np.asarray(common > np.float32(most_overlap) * whole, np.bool_)
