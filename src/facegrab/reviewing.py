"""Reviewing: a folder's faces in memory, decided about anew whenever somebody says who is who."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facegrab.address import located
from facegrab.again import Grouped, Grown
from facegrab.applying import Kept, again_of, opened
from facegrab.errors import SettingError, StaleError
from facegrab.people.decide import Comparing
from facegrab.people.evidence import Evidence
from facegrab.people.judge import Asked, Judges
from facegrab.people.reviewed import Decided, Tracks, doubtful, pieces_of, tracks_of
from facegrab.people.verdicts import Verdicts
from facegrab.people.who import check_names
from facegrab.question import Place
from facegrab.store.database import Database, may_be_held
from facegrab.store.index import Seen
from facegrab.store.naming import Naming
from facegrab.store.output import INDEX_NAME
from facegrab.store.reviews import (
    APART,
    IS,
    IS_NOT,
    ONE,
    SKIPPED,
    Part,
    Review,
    Reviews,
    in_effect,
    ticks_of,
)
from facegrab.store.sources import SourceRow, source_rows
from facegrab.types import Faces, FloatArray, IntArray

__all__ = ["APART", "IS", "IS_NOT", "ONE", "SKIPPED", "Reviewing", "Tracks"]


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A source of the folder.

    Attributes:
        known: as the folder's index knows it.
        seen: the look that answers for it.
        faces: those that count; without points, which no decision needs.
        files: of their extracts, of the first alignment, by frame and number.
    """

    known: SourceRow
    seen: Seen
    faces: Faces
    files: dict[tuple[int, int], str]


