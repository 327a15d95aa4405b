"""Verdicts: who some faces are, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facegrab.people.said import UNSAID, Labels
from facegrab.types import FloatArray, IntArray

KEEP, ASK, AMBIGUOUS, DROP = "keep", "ask", "ambiguous", "drop"
"""What becomes of a face: it is a person's; somebody should look; it is one of several people, and
nobody can say which; it is none of theirs."""
NOBODY = -1


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


def overruled(verdicts: Verdicts, labels: Labels) -> Verdicts:
    """What somebody has said, in place of what was found.

    Args:
        verdicts: on N faces.
        labels: what was said of them.
    """
    if not labels.any:
        return verdicts
    names = (*verdicts.names, *(each for each in labels.names if each not in verdicts.names))
    number = np.array([names.index(each) for each in labels.names], np.int64)
    told = labels.person != UNSAID
    person = verdicts.person.copy()
    person[told] = number[labels.person[told]]
    verdict = np.where(told, KEEP, verdicts.verdict).astype("<U9")
    # Where nobody in particular is asked for, whoever is nobody's is called "".
    nobody = names.index("") if "" in names else NOBODY
    found = np.where(verdicts.person == NOBODY, nobody, verdicts.person)
    refused = (labels.refused & (number == found[:, None])).any(axis=1)
    verdict[refused & ~told] = DROP
    likely = np.where(told, 1, np.where(refused, 0, verdicts.probability)).astype(np.float32)
    same = told & (verdicts.person == person)
    return replace(
        verdicts,
        person=person,
        by_track=verdicts.by_track & (same | ~told),
        probability=likely,
        verdict=verdict,
        names=names,
    )
