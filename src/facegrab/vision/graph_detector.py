"""Any detector of one shot: resize, run, decode, suppress doubles, back to the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import cv2
import numpy as np

from facegrab.errors import WeightsError
from facegrab.models.canvas import CanvasLook, Look
from facegrab.models.heads import STEP_PX
from facegrab.models.runtime import ManyNet
from facegrab.models.separable_net import SeparableNet
from facegrab.models.specs import DetectorSpec
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.anchors import Candidates, Decode, gathered, suppressed
from facegrab.vision.feed import Feed

COARSER = 4
"""How much smaller an image is shown again, for faces too large at its first size: a sixteenth of
the pixels, and what is too large for the first look is not too small for the second."""


@dataclass(frozen=True, slots=True)
class OneShot:
    """How the outputs of a kind of network are read.

    Attributes:
        decode: from outputs to candidates.
        least_score: below it, it is no face.
        most_overlap: of two boxes, above which they are one face: intersection over union.
        longest_fed_px: ``auto`` never feeds more on the long side.
        largest_px: side of the largest face that is found reliably in the fed image.
    """

    decode: Decode
    least_score: float
    most_overlap: float
    longest_fed_px: int
    largest_px: int


class GraphDetector:
    """A detector that came as an ONNX graph.

    One image a call of the network: batching gains nothing on a processor, images may differ in
    size, and many a graph takes one only.

    Args:
        net: (1, 3, H, W) to the kind's outputs, or one that is shown images as they are.
        spec: its input, and its name for messages.
        kind: how its outputs are read.
    """

    def __init__(self, net: ManyNet | SeparableNet, spec: DetectorSpec, kind: OneShot) -> None:
        self._net = net
        self._spec = spec
        self._kind = kind
        # One for each look, so that both keep their size.
        self._whole_look, self._coarse_look = self._look(), self._look()
        self.smallest_px = spec.smallest_px
        fixed = max(spec.pixels.width_px or 0, spec.pixels.height_px or 0)
        self.longest_fed_px = fixed or kind.longest_fed_px

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        """One Detections per image: see Detector.

        Where the graph takes one size only, an image is fed no larger than fits into it.

        Raises:
            WeightsError: the network's answer is not its kind's, or not of finite numbers.
        """
        return [self._find(image, feed) for image, feed in zip(images, feeds, strict=True)]

    @property
    def in_machine_code(self) -> bool:
        """The network is computed by code of our own, not by a runtime."""
        return isinstance(self._net, SeparableNet)

    def _look(self) -> Look:
        """A new way to show the network images."""
        net = self._net
        return net.look() if isinstance(net, SeparableNet) else CanvasLook(net, self._spec.pixels)

    def _find(self, image: Image, feed: Feed) -> Detections:
        return detections_of(self._sought(image, feed, self._whole_look), feed.largest_px)

    def _sought(self, image: Image, feed: Feed, look: Look) -> Candidates:
        """The faces of an image, each once; edges in its pixels."""
        fed, scale_x, scale_y = resized(image, self._factor(image, feed.factor))
        found = self._candidates(fed, look)
        largest = min(*fed.shape[:2], feed.largest_px / scale_x)
        if largest > self._kind.largest_px:
            found = gathered([found, self._of_large(fed)])
        return suppressed(found, self._kind.most_overlap).scaled(scale_x, scale_y)

    def _factor(self, image: Image, factor: float) -> float:
        """Fed pixels per source pixel: what is wanted, or what a graph of one size has room for."""
        (height, width), pixels = image.shape[:2], self._spec.pixels
        across, down = (pixels.width_px or inf) / width, (pixels.height_px or inf) / height
        return float(min(factor, across, down))

    def _of_large(self, fed: Image) -> Candidates:
        """Candidates of half the largest size and more, from a look at a smaller image."""
        coarse, scale_x, scale_y = resized(fed, 1 / COARSER)
        found = self._candidates(coarse, self._coarse_look).scaled(scale_x, scale_y)
        sides = (found.box[:, 2:] - found.box[:, :2]).max(axis=1, initial=0)
        return found.select(np.flatnonzero(sides >= self._kind.largest_px / 2))

    def _candidates(self, fed: Image, look: Look) -> Candidates:
        pixels, kind = self._spec.pixels, self._kind
        width = pixels.width_px or _up_to_step(fed.shape[1])
        height = pixels.height_px or _up_to_step(fed.shape[0])
        outputs = look(fed, width, height)
        try:
            with np.errstate(all="ignore"):  # What overflows is found below.
                found = kind.decode(outputs, width, height, kind.least_score)
        except ValueError as error:
            raise WeightsError(f"{self._spec.name} is no {self._spec.kind}: {error}") from error
        self._check(outputs, found)
        return found

    def _check(self, outputs: Sequence[FloatArray], found: Candidates) -> None:
        """All numbers are finite, but for points that the kind does not have."""
        points = found.points if np.isfinite(found.points).any() else found.box
        if not all(np.isfinite(each).all() for each in (*outputs, found.box, points)):
            raise WeightsError(
                f"{self._spec.name} answers with numbers that are not finite: "
                "the file is damaged or not what it was added as"
            )


def resized(image: Image, factor: float) -> tuple[Image, float, float]:
    """The image at another size: an area mean by whole steps, then bilinear.

    Any other area mean takes OpenCV several times as long and finds the same faces. So the last
    rows and columns, fewer than a step, are left out.

    Args:
        image: RGB uint8 (H, W, 3).
        factor: new pixels per old one.

    Returns:
        The image, and old pixels per new one, across and down.
    """
    rows, columns = image.shape[:2]
    step = max(min(int(1 / factor + 1e-6), rows, columns), 1)
    size = (columns // step, rows // step)
    if step > 1:
        part = image[: size[1] * step, : size[0] * step]
        image = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    width, height = (max(round(side * step * factor), 1) for side in size)
    if (width, height) != size:
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        image = np.asarray(resized, np.uint8)
    return image, size[0] * step / width, size[1] * step / height


def detections_of(found: Candidates, largest_px: float) -> Detections:
    """Candidates as detections, without boxes that are too large.

    The last pixel is the right edge - 1, as with dlib's rectangles.
    """
    side = (found.box[:, 2:] - found.box[:, :2]).max(axis=1, initial=0)
    rows = np.flatnonzero(side <= largest_px)
    box = found.box[rows] - np.array([0, 0, 1, 1], np.float32)
    return Detections(
        box.astype(np.float32),
        found.score[rows].astype(np.float32),
        found.points[rows].astype(np.float32),
    )


def _up_to_step(side: int) -> int:
    return -(-side // STEP_PX) * STEP_PX
