"""Opens the networks that come as an ONNX graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facegrab import cache
from facegrab.errors import WeightsError
from facegrab.models.any_size import load_detector
from facegrab.models.compute import Compute
from facegrab.models.runtime import load_many
from facegrab.models.separable_net import SeparableNet, load_separable
from facegrab.models.specs import DetectorSpec, RecogniserSpec
from facegrab.vision import retinaface, scrfd, ultraface, yunet
from facegrab.vision.arcface import ArcFaceRecogniser
from facegrab.vision.graph_detector import GraphDetector
from facegrab.vision.graph_follower import GraphFollower

KINDS = {
    "yunet": yunet.KIND,
    "scrfd": scrfd.KIND,
    "ultraface": ultraface.KIND,
    "retinaface": retinaface.KIND,
}
FOLLOWERS = ("yunet",)
"""Kinds of which it was tried that they find faces again where these were."""


def open_detector(spec: DetectorSpec, compute: Compute) -> GraphDetector:
    """A detector that runs on a device, on images of any size if nothing but its file forbids it.

    Args:
        spec: with a graph.
        compute: how the network is run.

    Raises:
        WeightsError: the file is damaged, or not the one that the spec describes.
        DeviceError: the device is not there.
    """
    graph = _sound(spec)
    if made_code := _in_machine_code(graph, spec, compute):
        pixels = replace(spec.pixels, width_px=None, height_px=None)
        return GraphFollower(made_code, replace(spec, pixels=pixels), KINDS[spec.kind])
    net, pixels = load_detector(graph, spec.kind, spec.pixels, compute)
    follows = spec.kind in FOLLOWERS and pixels.width_px is None and pixels.height_px is None
    made = GraphFollower if follows else GraphDetector
    return made(net, replace(spec, pixels=pixels), KINDS[spec.kind])


def open_recogniser(spec: RecogniserSpec, compute: Compute) -> ArcFaceRecogniser:
    """A recogniser that runs on a device.

    Args:
        spec: with a graph.
        compute: how the network is run.

    Raises:
        WeightsError: the file is damaged, or not the one that the spec describes.
        DeviceError: the device is not there.
    """
    return ArcFaceRecogniser(load_many(_sound(spec), compute), spec)


def _sound(spec: DetectorSpec | RecogniserSpec) -> Path:
    """The graph's file, if it is the one that the spec was made for."""
    if spec.graph is None:
        raise ValueError(f"{spec.name} has no graph of its own")
    if cache.content_hash(spec.graph) != spec.sha256:
        raise WeightsError(f"{spec.graph} is not the file that {spec.name} was added as: add again")
    return spec.graph


def is_in_machine_code(spec: DetectorSpec, compute: Compute) -> bool:
    """Whether the detector's network is computed by code of our own.

    Args:
        spec: of any kind.
        compute: how it is run otherwise.

    Raises:
        WeightsError, DeviceError: see open_detector.
    """
    return spec.kind in KINDS and _in_machine_code(_sound(spec), spec, compute) is not None


def _in_machine_code(graph: Path, spec: DetectorSpec, compute: Compute) -> SeparableNet | None:
    return load_separable(graph, spec.pixels, compute) if spec.kind == "yunet" else None
