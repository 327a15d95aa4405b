"""The folder of extracts: images encoded and written off the main thread."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2

from facegrab.store.files import PART, make_folder, part_of, writing
from facegrab.store.origin import Origin, embed_origin
from facegrab.types import Image

JPEG_QUALITY = 95
THREADS = 2
MOST_WAITING_BYTES = 32 * 2**20
"""Pixels of images that wait for a thread, at most: 40 images of 512 px."""

MOST_HELD_BYTES = 64 * 2**20
"""Of what makes images that may be kept, at most: some hundred faces."""

DEEPEST = 4
"""Parts of a name: ``person/uncertain/alignment/file``."""

_PARAMETERS = {
    ".jpg": [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ],
    ".png": [],
}

_LEFT = re.compile(
    r"\.(.+_\d+\.(jpg|png)|facegrab\.csv|index(-\d+)?\.html|references\.npz)"
    rf"\.\d+{re.escape(PART)}",
    re.DOTALL,
)
"""Temporary names of extracts, of the table, of the report and of groups' references, see naming.py
and part_of."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What makes an image that may be kept.

    Attributes:
        make: gives the image, RGB uint8 (H, W, 3); called in another thread.
        size_bytes: that it keeps for that.
        origin: of the image, see Album.write.
        likely: to be kept.
    """

    make: Callable[[], Image]
    size_bytes: int
    origin: Origin
    likely: bool


class _Hold:
    """Holds what makes images, of so many bytes at most."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._bytes = 0

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def add(self, name: str, held: Held) -> Iterator[tuple[str, Held]]:
        """Holds one more; the first ones have to go for it, of which the likely are given."""
        self._held[name] = held
        self._bytes += held.size_bytes
        while self._bytes > MOST_HELD_BYTES:
            for each in self.taken([next(iter(self._held))]):
                if each[1].likely:
                    yield each

    def taken(self, names: Iterable[str]) -> Iterator[tuple[str, Held]]:
        """Gives those away that are held."""
        for name in names:
            if name in self._held:
                held = self._held.pop(name)
                self._bytes -= held.size_bytes
                yield name, held

    def clear(self) -> None:
        """Forgets all."""
        self._held.clear()
        self._bytes = 0


