"""Networks that bring their process into trouble, once or always; for workers of a cluster.

Whatever happens is told by files in a folder, so that it happens in any process as it should.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fakes import PaintedDetector, painted_eyes

from facegrab.types import Detections, Image
from facegrab.vision.feed import Feed
from facegrab.vision.look import Eyes

BLUE_FROM = 150
_LONGEST_SECONDS = 120


class Troubled(PaintedDetector):
    """Finds squares; a blue one is trouble, but not in the process that made it.

    Args:
        folder: for notes.
        kind: ``dies``: whenever it is seen; ``dies-once``; ``waits-once``: until it is killed.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        super().__init__()
        self._folder = folder
        self._kind = kind
        self._maker = os.getpid()

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        if os.getpid() != self._maker and any(_is_blue(image) for image in images):
            self._trouble()
        return super().__call__(images, feeds)

    def _trouble(self) -> None:
        first = not (self._folder / "trouble").exists()
        with (self._folder / "trouble").open("a", encoding="ascii") as notes:
            notes.write("once\n")
        if self._kind == "dies" or (self._kind == "dies-once" and first):
            os._exit(9)
        end = time.monotonic() + _LONGEST_SECONDS
        while self._kind == "waits-once" and first and time.monotonic() < end:
            time.sleep(0.1)  # whoever started this kills it


def troubled_eyes(folder: Path, kind: str) -> Eyes:
    """Networks that see painted people, and are in trouble with blue ones."""
    return replace(painted_eyes(), detector=Troubled(folder, kind))


def times(folder: Path) -> int:
    """How often there was trouble."""
    return len((folder / "trouble").read_text("ascii").split())


def _is_blue(image: Image) -> bool:
    blue, other = image[..., 2].astype(int), image[..., :2].max(axis=2)
    return bool(((blue > BLUE_FROM) & (blue > other + 60)).sum() > 200)
