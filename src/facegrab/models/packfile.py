"""The file that describes a model, and the file that says which models are chosen.

Both are JSON that anybody may have written: nothing in them is believed before it is checked, and
a refusal names the file, the key and what it should be.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias, get_args

from facegrab import settings
from facegrab.errors import WeightsError
from facegrab.models.folder import GRAPH_SUFFIX, is_name
from facegrab.models.specs import (
    ColourOrder,
    DetectorKind,
    DetectorSpec,
    Licence,
    Metric,
    Pixels,
    RecogniserKind,
    RecogniserSpec,
)

Spec: TypeAlias = DetectorSpec | RecogniserSpec

FORMAT = 1
"""Counted up when an older FaceGrab can no longer read what is written."""

NEWEST_FORMAT = 1000

LARGEST_BYTES = 1 << 16
LONGEST_TEXT = 300
LARGEST_SIDE_PX = 8192
LARGEST_BATCH = 1024
LONGEST_EMBEDDING = 8192
LARGEST_LEVEL = 1000.0
"""No mean or divisor of a colour is more: an image has 0 to 255."""
SMALLEST_DIVISOR = 1e-3

REMOVE_IT = "facegrab models remove takes it away, get or add brings the model again"
CHOOSE_AGAIN = "delete it and choose again with facegrab models use"

DETECTOR, RECOGNISER = "detector", "recogniser"


def role_of(spec: Spec) -> str:
    """``"detector"`` or ``"recogniser"``."""
    return DETECTOR if isinstance(spec, DetectorSpec) else RECOGNISER


def encode(spec: Spec) -> bytes:
    """A model's description as the content of its file.

    Args:
        spec: with a graph.
    """
    if spec.graph is None:
        raise ValueError(f"{spec.name} has no graph of its own")
    content = asdict(spec) | {"graph": spec.graph.name}
    return _dumped({"format": FORMAT, "role": role_of(spec)} | content)


def read(path: Path) -> Spec:
    """Reads a model's description; its graph is a file of the same folder.

    Raises:
        WeightsError: the file cannot be read or is none of its kind.
    """
    file = _opened(path, REMOVE_IT)
    role = file.choice("role", (DETECTOR, RECOGNISER))
    name = file.text("name")
    if name != path.stem or not is_name(name):
        raise file.wrong("name", f"what the file is called, {path.stem!r}")
    spec = _detector(file, name) if role == DETECTOR else _recogniser(file, name)
    file.end()
    return spec


def encode_choice(choice: dict[str, str]) -> bytes:
    """Which models are chosen, by role, as the content of ``use.json``."""
    return _dumped({"format": FORMAT} | choice)


def read_choice(path: Path) -> dict[str, str]:
    """Names of the chosen models by role; a role without a choice is left out.

    Raises:
        WeightsError: the file cannot be read or is none of its kind.
    """
    if not path.exists():
        return {}
    file = _opened(path, CHOOSE_AGAIN)
    choice = {role: file.text(role) for role in (DETECTOR, RECOGNISER) if file.has(role)}
    for role, name in choice.items():
        if not is_name(name):
            raise file.wrong(role, "the name of a model")
    file.end()
    return choice


def _detector(file: _Object, name: str) -> DetectorSpec:
    return DetectorSpec(
        name=name,
        kind=file.choice("kind", get_args(DetectorKind)),
        graph=_graph(file),
        sha256=_sha256(file),
        licence=_licence(file.object("licence")),
        pixels=_pixels(file.object("pixels")),
        smallest_px=file.whole("smallest_px", LARGEST_SIDE_PX),
    )


def _recogniser(file: _Object, name: str) -> RecogniserSpec:
    pixels = _pixels(file.object("pixels"))
    if pixels.width_px is None or pixels.height_px is None:
        raise file.wrong("pixels", "of a given width_px and height_px, as a recogniser's are")
    return RecogniserSpec(
        name=name,
        kind=file.choice("kind", get_args(RecogniserKind)),
        graph=_graph(file),
        sha256=_sha256(file),
        licence=_licence(file.object("licence")),
        pixels=pixels,
        metric=file.choice("metric", get_args(Metric)),
        tolerance=file.number("tolerance", *settings.TOLERANCE),
        length=file.whole("length", LONGEST_EMBEDDING),
    )


def _graph(file: _Object) -> Path:
    name = file.text("graph")
    if not (name.endswith(GRAPH_SUFFIX) and is_name(name.removesuffix(GRAPH_SUFFIX))):
        raise file.wrong("graph", "the plain name of an .onnx in the same folder")
    return file.path.parent / name


def _sha256(file: _Object) -> str:
    text = file.text("sha256")
    if not is_sha256(text):
        raise file.wrong("sha256", "64 hexadecimal digits, 0-9 a-f")
    return text


def is_sha256(text: str) -> bool:
    """Whether it is a SHA-256 as hashlib writes it."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _licence(file: _Object) -> Licence:
    licence = Licence(file.text("name"), file.flag("commercial"), file.text("source"))
    file.end()
    return licence


