"""Whoever asks a server of pages: as a browser does, or as it is told to."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any, Self

SECONDS = 20
"""After which a server is believed to be stuck."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Visitor:
    """Asks a server.

    Args:
        address: as it was printed, with the token.
    """

    def __init__(self, address: str) -> None:
        host, _, self.token = address.removeprefix("http://").partition("/?token=")
        self.own = f"http://{host}"
        self.port = int(host.rpartition(":")[2])
        self.cookie = f"facegrab-{self.port}={self.token}"

    def ask(
        self, path: str = "/", *headers: tuple[str, str], method: str = "GET", host: str = ""
    ) -> Answer:
        """An answer to a request with these headers and no other."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in [("Host", host or f"127.0.0.1:{self.port}"), *headers]:
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def come_back(
        self, *headers: tuple[str, str], path: str = "/", method: str = "GET", host: str = ""
    ) -> Answer:
        """The same with the cookie."""
        return self.ask(path, ("Cookie", self.cookie), *headers, method=method, host=host)


class Page(Visitor):
    """A live page that is open; use it as a context manager."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        self._connection.request("GET", "/events", headers={"Cookie": self.cookie})
        self._events = self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()
        self._connection.close()

    def next(self) -> dict[str, Any] | None:
        """The next thing that is told; None if nothing more comes."""
        for line in self._events:
            if line.strip():
                told: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return told
        return None
