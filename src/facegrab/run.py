"""One run: sources in, a folder of extracts out."""

from __future__ import annotations

import time
from collections.abc import Callable

from facegrab.answering import Answering
from facegrab.choice import Choice
from facegrab.early import Early
from facegrab.harvest import Harvest
from facegrab.question import Place, Question
from facegrab.request import request_of
from facegrab.settings import ProcessSettings
from facegrab.store.naming import Naming
from facegrab.store.output import Output
from facegrab.summary import OTHER_PERSON, Watcher
from facegrab.survey import Gather
from facegrab.task import Orders
from facegrab.vision.look import Look
from facegrab.visit import Visit, plan_of_known
from facegrab.walk import Walk


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
    ) -> None:
        asked = request_of(choice, settings)
        super().__init__(look, asked, settings, output, watcher, early, orders)
        self._output = output
        self._question = question
        self._answering = Answering(question, output, settings.device)
        self._summary.licences += choice.licences

    def _gather(self, visit: Visit) -> Gather:
        return Harvest(
            visit.source, visit.content, self._asked, visit.seen, self._watcher.step,
            self._question, self._output, self._settings.format,
        )  # fmt: skip

    def _interrupted(self, gather: Gather) -> None:
        if isinstance(gather, Harvest) and gather.row is not None:
            self._count(gather.row)

    def _answer(self, visit: Visit) -> None:
        """Answers the question for a source that was seen to its end."""
        start = time.perf_counter()
        source, seen, known = visit.source, visit.done, visit.reader is None
        entered = self._output.enter(visit.content, source.path, source.name, self._asked, seen.row)
        naming = Naming(
            entered.name, self._settings.format, seen.duration_seconds, seen.frame_count
        )
        place = Place(source, entered.row, naming)
        try:
            if known:
                self._output.moved(seen, source.path, source.images)
                self._watcher.begin(plan_of_known(source, seen, self._asked))
                self._count_known(seen)
            if not entered.complete:
                sift = seen.request.narrows(self._asked)
                blocks = self._output.index.blocks(seen.row, sift)
                self._answering.answer(place, blocks, seen, self._watcher.step)
            if known:
                tally = self._output.tally(entered.row)
                self._watcher.step(seen.frames_read, tally.found, tally.written)
        finally:
            self._count(entered.row)
            self._summary.add_seconds("extract", time.perf_counter() - start)
            if known:
                self._watcher.end()
        if self._settings.forget_others:
            self._output.forget_others(entered.row, seen.row, OTHER_PERSON)

    def _count(self, row: int) -> None:
        """Adds what became of a source's faces to the summary."""
        summary, tally = self._summary, self._output.tally(row)
        summary.faces_found += tally.found
        summary.faces_matched += tally.found - tally.dropped.get(OTHER_PERSON, 0)
        summary.faces_by_track += tally.by_track
        summary.faces_written += tally.written
        summary.extracts_enlarged += tally.enlarged
        summary.dropped.update(tally.dropped)
