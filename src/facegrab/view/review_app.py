"""The review's addresses. Loaded when a browser first asks: its libraries take their time."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from facegrab.errors import FaceGrabError, SettingError, StaleError
from facegrab.store.files import printable
from facegrab.view.review import Desk
from facegrab.view.words import number, who

MOST_BODY_BYTES = 2**20
MOST_FIELDS = 20_000
MOST_MINE = 100
"""Answers that a tab remembers to be its own."""
STATES = ("doubt", "kept", "other", "told", "skipped")
_TEMPLATES = Path(__file__).parent / "templates"
_DONE = "Done. This tab can be closed."
_BACK = re.compile(r"/tracks/[a-z]{4,7}(\?page=[0-9]{1,6})?|/groups|/")
_Found = TypeVar("_Found")


class _Form:
    """What a page has sent; a SettingError for what it never sends."""

    def __init__(self, body: bytes) -> None:
        try:
            self._fields = parse_qs(
                body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS
            )
        except ValueError as error:
            raise SettingError("That was not sent by this page") from error

    def text(self, name: str, default: str = "") -> str:
        return self._fields.get(name, [default])[0]

    def all(self, name: str) -> list[str]:
        return self._fields.get(name, [])

    def mine(self) -> list[int]:
        parts = self.text("mine").split()
        if not all(each.isdecimal() and each.isascii() and len(each) < 16 for each in parts):
            raise SettingError("That was not sent by this page")
        return [int(each) for each in parts][-MOST_MINE:]

    def whole(self, name: str) -> int | None:
        text = self.text(name)
        if not text:
            return None
        if not (text.isdecimal() and text.isascii() and len(text) < 10):
            raise SettingError("That was not sent by this page")
        return int(text)


def app_of(desk: Desk) -> FastAPI:
    """The application of a review.

    Args:
        desk: the folder.
    """
    # Nothing about a folder is for anybody else, whatever else is set up to report what FastAPI
    # does.
    silent: dict[str, Any] = {
        "telemetry": dict.fromkeys(("tracing", "metrics", "logs", "auto_configure"), False)
    }
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, **silent)
    pages = _Pages(desk)
    _add_files(app)
    _add_pages(app, pages, desk)
    _add_pictures(app, desk)

    @app.post("/say")
    async def say(request: Request) -> Response:
        return await run_in_threadpool(pages.said, request, await _body(request))

    @app.post("/undo")
    async def undo(request: Request) -> Response:
        return await run_in_threadpool(pages.undone, request, await _body(request))

    @app.post("/apply")
    def apply(request: Request) -> Response:
        return pages.guarded(pages.applied)

    @app.get("/applying")
    def applying() -> Response:
        return pages.guarded(pages.applying)

    @app.post("/end")
    def end() -> Response:
        desk.end()
        return HTMLResponse(f"<p>{_DONE}</p>")

    return app


def _add_files(app: FastAPI) -> None:
    files = {
        "review.js": ("text/javascript", ("review.js",)),
        "htmx.min.js": ("text/javascript", ("htmx.min.js",)),
        "review.css": ("text/css", ("report.css", "live.css", "review.css")),
    }
    for name, (kind, parts) in files.items():
        content = "".join((_TEMPLATES / part).read_text(encoding="utf-8") for part in parts)
        app.get(f"/{name}")(partial(_sent, content, kind))


def _sent(content: str, kind: str) -> Response:
    return Response(content, media_type=kind)


def _add_pages(app: FastAPI, pages: _Pages, desk: Desk) -> None:
    @app.get("/")
    def queue(request: Request) -> Response:
        return pages.guarded(lambda: pages.queue(whole=not _is_part(request)))

    @app.get("/track/{key}")
    def track(key: str) -> Response:
        return pages.guarded(lambda: pages.page("track", track=desk.track(key)))

    @app.get("/tracks/{state}")
    def tracks(state: str, page: int = 0) -> Response:
        if state not in STATES or page < 0:
            raise HTTPException(404)
        return pages.guarded(lambda: pages.tracks(state, page))

    @app.get("/groups")
    def groups() -> Response:
        return pages.guarded(lambda: pages.page("groups", groups=desk.groups()))


def _add_pictures(app: FastAPI, desk: Desk) -> None:
    @app.get("/face/{key}/{number}")
    def face(key: str, number: int) -> Response:
        found = _of_desk(lambda: desk.face(key, number))
        return Response(found[0], media_type=found[1])

    @app.get("/frame/{key}/{number}")
    def frame(key: str, number: int) -> Response:
        return Response(_of_desk(lambda: desk.frame(key, number)), media_type="image/jpeg")


def _of_desk(get: Callable[[], _Found | None]) -> _Found:
    try:
        found = get()
    except FaceGrabError as error:
        raise HTTPException(404) from error
    if found is None:
        raise HTTPException(404)
    return found


async def _body(request: Request) -> bytes:
    """What was sent, if it is no more than any page sends."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY_BYTES:
            raise HTTPException(413)
    return body


