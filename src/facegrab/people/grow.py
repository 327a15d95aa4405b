"""Growing: a person's surest faces join the references, for a second decision."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from facegrab.people.gallery import Gallery, distances
from facegrab.people.judge import KEEP, Asked, Verdicts
from facegrab.people.probability import near
from facegrab.types import Faces, FloatArray

SUREST = 0.98
"""Probability of a track whose faces may join."""
FEWEST = 3
"""Faces that such a track has at least, within the tolerance each."""
UNLIKE = 0.35
"""``near`` that a face has from every reference, old and new: one more alike would tell nothing."""
MOST = 10
"""Faces that join, at most."""
MOST_REMEMBERED = 400
"""Faces that are remembered to choose from, the sharpest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sure:
    sharpness: float
    name: str
    embedding: FloatArray


class Growth:
    """Remembers the surest and sharpest face of each track, of each person.

    One wrong face cannot start a drift: what joins has to be sure by the user's own references, is
    as near to them as any face that counts alone, and there is one generation only. At most MOST
    join, all unlike each other.

    Args:
        asked: who is asked for.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._sure: list[list[_Sure]] = [[] for _ in asked.people]

    def take(self, source: str, faces: Faces, verdicts: Verdicts) -> None:
        """Takes faces and what was said of them.

        Args:
            source: name of their video, for the names of the new references.
            faces: of whole tracks.
            verdicts: on them.
        """
        sure = (verdicts.verdict == KEEP) & (verdicts.probability >= SUREST)
        sure &= verdicts.distance <= self._asked.tolerance
        for person, remembered in enumerate(self._sure):
            rows = np.flatnonzero(sure & (verdicts.person == person))
            tracks, first, count = np.unique(
                faces.track[rows], return_inverse=True, return_counts=True
            )
            for number in np.flatnonzero(count >= FEWEST).tolist():
                own = rows[first == number]
                row = int(own[faces.sharpness[own].argmax()])
                name = f"{source}: frame {faces.frame[row]}, track {tracks[number]}"
                remembered.append(
                    _Sure(float(faces.sharpness[row]), name, faces.embedding[row].copy())
                )
            remembered.sort(key=lambda each: (-each.sharpness, each.name))
            del remembered[MOST_REMEMBERED:]

    def grown(self) -> Asked:
        """The same question with the new references."""
        people = tuple(
            replace(person, gallery=self._with(person.gallery, remembered))
            for person, remembered in zip(self._asked.people, self._sure, strict=True)
        )
        return replace(self._asked, people=people)

    def _with(self, gallery: Gallery, remembered: list[_Sure]) -> Gallery:
        """The references and of the sharper half of the faces those that are unlike, one by one."""
        candidates = remembered[: -(-len(remembered) // 2)]
        for _ in range(MOST):
            if not candidates:
                break
            embedding = np.stack([each.embedding for each in candidates])
            apart = distances(embedding, gallery.embedding, gallery.metric).min(axis=1)
            row = int(apart.argmax())
            if near(apart[row : row + 1], self._asked.tolerance, gallery.metric)[0] < UNLIKE:
                break
            name = (candidates.pop(row).name,)
            gallery += replace(gallery, embedding=embedding[row : row + 1], names=name, hashes=())
        return gallery
