"""Harvesting: extracts that may be wanted are cut while their frames are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from facegrab.extract import held
from facegrab.media import FrameReader
from facegrab.media.source import Source
from facegrab.people.promise import Promise
from facegrab.question import Place, Question
from facegrab.scan import Scanned
from facegrab.store.album import Held
from facegrab.store.answers import Extract, Key
from facegrab.store.index import Request, Seen, SegmentRow
from facegrab.store.naming import Naming
from facegrab.store.output import Output
from facegrab.survey import Gather
from facegrab.types import Faces, Frame


class TakesExtracts(Protocol):
    """Takes what makes extracts, with their names and where they are from: Output or Album."""

    def take_later(self, name: str, held: Held) -> None:
        """What makes one."""


class Harvest(Gather):
    """Takes what a survey sees into a folder: faces into its index, extracts beside it.

    Args:
        source: that is surveyed.
        content: what it is known by.
        asked: which faces are looked for.
        seen: what an earlier survey began, or None.
        step: is told frames read, faces found and faces written so far.
        question: who is asked for.
        output: where to.
        suffix: of the extracts' names.
    """

    def __init__(
        self,
        source: Source,
        content: str,
        asked: Request,
        seen: Seen | None,
        step: Callable[[int, int, int], None],
        question: Question,
        output: Output,
        suffix: str,
    ) -> None:
        super().__init__(source, content, asked, seen, output, step)
        self._question = question
        self._output = output
        self._suffix = suffix
        self._entered: Place | None = None
        self._written = self._hoped = 0
        self._promise = question.promise()

    @property
    def row(self) -> int | None:
        """Of the source among the answers; None as long as there was no frame."""
        return self._entered.row if self._entered else None

    @property
    def path(self) -> Path:
        """Of the source."""
        return self._source.path

    @property
    def place(self) -> Place | None:
        """The source as the answers speak of it; None as long as there was no frame."""
        return self._entered

    @property
    def _place(self) -> Place:
        assert self._entered is not None
        return self._entered

    def begin(self, reader: FrameReader) -> None:
        """There is a frame to look at: the folder is made."""
        super().begin(reader)
        if self._entered is not None:
            return
        source, seen = self._source, self._scan
        entered = self._output.enter(self._content, source.path, source.name, self._asked, seen.row)
        naming = Naming(entered.name, self._suffix, seen.duration_seconds, seen.frame_count)
        self._entered = Place(source, entered.row, naming, self._content)

    def batch(self, scanned: Scanned, faces: Faces) -> None:
        """Cuts what may be wanted; whether it is, the ends of the tracks will tell."""
        start = time.perf_counter()
        if scanned.extracts is None:
            self._hoped += cut(
                self._question, self._place, scanned.frames, faces, self._output, self._promise
            )
        else:
            self._output.adopt(dict(scanned.extracts))
        self._found += len(faces)
        self.seconds += time.perf_counter() - start
        self._step(scanned.frames[-1].index + 1, self._found, self._written + self._hoped)

    def commit(self, segment: SegmentRow, faces: Faces) -> None:
        """Decides about a segment's tracks, keeps the extracts wanted, and drops the others."""
        start = time.perf_counter()
        verdicts = self._question.judged(self._place, faces)
        rows, _ = self._question.answer(self._place, faces, verdicts)
        there = [each for each in rows.extracts if self._output.has(each.given or each.file)]
        self._output.commit(
            replace(rows, extracts=there),
            gone=self._replaced(rows.key, there),
            more=partial(self._enter, segment, faces),
        )
        self.frames_looked_at += segment.frames_looked_at
        self._written += len({each.row for each in there})
        self._hoped = 0
        self.seconds += time.perf_counter() - start

    def _replaced(self, key: Callable[[int], Key], there: Sequence[Extract]) -> list[str]:
        """Images of an earlier look through the same source, which its index has lost since."""
        if not there:
            return []
        new = {(*key(each.row), each.alignment) for each in there}
        frames = [frame for frame, _, _ in new]
        have = self._output.extracts_of(self._place.row, min(frames), max(frames))
        return [file for each, file in have.items() if each in new]

    def drop(self) -> None:
        """What came since the last commit is not to be kept."""
        self._output.drop()


def cut(
    question: Question,
    place: Place,
    frames: Sequence[Frame],
    faces: Faces,
    takes: TakesExtracts,
    promise: Promise,
) -> int:
    """Hands over what makes the extracts that may be wanted of some frames.

    Args:
        question: who is asked for.
        place: the source.
        frames: of a batch.
        faces: theirs.
        takes: takes them.
        promise: see Question.may_want.

    Returns:
        the number of faces that will probably be written.
    """
    likely, unlikely, origin_of = question.may_want(place, faces, promise)
    image_of = {frame.index: frame.image for frame in frames}
    for some, probably in ((likely, True), (unlikely, False)):
        for each in some:
            make, size_bytes = held(each, image_of[int(faces.frame[each.entry.row])])
            takes.take_later(each.entry.file, Held(make, size_bytes, origin_of(each), probably))
    return len({each.entry.row for each in likely})