def _is_part(request: Request) -> bool:
    """Whether htmx asks, for the part of the page that changes."""
    return request.headers.get("hx-request") == "true"


class _Pages:
    """Writes the pages of a folder."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._templates = Environment(
            loader=PackageLoader("facegrab", "view/templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(who=who, number=number)
        self._templates.filters["exact"] = _exact

    def page(self, name: str, status: int = 200, **values: Any) -> Response:
        """One of the pages."""
        desk = self._desk
        text = self._templates.get_template(f"review_{name}.html").render(
            title=desk.title, people=desk.people, counts=desk.counts(), page_name=name, **values
        )
        return HTMLResponse(text, status)

    def queue(
        self, *, whole: bool, mine: list[int] | None = None, word: str = "", status: int = 200
    ) -> Response:
        """The question, alone or in its page."""
        track = self._desk.next()
        surest = self._desk.surest(track.person) if track else ()
        values = {"track": track, "surest": surest, "mine": mine or [], "word": word}
        return self.page("queue" if whole else "desk", status, **values)

    def tracks(self, state: str, page: int) -> Response:
        """A list of tracks."""
        found, pages = self._desk.listed(state, page)
        return self.page("tracks", tracks=found, state=state, number_of=page, pages=pages)

    def applied(self) -> Response:
        """Begins to change the folder."""
        self._desk.apply()
        return self.applying()

    def applying(self) -> Response:
        """How far the folder is changed."""
        return self.page("applying", applying=self._desk.applying())

    def guarded(self, answer: Callable[[], Response]) -> Response:
        """What goes wrong is told on a page."""
        try:
            return answer()
        except FaceGrabError as error:
            return self.page("wrong", _status(error), word=str(error))

    def said(self, request: Request, body: bytes) -> Response:
        """An answer was given."""

        def say(form: _Form) -> int | None:
            person = form.text("other").strip() or form.text("person")
            since = form.whole("since")
            return self._desk.say(form.text("said"), person, form.all("track"), since)

        return self._changed(request, body, say, "Kept.")

    def undone(self, request: Request, body: bytes) -> Response:
        """The last answer is taken back."""
        return self._changed(request, body, self._undo, "Taken back.")

    def _undo(self, form: _Form) -> int | None:
        row = self._desk.undo(form.mine())
        if row is None:
            raise SettingError("There is nothing to take back")
        return -row

    def _changed(
        self, request: Request, body: bytes, change: Callable[[_Form], int | None], word: str
    ) -> Response:
        form: _Form | None = None
        mine: list[int] = []
        status = 200
        try:
            form = _Form(body)
            mine = form.mine()
            row = change(form) or 0
            mine = [each for each in mine if each != -row] + [row] * (row > 0)
        except FaceGrabError as error:
            word, status = str(error), _status(error)
        if not _is_part(request):  # sent from another page, or without the script
            back = form.text("back") if form else ""
            if status == 200 and _BACK.fullmatch(back):
                return RedirectResponse(back, 303)
            return self.page("wrong", status, word=word)
        return self.queue(whole=False, mine=mine[-MOST_MINE:], word=word, status=status)


def _status(error: FaceGrabError) -> int:
    if isinstance(error, StaleError):
        return 409
    return 400 if isinstance(error, SettingError) else 503


def _exact(value: str) -> Markup:
    """A name as a form sends it back; escaped, but to the letter."""
    return Markup(escape(value))


def _shown(value: Any) -> Any:
    """Names without marks that turn the direction of writing."""
    return printable(value) if type(value) is str else value
