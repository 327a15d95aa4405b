"""Writes dlib's serialisation, as far as the readers know it, for the tests beside this one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.models import details
from facegrab.models.dat_forest import ShapePredictor
from facegrab.models.layers import (
    AddTag,
    AffinePlan,
    AveragePool,
    BatchNormPlan,
    ConvolutionPlan,
    DensePlan,
    GlobalAverage,
    LayerPlan,
    MaxPool,
    Plan,
    Relu,
    Skip,
    Tag,
)

TINY_DETECTOR: Plan = (
    ConvolutionPlan(2, 3, 3, 2, 0),
    BatchNormPlan(2),
    Relu(),
    ConvolutionPlan(1, 2, 3, 1, 1),
)

TINY_RECOGNISER: Plan = (
    ConvolutionPlan(2, 3, 3, 2, 0),
    AffinePlan(2),
    Relu(),
    MaxPool(3, 2),
    Tag(1),
    ConvolutionPlan(4, 2, 3, 2, 0),
    AffinePlan(4),
    Tag(2),
    Skip(1),
    AveragePool(2, 2),
    AddTag(2),
    Relu(),
    GlobalAverage(),
    DensePlan(4, 8),
)


def integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def integers(*values: int) -> bytes:
    return b"".join(map(integer, values))


def number(value: float) -> bytes:
    mantissa, exponent = math.frexp(value)
    mantissa_bits = int(mantissa * 2**53)
    exponent -= 53
    while mantissa_bits and mantissa_bits % 256 == 0:
        mantissa_bits //= 256
        exponent += 8
    return integers(mantissa_bits, exponent)


def numbers(values: Any) -> bytes:
    return b"".join(number(float(value)) for value in np.ravel(values))


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def tensor(array: NDArray[Any]) -> bytes:
    return integers(2, *array.shape) + array.astype("<f4").tobytes()


def alias(*sides: int) -> bytes:
    return integers(1, *sides)


EMPTY = tensor(np.zeros((0, 0, 0, 0)))
RATES = numbers([1, 1, 1, 0])


def detector(rng: np.random.Generator, plan: Plan = TINY_DETECTOR) -> bytes:
    loss = numbers([1, 1, 0.5, details.NMS_OVERLAP, 1, 0.5, 1])
    window = integers(1, details.WINDOW_PX, details.WINDOW_PX)
    head = integer(1) + text("loss_mmod_") + window + loss
    return head + _network(rng, plan, "input_rgb_image_pyramid", b"")


def recogniser(rng: np.random.Generator, plan: Plan = TINY_RECOGNISER) -> bytes:
    head = integer(1) + text("loss_metric_2") + numbers([0.04, 0.6])
    size = integers(details.CHIP_PX, details.CHIP_PX)
    return head + _network(rng, plan, "input_rgb_image_sized", size)


def _network(rng: np.random.Generator, plan: Plan, name: str, size: bytes) -> bytes:
    versions = [1 if isinstance(layer, Tag | Skip) else 2 for layer in plan]
    versions[0] = 3
    parts = [integers(*versions[::-1]), text(name), numbers(details.MEAN_RGB), size]
    for layer, version in zip(plan, versions, strict=True):
        if version > 1:
            parts += [_layer(rng, layer), b"101", EMPTY * 3]
        if version == 3:
            parts.append(integer(1))
    return b"".join(parts)


def _layer(rng: np.random.Generator, plan: LayerPlan) -> bytes:
    match plan:
        case ConvolutionPlan(filters, channels, side, stride, padding):
            count = filters * channels * side**2
            values = rng.normal(0, count**-0.3, (count + filters, 1, 1, 1))
            geometry = (filters, side, side, stride, stride, padding, padding)
            weight = alias(filters, channels, side, side)
            bias = alias(1, filters, 1, 1)
            return text("con_4") + tensor(values) + integers(*geometry) + weight + bias + RATES
        case AffinePlan(channels):
            return text("affine_") + _gain_and_offset(rng, channels) + integer(0)
        case BatchNormPlan(channels):
            statistics = tensor(rng.uniform(0.5, 2, (1, channels, 1, 1)))
            tail = statistics * 4 + integers(100, 100) + RATES + number(1e-4)
            return text("bn_con2") + _gain_and_offset(rng, channels) + tail
        case DensePlan(inputs, outputs):
            sides = (inputs, outputs, 1, 1)
            matrix = tensor(rng.normal(0, 0.1, sides)) + alias(*sides) + alias(0, 0, 0, 0)
            return text("fc_2") + integers(outputs, inputs) + matrix + integer(1) + RATES
        case _:
            return _plain(plan)


def _plain(plan: LayerPlan) -> bytes:
    match plan:
        case MaxPool(side, stride):
            return text("max_pool_2") + integers(side, side, stride, stride, 0, 0)
        case AveragePool(side, stride):
            return text("avg_pool_2") + integers(side, side, stride, stride, 0, 0)
        case GlobalAverage():
            return text("avg_pool_2") + integers(0, 0, 1, 1, 0, 0)
        case _:
            return text("relu_" if isinstance(plan, Relu) else "add_prev_")


def _gain_and_offset(rng: np.random.Generator, channels: int) -> bytes:
    values = rng.uniform(0.5, 1.5, (2 * channels, 1, 1, 1))
    return tensor(values) + alias(1, channels, 1, 1) * 2


def random_forest(
    rng: np.random.Generator,
    *,
    points: int = 2,
    stages: int = 2,
    trees: int = 3,
    splits: int = 3,
    features: int = 4,
) -> ShapePredictor:
    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 1, shape).astype(np.float32)

    def below(end: int, *shape: int) -> NDArray[np.int32]:
        return rng.integers(0, end, shape, np.int32)

    splitting = (stages, trees, splits)
    return ShapePredictor(
        initial=normal(points, 2),
        split_a=below(features, *splitting),
        split_b=below(features, *splitting),
        threshold=normal(*splitting),
        leaf=normal(stages, trees, splits + 1, 2 * points),
        anchor=below(points, stages, features),
        delta=normal(stages, features, 2),
    )


def shape_predictor(forest: ShapePredictor) -> bytes:
    stages, trees, splits = forest.threshold.shape
    column = integers(-2 * len(forest.initial), -1)
    parts = [integer(1), column, numbers(forest.initial), integer(stages)]
    for stage in range(stages):
        parts.append(integer(trees))
        for tree in range(trees):
            here = (stage, tree)
            parts.append(integer(splits))
            for a, b, threshold in zip(
                forest.split_a[here], forest.split_b[here], forest.threshold[here], strict=True
            ):
                parts.append(integers(int(a), int(b)) + number(float(threshold)))
            parts.append(integer(splits + 1))
            parts += [column + numbers(leaf) for leaf in forest.leaf[here]]
    for array in (forest.anchor, forest.delta):
        parts.append(integer(stages))
        for row in array:
            values = integers(*row.tolist()) if row.ndim == 1 else numbers(row)
            parts.append(integer(len(row)) + values)
    return b"".join(parts)


def test_integers_are_written_as_dlib_writes_them() -> None:
    # The first bytes of shape_predictor_5_face_landmarks.dat: version, sides of a matrix.
    assert integers(1, -10, -1) == b"\x01\x01\x81\x0a\x81\x01"
    assert number(1.0) == b"\x01\x10\x81\x04"
