"""The live page's addresses. Loaded when a browser first asks: its libraries take their time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from facegrab.view.live import PARTING_SECONDS, Live

TELL_SECONDS = 0.25
"""Between two times that a page is told everything."""
_LOOK_SECONDS = 0.02
"""Between two looks whether it has left."""
_TEMPLATES = Path(__file__).parent / "templates"


def app_of(live: Live) -> FastAPI:
    """The application of a live page.

    Args:
        live: what it tells.
    """
    # Nothing about a run is for anybody else, whatever else is set up to report what FastAPI does.
    silent: dict[str, Any] = {
        "telemetry": dict.fromkeys(("tracing", "metrics", "logs", "auto_configure"), False)
    }
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, **silent)
    page, script = _text("live.html"), _text("live.js")
    style = _text("report.css") + _text("live.css")

    @app.get("/", response_class=HTMLResponse)
    async def index() -> Response:
        return HTMLResponse(page)

    @app.get("/live.js")
    async def javascript() -> Response:
        return Response(script, media_type="text/javascript")

    @app.get("/live.css")
    async def css() -> Response:
        return Response(style, media_type="text/css")

    @app.get("/frame/{number}")
    async def frame(number: int) -> Response:
        picture = live.picture(number)
        live.want()
        if picture is None:
            raise HTTPException(404)
        return Response(picture, media_type="image/jpeg")

    @app.get("/events")
    async def events(request: Request) -> Response:
        return StreamingResponse(_events(live, request), media_type="text/event-stream")

    return app


async def _events(live: Live, request: Request) -> AsyncIterator[str]:
    """What the page shows, again and again, until the run has ended and the page has left."""
    with live.page():
        live.want()
        last = 0
        while True:
            told = live.told(last)
            last = told["last"]
            yield f"data: {json.dumps(told)}\n\n"
            if told["end"]:
                break
            await asyncio.sleep(TELL_SECONDS)
        # It may still wait for a picture, which a server that has gone would refuse.
        for _ in range(round(PARTING_SECONDS / _LOOK_SECONDS)):
            if await request.is_disconnected():
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
