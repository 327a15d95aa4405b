"""Looking at sources as a run does, but for deciding and writing, against the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from facegrab.doctor.sources import Sources
from facegrab.errors import MediaError
from facegrab.media import FrameReader
from facegrab.models import compute
from facegrab.scan import scan_as
from facegrab.settings import ProcessSettings
from facegrab.types import Frame
from facegrab.vision.look import Look

DECODE = "decode"

Clock: TypeAlias = Callable[[], float]
"""Seconds, of which only differences count."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done in some time; frames are those of the source, looked at or passed over."""

    frames: int = 0
    looked_at: int = 0
    faces: int = 0
    seconds: float = 0.0

    def __add__(self, other: Done) -> Done:
        return Done(
            self.frames + other.frames,
            self.looked_at + other.looked_at,
            self.faces + other.faces,
            self.seconds + other.seconds,
        )

    def since(self, earlier: Done) -> Done:
        """What came after an earlier state."""
        return Done(
            self.frames - earlier.frames,
            self.looked_at - earlier.looked_at,
            self.faces - earlier.faces,
            self.seconds - earlier.seconds,
        )


class Search:
    """Looks at sources as a run does, and counts.

    Attributes:
        done: in all.
        sources: that were looked at, the last one perhaps not to its end.
        frames_of: the number of frames by path, of those that were.
        complete: that was true of all.
    """

    def __init__(self, look: Look, process: ProcessSettings, clock: Clock) -> None:
        self.done = Done()
        self.sources = 0
        self.frames_of: dict[Path, int] = {}
        self.complete = True
        self._look = look
        self._process = process
        self._lookers = compute.lookers(process.threads, process.device)
        self._clock = clock
        self._decode_seconds = 0.0

    def over(self, sources: Sources, seconds: float) -> None:
        """Goes on until the time is over or all sources are.

        Raises:
            MediaError, MissingError, AccessError: none can be read.
        """
        start = self._clock()
        with closing(sources.readers()) as readers:
            for source, reader in readers:
                if self.sources and self.done.seconds >= seconds:
                    self.complete = False
                    break
                try:
                    left = seconds - self.done.seconds
                    done, ended = self._one(reader, bool(source.images), start, left)
                except MediaError as error:
                    sources.fail(source, error)
                    continue
                self.done += done
                self.sources += 1
                if not ended:
                    self.complete = False
                    break
                self.frames_of[source.path] = done.frames
                start = self._clock()
        if not self.sources:
            raise sources.give_up()

    @property
    def stage_shares(self) -> dict[str, float]:
        """Of the time of all threads."""
        seconds = {DECODE: self._decode_seconds, **self._look.seconds}
        whole = sum(seconds.values())
        return {stage: each / whole for stage, each in seconds.items()}

    def _one(
        self, reader: FrameReader, pictures: bool, start: float, seconds: float
    ) -> tuple[Done, bool]:
        """What was done of one source, and whether that is all of it.

        A source that does not end in time counts from the batch on with which all threads have
        looked once to the last one: before, they wait for the first frames to be decoded, and in
        the end there is work in all of them that is not counted.
        """
        states: list[Done] = []
        now = Done()
        timed = self._timed(reader)
        with closing(scan_as(timed, self._look, self._process, pictures=pictures)) as batches:
            for scanned in batches:
                now = Done(
                    scanned.frames[-1].index + 1,
                    now.looked_at + len(scanned.frames),
                    now.faces + len(scanned.faces),
                    self._clock() - start,
                )
                del scanned
                states.append(now)
                if self._is_enough(states, seconds):
                    return now.since(states[self._lookers - 1]), False
        if not states:
            raise MediaError(f"{reader.path}: no frame to look at is sound")
        frames = reader.frames_read + reader.frames_damaged
        return Done(frames, now.looked_at, now.faces, self._clock() - start), True

    def _is_enough(self, states: Sequence[Done], seconds: float) -> bool:
        """The time is over, and every thread has looked at as many batches as the others.

        Threads that look side by side end nearly at once: a batch more or less of one of them
        would count for much where there are few.
        """
        rounds, more = divmod(len(states), self._lookers)
        if rounds < 2 or more:
            return False
        return states[-1].since(states[self._lookers - 1]).seconds >= seconds

    def _timed(self, reader: FrameReader) -> Iterator[Frame]:
        frames = iter(reader)
        while True:
            start = self._clock()
            frame = next(frames, None)
            self._decode_seconds += self._clock() - start
            if frame is None:
                return
            yield frame
