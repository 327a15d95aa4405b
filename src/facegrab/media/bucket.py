"""A folder in a bucket to write to: whole objects up, down and away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from facegrab.address import Address, located
from facegrab.errors import MissingError, OutputError
from facegrab.media.remote import address_of, tried
from facegrab.media.transport import ObjectStore, transport_of

T = TypeVar("T")
_MOST_REMOVED = 1000
"""At a time, as S3 has it."""


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

    def sizes_bytes(self, folder: str = "") -> dict[str, int]:
        """The sizes of all objects below it, or below a folder in it, by their names below it."""
        find = partial(self._store.files.find, detail=True)
        try:
            found = self._call(self._at(folder) if folder else self.address, find, "read")
        except MissingError:  # a bucket has no empty folders; that there is a bucket, a put tells
            return {}
        start = _below(self.address) + "/"
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

    def write(self, name: str, content: bytes, kind: str = "application/octet-stream") -> None:
        """Puts some bytes there, of a media type."""
        files = self._store.files
        self._call(
            self._at(name), lambda there: files.pipe_file(there, content, ContentType=kind), "write"
        )

    def copy(self, source: str, name: str) -> None:
        """Has the store copy an object; nothing of it comes here."""
        files = self._store.files
        bucket, key, _ = files.split_path(_below(self._at(source)))

        def copy(there: str) -> None:
            to_bucket, to_key, _ = files.split_path(there)
            source = {"Bucket": bucket, "Key": key}
            # files.cp_file asks for the size first, which costs another request.
            files.call_s3("copy_object", Bucket=to_bucket, Key=to_key, CopySource=source)

        self._call(self._at(name), copy, "write")

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

    def remove_all(self, names: Sequence[str]) -> None:
        """Takes objects away, many at a time; they may be gone already."""
        for begin in range(0, len(names), _MOST_REMOVED):
            some = [self._at(name) for name in names[begin : begin + _MOST_REMOVED]]
            self._call(some[0], lambda _, some=some: self._remove_some(some), "remove")

    def _remove_some(self, some: Sequence[Address]) -> None:
        split = [self._store.files.split_path(_below(each)) for each in some]
        objects = {"Objects": [{"Key": key} for _, key, _ in split], "Quiet": True}
        answer = self._store.files.call_s3("delete_objects", Bucket=split[0][0], Delete=objects)
        for error in answer.get("Errors", ()):
            if error.get("Code") == "AccessDenied":
                raise PermissionError(error["Code"])
            raise OSError(str(error.get("Code")))

    def _at(self, name: str) -> Address:
        return cast(Address, located(f"{self.address}/{name}"))

    def _call(self, address: Address, call: Callable[..., T], doing: str) -> Any:
        done = {"write": "written", "remove": "removed"}.get(doing, doing)
        return tried(address, lambda: self._store.call(address, call, doing), done)


def _below(address: Address) -> str:
    """As s3fs has it: ``bucket/folder/file``."""
    return "/".join(address.parts[1:])
