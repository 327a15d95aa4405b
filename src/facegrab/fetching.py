"""Contents of a folder's extracts, wherever they lie."""

from __future__ import annotations

from pathlib import Path

from facegrab.errors import MissingError
from facegrab.media.bucket import Bucket
from facegrab.store.away import away_of
from facegrab.store.sent import address_in

LARGEST_BYTES = 2**26
"""Of an extract in a bucket: what stands for one may say anything."""


def content_of(folder: Path, name: str, most_bytes: int) -> bytes:
    """What an extract's file holds, up to so many bytes; brought from the bucket if it is there.

    Args:
        folder: that a run wrote.
        name: below it; one that leads out of it is for others to refuse.
        most_bytes: to be read.

    Raises:
        OSError: the file here cannot be read.
        MissingError: it is gone from the bucket, or nothing says which bucket it is.
        AccessError, MediaError, DeviceError: the bucket cannot be read.
    """
    path = folder / name
    with path.open("rb") as file:
        content = file.read(most_bytes)
    away = away_of(path, path.stat().st_size)
    if away is None:
        return content
    address = address_in(folder)
    if address is None:
        raise MissingError(f"{path} stands for an image in a bucket, of which nothing is said here")
    bucket = Bucket(address)
    for place in (name, away.place):  # once it is sent, before it is
        there = bucket.read(place, min(away.size_bytes, LARGEST_BYTES) + 1)
        if there is not None and away.is_of(there):
            return there[:most_bytes]
    raise MissingError(f"{path} lies in {address}, and is gone there: run the same command again")
