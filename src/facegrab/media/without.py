"""Sources less the images that are our own: the output may lie in the folder that is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from facegrab.address import Address
from facegrab.media.source import Source


def without(sources: Sequence[Source], folder: Path, names: Iterable[str]) -> list[Source]:
    """Sources without some images; those that have no other are left out.

    Args:
        sources: any; videos stay.
        folder: that the images lie below.
        names: their paths below it, with ``/``.
    """
    places: dict[str, set[str]] = {}
    for each in names:
        place, _, name = each.rpartition("/")
        places.setdefault(place, set()).add(name)
    kept = []
    for source in sources:
        images = source.images
        for place, own in places.items():
            if images and _is_same(images[0].parent, folder / place):
                images = tuple(image for image in images if image.name not in own)
        if images or not source.images:
            kept.append(replace(source, images=images))
    return kept


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are one folder here; one that is not there is none."""
    if isinstance(one, Address):
        return False
    try:
        return one.samefile(other)
    except OSError:
        return False
