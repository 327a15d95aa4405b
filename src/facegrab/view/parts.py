"""What the pages of a report say, in the form in which the template takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from facegrab.store.found import SourceFound
from facegrab.view import words
from facegrab.view.coverage import Poses
from facegrab.view.facts import Facts
from facegrab.view.pictures import Thumb
from facegrab.view.timeline import ZOOMS, Timeline


@dataclass(frozen=True, slots=True)
class Film:
    """A source as a page names it.

    Attributes:
        found: what became of its faces.
        name: of the file or folder.
        link: to it.
        length: in words; '' where it is not known.
    """

    found: SourceFound
    name: str
    link: str
    length: str


@dataclass(frozen=True, slots=True)
class Track:
    """Extracts of one track.

    Attributes:
        anchor: by which other places link to it; '' where a track goes on.
        head: when it is, how many extracts, which scores.
        thumbs: of the extracts.
    """

    anchor: str
    head: str
    thumbs: Sequence[Thumb]


@dataclass(frozen=True, slots=True)
class Section:
    """Extracts of one person in one source.

    Attributes:
        person: who.
        film: which.
        count: of the extracts.
        tracks: in the order of their times.
    """

    person: str
    film: Film
    count: int
    tracks: Sequence[Track]


@dataclass(frozen=True, slots=True)
class Bar:
    """A span of a lane on a page.

    Attributes:
        left: in percent.
        width: in percent.
        link: to the extracts, or to the time in the source.
        label: when, and how many faces.
    """

    left: float
    width: float
    link: str
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """A lane on a page.

    Attributes:
        name: who, and what became of the faces.
        state: the same for the colours.
        faces: in all.
        bars: in the order of their times.
    """

    name: str
    state: str
    faces: int
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Shown:
    """A timeline on a page.

    Attributes:
        film: whose.
        times: which ticks there are.
        rows: lanes.
    """

    film: Film
    times: Timeline
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Stranger:
    """One who was not accepted, and was near.

    Attributes:
        film: where.
        moment: link to the time.
        time: of the nearest face.
        score: of that.
        faces: of its track.
    """

    film: Film
    moment: str
    time: str
    score: str
    faces: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What only the first page says.

    Attributes:
        sentences: the result in words.
        warnings: of the last run.
        best: copies of the best extracts, where some were picked.
        more_best: how many there are besides.
        timelines: of the sources in which the person is seen.
        others: of those in which only other people are.
        films: all sources.
        scores: chart of the distances, or None.
        probabilities: chart of the probabilities, or None.
        uncertain: extracts that should be looked at.
        strangers: nearest to the person.
        dropped: what was dropped and why.
        sharpness: chart, or None.
        poses: how heads are turned, or None.
        facts: how the result came about.
    """

    sentences: Sequence[str]
    warnings: Sequence[str]
    best: Sequence[Thumb]
    more_best: int
    timelines: Sequence[Shown]
    others: Sequence[Shown]
    films: Sequence[Film]
    scores: Markup | None
    probabilities: Markup | None
    uncertain: Sequence[Thumb]
    strangers: Sequence[Stranger]
    dropped: Sequence[words.Dropped]
    sharpness: Markup | None
    poses: Poses | None
    facts: Facts


@dataclass(frozen=True, slots=True)
class Content:
    """A page.

    Attributes:
        path: where it goes.
        title: of the report.
        number: of the page, from 1.
        links: of all pages.
        extracts: faces with extracts, on all pages.
        sections: extracts on this one.
        overview: on the first one.
        zooms: of the timelines.
    """

    path: Path
    title: str
    number: int
    links: Sequence[str]
    extracts: int
    sections: Sequence[Section]
    overview: Overview | None
    zooms: Sequence[int] = ZOOMS
