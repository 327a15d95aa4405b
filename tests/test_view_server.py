"""The local server: who may ask it, and that nothing of it is left."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from fakes import our_threads
from visitors import Answer, Visitor

from facegrab.view.guard import HEADERS, Receive, Scope, Send
from facegrab.view.server import LocalServer

SECRET = b"what only the user may see"
REFUSED = 403


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Says its secret to whoever gets through to it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": SECRET})


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Says something, and then nothing for ever."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": SECRET, "more_body": True})
    await receive()
    await receive()


@pytest.fixture(scope="module")
def visitor() -> Iterator[Visitor]:
    with LocalServer(lambda: application) as server:
        yield Visitor(server.address)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> None:
    """In place of the suite's: the server lasts as long as this module; see the last tests."""


def assert_refused(answer: Answer) -> None:
    assert answer.status == REFUSED
    assert SECRET not in answer.body
    assert "set-cookie" not in answer.headers


# Who may come in


def test_the_address_lets_in_and_leaves_a_cookie_that_does(visitor: Visitor) -> None:
    answer = visitor.ask(f"/?token={visitor.token}")
    assert (answer.status, answer.body) == (200, SECRET)
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Strict"}
    again = visitor.ask("/", ("Cookie", f"other=1; {cookie}; more=2"))
    assert (again.status, again.body) == (200, SECRET)
    assert "set-cookie" not in again.headers


def test_the_token_cannot_be_guessed() -> None:
    tokens = set()
    for _ in range(3):
        with LocalServer(lambda: application) as server:
            tokens.add(Visitor(server.address).token)
    assert len(tokens) == 3
    assert all(len(token) >= 43 for token in tokens)  # 32 bytes


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?token=",
        "/?token=wrong",
        "/?token={token}x",
        "/?token={token}&token=wrong",
        "/?token=wrong&token={token}",
        "/?TOKEN={token}",
        "/{token}",
        "/?token=%ff%00%0d%0a",
        "/?token=..%2f..%2fetc%2fpasswd",
        "/?" + "a=1&" * 50 + "token={token}",
    ],
)
def test_a_wrong_token_is_refused(visitor: Visitor, path: str) -> None:
    assert_refused(visitor.ask(path.format(token=visitor.token)))


def test_a_wrong_token_is_refused_with_the_right_cookie_too(visitor: Visitor) -> None:
    assert_refused(visitor.ask("/?token=wrong", ("Cookie", visitor.cookie)))


@pytest.mark.parametrize(
    "cookie", ["{name}=wrong", "{name}=", "{name}", "other={token}", "{token}"]
)
def test_a_wrong_cookie_is_refused(visitor: Visitor, cookie: str) -> None:
    name, _, token = visitor.cookie.partition("=")
    assert_refused(visitor.ask("/", ("Cookie", cookie.format(name=name, token=token))))


def test_two_runs_do_not_take_each_others_cookies(visitor: Visitor) -> None:
    with LocalServer(lambda: application) as server:
        other = Visitor(server.address)
        assert_refused(other.ask("/", ("Cookie", visitor.cookie)))
        assert other.ask("/", ("Cookie", f"{visitor.cookie}; {other.cookie}")).status == 200


# By what name, and from where


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:80",
        "localhost.evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.1:{port}@evil.example",
        "[::1]:{port}",
        "0.0.0.0:{port}",
    ],
)
def test_other_hosts_are_refused(visitor: Visitor, host: str) -> None:
    """A name on the web that points here since a moment ago."""
    named = host.format(port=visitor.port)
    assert_refused(visitor.come_back(host=named))
    assert_refused(visitor.ask(f"/?token={visitor.token}", host=named))


def test_localhost_is_here_too(visitor: Visitor) -> None:
    assert visitor.come_back(host=f"localhost:{visitor.port}").status == 200


