"""Who may ask a server on this machine: whoever has its token, in this machine's name, nobody else.

A page on the web can make a browser ask 127.0.0.1 too, by a form, an image or a name that it lets
point here; other users of the machine can ask directly. All of them are refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI's (https://asgi.readthedocs.io/en/latest/specs/www.html)."""

HEADERS = {
    # No script and no style but the server's own files; nothing from elsewhere, nothing framed.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not none at all: then a page's own form would not say where it is from.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer."""

TOKEN = "token"
"""The parameter that the first request has it in."""
_MOST_PARAMETERS = 16
_ONLY_READ = ("GET", "HEAD")
_NOT_FOREIGN = (None, b"same-origin", b"none")
_REFUSED = b"Refused. Open the address that FaceGrab has printed.\n"


class Guard:
    """Lets requests through to an application, or refuses them.

    The first request has the token in its address, and gets a cookie for those that follow.

    Args:
        app: the application.
        token: what an asker has to know.
        port: that is listened at.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode("ascii")
        # Cookies know no ports: two runs at a time shall not take each other's.
        self._cookie = f"facegrab-{port}".encode("ascii")
        self._hosts = [f"{name}:{port}".encode("ascii") for name in ("127.0.0.1", "localhost")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return
        added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        given = self._given(scope)
        if not self._may(scope, given):
            await _refuse(answer)
            return
        if given is not None:
            kept = b"%s=%s; Path=/; HttpOnly; SameSite=Strict" % (self._cookie, self._token)
            added.append((b"set-cookie", kept))
        await self._app(scope, receive, answer)

    def _may(self, scope: Scope, given: bytes | None) -> bool:
        headers = _Headers(scope["headers"])
        if headers.only(b"host") not in self._hosts:
            return False
        if given is not None:
            # Wherever the link was followed, whoever has it may come in, to look.
            return scope["method"] in _ONLY_READ and self._is_token(given)
        if headers.only(b"sec-fetch-site") not in _NOT_FOREIGN:
            return False
        origin = headers.only(b"origin")
        own = [b"http://" + host for host in self._hosts]
        if (origin is not None or scope["method"] not in _ONLY_READ) and origin not in own:
            return False
        return any(map(self._is_token, headers.cookies(self._cookie)))

    def _given(self, scope: Scope) -> bytes | None:
        """The token in the address; of several none can be right."""
        asked = scope["query_string"].decode("latin-1")
        try:
            found = [
                value
                for name, value in parse_qsl(asked, True, max_num_fields=_MOST_PARAMETERS)
                if name == TOKEN
            ]
        except ValueError:
            return b""
        if not found:
            return None
        return found[0].encode("utf-8", "replace") if len(found) == 1 else b""

    def _is_token(self, value: bytes) -> bool:
        return secrets.compare_digest(value, self._token)


class _Headers:
    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = list(headers)

    def only(self, name: bytes) -> bytes | None:
        """A header; None if it is not there, and of several nothing that is ever right."""
        found = [value for each, value in self._headers if each == name]
        return found[0] if len(found) == 1 else b"" if found else None

    def cookies(self, name: bytes) -> Iterable[bytes]:
        for each, value in self._headers:
            if each == b"cookie":
                for part in value.split(b";"):
                    key, _, content = part.strip().partition(b"=")
                    if key == name:
                        yield content


async def _refuse(send: Send) -> None:
    kind = [(b"content-type", b"text/plain; charset=utf-8")]
    length = [(b"content-length", str(len(_REFUSED)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": kind + length})
    await send({"type": "http.response.body", "body": _REFUSED})
