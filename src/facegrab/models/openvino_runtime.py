"""Graphs on OpenVINO, for processors of the x86-64 kind; it is imported where it is used.

Its answers do not depend on the number of threads nor on what else is in a batch, bit for bit
(tested), in float32 and in bfloat16.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from facegrab import cache
from facegrab.errors import DeviceError, WeightsError
from facegrab.models.compute import CPU, Compute
from facegrab.types import FloatArray

log = logging.getLogger(__name__)

CONVERTER = "openvino.tools.ovc"
"""Reports every import to its maker over the network, and is not needed to run a graph."""

PREPARED_KEPT = 512
"""Layers, each for one size of input, for which prepared code is kept. Without a limit each new
size, as in a folder of photographs, costs 1 MB for ever (measured); with 32, less than the networks
of a run have, the small ones take a third longer."""

LARGE_PX = 100
"""Of a side, from which on an image is large: a face for a recogniser, not a candidate for one."""

SMALL = 8
"""Images of one size, below which they go together as they come."""

PREPARED = ".prepared"
"""Ending of the files that hold what OpenVINO made of a graph."""
KEY_LENGTH = 16

OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "out of memory", "Failed to allocate")
REINSTALL = "pip install --force-reinstall openvino, or pip uninstall openvino"


def load(graph: Path, compute: Compute) -> OpenVinoNet:
    """A network that OpenVINO runs.

    Args:
        graph: an ONNX file.
        compute: precision and threads.

    Raises:
        DeviceError: OpenVINO does not load.
        WeightsError: the file is no graph.
    """
    name = _prepared_name(graph, compute)
    if name and (net := _prepared(name, compute)):
        return net
    compiled = _compiled(graph, compute)
    if name:
        _keep(name, compiled)
    return OpenVinoNet(compiled)


def _compiled(graph: Path, compute: Compute) -> Any:
    openvino = _openvino()
    try:
        reader = openvino.frontend.FrontEndManager().load_by_framework("onnx")
        # Not Core.read_model: for a file that is no graph it asks every reader it has, TensorFlow's
        # too, which write to the terminal.
        model = reader.convert(reader.load(str(graph)))
        # An empty file is a graph of nothing to it.
        if len(model.inputs) != 1 or not model.outputs:
            raise WeightsError(f"{graph} is no graph of one input that can be loaded")
        return _core().compile_model(model, "CPU", _options(compute))
    except WeightsError:
        raise
    except Exception as error:  # its errors have no common kind but this
        if isinstance(error, MemoryError) or _is_memory(error):
            raise MemoryError(_line(error)) from error
        raise WeightsError(f"{graph} is no graph that can be loaded: {_line(error)}") from error


def _prepared_name(graph: Path, compute: Compute) -> str | None:
    """What a graph's prepared form is called in the cache; None for a graph from elsewhere.

    A graph of the cache has its checksum in its name. What OpenVINO makes of it depends on its
    version, the processor and the precision, not on the number of threads (tested).
    """
    if graph.parent != cache.cache_folder():
        return None
    key = [_openvino().get_version(), processor_name()]
    key += [*sorted(capabilities()), compute.float_precision]
    digest = hashlib.sha256("\n".join(key).encode()).hexdigest()[:KEY_LENGTH]
    return f"{graph.stem}-{digest}"


def _prepared(name: str, compute: Compute) -> OpenVinoNet | None:
    """A network from its prepared form: a fifth of the time that its graph takes."""
    found = cache.find(name, PREPARED)
    if found is None:
        return None
    path, content = found
    try:
        # A copy of its own. Reading a stream it makes several, which takes longer than all else.
        copied = _openvino().Tensor(content)
        return OpenVinoNet(_core().import_model(copied, "CPU", _options(compute)))
    except Exception as error:  # noqa: BLE001 - its errors have no common kind but this
        log.warning("%s is of no use (%s): making it anew", path, _line(error))
        with suppress(OSError):
            path.unlink()
        return None


def _keep(name: str, compiled: Any) -> None:
    try:
        cache.put(name, PREPARED, [compiled.export_model().getbuffer()])
    except WeightsError as error:
        log.warning("a prepared network is not kept: %s", error)


def processor_name() -> str:
    """As OpenVINO calls it: AMD EPYC 9R14 ..."""
    return str(_core().get_property("CPU", "FULL_DEVICE_NAME"))


def capabilities() -> list[str]:
    """What OpenVINO says that the processor can do: FP32, BF16, INT8 ...

    Raises:
        DeviceError: OpenVINO does not load.
    """
    return list(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


class OpenVinoNet:
    """A network of one input; several threads may call it at once."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        batch, _, *size = compiled.input(0).get_partial_shape()
        self._any_batch = batch.is_dynamic
        # A dense layer adds up one image in another order than several. Only networks of images of
        # one size have such a layer.
        self._of_one_size = batch.is_dynamic and all(side.is_static for side in size)
        sides = [side.get_length() for side in size] if self._of_one_size else []
        self._step = 2 if sides and min(sides) >= LARGE_PX else 1
        self._own = threading.local()
        names = (output.get_names() for output in compiled.outputs)
        self.outputs = tuple(min(each) if each else "" for each in names)

    def __call__(self, x: FloatArray) -> tuple[FloatArray, ...]:
        count = len(x)
        if self._of_one_size:
            sizes = parts_of(count, self._step)
            if sum(sizes) > count:
                x = np.concatenate([x, x[-1:]])
        else:
            sizes = powers(count) if self._any_batch else [count]
        ends = np.cumsum(sizes).tolist()
        parts = [self._answers(x[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
        each_output = zip(*parts, strict=True)
        return tuple(
            (np.concatenate(each) if each[1:] else each[0])[:count] for each in each_output
        )

    def _answers(self, x: FloatArray) -> tuple[FloatArray, ...]:
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        try:
            # Given to infer itself, it would be asked what it is, which takes longer than a small
            # network.
            x = np.require(x, requirements=["C", "W"])  # it stays until the answer is there
            request.set_input_tensor(_openvino().Tensor(x, shared_memory=True))
            answers = request.infer()
        except RuntimeError as error:
            if _is_memory(error):
                raise MemoryError(_line(error)) from error
            raise DeviceError(f"the device {CPU} failed: {_line(error)}") from error
        return tuple(np.asarray(each, np.float32) for each in answers.values())


def parts_of(count: int, step: int = 1) -> list[int]:
    """Sizes of batches for images of one size; none goes alone, the last one twice if need be.

    Any number below SMALL, and powers of two: filled up to one, five would take as long as eight,
    and preparing for another size takes no longer than two or three small images (measured). It
    takes as long as a dozen large ones: of these only even numbers go.

    Args:
        count: of images.
        step: 1, or 2 for even numbers.
    """
    rest = count % SMALL
    large = powers(count - rest) if count >= SMALL or not rest else []
    return [*large, max(rest + rest % step, 2)] if rest else large


def powers(count: int) -> list[int]:
    """The powers of two that make up a number of images, largest first; [0] for none.

    Every other size of batch has to be prepared for when it first comes, which takes ten
    milliseconds: so a network meets few.
    """
    sizes = [1 << bit for bit in reversed(range(count.bit_length())) if count >> bit & 1]
    return sizes or [0]


def _options(compute: Compute) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": compute.float_precision,
        "INFERENCE_NUM_THREADS": compute.thread_count,
        "PERFORMANCE_HINT": "LATENCY",
        # Threads bound to a core would wait there for the decoder's, while another core is free.
        "ENABLE_CPU_PINNING": False,
        "CPU_RUNTIME_CACHE_CAPACITY": PREPARED_KEPT,
    }


@lru_cache(maxsize=1)
def _core() -> Any:
    return _openvino().Core()


def _openvino() -> Any:
    """OpenVINO without its converter."""
    loaded = CONVERTER in sys.modules
    if not loaded:
        sys.modules[CONVERTER] = None  # type: ignore[assignment]  # makes its import fail
    try:
        import openvino
        import openvino.frontend
    except ImportError as error:
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise DeviceError(f"OpenVINO does not load ({_line(error)}): {REINSTALL}") from error
    finally:
        if not loaded:
            sys.modules.pop(CONVERTER, None)  # another thread may have been faster
    return openvino


def _is_memory(error: Exception) -> bool:
    return any(words in str(error) for words in OUT_OF_MEMORY)


def _line(error: Exception) -> str:
    """What the error says, without the places in OpenVINO's source that come first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from ", "Check '"))]
    return " ".join(telling or lines)
