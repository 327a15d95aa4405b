"""``facegrab show``: where extracts are from, as the image files themselves say."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facegrab.errors import FaceGrabError
from facegrab.options import FAILED, OK, Parser
from facegrab.store.files import as_text, printable
from facegrab.store.origin import Origin, load_origin

_NEARLY_ONE = 0.005
"""A scale this close to 1 is called the source's own size."""


def main(arguments: Sequence[str]) -> int:
    """Prints the origin of images; what is wrong with one is said, and the others follow.

    Args:
        arguments: those after ``show``.

    Returns:
        0, or 1 if an image has no readable origin or the arguments are wrong.
    """
    try:
        options = _parser().parse_args(arguments)
    except FaceGrabError as error:
        return _fail(error)
    result = OK
    for number, path in enumerate(options.image):
        try:
            origin = load_origin(path)
        except FaceGrabError as error:
            result = _fail(error)
            continue
        if options.json:
            print(json.dumps({"file": as_text(path), **origin.to_json()}))
        else:
            _say(("\n" if number else "") + "\n".join([printable(as_text(path)), *_block(origin)]))
    return result


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab show",
        description="Shows where extracts are from: source, time, place in the frame, models.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "image", nargs="+", type=Path, metavar="IMAGE", help="a .jpg or .png that FaceGrab wrote"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="all that is known, with landmarks and matrix: one JSON object a line",
    )
    return parser


def _block(origin: Origin) -> list[str]:
    """The origin in words, a line a thing."""
    x0, y0, x1, y1 = origin.box.tolist()
    lines = [("source", origin.source)]
    if origin.picture is not None:
        lines.append(("picture", origin.picture))
    lines += [
        ("time", f"{_clock(origin.pts_seconds)}, frame {origin.frame}"),
        ("box", f"{x0:g} {y0:g} to {x1:g} {y1:g}, {x1 - x0 + 1:.0f}x{y1 - y0 + 1:.0f} px"),
        ("extract", f"{origin.alignment}, {origin.size_px} px, {_scale(origin.native_scale)}"),
        ("distance", _number(origin.distance, "no references")),
        ("sharpness", _number(origin.sharpness, "not measured")),
        ("models", f"detector {origin.detector}, recogniser {origin.recogniser}"),
    ]
    return [f"  {name:<10}{printable(value)}" for name, value in lines]


def _clock(seconds: float) -> str:
    """``1:02:03.456``."""
    milliseconds = round(abs(seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    sign = "-" if seconds < 0 and milliseconds else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"


def _scale(scale: float) -> str:
    if abs(scale - 1) <= _NEARLY_ONE:
        return "as large as in the source"
    return f"enlarged {scale:.3g} times" if scale > 1 else f"shrunk to {scale:.3g}"


def _number(value: float, otherwise: str) -> str:
    return otherwise if np.isnan(value) else f"{value:.4g}"


def _say(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _fail(error: FaceGrabError) -> int:
    print(f"facegrab: {error}", file=sys.stderr)
    return FAILED
