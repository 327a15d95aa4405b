"""Whom most of some pictures show, where each may show several people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.people.decide import NEAREST
from facegrab.people.gallery import distances
from facegrab.people.group import NOBODY, group
from facegrab.types import UNKNOWN, FloatArray, IntArray

Members = Mapping[int, int]
"""The row of a person's face by picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """The person of the most pictures.

    Attributes:
        members: the person's face by picture.
        rival: that of somebody else who is in as many pictures; empty if there is nobody.
        distance: float32 (N,), of each face from the nearest three of the members of other pictures
            (``decide.NEAREST``): the leave-one-out distance of a member. Infinite without any.
        taken: bool (N,), faces of other people: of those that are in two pictures or more.
    """

    members: Members
    rival: Members
    distance: FloatArray
    taken: NDArray[np.bool_]


def common_identity(
    embedding: FloatArray,
    picture: IntArray,
    votes: NDArray[np.bool_],
    metric: Metric,
    tolerance: float,
) -> Identity:
    """Who is in the most pictures, once in each.

    The faces are grouped into people, of whom two are in one picture (``group``). One that fits no
    group is of the nearest whose distance, as in a run, is within the tolerance. Nothing is grown
    from there: a face between two people would bring in all of the other's.

    Args:
        embedding: float32 (N, D).
        picture: int64 (N,), the picture of each face.
        votes: bool (N,), faces that say who it is, at least one; the others only follow.
        metric: how two embeddings are compared.
        tolerance: the largest distance of the same person.
    """
    person = np.full(len(picture), NOBODY, np.int64)
    lone = np.full(int(votes.sum()), UNKNOWN, np.int64)
    person[votes] = group(
        embedding[votes], lone, picture[votes], np.zeros_like(lone), metric, tolerance
    )
    people = _people(person, picture)
    if not people:  # nobody is like another
        people = [{int(picture[row]): int(row)} for row in np.flatnonzero(votes).tolist()[:2]]
    away = np.stack([_away(embedding, picture, each, metric) for each in people])
    nearest = np.where(away.min(axis=0) <= tolerance, away.argmin(axis=0), NOBODY)
    of = np.where(person == NOBODY, nearest, person)
    found = [_chosen(away[number], picture, votes & (of == number)) for number in range(len(away))]
    order = sorted(range(len(found)), key=lambda each: -len(found[each]))
    first = order[0]
    members = found[first] or people[first]
    second = found[order[1]] or people[order[1]] if len(order) > 1 else {}
    return Identity(
        members,
        second if len(second) == len(members) else {},
        _away(embedding, picture, members, metric),
        (of != NOBODY) & (of != first),
    )


def nearest_by_picture(away: FloatArray, picture: IntArray) -> dict[int, int]:
    """The row of each picture's nearest face; the first of equals."""
    found: dict[int, int] = {}
    for row in np.argsort(away, kind="stable").tolist():
        found.setdefault(int(picture[row]), row)
    return dict(sorted(found.items()))


def _people(person: IntArray, picture: IntArray) -> list[dict[int, int]]:
    """A face a picture of each person of a group."""
    return [
        {int(picture[row]): int(row) for row in np.flatnonzero(person == each).tolist()[::-1]}
        for each in range(person.max(initial=NOBODY) + 1)
    ]


def _chosen(away: FloatArray, picture: IntArray, own: NDArray[np.bool_]) -> dict[int, int]:
    """Of the faces of one person the nearest in each picture."""
    rows = np.flatnonzero(own)
    nearest = nearest_by_picture(away[rows], picture[rows])
    return {each: int(rows[row]) for each, row in nearest.items()}


def _away(embedding: FloatArray, picture: IntArray, members: Members, metric: Metric) -> FloatArray:
    """float32 (N,): see Identity.distance."""
    rows, of = np.array(list(members.values())), np.array(list(members))
    each = distances(embedding, embedding[rows], metric)
    each[picture[:, None] == of] = np.inf
    nearest = np.sort(each, axis=1)[:, :NEAREST]
    known = np.isfinite(nearest)
    count = known.sum(axis=1)
    mean = np.where(known, nearest, 0).sum(axis=1) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, np.inf), np.float32)