class Album:
    """Writes images into a folder, each whole or not at all.

    Images are handed over when their frame is there, and kept or dropped when it is known whether
    they are wanted; until then they lie in the folder under temporary names.

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
        self._handed_over: dict[str, Path] = {}
        self._held = _Hold()
        self._left: set[Path] = set()

    def __enter__(self) -> Album:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads and removes what was neither kept nor dropped, and folders left empty.

        Not before, because images of other processes may be on their way into them.
        """
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()
        self.drop()
        below = {each for place in self._left for each in (place, *place.parents)}
        for each in sorted(below, reverse=True):  # those inside another before it
            if self._folder in each.parents:
                with suppress(OSError):  # something is in it
                    each.rmdir()

    def sweep(self) -> None:
        """Removes what a run that died left under temporary names; nobody else may be writing.

        Other programs' files may end alike: only what is named as ours are goes.
        """
        for pattern in (f".*{PART}", f"*/.*{PART}"):
            for path in self._folder.glob(pattern):
                if _LEFT.fullmatch(path.name):
                    with suppress(OSError):
                        path.unlink()

    def write(self, name: str, image: Image, origin: Origin | None = None) -> None:
        """Hands over an image.

        Args:
            name: of the file, ending in ``.jpg`` (quality 95, 4:4:4) or ``.png``; below a folder
                of its own as ``folder/file``.
            image: RGB uint8 (H, W, 3).
            origin: written into the file as metadata.

        Raises:
            OutputError, AccessError: an image before this one could not be written.
        """
        self._write(name, lambda: image, image.nbytes, origin)

    def _write(
        self, name: str, make: Callable[[], Image], size_bytes: int, origin: Origin | None
    ) -> None:
        if self._waiting_bytes + size_bytes > MOST_WAITING_BYTES:
            self.flush()
        self._waiting_bytes += size_bytes
        self._handed_over[name] = part_of(self._folder / name)
        self._waiting.append(self._pool.submit(self._encode, name, make, origin))

    def take_later(self, name: str, held: Held) -> None:
        """Hands over what makes an image: it is made and written when it is kept.

        Of so many that they would take too much memory, the first are written all the same if they
        are likely to be kept, and else let go: then ``has`` says so, and whoever wants one makes it
        again. Written, they would cost more than looking at their faces did.

        Args:
            name: see write.
            held: what makes it.

        Raises:
            OutputError, AccessError: an image before this one could not be written.
        """
        for first, other in self._held.add(name, held):
            self._write(first, other.make, other.size_bytes, other.origin)

    def _release(self, names: Iterable[str]) -> None:
        """Has those images made and written that are held."""
        for name, held in self._held.taken(names):
            self._write(name, held.make, held.size_bytes, held.origin)

    def flush(self) -> None:
        """Waits until every image handed over is written, under its temporary name.

        Raises:
            OutputError, AccessError: one could not be written.
        """
        for each in self._waiting:
            each.result()
        self._waiting.clear()
        self._waiting_bytes = 0

    def keep(self, names: Iterable[str], places: Mapping[str, str] | None = None) -> None:
        """Puts images that were handed over in place, on disk to stay; others wait on.

        Args:
            names: that they were handed over by.
            places: the names that some get instead.

        Raises:
            OutputError, AccessError: one could not be written.
        """
        places = places or {}
        kept = sorted(names)
        self._release(kept)
        self.flush()
        for each in [self._pool.submit(_last, self._handed_over[name]) for name in kept]:
            each.result()
        for name in kept:
            place = self._folder / places.get(name, name)
            if place.parent != self._folder:
                make_folder(place.parent)
            with writing(place):
                self._handed_over[name].replace(place)
            self._left.add(self._handed_over.pop(name).parent)
        self._folders_last([places.get(name, name) for name in kept])

    def leave(self, names: Iterable[str]) -> dict[str, Path]:
        """Leaves images that were handed over to another process's album, which adopts them.

        Returns:
            where each lies that was not let go.

        Raises:
            OutputError, AccessError: one could not be written.
        """
        names = list(names)
        self._release(names)
        self.flush()
        return {name: self._handed_over.pop(name) for name in names if name in self._handed_over}

    def adopt(self, left: Mapping[str, Path | bytes]) -> None:
        """Takes images that another process's album left in the same folder, or that it sent.

        Raises:
            OutputError, AccessError: an image before these could not be written.
        """
        for name, image in left.items():
            if isinstance(image, Path):
                self._handed_over[name] = image
                continue
            if self._waiting_bytes + len(image) > MOST_WAITING_BYTES:
                self.flush()
            self._waiting_bytes += len(image)
            self._handed_over[name] = part_of(self._folder / name)
            self._waiting.append(self._pool.submit(self._put, name, image))

    def take_over(self, file: str, name: str) -> bool:
        """Hands over an image that is in the folder already, to get another place.

        The old one stays where it is; both are one file where the system can.

        Args:
            file: of it, from an index, which may come from anywhere.
            name: that it is handed over by.

        Returns:
            whether there is one.

        Raises:
            OutputError, AccessError: it cannot be written.
        """
        old, part = self._folder / file, part_of(self._folder / name)
        if not leads_inside(file) or not old.is_file():
            return False
        with writing(self._folder / name):
            make_folder(part.parent)
            try:
                part.hardlink_to(old)
            except OSError:  # a file system without links
                shutil.copyfile(old, part)
        self._handed_over[name] = part
        return True

    def has(self, name: str) -> bool:
        """Whether an image was handed over and is neither kept nor dropped."""
        return name in self._handed_over or name in self._held

    def drop(self) -> None:
        """Removes what was handed over and not kept."""
        self._held.clear()
        self._settle()
        for part in self._handed_over.values():
            with suppress(OSError):
                part.unlink()
            self._left.add(part.parent)
        self._handed_over.clear()

    def discard(self, names: Iterable[str]) -> list[str]:
        """Waits for the threads, then removes images that the index does not hold.

        Names come from an index, which may come from anywhere: what leads out of the folder is
        left alone.

        Returns:
            those that are not there any more; others, open in a viewer say, the system keeps.
        """
        self._settle()
        gone, removed = [], []
        for name in names:
            try:
                if leads_inside(name):
                    self._left.add((self._folder / name).parent)
                    (self._folder / name).unlink()
                    removed.append(name)
            except FileNotFoundError:
                pass
            except OSError:
                continue
            gone.append(name)
        self._folders_last(removed)
        return gone

    def _folders_last(self, names: Sequence[str]) -> None:
        """Waits until the names of images, or that they are gone, are on the disk."""
        folders = set[Path]()
        for name in names:  # all above may be new
            folders.update((self._folder / name).parents)
        folders = {each for each in folders if each.is_relative_to(self._folder)}
        for folder in sorted(folders):
            _folder_last(folder)

    def _settle(self) -> None:
        wait(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0

    def _encode(self, name: str, make: Callable[[], Image], origin: Origin | None) -> None:
        self._put(name, encoded(name, make(), origin))

    def _put(self, name: str, content: bytes) -> None:
        path = self._folder / name
        if path.parent != self._folder:
            make_folder(path.parent)
        with writing(path):
            part_of(path).write_bytes(content)


class Tray:
    """Holds images, encoded, for somebody else's album; see Album."""

    def __init__(self) -> None:
        self._images: dict[str, bytes] = {}
        self._held = _Hold()

    def write(self, name: str, image: Image, origin: Origin | None = None) -> None:
        """Hands over an image, see Album.write."""
        self._images[name] = encoded(name, image, origin)

    def take_later(self, name: str, held: Held) -> None:
        """The same for what makes one; see Album.take_later."""
        for first, other in self._held.add(name, held):
            self.write(first, other.make(), other.origin)

    def leave(self, names: Iterable[str]) -> dict[str, bytes]:
        """Gives images away that were handed over and not let go: what an album writes."""
        names = list(names)
        for name, held in self._held.taken(names):
            self.write(name, held.make(), held.origin)
        return {name: self._images.pop(name) for name in names if name in self._images}

    def drop(self) -> None:
        """Forgets what was handed over and not given away."""
        self._held.clear()
        self._images.clear()


def encoded(name: str, image: Image, origin: Origin | None) -> bytes:
    """An image as a file holds it.

    Args:
        name: see Album.write, as are those that follow.
    """
    suffix = Path(name).suffix
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(suffix, bgr, _PARAMETERS[suffix])
    return content.tobytes() if origin is None else embed_origin(content.tobytes(), origin)


def _last(path: Path) -> None:
    """Waits until a file is on the disk, so that it outlasts a power cut."""
    with writing(path), path.open("r+b") as file:
        os.fsync(file.fileno())


def _folder_last(folder: Path) -> None:
    """The same for the names in a folder, where the system has a way to ask for it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):  # not every file system can
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def leads_inside(name: str) -> bool:
    """Whether a name from an index is a file's below some folders, and so lies in the album."""
    parts = name.split("/")
    return len(parts) <= DEEPEST and all(
        part not in ("", ".", "..") and Path(part).name == part for part in parts
    )


def is_of_a_folder(name: str) -> bool:
    """Whether a person's name from an index is that of a folder in the album."""
    return "/" not in name and leads_inside(name)
