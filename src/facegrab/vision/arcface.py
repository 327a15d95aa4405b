"""Recognisers of the ArcFace kind (Deng et al., CVPR 2019): chip by five points, unit vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.errors import WeightsError
from facegrab.models.canvas import InputCanvas
from facegrab.models.heads import embedding_output
from facegrab.models.runtime import ManyNet
from facegrab.models.specs import RecogniserSpec
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.align import warp
from facegrab.vision.recipes import Landmarks, arcface

BATCH = 16
"""Chips a call, where the graph takes any number: more gain nothing on a processor."""


class ArcFaceRecogniser:
    """Any recogniser that was trained on chips of ArcFace's template; its metric is the cosine.

    Args:
        net: (N, 3, side, side) to (N, length).
        spec: its input, its length, and its name for messages.
    """

    def __init__(self, net: ManyNet, spec: RecogniserSpec) -> None:
        if spec.pixels.width_px is None or spec.pixels.width_px != spec.pixels.height_px:
            raise ValueError(f"the chip of {spec.name} is no square of a known size")
        self._net = net
        self._side_px = spec.pixels.width_px
        self._canvas = InputCanvas(spec.pixels)
        self.spec = spec

    def chips(
        self, images: Sequence[Image], image_of: IntArray, tree_box: FloatArray, points5: FloatArray
    ) -> list[Image]:
        """Squares cut from the full frames, the five points on the published template.

        Args:
            images: RGB uint8 (H, W, 3).
            image_of: int64 (N,), the image that each face is in.
            tree_box: float32 (N, 4), not used.
            points5: float32 (N, 5, 2), see Detections; not NaN.

        Returns:
            RGB uint8 (side, side, 3) each.
        """
        unknown = np.full((68, 2), np.nan, np.float32)
        faces = (Landmarks(*each, unknown) for each in zip(tree_box, points5, strict=True))
        return [
            warp(images[i], arcface(face, self._side_px), self._side_px)
            for i, face in zip(image_of, faces, strict=True)
        ]

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        """float32 (N, length) of N chips, each row of length 1.

        Raises:
            WeightsError: the network's answer is no embedding.
        """
        size = self.spec.pixels.batch or BATCH
        parts = [np.empty((0, self.spec.length), np.float32)]
        for start in range(0, len(chips), size):
            parts.append(self._embedded(chips[start : start + size]))
        return np.concatenate(parts)

    def _embedded(self, chips: Sequence[Image]) -> FloatArray:
        side, count = self._side_px, len(chips)
        # A graph of a fixed batch gets empty chips for what is missing.
        x = np.zeros((self.spec.pixels.batch or count, 3, side, side), np.float32)
        for row, chip in enumerate(chips):
            x[row] = self._canvas(chip, side, side)[0]
        outputs = self._net(x)
        try:
            place = embedding_output([(1, *output.shape[1:]) for output in outputs])
        except ValueError as error:
            raise WeightsError(f"{self.spec.name} is no recogniser: {error}") from error
        return self._unit(outputs[place], count)

    def _unit(self, embedding: FloatArray, count: int) -> FloatArray:
        if embedding.shape[1] != self.spec.length or len(embedding) < count:
            raise WeightsError(
                f"{self.spec.name} gives {embedding.shape} for {count} faces, "
                f"not ({count}, {self.spec.length}): it is not the network it was added as"
            )
        norm = np.linalg.norm(embedding[:count], axis=1, keepdims=True)
        if not np.isfinite(norm).all() or not norm.all():
            raise WeightsError(
                f"{self.spec.name} answers a face with numbers that are not finite, or all 0: "
                "the file is damaged, or its mean and divisor are others"
            )
        return np.asarray(embedding[:count] / norm, np.float32)
