"""Videos in a bucket of a real server of S3's kind, in a process of its own, and one in its way.

``make cluster-test`` installs what these tests need and runs them.
"""

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
from typing import Any

import pytest
from clips import write_image
from fakes import query, scene
from servers import Handler, Server, serving, without_proxies
from test_remote import run, seen

from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media import remote, transport
from facegrab.media.content import content_key
from facegrab.media.source import Source, find_sources
from facegrab.people.references import pictures_of

# Warnings of the libraries below are none of ours.
pytestmark = pytest.mark.filterwarnings("default")

START_SECONDS = 60.0
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a server of buckets."""
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


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[float]]:
    """Small blocks, and no waiting; no keys but those of the test."""
    waited = list[float]()
    monkeypatch.setattr(remote, "_wait", waited.append)
    monkeypatch.setattr(remote, "BLOCK_BYTES", 2048)
    without_proxies(monkeypatch)
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    yield waited
    _forget()


def _forget() -> None:
    transport.transport_of.cache_clear()
    if "s3fs" in sys.modules:
        sys.modules["s3fs"].S3FileSystem.clear_instance_cache()


def at(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """From here on this is the store."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    _forget()


@pytest.fixture
def bucket(store: str, clip: Path, red: Path, tmp_path: Path, monkeypatch: Any) -> str:
    """A bucket with a film, pictures, something hidden, and what is nothing to look at."""
    at(monkeypatch, store)
    picture = write_image(tmp_path / "1.png", scene(red=(20, 30)))
    files = {
        "films/clip.mp4": clip, "films/photos/1.png": picture, "films/photos/2.png": red,
        "films/.hidden.mp4": clip, "films/read me.txt": picture, "films-2/other film.mp4": clip,
        "who/red.png": red, "films/odd//clip.mp4": clip,
    }  # fmt: skip
    _ask(store, "PUT", "/media", b"")
    for name, file in files.items():
        _ask(store, "PUT", f"/media/{name.replace(' ', '%20')}", file.read_bytes())
    return "s3://media"


def _ask(
    store: str, method: str, path: str, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, list[tuple[str, str]], bytes]:
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
        if fault(handler, len(handler.server.requests)):
            return
        headers = {name: value for name, value in handler.headers.items() if name != "Connection"}
        status, told, content = _ask(store, str(handler.command), handler.path, b"", headers)
        kept = {name: value for name, value in told if name.lower() not in _OF_A_HOP}
        handler.reply(content, status, kept)

    with serving(answer) as server:
        yield server


_OF_A_HOP = frozenset(["connection", "transfer-encoding", "server", "date", "keep-alive"])


@pytest.fixture
def local(red: Path, clip: Path, tmp_path: Path) -> list[Any]:
    """What a copy gives."""
    run(red, clip, tmp_path / "local")
    return seen(tmp_path / "local")


def test_a_run(bucket: str, red: Path, clip: Path, tmp_path: Path, local: list[Any]) -> None:
    address = f"{bucket}/films/clip.mp4"
    assert run(red, address, tmp_path / "out").warnings == []
    assert seen(tmp_path / "out") == local
    assert query(tmp_path / "out", "SELECT path FROM scan") == [(address,)]
    assert run(red, clip, tmp_path / "out").sources_known == 1


def test_processes(
    bucket: str, red: Path, tmp_path: Path, local: list[Any], short_segments: None
) -> None:
    run(red, f"{bucket}/films/clip.mp4", tmp_path / "out", jobs=2)
    assert seen(tmp_path / "out")[0] == local[0]


def test_a_folder(
    bucket: str, clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = find_sources(f"{bucket}/films")
    assert [str(each.path) for each in sources] == [
        f"{bucket}/films/clip.mp4", f"{bucket}/films/photos",
    ]  # fmt: skip
    assert [str(each) for each in sources[1].images] == [
        f"{bucket}/films/photos/1.png", f"{bucket}/films/photos/2.png",
    ]  # fmt: skip
    assert sources == find_sources(f"{bucket}/films/")
    assert content_key(sources[0]) == content_key(Source(clip))
    assert "1 files whose names have //" in caplog.text
    assert len(find_sources(bucket)) == 4
    assert [each.name for each in find_sources(f"{bucket}/films-2")] == ["other film"]
    assert [str(each) for each in pictures_of(f"{bucket}/who")] == [f"{bucket}/who/red.png"]


def test_throttled_and_cut(
    store: str, bucket: str, red: Path, tmp_path: Path, local: list[Any],
    waits: list[float], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    slow = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate</Message></Error>"

    def moody(handler: Handler, number: int) -> bool:
        if number % 6 == 1:
            handler.reply(slow, 503, {"Content-Type": "application/xml"})
        elif number % 6 == 4 and handler.headers.get("Range"):
            handler.reply(b"half", 206, {"Content-Length": "2048"})
        else:
            return False
        return True

    with between(store, moody) as server:
        at(monkeypatch, server.address)
        assert run(red, f"{bucket}/films/clip.mp4", tmp_path / "out").warnings == []
    assert seen(tmp_path / "out") == local
    assert len(waits) > 3


def test_gone_for_good(
    store: str, bucket: str, red: Path, tmp_path: Path, local: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    left = 6

    def ends(handler: Handler, _: int) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            handler.reply(b"", 503)
        return left < 0

    address = f"{bucket}/films/clip.mp4"
    with between(store, ends) as server:
        at(monkeypatch, server.address)
        with pytest.raises(MediaError, match="run the same command again") as caught:
            run(red, address, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert address in str(caught.value)
    at(monkeypatch, store)
    run(red, address, tmp_path / "out")
    assert seen(tmp_path / "out") == local


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("s3://media/none.mp4", "no such file.*s3://media/none.mp4"),
            ("s3://media/none/", "no video and no image|no such file"),
            ("s3://no-bucket/film.mp4", "no such (bucket|file).*s3://no-bucket"),
            ("s3://no-bucket", "no such bucket: s3://no-bucket"),
        ],
    )
    def test_what_is_not_there(self, bucket: str, name: str, words: str) -> None:
        with pytest.raises(MissingError, match=words) as caught:
            find_sources(name)
        assert "\n" not in str(caught.value)

    def test_no_keys(
        self, bucket: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in KEYS:
            monkeypatch.delenv(name)
        _forget()
        with pytest.raises(AccessError, match="AWS_ACCESS_KEY_ID"):
            find_sources(f"{bucket}/films/clip.mp4")
        assert waits == []

    def test_keys_that_are_refused(
        self, store: str, bucket: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(handler: Handler, _: int) -> bool:
            handler.reply(b"<Error><Code>AccessDenied</Code></Error>", 403)
            return True

        with between(store, refuse) as server:
            at(monkeypatch, server.address)
            with pytest.raises(AccessError, match="no permission to read s3://media/films/clip"):
                find_sources(f"{bucket}/films/clip.mp4")
        assert waits == []

    def test_nobody_there(
        self, bucket: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(lambda _: None) as server:
            address = server.address
        at(monkeypatch, address)
        with pytest.raises(MediaError, match="cannot be read"):
            find_sources(f"{bucket}/films/clip.mp4")
        assert len(waits) == len(remote.WAITS_SECONDS)
