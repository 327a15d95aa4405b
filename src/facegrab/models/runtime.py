"""Networks that run: one call in, arrays out, whatever computes them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from facegrab.models.compute import OPENVINO, Compute
from facegrab.types import FloatArray


class Net(Protocol):
    """A network with one input and one output."""

    def __call__(self, x: FloatArray) -> FloatArray:
        """The output for a batch, both float32 with the batch first."""
        ...


class ManyNet(Protocol):
    """A network with one input and several outputs."""

    outputs: tuple[str, ...]
    """Their names, in the graph's order."""

    def __call__(self, x: FloatArray) -> tuple[FloatArray, ...]:
        """The outputs for a batch, in the graph's order."""
        ...


def load_net(graph: Path, compute: Compute = Compute()) -> Net:  # noqa: B008 - immutable
    """A network of one output: see load_many."""
    net = load_many(graph, compute)

    def single(x: FloatArray) -> FloatArray:
        (output,) = net(x)
        return output

    return single


def load_many(graph: Path, compute: Compute = Compute()) -> ManyNet:  # noqa: B008 - immutable
    """A network that is ready to run.

    Args:
        graph: an ONNX file.
        compute: how.

    Raises:
        DeviceError: the device or the runtime is not there. No other is used in its place.
        WeightsError: the file is no graph.
    """
    if compute.runtime == OPENVINO:
        from facegrab.models import openvino_runtime

        return openvino_runtime.load(graph, compute)
    from facegrab.models import onnx_runtime

    return onnx_runtime.load(graph, compute)
