"""The output folder: extracts, index and table, made when there is something to put into it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from facegrab.errors import FaceGrabError, OutputError
from facegrab.store.album import Album
from facegrab.store.files import safe_name, writing
from facegrab.store.index import Index, Rows
from facegrab.store.origin import Origin
from facegrab.types import Image

INDEX_NAME = "facegrab.db"
CSV_NAME = "facegrab.csv"


class Output:
    """A folder of extracts with its index; use it as a context manager.

    Nothing is made on disk before the first source is entered.

    Args:
        folder: where to.
        settings: what the result depends on; a folder with a result of other settings is refused.

    Raises:
        OutputError, AccessError: a file has the folder's name, or no folder can have it.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        with writing(folder):
            in_the_way = folder.exists() and not folder.is_dir()
        if in_the_way:
            raise OutputError(f"{folder} is no folder: choose another output")
        self.folder = folder
        self._settings = settings
        self._stack = ExitStack()
        self._opened: tuple[Album, Index] | None = None

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def enter_source(self, path: Path, name: str) -> tuple[int, str]:
        """Makes room for a source; what an earlier run noted of it is forgotten.

        Args:
            path: where it lies; it is known by its real path.
            name: what its files should be called.

        Returns:
            its row in the index, and what its files' names begin with.

        Raises:
            OutputError, AccessError: the folder cannot be made or written.
            StoreError: it holds another run's result.
        """
        album, index = self._open()
        row, name, outdated = index.begin_source(Path(os.path.realpath(path)), safe_name(name))
        album.discard(outdated)
        return row, name

    def extracts(self) -> frozenset[str]:
        """Paths below the folder of the images that earlier runs wrote here.

        Raises:
            StoreError: the folder holds another run's result.
        """
        if self._opened is None and not (self.folder / INDEX_NAME).exists():
            return frozenset()
        _, index = self._open()
        return index.files()

    def commit(self, rows: Rows, extracts: Iterable[tuple[str, Image, Origin]]) -> None:
        """Puts extracts in place, then their rows into the index: both or neither.

        Args:
            rows: faces and what became of them.
            extracts: paths below the folder, images and where these are from, made one by one as
                they can be written.

        Raises:
            OutputError, AccessError: something could not be written; nothing of it was.
        """
        album, index = self._open()
        try:
            for name, image, origin in extracts:
                album.write(name, image, origin)
            album.flush()
            with index.transaction():
                index.add(rows)
        except BaseException:
            # A Ctrl-C may come when the rows are in the index already: then the images stay.
            with suppress(FaceGrabError):
                album.discard({each.file for each in rows.extracts} - index.files())
            raise

    def finish_source(self, row: int, **columns: int | str) -> None:
        """Notes that a source is done, and what there is to say of it."""
        _, index = self._open()
        with index.transaction():
            index.update_source(row, complete=1, **columns)

    def write_table(self) -> None:
        """Writes the table for people, if there is anything to tell."""
        if self._opened is not None:
            self._opened[1].write_csv(self.folder / CSV_NAME)

    def _open(self) -> tuple[Album, Index]:
        if self._opened is None:
            album = self._stack.enter_context(Album(self.folder))
            index = self._stack.enter_context(Index(self.folder / INDEX_NAME, self._settings))
            self._opened = album, index
        return self._opened
