"""Opens dlib's four networks."""

from __future__ import annotations

from facegrab.models import weights
from facegrab.models.runtime import load_net
from facegrab.vision.detect import MmodDetector
from facegrab.vision.embed import ResnetRecogniser
from facegrab.vision.landmarks import TreeLandmarker
from facegrab.vision.look import Eyes


def open_eyes(device: str) -> Eyes:
    """dlib's detector, landmarks and recogniser.

    Args:
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        WeightsError: the weights are missing or damaged.
        DeviceError: the device is not there.
    """
    return Eyes(
        detector=MmodDetector(load_net(weights.detector_graph(), device)),
        points5=TreeLandmarker(weights.shape_predictor(5)),
        points68=TreeLandmarker(weights.shape_predictor(68)),
        recogniser=ResnetRecogniser(load_net(weights.recogniser_graph(), device)),
    )
