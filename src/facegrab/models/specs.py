"""What has to be known of a network to use it rightly: kind, input, metric, licence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

DetectorKind: TypeAlias = Literal["mtcnn", "dlib", "yunet", "scrfd", "ultraface", "retinaface"]
RecogniserKind: TypeAlias = Literal["dlib", "arcface"]
Metric: TypeAlias = Literal["euclidean", "cosine"]
ColourOrder: TypeAlias = Literal["rgb", "bgr"]
Triple: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Licence:
    """On what terms weights may be used.

    Attributes:
        name: SPDX identifier where there is one, else words.
        commercial: may be used in commercial products.
        source: where the weights and their terms are published.
    """

    name: str
    commercial: bool
    source: str


@dataclass(frozen=True, slots=True)
class Pixels:
    """How an image becomes a network's input: ``(colour - mean) / divisor``, channels first.

    Attributes:
        order: of the three channels.
        mean: of the channels in that order, on the scale 0 to 255.
        divisor: of the channels in that order.
        width_px: the only width that the graph takes, or None for any.
        height_px: the only height that the graph takes, or None for any.
        batch: the only number of images a call that the graph takes, or None for any.
    """

    order: ColourOrder
    mean: Triple
    divisor: Triple
    width_px: int | None = None
    height_px: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """A detector.

    Attributes:
        name: what the user calls it.
        kind: how its outputs are read.
        graph: the ``.onnx``; None for the networks that come with a Python package.
        sha256: of the weights, hexadecimal.
        licence: on what terms it may be used.
        pixels: its input.
        smallest_px: side of the smallest face it finds reliably in the image it is fed.
    """

    name: str
    kind: DetectorKind
    graph: Path | None
    sha256: str
    licence: Licence
    pixels: Pixels
    smallest_px: int

    @property
    def key(self) -> str:
        """Tells detectors apart, also two files of one name."""
        return self.name if self.graph is None else f"{self.name}-{self.sha256[:8]}"


@dataclass(frozen=True, slots=True)
class RecogniserSpec:
    """A recogniser.

    Attributes:
        name: what the user calls it.
        kind: how its chip is cut: dlib's 150 px, or the 5-point template of ArcFace.
        graph: the ``.onnx``; None for the network that comes with a Python package.
        sha256: of the weights, hexadecimal; an index remembers it.
        licence: on what terms it may be used.
        pixels: its input, width and height always given.
        metric: how two embeddings are compared.
        tolerance: distance up to which two faces are one person, by default.
        length: of an embedding.
    """

    name: str
    kind: RecogniserKind
    graph: Path | None
    sha256: str
    licence: Licence
    pixels: Pixels
    metric: Metric
    tolerance: float
    length: int

    @property
    def key(self) -> str:
        """Tells recognisers apart: embeddings are compared only with those of the same key."""
        return self.name if self.graph is None else f"{self.name}-{self.sha256[:8]}"
