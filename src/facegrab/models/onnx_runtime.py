"""Graphs on ONNX Runtime, which is imported where it is used."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from facegrab.errors import DeviceError, WeightsError
from facegrab.models.compute import CPU, CUDA, Compute
from facegrab.types import FloatArray, Image

if TYPE_CHECKING:
    import onnxruntime as ort

log = logging.getLogger(__name__)

PROVIDERS = {CPU: "CPUExecutionProvider", CUDA: "CUDAExecutionProvider"}

CUDA_OPTIONS = {
    # Trying out every algorithm, the default, starts over with each new image size.
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
    # TensorFloat-32 keeps 10 bits of a mantissa: embeddings would differ from the CPU's.
    "use_tf32": "0",
}

QUIET = 4
"""ONNX Runtime's log level: what ends the process. Errors are raised too, and told once."""

OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "out of memory", "_ALLOC_FAILED")
"""How ONNX Runtime's errors say it: it has no kind of its own for them. The last is the end of
cuDNN's and cuBLAS's names for it."""

INSTALL_CUDA = (
    "pip uninstall onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu[cuda,cudnn]' "
    "(the two share one folder, so only one may be installed), or use the device cpu"
)


def load(graph: Path, compute: Compute) -> OnnxNet:
    """A network that ONNX Runtime runs.

    Args:
        graph: an ONNX file.
        compute: device and threads.

    Raises:
        DeviceError: the device is not there. No other is used in its place.
        WeightsError: the file is no graph.
    """
    return OnnxNet(*_started(graph, str(graph), compute), compute.device)


def load_bound(content: bytes, name: str, compute: Compute) -> BoundNet:
    """A network of one output, whose input and output are bound to the processor's memory.

    Args:
        content: of an ONNX file.
        name: what errors call it.
        compute: device and threads.

    Raises:
        DeviceError: the device is not there. No other is used in its place.
        WeightsError: the content is no graph.
    """
    return BoundNet(*_started(content, name, compute), compute.device)


def _started(
    graph: Path | bytes, name: str, compute: Compute
) -> tuple[ModuleType, ort.InferenceSession]:
    try:
        import onnxruntime as ort
    except ImportError as error:
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise DeviceError(
            f"ONNX Runtime does not load ({error}): pip install --force-reinstall onnxruntime"
        ) from error
    device = compute.device
    provider = _provider(ort, device)
    options = _options(ort, compute.thread_count)
    session = _session(ort, graph, name, options, provider)
    # Where a provider does not load, the runtime goes on with another one: it has to be asked.
    if session.get_providers()[0] != provider[0]:
        raise DeviceError(f"the device {device} does not start; {INSTALL_CUDA}")
    return ort, session


def _provider(ort: ModuleType, device: str) -> tuple[str, dict[str, str]]:
    name = PROVIDERS.get(device)
    if name is None:
        raise DeviceError(f"the device is {' or '.join(PROVIDERS)}, not {device!r}")
    if name not in ort.get_available_providers():
        raise DeviceError(f"this ONNX Runtime has no {device}; {INSTALL_CUDA}")
    if device == CUDA:
        _preload_cuda(ort)
        return name, CUDA_OPTIONS
    return name, {}


def _preload_cuda(ort: ModuleType) -> None:
    """Loads the CUDA libraries that pip installed, which no search path knows of.

    What this cannot load, the session will miss.
    """
    if hasattr(ort, "preload_dlls"):  # from 1.21 on
        with contextlib.redirect_stdout(io.StringIO()) as said:
            ort.preload_dlls()
        log.debug("preloading CUDA: %s", said.getvalue() or "done")


def _options(ort: ModuleType, threads: int) -> ort.SessionOptions:
    """Settings of a session whose inputs differ in size and which does not own the machine.

    The arena keeps what it was ever asked for: 130 MB for the detector at 1558 x 3162. Without it
    every call maps fresh pages, which took a quarter of the time. The memory pattern plans per size
    and gains nothing.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = True
    options.enable_mem_pattern = False
    options.log_severity_level = QUIET
    # Waiting threads would spin on cores that decode video meanwhile; not spinning costs the
    # detector nothing and the recogniser at most 5 % on an otherwise idle machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _session(
    ort: ModuleType,
    graph: Path | bytes,
    name: str,
    options: Any,
    provider: tuple[str, dict[str, str]],
) -> ort.InferenceSession:
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    unreadable = (
        errors.InvalidProtobuf,
        errors.InvalidGraph,
        errors.InvalidArgument,
        errors.NoSuchFile,
        errors.NotImplemented,
    )
    try:
        # Its fall-back is another provider, announced by a print.
        return ort.InferenceSession(graph, options, providers=[provider], enable_fallback=0)
    except unreadable as error:
        raise WeightsError(f"{name} is no graph that can be loaded: {_line(error)}") from error
    except (errors.Fail, errors.RuntimeException, errors.EPFail) as error:
        if _is_memory(error):
            raise MemoryError(_line(error)) from error
        if provider[0] == PROVIDERS[CPU]:
            raise WeightsError(f"{name} cannot be loaded: {_line(error)}") from error
        raise DeviceError(f"the device does not start ({_line(error)}); {INSTALL_CUDA}") from error


class _Net:
    """A session of one input, whose errors are ours."""

    def __init__(self, ort: ModuleType, session: ort.InferenceSession, device: str) -> None:
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        self._failures = (
            errors.Fail,
            errors.RuntimeException,
            errors.EPFail,
            errors.InvalidArgument,
        )
        self._session = session
        self._device = device
        self._input = session.get_inputs()[0].name
        self.outputs = tuple(output.name for output in session.get_outputs())

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """The runtime's errors as ours."""
        try:
            yield
        except self._failures as error:
            if _is_memory(error):
                raise MemoryError(_line(error)) from error
            raise DeviceError(f"the device {self._device} failed: {_line(error)}") from error


class OnnxNet(_Net):
    """A network of one input; several threads may call it at once."""

    def __call__(self, x: FloatArray) -> tuple[FloatArray, ...]:
        with self._told():
            outputs = self._session.run(None, {self._input: x})
        return tuple(np.asarray(output, np.float32) for output in outputs)


class BoundNet(_Net):
    """A network of one output, bound to where the images lie: they are copied to the device once.

    Several threads may call it at once.
    """

    def __call__(self, x: Image) -> FloatArray:
        with self._told():
            binding = self._session.io_binding()
            binding.bind_cpu_input(self._input, x)
            binding.bind_output(self.outputs[0])
            self._session.run_with_iobinding(binding)
            (output,) = binding.copy_outputs_to_cpu()
        return np.asarray(output, np.float32)


def _is_memory(error: Exception) -> bool:
    return any(words in str(error) for words in OUT_OF_MEMORY)


def _line(error: Exception) -> str:
    """The error in one line."""
    return " ".join(str(error).split())
