"""What every detector can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from facegrab.types import Detections, Image
from facegrab.vision.feed import Feed


class Detector(Protocol):
    """Finds faces in images, each on its own; the images may differ in size."""

    smallest_px: int
    """Side of the smallest box, in pixels of the image it is fed, that is found reliably."""

    longest_fed_px: int
    """``auto`` never feeds more on the long side."""

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        """One Detections per image, in that image's pixels, best score first.

        Args:
            images: RGB uint8 (H, W, 3), at full resolution.
            feeds: for each, how large it is shown to the network.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """What a look at an image leaves for a look at the next one.

    Attributes:
        size: width and height of the image.
        glance: see vision.glance.
        found: in it.
    """

    size: tuple[int, int]
    glance: Image
    found: Detections


@runtime_checkable
class FollowingDetector(Detector, Protocol):
    """A detector that finds a face again at less cost than it found it first."""

    def following(
        self,
        images: Sequence[Image],
        feeds: Sequence[Feed],
        follows: Sequence[bool],
        before: Trail | None = None,
    ) -> tuple[list[Detections], Trail]:
        """As a call, but images that follow on the one before need no full look.

        Args:
            images: RGB uint8 (H, W, 3), at full resolution; one or more.
            feeds: for each, how large it is shown to the network.
            follows: for each, whether it shows the moment after the one before it in the list.
            before: what the image before the first one left; None: the first one follows nothing.

        Returns:
            as a call; what the last image leaves.
        """
        ...
