"""Reading dlib's weight files: the front door to ``dat_nets`` and ``dat_forest``.

The files are taken for untrusted: a reader returns what they hold or raises WeightsError, which
names the file and the byte, and allocates nothing that the file is too short to fill.
"""

from facegrab.models.dat_forest import ShapePredictor, read_shape_predictor
from facegrab.models.dat_nets import (
    DetectorWeights,
    RecogniserWeights,
    read_detector,
    read_recogniser,
)

__all__ = [
    "DetectorWeights",
    "RecogniserWeights",
    "ShapePredictor",
    "read_detector",
    "read_recogniser",
    "read_shape_predictor",
]
