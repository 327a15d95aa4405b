"""A folder in a bucket to write to: whole objects up, down and away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from facegrab.address import Address, located
from facegrab.errors import MissingError, OutputError
from facegrab.media.remote import address_of, tried
from facegrab.media.transport import ObjectStore, transport_of

T = TypeVar("T")


class Bucket:
    """A folder in a bucket; what stands at a name is replaced at once or not at all.

    All calls may raise

        MissingError: there is no such bucket, or nothing of that name.
        AccessError: the keys do not allow it, or there are none.
        MediaError: the store cannot be reached, or is busy for more than half a minute.

    Args:
        name: ``s3://bucket/folder``.

    Raises:
        OutputError: it is no address of a bucket.
        MissingError: an address that cannot be kept.
        DeviceError: what is needed for it is not installed.
    """

    def __init__(self, name: str) -> None:
        self.address = address_of(name)
        if self.address.scheme != "s3":
            raise OutputError(f"{name}: results go to a folder, or to s3://bucket/folder")
        self._store = cast(ObjectStore, transport_of("s3"))

    def sizes_bytes(self) -> dict[str, int]:
        """The sizes of all objects below it, by their names below it."""
        find = partial(self._store.files.find, detail=True)
        try:
            found = self._call(self.address, find, "read")
        except MissingError:  # a bucket has no empty folders; that there is a bucket, a put tells
            return {}
        start = "/".join(self.address.parts[1:]) + "/"
        return {
            path.removeprefix(start): int(entry["size"])
            for path, entry in found.items()
            if path.startswith(start) and not path.endswith("/")
        }

    def read(self, name: str, most_bytes: int) -> bytes | None:
        """What an object holds, up to so many bytes; None if there is none."""
        read = partial(self._store.files.cat_file, start=0, end=most_bytes)
        try:
            return bytes(self._call(self._at(name), read, "read"))
        except MissingError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Puts some bytes there."""
        files = self._store.files
        self._call(self._at(name), lambda there: files.pipe_file(there, content), "write")

    def put(self, name: str, path: Path) -> None:
        """Puts a file there."""
        files = self._store.files
        self._call(self._at(name), lambda there: files.put_file(str(path), there), "write")

    def get(self, name: str, path: Path) -> None:
        """Writes an object to a file."""
        files = self._store.files
        self._call(self._at(name), lambda there: files.get_file(there, str(path)), "read")

    def remove(self, name: str) -> None:
        """Takes an object away; it may be gone already."""
        self._call(self._at(name), self._store.files.rm_file, "remove")

    def _at(self, name: str) -> Address:
        return cast(Address, located(f"{self.address}/{name}"))

    def _call(self, address: Address, call: Callable[..., T], doing: str) -> Any:
        done = {"write": "written", "remove": "removed"}.get(doing, doing)
        return tried(address, lambda: self._store.call(address, call, doing), done)
