"""The review in a real Chromium: driven by keys alone, by two tabs, over a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import NARROW, WIDE, assert_it_fits_and_can_be_read, sync_api, watched
from fakes import query
from reviews import HOSTILE, Reviewer, folder_of, reviewed
from studio import COUNT, Studio

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("short_segments")]

expect = sync_api.expect


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.fixture
def folder(studio: Studio) -> Path:
    return folder_of(studio, HOSTILE.replace("/", ""))


@pytest.fixture
def reviewer(folder: Path) -> Iterator[Reviewer]:
    with reviewed(folder) as (found, _):
        yield found


def address(reviewer: Reviewer, path: str = "/") -> str:
    return f"{reviewer.own}{path}?token={reviewer.token}"


def answers(folder: Path) -> list[str]:
    return [str(said) for (said,) in query(folder, "SELECT said FROM review ORDER BY id")]


def test_a_review_is_done_by_keys(browser: Any, reviewer: Reviewer, folder: Path) -> None:
    tab = watched(browser)
    tab.goto(address(reviewer))
    heading, word = tab.locator("h1"), tab.locator("#desk .word")
    expect(heading).to_have_text("Is this the person?")
    expect(tab.locator("#desk .faces img").first).to_have_js_property("naturalWidth", 32)
    tab.keyboard.press("s")
    expect(word).to_have_text("Kept.")
    tab.keyboard.press("u")
    expect(word).to_have_text("Taken back.")
    assert answers(folder) == []
    tab.keyboard.press("n")
    expect(tab.locator("#desk")).to_contain_text("1 answer so far")
    tab.keyboard.press("y")
    expect(heading).to_have_text("Nothing is in doubt")
    assert answers(folder) == ["not", "is"]
    tab.keyboard.press("u")
    expect(heading).to_have_text("Is this the person?")
    tab.keyboard.press("n")
    expect(heading).to_have_text("Nothing is in doubt")
    tab.get_by_role("button", name="Apply to the folder").click()
    expect(tab.locator("#applied")).to_contain_text(f"{2 * COUNT + 1} went", timeout=20_000)
    assert tab.evaluate("window.obeyed") is None
    assert tab.wrong == []


def test_keys_with_others_and_in_a_name_say_nothing(
    browser: Any, reviewer: Reviewer, folder: Path
) -> None:
    tab = watched(browser)
    tab.goto(address(reviewer))
    tab.keyboard.press("Control+y")
    name = tab.get_by_label("It is")
    name.fill("")
    name.press_sequentially("Sunny")
    assert answers(folder) == []
    name.press("Enter")  # the first button would be Yes
    expect(tab.locator("#desk")).to_contain_text("1 answer so far")
    assert query(folder, "SELECT said, person FROM review") == [("is", "Sunny")]


def test_two_tabs_at_once_lose_nothing(browser: Any, reviewer: Reviewer, folder: Path) -> None:
    one, other = watched(browser), watched(browser)
    for tab in (one, other):
        tab.goto(address(reviewer))
    one.keyboard.press("n")
    expect(one.locator("#desk")).to_contain_text("1 answer so far")
    other.keyboard.press("s")
    expect(other.locator("#desk")).to_contain_text("2 answers so far")
    one.keyboard.press("u")
    expect(one.locator("#desk .word")).to_have_text("Taken back.")
    assert answers(folder) == ["skip"]


def test_a_restart_in_the_middle_goes_on(browser: Any, folder: Path) -> None:
    tab = watched(browser)
    with reviewed(folder) as (reviewer, _):
        tab.goto(address(reviewer))
        tab.keyboard.press("n")
        expect(tab.locator("#desk")).to_contain_text("1 answer so far")
    with reviewed(folder) as (reviewer, _):
        tab.goto(address(reviewer))
        expect(tab.locator("#desk")).to_contain_text("1 answer so far")


def test_a_face_opens_its_frame_and_escape_closes_it(browser: Any, reviewer: Reviewer) -> None:
    tab = watched(browser)
    tab.goto(address(reviewer))
    tab.locator("#desk a[data-frame]").first.click()
    frame = tab.locator("dialog img")
    expect(frame).to_have_js_property("naturalWidth", 256)
    tab.keyboard.press("n")
    tab.keyboard.press("Escape")
    expect(frame).not_to_be_visible()
    expect(tab.locator("#desk")).to_contain_text("0 answers so far")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_fits_and_can_be_read(browser: Any, reviewer: Reviewer, width: int, dark: bool) -> None:
    tab = watched(browser, width=width, dark=dark)
    for path in ("/", "/tracks/doubt", "/tracks/other", "/groups"):
        tab.goto(address(reviewer, path))
        expect(tab.locator("h1")).to_have_text(re.compile(r"\w"))
        assert_it_fits_and_can_be_read(tab)


def test_without_the_script_it_can_be_answered(
    browser: Any, reviewer: Reviewer, folder: Path
) -> None:
    tab = watched(browser, js=False)
    tab.goto(address(reviewer))
    tab.get_by_role("button", name="No", exact=False).first.click()
    assert answers(folder) == ["not"]
