"""Fills the pages of a report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from facegrab.address import located
from facegrab.store.findings import Findings
from facegrab.store.found import Appearance, FaceFound, SourceFound
from facegrab.store.picked import copies
from facegrab.view import words
from facegrab.view.coverage import (
    HEADS,
    SCORE_BIN,
    poses,
    probability_chart,
    score_chart,
    sharpness_chart,
)
from facegrab.view.facts import facts
from facegrab.view.links import clock, link
from facegrab.view.pages import PER_PAGE, Block, Key, anchors, page_of, paged
from facegrab.view.parts import Bar, Content, Film, Overview, Row, Section, Shown, Stranger, Track
from facegrab.view.pictures import Pictures, Thumb, in_words, place_of, score_of
from facegrab.view.timeline import Lane, Span, Timeline, timeline
from facegrab.view.told import Told

MOST_STRANGERS = 24
MOST_UNCERTAIN = 24
MOST_BEST = 60


def contents(
    findings: Findings, folder: Path, target: Path, told: Told, *, embed: bool
) -> Iterator[Content]:
    """The pages of a report, one at a time: all would be large.

    Args:
        findings: of the folder.
        folder: that a run wrote.
        target: path of the first page.
        told: by the last run.
        embed: all on one page, with copies of the extracts.
    """
    return _Maker(findings, folder, target, told, embed=embed).pages()


class _Maker:
    def __init__(
        self, findings: Findings, folder: Path, target: Path, told: Told, *, embed: bool
    ) -> None:
        self._findings, self._told = findings, told
        self._folder = folder
        self._sources = findings.sources()
        self._target = target
        here = Path(os.path.realpath(target.parent))
        by_row = {each.row: each for each in self._sources}
        self._pictures = Pictures(Path(os.path.realpath(folder)), here, by_row, embed=embed)
        self._films = {each.row: _film(each, here) for each in self._sources}
        self._extracts = findings.extracts()
        rows = frozenset(each.row for each in self._sources if each.pictures)
        self._pages = paged(self._extracts, rows, None if embed else PER_PAGE)
        self._anchors = anchors(self._pages)
        self._page_of = page_of(self._pages)
        self._paths = [_page(target, number) for number in range(len(self._pages))]
        self._links = [link(here / each.name, here) for each in self._paths]

    def pages(self) -> Iterator[Content]:
        everybody = self._findings.settings.get("references") == "*"
        people = {each.person for each in self._extracts if each.state == "kept"}
        title = words.title(self._sources, people, everybody=everybody)
        for number, groups in enumerate(self._pages):
            yield Content(
                path=self._paths[number],
                title=title,
                number=number + 1,
                links=self._links,
                extracts=len(self._extracts),
                sections=[
                    Section(
                        words.who(group.person),
                        self._films[group.source],
                        group.count,
                        [self._track(block) for block in group.blocks],
                    )
                    for group in groups
                ],
                overview=None if number else self._overview(),
            )

    def _overview(self) -> Overview:
        findings, settings = self._findings, self._findings.settings
        appearances: dict[int, list[Appearance]] = {each.row: [] for each in self._sources}
        for each in findings.appearances():
            appearances[each.source].append(each)
        timelines = [timeline(each, appearances[each.row]) for each in self._sources]
        uncertain = sum(each.by_track or each.state == "ask" for each in self._extracts)
        compared = (each for each in self._extracts if score_of(each))
        least_certain = sorted(compared, key=_least_certain)
        best = self._best()
        said = words.sentences(self._sources, timelines, settings, self._told, uncertain)
        return Overview(
            sentences=said,
            warnings=[*self._told.failed, *self._told.warnings],
            best=[self._alone(each) for each in best[:MOST_BEST]],
            more_best=max(len(best) - MOST_BEST, 0),
            timelines=[self._shown(each) for each in timelines if _has_person(each)],
            others=[
                self._shown(each) for each in timelines if each.lanes and not _has_person(each)
            ],
            films=list(self._films.values()),
            scores=score_chart(findings.scores(SCORE_BIN), settings),
            probabilities=probability_chart(findings.scores(SCORE_BIN, of="probability"), settings),
            uncertain=[self._alone(each) for each in least_certain[:MOST_UNCERTAIN]],
            strangers=[self._stranger(each) for each in findings.strangers(MOST_STRANGERS)],
            dropped=words.dropped(self._sources),
            sharpness=sharpness_chart(findings.sharpness(), settings),
            poses=poses(HEADS(each)[:2] for each in findings.points5()),
            facts=facts(settings, self._told),
        )

    def _best(self) -> list[FaceFound]:
        """The extracts that were picked, as their copies; the best first."""
        by_file = {each.file: each for each in self._extracts}
        return [
            replace(by_file[extract], file=copy, extracts=1)
            for copy, extract in copies(self._folder).items()
            if extract in by_file
        ]

    def _thumb(self, face: FaceFound) -> Thumb:
        return self._pictures.thumb(face, words.who(face.person))

    def _alone(self, face: FaceFound) -> Thumb:
        """One that does not stand among those of its person and source: it says so itself."""
        several = self._films[face.source].name if len(self._films) > 1 else ""
        thumb = self._thumb(face)
        notes = ", ".join(each for each in (face.person, several, thumb.notes) if each)
        return replace(thumb, notes=notes)

    def _track(self, block: Block) -> Track:
        faces = block.faces
        head = [words.number(len(faces), "extract")]
        if block.track >= 0:
            first, last = clock(faces[0].seconds), clock(faces[-1].seconds)
            head.insert(0, first if first == last else f"{first} to {last}")
        scores = sorted(faces, key=_least_certain)
        if score_of(faces[0]):
            best, worst = in_words(scores[-1]), in_words(scores[0]).split(" ", 1)[1]
            head.append(best if best.endswith(f" {worst}") else f"{best} to {worst}")
        if not block.begins:
            head.append("continued")
        anchor = self._anchors[block.key] if block.begins else ""
        return Track(anchor, ", ".join(head), [self._thumb(each) for each in faces])

    def _shown(self, times: Timeline) -> Shown:
        rows = [
            Row(
                _lane_name(lane),
                lane.state,
                lane.faces,
                [self._bar(times, lane, span) for span in lane.spans],
            )
            for lane in times.lanes
        ]
        return Shown(self._films[times.source.row], times, rows)

    def _bar(self, times: Timeline, lane: Lane, span: Span) -> Bar:
        source = times.source
        key: Key = lane.person, source.row, -1 if source.pictures else span.track
        faces = words.number(span.faces, "face")
        if source.pictures:
            label = faces
        else:
            label = f"{clock(span.start_seconds)} to {clock(span.end_seconds)}, {faces}"
        if lane.state in ("kept", "ask") and key in self._page_of:
            page = self._page_of[key]
            target = f"{self._links[page] if page else ''}#{self._anchors[key]}"
        else:
            target = self._pictures.time_in(source.row, span.start_seconds)
        return Bar(span.left, span.width, target, label)

    def _stranger(self, face: FaceFound) -> Stranger:
        return Stranger(
            self._films[face.source],
            self._pictures.moment(face),
            self._pictures.time(face),
            in_words(face),
            face.faces,
        )


def _has_person(times: Timeline) -> bool:
    """Whether anybody who was asked for is seen."""
    return any(lane.state != "other" for lane in times.lanes)


def _least_certain(face: FaceFound) -> tuple[float, float, int, int]:
    """Sorts the least certain to the front; the same whatever the order."""
    probability = 1.0 if face.probability is None else face.probability
    return probability, -(face.distance or 0.0), face.source, face.frame


def _page(target: Path, number: int) -> Path:
    return target.with_name(f"{target.stem}-{number + 1}{target.suffix}") if number else target


def _film(found: SourceFound, here: Path) -> Film:
    path = located(found.path)
    length = "" if found.pictures or found.seconds is None else clock(found.seconds)
    return Film(found, path.name or found.path, link(place_of(found), here), length)


_LANES = {"kept": "", "ask": ", uncertain", "left": ", not written", "other": "other people"}


def _lane_name(lane: Lane) -> str:
    if lane.state == "other":
        return _LANES["other"]
    return words.who(lane.person) + _LANES[lane.state]
