"""A live page beside a run: served as long as it lasts, opened in a browser where there is one."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

from facegrab.summary import Watcher
from facegrab.view.live import Live
from facegrab.view.server import LocalServer

if TYPE_CHECKING:
    from facegrab.view.guard import App

_OPENING_SECONDS = 1.0
"""That the end of a run waits for a browser which is being opened, at most."""


@contextmanager
def live_page(
    watcher: Watcher, say: Callable[[str], object], sources: int, *, browser: bool
) -> Iterator[Live]:
    """What a run tells, and a page that shows it.

    Args:
        watcher: is told the same.
        say: is told the page's address.
        sources: that will come.
        browser: open it, where there is a display.
    """
    live = Live(watcher, sources)

    def app() -> App:
        from facegrab.view.live_app import app_of

        return app_of(live)

    with ExitStack() as stack:
        try:
            server = stack.enter_context(LocalServer(app))
        except OSError as error:  # a machine without a network of its own: the run goes on
            say(f"warning: no live page: {error.strerror or error}")
        else:
            stack.enter_context(announced(server, "live page", say, browser=browser))
        # Before the server ends, so that open pages hear it; what was said before stays.
        stack.callback(live.part)
        stack.callback(live.finish, "The run was stopped")
        yield live


@contextmanager
def announced(
    server: LocalServer, what: str, say: Callable[[str], object], *, browser: bool
) -> Iterator[None]:
    """Tells a page's address, and how it is reached over ssh; opens it.

    Args:
        server: that serves it.
        what: it is.
        say: is told.
        browser: open it, where there is a display.
    """
    say(f"{what}: {server.address}")
    if "SSH_CONNECTION" in os.environ:
        say(f"from your own machine: ssh -L {server.port}:127.0.0.1:{server.port} HOST")
    with _opened(server.address) if browser and _has_display() else nullcontext():
        yield


def _has_display() -> bool:
    """Whether a browser would open beside the terminal, and not in it."""
    if os.environ.get("BROWSER") or sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@contextmanager
def _opened(address: str) -> Iterator[None]:
    """Opens a browser, which some do not return from before it is closed."""
    thread = threading.Thread(
        target=webbrowser.open, args=(address,), name="facegrab-browser", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        thread.join(_OPENING_SECONDS)
