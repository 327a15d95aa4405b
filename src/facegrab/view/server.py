"""A server of pages for whoever sits at this machine, as long as a run lasts."""

from __future__ import annotations

import asyncio
import secrets
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from facegrab.view.guard import TOKEN, App, Guard

if TYPE_CHECKING:
    from uvicorn import Server

HOST = "127.0.0.1"
MOST_CONNECTIONS = 64
_TO_END_SECONDS = 2
"""For answers on their way, when the server ends."""
_TOKEN_BYTES = 32


class LocalServer:
    """Serves an application at a free port of 127.0.0.1; use it as a context manager.

    Nothing but a thread that sleeps is there until somebody connects: the libraries that serve
    take .2 s to load.

    Args:
        app: makes the application, in the server's thread. It is guarded, see Guard.

    Raises:
        OSError: this machine gives no port.
    """

    def __init__(self, app: Callable[[], App]) -> None:
        self._app = app
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._socket = socket.create_server((HOST, 0))
        self._port: int = self._socket.getsockname()[1]
        # What is sent at one end wakes the thread at the other.
        self._alarm, self._woken = socket.socketpair()
        self._server: Server | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="facegrab-server", daemon=True)

    @property
    def port(self) -> int:
        """That it listens at."""
        return self._port

    @property
    def address(self) -> str:
        """To open in a browser; who has it may ask."""
        return f"http://{HOST}:{self._port}/?{TOKEN}={self._token}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server: streams that end by themselves come to their end, others are cut."""
        self._ending.set()
        if self._server:
            self._server.should_exit = True
        with suppress(OSError):
            self._alarm.send(b"!")
        self._thread.join()
        for each in (self._socket, self._alarm, self._woken):
            each.close()

    def _serve(self) -> None:
        select.select([self._socket, self._woken], [], [])
        if self._ending.is_set():
            return
        from uvicorn import Config, Server

        config = Config(
            Guard(self._app(), self._token, self._port),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,  # they would be believed of whoever asks
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=_TO_END_SECONDS,
        )
        server = self._server = Server(config)
        if self._ending.is_set():  # while that was loaded
            return
        asyncio.run(server.serve([self._socket]))
