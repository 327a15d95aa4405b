"""MTCNN that looks in bfloat16 first finds the faces that it finds in float32."""

from __future__ import annotations

import numpy as np
import pytest
from clips import shared_media

from facegrab.media.images import read_image
from facegrab.models.compute import F32, OPENVINO, Compute, has_bf16, has_openvino
from facegrab.models.mtcnn import mtcnn_graphs, rough_graph
from facegrab.models.runtime import Net, load_net
from facegrab.types import FloatArray, Image
from facegrab.vision.candidates import kept
from facegrab.vision.feed import Feed
from facegrab.vision.mtcnn import (
    LEVEL_OVERLAP,
    PROPOSAL_SCORE,
    SMALLEST_PX,
    logit_of,
    open_mtcnn,
    pyramid,
)
from facegrab.vision.mtcnn_views import FastView
from facegrab.vision.sieve import MARGIN, ORDER_MARGIN

pytestmark = pytest.mark.real

FOLDERS = ("people/stills", "people/azure", "people/lfw10x10/Tony_Blair", "detection/dlib_faces")
SCALES = (1.0, 0.6, 0.35)
MOST_PIXELS = 3_000_000
LEAST = logit_of(PROPOSAL_SCORE)
IN_FLOAT = Compute("cpu", OPENVINO, F32)
SIEVED = Compute("cpu", OPENVINO, F32, sieved=True)


@pytest.fixture(scope="module")
def images() -> list[Image]:
    if not has_openvino() or not has_bf16():
        pytest.skip("this processor has no bfloat16")
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    paths = [path for folder in FOLDERS for path in sorted((media / folder).glob("*.jpg"))]
    found = [read_image(path) for path in paths]
    return [image for image in found if image.shape[0] * image.shape[1] <= MOST_PIXELS]


class Seen:
    """A network that keeps the logits of what it was shown last."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self.canvas = self.logit = np.empty(0, np.float32)

    def __call__(self, x: FloatArray) -> FloatArray:
        output = self._net(x)
        self.canvas, self.logit = x, output[0, 0].copy()
        return output


def test_windows_are_those_of_float32(images: list[Image]) -> None:
    """What is left of each level, and no logit is wrong by two thirds of what it may be."""
    exact = load_net(mtcnn_graphs(OPENVINO).proposal, IN_FLOAT)
    rough = Seen(load_net(rough_graph(), SIEVED.of_sieve()))
    windows, too_low, turned = 0, 0.0, 0.0
    for image in images:
        for factor in SCALES:
            scales = pyramid(image.shape[1], image.shape[0], Feed(factor))
            alone = FastView(image).windows(exact, scales, LEAST)
            levels = FastView(image).windows(exact, scales, LEAST, rough)
            for one, other in zip(alone, levels, strict=True):
                rows, others = (kept(w.box, w.output[:, 0], LEVEL_OVERLAP) for w in (one, other))
                np.testing.assert_array_equal(one.box[rows], other.box[others])
                np.testing.assert_allclose(one.output[rows], other.output[others], atol=1e-4)
            windows += sum(len(level.box) for level in alone)
            if not levels:
                continue
            true = exact(rough.canvas)[0, 0]
            error = np.where(true >= LEAST, rough.logit - true, 0)
            too_low = min(too_low, error.min())
            for axis in (0, 1):
                steps = np.abs(np.diff(error, axis=axis))
                both = np.diff((true >= LEAST).astype(int), axis=axis) == 0
                turned = max(turned, steps[both].max(initial=0))
    assert windows > 5000
    assert -2 / 3 * MARGIN < too_low < 0
    assert 0 < turned < 2 / 3 * ORDER_MARGIN


def test_faces_are_those_of_float32(images: list[Image]) -> None:
    """None lost, none gained, none moved by what could be seen."""
    alone, sieved = open_mtcnn(IN_FLOAT), open_mtcnn(SIEVED)
    faces = 0
    for image in images:
        feed = Feed(SMALLEST_PX / max(SMALLEST_PX, max(image.shape) / 40))
        ((one,), (other,)) = alone([image], [feed]), sieved([image], [feed])
        assert len(one) == len(other)
        np.testing.assert_allclose(one.box, other.box, atol=0.01)
        np.testing.assert_allclose(one.score, other.score, atol=1e-4)
        np.testing.assert_allclose(one.points5, other.points5, atol=0.01)
        faces += len(one)
    assert faces >= 60
