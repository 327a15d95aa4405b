"""What an extract is worth as a picture of its person: each of several qualities, 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray, IntArray
from facegrab.vision.portrait import OVAL

Floats = NDArray[np.floating]

FLOOR = 0.05
"""No quality is less: one that is wrongly bad shall not hide all the others."""

# All of these were set by eye, on sheets of extracts: of signers, of a concert, and of the company
# of the bench, which is blurred and dark by times.
CLARITIES = (0.06, 0.6)
"""Blurred beyond use, and as sharp as any; of the variance of the Laplacian in parts of that of the
face at 48 px. In between its logarithm counts."""
SIZES_PX = (24.0, 256.0)
"""Too small for anything, and large enough for everything; in between the logarithm counts."""
BRIGHTNESSES = (30.0, 80.0, 200.0, 240.0)
"""Of the mean luma: as good as black, dark, bright, as good as white. Wide, for faces are not
equally bright."""
CONTRASTS = (6.0, 18.0)
CLIPPED = 0.3
"""Share of black or white pixels that leaves nothing."""
FAMILIAR = (0.6, 1.1)
"""Distance from the person's mean in the source, in tolerances: nothing unusual, and hardly the
person to be seen."""
SPOTS = (0.03, 0.1)
"""Share of the face that is unlike similarly turned ones: a smile, and a hand before the mouth."""
_SPOT_DEVIATIONS = 3.0
_LEAST_DEVIATION = 0.25
"""Of a thumb's brightness, whose deviation over the face is 1."""
NEIGHBOURS = 32
"""Similarly turned faces that one is compared with."""
LEAST_NEIGHBOURS = 8
NEAR_DEGREES = 15.0
"""Two heads, turned less apart, show the same."""
FAR_DEGREES, BY_TURN = 35.0, 0.3
"""Where too few are so near, those within this are compared; up to that share of the face is then
put down to the turn: of 149 faces of one man, beside his own 15 to 35 degrees away, .32 at most.
Half-covered ones had .51 and .68, but one .2, which is missed."""

WEIGHTS = {"clear": 1.0, "large": 0.7, "lit": 1.0, "free": 1.5, "inside": 1.0}
"""Set by eye, on sheets of what was picked."""


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """Qualities of N extracts, each float32 (N,), FLOOR to 1.

    Attributes:
        clear: not blurred, whatever the size.
        large: in pixels of the source.
        lit: neither black nor white, with contrast.
        free: nothing is before the face, as far as that can be told.
        inside: the frame shows all of the face.
    """

    clear: FloatArray
    large: FloatArray
    lit: FloatArray
    free: FloatArray
    inside: FloatArray

    @property
    def least(self) -> FloatArray:
        """float32 (N,), the worst of them."""
        return np.asarray(np.min([getattr(self, name) for name in WEIGHTS], axis=0), np.float32)

    @property
    def total(self) -> FloatArray:
        """float32 (N,), their weighted geometric mean: none makes up for another."""
        logarithms = [w * np.log(getattr(self, name)) for name, w in WEIGHTS.items()]
        return np.asarray(np.exp(np.sum(logarithms, axis=0) / sum(WEIGHTS.values())), np.float32)


def clear(clarity: Floats) -> FloatArray:
    """See Worth; of Portrait.clarity (N,)."""
    return _rising(np.log(np.maximum(clarity, 1e-6)), *np.log(CLARITIES))


def large(size_px: Floats) -> FloatArray:
    """See Worth; of the face's side in pixels of the source (N,)."""
    return _rising(np.log(np.maximum(size_px, 1)), *np.log(SIZES_PX))


def lit(brightness: Floats, contrast: Floats, clipped: Floats) -> FloatArray:
    """See Worth; of Portrait's, each (N,)."""
    black, dark, bright, white = BRIGHTNESSES
    mean = np.minimum(_rising(brightness, black, dark), _rising(-brightness, -white, -bright))
    good = mean * _rising(contrast, *CONTRASTS) * _rising(-clipped, -CLIPPED, 0)
    return np.asarray(np.maximum(good, FLOOR), np.float32)


