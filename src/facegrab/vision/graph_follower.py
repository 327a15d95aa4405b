"""A detector of one shot that finds faces again where they were, in a picture made of those places.

Each place is shown at one size, whatever the face's, so that a face costs as much as any other: a
twenty-fifth of a look at all of a 1080p frame (YuNet).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegrab.models.runtime import ManyNet
from facegrab.models.separable_net import SeparableNet
from facegrab.models.specs import DetectorSpec
from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.anchors import NOBODY, Candidates, gathered, suppressed
from facegrab.vision.candidates import Halvings, inset, squares
from facegrab.vision.detect import Trail
from facegrab.vision.feed import Feed
from facegrab.vision.glance import Part, changed, glance
from facegrab.vision.graph_detector import GraphDetector, OneShot, detections_of

PLACE_PX = 128
"""Side of a place as it is shown."""
FACE_PX = 64
"""Side of the face within, as it was before."""
LEAST_OVERLAP = 0.3
"""Of the intersection over the union: a box that overlaps less is another face's."""
MOST_SHARE = 0.65
"""Of the pixels of a whole look, above which that is taken instead."""
FACE_AROUND = 1.5
"""Side of the square about a known face that is looked at if any of it is."""


class GraphFollower(GraphDetector):
    """A detector that came as an ONNX graph for images of any size; see FollowingDetector.

    Args:
        net: (1, 3, H, W) to the kind's outputs, or one that is shown images as they are.
        spec: its input, of any size, and its name for messages.
        kind: how its outputs are read.
    """

    def __init__(self, net: ManyNet | SeparableNet, spec: DetectorSpec, kind: OneShot) -> None:
        super().__init__(net, spec, kind)
        # One for each kind of look, so that the others keep their size.
        self._places_look, self._part_look = self._look(), self._look()

    def following(
        self,
        images: Sequence[Image],
        feeds: Sequence[Feed],
        follows: Sequence[bool],
        before: Trail | None = None,
    ) -> tuple[list[Detections], Trail]:
        """As a call, but images that follow on the one before are looked at where faces were, and
        where they change much.

        All of one is looked at where that is most of it, or a face is lost.
        """
        found: list[Detections] = []
        for image, feed, follow in zip(images, feeds, follows, strict=True):
            size, seen = (image.shape[1], image.shape[0]), glance(image)
            again = None
            if follow and before and size == before.size:
                part = changed(seen, before.glance, size)
                again = self._again(image, before.found, part, feed)
            found.append(self._find(image, feed) if again is None else again)
            before = Trail(size, seen, found[-1])
        assert before is not None
        return found, before

    def _again(
        self, image: Image, known: Detections, part: Part | None, feed: Feed
    ) -> Detections | None:
        """The faces that were there before and who is new in a part of the image.

        None where all of it has to be looked at.
        """
        if part is None and not len(known):
            return known
        height, width = image.shape[:2]
        box = inset(known.box, -1.0)  # from the corner pixels to edges
        outside = np.ones(len(box), np.bool_)
        if part:
            part = part.with_all_of(_grown(squares(box), FACE_AROUND), (width, height))
            outside = ~part.touches(box)
        shown_px = float(outside.sum() * PLACE_PX**2)
        shown_px += part.area_px * feed.factor**2 if part else 0
        if shown_px > MOST_SHARE * width * height * feed.factor**2:
            return None
        found = suppressed(self._in_places(image, box[outside]), self._kind.most_overlap)
        if len(found.box) < outside.sum():
            return None
        if part:
            new = self._in_part(image, part, feed)
            if part.cuts(new.box, (width, height)).any():
                return None
            found = suppressed(gathered([found, new]), self._kind.most_overlap)
        return detections_of(found, feed.largest_px)

    def _in_part(self, image: Image, part: Part, feed: Feed) -> Candidates:
        """The faces in a part of an image, looked at as if it were all of it."""
        return self._sought(part.of(image), feed, self._part_look).moved(part.left, part.top)

    def _in_places(self, image: Image, known: FloatArray) -> Candidates:
        """For each known box the best candidate that overlaps it, if any; edges (N, 4)."""
        if not len(known):
            return NOBODY
        place = _grown(squares(known), PLACE_PX / FACE_PX)
        shown = np.concatenate(list(Halvings(image).crops(place, PLACE_PX)), axis=2)
        shown = shown.transpose(1, 2, 0).astype(np.uint8, order="C")
        seen = self._candidates(shown, self._places_look)
        centre = (seen.box[:, 0] + seen.box[:, 2]) / 2
        found = [NOBODY]
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
