"""Charts as SVG, drawn to be read at any width, in light and dark, and without colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 400, 190
"""Of the drawing, in its own units: on a telephone about a pixel each."""
LEFT, RIGHT, TOP, BOTTOM = 36, 16, 28, 22
LETTER = 6.2
"""Width of a letter of the labels, on average."""


@dataclass(frozen=True, slots=True)
class Line:
    """A value that decides.

    Attributes:
        value: where it is.
        label: what it is.
    """

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by value.

    Attributes:
        name: what is counted, for those who do not see it.
        start: where the first bin begins.
        width: of a bin.
        bins: for each kind of thing, how many are in each bin; the first lies at the bottom.
        lines: to be drawn into it.
        logarithmic: values are powers of 2.
    """

    name: str
    start: float
    width: float
    bins: Mapping[str, Sequence[int]]
    lines: Sequence[Line] = ()
    logarithmic: bool = False

    @property
    def count(self) -> int:
        """Bins."""
        return max((len(each) for each in self.bins.values()), default=0)


def ticks(start: float, end: float, most: int) -> list[float]:
    """Round values from start to end, ``most`` at most, at least 2 where there can be."""
    span = end - start
    if span <= 0:
        return [start]
    step = 10.0 ** math.floor(math.log10(span / most))
    for factor in (1, 2, 5, 10, 20, 50):
        first = math.ceil(start / (step * factor) - 1e-9)
        last = math.floor(end / (step * factor) + 1e-9)
        if last - first + 1 <= most:
            return [round(each * step * factor, 9) for each in range(first, last + 1)]
    return [start]


def draw(chart: Histogram) -> Markup:
    """The histogram as an SVG element; kinds get the classes ``bar NAME``."""
    totals = [sum(each) for each in zip(*chart.bins.values(), strict=True)]
    highest = max(totals, default=0) or 1
    bar = (WIDTH - LEFT - RIGHT) / max(chart.count, 1)
    scale = (HEIGHT - TOP - BOTTOM) / highest
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="'
        f'{escape(_in_words(chart, totals))}">'
    ]
    parts += _grid(highest, scale)
    tops = [float(HEIGHT - BOTTOM)] * chart.count
    for kind, counts in chart.bins.items():
        for number, each in enumerate(counts):
            if not each:
                continue
            height = max(each * scale, 1)  # one of thousands shows, too
            tops[number] -= height
            parts.append(
                f'<rect class="bar {escape(kind)}" x="{LEFT + number * bar + 0.5:.1f}"'
                f' y="{max(tops[number], TOP):.1f}" width="{max(bar - 1, 1):.1f}"'
                f' height="{height:.1f}"/>'
            )
    parts += _axis(chart, bar)
    parts += _lines(chart, bar)
    parts.append("</svg>")
    return Markup("".join(parts))


def _grid(highest: int, scale: float) -> list[str]:
    parts = []
    for value in ticks(0, highest, 4):
        if value != int(value):
            continue
        y = HEIGHT - BOTTOM - value * scale
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{short(int(value))}</text>'
        )
    return parts


def _axis(chart: Histogram, bar: float) -> list[str]:
    end = chart.start + chart.width * chart.count
    parts = []
    for value in ticks(chart.start, end, 7):
        x = LEFT + (value - chart.start) / chart.width * bar
        shown = f"{2**value:g}" if chart.logarithmic else f"{value:g}"
        if not chart.logarithmic or value == int(value):
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{shown}</text>')
    return parts


def _lines(chart: Histogram, bar: float) -> list[str]:
    """Labels stand above their lines, in rows by turns, so that none lies on another."""
    parts = []
    for number, each in enumerate(chart.lines):
        x = LEFT + (each.value - chart.start) / chart.width * bar
        if not LEFT <= x <= WIDTH - RIGHT:
            continue
        half = LETTER * len(each.label) / 2
        middle = min(max(x, half), WIDTH - half)
        parts.append(
            f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="limit" x="{middle:.1f}" y="{10 + 13 * (number % 2)}"'
            f' text-anchor="middle">{escape(each.label)}</text>'
        )
    return parts


def _in_words(chart: Histogram, totals: Sequence[int]) -> str:
    """What the drawing shows: how many, between what, and where most are."""
    if not sum(totals):
        return f"{chart.name}: nothing to show"

    def value(number: int) -> str:
        edge = chart.start + chart.width * number
        return f"{2**edge if chart.logarithmic else edge:.3g}"

    filled = [number for number, each in enumerate(totals) if each]
    most = max(range(len(totals)), key=lambda number: totals[number])
    kinds = ", ".join(f"{sum(each)} {kind}" for kind, each in chart.bins.items())
    lines = "".join(f"; {each.label}" for each in chart.lines)
    return (
        f"{chart.name}: {kinds}; from {value(filled[0])} to {value(filled[-1] + 1)}, "
        f"most between {value(most)} and {value(most + 1)}{lines}"
    )


def short(count: int) -> str:
    """``900``, ``12k``, ``3.5M``."""
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.1f}".removesuffix(".0") + name
    return str(count)
