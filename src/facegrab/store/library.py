"""An index by itself: what is seen, without an answer to anything."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from facegrab.store.database import Database
from facegrab.store.files import as_text, make_folder, real_path, require_here
from facegrab.store.index import Index, Request, Seen


class Library:
    """An index that only grows; use it as a context manager.

    Nothing is made on disk before it is needed.

    Args:
        path: of the file; made if missing, with the folders above it.

    Raises:
        OutputError: it is the address of something elsewhere.
    """

    def __init__(self, path: Path) -> None:
        require_here(path)
        self.path = path
        self._stack = ExitStack()
        self._index: Index | None = None

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def exists(self) -> bool:
        """Whether there is anything on disk."""
        return self._index is not None or self.path.exists()

    @property
    def index(self) -> Index:
        """What was seen; opens the file, and nobody else can as long as it is open.

        Raises:
            OutputError, AccessError: it cannot be made or written.
            StoreError: it is no index, or in use.
        """
        if self._index is None:
            make_folder(self.path.parent)
            self._index = Index(self._stack.enter_context(Database(self.path)))
        return self._index

    def find(self, content: str, asked: Request) -> Seen | None:
        """The look that answers a request for a source, or that began to; see Index.find."""
        return self.index.find(content, asked)

    def hold(self) -> None:
        """Nobody else can use it: as long as it is open anyway."""

    def begin(self, content: str, asked: Request, path: Path, **facts: int | float | None) -> Seen:
        """Enters a look through a source, see begin_look."""
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
        with self.index.database.transaction():
            self.index.remove_segment(scan, number, first_frame)

    def sweep(self) -> None:
        """There is nothing."""

    def write_table(self) -> None:
        """There is none."""


def begin_look(
    index: Index, content: str, asked: Request, path: Path, **facts: int | float | None
) -> Seen:
    """Enters a look through a source; those through what lay in its place before are removed.

    Args:
        index: that it goes into.
        content: what the source is known by.
        asked: what is looked for.
        path: where it lies.
        facts: width, height, duration_seconds and frame_count of it.
    """
    real = real_path(path)
    with index.database.transaction():
        for replaced in index.replaced(real, content):
            index.remove(replaced)
        row = index.begin(content, asked, real)
        index.update(row, **facts)
    return index.scan(row)


def note_moved(index: Index, seen: Seen, path: Path, images: Sequence[Path]) -> None:
    """Notes where a source lies now, if that has changed."""
    real = real_path(path)
    if seen.path != as_text(real):
        with index.database.transaction():
            index.moved(seen.row, real, images)
