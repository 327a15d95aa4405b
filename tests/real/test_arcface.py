"""A public recogniser of the ArcFace kind, a MobileFaceNet, tells people apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import shared_media

from facegrab.cache import content_hash
from facegrab.media.images import read_image
from facegrab.models.compute import Compute
from facegrab.models.inspect import inspect_graph, try_out
from facegrab.models.specs import DetectorSpec, Licence, Pixels, RecogniserSpec
from facegrab.vision.feed import Feed
from facegrab.vision.graph_detector import GraphDetector
from facegrab.vision.open_onnx import open_detector, open_recogniser

pytestmark = pytest.mark.real

LICENCE = Licence("Apache-2.0", commercial=True, source="foamliu/MobileFaceNet")


@pytest.fixture(scope="module")
def media() -> Path:
    folder = shared_media()
    if folder is None:
        pytest.skip("the shared media are not here")
    return folder


def test_people_of_lfw(media: Path) -> None:
    """Ten people, ten photographs each: at a false accept rate of .01, 99.8 % of true pairs.

    At .001 it was 99.3 %, at a cosine distance of .688.
    """
    graph = media.parent / "weights" / "mobilefacenet" / "MobileFaceNet.onnx"
    findings = inspect_graph(graph)
    assert (findings.kind, findings.length, findings.pixels.batch) == ("arcface", 128, 1)
    # As torchvision's networks, says its author: no graph tells.
    mean, deviation = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    pixels = Pixels("rgb", mean, deviation, 112, 112, 1)
    spec = RecogniserSpec(
        "mobilefacenet", "arcface", graph, content_hash(graph), LICENCE, pixels, "cosine", 0.6, 128
    )
    try_out(spec)
    recogniser = open_recogniser(spec, Compute())
    paths = sorted((media / "people" / "lfw10x10").glob("*/*.jpg"))
    images = [read_image(path) for path in paths]
    box, points = [], []
    detector = open_yunet(media)
    for found in detector(images, [Feed(1)] * len(images)):
        middle = np.abs(found.box[:, :2] + found.box[:, 2:] - 250).sum(axis=1).argmin()
        box.append(found.box[middle])
        points.append(found.points5[middle])
    chips = recogniser.chips(images, np.arange(len(images)), np.array(box), np.array(points))
    embedding = recogniser(chips)
    pairs = np.triu_indices(len(paths), 1)
    distance = (1 - embedding @ embedding.T)[pairs]
    who = np.array([path.parent.name for path in paths])
    same = (who[:, None] == who)[pairs]
    accepted = distance <= np.quantile(distance[~same], 0.01)
    assert accepted[same].mean() >= 0.99


def open_yunet(media: Path) -> GraphDetector:
    graph = media.parent / "weights" / "yunet" / "yunet_s_dynamic.onnx"
    findings = inspect_graph(graph)
    spec = DetectorSpec("yunet", "yunet", graph, content_hash(graph), LICENCE, findings.pixels, 28)
    return open_detector(spec, Compute())
