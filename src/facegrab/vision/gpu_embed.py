"""dlib's recogniser on a graphics card: chips go up as bytes, as many as there are in a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facegrab.models import weights
from facegrab.models.compute import Compute
from facegrab.models.details import CHIP_PX, EMBEDDING_LENGTH, MEAN_RGB
from facegrab.models.gpu_graphs import GpuGraph, ImageGraph
from facegrab.models.gpu_half import halved
from facegrab.models.gpu_net import open_net
from facegrab.models.specs import RecogniserSpec
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.chips import cut_chips
from facegrab.vision.landmarks import Landmarker


class GpuResnetRecogniser:
    """dlib's face recognition model v1, see embed.ResnetRecogniser.

    Args:
        net: chips, uint8 (150, 150, 3) each, to (N, 128).
        corners: dlib's 5-point model, by which the chip is cut.
        spec: what it is called and how it is used.
    """

    def __init__(
        self,
        net: Callable[[Sequence[Image]], FloatArray],
        corners: Landmarker,
        spec: RecogniserSpec,
    ) -> None:
        self._net = net
        self._corners = corners
        self.spec = spec

    def chips(
        self, images: Sequence[Image], image_of: IntArray, tree_box: FloatArray, points5: FloatArray
    ) -> list[Image]:
        """uint8 (150, 150, 3) each, by the eye corners and the nose found within the box."""
        corners = self._corners(images, image_of, tree_box)
        return cut_chips(images, image_of, corners)

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        """float32 (N, 128) of N chips, uint8 (150, 150, 3)."""
        if not chips:
            return np.empty((0, EMBEDDING_LENGTH), np.float32)
        return self._net(chips)


def open_resnet(compute: Compute, corners: Landmarker, spec: RecogniserSpec) -> GpuResnetRecogniser:
    """dlib's recogniser in float16.

    Raises:
        WeightsError: the weights are missing or damaged, or the cache cannot be written.
        DeviceError: the device is not there.
    """
    return GpuResnetRecogniser(open_net(_graph(), "dlib's recogniser", compute), corners, spec)


def _graph() -> GpuGraph:
    graph = ImageGraph(CHIP_PX, CHIP_PX)
    chip = graph.scaled(graph.images, MEAN_RGB, 1 / 256)
    return graph.ending_in(halved(weights.recogniser_graph()), chip)
