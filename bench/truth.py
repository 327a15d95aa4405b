"""Where the face is in every frame of a clip of one person, found at the source's resolution."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from facegrab.types import Detections, FloatArray, Image
from facegrab.vision.detect import Detector
from facegrab.vision.feed import UPSAMPLE, Feed

# The detector's boxes come in steps of 6/5: a face looked at in four sizes within one such step
# shows its own size, as the mean.
_FINER = tuple(UPSAMPLE * (5 / 6) ** (step / 4) for step in range(4))
_MEASURED_EVERY = 19
_SEEN_EVERY = 3
"""People hold still in these clips: sizes are measured, and places found, in every so many frames;
between these, places are interpolated."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person's clip.

    Attributes:
        frames: RGB images.
        centre: float64 (N, 2), x y of the middle of the face; NaN where it is not seen.
        side: pixels, of the face's box throughout the clip.
    """

    frames: list[Image]
    centre: NDArray[np.float64]
    side: float


def find_person(frames: list[Image], detector: Detector) -> Person:
    """The largest face of every frame."""
    feed = Feed(UPSAMPLE)
    seen = range(0, len(frames), _SEEN_EVERY)
    centres = np.full((len(seen), 2), np.nan)
    for row, number in enumerate(seen):
        box = _largest(frames[number], detector, feed)
        if box is not None:
            centres[row] = (box[:2] + box[2:]) / 2
    moments = np.arange(len(frames))
    # Beside a frame in which the face is not seen, it counts as not seen: interp keeps NaN.
    centre = np.stack([np.interp(moments, seen, centres[:, axis]) for axis in (0, 1)], axis=1)
    return Person(frames, centre, _side(frames[::_MEASURED_EVERY], detector))


def _side(frames: list[Image], detector: Detector) -> float:
    sides = [
        log(float(box[2] - box[0] + 1))
        for image in frames
        for factor in _FINER
        if (box := _largest(image, detector, Feed(factor))) is not None
    ]
    return exp(sum(sides) / len(sides))


def _largest(image: Image, detector: Detector, feed: Feed) -> NDArray[np.float64] | None:
    found = detector([image], [feed])[0]
    if not len(found):
        return None
    area = (found.box[:, 2:] - found.box[:, :2]).prod(axis=1)
    return np.asarray(found.box[int(area.argmax())], np.float64)


def found_count(truth: NDArray[np.float64], found: Detections) -> int:
    """How many true boxes (N, 4) were found: one box each, IoU of .3 or the centre inside it."""
    free = list(range(len(found)))
    hits = 0
    for box in truth:
        match = next((each for each in free if _same(box, found.box[each])), None)
        if match is not None:
            free.remove(match)
            hits += 1
    return hits


def _same(a: NDArray[np.floating], b: NDArray[np.floating]) -> bool:
    middle = (a[:2] + a[2:]) / 2
    if (middle >= b[:2]).all() and (middle <= b[2:]).all():
        return True
    return overlap(a, b) >= 0.3


def overlaps(some: FloatArray, others: FloatArray) -> NDArray[np.float64]:
    """Intersection over union of each of (N, 4) with each of (M, 4): (N, M)."""
    each = [[overlap(a, b) for b in others] for a in some]
    return np.array(each, np.float64).reshape(len(some), len(others))


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Intersection over union of two boxes (4,), x0 y0 x1 y1."""
    inner = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(min=0).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner
    return float(inner / union)
