"""From images to a network's input, in the same memory as long as the size stays."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from facegrab.models.runtime import ManyNet
from facegrab.models.specs import Pixels
from facegrab.types import FloatArray, Image

COLOURS = {"rgb": (0, 1, 2), "bgr": (2, 1, 0)}


class Look(Protocol):
    """A way to show a network images, best of one size, because it keeps memory for that."""

    def __call__(self, image: Image, width: int, height: int) -> Sequence[FloatArray]:
        """The outputs for an image at the top left of what is fed, black right of it and below.

        Args:
            image: RGB uint8 (H, W, 3), no larger than what is fed.
            width: that is fed.
            height: that is fed.

        Returns:
            In the graph's order, valid until the next call.
        """
        ...


class CanvasLook:
    """Shows images to a network of channels of floats.

    Args:
        net: (1, 3, H, W) to the outputs.
        pixels: what it wants.
    """

    def __init__(self, net: ManyNet, pixels: Pixels) -> None:
        self._net, self._canvas = net, InputCanvas(pixels)

    def __call__(self, image: Image, width: int, height: int) -> Sequence[FloatArray]:
        """See Look."""
        return self._net(self._canvas(image, width, height))


class InputCanvas(threading.local):
    """Makes inputs of one network, in memory of its own for each thread.

    Fresh memory for each input would cost about as much time as filling it: the system hands it
    out page by page.

    Args:
        pixels: what the network wants.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self._canvas = np.empty((1, 3, 0, 0), np.float32)
        self._planes: list[Image] = []

    def __call__(self, image: Image, width: int, height: int) -> FloatArray:
        """The input of one image at the canvas' top left, black right of it and below.

        Args:
            image: RGB uint8 (H, W, 3), no larger than the canvas.
            width: of the canvas.
            height: of the canvas.

        Returns:
            float32 (1, 3, height, width), valid until the next call.
        """
        pixels, (rows, columns) = self._pixels, image.shape[:2]
        self._prepare(width, height, rows, columns)
        planes = cv2.split(image, self._planes)
        for place, colour in enumerate(COLOURS[pixels.order]):
            part = self._canvas[0, place, :rows, :columns]
            # Subtracted from bytes, NumPy would convert them piece by piece: 1.4 times the time.
            np.copyto(part, planes[colour])
            if pixels.mean[place] != 0:
                part -= np.float32(pixels.mean[place])
            if pixels.divisor[place] != 1:
                part *= np.float32(1 / pixels.divisor[place])
        return self._canvas

    def _prepare(self, width: int, height: int, rows: int, columns: int) -> None:
        """Makes the memory anew where the canvas or the image in it has another size."""
        same_canvas = self._canvas.shape[2:] == (height, width)
        if same_canvas and self._planes and self._planes[0].shape == (rows, columns):
            return
        self._canvas = np.empty((1, 3, height, width), np.float32)
        black = -np.divide(self._pixels.mean, self._pixels.divisor)
        self._canvas[:] = black[:, None, None]
        self._planes = [np.empty((rows, columns), np.uint8) for _ in black]


def planes(images: Image) -> FloatArray:
    """uint8 (N, H, W, 3) as float32 (N, 3, H, W); OpenCV's split is twice as fast as NumPy."""
    count, height, width, colours = images.shape
    result = np.empty((count, colours, height, width), np.float32)
    if count:
        for number, plane in enumerate(cv2.split(images.reshape(-1, width, colours))):
            result[:, number] = plane.reshape(count, height, width)
    return result
