"""The report in a real Chromium: it opens at once, fits, zooms, and obeys no name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reports import write_folder

from facegrab.summary import Summary
from facegrab.view.report import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = [
    "--no-sandbox",  # as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
OPENS_WITHIN_MS = 2000
NARROW, WIDE = 400, 1600
LEAST_CONTRAST = 4.5
"""Of small letters, for WCAG 2's level AA."""

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRASTS = """
() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map((c) => c / 255)
      .map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!colour.endsWith(", 0)")) return light(colour);
    }
    return 1;
  };
  const found = [];
  const words = "h1, h2, h3, h4, p, a, small, th, td, dt, dd, b, i, bdi, figcaption";
  for (const each of document.querySelectorAll(words)) {
    if (!each.textContent.trim()) continue;
    const [a, b] = [light(getComputedStyle(each).color), ground(each)].sort((x, y) => x - y);
    found.push([(b + .05) / (a + .05), each.tagName + " " + each.textContent.trim().slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0]).slice(0, 3);
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


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
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=js,
    )
    tab = context.new_page()
    tab.wrong = []
    tab.on("console", lambda message: tab.wrong.append(message.text))
    tab.on("pageerror", lambda error: tab.wrong.append(str(error)))
    tab.on(
        "request",
        lambda request: request.url.startswith("file:") or tab.wrong.append(request.url),
    )
    tab.goto(page.as_uri())
    return tab


def test_20_000_extracts_open_within_two_seconds(browser: Any, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "out", 8400, [f"/{each}.mp4" for each in range(4)])
    report = write_report(folder)
    assert report.extracts >= 20_000
    for page in (report.path, folder / "index-2.html"):
        tab = opened(browser, page)
        loaded = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert 0 < loaded < OPENS_WITHIN_MS


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_fits_and_can_be_read(browser: Any, folder: Path, width: int, dark: bool) -> None:
    tab = opened(browser, folder / "index.html", width=width, dark=dark)
    assert tab.evaluate(OVERFLOW) == 0
    (contrast, where), *_ = tab.evaluate(CONTRASTS)
    assert contrast >= LEAST_CONTRAST, where
    assert tab.wrong == []


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
