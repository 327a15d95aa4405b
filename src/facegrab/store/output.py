"""The output folder: extracts, index and table, made when there is something to put into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from facegrab.errors import FaceGrabError, OutputError
from facegrab.store.album import Album, Held
from facegrab.store.answers import Answers, Entered, Rows, Tally
from facegrab.store.database import LIBRARY, OWN, Database
from facegrab.store.files import as_text, make_folder, real_path, require_here, safe_name, writing
from facegrab.store.index import Index, Request, Seen
from facegrab.store.library import begin_look, note_moved
from facegrab.store.origin import Origin
from facegrab.store.reviews import Review, Reviews
from facegrab.store.sources import SourceRow, source_rows
from facegrab.types import Image

INDEX_NAME = "facegrab.db"
CSV_NAME = "facegrab.csv"
QUESTION = "question"
"""Under which the index keeps the question."""


class Output:
    """A folder of extracts with its index; use it as a context manager.

    Nothing is made on disk before it is opened.

    Args:
        folder: where to.
        settings: what the result depends on; a folder with a result of other settings is refused.
        library: an index elsewhere that holds what is seen; None for the folder's own.
        kept: is told the paths of extracts that are in place.
        question: what is needed to put the same question again without the references' pictures.
        committed: is called with this after each commit.

    Raises:
        OutputError, AccessError: a file has the folder's name, or no folder can have it.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        library: Path | None = None,
        kept: Callable[[Sequence[str]], object] | None = None,
        question: Mapping[str, Any] | None = None,
        committed: Callable[[Output], object] | None = None,
    ) -> None:
        require_here(folder)
        with writing(folder):
            in_the_way = folder.exists() and not folder.is_dir()
        if in_the_way:
            raise OutputError(f"{folder} is no folder: choose another output")
        if library is not None:
            require_here(library)
        self.folder = folder
        self._kept = kept
        self._question = question
        self._committed = committed
        self._library = _elsewhere(library, folder / INDEX_NAME)
        where = None if self._library is None else as_text(Path(os.path.realpath(self._library)))
        self._settings = {**settings, "index": where}
        self._stack = ExitStack()
        self._opened: tuple[Database, Album, Index, Answers] | None = None

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def exists(self) -> bool:
        """Whether there is anything on disk that may hold an answer."""
        library = self._library is not None and self._library.exists()
        return self._opened is not None or library or (self.folder / INDEX_NAME).exists()

    @property
    def index(self) -> Index:
        """What was seen; opens the folder.

        Raises:
            OutputError, AccessError: the folder cannot be made or written.
            StoreError: it holds another run's result, or is in use.
        """
        return self._open()[2]

    def hold(self) -> None:
        """From now on nobody else can use the index.

        Raises:
            StoreError: somebody else does.
        """
        database, _, index, _ = self._open()
        if index.schema != OWN:
            database.hold(index.schema)

    def begin(self, content: str, asked: Request, path: Path, **facts: int | float | None) -> Seen:
        """Enters a look through a source into the index, see begin_look."""
        return begin_look(self.index, content, asked, path, **facts)

    def moved(self, seen: Seen, path: Path, images: Sequence[Path]) -> None:
        """Notes where a source lies now, see note_moved."""
        note_moved(self.index, seen, path, images)

    def forget_from(self, scan: int, content: str, number: int, first_frame: int) -> None:
        """Forgets the part of a segment that was kept when something stopped a run.

        Args:
            scan: row of the look.
            content: of its source.
            number: of the segment, the last one.
            first_frame: of it.
        """
        database, album, index, answers = self._open()
        with database.transaction():
            files = answers.forget_from(content, first_frame)
            index.remove_segment(scan, number, first_frame)
            answers.leaving(files)
        _discard(database, album, answers)

    def enter(self, content: str, path: Path, name: str, asked: Request, scan: int) -> Entered:
        """Makes room for a source, see Answers.enter.

        Raises:
            OutputError, AccessError: the folder cannot be made or written.
            StoreError: it holds another run's result.
        """
        database, album, _, answers = self._open()
        real = real_path(path)
        with database.transaction():
            entered = answers.enter(content, real, safe_name(name), asked, scan)
            answers.leaving(entered.outdated)
        if entered.outdated:
            _discard(database, album, answers)
        return entered

    def extracts(self) -> frozenset[str]:
        """Paths below the folder of the images that earlier runs wrote here.

        Raises:
            StoreError: the folder holds another run's result.
        """
        if self._opened is None and not (self.folder / INDEX_NAME).exists():
            return frozenset()
        return self._open()[3].files()

    def finished(self) -> dict[str, str]:
        """Paths of the sources that earlier runs answered here, by content.

        Raises:
            StoreError: the folder holds another run's result.
        """
        if self._opened is None and not (self.folder / INDEX_NAME).exists():
            return {}
        return self._open()[3].finished()

    def reviews(self) -> tuple[Review, ...]:
        """What somebody has said of the folder's faces.

        Raises:
            StoreError: the folder holds another run's result, or is damaged.
        """
        if self._opened is None and not (self.folder / INDEX_NAME).exists():
            return ()
        return Reviews(self._open()[0]).all()

    def sources(self) -> list[SourceRow]:
        """The folder's sources, in the order in which they were entered."""
        return source_rows(self._open()[0])

    def reopen(self, source: int) -> None:
        """Notes that a source's question is to be answered again, until ``finish``."""
        database, _, _, answers = self._open()
        with database.transaction():
            answers.reopen(source)

    def extracts_of(
        self, source: int, first_frame: int, last_frame: int
    ) -> dict[tuple[int, int, str], str]:
        """Those of some frames of a source, see Answers.extracts."""
        return self._open()[3].extracts(source, first_frame, last_frame)

    def tally(self, source: int) -> Tally:
        """What became of a source's faces, in numbers."""
        return self._open()[3].tally(source)

    def has(self, name: str) -> bool:
        """Whether an extract was handed over and is neither kept nor dropped."""
        return self._open()[1].has(name)

    def adopt(self, left: Mapping[str, Path | bytes]) -> None:
        """Takes extracts that others cut, see Album.adopt.

        Raises:
            OutputError, AccessError: one before them could not be written.
        """
        self._open()[1].adopt(left)

    def take_over(self, file: str, name: str) -> bool:
        """Hands over an image that is in the folder already, see Album.take_over."""
        return self._open()[1].take_over(file, name)

    def write(self, name: str, image: Image, origin: Origin) -> None:
        """Hands over an extract, which is kept or dropped by the next commit.

        Raises:
            OutputError, AccessError: it, or one before it, could not be written.
        """
        self._open()[1].write(name, image, origin)

    def take_later(self, name: str, held: Held) -> None:
        """The same for what makes one, see Album.take_later.

        Raises:
            OutputError, AccessError: one before it could not be written.
        """
        self._open()[1].take_later(name, held)

    def commit(
        self,
        rows: Rows,
        *,
        gone: Sequence[str] = (),
        more: Callable[[], object] = lambda: None,
    ) -> None:
        """Puts extracts in place, then what is to be said of them into the index: both or neither.

        Args:
            rows: faces, what became of them, and those of the images handed over that are kept;
                all others are dropped.
            gone: images that are no longer wanted, or come anew.
            more: is called within the same transaction.

        Raises:
            OutputError, AccessError: something could not be written; nothing of it was.
        """
        database, album, _, answers = self._open()
        files = [each.file for each in rows.extracts]
        try:
            if files:
                answers.announce(files)
            album.keep(
                [each.given or each.file for each in rows.extracts],
                {each.given: each.file for each in rows.extracts if each.given},
            )
            album.drop()
            with database.transaction():
                answers.remove_files(gone)
                answers.put(rows)
                more()
                answers.arrived()
                answers.leaving(set(gone).difference(files))
            if gone:
                _discard(database, album, answers)
        except BaseException:
            # A Ctrl-C may come when the rows are in the index already: then the images stay.
            with suppress(FaceGrabError):
                album.drop()
                _discard(database, album, answers)
            raise
        if files and self._kept:
            self._kept(files)
        if self._committed:
            self._committed(self)

    def copy_index(self, path: Path) -> None:
        """Writes the folder's own index, as it is now, to another file; see Database.copy_to."""
        self._open()[0].copy_to(path)

    def find(self, content: str, asked: Request) -> Seen | None:
        """The look that answers a request for a source, or that began to; see Index.find."""
        _, _, index, answers = self._open()
        row = answers.answered_by(content)
        # That one will do though it may have forgotten other people since.
        return index.find(content, asked) if row is None else index.find_row(row, content)

    def forget_others(self, source: int, scan: int, other: str) -> None:
        """Removes the faces that are not the person's from the index.

        Args:
            source: row of the source, whose question is answered.
            scan: row of the look that saw them.
            other: what was said of them.
        """
        database, _, index, answers = self._open()
        with database.transaction():
            answers.forget_others(source, scan, other)
            index.update(scan, forgotten=1)

    def finish(self, source: int) -> None:
        """Notes that a source's question is answered."""
        database, _, _, answers = self._open()
        with database.transaction():
            answers.finish(source)

    def drop(self) -> None:
        """Drops images that were handed over and not committed."""
        if self._opened is not None:
            self._opened[1].drop()

    def sweep(self) -> None:
        """Removes what processes that are gone have left, see Album.sweep."""
        if self._opened is not None:
            self._opened[1].sweep()

    def write_table(self) -> None:
        """Writes the table for people, if there is anything to tell."""
        if self._opened is not None:
            self._opened[3].write_csv(self.folder / CSV_NAME)

    def _open(self) -> tuple[Database, Album, Index, Answers]:
        if self._opened is None:
            with ExitStack() as stack:
                album = stack.enter_context(Album(self.folder))
                database = stack.enter_context(Database(self.folder / INDEX_NAME))
                schema = OWN
                if self._library is not None:
                    make_folder(self._library.parent)
                    database.attach(self._library)
                    schema = LIBRARY
                answers = Answers(database, schema, self._settings)
                if self._question is not None:
                    answers.remember(QUESTION, self._question)
                _clean(database, album, answers)
                self._stack.push(stack.pop_all())
            self._opened = database, album, Index(database, schema), answers
        return self._opened


def _elsewhere(library: Path | None, own: Path) -> Path | None:
    """The index, unless it is the folder's own."""
    if library is None or os.path.realpath(library) == os.path.realpath(own):
        return None
    return library


def _clean(database: Database, album: Album, answers: Answers) -> None:
    """Removes what a run that died had not finished."""
    album.sweep()
    _discard(database, album, answers)


def _discard(database: Database, album: Album, answers: Answers) -> None:
    """Removes images that the index says are on their way, and does not hold."""
    gone = album.discard(answers.stranded())
    with database.transaction():
        answers.arrived()
        answers.gone(gone)
