"""A real server of S3's kind, in a process of its own, and one in its way."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import Handler, Server, serving, without_proxies

from facegrab.media import transport

START_SECONDS = 60.0
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
_OF_A_HOP = frozenset(["connection", "transfer-encoding", "server", "date", "keep-alive"])


@contextmanager
def buckets() -> Iterator[str]:
    """The address of a server of buckets; skips the test where it is not installed."""
    for name in ("moto", "flask", "s3fs"):
        pytest.importorskip(name, reason=f"{name} is not installed: make cluster-test")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _await(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)  # it says nothing when it is ready
        else:
            return
    raise AssertionError("the server does not start")


def only_these_keys(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No keys but those of the test, whatever the developer has."""
    without_proxies(monkeypatch)
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(folder / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def forget() -> None:
    """What is kept of a store is asked for anew."""
    transport.transport_of.cache_clear()
    if "s3fs" in sys.modules:
        sys.modules["s3fs"].S3FileSystem.clear_instance_cache()


def at(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """From here on this is the store."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    forget()


def ask(
    store: str, method: str, path: str, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, list[tuple[str, str]], bytes]:
    """What the store answers: status, headers, content."""
    connection = http.client.HTTPConnection(store.removeprefix("http://"), timeout=30)
    try:
        sent = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20250101/us-east-1/s3/aws4"}
        connection.request(method, path, body, headers or sent)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


@contextmanager
def between(store: str, fault: Callable[[Handler, int], bool]) -> Iterator[Server]:
    """A server before the store that hands everything on, but for what it is in the mood for."""

    def answer(handler: Handler) -> None:
        if handler.headers.get("Expect"):
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if fault(handler, len(handler.server.requests)):
            return
        headers = {
            name: value
            for name, value in handler.headers.items()
            if name.lower() not in ("connection", "expect")
        }
        status, told, content = ask(store, str(handler.command), handler.path, body, headers)
        kept = {name: value for name, value in told if name.lower() not in _OF_A_HOP}
        handler.reply(content, status, kept)

    with serving(answer) as server:
        yield server
