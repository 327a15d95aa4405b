"""A real Chromium, and what any page of ours must stand up to in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

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
NARROW, WIDE = 400, 1600
LEAST_CONTRAST = 4.5
"""Of small letters, for WCAG 2's level AA."""

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRASTS = """
() => {
  const colour = (text) => {
    const [r, g, b, alpha = 1] = text.match(/[\\d.]+(e-\\d+)?/g).map(Number);
    const most = text.startsWith("color(") ? 1 : 255;
    return [r / most, g / most, b / most, alpha];
  };
  const over = (top, below) =>
    [0, 1, 2].map((c) => top[c] * top[3] + below[c] * (1 - top[3])).concat(1);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = (element) => element
    ? over(colour(getComputedStyle(element).backgroundColor), ground(element.parentElement))
    : [1, 1, 1, 1];
  const found = [];
  const words = "h1, h2, h3, h4, p, a, small, th, td, dt, dd, b, i, bdi, figcaption";
  for (const each of document.querySelectorAll(words)) {
    if (!each.textContent.trim()) continue;
    const below = ground(each);
    const above = over(colour(getComputedStyle(each).color), below);
    const [a, b] = [light(above), light(below)].sort((x, y) => x - y);
    found.push([(b + .05) / (a + .05), each.tagName + " " + each.textContent.trim().slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0]).slice(0, 3);
}
"""


def launched() -> Iterator[Any]:
    """Chromium, as long as somebody holds on to it."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


def watched(browser: Any, *, width: int = WIDE, dark: bool = False, js: bool = True) -> Any:
    """A tab; what goes wrong in it is in its ``wrong``."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=js,
    )
    tab = context.new_page()
    tab.wrong = []
    tab.on("console", lambda message: tab.wrong.append(message.text))
    tab.on("pageerror", lambda error: tab.wrong.append(str(error)))
    return tab


def assert_it_fits_and_can_be_read(tab: Any) -> None:
    assert tab.evaluate(OVERFLOW) == 0
    (contrast, where), *_ = tab.evaluate(CONTRASTS)
    assert contrast >= LEAST_CONTRAST, where
    assert tab.wrong == []
