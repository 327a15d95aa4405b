"""Opening an address: encrypted all the way, and interruptible from another thread."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import IO, Any
from urllib.parse import urlsplit

from facegrab.errors import WeightsError

SCHEMES = ("https",)
SILENCE_SECONDS = 30.0
"""How long a server may say nothing."""
USER_AGENT = "facegrab (+https://pypi.org/project/facegrab/)"


class Opener:
    """Opens addresses one after the other, until it is stopped.

    Args:
        schemes: what an address may begin with, also after being sent on to another.
        context: who is trusted.
    """

    def __init__(self, schemes: Sequence[str], context: ssl.SSLContext) -> None:
        self._schemes = schemes
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None
        self._director = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            _Https(self._opened, context),
            *([_Http(self._opened)] if "http" in schemes else []),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(schemes),
            urllib.request.UnknownHandler(),
        ):
            self._director.add_handler(handler)

    @property
    def stopped(self) -> bool:
        """Whether somebody called stop."""
        return self._stopped.is_set()

    def open(self, address: str, start: int) -> http.client.HTTPResponse:
        """The answer to a request for a file, or for what follows its first bytes.

        The caller closes it. A server need not care where to start: its answer tells.

        Raises:
            WeightsError: an address is not encrypted.
            urllib.error.HTTPError: the server refuses; the caller closes that.
            OSError, http.client.HTTPException, ValueError: there is no answer.
        """
        if self.stopped:
            raise ConnectionAbortedError("stopped")
        check_scheme(address, self._schemes)
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(address, headers=headers)
        response = self._director.open(request, timeout=SILENCE_SECONDS)
        if not isinstance(response, http.client.HTTPResponse):
            raise ConnectionError("no handler for it")
        return response

    def stop(self) -> None:
        """Ends the connection, whatever is waiting for it, and lets no other begin."""
        self._stopped.set()
        if self._socket is not None:
            with suppress(OSError):
                # Not SSLSocket's own, which takes the encryption from under the other thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _opened(self, connection: http.client.HTTPConnection) -> None:
        self._socket = connection.sock
        if self.stopped:
            connection.close()
            raise ConnectionAbortedError("stopped")


def check_scheme(address: str, schemes: Sequence[str]) -> None:
    """Checks that an address is encrypted.

    Raises:
        WeightsError: it is not.
    """
    scheme = urlsplit(address).scheme
    if scheme not in schemes:
        raise WeightsError(
            f"{shown(address)} is not {' or '.join(schemes)}: nothing is downloaded unencrypted"
        )


def host_of(address: str) -> str:
    """The host's name, for messages."""
    return shown(urlsplit(address).hostname or address)


def shown(text: str) -> str:
    """A text that a server may have written, as one line that does nothing to a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text[:200])


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Goes where a server sends, but not to what is not encrypted."""

    def __init__(self, schemes: Sequence[str]) -> None:
        self._schemes = schemes

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            check_scheme(newurl, self._schemes)
        except WeightsError as error:
            fp.close()
            raise WeightsError(
                f"{host_of(req.full_url)} sends on to another place: {error}"
            ) from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_Opened = Callable[[http.client.HTTPConnection], None]


class _HttpsConnection(http.client.HTTPSConnection):
    def __init__(self, opened: _Opened, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._opened = opened

    def connect(self) -> None:
        super().connect()
        self._opened(self)


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, opened: _Opened, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._opened = opened

    def connect(self) -> None:
        super().connect()
        self._opened(self)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, opened: _Opened, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._connection = partial(_HttpsConnection, opened)
        self._trusted = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req, context=self._trusted)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, opened: _Opened) -> None:
        super().__init__()
        self._connection = partial(_HttpConnection, opened)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)
