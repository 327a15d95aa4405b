"""How networks are computed on this machine: device, runtime, precision, threads.

Which is fastest was measured (docs/performance.md): on x86-64 OpenVINO, in bfloat16 where the
processor multiplies such numbers faster than others, in int8 where it does not or a network stands
that better; elsewhere ONNX Runtime in float32.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from facegrab.cores import usable_cores
from facegrab.errors import DeviceError
from facegrab.settings import AUTO, EXACT

CPU, CUDA = "cpu", "cuda"
OPENVINO, ONNX_RUNTIME = "openvino", "onnxruntime"
F32, BF16, FP16, INT8 = "f32", "bf16", "fp16", "int8"

FP16_KINDS = ("mtcnn", "dlib")
"""Networks that were compared in fp16; any other is computed in f32 on CUDA."""

INT8_KINDS = ("dlib",)
"""Networks that have an int8 form; for any other, int8 means what auto means, without a sieve."""

SIEVED_KINDS = ("mtcnn",)
"""Networks that look in bfloat16 first and in float32 only where that saw something."""

NUMBA = "numba"
"""The runtime of networks in machine code of our own."""

MOST_LOOKERS = 4
"""More wait for each other: Python runs one at a time."""

Best: TypeAlias = tuple[str, tuple[str, ...]]
"""Runtime, and precisions faster than float32 that decide as it does; the first that the machine is
fast in is taken."""

_X86 = ("x86_64", "amd64")

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Compute:
    """How networks are computed.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
        runtime: ``"openvino"`` or ``"onnxruntime"``; ``"numba"`` of a network in machine code of
            our own.
        precision: ``"f32"``, ``"bf16"``, ``"int8"`` or, on CUDA, ``"fp16"``.
        threads: of the CPU; 0 is as many as the process may use.
        asked: the precision was asked for, and not chosen as the fastest that finds the same.
        exact: dlib's detector is shown dlib's own pyramid, so that its boxes are dlib's; the
            coarser one takes half the time (pyramid.COARSE_RATE says what it costs).
        by_itself: one thread looks at a time, and its networks have all threads.
        sieved: a look in bfloat16 says where to look in this precision, which alone decides.
    """

    device: str = CPU
    runtime: str = ONNX_RUNTIME
    precision: str = F32
    threads: int = 0
    asked: bool = False
    exact: bool = False
    by_itself: bool = False
    sieved: bool = False

    def __str__(self) -> str:
        names = {OPENVINO: "OpenVINO", ONNX_RUNTIME: "ONNX Runtime", NUMBA: "Numba"}
        return f"{self.device} with {names[self.runtime]} in {self.precisions}"

    @property
    def precisions(self) -> str:
        """In words: the precision that decides, and what was looked at in before."""
        return f"{self.precision} after {BF16}" if self.sieved else self.precision

    @property
    def thread_count(self) -> int:
        """Threads of the CPU that a network uses, so that all lookers together use them once."""
        threads = self.threads or usable_cores()
        return threads if self.by_itself else max(threads // lookers(self.threads, self.device), 1)

    @property
    def float_precision(self) -> str:
        """The precision of what is in float; in int8 that is the fastest that the processor has."""
        if self.precision != INT8:
            return self.precision
        return BF16 if bf16_is_faster() else F32

    def of_network(self, kind: str, best: Mapping[str, Best]) -> Compute:
        """How a kind of network is computed.

        Args:
            kind: of network.
            best: by kind, what was found to be fastest of what decides as float32 does. A kind
                that nobody has compared runs on ONNX Runtime in float32, as it was made for.
        """
        if self.precision == FP16:
            return self if kind in FP16_KINDS else replace(self, precision=F32)
        if self.precision == INT8:
            if kind in INT8_KINDS:
                return self
            auto = replace(self, precision=self.float_precision, asked=False)
            return replace(auto.of_network(kind, best), sieved=False)
        if self.runtime == ONNX_RUNTIME or (self.asked and self.precision == BF16):
            return self
        runtime, faster = best.get(kind, (ONNX_RUNTIME, ()))
        fit = (each for each in faster if self._is_fast_in(each))
        sieved = kind in SIEVED_KINDS and runtime == OPENVINO and self._is_sieved_fast()
        return replace(self, runtime=runtime, precision=next(fit, F32), sieved=sieved)

    def of_sieve(self) -> Compute:
        """How the network is computed that looks first."""
        return replace(self, precision=BF16, sieved=False)

    def _is_sieved_fast(self) -> bool:
        # Who names a precision gets that one alone.
        return not self.asked and self.precision == BF16

    def _is_fast_in(self, precision: str) -> bool:
        if self.asked:
            return False
        if precision == BF16:
            return self.precision == BF16
        # With AMX bfloat16 takes a tenth longer, and is nearer to float32.
        return has_int8() and not (self.precision == BF16 and has_amx())


def choose(
    device: str = CPU, precision: str = AUTO, threads: int = 0, *, by_itself: bool = False
) -> Compute:
    """What is fastest on this machine, within what was asked for.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"``, ``"exact"`` (float32), ``"f32"``, ``"bf16"`` or ``"int8"``.
        threads: of the CPU; 0 is as many as the process may use.
        by_itself: one thread looks at a time, and its networks have all threads.

    Raises:
        DeviceError: the precision is not to be had on this machine. No other is used in its place.
    """
    asked = precision != AUTO
    if precision in (BF16, INT8):
        _check_there(device, precision)
    if device != CPU or not has_openvino():
        best = FP16 if device == CUDA and precision == AUTO else F32
        return Compute(device, ONNX_RUNTIME, best, threads, asked, precision == EXACT, by_itself)
    if precision == INT8:
        return Compute(device, OPENVINO, INT8, threads, asked, by_itself=by_itself)
    fast = BF16 if precision == BF16 or (precision == AUTO and bf16_is_faster()) else F32
    return Compute(device, OPENVINO, fast, threads, asked, precision == EXACT, by_itself)


def _check_there(device: str, precision: str) -> None:
    """Raises DeviceError where there is no bf16 or int8."""
    if device != CPU:
        raise DeviceError(f"no {precision} on {device}: auto is fp16 there")
    if not has_openvino():
        raise DeviceError(f"no {precision} on {device}: it needs OpenVINO: pip install openvino")
    if not (has_bf16() if precision == BF16 else has_int8()):
        raise DeviceError(
            f"this processor does not compute in {precision}: choose another precision, f32 or auto"
        )


def lookers(threads: int = 0, device: str = CPU) -> int:
    """Threads that look at frames side by side.

    Between the networks there is work that uses one core; two such threads keep two cores busy
    where one that has both for its networks leaves a third of them idle (measured).

    Args:
        threads: of the CPU that may be used; 0 is as many as the process may use.
        device: of the networks; a graphics card is kept busy by large batches, not by many.
    """
    if device == CUDA:
        return 1
    return min(threads or usable_cores(), MOST_LOOKERS)


def slow_because() -> str | None:
    """Why this machine does without the fast runtime, and the way out; None if it does not."""
    if has_openvino():
        return None
    if platform.machine().lower() in _X86:
        return "OpenVINO is not installed: pip install openvino makes the networks faster"
    return f"the networks run on ONNX Runtime: OpenVINO is not used on {platform.machine()}"


def has_openvino() -> bool:
    """OpenVINO is installed, on a processor that it was measured on."""
    return platform.machine().lower() in _X86 and find_spec("openvino") is not None


@lru_cache(maxsize=1)
def has_bf16() -> bool:
    """The processor multiplies bfloat16 in hardware (AVX512_BF16 or AMX), as OpenVINO sees it."""
    from facegrab.models.openvino_runtime import capabilities

    return "BF16" in capabilities()


@lru_cache(maxsize=1)
def bf16_is_faster() -> bool:
    """The processor takes less time in bfloat16 than in float32.

    Intel's without AMX, or where a virtual machine hides it, have the instructions and take 1.7
    times as long with them; AMD's take half the time (docs/performance.md).
    """
    if not has_bf16():
        return False
    from facegrab.models.openvino_runtime import processor_name

    return "Intel" not in processor_name() or has_amx()


@lru_cache(maxsize=1)
def has_amx() -> bool:
    """The processor has Intel's AMX, and shows it."""
    if CPUINFO.exists():
        return "amx_bf16" in CPUINFO.read_text(encoding="utf-8", errors="replace").split()
    try:
        import llvmlite.binding as llvm
    except (ImportError, OSError):
        return False
    return bool(llvm.get_host_cpu_features().get("amx-bf16", False))


@lru_cache(maxsize=1)
def has_int8() -> bool:
    """OpenVINO has convolutions in int8 for the processor.

    Also for one without instructions of its own for that (VNNI, AMX): it answers the same there and
    takes less time than float32, but not half of it (measured).
    """
    from facegrab.models.openvino_runtime import capabilities

    return "INT8" in capabilities()
