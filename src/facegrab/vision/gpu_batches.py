"""What the graphs for graphics cards have in common: each is made for images of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from facegrab.types import Image
from facegrab.vision.feed import Feed

SIZES_KEPT = 2
"""Sizes of images whose graphs stay on the device: a video has one, its references another. Each
keeps the memory that it took."""


class Shown(NamedTuple):
    """Images of which kind go through a network together.

    Attributes:
        width: of the images.
        height: of the images.
        feed: how they are shown to the detector.
    """

    width: int
    height: int
    feed: Feed


def together(images: Sequence[Image], feeds: Sequence[Feed]) -> dict[Shown, list[int]]:
    """The numbers of the images that may go through a network together, by their kind."""
    groups: dict[Shown, list[int]] = {}
    for number, (image, feed) in enumerate(zip(images, feeds, strict=True)):
        height, width = image.shape[:2]
        groups.setdefault(Shown(width, height, feed), []).append(number)
    return groups
