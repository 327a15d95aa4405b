"""Parts of files that lie elsewhere: by the web's ranges, or by fsspec from an object store."""

from __future__ import annotations

import http.client
import re
import urllib.request
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from facegrab.address import Address
from facegrab.errors import AccessError, DeviceError, MediaError, MissingError

TIMEOUT_SECONDS = 30.0
"""Without a byte; then it is tried again."""
_TRANSIENT = frozenset([408, 425, 429, 500, 502, 503, 504])
_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19})")
_SAFE = "/:?#[]@!$&'()*+,;=%~"


class PassingError(Exception):
    """What may go well the next time; the message says why it did not."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at an address.

    Attributes:
        size_bytes: of the file; None: there are only some below it.
    """

    size_bytes: int | None


class Transport(Protocol):
    """A way to what lies elsewhere.

    Every call may raise PassingError, and

        MissingError: there is nothing.
        AccessError: it may not be read.
        MediaError: it cannot be.
    """

    def entry(self, address: Address) -> Entry:
        """What is there."""

    def read(self, address: Address, start: int, length: int) -> bytes:
        """Bytes of a file: all that are asked for."""

    def below(self, address: Address) -> list[str]:
        """The addresses of all files below a folder."""


@cache
def transport_of(scheme: str) -> Transport:
    """The way for a scheme.

    Raises:
        DeviceError: what it needs is not installed.
    """
    return ObjectStore() if scheme == "s3" else Web()


class Web:
    """HTTP servers that give ranges of files."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener()
        self._opener.addheaders = [("User-Agent", "facegrab"), ("Accept-Encoding", "identity")]

    def entry(self, address: Address) -> Entry:
        """See Transport; asked by a range, because addresses may be signed for reading only."""
        return Entry(self._get(address, 0, 1)[1])

    def read(self, address: Address, start: int, length: int) -> bytes:
        """See Transport."""
        return self._get(address, start, length)[0]

    def below(self, address: Address) -> list[str]:
        """Nobody knows."""
        raise MissingError(f"{address}: a web server does not list a folder: name the files")

    def _get(self, address: Address, start: int, length: int) -> tuple[bytes, int]:
        """The bytes, and the size of the file."""
        request = urllib.request.Request(
            quote(str(address), safe=_SAFE),
            headers={"Range": f"bytes={start}-{start + length - 1}"},
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                size = _size(address, response, start)
                data = response.read(length)
        except HTTPError as error:
            with error:
                return b"", self._refused(address, error)
        except (OSError, http.client.HTTPException) as error:
            raise PassingError(_reason(error)) from error
        if len(data) != min(length, size - start):
            raise PassingError("the connection was cut")
        return data, size

    def _refused(self, address: Address, error: HTTPError) -> int:
        """Raises what a status means; of an empty file it is the size."""
        if error.code in _TRANSIENT:
            raise PassingError(f"{error.code} {_phrase(error.code)}") from error
        if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise MissingError(f"no such file: {address}") from error
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise AccessError(f"no permission to read {address}") from error
        told = _RANGE.fullmatch(error.headers.get("Content-Range", ""))
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and told and told[3] == "0":
            return 0
        raise MediaError(
            f"{address} cannot be read: the server says {error.code} {_phrase(error.code)}"
        ) from error


def _size(address: Address, response: Any, start: int) -> int:
    """Of the whole file, as the answer to a range says.

    Raises:
        MediaError: it is no such answer.
    """
    told = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status != HTTPStatus.PARTIAL_CONTENT or not told or told[1] != str(start):
        raise MediaError(
            f"{address}: the server does not give parts of a file: download it, and name the copy"
        )
    return int(told[3])


class ObjectStore:
    """Buckets of S3 and its like, by s3fs; endpoint and keys are those that the AWS tools use.

    Attributes:
        files: s3fs's idea of all of them.

    Raises:
        DeviceError: it is not installed.
    """

    def __init__(self) -> None:
        try:
            import fsspec
            import s3fs  # noqa: F401 - that it is there
        except ImportError as error:
            raise DeviceError(
                f"s3:// needs s3fs ({error}): pip install 'facegrab[s3]', on every node"
            ) from error
        # Trying again is our own: three that do it one inside the other take an hour to give up.
        seconds = {"connect_timeout": TIMEOUT_SECONDS, "read_timeout": TIMEOUT_SECONDS}
        self.files = fsspec.filesystem(
            "s3",
            config_kwargs={"retries": {"total_max_attempts": 1}, **seconds},
            use_listings_cache=False,
        )
        self.files.retries = 1

    def entry(self, address: Address) -> Entry:
        """See Transport."""
        found = self.call(address, self.files.info)
        return Entry(None if found["type"] == "directory" else int(found["size"]))

    def read(self, address: Address, start: int, length: int) -> bytes:
        """See Transport."""
        asked = partial(self.files.cat_file, start=start, end=start + length)
        data = self.call(address, asked)
        if len(data) != length:
            raise PassingError("the connection was cut")
        return bytes(data)

    def below(self, address: Address) -> list[str]:
        """See Transport."""
        return [f"s3://{each}" for each in self.call(address, self.files.find)]

    def call(self, address: Address, call: Any, doing: str = "read") -> Any:
        """Calls a function of s3fs with what that takes for the address; see Transport.

        Args:
            address: of what.
            call: the function.
            doing: what it does, for messages.
        """
        try:
            return call("/".join(address.parts[1:]))
        except FileNotFoundError as error:
            if "bucket" in str(error).lower():
                bucket = f"s3://{address.parts[1]}"
                raise MissingError(f"no such bucket: {bucket} ({address})") from error
            raise MissingError(f"no such file or folder: {address}") from error
        except PermissionError as error:
            raise AccessError(
                f"no permission to {doing} {address} ({_reason(error)}): check the keys"
            ) from error
        except Exception as error:
            if type(error).__name__ in _NO_KEYS:
                raise AccessError(
                    f"no keys for {address}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                    "make a profile with aws configure; for a public bucket, FSSPEC_S3_ANON=true"
                ) from error
            # Whatever else libraries below raise: cut connections, throttling, time-outs.
            raise PassingError(_reason(error)) from error


_NO_KEYS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "TokenRetrievalError",
)


def _reason(error: Exception) -> str:
    """What went wrong, in a few words of one line."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "it does not answer"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split())[:200] or type(cause).__name__


def _phrase(code: int) -> str:
    """The server's own words are not trusted with the terminal."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""
