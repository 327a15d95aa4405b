"""The folder of extracts: images encoded and written off the main thread."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import cv2

from facegrab.store.files import atomic, make_folder
from facegrab.store.origin import Origin, embed_origin
from facegrab.types import Image

JPEG_QUALITY = 95
THREADS = 2
MOST_WAITING_BYTES = 32 * 2**20
"""Pixels of images that wait for a thread, at most: 40 images of 512 px."""

_PARAMETERS = {
    ".jpg": [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ],
    ".png": [],
}


class Album:
    """Writes images into a folder, each whole or not at all.

    Args:
        folder: made if missing.

    Raises:
        OutputError, AccessError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="facegrab-album")
        self._waiting: list[Future[None]] = []
        self._waiting_bytes = 0

    def __enter__(self) -> Album:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads; images that no thread has begun are not written."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def write(self, name: str, image: Image, origin: Origin | None = None) -> None:
        """Hands over an image; it is in place after the next flush.

        Args:
            name: of the file, ending in ``.jpg`` (quality 95, 4:4:4) or ``.png``; below a folder
                of its own as ``folder/file``.
            image: RGB uint8 (H, W, 3).
            origin: written into the file as metadata.

        Raises:
            OutputError, AccessError: an image before this one could not be written.
        """
        if self._waiting_bytes + image.nbytes > MOST_WAITING_BYTES:
            self.flush()
        self._waiting_bytes += image.nbytes
        self._waiting.append(self._pool.submit(self._encode, name, image, origin))

    def flush(self) -> None:
        """Waits until every image handed over is in place.

        Raises:
            OutputError, AccessError: one could not be written.
        """
        for each in self._waiting:
            each.result()
        self._waiting.clear()
        self._waiting_bytes = 0

    def discard(self, names: Iterable[str]) -> None:
        """Waits for the threads, then removes images that the index does not hold.

        Names come from an index, which may come from anywhere: what leads out of the folder is
        left alone.
        """
        wait(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        for name in names:
            if _leads_inside(name):
                with suppress(OSError):
                    (self._folder / name).unlink()

    def _encode(self, name: str, image: Image, origin: Origin | None) -> None:
        suffix = Path(name).suffix
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(suffix, bgr, _PARAMETERS[suffix])
        content = encoded.tobytes()
        if origin is not None:
            content = embed_origin(content, origin)
        path = self._folder / name
        if path.parent != self._folder:
            make_folder(path.parent)
        with atomic(path) as part:
            part.write_bytes(content)


def _leads_inside(name: str) -> bool:
    """Whether a name from an index is ``file`` or ``folder/file``, and so lies in the album."""
    parts = name.split("/")
    return len(parts) <= 2 and all(
        part not in ("", ".", "..") and Path(part).name == part for part in parts
    )
