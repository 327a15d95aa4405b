"""ONNX files of a few kilobytes that answer in the shapes of real networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
STRIDES_PX = (8, 16, 32)


def write_recogniser(
    path: Path, *, length: int = 64, seed: int = 1, batch: int | str = 1, scale: float = 1.0
) -> Path:
    """A net of ArcFace's kind: (batch, 3, 112, 112) to (batch, length)."""
    weight = np.random.default_rng(seed).normal(size=(3, length)).astype(np.float32) * scale
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["row"]),
        helper.make_node("MatMul", ["row", "weight"], ["y"]),
    ]
    constants = [numpy_helper.from_array(weight, "weight")]
    return _write(path, nodes, constants, [batch, 3, 112, 112], {"y": [batch, length]})


def write_yunet(path: Path, *, seed: int = 1, size: tuple[int | str, int | str] = (64, 64)) -> Path:
    """A net of YuNet's kind: (1, 3, H, W) to twelve outputs."""
    random = np.random.default_rng(seed)
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []
    outputs: dict[str, list[int | str]] = {}
    for name, columns in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        shape = numpy_helper.from_array(np.array([1, -1, columns], np.int64), f"{name}_shape")
        constants.append(shape)
        for stride in STRIDES_PX:
            key = f"{name}_{stride}"
            weight = random.normal(0, 1e-4, (columns, 3, stride, stride)).astype(np.float32)
            constants.append(numpy_helper.from_array(weight, f"{key}_w"))
            nodes += [
                helper.make_node("Conv", ["x", f"{key}_w"], [f"{key}_c"], strides=[stride, stride]),
                helper.make_node("Transpose", [f"{key}_c"], [f"{key}_t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{key}_t", f"{name}_shape"], [key]),
            ]
            outputs[key] = [1, f"rows{stride}", columns]
    return _write(path, nodes, constants, [1, 3, *size], outputs)


def _write(
    path: Path,
    nodes: list[NodeProto],
    constants: list[TensorProto],
    shape: list[int | str],
    outputs: dict[str, list[int | str]],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
            for name, sides in outputs.items()
        ],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    path.write_bytes(model.SerializeToString())
    return path
