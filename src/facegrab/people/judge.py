"""Judging: who each face of a source is, by all that the source shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facegrab.people.asked import Asked, Person
from facegrab.people.by_tolerance import by_tolerance
from facegrab.people.decide import PART, compared, rescue_limit
from facegrab.people.gallery import Gallery, distances
from facegrab.people.pieces import FITTING, Pieces, row_distances
from facegrab.people.probability import ALIKE, Floats, Neighbours, alone, belief, near
from facegrab.people.said import UNSAID, Labels, Said, spread
from facegrab.people.together import Together
from facegrab.people.verdicts import (
    AMBIGUOUS,
    ASK,
    DROP,
    KEEP,
    NOBODY,
    Verdicts,
    everybody,
    overruled,
)
from facegrab.types import Faces, FloatArray, IntArray

__all__ = [
    "AMBIGUOUS", "ASK", "ASK_FROM", "DROP", "KEEP", "KEEP_FROM", "NOBODY", "Asked", "Judge",
    "Judges", "Person", "Verdicts", "everybody",
]  # fmt: skip

Compare: TypeAlias = Callable[[FloatArray, Gallery, float], tuple[FloatArray, IntArray]]
"""Faces, references, tolerance: see decide.compared."""
KEEP_FROM = 0.5
"""Probability from which on a track is kept: it is the person's more likely than not.