def test_a_second_host_is_refused(visitor: Visitor) -> None:
    answer = visitor.come_back(("Host", "evil.example"))
    assert answer.status in (400, REFUSED)
    assert SECRET not in answer.body


ORIGINS = ["http://evil.example", "null", "", "https://127.0.0.1:{port}", "http://127.0.0.1:1"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "GET"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_other_origins_are_refused(visitor: Visitor, method: str, origin: str) -> None:
    named = origin.format(port=visitor.port)
    assert_refused(visitor.come_back(("Origin", named), method=method))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_change_must_say_where_it_is_from(visitor: Visitor, method: str) -> None:
    assert_refused(visitor.come_back(method=method))
    assert_refused(visitor.ask(f"/?token={visitor.token}", method=method))
    both = (("Origin", visitor.own), ("Origin", "http://evil.example"))
    assert_refused(visitor.come_back(*both, method=method))
    assert visitor.come_back(("Origin", visitor.own), method=method).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_page_embeds_is_refused(visitor: Visitor, site: str) -> None:
    """Another server of this machine is of the same site, and gets the cookie sent along."""
    assert_refused(visitor.come_back(("Sec-Fetch-Site", site)))
    assert visitor.come_back(("Sec-Fetch-Site", "same-origin")).status == 200
    # A link in a terminal that is itself a page.
    link = visitor.ask(f"/?token={visitor.token}", ("Sec-Fetch-Site", site))
    assert link.status == 200


def test_every_answer_keeps_others_out(visitor: Visitor) -> None:
    for answer in (visitor.come_back(), visitor.ask("/")):
        for name, value in HEADERS.items():
            assert answer.headers.get_all(name) == [value]
        assert "server" not in answer.headers
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert not re.search("unsafe|https?:|\\*", policy)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere 127.0.0.2 is no name of this machine"
)
def test_it_listens_at_127_0_0_1_only(visitor: Visitor) -> None:
    socket.create_connection(("127.0.0.1", visitor.port), timeout=10).close()
    for host in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match=r"refused|assign|unreachable"):
            socket.create_connection((host, visitor.port), timeout=10)


# What is left, and what it costs


@pytest.fixture
def before() -> list[str]:
    """Threads of the module's own server."""
    return our_threads()


def test_nothing_is_left_of_a_server_that_nobody_asked(before: list[str]) -> None:
    with LocalServer(lambda: application):
        assert len(our_threads()) == len(before) + 1
    assert our_threads() == before


def test_nothing_is_left_of_one_that_was_asked(before: list[str]) -> None:
    with LocalServer(lambda: application) as server:
        assert Visitor(server.address).come_back().status == 200
    assert our_threads() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_who_keeps_a_connection_open_does_not_keep_it(before: list[str]) -> None:
    with LocalServer(lambda: application) as server:
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        half = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        half.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert Visitor(server.address).come_back().status == 200
    assert our_threads() == before
    idle.close()
    half.close()


def test_an_endless_answer_is_cut(before: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facegrab.view.server._TO_END_SECONDS", 0.01)
    with LocalServer(lambda: endless) as server:
        visitor = Visitor(server.address)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/", headers={"Cookie": visitor.cookie})
        assert connection.getresponse().read(len(SECRET)) == SECRET
    assert our_threads() == before
    connection.close()


def test_one_that_ends_while_it_begins_is_waited_for(before: list[str]) -> None:
    for _ in range(5):
        with LocalServer(lambda: application) as server:
            asked = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        assert our_threads() == before
        asked.close()


def test_nothing_is_loaded_before_somebody_asks() -> None:
    program = """
import sys
from facegrab.view.server import LocalServer
with LocalServer(lambda: None):
    pass
print([name for name in ("fastapi", "starlette", "uvicorn", "numpy") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_threads_are_named_so_that_tests_find_them() -> None:
    with LocalServer(lambda: application):
        assert "facegrab-server" in [each.name for each in threading.enumerate()]
