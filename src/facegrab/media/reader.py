"""What every reader of frames has in common, and the check before a file is opened."""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from facegrab.address import Address
from facegrab.errors import AccessError, MediaError, MissingError, SettingError
from facegrab.media.remote import size_of
from facegrab.media.tally import Tally
from facegrab.types import Frame, Segment

# 134 million pixels: above 16K video (15360 x 8640 = 132.7 million) and any usual camera; one such
# image is 400 MB. A header that claims more is damaged or hostile.
MAX_PIXELS = 2**27


class FrameReader(ABC):
    """Iterator over every ``every``-th frame of a source, in order; a context manager.

    It begins with the source's first frame, or with a segment's.

    Attributes:
        width: pixels of the first frame, upright and with square pixels.
        height: likewise.
        frame_count: frames of the source, exact for images; for a video what the container says or
            its duration allows, an estimate; None if unknown.
        duration_seconds: what the container says; None if unknown and for images.
    """

    width: int
    height: int
    frame_count: int | None
    duration_seconds: float | None
    _frames: Iterator[Frame]

    def __init__(self, path: Path, every: int) -> None:
        if every < 1:
            raise SettingError(f"every is a whole number from 1, not {every!r}")
        self.path = path
        self.every = every
        self._tally = Tally()
        self._segments: list[Segment] = []

    @property
    def frames_read(self) -> int:
        """Sound frames gone past so far, those that were skipped and those before the start too."""
        return self._tally.read

    @property
    def frames_damaged(self) -> int:
        """Frames that could not be decoded so far; not all that are skipped are tried."""
        return self._tally.damaged

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Segments begun so far, the start first: to be asked from any thread at any time.

        One is there before its first frame is handed out.
        """
        return tuple(self._segments)

    @property
    def origin(self) -> int | None:
        """Ticks of a video's first frame, where those of another are its seconds and this.

        None for images, and where frames so far lacked times or came out of their order. To be
        asked when all were read.
        """
        return None

    @property
    @abstractmethod
    def warnings(self) -> list[str]:
        """What went wrong so far, one line each."""

    def recall(self, warnings: Sequence[str]) -> None:  # noqa: B027 - most know
        """Takes over warnings of what lies before the start, which only an earlier reading saw.

        Args:
            warnings: of a reader of the same source that came to the start. Call it before the
                first frame is asked for.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the file and the decoder; iteration ends. Closing twice is fine."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def check_file(path: Path) -> int:
    """The size in bytes of a regular file that may be read.

    Raises:
        MissingError: there is no such file.
        AccessError: it may not be read.
        MediaError: it is a folder, a device or pipe, or empty.
    """
    if isinstance(path, Address):
        return _not_empty(path, size_of(path))
    try:
        status = path.stat()
        # Opening a pipe would wait for its other end: what it is comes first.
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except PermissionError as error:
        raise AccessError(f"no permission to read {path}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"no such file: {path}") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be opened: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise MediaError(f"{path} is {what}, no video and no image")
    return _not_empty(path, status.st_size)


def _not_empty(path: Path, size_bytes: int) -> int:
    if size_bytes == 0:
        raise MediaError(f"{path} is empty")
    return size_bytes
