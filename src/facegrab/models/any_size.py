"""Networks that take any size of image although their file declares one."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from facegrab import cache
from facegrab.errors import DeviceError, WeightsError
from facegrab.models.compute import Compute
from facegrab.models.graph_file import graph_input, read_graph
from facegrab.models.heads import check_outputs
from facegrab.models.joined_heads import with_joined_heads
from facegrab.models.runtime import ManyNet, load_many
from facegrab.models.specs import DetectorKind, Pixels

log = logging.getLogger(__name__)

FREEABLE: tuple[DetectorKind, ...] = ("yunet", "scrfd", "retinaface")
"""Kinds whose outputs are relative to cells; UltraFace has those of one size built in."""
TRIED_PX = ((96, 64), (64, 160))
"""Widths and heights of other images that a network must have an answer for."""

NAME = "any-size-v1"
KEY_LENGTH = 16


def load_detector(
    graph: Path, kind: DetectorKind, pixels: Pixels, compute: Compute
) -> tuple[ManyNet, Pixels]:
    """A detector, and its input: of any size, if nothing but its file forbids it.

    Many exporters write down the size of their example although nothing in the graph depends on
    it: OpenCV's YuNet is such a file. So the declaration is taken away, and the network tried.

    Args:
        graph: an ONNX file.
        kind: how its outputs are read.
        pixels: what is known of its input.
        compute: how the network is run.

    Raises:
        DeviceError: the device is not there.
        WeightsError, MissingError, AccessError: the file is no graph that can be loaded.
    """
    if kind in FREEABLE:
        free = without_size(graph)
        joined = with_joined_heads(free) if kind == "yunet" else free
        net = _of_any_size(joined, kind, compute)
        if net is None and joined != free:
            net = _of_any_size(free, kind, compute)
        if net is not None:
            return net, replace(pixels, width_px=None, height_px=None)
    declared = graph_input(read_graph(graph), graph)
    width_px, height_px = declared.width_px or pixels.width_px, declared.height_px
    pixels = replace(pixels, width_px=width_px, height_px=height_px or pixels.height_px)
    return load_many(graph, compute), pixels


def without_size(graph: Path) -> Path:
    """The same graph without a declared width and height, made on first use and cached.

    Returns:
        The file itself if it declares no size.

    Raises:
        WeightsError, MissingError, AccessError: see read_graph and graph_input.
    """
    name = f"{NAME}-{cache.content_hash(graph)[:KEY_LENGTH]}"
    if found := cache.find(name, ".onnx"):
        return found[0]
    model = read_graph(graph)
    declared = graph_input(model, graph)
    if declared.height_px is None and declared.width_px is None:
        return graph
    (image,) = (value for value in model.graph.input if value.name == declared.name)
    for dim, side in zip(image.type.tensor_type.shape.dim[2:], ("height", "width"), strict=True):
        dim.dim_param = side
    # What was inferred from the size, all through the graph.
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return cache.put(name, ".onnx", [model.SerializeToString()])


def _of_any_size(free: Path, kind: DetectorKind, compute: Compute) -> ManyNet | None:
    """A network that has an answer of its kind for images of other sizes, or None."""
    try:
        net = load_many(free, compute)
    except WeightsError as why:
        log.info("%s does not load: %s", free, why)
        return None
    for width, height in TRIED_PX:
        try:
            outputs = net(np.zeros((1, 3, height, width), np.float32))
            shapes = [output.shape for output in outputs]
            check_outputs(kind, shapes, width, height, joined=True)
        except (DeviceError, ValueError) as why:
            log.info("%s takes images of its own size only: %s", free, why)
            return None
    return net
