"""Which tracks come near to somebody who is asked for, as far as they have been seen."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from facegrab.people.decide import PART, track_limit
from facegrab.types import UNKNOWN, FloatArray, IntArray

REMEMBERED = 300
"""Faces of a track, the last ones: ten seconds where every frame is looked at."""
MOST_TRACKS = 256
"""The last ones too: others have ended long ago."""


class Promise:
    """Sees faces as they come.

    Args:
        tolerance: the largest distance of the same person.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._seen: dict[int, deque[float]] = {}

    def of(self, track: IntArray, distance: FloatArray) -> NDArray[np.bool_]:
        """Whether the track of each face is the person's, as ``decide`` would say by now.

        Args:
            track: int64 (N,); a face of no known track speaks for itself.
            distance: float32 (N,), from the references.

        Returns:
            bool (N,).
        """
        found = distance <= self._tolerance
        for number in set(track.tolist()) - {UNKNOWN}:
            rows = track == number
            seen = self._seen.setdefault(number, deque(maxlen=REMEMBERED))
            seen.extend(distance[rows].tolist())
            nearest = sorted(seen)[: -(-len(seen) // PART)]
            limit = track_limit(len(seen), self._tolerance)
            found[rows] = sum(nearest) / len(nearest) <= limit
        while len(self._seen) > MOST_TRACKS:
            del self._seen[min(self._seen)]
        return found
