"""The layers of dlib's two networks: what a plan expects, and what a file holds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.types import FloatArray


@dataclass(frozen=True, slots=True)
class ConvolutionPlan:
    """A square convolution with a bias, stored as ``con_4``."""

    filters: int
    channels: int
    side: int
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class AffinePlan:
    """A gain and an offset a channel, stored as ``affine_``."""

    channels: int


@dataclass(frozen=True, slots=True)
class BatchNormPlan:
    """The same, still with its running statistics, stored as ``bn_con2``."""

    channels: int


@dataclass(frozen=True, slots=True)
class DensePlan:
    """A matrix without a bias, stored as ``fc_2``."""

    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The largest of a square, without padding."""

    side: int
    stride: int


@dataclass(frozen=True, slots=True)
class AveragePool:
    """The mean of a square, without padding."""

    side: int
    stride: int


@dataclass(frozen=True, slots=True)
class GlobalAverage:
    """The mean of all rows and columns."""


@dataclass(frozen=True, slots=True)
class Tag:
    """Remembers its input."""

    number: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Goes on from what a tag remembers."""

    number: int


@dataclass(frozen=True, slots=True)
class AddTag:
    """Adds what a tag remembers; the smaller of the two is padded with zeros on every axis."""

    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """weight float32 (filters, channels, side, side), bias float32 (filters,)."""

    weight: FloatArray
    bias: FloatArray
    stride: int
    padding: int


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """x * gain + offset, both float32 (channels,)."""

    gain: FloatArray
    offset: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """x @ weight, float32 (inputs, outputs)."""

    weight: FloatArray


Plain: TypeAlias = Relu | MaxPool | AveragePool | GlobalAverage | Tag | Skip | AddTag
"""Layers without weights: plan and result are the same."""

WeightedPlan: TypeAlias = ConvolutionPlan | AffinePlan | BatchNormPlan | DensePlan
LayerPlan: TypeAlias = WeightedPlan | Plain
Layer: TypeAlias = Convolution | Affine | Dense | Plain

Plan: TypeAlias = tuple[LayerPlan, ...]
Layers: TypeAlias = tuple[Layer, ...]


def _detector_plan() -> Plan:
    """dlib, dnn_mmod_face_detection_ex.cpp: three strided 5x5, three plain 5x5, one 9x9."""
    channels = (3, 16, 32, 32, 45, 45, 45)
    body: list[LayerPlan] = []
    for number, (inputs, filters) in enumerate(pairwise(channels)):
        stride, padding = (2, 0) if number < 3 else (1, 2)
        convolution = ConvolutionPlan(filters, inputs, 5, stride, padding)
        body += [convolution, BatchNormPlan(filters), Relu()]
    return (*body, ConvolutionPlan(1, channels[-1], 9, 1, 4))


def _recogniser_plan() -> Plan:
    """dlib, dnn_face_recognition_ex.cpp: a ResNet of 29 convolutions (He et al., CVPR 2016)."""
    stem = (ConvolutionPlan(32, 3, 7, 2, 0), AffinePlan(32), Relu(), MaxPool(3, 2))
    stages = (
        *_residual(32) * 3,
        *_residual_down(32, 64),
        *_residual(64) * 3,
        *_residual_down(64, 128),
        *_residual(128) * 2,
        *_residual_down(128, 256),
        *_residual(256) * 2,
        *_residual_down(256, 256),
    )
    return (*stem, *stages, GlobalAverage(), DensePlan(256, EMBEDDING_LENGTH))


def _residual(channels: int) -> Plan:
    return (
        Tag(1),
        ConvolutionPlan(channels, channels, 3, 1, 1),
        AffinePlan(channels),
        Relu(),
        ConvolutionPlan(channels, channels, 3, 1, 1),
        AffinePlan(channels),
        AddTag(1),
        Relu(),
    )


def _residual_down(inputs: int, filters: int) -> Plan:
    return (
        Tag(1),
        ConvolutionPlan(filters, inputs, 3, 2, 0),
        AffinePlan(filters),
        Relu(),
        ConvolutionPlan(filters, filters, 3, 1, 1),
        AffinePlan(filters),
        Tag(2),
        Skip(1),
        AveragePool(2, 2),
        AddTag(2),
        Relu(),
    )


DETECTOR_PLAN = _detector_plan()
RECOGNISER_PLAN = _recogniser_plan()
"""Layers from input to output. dlib's files hold weights, not types: the program that reads one
must know the network, and a file that deviates is refused."""
