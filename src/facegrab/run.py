"""One run: sources in, a folder of extracts out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from facegrab.answering import Answering
from facegrab.choice import Choice
from facegrab.early import Early
from facegrab.errors import MediaError, MissingError
from facegrab.harvest import Harvest
from facegrab.media.source import Source
from facegrab.onlook import Onlooker
from facegrab.people.judge import Judges
from facegrab.question import Place, Question
from facegrab.request import request_of
from facegrab.scan import Scanned
from facegrab.settings import ProcessSettings
from facegrab.store.index import Seen
from facegrab.store.naming import Naming
from facegrab.store.output import Output
from facegrab.summary import OTHER_PERSON, Stranger, Watcher
from facegrab.survey import Gather
from facegrab.task import Orders
from facegrab.types import Faces
from facegrab.vision.look import Look
from facegrab.visit import NotReadError, Visit, plan_of_known
from facegrab.walk import Walk

if TYPE_CHECKING:
    from facegrab.again import Again


@dataclass(frozen=True, slots=True)
class _Answered:
    """A source that was seen to its end.

    Attributes:
        place: the source as the answers speak of it.
        seen: the look through it.
        blocks: its faces, some whole tracks at a time.
    """

    place: Place
    seen: Seen
    blocks: Callable[[], Iterator[Faces]]


class Run(Walk):
    """Answers a question for sources, after a look at those that the index does not know.

    Args:
        look: opens the networks, which is done when something has to be looked at.
        question: who is asked for.
        choice: models, tolerance and alignments.
        settings: how sources are read and what is written.
        output: where to.
        watcher: is told how it goes.
        early: may have one of the sources open already.
        orders: for those of an engine; needed where the settings ask for one.
        again: decides once more when all sources are seen; None: what is said at first stays.
        onlooker: is shown what is looked at.
    """

    def __init__(
        self,
        look: Callable[[], Look],
        question: Question,
        choice: Choice,
        settings: ProcessSettings,
        output: Output,
        watcher: Watcher,
        early: Early | None = None,
        orders: Orders | None = None,
        again: Again | None = None,
        onlooker: Onlooker | None = None,
    ) -> None:
        asked = request_of(choice, settings)
        super().__init__(look, asked, settings, output, watcher, early, orders)
        self._output = output
        self._question = question
        self._answering = Answering(question, output, settings.device, settings.threads)
        self._again = again
        self._onlooker = onlooker
        self._answered: list[_Answered] = []
        self._summary.licences += choice.licences

    def _gather(self, visit: Visit) -> Gather:
        return Harvest(
            visit.source, visit.content, self._asked, visit.seen, self._watcher.step,
            self._question, self._output, self._settings.format,
        )  # fmt: skip

    def _shown(self, batches: Iterator[Scanned]) -> Iterator[Scanned]:
        return batches if self._onlooker is None else _looked_on(batches, self._onlooker)

    def _interrupted(self, gather: Gather) -> None:
        if isinstance(gather, Harvest) and gather.row is not None:
            self._count(gather.row, gather.path)

    def _visit_all(self, sources: Sequence[Source]) -> None:
        try:
            super()._visit_all(sources)
            any_answered = bool(self._answered)
            while self._answered:
                each = self._answered.pop(0)
                with self._noting(each.place.source):
                    self._answer_again(each)
        except KeyboardInterrupt:
            for each in self._answered:  # whose turn has not come
                self._count(each.place.row, each.place.source.path)
            raise
        if self._again and any_answered:
            self._again.save(self._output.folder)

    def _answer(self, visit: Visit) -> None:
        """Answers the question for a source that was seen to its end."""
        start = time.perf_counter()
        source, seen, known = visit.source, visit.done, visit.reader is None
        entered = self._output.enter(visit.content, source.path, source.name, self._asked, seen.row)
        naming = Naming(
            entered.name, self._settings.format, seen.duration_seconds, seen.frame_count
        )
        sift = seen.request.narrows(self._asked)
        blocks = partial(self._output.index.blocks, seen.row, sift)
        answered = _Answered(Place(source, entered.row, naming, visit.content), seen, blocks)
        try:
            if known:
                self._output.moved(seen, source.path, source.images)
                self._watcher.begin(plan_of_known(source, seen, self._asked))
                self._count_known(seen)
            if self._again:
                self._take(answered, self._again)
            elif not entered.complete:
                self._settle(answered, self._question.judge(answered.place))
            if known:
                tally = self._output.tally(entered.row)
                written = sum(tally.written.values())
                self._watcher.step(seen.frames_read, tally.found, written)
        finally:
            if not self._again:
                self._count(entered.row, source.path)
            self._summary.add_seconds("extract", time.perf_counter() - start)
            if known:
                self._watcher.end()

    def _settle(self, answered: _Answered, judge: Judges) -> None:
        place, seen = answered.place, answered.seen
        self._answering.answer(place, answered.blocks, seen, judge, self._watcher.step)
        self._output.finish(place.row)
        if self._settings.forget_others:
            self._output.forget_others(place.row, seen.row, OTHER_PERSON)

    def _take(self, answered: _Answered, again: Again) -> None:
        """Says who the faces are for the time being: what all sources show will decide."""
        judge = self._question.judge(answered.place)
        for faces in answered.blocks():
            judge.see(faces)
        for faces, verdicts in zip(answered.blocks(), judge.verdicts(), strict=True):
            again.take(answered.place, faces, verdicts)
        self._answered.append(answered)

    def _answer_again(self, answered: _Answered) -> None:
        start = time.perf_counter()
        assert self._again is not None
        place = answered.place
        try:
            self._settle(answered, self._again.judge(place))
        except (MediaError, MissingError) as error:
            raise NotReadError(error) from error
        finally:
            self._count(place.row, place.source.path)
            self._summary.add_seconds("extract", time.perf_counter() - start)

    def _count(self, row: int, source: Path) -> None:
        """Adds what became of a source's faces to the summary."""
        summary, tally = self._summary, self._output.tally(row)
        summary.faces_found += tally.found
        summary.faces_matched += tally.found - tally.dropped.get(OTHER_PERSON, 0)
        summary.faces_by_track += tally.by_track
        summary.faces_written += sum(tally.written.values())
        summary.written_of.update(tally.written)
        summary.unsure.update(tally.unsure)
        summary.extracts_enlarged += tally.enlarged
        summary.dropped.update(tally.dropped)
        summary.probably_wrong += tally.wrong
        summary.probably_missed += tally.missed
        nearest = summary.stranger
        if tally.stranger and (nearest is None or tally.stranger.distance < nearest.distance):
            summary.stranger = Stranger(
                tally.stranger.distance, source, tally.stranger.pts_seconds, tally.stranger.faces
            )


def _looked_on(batches: Iterator[Scanned], onlooker: Onlooker) -> Iterator[Scanned]:
    for scanned in batches:
        onlooker.see(scanned.frames, scanned.faces)
        yield scanned
        del scanned  # a name kept while waiting keeps 32 MB of frames
