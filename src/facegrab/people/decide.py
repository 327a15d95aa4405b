"""Deciding who is who, from embeddings: a track's faces stand together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.people.gallery import Gallery
from facegrab.people.pieces import FITTING, Pieces, row_distances
from facegrab.types import FloatArray, IntArray

NEAREST = 3
"""A face's distance is the mean over so many of its nearest references (all, if there are fewer).

Measured on 10 people x 10 photographs of LFW at tolerance .6, with 5 references: any one reference
within the tolerance accepts 100 % of the true and 1.5 % of the false faces, the mean of all 99.7 %
and 0 %, the mean of the nearest three 100 % and .05 %; with 1 reference it is 98.4 % and .4 %. So
more references find more without letting more strangers in.
"""
RESCUED = 1.35
"""Tolerances that a face may be from the references, at most, to be kept for its track's sake."""


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


def decide(
    embedding: FloatArray,
    gallery: Gallery,
    tolerance: float,
    *,
    track: IntArray | None = None,
    frame: IntArray | None = None,
    sharpness: FloatArray | None = None,
    size_px: FloatArray | None = None,
    per_frame: bool = False,
) -> Decisions:
    """Compares faces with references, and lets the faces of a track decide together.

    Args:
        embedding: float32 (N, D), of the gallery's recogniser.
        gallery: the references; an empty one matches every face.
        tolerance: the largest distance of the same person.
        track: int64 (N,), the faces' tracks; without it, each face decides for itself.
        frame: int64 (N,), the faces' frames; needed with track.
        sharpness: float32 (N,), of the faces; unknown is all alike.
        size_px: float32 (N,), of the faces; unknown is all alike.
        per_frame: each face decides for itself all the same.
    """
    count = len(embedding)
    no, yes = np.zeros(count, np.bool_), np.ones(count, np.bool_)
    if not len(gallery):
        unknown = np.full(count, np.nan, np.float32)
        return Decisions(unknown, np.zeros(count, np.int64), yes, no, no, unknown)
    each = np.sort(gallery.distances(embedding), axis=1)
    distance = each[:, :NEAREST].mean(axis=1)
    within = (each <= tolerance).sum(axis=1, dtype=np.int64)
    alone = distance <= tolerance
    if track is None or per_frame:
        return Decisions(distance, within, alone, no, no, distance)
    if frame is None:
        raise ValueError("tracks without their frames")
    pieces = Pieces.of(embedding, track, frame, alone, gallery.metric, tolerance)
    weight = _weight(count, sharpness, size_px)
    piece = pieces.of_row
    pooled = pieces.median(distance, weight)[piece]
    matched = (pooled <= tolerance) & (distance <= rescue_limit(tolerance))
    strange = np.flatnonzero(matched & ~alone)
    if len(strange):
        means = pieces.means(embedding, weight)
        apart = row_distances(embedding[strange], means[piece[strange]], gallery.metric)
        matched[strange] = apart <= FITTING * tolerance
    return Decisions(distance, within, matched, matched & ~alone, alone & ~matched, pooled)


def _weight(count: int, sharpness: FloatArray | None, size_px: FloatArray | None) -> FloatArray:
    return np.ones(count, np.float32)
