"""Evidence: what somebody has said of a folder's faces, as a judge takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facegrab.people.decide import compared
from facegrab.people.gallery import Gallery, distances
from facegrab.people.judge import Asked, Compare, Judge, Person
from facegrab.people.probability import near
from facegrab.people.said import Said
from facegrab.store.reviews import IS, IS_NOT, Part, Review, in_effect
from facegrab.types import FloatArray

UNLIKE = 0.35
"""``near`` that a face has from every reference to join them: one more alike would tell nothing."""
MOST = 10
"""Faces that join a person's references, at most; see grow.MOST."""


@dataclass(frozen=True, slots=True, eq=False)
class _Example:
    """Faces of one part of which the same is still said."""

    said: str
    person: str
    part: Part


class Evidence:
    """What was said, for all sources of a folder.

    Args:
        reviews: all of it, in order.
        recogniser: key of what describes the faces; what another one said of faces is not compared.
        compare: see Judge.
    """

    def __init__(
        self,
        reviews: Sequence[Review] = (),
        recogniser: str = "",
        compare: Compare = compared,
    ) -> None:
        self._compare = compare
        self._reviews = tuple(reviews)
        self._contents = {part.content for each in self._reviews for part in each.parts}
        self._examples = [
            each
            for each in _still_said(self._reviews)
            if each.part.recogniser == recogniser and len(each.part.embedding)
        ]
        refused = dict.fromkeys(each.person for each in self._examples if each.said == IS_NOT)
        self._never = {
            name: np.concatenate([each.part.embedding for each in self._of(IS_NOT, name)])
            for name in refused
        }
        self._asked: dict[str, tuple[Asked, Asked]] = {}

    @property
    def in_effect(self) -> str:
        """Names what was said, see reviews.in_effect."""
        return in_effect([each.row for each in self._reviews])

    def judge(self, asked: Asked, content: str) -> Judge:
        """Says who the faces of a source are, by all that was said.

        Args:
            asked: who is asked for by pictures.
            content: what the source is known by.
        """
        asked = self.asked(asked, content)
        return Judge(asked, self.said(asked, content), self._compare)

    def said(self, asked: Asked, content: str) -> Said | None:
        """What was said of a source's faces; None: nothing.

        Args:
            asked: as ``asked`` gives it: of nobody else anything is known.
            content: what the source is known by.
        """
        if content not in self._contents:
            return None
        names = asked.names
        if not asked.people:
            names = tuple(dict.fromkeys(e.person for e in self._reviews if e.said in (IS, IS_NOT)))
        return Said(content, self._reviews, names)

    def asked(self, asked: Asked, content: str) -> Asked:
        """Who is asked for in a source, with what is known of them from what was said.

        A face of the source itself joins no references: nearness within a film says less than
        nearness to a picture of another day, and a judge has these faces as witnesses. Only of
        somebody who has no other references it is all there is.

        Args:
            asked: who is asked for by pictures; of everybody nobody is asked for in particular.
            content: what the source is known by.
        """
        if not self._examples or not asked.people:
            return asked
        before, found = self._asked.get(content, (None, asked))
        if before is not asked:
            found = self._with_examples(asked, content)
            self._asked[content] = asked, found
        return found

    def _with_examples(self, asked: Asked, content: str) -> Asked:
        people = [self._known(each, asked, content) for each in asked.people]
        new = dict.fromkeys(each.person for each in self._examples if each.said == IS)
        people += [self._new(name, asked) for name in new if name not in asked.names]
        return replace(asked, people=tuple(people))

    def _known(self, person: Person, asked: Asked, content: str) -> Person:
        elsewhere = [
            each.part.embedding
            for each in self._of(IS, person.name)
            if each.part.content != content
        ]
        further = _unlike(person.gallery, elsewhere, asked.tolerance)
        return replace(person, further=further, never=self._never.get(person.name))

    def _new(self, name: str, asked: Asked) -> Person:
        first, *rest = (each.part.embedding for each in self._of(IS, name))
        gallery = Gallery(
            first, (name,) * len(first), (), self._of(IS, name)[0].part.recogniser, asked.metric
        )
        more = _unlike(gallery, rest, asked.tolerance)
        return Person(name, gallery + more if more else gallery, never=self._never.get(name))

    def _of(self, said: str, person: str) -> list[_Example]:
        return [each for each in self._examples if (each.said, each.person) == (said, person)]


def _unlike(gallery: Gallery, faces: Sequence[FloatArray], tolerance: float) -> Gallery | None:
    """Of some faces those that are unlike the references and each other, the first ones first.

    None: no face is.
    """
    if not faces:
        return None
    every = np.concatenate(faces)

    def apart_from(references: FloatArray) -> FloatArray:
        nearest = distances(every, references, gallery.metric).min(axis=1)
        return near(nearest, tolerance, gallery.metric)

    apart, rows = apart_from(gallery.embedding), list[int]()
    while len(rows) < MOST and (apart >= UNLIKE).any():
        rows.append(int((apart >= UNLIKE).argmax()))
        apart = np.minimum(apart, apart_from(every[rows[-1:]]))
    if not rows:
        return None
    return replace(gallery, embedding=every[rows], names=("said",) * len(rows), hashes=())


def _still_said(reviews: Sequence[Review]) -> Iterator[_Example]:
    """Parts of which most faces still are, or are not, whose it was said that they are."""
    whose: dict[tuple[str, int, bytes], tuple[str | None, frozenset[str]]] = {}
    nothing: tuple[None, frozenset[str]] = (None, frozenset())
    for review in reviews:
        if review.said not in (IS, IS_NOT):
            continue
        for key in (key for part in review.parts for key in _keys(part)):
            person, others = whose.get(key, nothing)
            if review.said == IS:
                whose[key] = review.person, frozenset()
            else:
                rest = None if person == review.person else person
                whose[key] = rest, others | {review.person}
    for review in reviews:
        for part in review.parts if review.said in (IS, IS_NOT) else ():
            found = [whose[key] for key in _keys(part)]
            so = [
                person == review.person if review.said == IS else review.person in others
                for person, others in found
            ]
            if 2 * sum(so) > len(so):
                yield _Example(review.said, review.person, part)


def _keys(part: Part) -> Iterator[tuple[str, int, bytes]]:
    for ticks, box in zip(part.ticks.tolist(), part.box, strict=True):
        yield part.content, ticks, box.tobytes()
