"""Fetching a file whose hash is known: encrypted, bounded in size and time, resumed after a cut.

The transfer runs in a thread of its own: nothing else bounds the time that looking up a name or a
dripping server takes. The thread ends with the call, but for one case: the system's name look-up
cannot be interrupted. It is a daemon, so it never keeps the process.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, TypeAlias
from urllib.error import HTTPError, URLError

from facegrab.errors import FaceGrabError, WeightsError
from facegrab.models import folder
from facegrab.models.opener import SCHEMES, Opener, host_of, shown

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_SECONDS = 1800.0
POLL_SECONDS = 0.1
GRACE_SECONDS = 1.0
"""What a transfer that was told to stop may take to do so."""
BLOCK_BYTES = 1 << 16
TRIES = 5
"""Connections an address, as long as each brings something."""

UNKNOWN_LARGEST_BYTES = 1_000_000_000
SLACK = 1.1
"""A file may be larger than it is said to be by this: its hash decides."""

BY_HAND = "or download it by hand and give it with --file"

Progress: TypeAlias = Callable[[int, int | None], None]
"""Is told bytes received, and bytes in all if that is known."""


def largest_bytes(size_bytes: int) -> int:
    """What a file may have at most that is said to have so many bytes; 0 says nothing."""
    return int(size_bytes * SLACK) if size_bytes else UNKNOWN_LARGEST_BYTES


def megabytes(size_bytes: int) -> str:
    """``12.3 MB``."""
    return f"{size_bytes / 1e6:.1f} MB"


def fetch(
    addresses: Sequence[str],
    sha256: str,
    part: Path,
    *,
    most_bytes: int = UNKNOWN_LARGEST_BYTES,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    progress: Progress = lambda received, expected: None,
    schemes: Sequence[str] = SCHEMES,
    context: ssl.SSLContext | None = None,
) -> None:
    """Brings a file to ``part``, which has the hash when this returns.

    What was received is kept in ``part`` when it fails, and gone on with the next time; what turns
    out to be another file is removed.

    Args:
        addresses: of the file, tried one after the other.
        sha256: of the file, hexadecimal.
        part: where to; may hold the beginning from last time. Its folder exists.
        most_bytes: more is refused.
        timeout_seconds: for all of it.
        progress: is called in this thread, some times a second.
        schemes: what an address may begin with, also after being sent on.
        context: who is trusted; by default the system's authorities.

    Raises:
        WeightsError: it cannot be reached or is not the file.
        OutputError, AccessError: it cannot be written.
    """
    opener = Opener(schemes, context or ssl.create_default_context())
    transfer = _Transfer(addresses, sha256, part, most_bytes, opener)
    thread = threading.Thread(target=transfer.run, name="facegrab-download", daemon=True)
    deadline = time.monotonic() + timeout_seconds
    thread.start()
    try:
        while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
            thread.join(min(POLL_SECONDS, left))
            progress(transfer.received, transfer.expected)
        late = thread.is_alive()
        progress(transfer.received, transfer.expected)
    finally:
        opener.stop()
        thread.join(GRACE_SECONDS)
    if late:
        raise WeightsError(
            f"{host_of(addresses[0])}: not done after {timeout_seconds:.3g} s "
            f"({megabytes(transfer.received)} received): run it again to go on, or give it longer "
            "with --timeout"
        )
    transfer.end()


class _CutError(Exception):
    """The connection ended before the file did."""


class _Transfer:
    """What the thread does, and what it tells meanwhile."""

    def __init__(
        self, addresses: Sequence[str], sha256: str, part: Path, most_bytes: int, opener: Opener
    ) -> None:
        self._addresses, self._sha256, self._part = addresses, sha256, part
        self._most_bytes, self._opener = most_bytes, opener
        self._error: BaseException | None = None
        self.received = 0
        self.expected: int | None = None

    def run(self) -> None:
        try:
            if not self._is_right():
                self._try_all()
        except BaseException as error:  # noqa: BLE001 - raised again by end
            self._error = error

    def end(self) -> None:
        """Raises what went wrong."""
        if self._error is not None:
            raise self._error

    def _try_all(self) -> None:
        failures: list[WeightsError] = []
        for address in self._addresses:
            try:
                self._try_address(address)
                return
            except WeightsError as error:
                log.debug("%s", error)
                failures.append(error)
        raise failures[0]

    def _try_address(self, address: str) -> None:
        """Connects as long as each connection brings something."""
        for number in range(1, TRIES + 1):
            before = self._have()
            try:
                self._receive(address, before)
                break
            except _CutError as error:
                if number == TRIES or self._have() <= before or self._opener.stopped:
                    raise WeightsError(
                        f"the connection to {host_of(address)} was cut after "
                        f"{megabytes(self._have())} ({error}): run it again to go on"
                    ) from error
        if not self._is_right():
            if not self._opener.stopped:  # Else it may be a beginning to go on with.
                self._remove()
            raise WeightsError(
                f"what {shown(address)} gives is not the known file, its SHA-256 is not "
                f"{self._sha256}: nothing was installed; try another network, {BY_HAND}"
            )

    def _receive(self, address: str, start: int) -> None:
        """Appends what is missing to the part."""
        with _told(address):
            try:
                response = self._opener.open(address, start)
            except HTTPError as error:
                with error:
                    code = error.code
            else:
                with response:
                    self._copy(address, response, _start_of(response, start))
                return
        if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            self._remove()  # Nothing follows what is here: it is no beginning of that file.
            self._receive(address, 0)
            return
        raise WeightsError(f"{shown(address)} answers {_phrase(code)}: try again later, {BY_HAND}")

    def _copy(self, address: str, response: http.client.HTTPResponse, start: int) -> None:
        self.expected = None if response.length is None else start + response.length
        self.received = self.expected or start
        if self.received <= self._most_bytes:
            self.received = start
            with folder.writing(self._part), _open_at(self._part, start) as file:
                while self.received <= self._most_bytes and (block := _read(response)):
                    file.write(block)
                    self.received += len(block)
        self._check_size(address, self.received)
        if self.expected is not None and self.received < self.expected:
            raise _CutError(f"{megabytes(self.expected)} were announced")

    def _check_size(self, address: str, size_bytes: int) -> None:
        if size_bytes > self._most_bytes:
            self._remove()
            raise WeightsError(
                f"{shown(address)} gives more than {megabytes(self._most_bytes)}, which the known "
                f"file has not: nothing was installed; try another network, {BY_HAND}"
            )

    def _is_right(self) -> bool:
        """Whether the part is there and has the hash."""
        if not self._have():
            return False
        with folder.writing(self._part), self._part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self._sha256

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _remove(self) -> None:
        with folder.writing(self._part):
            self._part.unlink(missing_ok=True)


def _start_of(response: http.client.HTTPResponse, start: int) -> int:
    """Where in the file an answer begins: servers may ignore what was asked for."""
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        told = re.fullmatch(r"bytes (\d{1,19})-.*", response.headers.get("Content-Range", ""))
        if told is None or int(told[1]) != start:
            raise http.client.HTTPException("it gives another part than it was asked for")
        return start
    return 0


def _open_at(part: Path, start: int) -> IO[bytes]:
    """The file to write on, which has so many bytes, or to write anew."""
    return part.open("ab" if start else "wb")


def _read(response: http.client.HTTPResponse) -> bytes:
    """What has arrived, without waiting until a whole block has; nothing at the end.

    Raises:
        _CutError: the connection broke.
    """
    try:
        return response.read1(BLOCK_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _CutError(_reason(error)) from error


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turns what goes wrong before anything is received into one line."""
    try:
        yield
    except (FaceGrabError, HTTPError):
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WeightsError(
            f"cannot reach {host_of(address)} ({_reason(error)}): check the network, or download "
            f"{shown(address)} by hand and give it with --file"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong, in a few words of one line."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "it does not answer"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return shown(" ".join(text.split())) or type(cause).__name__


def _phrase(code: int) -> str:
    """``404 Not Found``; the server's own words are not trusted with the terminal."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)
