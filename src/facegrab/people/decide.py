"""Deciding who is who, from embeddings: a track's faces stand together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.people.gallery import Gallery, distances
from facegrab.people.pieces import FITTING, Pieces, row_distances
from facegrab.types import FloatArray, IntArray

NEAREST = 3
"""A face's distance is the mean over so many of its nearest references (all, if there are fewer).

Measured on 10 people x 10 photographs of LFW at tolerance .6, with 5 references: any one reference
within the tolerance accepts 100 % of the true and 1.5 % of the false faces, the mean of all 99.7 %
and 0 %, the mean of the nearest three 100 % and .05 %; with 1 reference it is 98.4 % and .4 %. So
more references find more without letting more strangers in.
"""
_BLOCK = 1 << 13
"""Rows in one go: their distances stay in the processor's cache."""
PART = 3
"""A track's distance is the mean over its nearest third, at least one: the faces that are turned to
the camera and sharp. Those that are not lie far from every reference and say little.

Measured on the company (bench: tracks), 15 people in 98 tracks, each looked for with 1 or 3
references, by dlib's recogniser and MobileFaceNet, in every frame and every 7th. With the tolerance
that suits each best, the faces of the right tracks are told from others with F1 .94 to .99 by the
nearest third, .93 to .99 by the mean embedding, .92 to .97 by the median. Weighting by sharpness
and size gains nothing: it moves F1 by .005 either way.
"""
MANY = 0.88
"""Tolerances that the distance of a long track may be; of one of n faces, MANY + (1 - MANY) / n.

The nearest third of many is nearer than one, also of strangers. A single face is as good as ever.
Measured likewise, one reference, dlib's recogniser at .6: with .88, 96 % of the person's faces are
kept, where each for itself 92 % are, and 81 % of what is kept is the person's, in the place of
65 %; with .84 it is 95 and 89 %, with .92 97 and 76 %. The singer of the hamilton clip, on a stage
and 40 px large, is at .87.
"""
RESCUED = 1.25
"""Tolerances that a face may be from the references, at most, to be kept for its track's sake. Most
strangers are farther, so that nothing is prepared for them; 1.15 finds 1 % less, 1.35 and 1.5 up to
.7 % more with MobileFaceNet and nothing with dlib's."""


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Who some faces are, one row a face.

    Attributes:
        distance: float32 (N,), to the references; NaN where there are none.
        references_within: int64 (N,), references within the tolerance.
        matched: bool (N,), the person asked for.
        by_track: bool (N,), matched although the face alone misses the tolerance.
        refused: bool (N,), not matched although the face alone is within the tolerance.
        track_distance: float32 (N,), the distance that decided: that of the face's track, or of the
            part of the track that shows one person; the face's own where tracks do not count.
    """

    distance: FloatArray
    references_within: IntArray
    matched: NDArray[np.bool_]
    by_track: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    track_distance: FloatArray


def rescue_limit(tolerance: float) -> float:
    """The largest distance of a face that ``decide`` can match, whatever its track."""
    return RESCUED * tolerance


def track_limit(length: IntArray | int, tolerance: float) -> NDArray[np.float64]:
    """What a person's track is within of the references, at most; longer ones a little less (MANY).

    Args:
        length: int64 (N,), faces of tracks.
        tolerance: the largest distance of the same person.
    """
    return np.asarray(tolerance * (MANY + (1 - MANY) / np.maximum(length, 1)))


def people_distances(embedding: FloatArray, people: Sequence[Gallery]) -> FloatArray:
    """How far each face is from each of some people: one product for all of them.

    Args:
        embedding: float32 (N, D).
        people: at least one, each with references, all of one recogniser.

    Returns:
        float32 (N, P), the distance that ``decide`` goes by.

    Raises:
        ValueError: the references are of several recognisers.
    """
    if len({each.recogniser for each in people}) > 1:
        raise ValueError("references of several recognisers")
    every = np.concatenate([each.embedding for each in people])
    ends = np.cumsum([len(each) for each in people]).tolist()
    found = np.empty((len(embedding), len(people)), np.float32)
    for start in range(0, len(embedding), _BLOCK):
        block = slice(start, start + _BLOCK)
        each_distance = distances(embedding[block], every, people[0].metric)
        parts = np.split(each_distance, ends[:-1], axis=1)
        for number, part in enumerate(parts):
            found[block, number] = _nearest(part)
    return found


def compared(
    embedding: FloatArray, gallery: Gallery, tolerance: float
) -> tuple[FloatArray, IntArray]:
    """How far each face is from a person, and how many references alone are within the tolerance.

    Args:
        embedding: float32 (N, D).
        gallery: references, at least one.
        tolerance: the largest distance of the same person.

    Returns:
        float32 (N,), the distance that ``decide`` goes by; int64 (N,).
    """
    each = gallery.distances(embedding)
    return _nearest(each), (each <= tolerance).sum(axis=1, dtype=np.int64)


class Comparing:
    """``compared``, remembering how far each face is from each reference: to ask again and again.

    Distances are the same whatever a face is compared with besides, so the answers are, too.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], FloatArray] = {}
        self._kept: list[FloatArray] = []

    def __call__(
        self, embedding: FloatArray, gallery: Gallery, tolerance: float
    ) -> tuple[FloatArray, IntArray]:
        """See compared.

        Args:
            embedding: the very same array for the same faces; it is kept, and not to be changed.
            gallery: see compared.
            tolerance: see compared.
        """
        if not any(embedding is each for each in self._kept):
            self._kept.append(embedding)
        keys = [(id(embedding), row.tobytes()) for row in gallery.embedding]
        new = [row for row, key in enumerate(keys) if key not in self._known]
        if new:
            found = distances(embedding, gallery.embedding[new], gallery.metric)
            for row, column in zip(new, np.ascontiguousarray(found.T), strict=True):
                self._known[keys[row]] = column
        each = np.stack([self._known[key] for key in keys], axis=1)
        return _nearest(each), (each <= tolerance).sum(axis=1, dtype=np.int64)


