"""Landmarks by an ensemble of regression trees, for many faces at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Literal, Protocol

from facegrab.models.dat_forest import ShapePredictor
from facegrab.types import FloatArray, Image, IntArray

log = logging.getLogger(__name__)

Kind = Literal["compiled", "numpy"]


class Landmarker(Protocol):
    """Finds points of faces whose boxes are known."""

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        """float32 (N, P, 2) points of N boxes (N, 4); box i lies in images[image_of[i]]."""
        ...


@cache
def walker_name() -> Kind:
    """How this machine walks trees: by machine code if Numba is installed, else by NumPy.

    Points are the same, to the bit. Asked once; where there is no Numba, the log says so once.
    """
    if find_spec("numba") is not None:
        return "compiled"
    log.info(
        "Numba is not installed: landmarks take six times as long, extracts five; pip install numba"
    )
    return "numpy"


class TreeLandmarker:
    """dlib's shape predictor (Kazemi and Sullivan, One Millisecond Face Alignment, CVPR 2014).

    Whole-pixel points, the same as dlib's: grey is (r + g + b) // 3, and every tree's leaf is
    added to the shape in turn in float32, because another order of summing moves points. Any
    number of threads may call one at once.

    Args:
        forest: the trees.
        kind: how they are walked.

    Attributes:
        kind: the same.
    """

    def __init__(self, forest: ShapePredictor, kind: Kind | None = None) -> None:
        self.kind: Kind = kind or walker_name()
        self._walk: Landmarker
        if self.kind == "compiled":
            from facegrab.vision.tree_compiled import CompiledWalker

            self._walk = CompiledWalker(forest)
        else:
            from facegrab.vision.tree_numpy import NumpyWalker

            self._walk = NumpyWalker(forest)

    def __call__(self, images: Sequence[Image], image_of: IntArray, box: FloatArray) -> FloatArray:
        """See Landmarker.

        Raises:
            DeviceError: Numba is installed and does not work.
        """
        return self._walk(images, image_of, box)
