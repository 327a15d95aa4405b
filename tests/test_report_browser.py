"""The report in a real Chromium: it opens at once, fits, zooms, and obeys no name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsers import (
    NARROW,
    WIDE,
    assert_it_fits_and_can_be_read,
    sync_api,
    watched,
)
from reports import write_folder

from facegrab.summary import Summary
from facegrab.view.report import write_report

pytestmark = pytest.mark.browser

READ = """() => {
  const all = [...document.images];
  return { all: all.length, read: all.filter((each) => each.naturalWidth > 0).length };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of three films, one of them with a name that wants to be obeyed."""
    out = tmp_path_factory.mktemp("report") / "out"
    hostile = "\"><img src=x onerror='window.obeyed = 1'><script>window.obeyed = 1<"
    films = [f"/films/{name}.mp4" for name in ("a film", "long" * 40, hostile)]
    write_folder(out, 90, films)
    write_report(out, summary=Summary(seconds={"all": 3.0, "decode": 2.0}, warnings=["w" * 300]))
    return out


def opened(
    browser: Any, page: Path, *, width: int = WIDE, dark: bool = False, js: bool = True
) -> Any:
    """A page, and what went wrong in it as ``page.wrong``."""
    tab = watched(browser, width=width, dark=dark, js=js)
    tab.on(
        "request",
        lambda request: request.url.startswith("file:") or tab.wrong.append(request.url),
    )
    tab.goto(page.as_uri())
    return tab


def test_of_5_000_extracts_only_those_in_view_are_read(browser: Any, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "out", 2100, [f"/{each}.mp4" for each in range(4)])
    report = write_report(folder)
    assert report.extracts >= 5_000
    for page in (report.path, folder / "index-2.html"):
        tab = opened(browser, page)
        there = tab.evaluate(READ)
        assert there["all"] > 500
        assert there["read"] < there["all"] / 2


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_fits_and_can_be_read(browser: Any, folder: Path, width: int, dark: bool) -> None:
    tab = opened(browser, folder / "index.html", width=width, dark=dark)
    assert_it_fits_and_can_be_read(tab)


def test_no_name_is_obeyed(browser: Any, folder: Path) -> None:
    tab = opened(browser, folder / "index.html")
    assert "<script>window.obeyed = 1<.mp4" in tab.inner_text("body")
    assert tab.evaluate("window.obeyed") is None


def test_pictures_are_there(browser: Any, folder: Path) -> None:
    tab = opened(browser, folder / "index.html")
    image = tab.locator("#extracts img").first
    image.scroll_into_view_if_needed()
    sync_api.expect(image).to_have_js_property("naturalWidth", 16)


@pytest.mark.parametrize("js", [True, False])
def test_timelines_zoom_with_and_without_script(browser: Any, folder: Path, js: bool) -> None:
    tab = opened(browser, folder / "index.html", js=js)
    film = tab.locator(".film").first
    before = film.locator(".wide").bounding_box()["width"]
    film.locator("input.z16").check()
    assert film.locator(".wide").bounding_box()["width"] == pytest.approx(16 * before, rel=0.01)
    other = tab.locator(".film").nth(1).locator(".wide").bounding_box()["width"]
    assert other == pytest.approx(before)


def test_keys_zoom_where_the_keyboard_is_and_the_place_stays(browser: Any, folder: Path) -> None:
    tab = opened(browser, folder / "index.html")
    scroll = tab.locator(".film .scroll").first
    scroll.focus()
    tab.keyboard.press("+")
    tab.keyboard.press("+")
    assert tab.locator("input.z16").first.is_checked()
    middle = "e => (e.scrollLeft + e.clientWidth / 2) / e.scrollWidth"
    assert scroll.evaluate(middle) == pytest.approx(0.5, abs=0.02)
    tab.keyboard.press("-")
    assert tab.locator("input.z4").first.is_checked()


def test_the_keyboard_reaches_all_in_order(browser: Any, folder: Path) -> None:
    tab = opened(browser, folder / "index.html")
    reached = set()
    for _ in range(30):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.className || document.activeElement.href"))
    assert {"skip", "z1", "scroll", "span kept"} <= reached
    tab.keyboard.press("j")
    assert tab.evaluate("document.activeElement.firstElementChild.tagName") == "IMG"
    assert "#t=" in tab.evaluate("document.activeElement.href")


def test_a_span_leads_to_its_extracts(browser: Any, folder: Path) -> None:
    tab = opened(browser, folder / "index.html")
    span = tab.locator(".span.kept[href^='#']").last
    anchor = span.get_attribute("href")
    span.click()
    assert tab.evaluate("location.hash") == anchor
    tab.wait_for_function(
        "id => { const r = document.querySelector(id).getBoundingClientRect();"
        " return r.top >= 0 && r.top < innerHeight }",
        arg=anchor,
    )
