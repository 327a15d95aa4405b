"""The best of many pictures of a person: good ones, unlike each other, of all that there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray, IntArray

SAME_BITS = 8
"""Pictures of which no more bits of the fingerprint differ and that are within SAME_TOLERANCES are
one: of three signers, 46 to 73 % of the pairs within half a second."""
SAME_TOLERANCES = 0.45
UNLIKE_TOLERANCES = 0.8
"""Embeddings so far apart in tolerances are as unlike as can be asked of one person."""
UNLIKE_DEGREES = 30.0
UNLIKE_BITS = 24.0
YAW_DEGREES, PITCH_DEGREES = 15.0, 12.0
"""Of a bin of turns that picks are spread over."""

_WORTH_POWER, _NEW_POWER = 3.0, 2.0
"""How much what a picture is worth counts, and how new it is: with the second at 1, twelve of the
company's blurred and dark faces are no less alike than at random."""
_LEAST_NEW = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures of one person, a row each.

    Attributes:
        worth: float32 (N,), 0 to 1; 0 of those that are not to be chosen.
        vector: float32 (N, D), embeddings of which 1 apart is the tolerance.
        fingerprint: bool (N, B), see Portrait.
        yaw: float32 (N,), in degrees; NaN where unknown.
        pitch: float32 (N,), likewise.
        source: int64 (N,).
        shot: int64 (N,), of the source.
    """

    worth: FloatArray
    vector: FloatArray
    fingerprint: NDArray[np.bool_]
    yaw: FloatArray
    pitch: FloatArray
    source: IntArray
    shot: IntArray

    def __len__(self) -> int:
        return len(self.worth)


def choose(pictures: Pictures, count: int) -> IntArray:
    """The rows of the best, the first one first; fewer where no more are good and unlike.

    One after the other, that one is taken which is worth most, is most unlike those taken already,
    and is of sources, shots and turns of which few are.

    Args:
        pictures: to choose from.
        count: how many at most.
    """
    left = pictures.worth > 0
    new = np.ones(len(pictures), np.float64)
    spread = [_Spread(each, count) for each in _kinds(pictures)]
    worth = pictures.worth.astype(np.float64) ** _WORTH_POWER
    chosen: list[int] = []
    while len(chosen) < count and left.any():
        score = np.where(left, worth * np.maximum(new, _LEAST_NEW) ** _NEW_POWER, -1)
        for each in spread:
            score *= each.share()
        row = int(score.argmax())
        chosen.append(row)
        left[row] = False
        for each in spread:
            each.take(row)
        apart = np.linalg.norm(pictures.vector - pictures.vector[row], axis=1)
        bits = (pictures.fingerprint != pictures.fingerprint[row]).sum(axis=1)
        left &= (apart > SAME_TOLERANCES) | (bits > SAME_BITS)
        new = np.minimum(new, unlike(apart, bits, _turned(pictures, row)))
    return np.array(chosen, np.int64)


def unlike(
    apart: NDArray[np.floating], bits: NDArray[np.integer], degrees: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How unlike pictures are, float64 (N,), 0 to 1.

    Args:
        apart: (N,), embeddings' distance in tolerances.
        bits: (N,), of the fingerprint that differ.
        degrees: (N,), between their turns.
    """
    parts = (apart / UNLIKE_TOLERANCES, bits / UNLIKE_BITS, degrees / UNLIKE_DEGREES)
    square = np.sum([np.clip(each, 0, 1) ** 2 for each in parts], axis=0) / len(parts)
    return np.asarray(np.sqrt(square), np.float64)


def _turned(pictures: Pictures, row: int) -> NDArray[np.float64]:
    """Degrees from a picture's turn; 0 where one is unknown."""
    yaw, pitch = pictures.yaw - pictures.yaw[row], pictures.pitch - pictures.pitch[row]
    return np.asarray(np.nan_to_num(np.hypot(yaw, pitch)), np.float64)


def turn_bins(yaw: FloatArray, pitch: FloatArray) -> IntArray:
    """Numbers of the bins of turns, int64 (N,); -1 where it is unknown."""
    known = np.isfinite(yaw) & np.isfinite(pitch)
    column = np.floor(np.where(known, yaw, 0) / YAW_DEGREES + 0.5)
    row = np.floor(np.where(known, pitch, 0) / PITCH_DEGREES + 0.5)
    return np.where(known, (row + 100) * 1000 + column + 100, -1).astype(np.int64)


def _kinds(pictures: Pictures) -> tuple[IntArray, IntArray, IntArray]:
    """What picks are spread over: each (N,), numbers from 0."""
    shots = np.stack([pictures.source, pictures.shot], axis=1)
    return (
        np.unique(pictures.source, return_inverse=True)[1].reshape(-1),
        np.unique(shots, axis=0, return_inverse=True)[1].reshape(-1),
        np.unique(turn_bins(pictures.yaw, pictures.pitch), return_inverse=True)[1].reshape(-1),
    )


class _Spread:
    """Spreads picks over kinds of pictures.

    Args:
        kind: (N,), numbers from 0.
        count: of the picks.
    """

    def __init__(self, kind: IntArray, count: int) -> None:
        kinds = int(kind.max(initial=0)) + 1
        self._kind = kind
        self._taken = np.zeros(kinds, np.int64)
        self._fair = max(count / kinds, 1)

    def share(self) -> NDArray[np.float64]:
        """What each picture counts, float64 (N,): less, the more of its kind are taken."""
        shares: NDArray[np.float64] = 1 / (1 + self._taken / self._fair)
        return shares[self._kind]

    def take(self, row: int) -> None:
        self._taken[self._kind[row]] += 1
