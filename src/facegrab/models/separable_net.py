"""YuNet in machine code, on processors with AVX-512: from the image on, in float32, by one thread.

Most of its layers are too small for a runtime: ONNX Runtime takes half as long again, and the
image has to be made channels of floats for it first.
"""

from __future__ import annotations

import threading
from ctypes import c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from facegrab import machine_code
from facegrab.models import details, separable, separable_grid
from facegrab.models.compute import CPU, F32, ONNX_RUNTIME, Compute
from facegrab.models.details import COLOURS
from facegrab.models.separable import STEM_FILTERS, TAPS, Separable, read_separable
from facegrab.models.separable_grid import FIELDS, Grid, grid_of
from facegrab.models.specs import Pixels
from facegrab.types import FloatArray, Image

NAME = "separable-net"

NEEDED = "avx512f"
"""Of the processor: sixteen numbers at once, and 32 registers for them."""


def _compiled() -> Any:
    from facegrab.models import separable_kernel

    return separable_kernel.compiled()


_function = machine_code.Function(
    NAME,
    Path(__file__).with_name("separable_kernel.py"),
    _compiled,
    # Image, stride, width, height; layers, how many, zeros.
    c_void_p, *[c_int64] * 3, c_void_p, *[c_int64] * 2,
    shares=[
        Path(details.__file__), Path(separable.__file__), Path(separable_grid.__file__),
        Path(__file__).with_name("separable_tiles.py"), machine_code.VECTORS,
    ],
)  # fmt: skip


class SeparableNet:
    """A network that is shown images as they are.

    Args:
        network: its layers and weights.
        order: of the colours that it was made for.
    """

    def __init__(self, network: Separable, order: str) -> None:
        self._network = network
        weights = network.weights.copy()
        if order == "bgr":
            stem = weights[: TAPS * COLOURS * STEM_FILTERS].reshape(TAPS, COLOURS, STEM_FILTERS)
            stem[:] = stem[:, ::-1].copy()
        self._weights = weights

    def look(self) -> SeparableLook:
        """A way to show it images, best of one size, because it keeps memory for that."""
        return SeparableLook(self._network, self._weights)


class SeparableLook(threading.local):
    """Shows a network images, in memory of its own for each thread; see SeparableNet."""

    def __init__(self, network: Separable, weights: FloatArray) -> None:
        self._network = network
        self._weights = weights
        self._size = (0, 0, 0)
        self._grid: Grid | None = None

    def __call__(self, image: Image, width: int, height: int) -> tuple[FloatArray, ...]:
        """The outputs for an image that is black right of it and below.

        Args:
            image: RGB uint8 (H, W, 3), no larger than what is fed.
            width: that is fed, a multiple of the coarsest stride.
            height: the same.

        Returns:
            (1, rows, 16) of each stride, see joined_heads; valid until the next call.

        Raises:
            ValueError: another image or size.
            DeviceError: Numba does not work.
        """
        lines, columns = image.shape[:2]
        fits = 0 < lines <= height and 0 < columns <= width
        steps = {each.stride_px for each in self._network.layers}
        if image.dtype != np.uint8 or image.shape[2:] != (COLOURS,) or not fits:
            raise ValueError(f"no image for {width}x{height}: {image.dtype} {image.shape}")
        if any(width % step or height % step for step in steps):
            raise ValueError(f"{width}x{height} is no multiple of {max(steps)}")
        if image.strides[1:] != (COLOURS, 1):  # the machine code would read on
            image = np.ascontiguousarray(image)
        # The columns count, because what is right of them is never written.
        if self._grid is None or self._size != (width, height, columns):
            self._size = width, height, columns
            self._grid = grid_of(self._network, self._weights, width, height, self._grid)
        layers, zeros = self._grid.layers, self._grid.zeros
        _function(
            image, image.strides[0], columns, lines, layers, len(layers) // FIELDS, zeros
        )  # fmt: skip
        return self._grid.outputs


def load_separable(graph: Path, pixels: Pixels, compute: Compute) -> SeparableNet | None:
    """A YuNet in machine code; None where its graph, the processor or what is asked for is another.

    Args:
        graph: an ONNX file.
        pixels: what is known of its input.
        compute: how the network is run otherwise.

    Raises:
        DeviceError: Numba does not work.
        WeightsError, MissingError, AccessError: the file is no graph that can be read.
    """
    plain = not any(pixels.mean) and pixels.divisor == (1.0,) * COLOURS
    asked = (compute.device, compute.runtime, compute.precision) == (CPU, ONNX_RUNTIME, F32)
    if not (plain and asked and machine_code.can_use(NEEDED)):
        return None
    network = read_separable(graph)
    return SeparableNet(network, pixels.order) if network else None
