"""How probable it is that a piece of a track shows the person asked for.

Two steps. Alone, a piece has its distance from the references and its length. Beside the others of
its video it has more: how near it is to the pieces that are surely the person's, in the same light
and with the same camera, and how near to people who stand in the same frame as these and so are
others. That second step tells look-alikes apart.

The figures were fitted by logistic regression, people and strangers weighted alike (``python -m
bench.fit``), to pieces of tiled and joined clips with truth (bench: company, crowd, tour; 15
people, 1 or 3 references, dlib's recogniser and MobileFaceNet) and, for the first step, to LFW
10x10 and Azure's families, each picture compared with one or three others of everybody.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.people.gallery import distances
from facegrab.people.together import Bools, Together
from facegrab.types import FloatArray, IntArray

Floats = NDArray[np.float64]

PRIOR = 0.1
"""Share of the tracks that are the person's before anything is known of them. With it what is said
to be sure, or sure not to be, is so. Between them, with dlib's recogniser, strangers are commoner
than is said below .3, and rarer above (bench: people, reliability)."""
ALONE = (22.21, -22.02, -0.77)
"""Of the first step: constant, by ``near``, by the logarithm of the length."""
BESIDE = (13.46, -3.09, -8.88, 2.65, -1.81)
"""Of the second: constant, by ``near`` to the references, by ``near`` to the person's other pieces,
by how much nearer these are than the nearest stranger, by the logarithm of the length."""
LONGEST = 8
"""Faces from which on a longer piece says no more."""
SURE = 0.4
"""Logit from which on a piece is taken as the person's to compare others with: 60 %."""
STRANGE = -3.1
"""Logit up to which a piece in a sure one's frame is taken as another person: 4 %."""
SHORTEST = 2
"""Faces that a shorter piece counts as in the second step. The figures were fitted without this: of
single strangers the clips have few, and by them one would be believed too much."""
MIRRORED = 0.75
"""``near`` of two pieces of one frame up to which both may be the person: in a mirror, on a split
screen, found twice. Two people of one frame are at least .93 apart (``group.MIRRORED``)."""
ALIKE = 0.55
"""``near`` of a piece to sure ones, or to the references, to be one of them. Of two pieces of one
person half are within .43; of two look-alikes of the clips the nearest are .48 to .75 apart."""
BY_ITSELF = 0.5
"""``near`` to the references at which a piece is taken as the person's whatever the others are."""
NOTHING_NEAR = 1.2
"""``near`` of the nearest stranger where there is none, or none nearer."""
CLEAREST = 0.6
"""More than this, the difference between the person and a stranger says no more."""
CANDIDATE = 1.3
"""``near`` beyond which the others of the video are not asked."""
CLEAR_SHARPNESS = 60.0
"""Sharpness (variance of the Laplacian) from which on a face is believed wholly: a third of the
company's pieces have less."""
LEAST_BELIEF = 0.6
"""Of the evidence of the poorest face so much counts.

On the clips neither costs or gains anything (Brier .00373 with and without): the nearest third of a
track leaves out poor faces anyhow. It is for the single face that is blurred or in the dark. Belief
by size instead: .00395.
"""
MOST_SURE, MOST_STRANGERS = 300, 1000
"""Pieces compared with, at most: the surest, and the strangers who are most alike."""
_NEAREST = 3
_BLOCK = 1 << 11
_ROUNDS = 2


def near(distance: FloatArray, tolerance: float, metric: Metric) -> FloatArray:
    """Distances in tolerances, so that the figures hold for every recogniser.

    Half the square of the Euclidean distance of two embeddings of length 1 is the cosine distance:
    its root is what compares.
    """
    share = distance / np.float32(tolerance)
    return np.asarray(np.sqrt(share) if metric == "cosine" else share, np.float32)


def logit(share: Floats | float) -> Floats:
    """The logarithm of the odds."""
    kept = np.clip(share, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(kept / (1 - kept)), np.float64)


def sigmoid(value: Floats) -> Floats:
    """The share of a logit."""
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -30, 30))), np.float64)


def belief(sharpness: FloatArray) -> FloatArray:
    """How far a face can be believed, LEAST_BELIEF to 1: float32 (N,).

    Blur, darkness and smallness all take contrast away, and with it sharpness.

    Args:
        sharpness: float32 (N,), of the faces.
    """
    share = np.log1p(np.maximum(sharpness, 0)) / np.log1p(CLEAR_SHARPNESS)
    return np.asarray(share.clip(LEAST_BELIEF, 1), np.float32)


def alone(distance: FloatArray, length: IntArray, believed: FloatArray | None = None) -> Floats:
    """How probable it is by the references only: float64 (P,).

    Args:
        distance: float32 (P,), ``near`` to the references.
        length: int64 (P,), faces.
        believed: float32 (P,), see belief: so much of the evidence counts: a poor face moves
            to the middle, and is neither a sure match nor surely none. None: all of it.
    """
    constant, by_distance, by_length = ALONE
    long = np.log(np.minimum(length, LONGEST))
    value = constant + by_distance * distance + by_length * long + logit(PRIOR)
    return sigmoid(value if believed is None else value * believed)