On the tiled clips (bench: people) all that is kept is right and nothing is missed. In the company,
half of which is blurred by times or in the dark, 99 % of what is kept by dlib's recogniser is
right, and 95 to 98 % of the person's faces are kept.
"""
ASK_FROM = 0.1
"""Probability from which on a track is worth a look."""
CLEARLY = 0.75
"""Share that the likeliest of several people has of their probabilities, at least: three times as
likely as the others together."""


@dataclass(slots=True, eq=False)
class _Seen:
    """What is kept of some faces until all are seen: no more than is needed."""

    frame: IntArray
    piece: IntArray
    first: IntArray
    distance: FloatArray
    within: IntArray
    may: NDArray[np.bool_]
    fits: NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class _Pieces:
    near: list[FloatArray] = field(default_factory=list)
    mean: list[FloatArray] = field(default_factory=list)
    length: list[IntArray] = field(default_factory=list)
    believed: list[FloatArray] = field(default_factory=list)
    count: int = 0


class Judges(Protocol):
    """Says who the faces of a source are: Judge, or what takes its place."""

    def see(self, faces: Faces) -> None:
        """Takes faces of whole tracks, in the order of frames and numbers."""

    def verdicts(self) -> list[Verdicts]:
        """Who the faces are, in as many parts as they were seen in."""

    def labels(self) -> list[Labels]:
        """What was said of the faces, in the same parts; after ``verdicts``."""


class Judge:
    """Sees the faces of a source, some whole tracks at a time, then says who they are.

    Args:
        asked: who is asked for.
        said: what somebody has said of the source's faces.
        compare: in place of ``compared``, one that remembers.
    """

    def __init__(self, asked: Asked, said: Said | None = None, compare: Compare = compared) -> None:
        self._compare = compare
        self._asked = asked
        self._said = said
        self._labels: list[Labels] = []
        self._seen: list[_Seen] = []
        self._settled: list[Verdicts] = []
        self._pieces = _Pieces()

    def see(self, faces: Faces) -> None:
        """Takes faces of whole tracks, in the order of frames and numbers."""
        labels = Labels.none(len(faces)) if self._said is None else self._said.of(faces)
        self._labels.append(labels)
        if not self._asked.people:
            self._settled.append(everybody(len(faces)))
        elif self._asked.by_tolerance:
            self._settled.append(by_tolerance(self._asked, faces))
        else:
            self._take(faces, labels)

    def verdicts(self) -> list[Verdicts]:
        """Who the faces are, in as many parts as they were seen in."""
        spread(self._labels)
        found = self._settled or self._weighed()
        return [overruled(*each) for each in zip(found, self._labels, strict=True)]

    def labels(self) -> list[Labels]:
        """What was said of the faces, in the same parts; after ``verdicts``."""
        return self._labels

    def pieces(self) -> list[IntArray]:
        """int64 (N,) of each part: which of them are one, numbered over all parts.

        Only where probabilities decide.
        """
        return [each.piece for each in self._seen]

    def means(self) -> FloatArray:
        """float32 (P, D): the mean embedding of each piece."""
        return np.concatenate(self._pieces.mean)

    def _take(self, faces: Faces, labels: Labels) -> None:
        asked, count = self._asked, len(self._asked.people)
        all_compared = [self._compare(faces.embedding, g, asked.tolerance) for g in asked.galleries]
        apart = np.stack([distance for distance, _ in all_compared], axis=1)
        within = np.stack([within for _, within in all_compared[:count]], axis=1)
        for number, person in enumerate(asked.people):
            if person.further is not None:
                nearer, _ = self._compare(faces.embedding, person.further, asked.tolerance)
                apart[:, number] = np.minimum(apart[:, number], nearer)
        limit = rescue_limit(asked.tolerance)
        doubtful = np.asarray((apart[:, :count] <= limit).any(axis=1), np.bool_)
        track = np.arange(len(faces)) if asked.per_frame else faces.track
        track = labels.parted(track)
        pieces = Pieces.of(faces.embedding, track, faces.frame, doubtful, asked.metric)
        which = np.arange(len(pieces))
        means = pieces.means(faces.embedding, which) if len(pieces) else faces.embedding
        fits = row_distances(faces.embedding, means[pieces.of_row], asked.metric)
        fitting = np.asarray(fits <= FITTING[asked.metric], np.bool_)
        may = (apart[:, :count] <= asked.tolerance) | (
            (apart[:, :count] <= limit) & fitting[:, None]
        )
        pooled = [pieces.nearest_mean(column, PART) for column in apart.T]
        self._seen.append(
            _Seen(
                faces.frame,
                pieces.of_row + self._pieces.count,
                pieces.order[pieces.starts],
                apart[:, :count],
                within,
                may,
                fitting,
            )
        )
        self._pieces.near.append(near(np.stack(pooled, 1), asked.tolerance, asked.metric))
        self._pieces.mean.append(means)
        self._pieces.length.append(pieces.lengths)
        best = -pieces.nearest_mean(-belief(faces.sharpness), PART)
        self._pieces.believed.append(best)
        self._pieces.count += len(pieces)

    def _said_of_pieces(self) -> tuple[IntArray, NDArray[np.bool_], IntArray]:
        """Of each piece: whose it is said to be, whose not, and of which number it is joined.

        Of what is a person's every face may be kept.
        """
        names, told, refused, joined = self._asked.names, [], [], []
        for seen, labels in zip(self._seen, self._labels, strict=True):
            number = np.array([*map(names.index, labels.names), UNSAID], np.int64)
            person = number[labels.person]
            rows = np.flatnonzero(person != UNSAID)
            seen.may[rows, person[rows]] = True
            not_theirs = np.zeros((len(seen.first), len(names)), np.bool_)
            not_theirs[:, number[:-1]] = labels.refused[seen.first]
            told.append(person[seen.first])
            refused.append(not_theirs)
            joined.append(labels.joined[seen.first])
        return np.concatenate(told), np.concatenate(refused), np.concatenate(joined)

    def _weighed(self) -> list[Verdicts]:
        if not self._seen:
            return []
        share, person, verdict, like = self._of_pieces()
        return [_of_faces(each, share, person, verdict, like, self._asked) for each in self._seen]

    def _of_pieces(self) -> tuple[Floats, IntArray, NDArray[np.str_], NDArray[np.bool_]]:
        """Of each piece: how probably it is the likeliest person's, whose, what follows, and
        whether it looks like one of which somebody has said that it is that person's."""
        asked, pieces = self._asked, self._pieces
        people = len(asked.people)
        apart, length = np.concatenate(pieces.near), np.concatenate(pieces.length)
        believed = np.concatenate(pieces.believed)
        together = Together.of(
            np.concatenate([each.piece for each in self._seen]),
            np.concatenate([each.frame for each in self._seen]),
            pieces.count,
        )
        beside = Neighbours(
            np.concatenate(pieces.mean), length, believed, together, asked.tolerance, asked.metric
        )
        told, refused, joined = self._said_of_pieces()
        # Nearer to one of those it is not: refused, however near.
        if asked.others:
            refused |= apart[:, people:].min(axis=1)[:, None] < apart[:, :people]
        own = self._near_to_told(np.concatenate(pieces.mean), told)
        refused |= self._like_the_refused(np.concatenate(pieces.mean), apart, own)
        shares = [
            beside.probabilities(column, told == number, refused[:, number], own[:, number])
            for number, column in enumerate(apart[:, :people].T)
        ]
        shares += [alone(column, length, believed) for column in apart[:, people:].T]
        odds = np.stack([each / np.maximum(1 - each, 1e-9) for each in shares], axis=1)
        odds[:, :people][refused] = 0
        odds = _as_one(odds, joined)
        known = np.flatnonzero(told != UNSAID)
        odds[known] = 0
        odds[known, told[known]] = np.inf
        odds = np.minimum(odds, 1e9)
        each_share = odds[:, :people] / (1 + odds.sum(axis=1))[:, None]
        person = each_share.argmax(axis=1)
        share = each_share[np.arange(pieces.count), person]
        sums = each_share.sum(axis=1)
        verdict = np.where(share >= ASK_FROM, ASK, DROP).astype("<U9")
        verdict[share >= KEEP_FROM] = KEEP
        unclear = (share < KEEP_FROM) | (share < CLEARLY * sums)
        verdict[(sums >= KEEP_FROM) & unclear] = AMBIGUOUS
        return share, person, verdict, own[np.arange(pieces.count), person] <= ALIKE

    def _near_to_told(self, mean: FloatArray, told: IntArray) -> FloatArray:
        """float32 (P, people): ``near`` to the nearest that was said to be theirs."""
        asked = self._asked
        found = np.full((len(mean), len(asked.people)), np.inf, np.float32)
        for number in sorted({*told.tolist()} - {UNSAID}):
            apart = distances(mean, mean[told == number], asked.metric).min(axis=1)
            found[:, number] = near(apart, asked.tolerance, asked.metric)
        return found

    def _like_the_refused(
        self, mean: FloatArray, apart: FloatArray, own: FloatArray
    ) -> NDArray[np.bool_]:
        """bool (P, people): very near to a face that is not the person's, and nearer than to any
        that is."""
        asked = self._asked
        refused = np.zeros((len(mean), len(asked.people)), np.bool_)
        for number, person in enumerate(asked.people):
            if person.never is None or not len(person.never):
                continue
            apart_from = distances(mean, person.never, asked.metric).min(axis=1)
            nearest = near(apart_from, asked.tolerance, asked.metric)
            theirs = np.minimum(apart[:, number], own[:, number])
            refused[:, number] = (nearest <= ALIKE) & (nearest < theirs)
        return refused


def _as_one(odds: Floats, joined: IntArray) -> Floats:
    """The odds, those of pieces of one person being the same: what they say in the middle."""
    for number in sorted({*joined.tolist()} - {UNSAID}):
        rows = joined == number
        odds[rows] = np.exp(np.log(odds[rows].clip(1e-9, 1e9)).mean(axis=0))
    return odds


def _of_faces(
    seen: _Seen,
    share: Floats,
    person: IntArray,
    verdict: NDArray[np.str_],
    like: NDArray[np.bool_],
    asked: Asked,
) -> Verdicts:
    """What is said of the pieces, for each of their faces."""
    rows, who = np.arange(len(seen.piece)), person[seen.piece]
    distance, may = seen.distance[rows, who], seen.may[rows, who]
    may |= seen.fits & like[seen.piece]
    said = np.where(may, verdict[seen.piece], DROP)
    by_track = (said == KEEP) & (distance > asked.tolerance)
    probability = np.asarray(share[seen.piece], np.float32)
    return Verdicts(who, distance, seen.within[rows, who], by_track, probability, said, asked.names)
