"""What the distances of labelled pairs of faces say: rates, accuracy, tolerances. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegrab.types import FloatArray

FALSE_ACCEPT_RATES = (0.01, 0.001)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Distances of all pairs of pictures.

    A pair with a picture in which no face was found has an infinite distance: it is never
    accepted, as in NIST's tests of face recognition (FRTE 1:1, failure to make a template).

    Attributes:
        same: float32 (S,), rising: pairs of one person.
        different: float32 (D,), rising: pairs of two people.
    """

    same: FloatArray
    different: FloatArray

    def rates(self, tolerance: float) -> tuple[float, float]:
        """True accept rate and false accept rate: the shares of pairs up to a tolerance."""
        least = np.float32(tolerance)
        return (
            float(np.searchsorted(self.same, least, "right")) / len(self.same),
            float(np.searchsorted(self.different, least, "right")) / len(self.different),
        )

    def tolerance_at(self, false_accept_rate: float) -> float | None:
        """The largest tolerance that accepts no larger share of the pairs of two people.

        Returns:
            None where there are too few such pairs for even one to be accepted. No more than the
            largest distance there is.
        """
        allowed = int(false_accept_rate * len(self.different) + 1e-9)
        finite = [each[np.isfinite(each)][-1:] for each in (self.same, self.different)]
        if allowed < 1 or not sum(map(len, finite)):
            return None
        largest = float(np.concatenate(finite).max())
        if allowed >= len(self.different):
            return largest
        # Just below the first stranger too many.
        return min(float(np.nextafter(self.different[allowed], np.float32(0))), largest)

    def accuracy(self) -> tuple[float, float]:
        """The best share of pairs judged rightly, and the tolerance it is reached at.

        Pairs of one person and of two weigh alike in all, as in the protocol of LFW: else a net
        that takes everybody for a stranger would be right in most pairs. The tolerance is chosen
        on the very pairs it is tested on, so the figure is a little too good.
        """
        steps, true, false = self._steps()
        right = (true + 1 - false) / 2
        best = int(right.argmax())
        return float(right[best]), float(steps[best])

    def equal_error_rate(self) -> float:
        """The least value of the larger one of both shares of errors."""
        _, true, false = self._steps()
        return float(np.maximum(1 - true, false).min())

    def curve(self, points: int = 300) -> NDArray[np.float64]:
        """The receiver operating characteristic from one false accept on.

        Returns:
            (P, 2), rising: false accept rate, evenly spaced on a logarithmic scale, and the
            largest true accept rate without more false accepts than that.
        """
        count = len(self.different)
        allowed = np.unique(np.geomspace(1, count, points).round().astype(np.int64))
        first_too_many = np.append(self.different, np.float32(np.inf))[allowed]
        true = np.searchsorted(self.same, first_too_many, "left") / len(self.same)
        return np.stack([allowed / count, true], axis=1)

    def _steps(self) -> tuple[FloatArray, NDArray[np.float64], NDArray[np.float64]]:
        """Tolerances at which the true accept rate steps up, and both rates there."""
        finite = self.same[np.isfinite(self.same)]
        steps = np.unique(np.append(finite, np.float32(0)))
        true = np.searchsorted(self.same, steps, "right") / len(self.same)
        false = np.searchsorted(self.different, steps, "right") / len(self.different)
        return steps, true, false


@dataclass(frozen=True, slots=True)
class At:
    """What happens at one tolerance.

    Attributes:
        tolerance: a distance.
        true_accept_rate: share of the pairs of one person up to it.
        false_accept_rate: share of the pairs of two people up to it.
    """

    tolerance: float
    true_accept_rate: float
    false_accept_rate: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What pairs say about models; for the meaning of each see Pairs.

    Attributes:
        same_pairs: of one person.
        different_pairs: of two people.
        accuracy: at the best tolerance.
        best_tolerance: for that.
        equal_error_rate: where both kinds of errors are as frequent.
        used: at the tolerance that a run would have.
        at_rate: by false accept rate; None where there are too few pairs.
    """

    same_pairs: int
    different_pairs: int
    accuracy: float
    best_tolerance: float
    equal_error_rate: float
    used: At
    at_rate: dict[float, At | None]


def figures(pairs: Pairs, tolerance: float) -> Figures:
    """What pairs say at a tolerance and at others that would be better.

    Args:
        pairs: at least one of each kind.
        tolerance: a run's.
    """

    def at(value: float | None) -> At | None:
        return None if value is None else At(value, *pairs.rates(value))

    accuracy, best = pairs.accuracy()
    return Figures(
        len(pairs.same),
        len(pairs.different),
        accuracy,
        best,
        pairs.equal_error_rate(),
        At(tolerance, *pairs.rates(tolerance)),
        {rate: at(pairs.tolerance_at(rate)) for rate in FALSE_ACCEPT_RATES},
    )
