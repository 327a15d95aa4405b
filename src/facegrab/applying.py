"""Applying: a folder's extracts are moved, made or removed to match what somebody has said."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from facegrab.address import located
from facegrab.again import Again, Grouped, Grown
from facegrab.answering import Answering
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError, StoreError
from facegrab.media.content import content_key
from facegrab.media.source import Source, find_sources
from facegrab.media.without import without
from facegrab.people.evidence import Evidence
from facegrab.people.judge import Judges
from facegrab.question import Place, Question
from facegrab.remembered import Remembered, of_json
from facegrab.store import picked
from facegrab.store.database import LIBRARY, OWN, Database
from facegrab.store.index import Index, Seen
from facegrab.store.naming import Naming
from facegrab.store.output import INDEX_NAME, QUESTION, Output
from facegrab.store.sources import SourceRow, pictures
from facegrab.summary import OTHER_PERSON

Step = Callable[[str, int, int], None]
"""Is told a source's path, how many are done and how many there are."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a folder says of itself.

    Attributes:
        settings: what its content depends on.
        library: the index that holds its faces, where that is another one.
        remembered: its question.
    """

    settings: dict[str, Any]
    library: Path | None
    remembered: Remembered


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    Attributes:
        made: extracts that are there now and were not before.
        gone: extracts that were there before and are not now; one that was moved is both.
        there: extracts in all.
        failed: path and reason, of sources that extracts are still to be made from.
    """

    made: int
    gone: int
    there: int
    failed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Film:
    place: Place
    known: SourceRow
    seen: Seen
    why_not: FaceGrabError | None


def kept_by(database: Database) -> Kept:
    """What an open folder's index says of it.

    Raises:
        MissingError: no run wrote the folder, or the index of its faces is gone.
        StoreError: it is damaged, or does not say who was asked for.
        SettingError: a template of its extracts has changed or is gone.
    """
    folder = str(database.path.parent)
    try:
        settings = {
            name: json.loads(value) for name, value in database.fetch("SELECT * FROM main.run")
        }
        told = database.fetch("SELECT value FROM main.told WHERE name = ?", (QUESTION,))
        value = json.loads(told[0][0]) if told else None
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{database.path} is damaged: run it again") from error
    if not settings:
        raise MissingError(f"{folder} holds no answers: name a folder that a run wrote")
    where = settings.pop("index", None)
    library = Path(where) if isinstance(where, str) else None
    if library is not None and not library.is_file():
        raise MissingError(f"the index of {folder}'s faces is gone: {library}")
    return Kept(settings, library, of_json(value, folder))


def opened(stack: ExitStack, folder: Path) -> tuple[Database, Index, Kept]:
    """A folder's index, open for others too, as long as the stack lasts.

    Raises:
        MissingError, StoreError, SettingError: see kept_by; or it is in use.
    """
    file = folder / INDEX_NAME
    if not file.is_file():
        raise MissingError(f"{folder} holds no index: name a folder that a run wrote")
    database = stack.enter_context(Database(file, alone=False))
    kept = kept_by(database)
    if kept.library is not None:
        database.attach(kept.library)
    return database, Index(database, OWN if kept.library is None else LIBRARY), kept


def again_of(remembered: Remembered, evidence: Evidence) -> Again | None:
    """What decides when all sources are seen, as in a run; None: each by itself."""
    asked = remembered.asked
    if remembered.recognition.group:
        return Grouped(remembered.recogniser.key, asked.metric, asked.tolerance, evidence)
    return Grown(asked, evidence) if remembered.recognition.grow else None


def apply(folder: Path, step: Step = lambda *_: None, device: str = "cpu") -> Applied:
    """Brings a folder up to what somebody has said of its faces, as its command would.

    A video is opened only where an extract is to be made. Where one is gone, all else is done.

    Args:
        folder: that a run wrote.
        step: is told how far it is.
        device: that decodes.

    Raises:
        MissingError, StoreError, SettingError: see opened.
        OutputError, AccessError: something cannot be written; what is done is kept.
    """
    with ExitStack() as stack:
        _, _, kept = opened(stack, folder)
    with Output(folder, kept.settings, kept.library) as output:
        before = output.extracts()
        failed = list(_answer_all(kept.remembered, output, step, device))
        output.write_table()
        after = output.extracts()
    return Applied(len(after - before), len(before - after), len(after), tuple(failed))


