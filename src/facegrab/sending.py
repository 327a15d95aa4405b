"""Folders that commands change, where they may lie in a bucket: what is changed is sent at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from facegrab.address import Address
from facegrab.errors import MissingError
from facegrab.media.bucket import Bucket
from facegrab.mirror import Mirror
from facegrab.store.output import INDEX_NAME


@contextmanager
def work_folder(folder: Path, say: Callable[[str], object]) -> Iterator[Path]:
    """A folder that a run wrote, here; what is done in it goes to its bucket when the block ends.

    Of a bucket that is the folder in the cache, into which what is missing is brought, but for
    extracts, which stay there. A Ctrl-C in the block ends it well; after an error nothing is sent.

    Args:
        folder: or the address of one in a bucket.
        say: is told where it lies, and what was sent.

    Raises:
        MissingError: the bucket holds no result.
        OutputError, AccessError, MediaError, DeviceError, StoreError: see Mirror.
    """
    if not isinstance(folder, Address):
        yield folder
        return
    if Bucket(str(folder)).read(INDEX_NAME, 1) is None:  # nor is anything written there then
        raise MissingError(f"{folder} holds no index: name a folder that a run wrote")
    mirror = Mirror(str(folder), away=True)
    say(f"the folder of {mirror.address} lies in {mirror.folder}")
    try:
        yield mirror.folder
    except KeyboardInterrupt:
        _finish(mirror, say)
        raise
    _finish(mirror, say)


def _finish(mirror: Mirror, say: Callable[[str], object]) -> None:
    say(f"{mirror.finish()} files and the index are in {mirror.address}")
