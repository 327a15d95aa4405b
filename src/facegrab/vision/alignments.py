"""What an extract shows and how large it is: the value of ``--align``, read and ready for use."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np

from facegrab.errors import SettingError
from facegrab.types import FloatArray
from facegrab.vision import recipes
from facegrab.vision.align import Matrix
from facegrab.vision.recipes import Landmarks, Points, Recipe

SIZE_PX = (16, 2048)
"""Side of an extract."""
DEFAULT = "mean-face"

RECIPES = {
    "mean-face": Recipe(recipes.mean_face, together=recipes.mean_faces),
    "dlib-chip": Recipe(recipes.dlib_chip, natural_px=150),
    "arcface": Recipe(recipes.arcface, natural_px=112, multiples=(112, 128)),
    "ffhq": Recipe(recipes.ffhq),
    "faceswap-face": Recipe(
        partial(recipes.faceswap, free=recipes.FACESWAP_FACE, centre=recipes.FACE_CENTRE),
        needs_points68=True,
    ),
    "faceswap-head": Recipe(
        partial(recipes.faceswap, free=recipes.FACESWAP_HEAD, centre=recipes.HEAD_CENTRE),
        needs_points68=True,
    ),
    "none": Recipe(recipes.unaligned),
}

TEMPLATE_SUFFIX = ".json"
MAX_TEMPLATE_BYTES = 64 * 1024
MAX_PADDING = 2.0
_TEMPLATE_KEYS = {"name", "points", "size", "padding"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_MAX_UNIT = 10.0
"""Points may lie outside the extract: a chin below it; but not that far."""
_SMALLEST_SCALE = 1e-6
"""Extract per source pixel; less shows no frame, and comes of points that contradict a template."""
_THINNEST = 1e-3
"""A template whose points spread less than this across their main direction is a line."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """One way to show a face, at one size.

    Attributes:
        name: of the recipe, or of the user's template.
        size_px: side of the extract.
        fingerprint: what an extract depends on besides the size: the name, with a hash of the
            points where they are the user's.
        recipe: the geometry.
    """

    name: str
    size_px: int
    fingerprint: str
    recipe: Recipe = field(repr=False, compare=False)

    @property
    def label(self) -> str:
        """``arcface-112``: letters, digits, ``-`` and ``_``, good as the name of a folder."""
        return f"{self.name}-{self.size_px}"

    @property
    def needs_points68(self) -> bool:
        """Whether it makes no sense without the 68 points."""
        return self.recipe.needs_points68

    def matrix(self, box: FloatArray, points5: FloatArray, points68: FloatArray) -> Matrix:
        """The similarity from full frame to extract; whole numbers are centres of pixels.

        Where the 68 points are NaN, the recipes that do not need them go by the five.

        Args:
            box: float32 (4,), x0 y0 x1 y1, corner pixels inclusive.
            points5: float32 (5, 2), see types.Detections.
            points68: float32 (68, 2), or all NaN.

        Returns:
            float64 (2, 3), for align.warp.

        Raises:
            ValueError: the points have no pose (they coincide), or 68 are needed and not there.
        """
        face = Landmarks(box, points5, points68)
        if self.needs_points68 and not face.has_68:
            raise ValueError(f"{self.name} needs the 68 points")
        matrix = self.recipe.place(face, self.size_px)
        if not np.isfinite(matrix).all() or native_scale(matrix) < _SMALLEST_SCALE:
            raise ValueError(f"the points have no pose for {self.name}")
        return matrix

    def matrices(
        self, box: FloatArray, points5: FloatArray, points68: FloatArray
    ) -> list[Matrix | None]:
        """The same of many faces; None of one that has no pose.

        Args:
            box: float32 (N, 4), see matrix.
            points5: float32 (N, 5, 2), likewise.
            points68: float32 (N, 68, 2), likewise.
        """
        if self.recipe.together and len(box) and np.isfinite(points68).all():
            with suppress(ValueError):
                matrix = self.recipe.together(points68, self.size_px)
                scale = np.hypot(matrix[:, 0, 0], matrix[:, 1, 0])
                if np.isfinite(matrix).all() and scale.min() >= _SMALLEST_SCALE:
                    return list(matrix)
        return [self._if_any(*face) for face in zip(box, points5, points68, strict=True)]

    def _if_any(self, *face: FloatArray) -> Matrix | None:
        try:
            return self.matrix(*face)
        except ValueError:
            return None


def native_scale(matrix: Matrix) -> float:
    """Pixels of the extract per pixel of the source: more than 1 is enlarged."""
    return hypot(matrix[0, 0], matrix[1, 0])


def parse_alignments(texts: Sequence[str], extract_size: int) -> tuple[Alignment, ...]:
    """Reads the values of ``--align``.

    Args:
        texts: each one or more, parted by commas, of ``name``, ``name:size``, ``template.json`` and
            ``template.json:size``. None at all is ``mean-face``.
        extract_size: side of those without a size, except that ``dlib-chip`` is 150, ``arcface``
            112, and a template that says for which size it is made has that.

    Returns:
        Their labels are all different, also where a file system does not tell A from a.

    Raises:
        SettingError: an unknown name, a size out of range, the same twice, or a file that is no
            template.
    """
    items = [item for text in texts or [DEFAULT] for item in _items(text)]
    alignments = tuple(_alignment(item, extract_size) for item in items)
    seen: set[str] = set()
    for each in alignments:
        if each.label.casefold() in seen:
            raise SettingError(f"align has {each.label} twice: leave one out or give it a size")
        seen.add(each.label.casefold())
    return alignments


def require_points68(alignments: Sequence[Alignment], reason: str) -> None:
    """Refuses alignments that need the 68 points where these are not to be had.

    Args:
        alignments: of the run.
        reason: why there are none, to end the message with.

    Raises:
        SettingError: names the first such alignment.
    """
    for each in alignments:
        if each.needs_points68:
            raise SettingError(f"align {each.name} needs the 68 points, not to be had: {reason}")


def _items(text: str) -> list[str]:
    """What commas part; but a file may have one in its name."""
    path, _ = _split(text)
    return [text] if _is_template(path) and Path(path).is_file() else text.split(",")


def _split(item: str) -> tuple[str, str | None]:
    """Name and size; the colon of a Windows drive is none that parts them."""
    name, colon, size = item.strip().rpartition(":")
    if not colon or _is_template(size):
        return item.strip(), None
    return name, size


def _is_template(name: str) -> bool:
    return name.lower().endswith(TEMPLATE_SUFFIX)


def _alignment(item: str, extract_size: int) -> Alignment:
    name, size_text = _split(item)
    if _is_template(name):
        name, fingerprint, recipe = _read_template(Path(name))
    elif name in RECIPES:
        fingerprint, recipe = name, RECIPES[name]
    else:
        known = ", ".join(RECIPES)
        raise SettingError(f"align is one of {known}, or the path of a .json, not {name!r}")
    size_px = recipe.natural_px or extract_size if size_text is None else _size(item, size_text)
    if recipe.multiples and all(size_px % multiple for multiple in recipe.multiples):
        multiples = " or ".join(str(multiple) for multiple in recipe.multiples)
        raise SettingError(f"align {name} has a multiple of {multiples} as its size, not {size_px}")
    return Alignment(name, size_px, fingerprint, recipe)


def _size(item: str, text: str) -> int:
    low, high = SIZE_PX
    if not re.fullmatch(r"[0-9]{1,4}", text) or not low <= int(text) <= high:
        raise SettingError(f"align {item.strip()}: a size is from {low} to {high}, not {text!r}")
    return int(text)


def _read_template(path: Path) -> tuple[str, str, Recipe]:
    """Name, fingerprint and recipe of a user's template.

    The file is ``{"name": ..., "points": [...], "size": ..., "padding": ...}``, the last two left
    out if one likes. Points are 5 (types.Detections) or 68 pairs x y, or null for one that does
    not count: in pixels of an extract of that size, whole numbers the centres of pixels, or without
    a size in shares of the side from its left and upper edge. Padding is what is added around, in
    shares of the side before.

    Raises:
        SettingError: the file is none such.
    """
    content = _content(path)
    try:
        document = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
        if not isinstance(document, dict):
            raise ValueError("it is no object with name and points")
        name = _template_name(document)
        size = _template_number(document, "size", 1.0, SIZE_PX[1])
        padding = _template_number(document, "padding", 0.0, MAX_PADDING) or 0.0
        count, used, points = _template_points(document["points"], size)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path} is no template: {error}") from error
    unit = (points + padding) / (1 + 2 * padding)
    needs_68 = count == 68
    digest = hashlib.sha256(np.array([count, *used, *unit.ravel()], "<f8").tobytes()).hexdigest()
    place = partial(recipes.template, needs_points68=needs_68, used=used, unit=unit)
    natural_px = int(size) if size and size.is_integer() and size >= SIZE_PX[0] else None
    return name, f"{name}:{digest[:16]}", Recipe(place, natural_px, needs_68)


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():  # before it is opened: a pipe would wait for its other end
            raise SettingError(f"no such template: {path}")
        with path.open("rb") as file:
            content = file.read(MAX_TEMPLATE_BYTES + 1)
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_TEMPLATE_BYTES:
        raise SettingError(f"{path} is no template: larger than {MAX_TEMPLATE_BYTES // 1024} kB")
    return content


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _template_name(document: dict[str, Any]) -> str:
    if missing := {"name", "points"} - document.keys():
        raise ValueError(f"{' and '.join(sorted(missing))} missing")
    if unknown := document.keys() - _TEMPLATE_KEYS:
        raise ValueError(f"{sorted(unknown)[0][:40]!r} is unknown")
    name = document["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("its name is 1 to 40 letters, digits, - and _")
    if name.casefold() in RECIPES:
        raise ValueError(f"{name} is the name of a recipe: choose another")
    return name


def _template_number(document: dict[str, Any], key: str, low: float, high: float) -> float | None:
    value = document.get(key)
    if value is None:
        return None
    if not _is_number(value) or not low <= value <= high:
        raise ValueError(f"{key} is a number from {low:g} to {high:g}")
    return float(value)


def _template_points(listed: Any, size: float | None) -> tuple[int, Any, Points]:
    """How many points it is made for, which of them count (P,), and where they go (P, 2)."""
    if not isinstance(listed, list) or len(listed) not in (5, 68):
        raise ValueError("points are 5 or 68 pairs")
    used = np.array([i for i, pair in enumerate(listed) if pair is not None], np.intp)
    furthest = _MAX_UNIT * (size or 1.0)
    for pair in (listed[i] for i in used):
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_number, pair)):
            raise ValueError("a point is a pair of numbers, or null")
        if max(map(abs, pair)) > furthest:
            raise ValueError(f"a point is within {furthest:g} of the corner")
    points = np.array([listed[i] for i in used], np.float64).reshape(-1, 2)
    _check_spread(points)
    return len(listed), used, points if size is None else (points + 0.5) / size


def _check_spread(points: Points) -> None:
    if len(points) < 2:
        raise ValueError("two points at least are needed")
    long, short = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[:2]
    if long < 1e-6 * max(1.0, float(np.abs(points).max())):
        raise ValueError("its points coincide")
    if len(points) > 2 and short < _THINNEST * long:
        raise ValueError("its points lie on one line")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