def _answer_all(
    remembered: Remembered, output: Output, step: Step, device: str
) -> list[tuple[str, str]]:
    evidence = Evidence(output.reviews(), remembered.recogniser.key)
    question = Question(remembered.asked, remembered, remembered.process, evidence)
    answering, again = Answering(question, output, device), again_of(remembered, evidence)
    films, failed, extracts = [], [], output.extracts()
    for known in output.sources():
        film = _film(known, output, remembered, extracts)
        if film is None:
            failed.append((known.path, "not seen to its end: give the run's command again"))
        else:
            films.append(film)
    for film in films if again else ():
        assert again is not None
        _take(film, question, again, output)
    for number, film in enumerate(films):
        step(film.known.path, number, len(films))
        judge = again.judge(film.place) if again else question.judge(film.place)
        try:
            _settle(film, judge, answering, output, remembered)
        except (MediaError, MissingError, AccessError) as error:
            if isinstance(error, AccessError) and error is not film.why_not:
                raise  # not the source, but the folder
            failed.append((film.known.path, str(error)))
    step("", len(films), len(films))
    if again:
        again.save(output.folder)
    return failed


def _settle(
    film: _Film, judge: Judges, answering: Answering, output: Output, remembered: Remembered
) -> None:
    place, seen = film.place, film.seen
    output.reopen(place.row)
    blocks = partial(output.index.blocks, seen.row, film.known.sift(seen))
    answering.answer(place, blocks, seen, judge, lambda *_: None, film.why_not)
    output.finish(place.row)
    if remembered.process.forget_others:
        output.forget_others(place.row, seen.row, OTHER_PERSON)


def _take(film: _Film, question: Question, again: Again, output: Output) -> None:
    """As a run does, see Run: what all sources show will decide."""
    blocks = partial(output.index.blocks, film.seen.row, film.known.sift(film.seen))
    judge = question.judge(film.place)
    for faces in blocks():
        judge.see(faces)
    for faces, verdicts in zip(blocks(), judge.verdicts(), strict=True):
        again.take(film.place, faces, verdicts)


def _film(
    known: SourceRow, output: Output, remembered: Remembered, extracts: frozenset[str]
) -> _Film | None:
    """A source as the answers speak of it; None if its look is not there or not done."""
    seen = known.seen(output.index)
    if seen is None:
        return None
    naming = Naming(known.name, remembered.process.format, seen.duration_seconds, seen.frame_count)
    why_not: FaceGrabError | None = None
    try:
        source = source_of(known, output.folder, extracts)
    except (MediaError, MissingError, AccessError) as error:
        source, why_not = _remembered_source(known, output.index), error
    return _Film(Place(source, known.row, naming, known.content), known, seen, why_not)


def source_of(known: SourceRow, folder: Path, extracts: frozenset[str]) -> Source:
    """A source where it lay, if it is what was seen there.

    Args:
        known: the source.
        folder: that a run wrote; it may lie in that of the source.
        extracts: in it.

    Raises:
        MissingError, AccessError, MediaError: it is not, or cannot be read.
    """
    found = find_sources(known.path)
    if any(each.images for each in found):
        found = without(found, folder, extracts | picked.files(folder))
    for source in found:
        if content_key(source) == known.content:
            return source
    raise MissingError(
        f"{known.path} is not what was seen there: put that back, or give the run's command again"
    )


def _remembered_source(known: SourceRow, index: Index) -> Source:
    """A source that is gone, as far as its extracts' names need it."""
    path = located(known.path)
    names = pictures(index, known.scan)
    last = max(names, default=-1)
    return Source(path, tuple(located(names.get(frame, known.path)) for frame in range(last + 1)))
