"""Answering: what the index says of a source, and the images that are still to be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from facegrab.errors import FaceGrabError, MediaError, MissingError
from facegrab.extract import Planned, make
from facegrab.people.judge import Judges, Verdicts
from facegrab.prefetch import prefetched
from facegrab.question import Place, Question
from facegrab.store.answers import Extract, Rows
from facegrab.store.index import Seen
from facegrab.store.output import Output
from facegrab.types import Faces, Frame

FIRST, AT_A_TIME = 4, 64
"""Frames whose extracts are committed together: few at first, so that they are there soon, then
more and more."""


class Answering:
    """Answers the question for sources that were seen to their end.

    Args:
        question: who is asked for.
        output: where the answer goes.
        device: that decodes.
        threads: of the CPU that may be used for it; 0 is as many as the process may use.
    """

    def __init__(self, question: Question, output: Output, device: str, threads: int = 0) -> None:
        self._question = question
        self._output = output
        self._device = device
        self._threads = threads

    def answer(
        self,
        place: Place,
        blocks: Callable[[], Iterable[Faces]],
        seen: Seen,
        judge: Judges,
        step: Callable[[int, int, int], None],
        gone: FaceGrabError | None = None,
    ) -> None:
        """Brings a source's part of the folder up to what the index says.

        What is there already stays, what is missing is made from the source's frames again, and
        what is no longer wanted goes. After an interruption the same call does the rest.

        Args:
            place: the source.
            blocks: its faces, in order, some whole tracks at a time; they are gone through twice,
                because all of them say who each is.
            seen: the look that saw them.
            judge: says who they are.
            step: is told frames gone past, and faces and faces written so far.
            gone: why the source cannot be read, where that is known.

        Raises:
            MediaError, MissingError, AccessError: extracts are to be made, and the source cannot
                be read or is not the one that was seen. All that can be done without it is done.
            OutputError, AccessError: something cannot be written.
        """
        for faces in blocks():
            judge.see(faces)
        found = written = unmade = 0
        for faces, verdicts in zip(blocks(), judge.verdicts(), strict=True):
            rows, missing = self._settle(place, faces, verdicts)
            found += len(faces)
            written += rows.dropped.count(None) - _face_count(missing)
            unmade += len(missing) if gone else 0
            try:
                for part in self._batches(place, faces, seen, [] if gone else missing):
                    self._write(place, rows, part)
                    written += sum(_face_count(planned) for _, planned in part)
                    step(part[-1][0].index + 1, found, written)
                    del part
            except (MediaError, MissingError) as error:
                gone, unmade = error, 1
        if gone and unmade:
            raise gone

    def _settle(self, place: Place, faces: Faces, verdicts: Verdicts) -> tuple[Rows, list[Planned]]:
        """Says who some faces are; the extracts that are still to be made."""
        rows, planned = self._question.answer(place, faces, verdicts)
        have = self._output.extracts_of(place.row, int(faces.frame[0]), int(faces.frame[-1]))
        wanted = {(*rows.key(each.entry.row), each.entry.alignment): each for each in planned}
        there = {key for key, file in have.items() if key in wanted and wanted[key].file == file}
        gone = [file for key, file in have.items() if key not in there]
        moved = {
            key: each.entry
            for key, each in wanted.items()
            if key in have and key not in there and self._output.take_over(have[key], each.given)
        }
        self._output.commit(replace(rows, extracts=list(moved.values())), gone=gone)
        return rows, [each for key, each in wanted.items() if key not in there | moved.keys()]

    def _batches(
        self, place: Place, faces: Faces, seen: Seen, missing: Sequence[Planned]
    ) -> Iterator[list[tuple[Frame, list[Planned]]]]:
        """Frames and what is to be cut from each, some at a time."""
        if not missing:
            return
        from facegrab.media.spans import SpansReader  # a first run has cut all that it wants

        of_frame: dict[int, list[Planned]] = {}
        for each in missing:
            of_frame.setdefault(int(faces.frame[each.entry.row]), []).append(each)
        wanted = [
            (frame, float(faces.pts_seconds[planned[0].entry.row]))
            for frame, planned in sorted(of_frame.items())
        ]
        every, device, threads = seen.request.every, self._device, self._threads
        with (
            SpansReader(place.source, wanted, seen.origin, every, device, threads) as reader,
            prefetched(reader) as frames,
        ):
            count = FIRST
            while part := [(frame, of_frame[frame.index]) for frame in islice(frames, count)]:
                yield part
                count = min(2 * count, AT_A_TIME)

    def _write(self, place: Place, rows: Rows, part: Sequence[tuple[Frame, list[Planned]]]) -> None:
        entries: list[Extract] = []
        wanted = sorted({each.entry.row for _, planned in part for each in planned})
        nearest = self._question.nearest(rows.faces.select(np.array(wanted, np.int64)))
        distance = dict(zip(wanted, nearest.tolist(), strict=True))
        for frame, planned in part:
            for each, image in make(planned, frame.image):
                away = distance[each.entry.row]
                origin = self._question.origin(place, rows.faces, each, away)
                self._output.write(each.given, image, origin)
                entries.append(each.entry)
        self._output.commit(_of_extracts(rows, entries))


def _face_count(planned: Iterable[Planned]) -> int:
    """Of how many faces extracts are."""
    return len({each.entry.row for each in planned})


def _of_extracts(rows: Rows, extracts: Sequence[Extract]) -> Rows:
    """The rows that some extracts belong to, and these."""
    own = np.unique([each.row for each in extracts])
    place = {int(row): number for number, row in enumerate(own)}
    return Rows(
        rows.source,
        rows.faces.select(own),
        rows.distance[own],
        rows.references_within[own],
        rows.by_track[own],
        [rows.dropped[row] for row in own],
        [replace(each, row=place[each.row]) for each in extracts],
        [rows.person[row] for row in own],
        rows.likely[own],
        [rows.verdict[row] for row in own],
    )