class Neighbours:
    """The pieces of a video, to compare with each other.

    Args:
        mean: float32 (P, D), the mean embedding of each.
        length: int64 (P,), its faces.
        believed: float32 (P,), how far it can be believed.
        together: which share a frame.
        tolerance: the recogniser's.
        metric: likewise.
    """

    def __init__(
        self,
        mean: FloatArray,
        length: IntArray,
        believed: FloatArray,
        together: Together,
        tolerance: float,
        metric: Metric,
    ) -> None:
        self._mean = mean
        self._length = length
        self._believed = believed
        self._together = together
        self._tolerance = tolerance
        self._metric: Metric = metric

    def probabilities(
        self,
        distance: FloatArray,
        yes: Bools | None = None,
        no: Bools | None = None,
        like: FloatArray | None = None,
    ) -> Floats:
        """How probable it is that each piece is a person's: float64 (P,).

        What a sure piece says of another one counts as much as that one is sure itself.

        Args:
            distance: float32 (P,), ``near`` to the person's references.
            yes: bool (P,), those that surely are: somebody has said so.
            no: bool (P,), those that surely are not; nobody is both, else yes counts.
            like: float32 (P,), ``near`` to the nearest of the first: those that are alike are
                asked about though no reference is near.
        """
        yes = np.zeros(len(distance), np.bool_) if yes is None else yes
        no = np.zeros(len(distance), np.bool_) if no is None else no
        first = alone(distance, self._length, self._believed)
        no = no & ~yes
        first[no], first[yes] = 0, 1
        share = first
        near_enough = (
            distance <= CANDIDATE if like is None else ((distance <= CANDIDATE) | (like <= ALIKE))
        )
        candidates = np.flatnonzero(near_enough & ~yes & ~no)
        for _ in range(_ROUNDS):
            sure = self._sure(share, distance, yes)
            if not len(sure):
                break
            seeded = np.zeros(len(share), np.bool_)
            seeded[sure] = True
            strangers = self._strangers(seeded, share, distance, no)
            share = first.copy()
            for start in range(0, len(candidates), _BLOCK):
                rows = candidates[start : start + _BLOCK]
                share[rows] = self._beside(rows, sure, strangers, first, distance)
            share[sure] = np.maximum(share[sure], first[sure])
        return share

    def _near(self, rows: IntArray, columns: IntArray) -> FloatArray:
        apart = distances(self._mean[rows], self._mean[columns], self._metric)
        return near(apart, self._tolerance, self._metric)

    def _sure(self, share: Floats, distance: FloatArray, yes: Bools) -> IntArray:
        """Pieces that are surely the person's, and alike: int64 (S,), the surest first."""
        order = np.argsort(-share, kind="stable")[:MOST_SURE]
        order = order[logit(share[order]) >= SURE]
        apart = self._near(order, order)
        sure: list[int] = []
        for each in range(len(order)):
            nearest = np.sort(apart[each, sure])[:_NEAREST]
            by_itself = yes[order[each]] or distance[order[each]] <= BY_ITSELF
            if not sure or by_itself or nearest.mean() <= ALIKE:
                sure.append(each)
        return np.asarray(order[sure], np.int64)

    def _strangers(self, sure: Bools, share: Floats, distance: FloatArray, no: Bools) -> IntArray:
        """Pieces that are surely others, most because they stand beside sure ones: int64 (T,)."""
        beside = self._together.touched(sure) & ~sure & (logit(share) < STRANGE)
        strangers = np.flatnonzero(beside | no)
        order = np.argsort(distance[strangers], kind="stable")[:MOST_STRANGERS]
        return np.asarray(strangers[order], np.int64)

    def _beside(
        self,
        rows: IntArray,
        sure: IntArray,
        strangers: IntArray,
        first: Floats,
        distance: FloatArray,
    ) -> Floats:
        """How probable some pieces are, given the sure ones and the strangers."""
        apart = self._near(rows, sure)
        apart[rows[:, None] == sure] = np.inf  # nobody is a witness of himself
        order = np.argsort(apart, axis=1, kind="stable")[:, :_NEAREST]
        taken = np.take_along_axis(apart, order, axis=1)
        known = np.isfinite(taken)
        count = known.sum(axis=1)
        person = np.where(known, taken, 0).sum(axis=1) / np.maximum(count, 1)
        witness = np.where(known, first[sure][order], 0).max(axis=1)
        stranger = self._nearest_stranger(rows, strangers)
        own = distance[rows]
        clear = np.clip(stranger - np.minimum(person, own), -CLEAREST, CLEAREST)
        constant, by_references, by_person, by_clear, by_length = BESIDE
        value = constant + by_references * own + by_person * person + by_clear * clear
        value += by_length * np.log(self._length[rows].clip(SHORTEST, LONGEST)) + logit(PRIOR)
        share = sigmoid(value)
        share = witness * share + (1 - witness) * np.minimum(first[rows], share)
        share *= 1 - self._elsewhere(rows, sure, first)
        return np.where(count > 0, share, first[rows])

    def _elsewhere(self, rows: IntArray, sure: IntArray, first: Floats) -> Floats:
        """How sure it is that the person is somebody else in the same frame: float64 (R,)."""
        beside = self._together.table(rows, sure, len(self._length))
        twice = self._near(rows, sure) <= MIRRORED
        found = np.where(beside & ~twice, first[sure], 0).max(axis=1)
        return np.asarray(found, np.float64)

    def _nearest_stranger(self, rows: IntArray, strangers: IntArray) -> Floats:
        """``near`` to the nearest stranger that does not stand in the same frame: float64 (R,)."""
        nearest = np.full(len(rows), NOTHING_NEAR)
        if len(strangers):
            apart = self._near(rows, strangers)
            table = self._together.table(rows, strangers, len(self._length))
            apart[table | (rows[:, None] == strangers)] = np.inf
            nearest = np.minimum(nearest, apart.min(axis=1))
        return nearest