def _nearest(each: FloatArray) -> FloatArray:
    """The mean over the NEAREST references: float32 (N,) of (N, R).

    Reference by reference, keeping the nearest: a tenth of the time of sorting each row.
    """
    best = [np.full(len(each), np.inf, np.float32) for _ in range(min(NEAREST, each.shape[1]))]
    for candidate in np.ascontiguousarray(each.T):
        for number, so_far in enumerate(best):
            best[number] = np.minimum(so_far, candidate)
            candidate = np.maximum(so_far, candidate)  # noqa: PLW2901 - moves on to the next place
    return np.asarray(sum(best[1:], best[0]) / len(best), np.float32)


def decide(
    embedding: FloatArray,
    gallery: Gallery,
    tolerance: float,
    *,
    track: IntArray | None = None,
    frame: IntArray | None = None,
    per_frame: bool = False,
) -> Decisions:
    """Compares faces with references, and lets the faces of a track decide together.

    Identity belongs to a track: all its faces are the person's, or none. Where its embeddings go
    over from one person to another it is parted first, and each piece is for itself (``pieces``). A
    piece's distance is the mean over its nearest third (PART); the piece is the person asked for
    if that is at most the tolerance, a little less for long ones (MANY). Of its faces those are
    matched that are within the tolerance, and those that miss it by little (RESCUED) and look like
    the rest of the piece (``pieces.FITTING``). The order of the rows does not matter.

    Args:
        embedding: float32 (N, D), of the gallery's recogniser.
        gallery: the references; an empty one matches every face.
        tolerance: the largest distance of the same person.
        track: int64 (N,), the faces' tracks, of one source; without it, each face decides for
            itself.
        frame: int64 (N,), the faces' frames; needed with track.
        per_frame: each face decides for itself all the same.

    Raises:
        ValueError: there are tracks and no frames.
    """
    count = len(embedding)
    no, yes = np.zeros(count, np.bool_), np.ones(count, np.bool_)
    if not len(gallery):
        unknown = np.full(count, np.nan, np.float32)
        return Decisions(unknown, np.zeros(count, np.int64), yes, no, no, unknown)
    distance, within = compared(embedding, gallery, tolerance)
    alone = distance <= tolerance
    if track is None or per_frame:
        return Decisions(distance, within, alone, no, no, distance)
    if frame is None:
        raise ValueError("tracks without their frames")
    pieces = Pieces.of(embedding, track, frame, alone, gallery.metric)
    pooled = pieces.nearest_mean(distance, PART)
    accepted = pooled <= track_limit(pieces.lengths, tolerance)
    piece = pieces.of_row
    matched = accepted[piece] & (distance <= rescue_limit(tolerance))
    strange = np.flatnonzero(matched & ~alone)
    if len(strange):
        which, of_strange = np.unique(piece[strange], return_inverse=True)
        means = pieces.means(embedding, which)[of_strange]
        apart = row_distances(embedding[strange], means, gallery.metric)
        matched[strange] = apart <= FITTING[gallery.metric]
    return Decisions(distance, within, matched, matched & ~alone, alone & ~matched, pooled[piece])
