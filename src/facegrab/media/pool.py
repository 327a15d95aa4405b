"""Memory of images that nobody has any more, for the images that come next."""

from __future__ import annotations

import weakref

import numpy as np
from numpy.typing import NDArray

from facegrab.media.rgb_grid import CHANNELS
from facegrab.types import Image


class ImagePool:
    """Images in memory that comes back when the last view of one is gone.

    New memory has to be cleared by the system, page by page: an image of 4K takes 3.9 ms in it and
    2.4 here (and swscale 11.7, in memory of its own; measured). No more is kept than was in use at
    a time; with the pool and the last of its images it is gone. Any number of threads may take
    images and let them go.
    """

    def __init__(self) -> None:
        self._free: list[NDArray[np.uint8]] = []

    def take(self, height: int, width: int) -> Image:
        """An image, uint8 (height, width, 3), with anything in it."""
        size = height * width * CHANNELS
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        if memory.size != size:
            self._free.clear()
            memory = np.empty(size, np.uint8)
        # An array of its own, which every view of the image refers to: NumPy would have them refer
        # to an array below it, but not to that array's buffer.
        lent = np.frombuffer(memory.data, np.uint8)
        weakref.finalize(lent, self._free.append, memory).atexit = False
        return lent.reshape(height, width, CHANNELS)
