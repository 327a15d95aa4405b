"""What the extracts cover: sharpness and how heads are turned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from facegrab.people.decide import rescue_limit
from facegrab.people.judge import ASK_FROM, KEEP_FROM
from facegrab.store.found import State
from facegrab.types import FloatArray
from facegrab.view.charts import Histogram, Line, draw
from facegrab.vision.pose import EDGES_DEGREES, TURNS, head_pose_of_five

SCORE_BIN = 0.02
SHARPNESS_BIN = 0.5
"""Of the logarithm to base 2: sharpness goes from 1 to some thousands."""
HEADS = head_pose_of_five
"""Yaw, pitch and roll as ``poses`` takes the first two, of five points: float32 (N, 5, 2)."""
NODS = ("up", "level", "down")

_KINDS: dict[State, str] = {"kept": "kept", "ask": "uncertain", "left": "left", "other": "others"}


@dataclass(frozen=True, slots=True)
class Poses:
    """How heads are turned.

    Attributes:
        turns: names of the columns.
        rows: name and, for each column, how many and the share of the largest, 0 to 1.
        unknown: faces whose points say nothing.
    """

    turns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]]
    unknown: int


def score_chart(
    scores: Mapping[tuple[int, State], int], settings: Mapping[str, Any]
) -> Markup | None:
    """How far all faces are from the references; None where there are none.

    Args:
        scores: faces by bin of SCORE_BIN and what became of them.
        settings: of the folder.
    """
    if not scores:
        return None
    limits = []
    tolerance = settings.get("tolerance")
    if isinstance(tolerance, (int, float)):
        limits.append(Line(float(tolerance), f"tolerance {tolerance:g}"))
        if settings.get("by_tolerance") and not settings.get("per_frame"):
            limit = rescue_limit(tolerance)
            limits.append(Line(limit, f"kept by tracks up to {limit:.3g}"))
    return _chart("faces by distance", scores, limits)


def probability_chart(
    scores: Mapping[tuple[int, State], int], settings: Mapping[str, Any]
) -> Markup | None:
    """How probably the faces are the person; None where that was not asked.

    Args:
        scores: faces by bin of SCORE_BIN and what became of them.
        settings: of the folder.
    """
    if not scores:
        return None
    limits = []
    if not settings.get("by_tolerance"):
        limits = [
            Line(KEEP_FROM, f"kept from {KEEP_FROM:g}"),
            Line(ASK_FROM, f"in doubt from {ASK_FROM:g}"),
        ]
    return _chart("faces by probability", scores, limits)


def _chart(name: str, scores: Mapping[tuple[int, State], int], limits: Sequence[Line]) -> Markup:
    numbers = [number for number, _ in scores]
    first = min(numbers)
    last = max(*numbers, *(int(each.value / SCORE_BIN) + 1 for each in limits), first + 1)
    bins = {
        kind: [scores.get((number, state), 0) for number in range(first, last + 1)]
        for state, kind in _KINDS.items()
        if any(state == each for _, each in scores)
    }
    return draw(Histogram(name, first * SCORE_BIN, SCORE_BIN, bins, limits))


def sharpness_chart(sharpness: Sequence[float], settings: Mapping[str, Any]) -> Markup | None:
    """How sharp the person's faces are, those that were dropped as blurred too."""
    values = [math.log2(each) for each in sharpness if 0 < each < math.inf]
    if not values:
        return None
    threshold = settings.get("blur_threshold")
    limit = float(threshold) if isinstance(threshold, (int, float)) else 0.0
    first = math.floor(min(values) / SHARPNESS_BIN)
    last = math.floor(max(values) / SHARPNESS_BIN)
    lines = []
    if limit > 0:
        lines = [Line(math.log2(limit), f"threshold {limit:g}")]
        first = min(first, math.floor(math.log2(limit) / SHARPNESS_BIN))
        last = max(last, math.floor(math.log2(limit) / SHARPNESS_BIN))
    bins = {"left": [0] * (last - first + 1), "kept": [0] * (last - first + 1)}
    for each in values:
        kind = "kept" if each >= (math.log2(limit) if limit > 0 else -math.inf) else "left"
        bins[kind][math.floor(each / SHARPNESS_BIN) - first] += 1
    bins = {kind: counts for kind, counts in bins.items() if any(counts)}
    return draw(
        Histogram("faces by sharpness", first * SHARPNESS_BIN, SHARPNESS_BIN, bins, lines,
                  logarithmic=True)
    )  # fmt: skip


def poses(angles: Iterable[tuple[FloatArray, FloatArray]]) -> Poses:
    """Counts heads by how they are turned.

    Args:
        angles: of some faces at a time, in degrees: yaw (N,), positive where the face looks to the
            picture's right, and pitch (N,), positive where it looks up; NaN where unknown.
    """
    counts = np.zeros((len(NODS), len(TURNS)), np.int64)
    unknown = 0
    for yaw, pitch in angles:
        known = np.isfinite(yaw) & np.isfinite(pitch)
        unknown += int((~known).sum())
        column = np.digitize(yaw[known], EDGES_DEGREES)
        row = np.digitize(-pitch[known], EDGES_DEGREES[1:3])
        np.add.at(counts, (row, column), 1)
    highest = int(counts.max()) or 1
    rows = [
        (name, [(int(each), round(int(each) / highest, 3)) for each in line])
        for name, line in zip(NODS, counts, strict=True)
    ]
    return Poses(TURNS, rows, unknown)
