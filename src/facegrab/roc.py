"""The receiver operating characteristic as a picture: an SVG that any browser shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from pathlib import Path

from facegrab.store.files import atomic
from facegrab.verification import Pairs

LEAST_RATE = 1e-4
WIDTH, HEIGHT = 680, 440
LEFT, TOP, RIGHT, BOTTOM = 64, 20, 656, 384
LINE_PX = 18
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart by colour-blind eyes too (Okabe and Ito, 2008)."""
DASHES = ("", "7 3", "2 3")
"""A next round of the colours."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A set of models in the plot.

    Attributes:
        name: to show.
        pairs: their distances.
        tolerance: marked by a dot.
    """

    name: str
    pairs: Pairs
    tolerance: float


def write_roc(path: Path, curves: Sequence[Curve]) -> None:
    """Draws a curve for each set of models, over false accept rates of .0001 to 1.

    A curve begins at one false accept: below that nothing was measured.

    Args:
        path: of the ``.svg``.
        curves: one at least.

    Raises:
        OutputError, AccessError: it cannot be written.
    """
    least = min(_least_shown(curve) for curve in curves)
    # To the next 10 %, so that nearly perfect models can be told apart.
    floor_rate = min(floor(10 * least) / 10, 0.9)
    parts = _frame(floor_rate)
    for number, curve in enumerate(curves):
        parts += _drawn(curve, number, floor_rate)
    text = "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def _least_shown(curve: Curve) -> float:
    shown = curve.pairs.curve()
    return min(float(shown[0, 1]), curve.pairs.rates(curve.tolerance)[0])


def _drawn(curve: Curve, number: int, floor_rate: float) -> list[str]:
    """The line, its dot and its name."""
    colour = COLOURS[number % len(COLOURS)]
    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    rates = curve.pairs.curve()
    points = " ".join(f"{_x(false):.1f},{_y(true, floor_rate):.1f}" for false, true in rates)
    true, false = curve.pairs.rates(curve.tolerance)
    label_y = BOTTOM - 14 - LINE_PX * number
    return [
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" '
        f'points="{points}"/>',
        f'<circle cx="{_x(false):.1f}" cy="{_y(true, floor_rate):.1f}" r="4.5" fill="{colour}"/>',
        f'<text x="{RIGHT - 10}" y="{label_y}" text-anchor="end" fill="{colour}">'
        f"{escape(_printable(curve.name))}, dot: tolerance {curve.tolerance:g}</text>",
    ]


def _printable(text: str) -> str:
    """Without characters that no XML may hold."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _frame(floor_rate: float) -> list[str]:
    """Grid, scales and what they show."""
    parts = []
    for power in range(round(log10(LEAST_RATE)), 1):
        x = _x(10.0**power)
        parts += [
            f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{BOTTOM}" stroke="#ddd"/>',
            f'<text x="{x:.1f}" y="{BOTTOM + LINE_PX}" text-anchor="middle">'
            f"{100 * 10.0**power:g} %</text>",
        ]
    for step in range(6):
        rate = floor_rate + (1 - floor_rate) * step / 5
        y = _y(rate, floor_rate)
        parts += [
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * rate:.0f} %</text>',
        ]
    return [
        *parts,
        f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">'
        "pairs of two people accepted (false accept rate)</text>",
        f'<text transform="translate(16 {(TOP + BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        "pairs of one person accepted</text>",
    ]


def _x(rate: float) -> float:
    span = -log10(LEAST_RATE)
    return LEFT + (log10(max(rate, LEAST_RATE)) + span) / span * (RIGHT - LEFT)


def _y(rate: float, floor_rate: float) -> float:
    return BOTTOM - (rate - floor_rate) / (1 - floor_rate) * (BOTTOM - TOP)
