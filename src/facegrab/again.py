"""Deciding once more, when all sources are seen: references that grow, people who are not known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.people.evidence import Evidence
from facegrab.people.gallery import Gallery
from facegrab.people.group import NOBODY, group, representatives
from facegrab.people.grow import Growth
from facegrab.people.judge import Asked, Judges
from facegrab.people.said import Labels, Said, spread
from facegrab.people.verdicts import KEEP, Verdicts, everybody, overruled
from facegrab.question import Place
from facegrab.types import Faces, FloatArray, IntArray

OTHERS = "others"
"""Folder of faces that are like no other."""
REFERENCES = "references.npz"
"""File in a group's folder by which it can be asked for."""


class Again(Protocol):
    """What a second decision goes by."""

    def take(self, place: Place, faces: Faces, verdicts: Verdicts) -> None:
        """Takes some faces of a source, and what was said of them at first."""

    def judge(self, place: Place) -> Judges:
        """Says who the faces of a source are, now that all sources are known."""

    def save(self, folder: Path) -> None:
        """Writes what is worth keeping besides the extracts."""


class Grown:
    """A person's surest faces join the references.

    Args:
        asked: who is asked for.
        evidence: what somebody has said of the folder's faces.
    """

    def __init__(self, asked: Asked, evidence: Evidence) -> None:
        self._growth = Growth(asked)
        self._asked: Asked | None = None
        self._evidence = evidence

    def take(self, place: Place, faces: Faces, verdicts: Verdicts) -> None:
        """See Again."""
        self._growth.take(place.naming.source, faces, verdicts)

    def judge(self, place: Place) -> Judges:
        """See Again."""
        self._asked = self._asked or self._growth.grown()
        return self._evidence.judge(self._asked, place.content)

    def save(self, folder: Path) -> None:
        """See Again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Of faces what groups need: a row each, embeddings (N, D)."""

    source: IntArray
    frame: IntArray
    track: IntArray
    embedding: FloatArray
    sharpness: FloatArray

    @classmethod
    def concatenate(cls, parts: Sequence[_Part]) -> _Part:
        """All rows of all parts, in order."""
        if not parts:  # nobody in any source
            none = np.empty(0, np.int64)
            return cls(none, none, none, np.empty((0, 0), np.float32), np.empty(0, np.float32))
        return cls(
            **{
                each.name: np.concatenate([getattr(part, each.name) for part in parts])
                for each in fields(cls)
            }
        )


class Grouped:
    """The faces of everybody are sorted into people, the one with the most faces first.

    Args:
        recogniser: key of what described the faces.
        metric: how two are compared.
        tolerance: the largest distance of the same person.
        evidence: what somebody has said of the folder's faces.
    """

    def __init__(
        self, recogniser: str, metric: Metric, tolerance: float, evidence: Evidence
    ) -> None:
        self.evidence = evidence
        self._asked = Asked((), (), tolerance, metric)
        self._recogniser = recogniser
        self._metric: Metric = metric
        self._tolerance = tolerance
        self._parts: list[_Part] = []
        self._all: _Part | None = None
        self._person: IntArray | None = None
        self._labelled: dict[int, _Labelled] = {}

    def take(self, place: Place, faces: Faces, verdicts: Verdicts) -> None:
        """See Again."""
        source = np.full(len(faces), place.row, np.int64)
        self._parts.append(
            _Part(source, faces.frame, faces.track, faces.embedding, faces.sharpness)
        )

    def _every(self) -> _Part:
        """All faces, in the order in which they were taken."""
        if self._all is None:
            self._all = _Part.concatenate(self._parts)
            self._parts.clear()
        return self._all

    def _people(self) -> IntArray:
        if self._person is None:
            each = self._every()
            self._person = group(
                each.embedding, each.track, each.frame, each.source, self._metric, self._tolerance
            )
        return self._person

    def judge(self, place: Place) -> Judges:
        """See Again."""
        people = self._people()
        said = self.evidence.said(self._asked, place.content)
        own = people[self._every().source == place.row]
        labelled = self._labelled[place.row] = _Labelled(own, self._names(), said)
        return labelled

    def save(self, folder: Path) -> None:
        """Writes references of each person into their folder, by which they can be asked for."""
        every, whose = self._every(), self._whose()
        there = set(whose.tolist()) - {"", OTHERS}
        for name in sorted(there):
            rows = np.flatnonzero(whose == name)
            if not (folder / name).is_dir():  # all of them were dropped as blurred
                continue
            best = representatives(
                every.embedding[rows],
                every.track[rows],
                every.source[rows],
                every.sharpness[rows],
                self._metric,
            )
            chosen = rows[best]
            names = tuple(f"{name}#{row}" for row in range(len(chosen)))
            Gallery(
                every.embedding[chosen], names, (), self._recogniser, self._metric
            ).save(folder / name / REFERENCES)  # fmt: skip
        for name in {*self._names()[:-1]} - there:  # all of them have got a name since
            with suppress(OSError):
                (folder / name / REFERENCES).unlink()
                (folder / name).rmdir()

    def _whose(self) -> NDArray[np.object_]:
        """Of each face the name of its person, "" where somebody has said that it is not theirs."""
        whose = np.array(self._names(), np.object_)[self._people()]
        for row, labelled in self._labelled.items():
            whose[self._every().source == row] = labelled.whose()
        return whose

    def _names(self) -> tuple[str, ...]:
        """Of the people by number, and at the end of those who fit nobody."""
        count = int(self._people().max(initial=NOBODY)) + 1
        digits = len(str(count))
        return (*(f"person-{number + 1:0{digits}}" for number in range(count)), OTHERS)


class _Labelled:
    """Verdicts that were settled beforehand, face by face."""

    def __init__(self, person: IntArray, names: tuple[str, ...], said: Said | None) -> None:
        self._person = person
        self._said = said
        self._labels: list[Labels] = []
        self._names = names
        self._seen: list[int] = []

    def see(self, faces: Faces) -> None:
        """Takes faces in order."""
        self._seen.append(len(faces))
        none = Labels.none(len(faces))
        self._labels.append(none if self._said is None else self._said.of(faces))

    def verdicts(self) -> list[Verdicts]:
        """As they were settled."""
        spread(self._labels)
        ends = np.cumsum(self._seen)
        found = [self._of(part) for part in np.split(self._person, ends)[: len(ends)]]
        return [overruled(*each) for each in zip(found, self._labels, strict=True)]

    def labels(self) -> list[Labels]:
        """What was said of the faces, in the same parts; after ``verdicts``."""
        return self._labels

    def whose(self) -> list[str]:
        """Of each face that was seen the name of its person, "" where it is not to be kept."""
        return [
            each.name(row) if each.verdict[row] == KEEP else ""
            for each in self.verdicts()
            for row in range(len(each.verdict))
        ]

    def _of(self, person: IntArray) -> Verdicts:
        nobody = everybody(len(person))
        who = np.where(person == NOBODY, len(self._names) - 1, person)
        return Verdicts(
            who,
            nobody.distance,
            nobody.references_within,
            nobody.by_track,
            nobody.probability,
            np.full(len(person), KEEP, "<U9"),
            self._names,
        )
