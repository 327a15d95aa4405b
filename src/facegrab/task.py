"""Segments as work that is given away: what to look through, what was seen, and who does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from facegrab.choice import Opener, choice_of
from facegrab.harvest import cut
from facegrab.media import open_source
from facegrab.media.source import Source, follow_on_each_other
from facegrab.people.judge import Asked
from facegrab.people.link import Linker
from facegrab.question import Place, Question
from facegrab.scan import Scanned, scan_as
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.album import Album, Tray
from facegrab.types import Faces, Frame, Segment
from facegrab.vision.look import Eyes, Look

NO_PIXELS = np.empty((0, 0, 3), np.uint8)
"""Of a frame that was looked at elsewhere."""
_COLUMNS = fields(Faces)


@dataclass(frozen=True, slots=True)
class Orders:
    """What whoever looks through segments has to know.

    Attributes:
        process: how sources are read; with as many threads as one of them may use.
        recognition: how faces are compared.
        asked: who is asked for; None where nothing is cut out.
        folder: where what is cut out is put; None likewise.
        eyes: networks to use in place of those of the settings.
        bucket: where workers of a cluster put it in place of the folder, which gets files that
            stand for it; None: it is sent to whoever has the folder.
    """

    process: ProcessSettings
    recognition: RecognitionSettings
    asked: Asked | None = None
    folder: Path | None = None
    eyes: Eyes | None = None
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A segment to look through.

    Attributes:
        source: that it is of.
        start: where it begins.
        place: the source as the answers speak of it; None where nothing is cut out.
        content: what the source is known by.
    """

    source: Source
    start: Segment
    place: Place | None
    content: str


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What was seen in a segment.

    Attributes:
        batches: frames without their pixels, faces, and what was cut out.
        following: where the next segment begins; None if there is none.
        frames_read: of the source, up to the segment's end.
        frames_damaged: of the source, up to there.
        origin: of the reader.
        warnings: of the reader.
        seconds: spent, by stage.
        aside: nothing was seen: it cannot be looked at; the warnings say so.
    """

    batches: tuple[Scanned, ...]
    following: Segment | None
    frames_read: int
    frames_damaged: int
    origin: int | None
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    aside: bool = False

    @property
    def size_bytes(self) -> int:
        """Of what it holds: the faces, and extracts that are here as what a file holds."""
        images = (image for batch in self.batches for _, image in batch.extracts or ())
        size = sum(len(image) for image in images if isinstance(image, bytes))
        for batch in self.batches:
            size += sum(int(getattr(batch.faces, each.name).nbytes) for each in _COLUMNS)
        return size

    @classmethod
    def set_aside(cls, segment: Segment, following: Segment | None, why: str) -> Part:
        """Of a segment that cannot be looked at, though others can.

        Args:
            segment: where it begins.
            following: where the next one does; None if there is none.
            why: for people.
        """
        end = "on" if following is None else f"to {following.first_frame - 1}"
        note = (
            f"set aside, from frame {segment.first_frame} {end}: {why}; to look at it again: "
            "facegrab index forget, and the same command"
        )
        read = (following or segment).frames_read
        return cls((), following, read, segment.frames_damaged, None, (note,), {}, aside=True)


class SetAsideError(Exception):
    """A segment cannot be looked at: whoever does so dies. The message says why."""


class Engine(Protocol):
    """Those who look through segments; use it as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None: ...

    @property
    def is_busy(self) -> bool:
        """Whether there is enough to do for all until something comes back."""

    def ready(self) -> None:
        """Waits until somebody can look; before that, nothing need be made on disk.

        Raises:
            DeviceError, WeightsError, ...: nobody will.
        """

    def see(self, task: Task) -> Future[Part]:
        """Has a segment looked through, when one of them comes to it."""

    def take(self, future: Future[Part]) -> Part:
        """What came of a segment, waited for: each once, in the order in which they were given.

        Raises:
            DeviceError: whoever looked at it died.
            SetAsideError: so does everybody who looks at it.
            whatever looking raises.
        """

    def drop(self, future: Future[Part]) -> None:
        """Nobody waits for a segment any more."""


class Worker:
    """Looks through segments; keeps the networks from one to the next.

    Args:
        orders: what it has to know.
        look: the networks, where they are open already.
        tray: where what is cut out is put, in place of the folder.
    """

    def __init__(self, orders: Orders, look: Look | None = None, tray: Tray | None = None) -> None:
        self._process = orders.process
        choice = self._choice = choice_of(orders.recognition, orders.process, orders.eyes)
        self._look = look or Opener(choice, orders.process, orders.eyes)()
        self.computed = self._look.eyes.computed
        """What the networks run on."""
        self._question: Question | None = None
        self._album: Album | Tray | None = tray
        self.ask(orders.asked)
        if self._question and orders.folder and not tray:
            self._album = Album(orders.folder)

    def ask(self, asked: Asked | None) -> None:
        """Who is asked for from now on; None: nothing is cut out."""
        self._question = None if asked is None else Question(asked, self._choice, self._process)

    def see(self, task: Task) -> Part:
        """Looks through a segment."""
        process = self._process
        self._look.seconds.clear()
        every, device = process.skip_frames + 1, process.device
        with open_source(
            task.source, every, device, task.start, only=True, threads=process.threads
        ) as reader:
            pictures = bool(task.source.images)
            with closing(scan_as(reader, self._look, process, pictures=pictures)) as batches:
                seen = self._cut(batches, task)
            seconds = dict(self._look.seconds)
            self._look.seconds.clear()
            following = reader.segments[1] if len(reader.segments) > 1 else None
            return Part(
                seen,
                following,
                reader.frames_read,
                reader.frames_damaged,
                reader.origin,
                tuple(reader.warnings),
                seconds,
            )

    def _cut(self, batches: Iterator[Scanned], task: Task) -> tuple[Scanned, ...]:
        """The batches without pixels; with the last one what was cut out of the segment.

        That is what the segment by itself wants, as whoever takes it will find when it commits.
        """
        question, album, place = self._question, self._album, task.place
        if question is None or album is None or place is None:
            return tuple(_without_pixels(scanned) for scanned in batches)
        linker = Linker(self._look.eyes.recogniser.spec, follows=follow_on_each_other(task.source))
        promise, faces, seen = question.promise(), list[Faces](), list[Scanned]()
        try:
            for scanned in batches:
                faces.append(linker(scanned.frames, scanned.faces, scanned.signatures))
                cut(question, place, scanned.frames, faces[-1], album, promise)
                seen.append(replace(_without_pixels(scanned), extracts=()))
                del scanned
            if seen:
                names = question.wants(place, Faces.concatenate(faces))
                left: Mapping[str, Path | bytes] = album.leave(names)
                seen[-1] = replace(seen[-1], extracts=tuple(left.items()))
        finally:
            album.drop()
        return tuple(seen)


def _without_pixels(scanned: Scanned) -> Scanned:
    frames = (
        Frame(each.index, each.pts_seconds, NO_PIXELS, each.segment) for each in scanned.frames
    )
    return replace(scanned, frames=tuple(frames))
