"""MTCNN, the cascade of three networks (Zhang et al., arXiv:1604.02878): boxes and five points.

The proposal network looks at every place of a pyramid, the refinement network at what that takes
for a face, and the output network at what is left; it places the points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facegrab.models.compute import Compute
from facegrab.models.mtcnn import mtcnn_graphs, rough_graph
from facegrab.models.mtcnn_shapes import (
    OUTPUT_CHANNELS,
    OUTPUT_PX,
    PROPOSAL_CHANNELS,
    PROPOSAL_WINDOW_PX,
    REFINEMENT_CHANNELS,
    REFINEMENT_PX,
)
from facegrab.models.runtime import Net, load_net
from facegrab.types import Detections, FloatArray, Image, IntArray
from facegrab.vision.candidates import inset, kept, moved, seen_in, squares
from facegrab.vision.detect import Trail
from facegrab.vision.feed import Feed
from facegrab.vision.glance import continues
from facegrab.vision.mtcnn_views import ExactView, FastView, View

SMALLEST_PX = 20
"""Side of the smallest face in the fed image, as the paper has it."""
RATE = 0.709
"""Each level's size over the one before: half the pixels."""

PROPOSAL_SCORE = 0.6
LEVEL_OVERLAP = 0.5
PROPOSAL_OVERLAP = 0.7
"""Scores and overlaps are facenet-pytorch's."""
OUTPUT_OVERLAP = 0.7
"""Of the smaller box, at the end."""


class _Stage(NamedTuple):
    """What one of the last two networks is shown and says.

    Attributes:
        side_px: of its input.
        channels: of its output.
        least_score: of a face.
        batch: crops a call, which bounds the memory; with more, their features leave the cache.
    """

    side_px: int
    channels: int
    least_score: float
    batch: int


