"""The live page in a real Chromium: a run is watched to its end."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import NARROW, WIDE, assert_it_fits_and_can_be_read, sync_api, watched
from clips import another, write_image
from fakes import (
    CLIP_FRAMES,
    HUE,
    RED_UNTIL,
    Notes,
    PaintedDetector,
    painted_eyes,
    pictures,
    random_faces,
    scene,
)

from facegrab.cli import main
from facegrab.people.gallery import Gallery
from facegrab.people.judge import Asked, Person
from facegrab.summary import Plan
from facegrab.types import Detections, Frame, Image
from facegrab.view.live import Live
from facegrab.view.live_app import app_of
from facegrab.view.live_page import live_page
from facegrab.view.server import LocalServer
from facegrab.vision.feed import Feed

pytestmark = pytest.mark.browser

expect = sync_api.expect
HOSTILE = "\"><img src=x onerror='window.obeyed=1'><script>window.obeyed = 1<"
ALL = 1000
"""Batches."""


class Held:
    """A detector that looks at as many batches as it is let, so that a page has time."""

    def __init__(self) -> None:
        self._detector = PaintedDetector()
        self._turns = threading.Semaphore(0)
        self.smallest_px = self._detector.smallest_px
        self.longest_fed_px = self._detector.longest_fed_px

    def let(self, batches: int) -> None:
        for _ in range(batches):
            self._turns.release()

    def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
        assert self._turns.acquire(timeout=60)
        return self._detector(images, feeds)


class Commanded:
    """A command line in a thread, which opens a page in a browser that a test holds."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.held = Held()
        eyes = replace(painted_eyes(), detector=self.held)
        self._opened: queue.Queue[str] = queue.Queue()
        self._code: queue.Queue[int] = queue.Queue()
        patch.setattr("facegrab.vision.eyes.open_eyes", lambda *_, **options: eyes)
        patch.setattr("webbrowser.open", self._opened.put)
        patch.setenv("BROWSER", "this test")
        self._thread = threading.Thread(target=lambda: None)

    def begin(self, *arguments: str) -> str:
        """The address of the page that is opened."""
        self._thread = threading.Thread(target=lambda: self._code.put(main(arguments)))
        self._thread.start()
        return self._opened.get(timeout=60)

    def end(self) -> int:
        """The exit code."""
        self.held.let(ALL)
        self._thread.join(60)
        return self._code.get(timeout=60)


@pytest.fixture
def commanded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Commanded]:
    commanded = Commanded(monkeypatch)
    yield commanded
    commanded.held.let(ALL)


def command(red: Path, film: Path, out: Path) -> list[str]:
    fast = ["-sf", "0", "-xs", "64", "-s", "0.5", "-j", "1", "-bs", "2", "--full_scan"]
    return ["-r", str(red), "-i", str(film), "-o", str(out), *fast, "-do"]


# A run


@pytest.mark.usefixtures("short_segments")
def test_a_run_is_watched_to_its_end(
    browser: Any, commanded: Commanded, red: Path, clip: Path, tmp_path: Path
) -> None:
    film, out = another(clip, tmp_path / f"{HOSTILE}.mp4".replace("/", "")), tmp_path / "out"
    address = commanded.begin(*command(red, film, out))
    tab = watched(browser)
    tab.goto(address)
    assert tab.url == address.partition("?")[0]  # the token is not shown
    commanded.held.let(9)  # of 15
    expect(tab.locator("#frame")).to_have_js_property("naturalWidth", 256)
    expect(tab.locator("#stage .box")).to_have_count(2)
    expect(tab.locator("#stage .box.mine")).to_have_count(1)
    expect(tab.locator("#stage .box.mine b")).to_have_text(re.compile(r"^0\.0\d$"))
    expect(tab.locator("#title")).to_have_text(film.name)
    expect(tab.locator("#frames")).to_have_text(re.compile(rf"^\d+ of {CLIP_FRAMES}$"))
    expect(tab.locator("#extracts img").first).to_have_js_property("naturalWidth", 64)
    assert tab.locator("#extracts img").count() < RED_UNTIL
    assert commanded.end() == 0
    expect(tab).to_have_title("Ended - FaceGrab")
    expect(tab.locator("#path")).to_have_text(str(out / "index.html"))
    expect(tab.locator("#lines")).to_contain_text(f"{RED_UNTIL} written")
    expect(tab.locator("#extracts img")).to_have_count(RED_UNTIL)
    assert (out / "index.html").is_file()
    assert tab.evaluate("window.obeyed") is None
    assert tab.wrong == []


