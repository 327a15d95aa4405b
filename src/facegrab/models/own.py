"""Models of one's own: what the file tells, what the user says, and what is usual for the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from facegrab import settings
from facegrab.errors import SettingError
from facegrab.models import folder, packfile, registry
from facegrab.models.heads import SMALLEST_PX
from facegrab.models.packfile import Spec
from facegrab.models.specs import (
    ColourOrder,
    DetectorSpec,
    Licence,
    RecogniserSpec,
    Triple,
)

UNKNOWN = "unknown"
"""The licence of a model of which nobody said anything: it counts as not for commercial use."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the user says of a model; None for what the file or the kind's custom says.

    Attributes:
        name: what to call it; by default as the file.
        kind: how its outputs are read, see inspect.KINDS.
        licence: on what terms it may be used.
        source: where it and its terms are published.
        commercial: those terms allow commercial use.
        tolerance: of a recogniser, see settings.TOLERANCE.
        order: of the colours.
        mean: of the colours, on the scale 0 to 255.
        divisor: of the colours.

    Raises:
        SettingError: a value is out of range.
    """

    name: str | None = None
    kind: str | None = None
    licence: str | None = None
    source: str | None = None
    commercial: bool = False
    tolerance: float | None = None
    order: ColourOrder | None = None
    mean: Triple | None = None
    divisor: Triple | None = None

    def __post_init__(self) -> None:
        least, most = settings.TOLERANCE
        if self.tolerance is not None and not least <= self.tolerance <= most:
            raise SettingError(f"--tolerance is from {least:g} to {most:g}, not {self.tolerance:g}")
        _check_triple("--mean", self.mean, -packfile.LARGEST_LEVEL)
        _check_triple("--divisor", self.divisor, packfile.SMALLEST_DIVISOR)
        for option, text in (("--licence", self.licence), ("--source", self.source)):
            if text is not None and not (text and packfile.is_line(text)):
                raise SettingError(
                    f"{option} is one line of up to {packfile.LONGEST_TEXT} characters"
                )
        if self.commercial and not self.licence:
            raise SettingError("--commercial: say with --licence by which terms")


def spec_of(graph: Path, sha256: str, told: Told | None = None) -> Spec:
    """What is known of a file's model, with what the user says.

    A file that FaceGrab knows by its hash needs no words: it is used as its authors use it.

    Args:
        graph: an ``.onnx``.
        sha256: of it, hexadecimal.
        told: by the user.

    Raises:
        MissingError, AccessError: the file is not there, or may not be read.
        WeightsError: it is of no known kind, or its name cannot be used.
        SettingError: it is a detector, and a tolerance is told.
    """
    told = told or Told()
    known = registry.by_hash(sha256, graph)
    if known is None or told.kind not in (None, known.kind):
        known = _looked_into(graph, sha256, told)
    return _with(known, told)


def tried(spec: Spec) -> Spec:
    """A model as its file declares its input, after it was run once.

    Args:
        spec: with a graph.

    Raises:
        WeightsError: it is not of its kind, or its answer to a picture cannot be one.
    """
    from facegrab.models import inspect

    assert spec.graph is not None
    found = inspect.inspect_graph(spec.graph, spec.kind).pixels
    pixels = replace(
        spec.pixels, width_px=found.width_px, height_px=found.height_px, batch=found.batch
    )
    spec = replace(spec, pixels=pixels)
    inspect.try_out(spec)
    return spec


def _looked_into(graph: Path, sha256: str, told: Told) -> Spec:
    # Imported here: it brings OpenCV, which a list of models does not need.
    from facegrab.models import inspect

    found = inspect.inspect_graph(graph, told.kind)
    name = told.name or folder.name_from(graph.stem)
    licence = Licence(UNKNOWN, commercial=False, source="")
    if found.kind == "arcface":
        assert found.length is not None
        return RecogniserSpec(
            name=name,
            kind=found.kind,
            graph=graph,
            sha256=sha256,
            licence=licence,
            pixels=found.pixels,
            metric="cosine",
            tolerance=registry.ARCFACE_TOLERANCE,
            length=found.length,
        )
    assert found.kind != "dlib"
    smallest_px = found.smallest_px or SMALLEST_PX[found.kind]
    return DetectorSpec(name, found.kind, graph, sha256, licence, found.pixels, smallest_px)


def _with(spec: Spec, told: Told) -> Spec:
    """A model as it is, but for what the user says."""
    pixels = replace(
        spec.pixels,
        order=told.order or spec.pixels.order,
        mean=told.mean or spec.pixels.mean,
        divisor=told.divisor or spec.pixels.divisor,
    )
    licence = spec.licence
    if told.licence is not None:
        licence = Licence(told.licence, told.commercial, told.source or licence.source)
    spec = replace(
        spec, name=folder.check_name(told.name or spec.name), pixels=pixels, licence=licence
    )
    if told.tolerance is None:
        return spec
    if isinstance(spec, DetectorSpec):
        raise SettingError(f"--tolerance: {spec.name} is a detector, only recognisers have one")
    return replace(spec, tolerance=told.tolerance)


def _check_triple(option: str, triple: Triple | None, least: float) -> None:
    most = packfile.LARGEST_LEVEL
    if triple is not None and not all(least <= each <= most for each in triple):
        raise SettingError(f"{option} is three numbers from {least:g} to {most:g}")
