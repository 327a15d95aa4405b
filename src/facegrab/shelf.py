"""A worker's extracts put into a bucket, and what is said of them handed on."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from facegrab.errors import FaceGrabError, OutputError
from facegrab.media.bucket import Bucket
from facegrab.store.album import Tray
from facegrab.store.away import Away, part_name

THREADS = 8
"""Objects on their way at a time: each takes some tens of milliseconds, mostly waiting."""
_KINDS = {".jpg": "image/jpeg", ".png": "image/png"}


class Shelf(Tray):
    """Puts images into a bucket and gives files away that stand for them, see store/away.py.

    Each attempt to look at a segment has a folder of its own, called by chance: what workers put
    that die, or are too late, is nobody's, and whoever sends the folder sweeps it away.

    Args:
        name: ``s3://bucket/folder`` of the results.

    Raises:
        DeviceError: what is needed for it is not installed.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._bucket = Bucket(name)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="facegrab-shelf")
        self.begin()

    def begin(self) -> None:
        """An attempt begins: what was put before it is somebody else's matter."""
        self._attempt = secrets.token_hex(16)
        self._put: list[Future[None]] = []

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()

    def check(self) -> None:
        """Tries whether something may be put there and taken away again.

        Raises:
            MissingError: no such bucket.
            AccessError: the keys do not allow it, or there are none.
            MediaError: the store does not answer.
        """
        probe = part_name(secrets.token_hex(16), 0, ".jpg")
        self._bucket.write(probe, b"")
        self._bucket.remove(probe)

    def leave(self, names: Iterable[str]) -> dict[str, bytes]:
        """Gives away what stands for images that were handed over; they are on their way."""
        left = dict[str, bytes]()
        for name, content in super().leave(names).items():
            suffix = Path(name).suffix
            away = Away.of(part_name(self._attempt, len(self._put), suffix), content)
            put = partial(self._bucket.write, away.place, content, _KINDS[suffix])
            self._put.append(self._pool.submit(put))
            left[name] = away.content
        return left

    def settle(self) -> None:
        """Waits until all that was given away in this attempt is there.

        Raises:
            OutputError: something cannot be put there.
        """
        wait(self._put)
        try:
            for each in self._put:
                each.result()
        except FaceGrabError as error:  # no error of the source, which could be read
            raise OutputError(str(error)) from error
