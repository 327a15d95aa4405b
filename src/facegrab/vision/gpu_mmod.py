"""dlib's detector on a graphics card: frames go up as bytes, the pyramid is drawn there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from facegrab.models import weights
from facegrab.models.compute import Compute
from facegrab.models.details import MEAN_RGB
from facegrab.models.gpu_graphs import GpuGraph, ImageGraph, Tile
from facegrab.models.gpu_half import Body, halved
from facegrab.models.gpu_memory import BatchedNet
from facegrab.models.gpu_net import open_net
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.feed import UPSAMPLE, Feed, round_half_away
from facegrab.vision.gpu_batches import SIZES_KEPT, Shown, together
from facegrab.vision.mmod import (
    SMALLEST_IMAGE_PX,
    MmodDetector,
    decoded,
    levels_for,
    mean_boxes,
    suppressed,
)
from facegrab.vision.pyramid import Layout, coarse_layout

ImagesNet: TypeAlias = Callable[[Sequence[Image]], FloatArray]


class GpuMmodDetector:
    """dlib's CNN face detector with the coarse pyramid, see mmod.MmodDetector.

    Args:
        net_of: makes the network for frames of a kind, (N, 1, h, w) scores of their canvas.
    """

    smallest_px = MmodDetector.smallest_px
    longest_fed_px = MmodDetector.longest_fed_px

    def __init__(self, net_of: Callable[[Shown], ImagesNet]) -> None:
        self._net_of = lru_cache(maxsize=SIZES_KEPT)(net_of)

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        found = [Detections.empty() for _ in images]
        for shown, numbers in together(images, feeds).items():
            if min(shown.feed.size(shown.width, shown.height)) < SMALLEST_IMAGE_PX:
                continue
            scores = self._net_of(shown)([images[number] for number in numbers])
            for number, (score,) in zip(numbers, scores, strict=True):
                found[number] = _found(score, shown)
        return found


def _found(scores: FloatArray, shown: Shown) -> Detections:
    """Faces of one image in source pixels, from the scores (h, w) of its canvas."""
    found = decoded(scores, layout_for(shown))
    best, best_of = suppressed(found)
    faces = Detections.without_points(mean_boxes(found, best_of, len(best)), found.score[best])
    width, height, feed = shown
    step = _step(feed)
    if (width % step, height % step) == (0, 0):
        return feed.to_source(faces, width, height)
    # What fills no whole square of the mean is not shown.
    covered = np.array([width // step, height // step] * 2) * float(step)
    box = (faces.box + 0.5) * covered / np.array(feed.size(width, height) * 2) - 0.5
    return replace(faces, box=np.asarray(round_half_away(box), np.float32))


def layout_for(shown: Shown) -> Layout:
    """The canvas of images of a kind."""
    feed = shown.feed
    fed = feed.size(shown.width, shown.height)
    return coarse_layout(*fed, levels_for(feed.largest_px * feed.factor))


def _step(feed: Feed) -> int:
    """Pixels a side that are averaged before the resize, as Feed.resize does it."""
    return int(1 / feed.factor) if feed.factor <= 0.5 else 1


def open_mmod(compute: Compute) -> GpuMmodDetector:
    """dlib's detector in float16.

    Raises:
        WeightsError: the weights are missing or damaged, or the cache cannot be written.
        DeviceError: the device is not there.
    """
    return GpuMmodDetector(partial(_open, halved(weights.detector_graph()), compute))


def _open(body: Body, compute: Compute, shown: Shown) -> BatchedNet:
    return open_net(mmod_graph(body, shown), "dlib's detector", compute)


def mmod_graph(body: Body, shown: Shown) -> GpuGraph:
    """The network behind the pyramid of images of a kind."""
    graph = ImageGraph(shown.width, shown.height)
    layout = layout_for(shown)
    colours = _fed(graph, shown)
    levels = []
    for number, (x, y, width, height) in enumerate(_tiles(layout)):
        if number:
            colours = graph.resized(colours, width, height, corners=True)
        pixels = graph.scaled(colours, MEAN_RGB, 1 / 256)
        levels.append((Tile(x, y, width, height), pixels))
    return graph.ending_in(body, graph.tiled(levels, layout.width, layout.height))


def _tiles(layout: Layout) -> list[Tile]:
    return [Tile(each.x, each.y, each.width, each.height) for each in layout.levels]


def _fed(graph: ImageGraph, shown: Shown) -> str:
    """The image as Feed.resize makes it, but for the rounding of colours."""
    width, height, feed = shown
    fed = feed.size(width, height)
    if feed.factor == 1:
        return graph.images
    if feed.factor == UPSAMPLE:
        return graph.floored(graph.resized(graph.images, *fed, corners=True))
    step = _step(feed)
    image = graph.images if step == 1 else graph.averaged(graph.images, step)
    return graph.resized(image, *fed, corners=False)
