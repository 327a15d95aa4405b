"""Folders under review, and whoever sends the review's forms."""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from studio import BLUE, COUNT, DOUBT, GREEN, RED, Studio
from visitors import SECONDS, Answer, Visitor

from facegrab.review_desk import ReviewDesk
from facegrab.view.review_page import review_page

HOSTILE = "\"><img src=x onerror='window.obeyed=1'><script>window.obeyed = 1<\u202egnp"


def folder_of(studio: Studio, name: str = "w") -> Path:
    """Red and blue in one film, two in doubt, who are unlike each other, in another two."""
    films = [
        studio.film("v", RED, BLUE),
        studio.film(name, DOUBT),
        studio.film("x", 2 - DOUBT, GREEN, count=COUNT + 1),
    ]
    studio.asks(studio.of(RED), films, "out")
    return studio.home / "out"


class Reviewer(Visitor):
    """Sends forms."""

    def send(
        self,
        path: str,
        *headers: tuple[str, str],
        origin: str | None = "",
        body: bytes | None = None,
        **fields: str | list[str],
    ) -> Answer:
        """An answer to a form, by default as the page itself sends it."""
        content = urlencode(fields, doseq=True).encode() if body is None else body
        named = [] if origin is None else [("Origin", origin or self.own)]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            kind = "application/x-www-form-urlencoded"
            every = [("Cookie", self.cookie), ("Content-Type", kind), *named, *headers]
            connection.request("POST", path, content, dict(every))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def says(self, said: str, key: str, mine: str = "", **more: str) -> str:
        """The part of the page that comes back when a question is answered."""
        fields: dict[str, Any] = {"said": said, "track": key, "mine": mine, "person": "", **more}
        answer = self.send("/say", ("HX-Request", "true"), **fields)
        return answer.body.decode()

    def page(self, path: str = "/") -> str:
        return self.come_back(path=path).body.decode()

    def key(self, path: str = "/") -> str:
        """Of the first track of a page."""
        return keys_of(self.page(path))[0]


def keys_of(page: str) -> list[str]:
    """Of the tracks that can be spoken of on a page, each once."""
    found = re.findall(r'name="track" value="([^"]*)"', page)
    return list(dict.fromkeys(html.unescape(each) for each in found))


@contextmanager
def reviewed(folder: Path) -> Iterator[tuple[Reviewer, ReviewDesk]]:
    """The page of a folder, as long as the block lasts."""
    desk = ReviewDesk(folder, lambda: None)
    try:
        with review_page(desk, lambda _: None, browser=False) as server:
            yield Reviewer(server.address), desk
    finally:
        desk.close()
