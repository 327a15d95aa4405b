"""Verdicts by the tolerance alone, as a user may ask for."""

from __future__ import annotations

import numpy as np

from facegrab.people.asked import Asked
from facegrab.people.decide import decide
from facegrab.people.verdicts import AMBIGUOUS, DROP, KEEP, Verdicts
from facegrab.types import Faces

TOO_CLOSE = 0.05
"""Tolerances between the distances of two people's references that a face cannot be told by."""


def by_tolerance(asked: Asked, faces: Faces) -> Verdicts:
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
