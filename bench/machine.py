"""What a figure was measured on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_STATUS = Path("/proc/self/status")
_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "av", "dlib-bin")
_IF_INSTALLED = ("openvino", "numba", "torch", "facenet-pytorch")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""What the networks' speed depends on, as Linux names it."""


def machine() -> dict[str, str]:
    """Processor, its instruction sets, cores and versions."""
    import platform

    found = {
        "cpu": _cpu(),
        "instructions": _instructions(),
        "cores": str(cores()),
        "python": platform.python_version(),
    }
    found |= {package: version(package) or "missing" for package in _PACKAGES}
    return found | {name: said for name in _IF_INSTALLED if (said := version(name))}


def version(package: str) -> str | None:
    """Of an installed package; None if it is not."""
    from importlib import metadata  # not in a process whose start is measured

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def busy() -> bool:
    """Whether others have used more than a tenth of the cores for the last minute."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > cores() / 10


def peak_bytes() -> int:
    """The most memory that this process has had so far.

    On Linux from /proc: ru_maxrss there also counts what the parent held when it forked.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu() -> str:
    import platform

    facts = _cpuinfo()
    name = facts.get("model name") or platform.processor() or platform.machine()
    if "cpu family" not in facts:
        return name
    # Virtual machines hide the processor's name, not its family and model.
    return f"{name} (family {facts['cpu family']}, model {facts['model']})"


def _instructions() -> str:
    """Those of _INSTRUCTIONS that the processor has."""
    flags = _cpuinfo().get("flags")
    if flags is None:
        return "unknown"
    return " ".join(each for each in _INSTRUCTIONS if each in flags.split()) or "none"


def _cpuinfo() -> dict[str, str]:
    """What Linux says of the last core; empty elsewhere."""
    if not _CPUINFO.exists():
        return {}
    pairs = (line.split(":", 1) for line in _CPUINFO.read_text().splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
