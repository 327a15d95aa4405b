"""All tracks of a folder as they are decided about, and of which an answer tells most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facegrab.people.gallery import distances
from facegrab.people.judge import Asked
from facegrab.people.pieces import Pieces
from facegrab.people.probability import ALIKE, Floats, near
from facegrab.people.said import UNSAID, Bools, Labels
from facegrab.people.verdicts import AMBIGUOUS, ASK, KEEP, Verdicts
from facegrab.types import Faces, FloatArray, IntArray

Texts: TypeAlias = NDArray[np.str_]

LONG = 64
"""Faces from which on a longer track is no more worth a question."""
MOST_LIKE, MOST_ASKED = 2000, 400
"""Tracks in doubt that others are compared with, at most, and those that may be next."""
LEAST_DOUBT = 0.04
"""4 p (1 - p) up to which a track is not asked about: p below .01 or above .99."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """All tracks of a folder as they are decided about now, one row a track.

    A track that shows two people, by its faces or because somebody says so, is as many.

    Attributes:
        film: int64 (T,), which.
        rows: of each film's faces, those of a track together, in the order of frames.
        start: int64 (T,), where in its film's rows a track begins.
        length: int64 (T,), its faces.
        person: (T,), names of whose they most probably are.
        share: float64 (T,), how probably; NaN where nobody in particular is asked for.
        verdict: (T,), what becomes of most of its faces.
        told: bool (T,), somebody has said whose they are.
        refused: bool (T,), somebody has said that they are not some person's.
        skipped: bool (T,), somebody could not say.
        doubt: float64 (T,), how much is to be learnt from an answer, 0 for nothing.
    """

    film: IntArray
    rows: list[IntArray]
    start: IntArray
    length: IntArray
    person: NDArray[np.object_]
    share: Floats
    verdict: Texts
    told: Bools
    refused: Bools
    skipped: Bools
    doubt: Floats

    def __len__(self) -> int:
        return len(self.film)

    def rows_of(self, track: int) -> IntArray:
        """The faces of a track, rows of its film's."""
        start = self.start[track]
        return self.rows[int(self.film[track])][start : start + self.length[track]]


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What is decided about one film's faces, one row a face."""

    verdicts: Verdicts
    labels: Labels
    piece: IntArray
    mean: FloatArray
    likely: FloatArray


def pieces_of(faces: Faces, labels: Labels, asked: Asked) -> tuple[IntArray, FloatArray]:
    """Tracks, parted as a judge parts them: the piece of each face, and their means."""
    if not len(faces):
        return np.empty(0, np.int64), np.empty((0, faces.embedding.shape[1]), np.float32)
    track = labels.parted(faces.track)
    every = np.ones(len(faces), np.bool_)
    pieces = Pieces.of(faces.embedding, track, faces.frame, every, asked.metric)
    return pieces.of_row, pieces.means(faces.embedding, np.arange(len(pieces)))


def tracks_of(
    decided: Sequence[Decided],
) -> tuple[Tracks, list[IntArray], FloatArray]:
    """The tracks of all films, of each face its track, and their mean embeddings."""
    columns: list[tuple[Any, ...]] = []
    rows, track_of, count = [], [], 0
    for film, each in enumerate(decided):
        order = np.argsort(each.piece, kind="stable")
        piece = each.piece[order]
        start = np.flatnonzero(np.diff(piece, prepend=-1))
        first = order[start]
        rows.append(order)
        track_of.append(each.piece + count)
        names = np.array([*each.verdicts.names, ""], np.object_)
        labels = each.labels
        own: tuple[Any, ...] = (
            np.full(len(start), film),
            start,
            np.diff(start, append=len(order)),
            names[each.verdicts.person[first]],
            each.likely[first].astype(np.float64),
            _strongest(each.verdicts.verdict[order], start),
            labels.person[first] != UNSAID,
            labels.refused[first].any(axis=1),
            labels.skipped[first],
        )
        columns.append(own)
        count += len(start)
    empty = [np.empty(0, kind) for kind in (int, int, int, object, float, "<U9", bool, bool, bool)]
    joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)] or empty
    means = [each.mean for each in decided if len(each.mean)]
    mean = np.concatenate(means) if means else np.empty((0, 0), np.float32)
    film_of, start_of, length, person, share, verdict, told, refused, skipped = joined
    tracks = Tracks(
        film_of, rows, start_of, length, person, share, verdict, told, refused, skipped,
        np.zeros(count),
    )  # fmt: skip
    return tracks, track_of, mean


def _strongest(verdict: Texts, start: IntArray) -> Texts:
    """Of each track's verdicts the one that keeps most: single faces may be too far away."""
    found = np.full(len(start), "drop", "<U9")
    if len(start):
        for each in (ASK, AMBIGUOUS, KEEP):
            found[np.logical_or.reduceat(verdict == each, start)] = each
    return found


def doubtful(tracks: Tracks, mean: FloatArray, asked: Asked) -> Floats:
    """How much an answer about each track tells.

    A track of one half tells most, a long one more than a short one, and one that many others in
    doubt look like speaks for them too.
    """
    share = np.nan_to_num(tracks.share, nan=0.0)
    unclear = np.where(tracks.verdict == AMBIGUOUS, 1.0, 4 * share * (1 - share))
    unclear[tracks.told | tracks.skipped | (unclear < LEAST_DOUBT)] = 0
    doubt = unclear * np.log2(1 + np.minimum(tracks.length, LONG))
    order = np.argsort(-doubt, kind="stable")
    order = order[doubt[order] > 0]
    if len(order) > 1:
        likely, others = order[:MOST_ASKED], order[:MOST_LIKE]
        apart = near(
            distances(mean[likely], mean[others], asked.metric), asked.tolerance, asked.metric
        )
        like = (unclear[others] * (apart <= ALIKE)).sum(axis=1) - unclear[likely]
        doubt[likely] *= 1 + np.log2(1 + np.maximum(like, 0))
        doubt[order[MOST_ASKED:]] *= 1e-3
    return np.asarray(doubt, np.float64)
