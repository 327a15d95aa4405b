"""Opens dlib's four networks."""

from __future__ import annotations

from facegrab.models import weights
from facegrab.models.runtime import load_net
from facegrab.vision.detect import MmodDetector
from facegrab.vision.embed import ResnetRecogniser
from facegrab.vision.landmarks import TreeLandmarker
from facegrab.vision.look import Eyes
from facegrab.vision.pyramid import coarse_layout, dlib_layout


def open_eyes(device: str, *, exact: bool = True) -> Eyes:
    """dlib's detector, landmarks and recogniser.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        exact: look at dlib's own pyramid, so that boxes are dlib's; the coarser one takes half
            the time (pyramid.COARSE_RATE says what it costs).

    Raises:
        WeightsError: the weights are missing or damaged.
        DeviceError: the device is not there.
    """
    layout_of = dlib_layout if exact else coarse_layout
    return Eyes(
        detector=MmodDetector(load_net(weights.detector_graph(), device), layout_of),
        points5=TreeLandmarker(weights.shape_predictor(5)),
        points68=TreeLandmarker(weights.shape_predictor(68)),
        recogniser=ResnetRecogniser(load_net(weights.recogniser_graph(), device)),
    )
