"""Parts of files on the web, by the ranges that HTTP has for them."""

from __future__ import annotations

import http.client
import re
import urllib.request
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from facegrab.address import Address
from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media.transport import TIMEOUT_SECONDS, Entry, PassingError, reason

_TRANSIENT = frozenset([408, 425, 429, 500, 502, 503, 504])
_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19})")
_SAFE = "/:?#[]@!$&'()*+,;=%~"


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
            cause = error.reason if isinstance(error, URLError) else error
            raise PassingError(reason(cause)) from error
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


def _phrase(code: int) -> str:
    """The server's own words are not trusted with the terminal."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""