@pytest.mark.usefixtures("short_segments")
def test_a_page_may_come_late_and_go_early(
    browser: Any, commanded: Commanded, red: Path, clip: Path, tmp_path: Path
) -> None:
    address = commanded.begin(*command(red, clip, tmp_path / "out"))
    early, late = watched(browser), watched(browser)
    early.goto(address)
    commanded.held.let(9)
    expect(early.locator("#extracts img").first).to_be_visible()
    early.close()
    late.goto(address)
    expect(late.locator("#title")).to_have_text(clip.name)
    expect(late.locator("#extracts img").first).to_be_visible()
    late.reload()
    expect(late.locator("#extracts img").first).to_be_visible()
    late.close()
    assert commanded.end() == 0
    assert len(pictures(tmp_path / "out")) == RED_UNTIL


# A page by itself, and the run in the test's hand


class Run:
    """Two people, one of whom has a name that wants to be obeyed, in a film that has one too."""

    def __init__(self, live: Live, address: str, folder: Path) -> None:
        self.live, self.address = live, address
        faces = replace(
            random_faces(2),
            frame=np.zeros(2, np.int64),
            box=np.array([(20, 2, 60, 42), (150, 60, 190, 100)], np.float32),
        )
        first, second = (
            Gallery(faces.embedding[[row]], ("r",), (), HUE.key, "euclidean") for row in (0, 1)
        )
        people = (Person(HOSTILE, first), Person("b" * 40, second))
        extract = write_image(folder / "uncertain" / "x.png", scene((64, 64)))
        name = f"{HOSTILE}.png".replace("/", "")
        extract.rename(extract.with_name(name))
        live.begin(Plan(Path(f"/{'long' * 40}{HOSTILE}.mp4"), 256, 144, 9000, 7, 64, 256, 144))
        live.ask(Asked(people, (), 0.6, "euclidean"), folder)
        live.keep([f"uncertain/{name}"])
        self._faces = faces
        self._shown = 0

    def show(self) -> str:
        """What the next frame is called."""
        self._shown += 1
        self.live.want()
        self.live.see([Frame(0, self._shown, scene(red=(20, 2)))], self._faces)
        self.live.step(700 * self._shown, 20, 10)
        return f"0:{self._shown:02}.0: 2 faces, 2 within the tolerance"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr("facegrab.view.live.EVERY_SECONDS", 0)
    said: list[str] = []
    (tmp_path / "uncertain").mkdir()
    with live_page(Notes(), said.append, 2, browser=False) as live:
        yield Run(live, said[0].removeprefix("live page: "), tmp_path)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_fits_and_can_be_read(browser: Any, run: Run, width: int, dark: bool) -> None:
    tab = watched(browser, width=width, dark=dark)
    tab.goto(run.address)
    expect(tab.locator("#extracts img")).to_have_count(1)
    words = run.show()
    expect(tab.locator("#caption")).to_have_text(words)
    assert_it_fits_and_can_be_read(tab)
    run.live.finish("The run has ended", [HOSTILE, "w" * 300], Path(f"/{'long/' * 40}{HOSTILE}"))
    expect(tab).to_have_title("Ended - FaceGrab")
    assert_it_fits_and_can_be_read(tab)


def test_no_name_is_obeyed(browser: Any, run: Run) -> None:
    tab = watched(browser)
    tab.goto(run.address)
    run.show()
    expect(tab.locator("#stage .box b").first).to_contain_text(f"{HOSTILE} 0.00")
    expect(tab.locator("#title")).to_contain_text(HOSTILE)
    assert HOSTILE.replace("/", "") in tab.locator("#extracts img").get_attribute("alt")
    run.live.finish("The run has ended", [HOSTILE], Path(f"/{HOSTILE}"))
    expect(tab.locator("#path")).to_contain_text(HOSTILE)
    expect(tab.locator("#lines")).to_have_text(HOSTILE)
    assert tab.evaluate("window.obeyed") is None
    assert tab.locator("img").count() == 2
    assert tab.wrong == []


def test_pictures_have_words_and_the_keyboard_stops_them(browser: Any, run: Run) -> None:
    tab = watched(browser)
    tab.goto(run.address)
    first = run.show()
    picture = tab.locator("#frame")
    expect(picture).to_have_attribute("alt", f"Frame at {first}")
    assert tab.locator("img:not([alt])").count() == 0
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator("#pause")).to_have_attribute("aria-pressed", "true")
    second = run.show()
    expect(tab.locator("#frames")).to_have_text("1,400 of 9,000")
    expect(picture).to_have_attribute("alt", f"Frame at {first}")
    tab.keyboard.press("Enter")
    expect(picture).to_have_attribute("alt", f"Frame at {second}")


def test_a_run_that_is_gone_without_a_word_is_noticed(
    browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegrab.view.server._TO_END_SECONDS", 0.01)
    tab = watched(browser)
    with LocalServer(lambda: app_of(Live(Notes()))) as server:
        tab.goto(server.address)
        expect(tab.locator("#passed")).not_to_be_empty()
    expect(tab.locator("#word")).to_contain_text("No word from the run")


def test_without_script_it_says_so(browser: Any, run: Run) -> None:
    tab = watched(browser, js=False)
    tab.goto(run.address)
    expect(tab.get_by_text("The terminal shows the same progress")).to_be_visible()
