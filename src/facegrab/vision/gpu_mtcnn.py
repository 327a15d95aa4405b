"""MTCNN on a graphics card: frames go up as bytes, the pyramid is drawn there.

The proposal network sees all frames of one size together. What it takes for faces is cut out on
the processor, as always, and goes up again as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from facegrab.models.compute import OPENVINO, Compute
from facegrab.models.gpu_graphs import GpuGraph, ImageGraph, Tile
from facegrab.models.gpu_half import Body, halved
from facegrab.models.gpu_memory import BatchedNet
from facegrab.models.gpu_net import open_net
from facegrab.models.mtcnn import mtcnn_graphs
from facegrab.models.mtcnn_shapes import OUTPUT_PX, REFINEMENT_PX
from facegrab.models.runtime import Net
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.candidates import Halvings
from facegrab.vision.feed import Feed
from facegrab.vision.gpu_batches import SIZES_KEPT, Shown, together
from facegrab.vision.mtcnn import (
    OUTPUT,
    PROPOSAL_SCORE,
    REFINEMENT,
    REGRESSED_OVERLAP,
    MtcnnDetector,
    Proposed,
    detections_of,
    judged,
    logit_of,
    pyramid,
)
from facegrab.vision.mtcnn_views import (
    FastView,
    Layout,
    Seen,
    View,
    Windows,
    by_level,
    packed,
    places_of,
)

MOST_CROPS = 1024
"""At a time: they are small, and there are some dozens a frame."""

ImagesNet: TypeAlias = Callable[[Sequence[Image]], FloatArray]
"""N images of one size, uint8 (H, W, 3) each, to float32 (N, ...)."""


class GpuMtcnnDetector(MtcnnDetector):
    """MTCNN with the pyramids of many frames drawn and looked at together.

    Args:
        proposal_of: makes the proposal network for frames of a kind, (N, 5, h, w) of their canvas.
        refinement: (N, 3, 24, 24) to (N, 5).
        output: (N, 3, 48, 48) to (N, 15).
    """

    def __init__(
        self, proposal_of: Callable[[Shown], ImagesNet], refinement: Net, output: Net
    ) -> None:
        super().__init__(_looked_before, refinement, output)
        self._view = _GpuView
        self._proposal_of = lru_cache(maxsize=SIZES_KEPT)(proposal_of)

    def _proposed(self, views: Sequence[View], feeds: Sequence[Feed]) -> Proposed:
        ours = [view for view in views if isinstance(view, _GpuView)]
        images = [view.image for view in ours]
        for shown, numbers in together(images, feeds).items():
            drawn = drawn_for(shown)
            if drawn is None:
                continue
            outputs = self._proposal_of(shown)([images[number] for number in numbers])
            for number, output in zip(numbers, outputs, strict=True):
                ours[number].seen = _windows(output, drawn)
        return super()._proposed(views, feeds)

    def _judged(
        self, found: Proposed, views: Sequence[View], feeds: Sequence[Feed]
    ) -> list[Detections]:
        refinement, output = (each._replace(batch=MOST_CROPS) for each in (REFINEMENT, OUTPUT))
        found = judged(found, views, self._refinement, refinement)
        found = self._thinned(found, REGRESSED_OVERLAP)
        found = judged(found, views, self._output, output)
        return [
            detections_of(found.rows(found.image == number), feed)
            for number, feed in enumerate(feeds)
        ]


class _GpuView(FastView):
    """An image at which the proposal network looks beside others, and what it saw."""

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        self.image = image
        self.seen: list[Windows] = []

    def windows(
        self, net: Net, scales: Sequence[float], least_logit: float, rough: Net | None = None
    ) -> list[Windows]:
        return self.seen


def _looked_before(x: FloatArray) -> FloatArray:
    raise NotImplementedError("the proposal network has looked at all frames together")


class Drawn(NamedTuple):
    """How the pyramid of an image is drawn.

    Attributes:
        layout: of the canvas.
        halvings: of the image, from which each level is resized.
        per_pixel: float32 (levels, 2), source pixels per pixel of each level, in x and y.
    """

    layout: Layout
    halvings: tuple[int, ...]
    per_pixel: FloatArray


@lru_cache(maxsize=16)
def drawn_for(shown: Shown) -> Drawn | None:
    """The same pyramid as FastView's, or None where no level holds a window."""
    width, height, feed = shown
    scales = pyramid(width, height, feed)
    if not scales:
        return None
    layout = packed(tuple((round(width * scale), round(height * scale)) for scale in scales))
    # Nothing is read of the image, which is never filled.
    halvings = Halvings(np.empty((height, width, 3), np.uint8)).for_scale(np.array(scales))
    covered = np.array([[width, height]]) >> halvings[:, None] << halvings[:, None]
    sides = [[place.width, place.height] for place in layout.places]
    return Drawn(layout, tuple(halvings.tolist()), np.asarray(covered / sides, np.float32))


def _windows(output: FloatArray, drawn: Drawn) -> list[Windows]:
    """The windows of each level in which the proposal network sees a face, from (5, h, w)."""
    seen = Seen(*places_of(output, logit_of(PROPOSAL_SCORE)))
    return by_level(seen, drawn.layout, drawn.per_pixel)


def open_mtcnn(compute: Compute) -> GpuMtcnnDetector:
    """MTCNN in float16.

    Args:
        compute: how the networks are run.

    Raises:
        WeightsError: the weights are missing or damaged, or the cache cannot be written.
        DeviceError: the device is not there.
    """
    # The plain graphs: blocks of channels and PReLUs taken apart are for processors.
    graphs = mtcnn_graphs(OPENVINO)
    return GpuMtcnnDetector(
        partial(_open_proposal, halved(graphs.proposal), compute),
        _open_crops(graphs.refinement, REFINEMENT_PX, compute),
        _open_crops(graphs.output, OUTPUT_PX, compute),
    )


def _open_proposal(body: Body, compute: Compute, shown: Shown) -> BatchedNet:
    return open_net(proposal_graph(body, shown), "MTCNN's proposal network", compute)


def proposal_graph(body: Body, shown: Shown) -> GpuGraph:
    """The proposal network behind the pyramid of images of a kind.

    Raises:
        ValueError: their pyramid has no level.
    """
    drawn = drawn_for(shown)
    if drawn is None:
        raise ValueError(f"images of {shown.width}x{shown.height} have no level")
    graph = ImageGraph(shown.width, shown.height)
    halvings = [graph.images]
    while len(halvings) <= max(drawn.halvings):
        halvings.append(graph.averaged(halvings[-1], 2))
    levels = []
    for place, times in zip(drawn.layout.places, drawn.halvings, strict=True):
        level = graph.resized(halvings[times], place.width, place.height, corners=False)
        levels.append((Tile(*place), graph.half(level)))
    return graph.ending_in(body, graph.tiled(levels, drawn.layout.width, drawn.layout.height))


def _open_crops(path: Path, side_px: int, compute: Compute) -> Net:
    graph = ImageGraph(side_px, side_px, planes=True)
    made = graph.ending_in(halved(path), graph.half(graph.images))
    net = open_net(made, f"MTCNN's network of {side_px} px", compute, MOST_CROPS)

    def of_planes(x: FloatArray) -> FloatArray:
        return net(x.astype(np.uint8))  # a crop's colours are whole

    return of_planes
