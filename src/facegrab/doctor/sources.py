"""Sources that are opened more than once; one that cannot be read is left out from then on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError
from facegrab.media import FrameReader, Source, open_source
from facegrab.models.compute import CPU


class Sources:
    """What an input names.

    Args:
        sources: at least one.
        every: one frame in so many is looked at.
        device: that decodes.
    """

    def __init__(self, sources: Sequence[Source], every: int, device: str = CPU) -> None:
        self.all = sources
        self.every = every
        self.device = device
        self._failed: dict[Path, FaceGrabError] = {}

    @property
    def readable(self) -> list[Source]:
        """Those that have not failed yet."""
        return [source for source in self.all if source.path not in self._failed]

    @property
    def not_read(self) -> tuple[str, ...]:
        """A line for each that failed; it names the source."""
        lines = ((str(path), str(error)) for path, error in self._failed.items())
        return tuple(why if path in why else f"{path}: {why}" for path, why in lines)

    def readers(self) -> Generator[tuple[Source, FrameReader], None, None]:
        """Each in turn, open at its first frame; say with ``fail`` if reading it fails."""
        for source in self.readable:
            try:
                reader = open_source(source, self.every, self.device)
            except (MediaError, MissingError, AccessError) as error:
                self.fail(source, error)
                continue
            with reader:
                yield source, reader

    def fail(self, source: Source, error: FaceGrabError) -> None:
        """Leaves a source out from now on."""
        self._failed[source.path] = error

    def give_up(self) -> FaceGrabError:
        """What to raise when none is left: what is wrong with the last one."""
        return list(self._failed.values())[-1]

    def frame_count(
        self, known: dict[Path, int], seconds: float, clock: Callable[[], float]
    ) -> int | None:
        """Frames of all that can be read; None if the header of one does not say.

        Args:
            known: frames by path, where they were counted.
            seconds: to look into headers; each source that is left then counts as much as the
                others do on average.
            clock: in seconds.
        """
        counts, end = dict(known), clock() + seconds
        for source in self.readable:
            if source.path in counts or (counts and clock() > end):
                continue
            try:
                count = self._count(source)
            except (MediaError, MissingError, AccessError) as error:
                self.fail(source, error)
                continue
            if count is None:
                return None
            counts[source.path] = count
        total = sum(counts.values())
        return round(total * len(self.readable) / len(counts)) if counts else None

    def _count(self, source: Source) -> int | None:
        if source.images:
            return len(source.images)
        with open_source(source, self.every, self.device) as reader:
            return reader.frame_count
