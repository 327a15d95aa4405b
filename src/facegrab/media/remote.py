"""Files wherever they lie: opened and measured by their paths, or by their addresses.

Of a file elsewhere only the parts that are asked for are brought, a block at a time, and none is
kept on disk: of a film that a cluster looks through each node reads its own segments.
"""

from __future__ import annotations

import io
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from facegrab.address import Address, is_address, located
from facegrab.errors import FaceGrabError, MediaError, MissingError
from facegrab.media.transport import PassingError, transport_of

_LOG = logging.getLogger(__name__)

BLOCK_BYTES = 4 * 2**20
"""Asked for at a time: half a second of a connection of 8 MB/s, six of a film of 5 Mbit/s."""
MOST_BLOCKS = 8
"""Kept of a file that is open: 32 MB. A film's index may lie at its end, its packets in between."""
WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Before each further try, half a minute in all: stores ask for less for some seconds at a time."""

T = TypeVar("T")


def tried(address: Address, call: Callable[[], T], done: str = "read") -> T:
    """Does something with what lies elsewhere, again and again where that may help.

    Args:
        address: for the message.
        call: may raise PassingError.
        done: what it does with it, for the message.

    Raises:
        MediaError: it never goes well.
        MissingError, AccessError, MediaError, DeviceError: as it says, at once.
    """
    for wait in WAITS_SECONDS:
        try:
            return call()
        except PassingError as error:
            _LOG.info("%s: %s; again in %g s", address, error, wait)
            _wait(wait)
    try:
        return call()
    except PassingError as error:
        raise MediaError(
            f"{address} cannot be {done} ({error}, {len(WAITS_SECONDS) + 1} times): run the same "
            "command again when it answers; it goes on where it stopped"
        ) from error


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def size_of(address: Address) -> int:
    """Bytes of a file.

    Raises:
        MissingError: there is none.
        AccessError: it may not be read.
        MediaError: it is a folder, or cannot be reached.
    """
    entry = tried(address, lambda: transport_of(address.scheme).entry(address))
    if entry.size_bytes is None:
        raise MediaError(f"{address} is a folder, no video and no image")
    return entry.size_bytes


def open_file(path: Path, block_bytes: int | None = None) -> BinaryIO:
    """A file to read in.

    Args:
        path: or address.
        block_bytes: brought at a time from elsewhere; None: BLOCK_BYTES.

    Raises:
        OSError: as `Path.open`, of a file that is here.
        MissingError, AccessError, MediaError: of one elsewhere.
    """
    if isinstance(path, Address):
        return cast(BinaryIO, RemoteFile(path, size_of(path), block_bytes))
    return path.open("rb", buffering=0)


class RemoteFile(io.RawIOBase):
    """A file elsewhere: its last blocks are kept.

    When it cannot be read it says so at once from then on, because FFmpeg tries elsewhere in it.

    Args:
        address: of it.
        size_bytes: of it.
        block_bytes: brought at a time; None: BLOCK_BYTES.
    """

    def __init__(self, address: Address, size_bytes: int, block_bytes: int | None = None) -> None:
        super().__init__()
        self.name = str(address)
        self._error: FaceGrabError | None = None
        self._address, self._size = address, size_bytes
        self._block_bytes = block_bytes or BLOCK_BYTES
        self._at = 0
        self._blocks = OrderedDict[int, bytes]()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Goes to a byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Bytes from there on: so many, or all, but never beyond the end.

        Raises:
            MissingError, AccessError, MediaError: it cannot be read.
        """
        if self._error is not None:
            raise self._error
        left = max(self._size - self._at, 0)
        wanted = left if size < 0 else min(size, left)
        parts = list[bytes]()
        while wanted:
            number, begin = divmod(self._at, self._block_bytes)
            part = self._block(number)[begin : begin + wanted]
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * self._block_bytes
        length = min(self._block_bytes, self._size - start)
        transport = transport_of(self._address.scheme)
        try:
            block = tried(self._address, lambda: transport.read(self._address, start, length))
        except FaceGrabError as error:
            self._error = error
            raise
        self._blocks[number] = block
        while len(self._blocks) > MOST_BLOCKS:
            self._blocks.popitem(last=False)
        return block


def files_at(name: str) -> tuple[Address, list[Address] | None]:
    """What an address names: a file, or all below a folder, in no order.

    Returns:
        the address, and the files below it; None if it is a file itself.

    Raises:
        MissingError: nothing, or an address that cannot be kept.
        AccessError: it may not be read or listed.
        MediaError: it cannot be reached.
        DeviceError: what is needed for it is not installed.
    """
    address = address_of(name)
    transport = transport_of(address.scheme)
    if not name.endswith("/") and len(address.parts) > 2:
        entry = tried(address, lambda: transport.entry(address))
        if entry.size_bytes is not None:
            return address, None
    found = tried(address, lambda: transport.below(address))
    files = [_address(each) for each in found if not each.endswith("/")]
    odd = files.count(None)
    if odd:
        _LOG.warning("%s: %d files whose names have //, . or .. inside are left out", address, odd)
    return address, [each for each in files if each is not None]


def address_of(name: str) -> Address:
    """The address that a name is, with or without a slash behind it.

    Raises:
        MissingError: one that cannot be kept.
    """
    address = _address(name.rstrip("/"))
    if address is None:
        raise MissingError(
            f"{name}: an address with //, . or .. inside, or with a password, is not read"
        )
    return address


def _address(name: str) -> Address | None:
    """The address, if it is the same when it is written again and holds no password."""
    address = located(name)
    parts = name.split("://", 1)[1].split("/")
    odd = any(each in ("", ".", "..") for each in parts) or "@" in parts[0]
    return address if isinstance(address, Address) and not odd and is_address(name) else None
