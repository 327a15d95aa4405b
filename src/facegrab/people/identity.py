"""Whom most of some pictures show, where each may show several people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.people.decide import NEAREST
from facegrab.people.gallery import distances
from facegrab.people.group import NOBODY, group
from facegrab.types import UNKNOWN, FloatArray, IntArray

MOST_ROUNDS = 10
"""Of choosing the faces anew; they stand still after two or three."""
RIVALS = 5
"""People, those of the most pictures, of whom each is looked at as the one that is meant."""

Members = Mapping[int, int]
"""The row of the person's face by picture."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The person of the most pictures.

    Attributes:
        members: the person's face by picture.
        rival: that of somebody else who is in as many pictures; empty if there is nobody.
    """

    members: Members
    rival: Members


def common_identity(
    embedding: FloatArray, picture: IntArray, metric: Metric, tolerance: float
) -> Identity:
    """Who is in the most pictures, once in each.

    The faces are grouped into people, of whom two are in one picture (``group``). Then, by the
    distance that decides in a run, each picture's nearest face within the tolerance is the
    person's, and that again with these, until nothing changes.

    Args:
        embedding: float32 (N, D), at least one face.
        picture: int64 (N,), the picture of each face.
        metric: how two embeddings are compared.
        tolerance: the largest distance of the same person.
    """
    lone = np.full(len(picture), UNKNOWN, np.int64)
    person = group(embedding, lone, picture, np.zeros_like(lone), metric, tolerance)
    alone = np.flatnonzero(person == NOBODY)
    person[alone] = person.max(initial=NOBODY) + 1 + np.arange(len(alone))
    away = _Away(embedding, picture, metric, tolerance)
    found = [away.settled(np.flatnonzero(person == each)) for each in _largest(person, picture)]
    found.sort(key=len, reverse=True)
    first, *others = found
    own = set(first.values())
    rivals = [each for each in others if 2 * len(own.intersection(each.values())) < len(each)]
    rival = rivals[0] if rivals and len(rivals[0]) == len(first) else {}
    return Identity(first, rival)


def distance_to(
    embedding: FloatArray,
    picture: IntArray,
    members: Members,
    everybody: FloatArray,
    metric: Metric,
) -> FloatArray:
    """The mean distance, float32 (N,), from the person's nearest three (``decide.NEAREST``).

    Those of other pictures than the face's own, so that it is the leave-one-out distance where the
    face is one of them; infinite where there is none.

    Args:
        embedding: float32 (N, D).
        picture: int64 (N,), the picture of each.
        members: the person's.
        everybody: float32 (M, D), that the members are rows of.
        metric: how two embeddings are compared.
    """
    rows = np.array(list(members.values()), np.int64)
    of = np.array(list(members.keys()), np.int64)
    away = distances(embedding, everybody[rows], metric)
    away[picture[:, None] == of] = np.inf
    away = np.sort(away, axis=1)[:, :NEAREST]
    known = np.isfinite(away)
    total = np.where(known, away, 0).sum(axis=1)
    count = known.sum(axis=1)
    mean = total / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, np.inf), np.float32)


def nearest_by_picture(
    away: FloatArray, picture: IntArray, limit: float = np.inf
) -> dict[int, int]:
    """The row of the nearest face of each picture, of those within a limit; the first of equals."""
    found: dict[int, int] = {}
    for row in np.argsort(away, kind="stable").tolist():
        if away[row] <= limit:
            found.setdefault(int(picture[row]), row)
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True, eq=False)
class _Away:
    embedding: FloatArray
    picture: IntArray
    metric: Metric
    tolerance: float

    def settled(self, rows: NDArray[np.intp]) -> dict[int, int]:
        """The person's faces, from some of them on: those within the tolerance of each other."""
        members = {int(self.picture[row]): int(row) for row in rows.tolist()[::-1]}
        members = dict(sorted(members.items()))
        for _ in range(MOST_ROUNDS):
            away = distance_to(self.embedding, self.picture, members, self.embedding, self.metric)
            better = nearest_by_picture(away, self.picture, self.tolerance)
            # One alone has no other to be near to, and two strangers none that is.
            if not better or better == members:
                break
            members = better
        return members


def _largest(person: IntArray, picture: IntArray) -> Sequence[int]:
    """The people of the most pictures, the most first."""
    both = np.unique(np.stack([person, picture], axis=1), axis=0)
    who, count = np.unique(both[:, 0], return_counts=True)
    return [int(each) for each in who[np.argsort(-count, kind="stable")][:RIVALS]]
