"""Surveying: a source into the index, segment by segment, each committed as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Protocol

from facegrab.errors import MediaError, StoreError
from facegrab.media import FrameReader
from facegrab.media.source import Source
from facegrab.memory import Passing, give_back
from facegrab.people.link import Linker
from facegrab.question import Place
from facegrab.scan import Scanned
from facegrab.store.index import Index, Request, Seen, SegmentRow
from facegrab.types import Faces, Segment

_MOST = 2**62
"""Of what a segment counts and of its times: numbers of 64 bits, with room for sums."""
_TICKS = ("pts", "origin")
_MAY_LACK = frozenset(each.name for each in fields(Segment) if each.default is None)
_YES_OR_NO = frozenset(each.name for each in fields(Segment) if each.type == "bool")


class Begins(Protocol):
    """A store in which a look through a source can begin."""

    @property
    def index(self) -> Index:
        """What was seen."""

    def hold(self) -> None:
        """Nobody else can use the index from now on."""

    def begin(self, content: str, asked: Request, path: Path, **facts: int | float | None) -> Seen:
        """Enters a look through a source."""


class Gather:
    """Takes what a survey sees into an index.

    Args:
        source: that is surveyed.
        content: what it is known by.
        asked: which faces are looked for.
        seen: what an earlier survey began, or None.
        store: that holds the index.
        step: is told frames read, faces found and faces written so far.
    """

    def __init__(
        self,
        source: Source,
        content: str,
        asked: Request,
        seen: Seen | None,
        store: Begins,
        step: Callable[[int, int, int], None],
    ) -> None:
        self._source = source
        self._content = content
        self._asked = asked
        self._begun = seen
        self._known_looked_at = seen.frames_looked_at if seen else 0
        self._store = store
        self._step = step
        self._found = 0
        self._reader: FrameReader | None = None
        self.computed = ""
        """What the networks run on."""
        self.frames_looked_at = 0
        """Of the segments that came to their end, and of the part of one that was kept."""
        self.seconds = 0.0
        """Spent on deciding, cutting and committing."""

    @property
    def seen(self) -> Seen:
        """What the index says of the survey, as it stands."""
        return self._store.index.scan(self._scan.row)

    @property
    def place(self) -> Place | None:
        """The source as the answers speak of it; None where nothing is asked."""
        return None

    @property
    def _scan(self) -> Seen:
        assert self._begun is not None
        return self._begun

    def begin(self, reader: FrameReader) -> None:
        """There is a frame to look at: not before that is anything made on disk.

        Called once more, it takes another reader of the same source.
        """
        self._reader = reader
        self._store.hold()
        if self._begun is None:
            self._begun = self._store.begin(
                self._content,
                self._asked,
                self._source.path,
                width=reader.width,
                height=reader.height,
                duration_seconds=reader.duration_seconds,
                frame_count=reader.frame_count,
            )

    def batch(self, scanned: Scanned, faces: Faces) -> None:
        """Faces of some frames, which are gone afterwards.

        Args:
            scanned: the frames.
            faces: theirs, with shots and tracks.
        """
        self._found += len(faces)
        self._step(scanned.frames[-1].index + 1, self._found, 0)

    def commit(self, segment: SegmentRow, faces: Faces) -> None:
        """A segment is done, and these are all of its faces."""
        with self._store.index.database.transaction():
            self._enter(segment, faces)
        self.frames_looked_at += segment.frames_looked_at

    def drop(self) -> None:
        """What came since the last commit is not to be kept."""

    def _pictures(self, segment: SegmentRow, faces: Faces) -> Sequence[Path | None]:
        """The image file of each face of a segment, or None."""
        return pictures_of(self._source, faces)

    def _enter(self, segment: SegmentRow, faces: Faces) -> None:
        """A segment into the index; in a transaction."""
        assert self._reader is not None
        index, reader = self._store.index, self._reader
        # Where another segment follows, the reader is well into it already.
        read = segment_of(segment.next, index.database.path) if segment.next else reader
        looked_at = self._known_looked_at + self.frames_looked_at + segment.frames_looked_at
        index.add(self._scan.row, segment, faces, self._pictures(segment, faces))
        index.update(
            self._scan.row,
            frames_looked_at=looked_at,
            complete=int(segment.whole and segment.next is None),
            frames_read=read.frames_read,
            frames_damaged=read.frames_damaged,
            warnings=json.dumps(reader.warnings),
            computed=self.computed,
            origin=reader.origin,
        )


def text_of(segment: Segment) -> str:
    """A segment as the index keeps it."""
    return json.dumps(asdict(segment))


def segment_of(text: str, path: Path) -> Segment:
    """The segment of such a text.

    Args:
        text: from an index.
        path: of that, for the message.

    Raises:
        StoreError: it is none.
    """
    try:
        values = json.loads(text)
        for name, value in values.items():
            if value is None and name in _MAY_LACK:
                continue
            if type(value) is bool and name in _YES_OR_NO:
                continue
            least = -_MOST if name in _TICKS else 0
            if type(value) is not int or not least <= value <= _MOST:
                raise ValueError("no whole number")
        return Segment(**values)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: choose another index, or remove it") from error


def pictures_of(source: Source, faces: Faces) -> Sequence[Path | None]:
    """The image file of each face, or None for those of a video."""
    if not source.images:
        return [None] * len(faces)
    return [source.images[frame].absolute() for frame in faces.frame.tolist()]


class Survey:
    """Goes through the frames of a source, batch by batch.

    Args:
        reader: of the source; its segments are committed as they end.
        linker: joins faces to tracks, from the first frame that is read on.
        gather: takes what is seen.
    """

    def __init__(self, reader: FrameReader, linker: Linker, gather: Gather) -> None:
        self._reader = reader
        self._linker = linker
        self._gather = gather
        self._segment: Segment | None = None
        self._faces: list[Faces] = []
        self._looked_at = 0
        self._committing = False
        self._begun = False
        self._passing = Passing()

    def over(self, batches: Iterable[Scanned]) -> None:
        """Takes all batches.

        What was seen of a segment that does not come to its end, because of a Ctrl-C or an error
        of the file, is kept too, as a part; the next survey begins that segment anew.

        Raises:
            MediaError: there is no frame to look at; or what the batches raise.
        """
        try:
            for scanned in batches:
                self._take(scanned)
                del scanned
        except (KeyboardInterrupt, MediaError):
            if self._committing:
                self._gather.drop()
            elif self._segment is not None:
                self._commit(None, whole=False)
            raise
        except BaseException:
            self._gather.drop()
            raise
        if self._segment is not None:
            self._commit(None)
        elif not self._begun:
            raise MediaError(f"{self._reader.path}: no frame to look at is sound")

    def _take(self, scanned: Scanned) -> None:
        number = scanned.frames[0].segment
        segment = next(each for each in self._reader.segments if each.number == number)
        if self._segment is not None and segment.number != self._segment.number:
            self._commit(segment)
        if not self._begun:
            self._gather.begin(self._reader)
            self._begun = True
        self._segment = segment
        faces = self._linker(scanned.frames, scanned.faces, scanned.signatures)
        self._faces.append(faces)
        self._looked_at += len(scanned.frames)
        self._gather.batch(scanned, faces)
        for frame in scanned.frames:
            self._passing.count(frame.image.nbytes)

    def _commit(self, following: Segment | None, *, whole: bool = True) -> None:
        assert self._segment is not None
        self._committing = True
        row = SegmentRow(
            self._segment.number,
            text_of(self._segment),
            None if following is None else text_of(following),
            self._looked_at,
            self._linker.state,
            whole,
        )
        self._gather.commit(row, Faces.concatenate(self._faces))
        self._segment, self._faces, self._looked_at = None, [], 0
        self._committing = False
        give_back()
