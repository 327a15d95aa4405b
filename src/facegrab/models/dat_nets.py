"""dlib's two networks out of their files.

A file holds (dlib, dnn/core.h and dnn/layers.h) the loss layer, a version number for every layer
from output to input, the input layer, and then the layers from input to output: name, weights,
learning rates, and what was left of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegrab.errors import WeightsError
from facegrab.models import details
from facegrab.models.dat_bytes import DatReader, read_file
from facegrab.models.layers import (
    DETECTOR_PLAN,
    RECOGNISER_PLAN,
    AddTag,
    Affine,
    AffinePlan,
    AveragePool,
    BatchNormPlan,
    Convolution,
    ConvolutionPlan,
    Dense,
    DensePlan,
    GlobalAverage,
    Layer,
    LayerPlan,
    Layers,
    MaxPool,
    Plain,
    Plan,
    Relu,
    Skip,
    Tag,
    WeightedPlan,
)
from facegrab.types import FloatArray

DETAIL_TOLERANCE = 1e-5
"""The files hold the means as float32."""

LEARNING_RATES = 4
"""Multipliers of learning rate and weight decay, for weights and for biases."""

LARGEST_WINDOW_AGE = 1 << 20
EMPTY = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class DetectorWeights:
    """The face detector, and the numbers its scores are read with.

    Attributes:
        layers: from input to output.
        window_px: side of the sliding window.
        nms_overlap: detections that overlap more are one.
        mean_rgb: subtracted from red, green and blue before dividing by 256.
        pyramid_padding_px, outer_padding_px: zeros between and around the levels of the pyramid.
    """

    layers: Layers
    window_px: int
    nms_overlap: float
    mean_rgb: tuple[float, float, float]
    pyramid_padding_px: int
    outer_padding_px: int


@dataclass(frozen=True, slots=True, eq=False)
class RecogniserWeights:
    """The face recogniser.

    Attributes:
        layers: from input to output.
        chip_px: side of its input.
        mean_rgb: subtracted from red, green and blue before dividing by 256.
    """

    layers: Layers
    chip_px: int
    mean_rgb: tuple[float, float, float]


def read_detector(path: Path, plan: Plan = DETECTOR_PLAN) -> DetectorWeights:
    """The detector of ``mmod_human_face_detector.dat``.

    Raises:
        WeightsError: the file is missing, damaged, or another network than ``plan``.
    """
    reader = DatReader(path, read_file(path))
    reader.constant(1)
    reader.text("loss_mmod_")
    reader.constant(1)
    window_px = reader.integer(details.WINDOW_PX, details.WINDOW_PX)
    reader.constant(window_px)
    # Loss per false alarm, loss per miss, truth match; then overlap and share covered, of
    # detections and of ignored boxes. Only the first overlap matters outside training.
    _, _, _, nms_overlap, _, _, _ = reader.numbers(7)
    _expect(path, "non-maximum suppression", (nms_overlap,), (details.NMS_OVERLAP,))
    versions = _versions(reader, plan)
    mean_rgb = _input(reader, path, "input_rgb_image_pyramid")
    layers = _layers(reader, plan, versions)
    reader.end()
    return DetectorWeights(
        layers,
        window_px,
        nms_overlap,
        mean_rgb,
        details.PYRAMID_PADDING_PX,
        details.OUTER_PADDING_PX,
    )


def read_recogniser(path: Path, plan: Plan = RECOGNISER_PLAN) -> RecogniserWeights:
    """The recogniser of ``dlib_face_recognition_resnet_model_v1.dat``.

    Raises:
        WeightsError: the file is missing, damaged, or another network than ``plan``.
    """
    reader = DatReader(path, read_file(path))
    reader.constant(1)
    reader.text("loss_metric_2")
    reader.numbers(2)  # margin and threshold of the training loss
    versions = _versions(reader, plan)
    mean_rgb = _input(reader, path, "input_rgb_image_sized")
    chip_px = reader.integer(details.CHIP_PX, details.CHIP_PX)
    reader.constant(chip_px)
    layers = _layers(reader, plan, versions)
    reader.end()
    return RecogniserWeights(layers, chip_px, mean_rgb)


def _expect(path: Path, what: str, found: tuple[float, ...], known: tuple[float, ...]) -> None:
    if not np.allclose(found, known, rtol=0, atol=DETAIL_TOLERANCE):
        raise WeightsError(f"{path} is not the known network: its {what} is {found}, not {known}")


def _input(reader: DatReader, path: Path, name: str) -> tuple[float, float, float]:
    reader.text(name)
    red, green, blue = reader.numbers(3)
    _expect(path, "mean colour", (red, green, blue), details.MEAN_RGB)
    return red, green, blue


def _versions(reader: DatReader, plan: Plan) -> list[int]:
    """The layers' format versions, from input to output."""
    versions = []
    for number in reversed(range(len(plan))):
        bare = isinstance(plan[number], Tag | Skip)
        known = 1 if bare else 3 if number == 0 else 2
        reader.constant(known)
        versions.append(known)
    return versions[::-1]


