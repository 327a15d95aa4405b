"""Judging: who each face of a source is, by all that the source shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.people.decide import PART, compared, decide, rescue_limit
from facegrab.people.gallery import Gallery
from facegrab.people.pieces import FITTING, Pieces, row_distances
from facegrab.people.probability import Floats, Neighbours, alone, belief, near
from facegrab.people.together import Together
from facegrab.types import Faces, FloatArray, IntArray

KEEP, ASK, AMBIGUOUS, DROP = "keep", "ask", "ambiguous", "drop"
"""What becomes of a face: it is a person's; somebody should look; it is one of several people, and
nobody can say which; it is none of theirs."""
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
TOO_CLOSE = 0.05
"""Tolerances between the distances of two people's references that a face cannot be told by."""
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is looked for.

    Attributes:
        name: "" where only one person is.
        gallery: references, at least one.
    """

    name: str
    gallery: Gallery


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked for.

    Attributes:
        people: none: everybody.
        others: people it is not.
        tolerance: the largest distance of the same person.
        metric: of the distances.
        by_tolerance: it alone decides, as the user asked for; else probabilities do.
        per_frame: each face is decided about by itself, whatever its track says.
    """

    people: tuple[Person, ...]
    others: tuple[Gallery, ...]
    tolerance: float
    metric: Metric
    by_tolerance: bool = False
    per_frame: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the people."""
        return tuple(each.name for each in self.people)

    @property
    def galleries(self) -> tuple[Gallery, ...]:
        """Of the people, then of those it is not."""
        return (*(each.gallery for each in self.people), *self.others)


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Who some faces are, one row a face.

    Attributes:
        person: int64 (N,), whose face it is, or whose it is most probably; NOBODY where nobody is
            asked for.
        distance: float32 (N,), from that person's references; NaN where there are none.
        references_within: int64 (N,), of that person's, within the tolerance.
        by_track: bool (N,), kept although the face alone misses the tolerance.
        probability: float32 (N,), that it is that person; NaN where the tolerance decides.
        verdict: (N,), KEEP, ASK, AMBIGUOUS or DROP.
        names: of the people, which person counts.
    """

    person: IntArray
    distance: FloatArray
    references_within: IntArray
    by_track: NDArray[np.bool_]
    probability: FloatArray
    verdict: NDArray[np.str_]
    names: tuple[str, ...] = ()

    def name(self, row: int) -> str:
        """Of a face's person; "" for NOBODY."""
        number = int(self.person[row])
        return "" if number == NOBODY else self.names[number]


@dataclass(slots=True, eq=False)
class _Seen:
    """What is kept of some faces until all are seen: no more than is needed."""

    frame: IntArray
    piece: IntArray
    distance: FloatArray
    within: IntArray
    may: NDArray[np.bool_]


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


