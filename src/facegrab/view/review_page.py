"""The review's page: served until somebody ends it, opened in a browser where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from facegrab.errors import DeviceError
from facegrab.view.live_page import announced
from facegrab.view.review import Desk
from facegrab.view.server import LocalServer

if TYPE_CHECKING:
    from facegrab.view.guard import App


@contextmanager
def review_page(
    desk: Desk, say: Callable[[str], object], *, browser: bool
) -> Iterator[LocalServer]:
    """A page of a folder under review, as long as the block lasts.

    Args:
        desk: the folder.
        say: is told the page's address.
        browser: open it, where there is a display.

    Raises:
        DeviceError: this machine gives no port.
    """

    def app() -> App:
        from facegrab.view.review_app import app_of

        return app_of(desk)

    with ExitStack() as stack:
        try:
            server = stack.enter_context(LocalServer(app))
        except OSError as error:
            raise DeviceError(f"no port for the page: {error.strerror or error}") from error
        stack.enter_context(announced(server, "review", say, browser=browser))
        yield server
