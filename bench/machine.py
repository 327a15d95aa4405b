"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_STATUS = Path("/proc/self/status")
_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "av", "dlib-bin")


def machine() -> dict[str, str]:
    """Processor, cores and versions."""
    found = {"cpu": _cpu(), "cores": str(cores()), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


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
    if _CPUINFO.exists():
        facts = dict(
            line.split(":", 1) for line in _CPUINFO.read_text().splitlines() if ":" in line
        )
        for key, value in facts.items():
            if key.strip() == "model name":
                return f"{value.strip()}{_model(facts)}"
    return platform.processor() or platform.machine()


def _model(facts: dict[str, str]) -> str:
    """Virtual machines hide the processor's name, not its family and model."""
    numbers = {key.strip(): value.strip() for key, value in facts.items()}
    if "cpu family" not in numbers:
        return ""
    return f" (family {numbers['cpu family']}, model {numbers['model']})"
