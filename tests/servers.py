"""A web server for tests of downloads: here, in a thread, and it misbehaves on demand."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias

import pytest

Answer: TypeAlias = Callable[["Handler"], object]


class Handler(BaseHTTPRequestHandler):
    """Gives each request to the test's own function."""

    server: Server
    timeout = 10

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        self.close_connection = True
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):  # it had enough
            self.server.answer(self)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def reply(
        self, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole answer; the length is the content's unless it is given."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def start(self) -> int:
        """The first byte that is asked for."""
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0

    def serve_part(self, content: bytes, cut_after: int | None = None) -> None:
        """The part that is asked for, as whoever seeks in a file does it; it may be cut."""
        told = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert told is not None
        start, end = int(told[1]), min(int(told[2]) + 1, len(content))
        if start >= len(content):
            self.reply(b"", 416, {"Content-Range": f"bytes */{len(content)}"})
            return
        headers = {
            "Content-Length": str(end - start),
            "Content-Range": f"bytes {start}-{end - 1}/{len(content)}",
        }
        self.reply(content[start:end][:cut_after], 206, headers)

    def serve(self, content: bytes, cut_after: int | None = None) -> None:
        """The content from where it is asked for; the connection may break after so many bytes."""
        start = self.start()
        part = content[start:]
        headers = {"Content-Length": str(len(part))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.reply(part[:cut_after], 206 if start else 200, headers)


class Server(ThreadingHTTPServer):
    """Remembers the path and range of each request."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, answer: Answer, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests: list[tuple[str, str | None]] = []
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # Shaking hands while accepting would hold up every other client.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, *_: object) -> None:
        """A client that trusts nobody here is no error of the test."""

    @property
    def address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(answer: Answer, certificate: Path | None = None) -> Iterator[Server]:
    """A server as long as the block lasts; its threads end with it.

    Args:
        answer: what it does with each request.
        certificate: with its key, for https.
    """
    with Server(answer, certificate) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def without_proxies(patch: pytest.MonkeyPatch) -> None:
    """Lets requests reach a server here, whatever the environment says."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)


def make_certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1, which signs itself, with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *command], check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
