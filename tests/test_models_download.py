"""Downloads: what a server may do, and what comes of it."""

from __future__ import annotations

import errno
import hashlib
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import our_threads
from servers import Handler, Server, make_certificate, serving, without_proxies

from facegrab.errors import OutputError, WeightsError
from facegrab.models import download
from facegrab.models.opener import Opener, shown

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def get(address: str | list[str], part: Path, **options: Any) -> None:
    addresses = [address] if isinstance(address, str) else address
    defaults: dict[str, Any] = {"schemes": ("http",), "timeout_seconds": 20.0}
    download.fetch(addresses, SHA256, part, **(defaults | options))


def good(handler: Handler) -> None:
    handler.serve(CONTENT)


def test_a_file_arrives_whole(part: Path) -> None:
    with serving(good) as server:
        get(f"{server.address}/a.onnx", part)
        assert server.requests == [("/a.onnx", None)]
    assert part.read_bytes() == CONTENT


def test_what_is_there_already_is_not_fetched(part: Path) -> None:
    part.write_bytes(CONTENT)
    with serving(good) as server:
        get(server.address, part)
        assert server.requests == []


def test_another_file_is_refused_and_removed(part: Path) -> None:
    with (
        serving(lambda handler: handler.reply(b"a login page")) as server,
        pytest.raises(WeightsError, match="is not the known file, its SHA-256 is not") as error,
    ):
        get(server.address, part)
    assert "\n" not in str(error.value)
    assert not part.exists()


def test_a_cut_is_mended_in_the_same_call(part: Path) -> None:
    with serving(lambda handler: handler.serve(CONTENT, cut_after=100_000)) as server:
        get(f"{server.address}/a", part)
        assert server.requests == [("/a", None), ("/a", "bytes=100000-"), ("/a", "bytes=200000-")]
    assert part.read_bytes() == CONTENT


