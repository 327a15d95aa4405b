"""A detector of one shot that finds faces again where they were, in a picture made of those places.

Each place is shown at one size, whatever the face's, so that a face costs as much as any other: a
twenty-fifth of a look at all of a 1080p frame (YuNet).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.models.canvas import InputCanvas
from facegrab.models.runtime import ManyNet
from facegrab.models.specs import DetectorSpec
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.anchors import Candidates, gathered, suppressed
from facegrab.vision.candidates import Halvings, inset, squares
from facegrab.vision.detect import Trail
from facegrab.vision.feed import Feed
from facegrab.vision.glance import continues, glance
from facegrab.vision.graph_detector import GraphDetector, OneShot, detections_of

PLACE_PX = 128
"""Side of a place as it is shown."""
FACE_PX = 64
"""Side of the face within, as it was before."""
LEAST_OVERLAP = 0.3
"""Of the intersection over the union: a box that overlaps less is another face's."""
MOST_SHARE = 0.5
"""Of the pixels of a whole look, above which that is taken instead."""


class GraphFollower(GraphDetector):
    """A detector that came as an ONNX graph for images of any size; see FollowingDetector.

    Args:
        net: (1, 3, H, W) to the kind's outputs.
        spec: its input, of any size, and its name for messages.
        kind: how its outputs are read.
    """

    def __init__(self, net: ManyNet, spec: DetectorSpec, kind: OneShot) -> None:
        super().__init__(net, spec, kind)
        self._places_canvas = InputCanvas(spec.pixels)

    def following(
        self,
        images: Sequence[Image],
        feeds: Sequence[Feed],
        follows: Sequence[bool],
        before: Trail | None = None,
    ) -> tuple[list[Detections], Trail]:
        """As a call, but images that follow on the one before are looked at where faces were.

        All of one is looked at where it changes much in any place, or a face is lost.
        """
        found: list[Detections] = []
        for image, feed, follow in zip(images, feeds, follows, strict=True):
            size, seen = (image.shape[1], image.shape[0]), glance(image)
            goes_on = follow and before and size == before.size and continues(seen, before.glance)
            again = self._again(image, before.found, feed) if goes_on and before else None
            found.append(self._find(image, feed) if again is None else again)
            before = Trail(size, seen, found[-1])
        assert before is not None
        return found, before

    def _again(self, image: Image, known: Detections, feed: Feed) -> Detections | None:
        """The faces that were there before, or None where all has to be looked at."""
        if not len(known):
            return known
        height, width = image.shape[:2]
        if len(known) * PLACE_PX**2 > MOST_SHARE * width * height * feed.factor**2:
            return None
        box = inset(known.box, -1.0)  # from the corner pixels to edges
        place = _grown(squares(box), PLACE_PX / FACE_PX)
        now = suppressed(self._in_places(image, place, box), self._kind.most_overlap)
        return detections_of(now, feed.largest_px) if len(now.box) == len(known) else None

    def _in_places(self, image: Image, place: FloatArray, known: FloatArray) -> Candidates:
        """For each place the best candidate that overlaps the known box there, if any."""
        shown = np.concatenate(list(Halvings(image).crops(place, PLACE_PX)), axis=2)
        shown = shown.transpose(1, 2, 0).astype(np.uint8, order="C")
        seen = self._candidates(shown, self._places_canvas)
        centre = (seen.box[:, 0] + seen.box[:, 2]) / 2
        found = [seen.select(np.empty(0, np.int64))]
        for number, (where, box) in enumerate(zip(place, known, strict=True)):
            own = seen.select(np.flatnonzero(centre // PLACE_PX == number))
            step = (where[2] - where[0]) / np.float32(PLACE_PX)
            own = own.moved(-number * PLACE_PX, 0).scaled(step, step).moved(*where[:2])
            rows = np.flatnonzero(_overlaps(own.box, box) >= LEAST_OVERLAP)
            found.append(own.select(rows[np.argsort(-own.score[rows], kind="stable")[:1]]))
        return gathered(found)


def _grown(box: FloatArray, times: float) -> FloatArray:
    """Squares about the same centres, so many times as large."""
    centre = (box[:, :2] + box[:, 2:]) / 2
    half = (box[:, 2:] - box[:, :2]) * np.float32(times / 2)
    return np.concatenate([centre - half, centre + half], axis=1)


def _overlaps(box: FloatArray, other: FloatArray) -> FloatArray:
    """Intersection over union of boxes (N, 4) with another one (4,)."""
    common = np.minimum(box[:, 2:], other[2:]) - np.maximum(box[:, :2], other[:2])
    inner = common.clip(min=0).prod(axis=1)
    area = (box[:, 2:] - box[:, :2]).prod(axis=1) + (other[2:] - other[:2]).prod()
    return np.asarray(inner / (area - inner), np.float32)
