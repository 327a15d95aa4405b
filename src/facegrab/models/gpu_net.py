"""Opens graphs for graphics cards. On ONNX Runtime's CPU provider they run too: so tests run them.

``Compute(device="cpu", runtime="onnxruntime", precision="fp16")`` is this path on the processor.
Nobody can choose it: a processor has no use for float16.
"""

from __future__ import annotations

from facegrab.models import onnx_runtime
from facegrab.models.compute import Compute
from facegrab.models.gpu_graphs import GpuGraph
from facegrab.models.gpu_memory import MOST_IMAGES, BatchedNet, fitting


def open_net(graph: GpuGraph, name: str, compute: Compute, most: int = MOST_IMAGES) -> BatchedNet:
    """A network that is ready to be shown uint8 images.

    Args:
        graph: of one output.
        name: what errors call it.
        compute: device and threads.
        most: images at a time.

    Raises:
        DeviceError: the device is not there. No other is used in its place.
        WeightsError: the runtime does not take the graph.
    """
    net = onnx_runtime.load_bound(graph.content, name, compute)
    return BatchedNet(net, fitting(graph, compute.device, most))
