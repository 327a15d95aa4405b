"""All models and packs there are, each with what a person wants to know before choosing one."""

from __future__ import annotations

from dataclasses import dataclass

from facegrab.errors import WeightsError
from facegrab.models import folder, packs, registry
from facegrab.models.packfile import DETECTOR, RECOGNISER, Spec, role_of

EMBEDDED, INSTALLED, DAMAGED = "comes with FaceGrab", "installed", "damaged"
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Row:
    """A model or pack.

    Attributes:
        name: of it.
        what: its role, or for a pack its two models.
        licence: in words.
        commercial: whether commercial use is allowed; None if that is not known.
        state: whether it is there, or the command that brings it.
        default: is used where nothing else is asked for.
    """

    name: str
    what: str
    licence: str
    commercial: bool | None
    state: str
    default: bool = False


def listed() -> tuple[list[Row], list[str]]:
    """Models, embedded ones first, then packs; and what is damaged, in one line each."""
    damaged: list[str] = []
    try:
        defaults = {role: packs.default_name(role) for role in (DETECTOR, RECOGNISER)}
    except WeightsError as error:
        defaults = {}
        damaged.append(str(error))
    rows = [
        _row(spec, EMBEDDED, defaults)
        for role in (DETECTOR, RECOGNISER)
        for spec in registry.EMBEDDED[role].values()
    ]
    installed = folder.installed_names()
    for name in [*registry.KNOWN, *(each for each in installed if each not in registry.KNOWN)]:
        if name not in installed:
            rows.append(_row(registry.KNOWN[name], _way_to(name), defaults))
            continue
        try:
            rows.append(_row(packs.installed(name), INSTALLED, defaults))
        except WeightsError as error:
            damaged.append(str(error))
            rows.append(Row(name, UNKNOWN, UNKNOWN, None, DAMAGED, name in defaults.values()))
    return [*rows, *map(_pack_row, registry.PACKS)], damaged


def _row(spec: Spec, state: str, defaults: dict[str, str]) -> Row:
    role = role_of(spec)
    default = defaults.get(role) == spec.name
    return Row(spec.name, role, spec.licence.name, spec.licence.commercial, state, default)


def _pack_row(name: str) -> Row:
    detector, recogniser = registry.PACKS[name]
    specs = [_spec_of(detector, DETECTOR), _spec_of(recogniser, RECOGNISER)]
    missing = [
        each
        for each in (detector, recogniser)
        if each in registry.KNOWN and not packs.is_installed(each)
    ]
    state = f"facegrab models get {name}" if missing else "ready"
    return Row(
        name,
        f"pack: {detector} + {recogniser}",
        ", ".join(dict.fromkeys(spec.licence.name for spec in specs)),
        all(spec.licence.commercial for spec in specs),
        state,
    )


def _spec_of(name: str, role: str) -> Spec:
    return registry.EMBEDDED[role].get(name) or registry.KNOWN[name]


def _way_to(name: str) -> str:
    source = registry.source_of(name)
    if source is None:
        return "facegrab models add FILE.onnx"
    recommended = " (recommended)" if name == registry.RECOMMENDED else ""
    return f"facegrab models get {source}{recommended}"
