"""Contact sheets: many extracts on one picture, to look at before and after a choice."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facegrab.types import Image

CELL_PX = 128
COLUMNS = 10
MOST_CELLS = 300
"""A sheet of so many is 1300 by 4700 px; more are left out, the last ones."""
_LINE_PX = 13
_GAP_PX = 2
_WHITE, _INK = 255, (40, 40, 40)
_QUALITY = 88
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.34


def cell(image: Image, lines: Sequence[str]) -> Image:
    """An extract with some words below it.

    Args:
        image: RGB uint8 (H, W, 3).
        lines: short ones, in ASCII.
    """
    height = CELL_PX + _LINE_PX * len(lines) + _GAP_PX
    made = np.full((height, CELL_PX + _GAP_PX, 3), _WHITE, np.uint8)
    shrinks = max(image.shape[:2]) > CELL_PX
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    made[:CELL_PX, :CELL_PX] = cv2.resize(image, (CELL_PX, CELL_PX), interpolation=how)
    for number, line in enumerate(lines):
        at = (1, CELL_PX + _LINE_PX * (number + 1) - 3)
        cv2.putText(made, line, at, _FONT, _FONT_SCALE, _INK, 1, cv2.LINE_AA)
    return made


def sheet(cells: Sequence[Image]) -> bytes:
    """A sheet as JPEG.

    Args:
        cells: at least one, all of one size; see MOST_CELLS.
    """
    shown = list(cells[:MOST_CELLS])
    columns = min(COLUMNS, len(shown))
    blank = np.full_like(shown[0], _WHITE)
    shown += [blank] * (-len(shown) % columns)
    rows = [np.hstack(shown[first : first + columns]) for first in range(0, len(shown), columns)]
    bgr = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return encoded.tobytes()