def inside(box: Floats, width: Floats, height: Floats) -> FloatArray:
    """See Worth.

    Args:
        box: (N, 4), x0 y0 x1 y1.
        width: (N,), of the frame in pixels; NaN where unknown.
        height: (N,), likewise.
    """
    x0, y0, x1, y1 = np.asarray(box, np.float64).T
    whole = np.maximum((x1 - x0 + 1) * (y1 - y0 + 1), 1)
    seen_x = np.fmin(x1 + 1, width) - np.maximum(x0, 0)
    seen_y = np.fmin(y1 + 1, height) - np.maximum(y0, 0)
    share = np.maximum(seen_x, 0) * np.maximum(seen_y, 0) / whole
    return _rising(share, 0.6, 1.0)


def free(away: Floats, spots: Floats) -> FloatArray:
    """See Worth.

    Args:
        away: (N,), see ``unfamiliar``.
        spots: (N,), see ``spots``.
    """
    good = _rising(-away, -FAMILIAR[1], -FAMILIAR[0]) * _rising(-spots, -SPOTS[1], -SPOTS[0])
    return np.asarray(np.maximum(good, FLOOR), np.float32)


def unfamiliar(vector: FloatArray, source: IntArray) -> FloatArray:
    """How far faces are from the person's mean in their source, in tolerances: float32 (N,).

    What covers a face moves its embedding.

    Args:
        vector: float32 (N, D), embeddings of which 1 apart is the tolerance.
        source: (N,), number of the source.
    """
    away = np.zeros(len(vector), np.float32)
    for each in np.unique(source):
        rows = np.flatnonzero(source == each)
        # The median is not moved by a hand in a third of the faces.
        middle = np.median(vector[rows], axis=0)
        away[rows] = np.linalg.norm(vector[rows] - middle, axis=1)
    return away


def spots(thumb: FloatArray, yaw: FloatArray, pitch: FloatArray, source: IntArray) -> FloatArray:
    """Share of a face that is unlike similarly turned ones of the person: float32 (N,).

    Less what is usual in its source, whose light may be another. 0 where there are too few to tell.

    Args:
        thumb: float32 (N, S, S), see Portrait.
        yaw: (N,), in degrees; NaN where unknown.
        pitch: (N,), likewise.
        source: (N,), number of the source.
    """
    share = np.zeros(len(thumb), np.float32)
    oval = thumb[:, OVAL]
    turn = np.stack([yaw, pitch], axis=1)
    for row in range(len(thumb)):
        apart = np.hypot(*(turn - turn[row]).T)  # NaN is near to nothing
        apart[row] = np.inf
        for degrees, by_turn in ((NEAR_DEGREES, 0.0), (FAR_DEGREES, BY_TURN)):
            near = np.flatnonzero(apart <= degrees)
            if len(near) >= LEAST_NEIGHBOURS:
                # Evenly over all: those beside it in time have the same hand before them.
                step = np.linspace(0, len(near) - 1, min(NEIGHBOURS, len(near))).astype(int)
                share[row] = max(_unlike(oval[row], oval[near[step]]) - by_turn, 0)
                break
    for each in np.unique(source):
        rows = source == each
        share[rows] = np.maximum(share[rows] - np.median(share[rows]), 0)
    return share


def _unlike(face: FloatArray, others: FloatArray) -> float:
    """Share of a face's places that are unlike those of others: (P,) and (K, P)."""
    usual = np.median(others, axis=0)
    # Of a normal distribution the deviation is 1.4826 times the median of the distances.
    spread = 1.4826 * np.median(np.abs(others - usual), axis=0)
    limit = _SPOT_DEVIATIONS * np.maximum(spread, _LEAST_DEVIATION)
    return float((np.abs(face - usual) > limit).mean())


def _rising(value: Floats, worst: float, best: float) -> FloatArray:
    """FLOOR at the worst value and below, 1 at the best and above."""
    share = (np.asarray(value, np.float64) - worst) / (best - worst)
    return np.asarray(np.clip(share, FLOOR, 1), np.float32)
