"""The live page without a browser: what it tells of a run, and that it costs nothing unasked."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import another, write_image
from fakes import HUE, Notes, pictures, random_faces, scene
from visitors import SECONDS, Page, Visitor

from facegrab import FaceGrab, ProcessSettings
from facegrab.cli import main
from facegrab.people.gallery import Gallery
from facegrab.people.judge import Asked, Person
from facegrab.summary import Plan
from facegrab.types import Faces, Frame
from facegrab.view import live as live_module
from facegrab.view import live_app
from facegrab.view.live import LAST_EXTRACTS, Live
from facegrab.view.live_page import live_page
from facegrab.view.sight import LONGEST_PX, shrunk
from facegrab.vision.look import Eyes

FAST = ProcessSettings(skip_frames=0, extract_size=64, scale=0.5)
EVERYBODY = Asked((), (), 0.6, "euclidean")
HOSTILE = '"><img src=x onerror=alert(1)>\n\u202egp4'


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(live_module, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def plan_of(name: str = "film.mp4", frames: int | None = 100) -> Plan:
    return Plan(Path("/films") / name, 200, 100, frames, 7, 64, 200, 100)


def frame(index: int, pixels: bool = True) -> Frame:
    size = (100, 200) if pixels else (0, 0)
    return Frame(index, index / 25, np.full((*size, 3), index, np.uint8))


def faces_at(*boxes: tuple[float, ...], frame: int = 0) -> Faces:
    """Faces of one frame, in these boxes; each has an embedding of its own."""
    faces = random_faces(len(boxes))
    embedding = np.zeros_like(faces.embedding)
    embedding[np.arange(len(boxes)), np.arange(len(boxes))] = 1
    return replace(
        faces,
        frame=np.full(len(boxes), frame, np.int64),
        box=np.array(boxes, np.float32).reshape(-1, 4),
        embedding=embedding,
    )


def like(faces: Faces, row: int) -> Gallery:
    return Gallery(faces.embedding[[row]], ("r",), (), HUE.key, "euclidean")


def looked_at(live: Live, asked: Asked, faces: Faces, *frames: Frame) -> Any:
    """What a page is told of a batch."""
    live.ask(asked, Path())
    live.want()
    live.see(frames or (frame(0),), faces)
    return live.told()["sight"]


# The frame


def test_boxes_are_in_percent_and_everybody_is_wanted_by_nobody_in_particular() -> None:
    sight = looked_at(Live(Notes()), EVERYBODY, faces_at((20, 10, 59, 34)))
    assert sight["words"] == "0:00.0: 1 face"
    assert sight["faces"] == [
        {"place": [10, 10, 20, 25], "mine": True, "name": "", "distance": None}
    ]


def test_the_target_is_told_from_others_with_the_distance() -> None:
    faces = faces_at((0, 0, 9, 9), (20, 0, 29, 9))
    asked = Asked((Person("", like(faces, 1)),), (), 0.6, "euclidean")
    sight = looked_at(Live(Notes()), asked, faces)
    assert [(each["mine"], each["distance"]) for each in sight["faces"]] == [
        (False, pytest.approx(2**0.5, abs=0.01)),
        (True, 0),
    ]
    assert sight["words"] == "0:00.0: 2 faces, 1 within the tolerance"


def test_of_several_people_each_is_named() -> None:
    faces = faces_at((0, 0, 9, 9), (20, 0, 29, 9))
    people = (Person("ann", like(faces, 1)), Person("bob", like(faces, 0)))
    sight = looked_at(Live(Notes()), Asked(people, (), 0.6, "euclidean"), faces)
    assert [each["name"] for each in sight["faces"]] == ["bob", "ann"]


def test_who_is_nearer_to_somebody_it_is_not_is_not_green() -> None:
    faces = faces_at((0, 0, 9, 9), (20, 0, 29, 9))
    asked = Asked((Person("", like(faces, 0)),), (like(faces, 1),), 2.0, "euclidean")
    sight = looked_at(Live(Notes()), asked, faces)
    assert [each["mine"] for each in sight["faces"]] == [True, False]


def test_the_last_frame_with_a_face_is_shown() -> None:
    frames = [frame(index) for index in (0, 7, 14)]
    sight = looked_at(Live(Notes()), EVERYBODY, faces_at((0, 0, 9, 9), frame=7), *frames)
    assert sight["words"].startswith("0:00.3: 1 face")
    sight = looked_at(Live(Notes()), EVERYBODY, random_faces(0), *frames)
    assert sight["words"] == "0:00.6: 0 faces"


def test_pixels_of_another_process_are_not_shown_but_the_boxes_are() -> None:
    live = Live(Notes())
    live.begin(plan_of())
    sight = looked_at(live, EVERYBODY, faces_at((20, 10, 59, 34)), frame(0, pixels=False))
    assert not sight["pixels"]
    assert sight["faces"][0]["place"] == [10, 10, 20, 25]
    assert live.picture(sight["number"]) is None


def test_the_picture_is_the_frame_and_only_the_one_that_is_asked_for() -> None:
    live = Live(Notes())
    sight = looked_at(live, EVERYBODY, random_faces(0), frame(60))
    content = live.picture(sight["number"])
    assert content is not None
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (100, 200, 3)
    assert abs(float(image.mean()) - 60) < 2
    assert live.picture(sight["number"] + 1) is None


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160), (1, 5000), (961, 3)])
def test_large_frames_are_shown_small(width: int, height: int) -> None:
    small = shrunk(np.zeros((height, width, 3), np.uint8))
    assert LONGEST_PX / 2.1 < max(small.shape) <= LONGEST_PX
    assert min(small.shape) >= 1


# What it costs


def test_nothing_is_copied_as_long_as_no_page_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(Notes())
    live.ask(EVERYBODY, Path())
    monkeypatch.setattr(live_module, "sight_of", lambda *_: pytest.fail("copied"))
    live.see([frame(0)], random_faces(0))
    assert live.told()["sight"] is None


def test_one_frame_is_copied_for_each_that_is_asked_for(clock: Clock) -> None:
    live = Live(Notes())
    assert looked_at(live, EVERYBODY, random_faces(0), frame(0))["number"] == 1
    clock.now += 1
    live.see([frame(7)], random_faces(0))
    assert live.told()["sight"]["number"] == 1  # nobody fetched the first one
    live.want()
    live.see([frame(14)], random_faces(0))
    assert live.told()["sight"]["number"] == 2


def test_frames_are_copied_now_and_then_only(clock: Clock) -> None:
    live = Live(Notes())
    looked_at(live, EVERYBODY, random_faces(0), frame(0))
    clock.now += 0.2
    assert looked_at(live, EVERYBODY, random_faces(0), frame(7))["number"] == 1
    clock.now += 0.1
    assert looked_at(live, EVERYBODY, random_faces(0), frame(14))["number"] == 2


# Figures


def test_progress_speed_and_what_is_left(clock: Clock) -> None:
    notes = Notes()
    live = Live(notes, sources=2)
    live.begin(plan_of("a.mp4"))
    for step in range(1, 4):
        clock.now += 2
        live.step(10 * step, step, 0)
    told = live.told()
    assert (told["source"], told["place"], told["share"]) == ("a.mp4", "1 of 2", 0.3)
    assert (told["frames"], told["speed"], told["left"]) == ("30 of 100", "5 frames/s", "14.0 s")
    assert (told["passed"], told["found"]) == ("6.0 s", "3")
    assert notes.steps == [(10, 1, 0), (20, 2, 0), (30, 3, 0)]


def test_the_speed_is_that_of_the_last_seconds(clock: Clock) -> None:
    live = Live(Notes())
    live.begin(plan_of(frames=None))
    for frames in (100, 200, 300, 305, 310, 315, 320, 325, 330):
        clock.now += 1
        live.step(frames, 0, 0)
    told = live.told()
    assert told["speed"] == "5 frames/s"
    assert (told["share"], told["frames"], told["left"]) == (None, "330", "")


def test_the_speed_begins_anew_with_each_source(clock: Clock) -> None:
    live = Live(Notes(), sources=2)
    for name in ("a.mp4", "b.mp4"):
        live.begin(plan_of(name))
        clock.now += 1
        live.step(10, 0, 0)
        assert live.told()["speed"] == ""
        clock.now += 1
        live.step(30, 0, 0)
        assert live.told()["speed"] == "20 frames/s"
        live.end()


def test_faces_of_all_sources_are_counted(clock: Clock) -> None:
    live = Live(Notes(), sources=2)
    for name in ("a.mp4", "b.mp4"):
        live.begin(plan_of(name))
        live.step(50, 5, 2)
        live.step(100, 10, 4)
        live.end()
    live.step(10, 99, 99)  # decided once more: no source is gone through
    told = live.told()
    assert (told["found"], told["kept"], told["place"]) == ("20", "8", "2 of 2")


def test_names_are_text_that_can_be_seen() -> None:
    live = Live(Notes())
    live.begin(plan_of(HOSTILE))
    assert live.told()["source"] == '"><img src=x onerror=alert(1)>\\n\\u202egp4'
    live.finish("ended", ["a\x1b[31mline"], Path("/out/\u202e/index.html"))
    end = live.told()["end"]
    assert end["lines"] == ["a\\x1b[31mline"]
    assert end["report"] == "/out/\\u202e/index.html"


def test_the_first_end_counts() -> None:
    live = Live(Notes())
    assert not live.ended
    live.finish("The run has ended")
    live.finish("The run was stopped")
    assert live.ended
    assert live.told()["end"]["words"] == "The run has ended"


# Extracts


def test_the_last_extracts_are_shown_once_each(tmp_path: Path) -> None:
    live = Live(Notes())
    live.ask(EVERYBODY, tmp_path)
    (tmp_path / "uncertain").mkdir()
    write_image(tmp_path / "a.jpg", scene((64, 64)))
    write_image(tmp_path / "uncertain/b.png", scene((1024, 1024)))
    live.keep(["a.jpg", "uncertain/b.png"])
    told = live.told()
    assert [(each["folder"], each["name"]) for each in told["extracts"]] == [
        ("", "a.jpg"),
        ("uncertain", "b.png"),
    ]
    sizes = []
    for each in told["extracts"]:
        content = base64.b64decode(each["picture"].removeprefix("data:image/jpeg;base64,"))
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        sizes.append(image.shape[:2])
    assert sizes == [(64, 64), (170, 170)]
    assert live.told(told["last"])["extracts"] == []


def test_a_page_that_is_opened_late_gets_the_last_ones(tmp_path: Path) -> None:
    live = Live(Notes())
    live.ask(EVERYBODY, tmp_path)
    for first in range(0, 100, 50):
        live.keep([f"{number}.jpg" for number in range(first, first + 50)])
    names = [each["name"] for each in live.told()["extracts"]]
    assert names == [f"{number}.jpg" for number in range(100 - LAST_EXTRACTS, 100)]


@pytest.mark.parametrize("file", ["../secret.png", "/{folder}/secret.png", "a/../../secret.png"])
def test_no_file_outside_the_folder_is_read(tmp_path: Path, file: str) -> None:
    (tmp_path / "out" / "a").mkdir(parents=True)
    write_image(tmp_path / "secret.png", scene())
    live = Live(Notes())
    live.ask(EVERYBODY, tmp_path / "out")
    live.keep([file.format(folder=tmp_path)])
    assert live.told()["extracts"][0]["picture"] == ""


def test_a_file_that_is_gone_or_broken_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    live = Live(Notes())
    live.ask(EVERYBODY, tmp_path)
    live.keep(["gone.jpg", "broken.jpg", "empty.jpg"])
    assert [each["picture"] for each in live.told()["extracts"]] == ["", "", ""]


# Beside a run


class Reader(Notes):
    """A page that reads at every step of the run that it watches."""

    def __init__(self) -> None:
        super().__init__()
        self.live: Live | None = None
        self.told: list[dict[str, Any]] = []

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        super().step(frames_read, faces_found, faces_written)
        assert self.live is not None
        self.told.append(self.live.told())
        self.live.want()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr(live_module, "EVERY_SECONDS", 0)
    reader = Reader()
    reader.live = Live(reader)
    reader.live.want()
    return reader


@pytest.mark.usefixtures("short_segments")
def test_a_run_is_shown_to_its_end(
    red: Path, clip: Path, eyes: Eyes, tmp_path: Path, reader: Reader
) -> None:
    live, out = reader.live, tmp_path / "out"
    assert live is not None
    FaceGrab(red, None, FAST, eyes=eyes).process(clip, out, watcher=live, onlooker=live)
    first = reader.told[0]["sight"]["faces"]
    assert [each["mine"] for each in first] in ([True, False], [False, True])
    names = [each["name"] for each in live.told()["extracts"]]
    assert sorted(names) == pictures(out)[-LAST_EXTRACTS:]
    # Not all at the end: segment by segment.
    assert 0 < len(reader.told[len(reader.told) // 2]["extracts"]) < len(names)
    assert live.told()["found"] == "50"


def test_extracts_of_what_is_known_are_shown(
    red: Path, clip: Path, eyes: Eyes, tmp_path: Path
) -> None:
    grab = FaceGrab(red, None, FAST, eyes=eyes)
    grab.process(clip, tmp_path / "one")
    live = Live(Notes())
    index = tmp_path / "one" / "facegrab.db"
    grab.process(clip, tmp_path / "two", index=index, watcher=live, onlooker=live)
    assert len(live.told()["extracts"]) == len(pictures(tmp_path / "two"))


def test_the_result_is_the_same_with_and_without(
    red: Path, clip: Path, eyes: Eyes, tmp_path: Path, reader: Reader
) -> None:
    grab = FaceGrab(red, None, FAST, eyes=eyes)
    bare = grab.process(clip, tmp_path / "bare")
    shown = grab.process(clip, tmp_path / "shown", watcher=reader.live, onlooker=reader.live)
    assert pictures(tmp_path / "bare") == pictures(tmp_path / "shown")
    assert (bare.faces_found, bare.faces_written) == (shown.faces_found, shown.faces_written)


# On the command line


def address_in(said: list[str]) -> str:
    return said[0].removeprefix("live page: ")


def test_a_page_is_served_until_the_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "EVERY_SECONDS", 0)
    for module in (live_module, live_app):
        monkeypatch.setattr(module, "PARTING_SECONDS", 0.1)  # this one hangs
    said: list[str] = []
    with ExitStack() as stack:
        with live_page(Notes(), said.append, 1, browser=False) as live:
            page = stack.enter_context(Page(address_in(said)))
            live.begin(plan_of(HOSTILE))
            live.ask(EVERYBODY, Path())
            told = page.next()  # from now on it waits for a frame
            live.see([frame(60)], random_faces(0))
            while told and told["sight"] is None:
                told = page.next()
            assert told
            assert page.come_back(path="/frame/1").body[:2] == b"\xff\xd8"
            live.see([frame(70)], random_faces(0))  # the next one, now that this one was fetched
            assert page.come_back(path="/frame/1").status == 404
            assert page.come_back(path="/frame/2").status == 200
            html = page.come_back().body
            live.finish("The run has ended", ["a line"], Path("/out/index.html"))
        while told and not told["end"]:
            told = page.next()
        assert told
        assert told["end"]["report"] == "/out/index.html"
        assert page.next() is None
        assert b"onerror" not in html
        with pytest.raises(ConnectionRefusedError):
            page.come_back()


def test_a_page_that_was_told_the_end_may_ask_until_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (live_module, live_app):
        monkeypatch.setattr(module, "PARTING_SECONDS", 10 * SECONDS)
    said: list[str] = []
    with ExitStack() as run:
        run.enter_context(live_page(Notes(), said.append, 1, browser=False))
        with Page(address_in(said)) as page:
            ending = threading.Thread(target=run.pop_all().close)
            ending.start()
            while (told := page.next()) and not told["end"]:
                pass
            assert told
            # As a browser does that has not come to this yet and wants the frame before.
            assert page.come_back(path="/frame/1").status == 404
        ending.join(SECONDS)
        assert not ending.is_alive()


def test_a_page_that_closes_does_not_stop_the_run() -> None:
    said: list[str] = []
    with live_page(Notes(), said.append, 1, browser=False) as live:
        for _ in range(3):
            with Page(address_in(said)) as page:
                assert page.next()
        live.begin(plan_of())
        with Page(address_in(said)) as page:
            told = page.next()
    assert told
    assert told["source"] == "film.mp4"


@pytest.mark.parametrize(
    "path",
    [
        "/frame/..%2f..%2f..%2fetc%2fpasswd",
        "/frame/../../../../etc/passwd",
        "/frame/%2e%2e/%2e%2e/etc/passwd",
        "/../../../../etc/passwd",
        "/..%5c..%5cfacegrab.db",
        "//etc/passwd",
        "/frame/-1",
        "/frame/1e9",
        "/frame/" + "9" * 5000,
        "/frame/1?number=../../etc/passwd",
        "/live.js/../../live.py",
        "/report.css",
        "/templates/live.html",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_parameter_leads_anywhere(served: Visitor, path: str) -> None:
    answer = served.come_back(path=path)
    assert answer.status in (404, 422)
    assert b"root:" not in answer.body
    assert answer.headers["content-security-policy"]


@pytest.fixture
def served() -> Iterator[Visitor]:
    said: list[str] = []
    with live_page(Notes(), said.append, 1, browser=False):
        yield Visitor(address_in(said))


def command(red: Path, clip: Path, out: Path, *more: str) -> list[str]:
    fast = ["-sf", "0", "-xs", "64", "-s", "0.5", "-j", "1"]
    return ["-r", str(red), "-i", str(clip), "-o", str(out), *fast, *more]


@pytest.fixture
def browsers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was opened at; there is a display."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return opened


@pytest.mark.usefixtures("fake_networks")
def test_the_page_is_opened_and_its_address_said(
    red: Path, clip: Path, tmp_path: Path, browsers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(red, clip, tmp_path / "out", "-do")) == 0
    said = capsys.readouterr().out
    assert len(browsers) == 1
    assert f"live page: {browsers[0]}\n" in said
    assert browsers[0].startswith("http://127.0.0.1:")
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.usefixtures("fake_networks")
@pytest.mark.parametrize("option", ["--no-browser", "--no_browser"])
def test_no_browser_is_opened_if_none_is_wanted(
    red: Path,
    clip: Path,
    tmp_path: Path,
    browsers: list[str],
    capsys: pytest.CaptureFixture[str],
    option: str,
) -> None:
    assert main(command(red, clip, tmp_path / "out", "--display-output", option)) == 0
    assert browsers == []
    assert "live page: http://127.0.0.1:" in capsys.readouterr().out


@pytest.mark.usefixtures("fake_networks")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display_the_address_is_said(
    red: Path,
    clip: Path,
    tmp_path: Path,
    browsers: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 5 10.0.0.2 22")
    assert main(command(red, clip, tmp_path / "out", "-do")) == 0
    assert browsers == []
    said = capsys.readouterr().out
    assert "live page: http://127.0.0.1:" in said
    assert "ssh -L " in said


@pytest.mark.usefixtures("fake_networks")
def test_without_a_port_the_run_goes_on(
    red: Path,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr("facegrab.view.server.socket.create_server", none)
    assert main(command(red, clip, tmp_path / "out", "-do")) == 0
    assert "warning: no live page: Cannot assign" in capsys.readouterr().out


def test_a_mistyped_path_opens_no_page(tmp_path: Path, browsers: list[str]) -> None:
    assert main(command(tmp_path, tmp_path / "no.mp4", tmp_path / "out", "-do")) == 1
    assert browsers == []


@pytest.mark.usefixtures("fake_networks")
def test_nothing_of_it_is_loaded_by_other_runs(red: Path, clip: Path, tmp_path: Path) -> None:
    """Nor its libraries by a run with a page that nobody opens."""
    program = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
import fakes, facegrab.vision.eyes
facegrab.vision.eyes.open_eyes = lambda *_, **options: fakes.painted_eyes()
from facegrab.cli import main
names = ["facegrab.view.live", "facegrab.view.server", "webbrowser", "fastapi", "uvicorn"]
for more in ([], ["-do", "--no-browser"]):
    assert main({command(red, clip, tmp_path)!r} + more) == 0
    print("loaded", [name for name in names if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = [line for line in done.stdout.splitlines() if line.startswith("loaded")]
    assert loaded == [
        "loaded []",
        "loaded ['facegrab.view.live', 'facegrab.view.server', 'webbrowser']",
    ]


@pytest.mark.usefixtures("fake_networks")
def test_how_it_ended_is_told(
    red: Path,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends: list[tuple[str, str]] = []
    finish = Live.finish

    def noted(live: Live, words: str, lines: Any = (), report: Path | None = None) -> None:
        finish(live, words, lines, report)
        end = live.told()["end"]
        ends.append((end["words"], end["report"]))

    monkeypatch.setattr(Live, "finish", noted)
    out = tmp_path / "out"
    assert main(command(red, clip, out, "-do", "--no-browser")) == 0
    assert ends[-1] == ("The run has ended", str(out / "index.html"))

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facegrab.console.Screen.step", stopped)
    other = another(clip, tmp_path / "other.mp4")
    assert main(command(red, other, tmp_path / "two", "-do", "--no-browser")) == 130
    assert ends[-1][0] == "The run was stopped"
    assert main(command(red, other, out, "-t", ".5", "-do", "--no-browser")) == 1
    assert ends[-1] == ("The run was stopped", "")