def test_a_cut_without_progress_is_told_and_gone_on_with_later(part: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.serve(CONTENT, cut_after=0 if handler.start() else 1000)

    with serving(answer) as server, pytest.raises(WeightsError, match=r"cut after .* run it again"):
        get(server.address, part)
    assert part.read_bytes() == CONTENT[:1000]
    with serving(good) as server:
        get(f"{server.address}/a", part)
        assert server.requests == [("/a", "bytes=1000-")]
    assert part.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_starts_over(part: Path) -> None:
    part.write_bytes(CONTENT[:5000])
    with serving(lambda handler: handler.reply(CONTENT)) as server:
        get(server.address, part)
        assert server.requests == [("", "bytes=5000-")] or len(server.requests) == 1
    assert part.read_bytes() == CONTENT


def test_a_part_that_is_no_beginning_is_fetched_anew(part: Path) -> None:
    part.write_bytes(CONTENT + b"more")

    def answer(handler: Handler) -> None:
        if handler.start() >= len(CONTENT):
            handler.reply(b"", 416)
        else:
            handler.serve(CONTENT)

    with serving(answer) as server:
        get(server.address, part)
        assert [asked for _, asked in server.requests] == [f"bytes={len(CONTENT) + 4}-", None]
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("told", ["bytes 0-9/10", "nonsense", ""])
def test_another_range_than_asked_for_is_refused(part: Path, told: str) -> None:
    part.write_bytes(CONTENT[:5000])

    def answer(handler: Handler) -> None:
        handler.reply(CONTENT[:10], 206, {"Content-Range": told})

    with serving(answer) as server, pytest.raises(WeightsError, match="another part"):
        get(server.address, part)
    assert part.read_bytes() == CONTENT[:5000]


def test_a_redirect_is_followed(part: Path) -> None:
    def answer(handler: Handler) -> None:
        if handler.path == "/old":
            handler.reply(b"", 302, {"Location": "/new"})
        else:
            handler.serve(CONTENT)

    part.write_bytes(CONTENT[:10])
    with serving(answer) as server:
        get(f"{server.address}/old", part)
        assert server.requests[-1] == ("/new", "bytes=10-")
    assert part.read_bytes() == CONTENT


def test_a_redirect_in_circles_ends(part: Path) -> None:
    with (
        serving(lambda handler: handler.reply(b"", 302, {"Location": "/again"})) as server,
        pytest.raises(WeightsError, match="answers 302"),
    ):
        get(f"{server.address}/again", part)


@pytest.mark.parametrize("scheme", ["ftp", "file", "data"])
def test_a_redirect_to_another_scheme_is_refused(part: Path, scheme: str) -> None:
    def answer(handler: Handler) -> None:
        handler.reply(b"", 302, {"Location": f"{scheme}://localhost/etc/passwd"})

    with serving(answer) as server, pytest.raises(WeightsError, match=r"answers 302|sends on to"):
        get(server.address, part)


@pytest.mark.parametrize("address", ["http://localhost/a", "file:///etc/passwd", "ftp://a/b", "a"])
def test_only_https_by_default(part: Path, address: str) -> None:
    with pytest.raises(WeightsError, match="is not https: nothing is downloaded unencrypted"):
        download.fetch([address], SHA256, part, timeout_seconds=10)


def test_https_is_not_left_for_http(part: Path, certificate: Path) -> None:
    with serving(good) as plain:

        def answer(handler: Handler) -> None:
            handler.reply(b"", 302, {"Location": f"{plain.address}/a"})

        with (
            serving(answer, certificate) as server,
            pytest.raises(WeightsError, match=r"127.0.0.1 sends on to another place: http://"),
        ):
            download.fetch([server.address], SHA256, part, context=trusting(certificate))
        assert plain.requests == []
    assert not part.exists()


def test_https_works_and_resumes(part: Path, certificate: Path) -> None:
    part.write_bytes(CONTENT[:7])
    with serving(good, certificate) as server:
        download.fetch([server.address], SHA256, part, context=trusting(certificate))
        assert [asked for _, asked in server.requests] == ["bytes=7-"]
    assert part.read_bytes() == CONTENT


def test_a_certificate_of_nobody_is_refused(part: Path, certificate: Path) -> None:
    with (
        serving(good, certificate) as server,
        pytest.raises(WeightsError, match=r"cannot reach 127.0.0.1 .*certificate") as error,
    ):
        download.fetch([server.address], SHA256, part)
    assert "\n" not in str(error.value)


def test_404_is_told_in_one_line(part: Path) -> None:
    with (
        serving(lambda handler: handler.reply(b"<html>\n\x1b[2J", 404)) as server,
        pytest.raises(WeightsError, match=r"/gone answers 404 Not Found: .* --file$") as error,
    ):
        get(f"{server.address}/gone", part)
    assert "\n" not in str(error.value)
    assert not part.exists()


def test_a_strange_status_is_told(part: Path) -> None:
    with (
        serving(lambda handler: handler.reply(b"", 599)) as server,
        pytest.raises(WeightsError, match="answers 599: "),
    ):
        get(server.address, part)


def test_the_second_address_is_tried(part: Path) -> None:
    def answer(handler: Handler) -> None:
        if handler.path == "/gone":
            handler.reply(b"", 404)
        elif handler.path == "/other":
            handler.reply(b"another file")
        else:
            handler.serve(CONTENT)

    with serving(answer) as server:
        get([f"{server.address}/{path}" for path in ("gone", "other", "there")], part)
    assert part.read_bytes() == CONTENT


def test_an_announced_size_is_believed_if_too_large(part: Path) -> None:
    with (
        serving(
            lambda handler: handler.reply(b"x", headers={"Content-Length": "5000000"})
        ) as server,
        pytest.raises(WeightsError, match=r"gives more than 1.0 MB"),
    ):
        get(server.address, part, most_bytes=1_000_000)
    assert not part.exists()


def test_an_endless_body_ends(part: Path) -> None:
    written = 0

    def answer(handler: Handler) -> None:
        nonlocal written
        handler.send_response(200)
        handler.end_headers()
        while True:  # until the client hangs up
            handler.wfile.write(bytes(10_000))
            written += 10_000

    with serving(answer) as server, pytest.raises(WeightsError, match=r"gives more than 0.3 MB"):
        get(server.address, part, most_bytes=300_000)
    assert not part.exists()
    assert written < 100_000_000


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("dripping", ["head", "body", "nothing"])
def test_the_time_is_bounded_whatever_the_server_does(
    part: Path, certificate: Path, dripping: str, encrypted: bool
) -> None:
    over = threading.Event()

    def answer(handler: Handler) -> None:
        if dripping == "body":
            handler.send_response(200)
            handler.end_headers()
        while not over.wait(0.01):
            if dripping != "nothing":
                handler.wfile.write(b"a")

    began = time.monotonic()
    with serving(answer, certificate if encrypted else None) as server:
        with pytest.raises(WeightsError, match=r"not done after 0.2 s .* --timeout$"):
            get(
                server.address,
                part,
                timeout_seconds=0.2,
                schemes=("http", "https"),
                context=trusting(certificate),
            )
        assert our_threads() == []
        over.set()
    assert time.monotonic() - began < 5
    if dripping == "body":
        assert set(part.read_bytes()) == {ord("a")}, "kept, to go on with"


def test_the_time_is_bounded_even_by_a_name_that_is_looked_up_for_ever(
    part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def look_up(*_: object, **__: object) -> list[Any]:
        answered.wait(20)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(download, "GRACE_SECONDS", 0.0)
    began = time.monotonic()
    with pytest.raises(WeightsError, match=r"not done after 0.2 s"):
        download.fetch(["https://example.invalid/a"], SHA256, part, timeout_seconds=0.2)
    assert time.monotonic() - began < 5
    (left,) = (thread for thread in threading.enumerate() if thread.name == "facegrab-download")
    assert left.daemon, "it must not keep the process"
    answered.set()
    left.join()


def test_nobody_there_is_told(part: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{bound.getsockname()[1]}/a"
        with pytest.raises(WeightsError, match=r"cannot reach 127.0.0.1 \(.*refused\)") as error:
            download.fetch([address], SHA256, part, timeout_seconds=10)
    assert address in str(error.value)
    assert "\n" not in str(error.value)


def test_no_network_is_told(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(WeightsError, match=r"cannot reach a.invalid \(Name or service not known\)"):
        download.fetch(["https://a.invalid/x"], SHA256, part, timeout_seconds=10)


def test_what_is_no_http_is_told(part: Path) -> None:
    with (
        serving(lambda handler: handler.wfile.write(b"\x1b[2Jhello\r\n")) as server,
        pytest.raises(WeightsError, match=r"cannot reach 127.0.0.1 \(\?\[2Jhello\)"),
    ):
        get(server.address, part)


def test_a_full_disk_is_told(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, *_: object) -> None: ...

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_open_at", Full)
    with serving(good) as server, pytest.raises(OutputError, match="no space left to write"):
        get(server.address, part)


def test_progress_is_told_here(part: Path) -> None:
    told: list[tuple[int, int | None, str]] = []
    with serving(good) as server:
        get(
            server.address,
            part,
            progress=lambda *each: told.append((*each, threading.current_thread().name)),
        )
    assert told[-1] == (len(CONTENT), len(CONTENT), "MainThread")


def test_ctrl_c_ends_the_transfer(part: Path) -> None:
    over = threading.Event()

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        over.wait(20)

    def progress(*_: object) -> None:
        raise KeyboardInterrupt

    with serving(answer) as server:
        with pytest.raises(KeyboardInterrupt):
            get(server.address, part, progress=progress)
        over.set()


def test_a_proxy_of_the_environment_is_used(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good) as server:
        monkeypatch.setenv("http_proxy", server.address)
        monkeypatch.delenv("no_proxy", raising=False)
        get("http://models.invalid/a", part)
        assert server.requests == [("http://models.invalid/a", None)]


def test_sizes() -> None:
    assert download.largest_bytes(100) == 110
    assert download.largest_bytes(0) == 1_000_000_000


def test_nothing_of_a_server_reaches_the_terminal_as_it_is() -> None:
    assert shown("a\x1b[2J\nb\u202e") == "a?[2J?b?"
    assert len(shown("a" * 5000)) == 200


def test_a_stopped_opener_opens_nothing() -> None:
    opener = Opener(("http",), ssl.create_default_context())
    opener.stop()
    with serving(good) as server, pytest.raises(ConnectionAbortedError):
        opener.open(server.address, 0)
    assert isinstance(server, Server)
    assert server.requests == []
