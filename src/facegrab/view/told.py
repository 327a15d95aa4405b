"""What a run tells of itself, kept with its answers for reports made later."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from facegrab import __version__
from facegrab.summary import Summary

NAME = "summary"
"""Under which it is kept."""

_LIBRARIES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "openvino")
"""What a result may depend on."""


@dataclass(frozen=True, slots=True)
class Told:
    """About the last run.

    Attributes:
        seconds: by stage, and in ``all``.
        frames_new: frames that were read in it.
        computed: device, runtime and precision of the networks.
        licences: of the weights that were used, a line each.
        warnings: a line each.
        failed: a line for each source that could not be read.
        interrupted: somebody stopped it.
        versions: of FaceGrab, Python and libraries, by name.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    frames_new: int = 0
    computed: str = ""
    licences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    interrupted: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)


def to_json(summary: Summary) -> dict[str, Any]:
    """What is to be kept of a summary, with the versions of now; ``of_json`` reads it."""
    return {
        "seconds": {stage: round(each, 2) for stage, each in summary.seconds.items()},
        "frames_new": summary.frames_read - summary.frames_known,
        "computed": summary.computed,
        "licences": summary.licences,
        "warnings": [_writable(line) for line in summary.warnings],
        "failed": [_writable(line) for line in summary.not_read()],
        "interrupted": summary.interrupted,
        "versions": _versions(),
    }


def of_json(value: Any) -> Told:
    """What was kept; whatever is not as it should be is left out: an index may be anybody's."""
    if not isinstance(value, dict):
        return Told()
    seconds, versions = value.get("seconds"), value.get("versions")
    frames = value.get("frames_new")
    return Told(
        seconds={
            str(stage): float(each)
            for stage, each in (seconds.items() if isinstance(seconds, dict) else ())
            if isinstance(each, (int, float)) and 0 <= each < 10**9
        },
        frames_new=frames if isinstance(frames, int) else 0,
        computed=str(value.get("computed") or ""),
        licences=_lines(value.get("licences")),
        warnings=_lines(value.get("warnings")),
        failed=_lines(value.get("failed")),
        interrupted=value.get("interrupted") is True,
        versions={
            str(name): str(each)
            for name, each in (versions.items() if isinstance(versions, dict) else ())
        },
    )


def _writable(line: str) -> str:
    """A line that may name a file with bytes that are no UTF-8, as a table takes it."""
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def _lines(value: Any) -> tuple[str, ...]:
    return tuple(str(line) for line in value) if isinstance(value, list) else ()


def _versions() -> dict[str, str]:
    found = {"facegrab": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # not on every platform, or a build without the name
            continue
    return found
