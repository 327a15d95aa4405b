"""Who is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from facegrab.models.specs import Metric
from facegrab.people.gallery import Gallery
from facegrab.types import FloatArray


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is looked for.

    Attributes:
        name: "" where only one person is.
        gallery: references, at least one.
        further: faces of other sources that somebody has said are this person's: who is nearer to
            them is as near as that. None: there are no such faces.
        never: float32 (K, D), faces of which somebody has said that they are not.
    """

    name: str
    gallery: Gallery
    further: Gallery | None = None
    never: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked for.

    Attributes:
        people: none: everybody.
        others: people it is not.
        tolerance: the largest distance of the same person.
        metric: of the distances.
        by_tolerance: it alone decides, as the user asked for; else probabilities do.
        per_frame: each face is decided about by itself, whatever its track says.
    """

    people: tuple[Person, ...]
    others: tuple[Gallery, ...]
    tolerance: float
    metric: Metric
    by_tolerance: bool = False
    per_frame: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the people."""
        return tuple(each.name for each in self.people)

    @property
    def galleries(self) -> tuple[Gallery, ...]:
        """Of the people, then of those it is not."""
        return (*(each.gallery for each in self.people), *self.others)
