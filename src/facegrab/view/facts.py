"""Settings, versions, weights and times, as tables of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facegrab.view.links import spell
from facegrab.view.told import Told

_STAGES = {
    "all": "the whole run",
    "decode": "decoding",
    "detect": "finding faces",
    "landmarks": "points in the faces",
    "embed": "recognising",
    "quality": "sharpness",
    "extract": "deciding, cutting and writing",
}
_LICENCES = "licences"
_HIDDEN = (_LICENCES, "method", "licence")


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the run.

    Attributes:
        name: in words.
        seconds: that it took, in words.
        share: of the longest, in percent.
    """

    name: str
    seconds: str
    share: float


@dataclass(frozen=True, slots=True)
class Facts:
    """How the result came about.

    Attributes:
        stages: of the last run; the whole first.
        computed: on what.
        settings: by name.
        versions: by name.
        weights: a line each: which, and under what licence.
    """

    stages: tuple[Stage, ...]
    computed: str
    settings: Mapping[str, str]
    versions: Mapping[str, str]
    weights: tuple[str, ...]


def facts(settings: Mapping[str, Any], told: Told) -> Facts:
    """What an index and a run say.

    Args:
        settings: of the folder.
        told: by the last run.
    """
    licences = settings.get(_LICENCES)
    known = tuple(str(line) for line in licences) if isinstance(licences, list) else ()
    return Facts(
        stages=_stages(told.seconds),
        computed=told.computed,
        settings={
            name: shown(value) for name, value in sorted(settings.items()) if name not in _HIDDEN
        },
        versions=dict(told.versions),
        weights=known or told.licences,
    )


def shown(value: Any) -> str:
    """A setting's value as a user writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(shown(each) for each in value)
    return str(value)


def _stages(seconds: Mapping[str, float]) -> tuple[Stage, ...]:
    percent = 100 / (max(seconds.values(), default=0.0) or 1.0)
    order = sorted(seconds, key=lambda stage: (stage != "all", -seconds[stage], stage))
    return tuple(
        Stage(_STAGES.get(each, each), spell(seconds[each]), round(percent * seconds[each], 1))
        for each in order
    )