class Judge:
    """Sees the faces of a source, some whole tracks at a time, then says who they are.

    Args:
        asked: who is asked for.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._seen: list[_Seen] = []
        self._settled: list[Verdicts] = []
        self._pieces = _Pieces()

    def see(self, faces: Faces) -> None:
        """Takes faces of whole tracks, in the order of frames and numbers."""
        if not self._asked.people:
            self._settled.append(everybody(len(faces)))
        elif self._asked.by_tolerance:
            self._settled.append(_by_tolerance(self._asked, faces))
        else:
            self._take(faces)

    def verdicts(self) -> list[Verdicts]:
        """Who the faces are, in as many parts as they were seen in."""
        return self._settled or self._weighed()

    def _take(self, faces: Faces) -> None:
        asked, count = self._asked, len(self._asked.people)
        all_compared = [compared(faces.embedding, g, asked.tolerance) for g in asked.galleries]
        apart = np.stack([distance for distance, _ in all_compared], axis=1)
        within = np.stack([within for _, within in all_compared[:count]], axis=1)
        limit = rescue_limit(asked.tolerance)
        doubtful = np.asarray((apart[:, :count] <= limit).any(axis=1), np.bool_)
        track = np.arange(len(faces)) if asked.per_frame else faces.track
        pieces = Pieces.of(faces.embedding, track, faces.frame, doubtful, asked.metric)
        which = np.arange(len(pieces))
        means = pieces.means(faces.embedding, which) if len(pieces) else faces.embedding
        fits = row_distances(faces.embedding, means[pieces.of_row], asked.metric)
        may = (apart[:, :count] <= asked.tolerance) | (
            (apart[:, :count] <= limit) & (fits <= FITTING[asked.metric])[:, None]
        )
        pooled = [pieces.nearest_mean(column, PART) for column in apart.T]
        self._seen.append(
            _Seen(faces.frame, pieces.of_row + self._pieces.count, apart[:, :count], within, may)
        )
        self._pieces.near.append(near(np.stack(pooled, 1), asked.tolerance, asked.metric))
        self._pieces.mean.append(means)
        self._pieces.length.append(pieces.lengths)
        best = -pieces.nearest_mean(-belief(faces.sharpness), PART)
        self._pieces.believed.append(best)
        self._pieces.count += len(pieces)

    def _weighed(self) -> list[Verdicts]:
        if not self._seen:
            return []
        share, person, verdict = self._of_pieces()
        return [_of_faces(each, share, person, verdict, self._asked) for each in self._seen]

    def _of_pieces(self) -> tuple[Floats, IntArray, NDArray[np.str_]]:
        """Of each piece: how probably it is the likeliest person's, whose, and what follows."""
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
        shares = [beside.probabilities(column) for column in apart[:, :people].T]
        shares += [alone(column, length, believed) for column in apart[:, people:].T]
        odds = np.stack([each / np.maximum(1 - each, 1e-9) for each in shares], axis=1)
        # Nearer to one of those it is not: refused, however near.
        refused = np.zeros((pieces.count, people), np.bool_)
        if asked.others:
            refused = apart[:, people:].min(axis=1)[:, None] < apart[:, :people]
        odds[:, :people][refused] = 0
        each_share = odds[:, :people] / (1 + odds.sum(axis=1))[:, None]
        person = each_share.argmax(axis=1)
        share = each_share[np.arange(pieces.count), person]
        sums = each_share.sum(axis=1)
        verdict = np.where(share >= ASK_FROM, ASK, DROP).astype("<U9")
        verdict[share >= KEEP_FROM] = KEEP
        unclear = (share < KEEP_FROM) | (share < CLEARLY * sums)
        verdict[(sums >= KEEP_FROM) & unclear] = AMBIGUOUS
        return share, person, verdict


def everybody(count: int) -> Verdicts:
    """So many faces of whom nobody in particular is asked for."""
    unknown = np.full(count, np.nan, np.float32)
    return Verdicts(
        np.full(count, NOBODY),
        unknown,
        np.zeros(count, np.int64),
        np.zeros(count, np.bool_),
        unknown,
        np.full(count, KEEP, "<U9"),
    )


def _of_faces(
    seen: _Seen, share: Floats, person: IntArray, verdict: NDArray[np.str_], asked: Asked
) -> Verdicts:
    """What is said of the pieces, for each of their faces."""
    rows, who = np.arange(len(seen.piece)), person[seen.piece]
    distance, may = seen.distance[rows, who], seen.may[rows, who]
    said = np.where(may, verdict[seen.piece], DROP)
    by_track = (said == KEEP) & (distance > asked.tolerance)
    probability = np.asarray(share[seen.piece], np.float32)
    return Verdicts(who, distance, seen.within[rows, who], by_track, probability, said, asked.names)


def _by_tolerance(asked: Asked, faces: Faces) -> Verdicts:
    """The nearest person within the tolerance."""
    decisions = [
        decide(
            faces.embedding,
            gallery,
            asked.tolerance,
            track=faces.track,
            frame=faces.frame,
            per_frame=asked.per_frame,
        )
        for gallery in asked.galleries
    ]
    people = len(asked.people)
    apart = np.stack([each.track_distance for each in decisions], axis=1)
    matched = np.stack([each.matched for each in decisions[:people]], axis=1)
    if asked.others:
        matched &= apart[:, :people] <= apart[:, people:].min(axis=1)[:, None]
    rows, kept = np.arange(len(faces)), np.asarray(matched.any(axis=1), np.bool_)
    ranked = np.where(matched | ~kept[:, None], apart[:, :people], np.inf)
    person = ranked.argmin(axis=1)
    verdict = np.where(kept, KEEP, DROP).astype("<U9")
    limit = ranked[rows, person] + TOO_CLOSE * asked.tolerance
    verdict[kept & ((ranked <= limit[:, None]).sum(axis=1) > 1)] = AMBIGUOUS
    return Verdicts(
        person,
        np.stack([each.distance for each in decisions[:people]], 1)[rows, person],
        np.stack([each.references_within for each in decisions[:people]], 1)[rows, person],
        np.stack([each.by_track for each in decisions[:people]], 1)[rows, person] & kept,
        np.full(len(faces), np.nan, np.float32),
        verdict,
        asked.names,
    )