REFINEMENT = _Stage(REFINEMENT_PX, REFINEMENT_CHANNELS, 0.7, 64)
REFINEMENT_OVERLAP = 0.7
REGRESSED_OVERLAP = 0.75
"""In its place where the boxes were put right before: that spares the output network more than
half. Of 848 faces that facenet-pytorch finds in photographs and films, 32 are missed then, three of
them with scores above .95, instead of 30 and four; 14 others are found either way."""
OUTPUT = _Stage(OUTPUT_PX, OUTPUT_CHANNELS, 0.7, 16)


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """What may be faces in several images, as a struct of arrays.

    Attributes:
        image: int64 (N,), number of the image that it is in, ascending.
        box: float32 (N, 4), edges in source pixels.
        output: float32 (N, C), what the last network said: logit, offsets, points.
    """

    image: IntArray
    box: FloatArray
    output: FloatArray

    def rows(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Proposed:
        """Those that a mask or index array names."""
        return Proposed(self.image[rows], self.box[rows], self.output[rows])

    def distinct(self, overlap: float, inset_px: float) -> Proposed:
        """Without those that overlap a better one of their image; best first in each image."""
        box, score = inset(self.box, inset_px), self.output[:, 0]
        rows = [np.empty(0, np.int64)]
        for image in _there(self.image):
            own = np.flatnonzero(self.image == image)
            rows.append(own[kept(box[own], score[own], overlap)])
        return self.rows(np.concatenate(rows))

    def regressed(self, less_px: float = 0.0) -> Proposed:
        """With the boxes where the network puts them."""
        box = moved(self.box, self.output[:, 1:5], less_px)
        return Proposed(self.image, box, self.output)


class MtcnnDetector:
    """MTCNN with the thresholds of facenet-pytorch.

    Args:
        proposal: (N, 3, H, W) to (N, 5, h, w).
        refinement: (N, 3, 24, 24) to (N, 5).
        output: (N, 3, 48, 48) to (N, 15).
        rough: proposal's logits in less time, about right: they say where proposal is to look.
        exact: find facenet-pytorch's very boxes, slowly, for comparisons.
    """

    smallest_px = SMALLEST_PX

    longest_fed_px = 1536
    """A 1080p frame then takes about 50 ms on 2 cores."""

    def __init__(
        self,
        proposal: Net,
        refinement: Net,
        output: Net,
        *,
        rough: Net | None = None,
        exact: bool = False,
    ) -> None:
        self._proposal = proposal
        self._rough = rough
        self._refinement = refinement
        self._output = output
        self._exact = exact
        self._view: type[View] = ExactView if exact else FastView

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        """One Detections per image, best score first; a score is the output network's, .7 to 1.

        Args:
            images: RGB uint8 (H, W, 3), of any sizes, in full resolution.
            feeds: for each, how large it is shown to the network, and the largest face wanted.
        """
        views = [self._view(image) for image in images]
        return self._judged(self._proposed(views, feeds), views, feeds)

    def following(
        self,
        images: Sequence[Image],
        feeds: Sequence[Feed],
        follows: Sequence[bool],
        before: Trail | None = None,
    ) -> tuple[list[Detections], Trail]:
        """As a call, but for images that follow on the one before faces are looked for where they
        were; see FollowingDetector.

        Everything is looked at where the picture changes much in any place, or a face is lost. So
        only a face that comes in without much ado is found later: with the next image that does
        not follow.
        """
        views = [self._view(image) for image in images]
        trails = {} if before is None else {-1: before}
        alone = [n for n, each in enumerate(follows) if not each or (not n and before is None)]
        self._look(trails, alone, views, feeds)
        while turn := [n for n in range(len(views)) if n not in trails and n - 1 in trails]:
            # One of each run of images that follow on each other.
            again = self._found_again(turn, trails, views, feeds)
            trails |= again
            self._look(trails, [n for n in turn if n not in again], views, feeds)
        return [trails[number].found for number in range(len(views))], trails[len(views) - 1]

    def _look(
        self,
        trails: dict[int, Trail],
        which: Sequence[int],
        views: Sequence[View],
        feeds: Sequence[Feed],
    ) -> None:
        """Looks at all of some images."""
        if not which:
            return
        some, their = [views[n] for n in which], [feeds[n] for n in which]
        each = self._judged(self._proposed(some, their), some, their)
        trails.update(zip(which, map(_trail, some, each), strict=True))

    def _found_again(
        self,
        which: Sequence[int],
        trails: Mapping[int, Trail],
        views: Sequence[View],
        feeds: Sequence[Feed],
    ) -> dict[int, Trail]:
        """Images whose faces are all where those of the image before were, about."""
        steady = [n for n in which if _goes_on(views[n], trails[n - 1])]
        before = [trails[n - 1].found.box for n in steady]
        candidates = Proposed(
            np.repeat(np.arange(len(steady)), [len(box) for box in before]),
            # From the corner pixels to edges.
            inset(np.concatenate([_NO_BOX, *before]), -1.0),
            np.empty((sum(map(len, before)), 0), np.float32),
        )
        some = [views[n] for n in steady]
        each = self._judged(candidates, some, [feeds[n] for n in steady])
        return {
            n: _trail(views[n], now)
            for n, box, now in zip(steady, before, each, strict=True)
            if len(now) >= len(box)
        }

    def _judged(
        self, found: Proposed, views: Sequence[View], feeds: Sequence[Feed]
    ) -> list[Detections]:
        """The faces among the candidates, of each image."""
        found = judged(found, views, self._refinement, REFINEMENT)
        found = self._thinned(found, REFINEMENT_OVERLAP if self._exact else REGRESSED_OVERLAP)
        found = judged(found, views, self._output, OUTPUT)
        return [
            detections_of(found.rows(found.image == number), feed)
            for number, feed in enumerate(feeds)
        ]

    def _proposed(self, views: Sequence[View], feeds: Sequence[Feed]) -> Proposed:
        """What the proposal network takes for faces."""
        boxes, outputs, counts = [_NO_BOX], [_NO_PROPOSAL], []
        for view, feed in zip(views, feeds, strict=True):
            scales = pyramid(*view.size, feed)
            least = logit_of(PROPOSAL_SCORE)
            levels = view.windows(self._proposal, scales, least, self._rough)
            box = np.concatenate([_NO_BOX, *(each.box for each in levels)])
            output = np.concatenate([_NO_PROPOSAL, *(each.output for each in levels)])
            level = np.repeat(np.arange(len(levels)), [len(each.box) for each in levels])
            rows = kept(inset(box, view.inset_px), output[:, 0], LEVEL_OVERLAP, group=level)
            boxes.append(box[rows])
            outputs.append(output[rows])
            counts.append(len(rows))
        image = np.repeat(np.arange(len(views)), counts)
        found = Proposed(image, np.concatenate(boxes), np.concatenate(outputs))
        return self._thinned(found, PROPOSAL_OVERLAP, self._view.inset_px)

    def _thinned(self, found: Proposed, overlap: float, less_px: float = 0.0) -> Proposed:
        """The candidates where the network puts them, the best one of each face.

        facenet-pytorch compares the boxes as they were shown to the network. Put right first, those
        of one face lie nearer to each other, and the next network is spared some.
        """
        if self._exact:
            return found.distinct(overlap, self._view.inset_px).regressed(less_px)
        return found.regressed(less_px).distinct(overlap, self._view.inset_px)


def _trail(view: View, found: Detections) -> Trail:
    return Trail(view.size, view.glance, found)


def _goes_on(view: View, before: Trail) -> bool:
    return view.size == before.size and continues(view.glance, before.glance)


_NO_BOX = np.empty((0, 4), np.float32)
_NO_PROPOSAL = np.empty((0, PROPOSAL_CHANNELS), np.float32)


def open_mtcnn(compute: Compute) -> MtcnnDetector:
    """MTCNN with its own networks.

    Args:
        compute: how the networks are run.

    Raises:
        WeightsError: the weights are missing or damaged, or the cache cannot be written.
        DeviceError: the device is not there.
    """
    nets = [load_net(graph, compute) for graph in mtcnn_graphs(compute.runtime)]
    rough = load_net(rough_graph(), compute.of_sieve()) if compute.sieved else None
    return MtcnnDetector(*nets, rough=rough)


def pyramid(width: int, height: int, feed: Feed) -> list[float]:
    """Scales of the levels for an image, in level pixels per source pixel.

    The first one shows the smallest face in the proposal network's window. The last is the last
    that holds a window, or whose window holds the largest face wanted: a level finds faces that are
    smaller than its window, too.
    """
    scale = feed.factor * PROPOSAL_WINDOW_PX / SMALLEST_PX
    scales: list[float] = []
    while min(width, height) * scale >= PROPOSAL_WINDOW_PX:
        scales.append(scale)
        if PROPOSAL_WINDOW_PX / scale >= feed.largest_px:
            break
        scale *= RATE
    return scales


def judged(found: Proposed, views: Sequence[View], net: Net, stage: _Stage) -> Proposed:
    """Squares about the candidates, those that the network takes for faces, and what it says."""
    box = squares(found.box)
    size = np.array([view.size for view in views], np.float32).reshape(-1, 2)
    there = seen_in(box, size[found.image])
    image, box = found.image[there], box[there]
    outputs = [np.empty((0, stage.channels), np.float32)]
    for start in range(0, len(box), stage.batch):
        part = slice(start, start + stage.batch)
        outputs.append(net(_crops(views, image[part], box[part], stage.side_px)))
    found = Proposed(image, box, np.concatenate(outputs))
    return found.rows(found.output[:, 0] > logit_of(stage.least_score))


def _crops(views: Sequence[View], image: IntArray, box: FloatArray, side_px: int) -> FloatArray:
    parts = [views[each].crops(box[image == each], side_px) for each in _there(image)]
    return np.concatenate(parts)


def _there(image: IntArray) -> IntArray:
    """The different numbers, ascending; np.unique loads 20 ms of NumPy's modules."""
    return np.flatnonzero(np.bincount(image))


def detections_of(found: Proposed, feed: Feed) -> Detections:
    """The faces of one image, from the squares shown to the output network."""
    box, logit = moved(found.box, found.output[:, 1:5]), found.output[:, 0]
    # Shares of the square's side, counted from its first pixel; first all x, then all y.
    share = found.output[:, 5:].reshape(-1, 2, 5).transpose(0, 2, 1)
    side = (found.box[:, 2] - found.box[:, 0])[:, None, None]
    points = found.box[:, None, :2] + share * side
    rows = kept(box, logit, OUTPUT_OVERLAP, over_smaller=True)
    longest = (box[rows, 2:] - box[rows, :2]).max(axis=1, initial=0)
    rows = rows[longest <= feed.largest_px]
    # From edges to the corner pixels themselves.
    return Detections(inset(box[rows], 1.0), 1 / (1 + np.exp(-logit[rows])), points[rows])


def logit_of(score: float) -> float:
    return log(score / (1 - score))