def _pixels(file: _Object) -> Pixels:
    pixels = Pixels(
        order=file.choice("order", get_args(ColourOrder)),
        mean=file.triple("mean", -LARGEST_LEVEL),
        divisor=file.triple("divisor", SMALLEST_DIVISOR),
        width_px=file.whole_or_none("width_px", LARGEST_SIDE_PX),
        height_px=file.whole_or_none("height_px", LARGEST_SIDE_PX),
        batch=file.whole_or_none("batch", LARGEST_BATCH),
    )
    file.end()
    return pixels


class _Object:
    """An object of the file, whose keys are taken out one by one."""

    def __init__(self, path: Path, content: Any, way_out: str, prefix: str = "") -> None:
        self.path, self._way_out, self._prefix = path, way_out, prefix
        if not isinstance(content, dict):
            raise WeightsError(f"{path} is no JSON object: {way_out}")
        self._rest: dict[str, Any] = dict(content)

    def wrong(self, key: str, expected: str) -> WeightsError:
        return WeightsError(f"{self.path}: {self._prefix}{key} must be {expected}: {self._way_out}")

    def has(self, key: str) -> bool:
        return key in self._rest

    def end(self) -> None:
        """Nothing is left over: a mistyped key would go unnoticed."""
        for key in self._rest:
            shown = ascii(self._prefix + key[:40])
            raise WeightsError(f"{self.path}: {shown} is no known key: {self._way_out}")

    def object(self, key: str) -> _Object:
        value = self._take(key, lambda v: isinstance(v, dict), "an object")
        return _Object(self.path, value, self._way_out, f"{self._prefix}{key}.")

    def text(self, key: str) -> str:
        expected = f"a text of one line, up to {LONGEST_TEXT} characters"
        return str(self._take(key, lambda v: isinstance(v, str) and is_line(v), expected))

    def flag(self, key: str) -> bool:
        return bool(self._take(key, lambda v: isinstance(v, bool), "true or false"))

    def choice(self, key: str, choices: tuple[str, ...]) -> Any:
        return self._take(key, lambda v: v in choices, f"one of {', '.join(choices)}")

    def whole(self, key: str, most: int) -> int:
        expected = f"a whole number from 1 to {most}"
        return int(self._take(key, lambda v: _is_whole(v) and 1 <= v <= most, expected))

    def whole_or_none(self, key: str, most: int) -> int | None:
        if self._rest.get(key, 0) is None:
            del self._rest[key]
            return None
        return self.whole(key, most)

    def number(self, key: str, least: float, most: float) -> float:
        expected = f"a number from {least:g} to {most:g}"
        return float(self._take(key, lambda v: _is_number(v, least, most), expected))

    def triple(self, key: str, least: float) -> tuple[float, float, float]:
        def fits(value: Any) -> bool:
            numbers = isinstance(value, list) and len(value) == 3
            return numbers and all(_is_number(each, least, LARGEST_LEVEL) for each in value)

        expected = f"three numbers from {least:g} to {LARGEST_LEVEL:g}"
        first, second, third = self._take(key, fits, expected)
        return float(first), float(second), float(third)

    def _take(self, key: str, fits: Callable[[Any], bool], expected: str) -> Any:
        if key not in self._rest:
            raise WeightsError(f"{self.path}: {self._prefix}{key} is missing: {self._way_out}")
        value = self._rest.pop(key)
        if not fits(value):
            raise self.wrong(key, expected)
        return value


def is_line(text: str) -> bool:
    """Whether a text can be shown in a terminal as one line."""
    return len(text) <= LONGEST_TEXT and text.isprintable()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any, least: float, most: float) -> bool:
    """Whether it is a number in these bounds, which NaN is not."""
    return (_is_whole(value) or isinstance(value, float)) and least <= value <= most


def _opened(path: Path, way_out: str) -> _Object:
    file = _Object(path, _loaded(path, way_out), way_out)
    if file.whole("format", NEWEST_FORMAT) != FORMAT:
        raise WeightsError(f"{path} was written by a newer FaceGrab: update this one")
    return file


def _loaded(path: Path, way_out: str) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > LARGEST_BYTES:
        raise WeightsError(f"{path} is larger than a file of its kind can be: {way_out}")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} is no JSON: {way_out}") from error


def _dumped(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"