class Reviewing:
    """A folder that somebody looks through; safe to use from several threads.

    The folder is open only while it is read or written, so that a run may use it in between.
    What other processes say meanwhile is noticed at the next answer.

    Args:
        folder: that a run wrote.

    Raises:
        MissingError: it holds no answers, or the index of its faces is gone.
        StoreError: it is damaged, or in use.
        SettingError: a template of its extracts has changed or is gone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self._read()

    @property
    def people(self) -> tuple[str, ...]:
        """Names of all who are asked for, by references or by answers."""
        said = (each.person for each in self._reviews if each.said == IS)
        return tuple(dict.fromkeys((*self.asked.names, *said)))

    @property
    def answers(self) -> int:
        """How many there are."""
        return len(self._reviews)

    @property
    def tracks(self) -> Tracks:
        """As they are decided about now."""
        return self._tracks

    def key(self, track: int) -> str:
        """Names a track by what it shows, so that nobody answers about another one."""
        film = int(self._tracks.film[track])
        rows = self._tracks.rows_of(track)
        return f"{film}-{rows[0]}-{self._digest(film, rows)}"

    def find(self, key: str) -> int:
        """The track of a key.

        Raises:
            StaleError: there is none any more.
        """
        parts = key.split("-")
        if len(parts) == 3 and all(each.isdecimal() and len(each) < 10 for each in parts[:2]):
            film, row = int(parts[0]), int(parts[1])
            if film < len(self.films) and row < len(self.films[film].faces):
                track = int(self._track_of[film][row])
                if self.key(track) == key:
                    return track
        raise StaleError("This track has changed meanwhile: look again")

    def verdicts(self, film: int) -> Verdicts:
        """What is decided about the faces of a film now."""
        return self._verdicts[film]

    def next(self) -> int | None:
        """The track of which an answer tells most; None: nothing is in doubt."""
        doubt = self._tracks.doubt
        return int(doubt.argmax()) if len(doubt) and doubt.max() > 0 else None

    def say(
        self, said: str, person: str, tracks: Sequence[int], rows: IntArray | None = None
    ) -> int:
        """Keeps an answer and decides anew; gives its row, by which it can be undone.

        Args:
            said: what, see reviews.
            person: whose the faces are, or are not.
            tracks: that it is said of, at least one.
            rows: of a single track, the faces that it is said of; None: all.

        Raises:
            SettingError: the name cannot be a person's.
            StaleError: the folder has changed: it is read anew, and nothing is kept.
            StoreError, OutputError: the index is in use or cannot be written.
        """
        with self.lock:
            self._check_person(said, person)
            if said == ONE and len({int(self._tracks.film[each]) for each in tracks}) > 1:
                raise SettingError("Tracks of several films are made one person by a name")
            parts = [self._part(said, track, rows) for track in tracks]
            with self._database() as database:
                self._check(database)
                reviews = Reviews(database)
                row = reviews.add(said, person, parts)
                self._take(reviews.all())
            self._decide()
            return row

    def undo(self, rows: Sequence[int] = ()) -> int | None:
        """Takes the last answer back, of these or of all; its row, None if there is none.

        Raises:
            StaleError, StoreError, OutputError: see say.
        """
        with self.lock:
            there = [each.row for each in self._reviews]
            mine = [row for row in rows if row in there] or there
            if not mine:
                return None
            with self._database() as database:
                self._check(database)
                reviews = Reviews(database)
                reviews.undo(max(mine))
                self._take(reviews.all())
            self._decide()
            return max(mine)

    def refresh(self) -> bool:
        """Notices what others have done to the folder; whether there was anything.

        Raises:
            MissingError, StoreError: see above.
        """
        with self.lock:
            with self._database() as database:
                state = _state(database)
                if state == self._state:
                    effect = in_effect(Reviews(database).rows())
                    if effect == self._evidence.in_effect:
                        return False
                    self._take(Reviews(database).all())
            if state != self._state:
                self._read()
            else:
                self._decide()
            return True

    def reread(self) -> None:
        """Reads the folder anew, after something was done to it."""
        with self.lock:
            self._read()

    def _read(self) -> None:
        """Reads the folder; what is known of it stays if that cannot be done."""
        with ExitStack() as stack:
            database, index, kept = opened(stack, self.folder)
            state = _state(database)  # first: what changes while this is read is noticed later
            films: list[Film] = []
            unseen: list[str] = []
            for known in source_rows(database):
                seen = known.seen(index)
                if seen is None:
                    unseen.append(known.path)
                    continue
                faces = _lean(index.faces(seen.row, known.sift(seen)))
                films.append(Film(known, seen, faces, _files(database, known.row)))
            extracts = database.fetch("SELECT file FROM main.extract")
            reviews = Reviews(database).all()
        self._kept: Kept = kept
        self.asked: Asked = kept.remembered.asked
        self.films, self.unseen, self._state = films, unseen, state
        self.extracts = frozenset(str(file) for (file,) in extracts)
        self._compare = Comparing()
        self._groups: Grouped | None = None
        self._take(reviews)
        self._decide()

    def _take(self, reviews: tuple[Review, ...]) -> None:
        self._reviews = reviews
        self._evidence = Evidence(
            self._reviews, self._kept.remembered.recogniser.key, self._compare
        )

    def _database(self) -> Database:
        """The index. A run holds it for hours: whoever answers is told so at once."""
        file = self.folder / INDEX_NAME
        return Database(file, alone=False, wait=not may_be_held(file))

    def _check_person(self, said: str, person: str) -> None:
        if person in self.people:
            return
        if said == IS and not person:
            raise SettingError("a person needs a name")
        if said == IS_NOT and self.asked.people:
            raise SettingError("say whose they are not: a name")
        check_names([*self.people, person])

    def _check(self, database: Database) -> None:
        if _state(database) != self._state:
            self._read()
            raise StaleError("The folder has changed meanwhile: look again")

    def _part(self, said: str, track: int, rows: IntArray | None) -> Part:
        film = self.films[int(self._tracks.film[track])]
        faces = film.faces.select(self._tracks.rows_of(track) if rows is None else rows)
        # Of others nothing is kept where they are to be forgotten.
        keep = said == IS or (said == IS_NOT and not self._kept.remembered.process.forget_others)
        recogniser = self._kept.remembered.recogniser.key
        return Part.of(film.known.content, recogniser, faces, keep=keep)

    def _digest(self, film: int, rows: IntArray) -> str:
        faces = self.films[film].faces
        content = hashlib.sha256(self.films[film].known.content.encode())
        content.update(ticks_of(faces)[rows].tobytes())
        content.update(faces.box[rows].tobytes())
        return content.hexdigest()[:16]

    def _decide(self) -> None:
        decided = self._decided()
        self._verdicts = [each.verdicts for each in decided]
        tracks, self._track_of, mean = tracks_of(decided)
        self._tracks = replace(tracks, doubt=doubtful(tracks, mean, self.asked))

    def _decided(self) -> list[Decided]:
        """What is decided about each film, as a run would."""
        remembered, evidence = self._kept.remembered, self._evidence
        again = self._group() if remembered.recognition.group else again_of(remembered, evidence)
        if isinstance(again, Grown):
            for film in self.films:
                judge = evidence.judge(self.asked, film.known.content)
                (verdicts,) = _judged(judge, film.faces)
                again.take(_place(film), film.faces, verdicts)
        found = []
        for film in self.films:
            judge = evidence.judge(self.asked, film.known.content)
            chosen: Judges = again.judge(_place(film)) if again else judge
            (verdicts,), (labels,) = _judged(chosen, film.faces), chosen.labels()
            if self.asked.people and not self.asked.by_tolerance and chosen is judge:
                (piece,), mean, likely = judge.pieces(), judge.means(), verdicts.probability
            else:
                piece, mean = pieces_of(film.faces, labels, self.asked)
                likely = self._likely(film, verdicts)
            found.append(Decided(verdicts, labels, piece, mean, likely))
        return found

    def _likely(self, film: Film, verdicts: Verdicts) -> FloatArray:
        """How probable it is, also where something else decides: only to ask in a good order."""
        if not self.asked.people:
            return verdicts.probability
        by_chance = replace(self.asked, by_tolerance=False)
        (found,) = _judged(self._evidence.judge(by_chance, film.known.content), film.faces)
        return found.probability

    def _group(self) -> Grouped:
        """Groups do not depend on answers: they are made once."""
        if self._groups is None:
            nobody = self._kept.remembered
            asked = nobody.asked
            self._groups = Grouped(nobody.recogniser.key, asked.metric, asked.tolerance, Evidence())
            for film in self.films:
                (verdicts,) = _judged(Evidence().judge(asked, ""), film.faces)
                self._groups.take(_place(film), film.faces, verdicts)
        self._groups.evidence = self._evidence
        return self._groups


def _judged(judge: Judges, faces: Faces) -> list[Verdicts]:
    judge.see(faces)
    return judge.verdicts()


def _place(film: Film) -> Place:
    from facegrab.media.source import Source

    naming = Naming(film.known.name, "jpg", None, None)
    return Place(Source(located(film.known.path)), film.known.row, naming, film.known.content)


def _lean(faces: Faces) -> Faces:
    """Without points: they are most of a face's memory."""
    nothing = np.float32(np.nan)
    count = len(faces)
    return replace(
        faces,
        points5=np.broadcast_to(nothing, (count, 5, 2)),
        points68=np.broadcast_to(nothing, (count, 68, 2)),
    )


def _files(database: Database, source: int) -> dict[tuple[int, int], str]:
    rows = database.fetch(
        "SELECT frame, number, file FROM main.extract WHERE source = ? ORDER BY rowid DESC",
        (source,),
    )
    return {(frame, number): str(file) for frame, number, file in rows}


def _state(database: Database) -> str:
    """Names what a run may have changed; what was said is no part of it."""
    rows = database.fetch("SELECT id, content, path, scan, every, complete FROM main.source")
    rows += database.fetch("SELECT name, value FROM main.run ORDER BY name")
    return hashlib.sha256(repr(rows).encode()).hexdigest()