def _layers(reader: DatReader, plan: Plan, versions: list[int]) -> Layers:
    return tuple(
        _layer(reader, expected, version) for expected, version in zip(plan, versions, strict=True)
    )


def _layer(reader: DatReader, plan: LayerPlan, version: int) -> Layer:
    layer: Layer = plan if isinstance(plan, Plain) else _weighted(reader, plan)
    match plan:
        case Tag() | Skip():
            return layer  # They hold nothing but their version.
        case Relu():
            reader.text("relu_")
        case AddTag():
            reader.text("add_prev_")
        case MaxPool(side, stride):
            _pool(reader, "max_pool_2", side, stride)
        case AveragePool(side, stride):
            _pool(reader, "avg_pool_2", side, stride)
        case GlobalAverage():
            _pool(reader, "avg_pool_2", 0, 1)
    _training_state(reader, version)
    return layer


def _weighted(reader: DatReader, plan: WeightedPlan) -> Convolution | Affine | Dense:
    match plan:
        case ConvolutionPlan():
            return _convolution(reader, plan)
        case AffinePlan():
            return _affine(reader, plan)
        case BatchNormPlan():
            return _batch_norm(reader, plan)
        case DensePlan():
            return _dense(reader, plan)


def _training_state(reader: DatReader, version: int) -> None:
    """What dlib keeps after each layer: three flags and some buffers that only training needs."""
    for _ in range(3):
        reader.flag()
    for _ in range(3):
        reader.tensor()
    if version == 3:
        reader.integer(0, 1 << 31)  # how many inputs a sample is expanded into


def _convolution(reader: DatReader, plan: ConvolutionPlan) -> Convolution:
    reader.text("con_4")
    shape = (plan.filters, plan.channels, plan.side, plan.side)
    count = plan.filters * plan.channels * plan.side**2
    values = reader.tensor_of(count + plan.filters, 1, 1, 1).ravel()
    reader.constant(plan.filters)
    for pair in (plan.side, plan.stride, plan.padding):
        reader.constant(pair)
        reader.constant(pair)
    reader.alias(*shape)
    reader.alias(1, plan.filters, 1, 1)
    reader.numbers(LEARNING_RATES)
    return Convolution(values[:count].reshape(shape), values[count:], plan.stride, plan.padding)


def _gain_and_offset(reader: DatReader, channels: int) -> tuple[FloatArray, FloatArray]:
    values = reader.tensor_of(2 * channels, 1, 1, 1).ravel()
    reader.alias(1, channels, 1, 1)
    reader.alias(1, channels, 1, 1)
    return values[:channels], values[channels:]


def _affine(reader: DatReader, plan: AffinePlan) -> Affine:
    reader.text("affine_")
    gain, offset = _gain_and_offset(reader, plan.channels)
    reader.constant(0)  # one gain a channel, not one a value
    return Affine(gain, offset)


def _batch_norm(reader: DatReader, plan: BatchNormPlan) -> Affine:
    """Batch normalisation with frozen statistics is an affine (Ioffe and Szegedy, ICML 2015)."""
    reader.text("bn_con2")
    gain, offset = _gain_and_offset(reader, plan.channels)
    # Of the last training batch: means and inverse deviations; then running means, variances.
    _, _, mean, variance = (reader.tensor_of(1, plan.channels, 1, 1).ravel() for _ in range(4))
    for _ in range(2):
        reader.integer(0, LARGEST_WINDOW_AGE)  # age and window of the running statistics
    *_, epsilon = reader.numbers(LEARNING_RATES + 1)
    if not 0 < epsilon < 1 or variance.min() < 0:
        reader.fail(f"a variance of {variance.min():g} + {epsilon:g}")
    scale = gain / np.sqrt(variance.astype(np.float64) + epsilon)
    shift = offset - scale * mean
    if max(np.abs(scale).max(), np.abs(shift).max()) > np.finfo(np.float32).max:
        reader.fail("a batch normalisation too large for float32")
    return Affine(scale.astype(np.float32), shift.astype(np.float32))


def _dense(reader: DatReader, plan: DensePlan) -> Dense:
    reader.text("fc_2")
    reader.constant(plan.outputs)
    reader.constant(plan.inputs)
    weight = reader.tensor_of(plan.inputs, plan.outputs, 1, 1)
    reader.alias(plan.inputs, plan.outputs, 1, 1)
    reader.alias(*EMPTY)  # no biases
    reader.constant(1)  # which is what mode 1 says
    reader.numbers(LEARNING_RATES)
    return Dense(weight.reshape(plan.inputs, plan.outputs))


def _pool(reader: DatReader, name: str, side: int, stride: int) -> None:
    """A side of 0 stands for the whole image; padding is never used."""
    reader.text(name)
    for pair in (side, stride, 0):
        reader.constant(pair)
        reader.constant(pair)
