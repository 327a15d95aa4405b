"""README tells the truth: its examples run as written, its tables are the program's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from argparse import Action
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from clips import another, write_clip, write_image
from fakes import paint, pictures, scene, table
from matplotlib import cbook
from matplotlib.image import imread

from facegrab import ProcessSettings, RecognitionSettings
from facegrab.models import packs
from facegrab.options import run_parser
from facegrab.people.worth import WEIGHTS
from facegrab.scan import BATCH_BYTES
from facegrab.store.answers import CSV_COLUMNS
from facegrab.types import Image
from facegrab.vision.feed import Feed, Wanted
from facegrab.vision.look import Eyes
from facegrab.vision.mmod import MmodDetector

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DESIGN = ROOT / "docs" / "design.md"

NOT_RUN = ("make ", "pip ", "facegrab models get", "facegrab review")
"""Blocks that begin so install or download things, wait for somebody to answer, or run this very
suite; test_demo runs the demo itself."""

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash to run examples in")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


COMMANDS = [block for block in blocks("sh") if not block.startswith(NOT_RUN)]
RUNS = [block for block in COMMANDS if "-o " in block and "facegrab report" not in block]
FIRST_COMMAND = RUNS[0]
ALL_ARE_WRITTEN = ("everybody", "who-is-there", "both", "cast")
"""Outputs of commands that ask for everybody who is in the films."""
EXAMPLES = blocks("python")


# The world of the examples: every path that README names.


def place(folder: Path, reference: Image, stranger: Image, frames: list[Image]) -> Path:
    """Puts references and films where README's examples look for them."""
    people = (
        "images/nick-cage-reference",
        "someone",
        "another-person",
        "labelled/one",
        "cast/nick",
    )
    for name in (*people, "movies", "frames", "photos"):
        (folder / name).mkdir(parents=True)
    for name in people:
        write_image(folder / name / "1.png", reference)
    write_image(folder / "images/one-more.jpg", reference)
    write_image(folder / "labelled/one/2.png", reference)
    for other in ("images/friend", "cast/friend"):
        (folder / other).mkdir()
        write_image(folder / other / "1.png", stranger)
    (folder / "labelled/two").mkdir()
    write_image(folder / "labelled/two/1.png", np.ascontiguousarray(frames[0][::-1]))
    film = write_clip(folder / "movies/The Wicker Man.mp4", frames)
    another(film, folder / "movies/Face Off.mp4")
    for number, frame in enumerate(frames[:2]):
        write_image(folder / f"frames/img_{number:04}.jpg", frame)
        write_image(folder / f"photos/holiday {number}.jpg", frame)
    return folder


FRAME_PX, FACE_PX = (640, 360), 150


def painted_frames() -> list[Image]:
    """Faces that are large enough for `-s 0.25` too: the detector is fed 75 px of 72."""
    frames = [scene(FRAME_PX, FACE_PX, green=(440 - 2 * n, 200)) for n in range(9)]
    for number, frame in enumerate(frames):
        paint(frame, "red", 20 + 3 * number, 30, FACE_PX)
    return frames


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the person is painted red, and a stranger green."""
    folder = tmp_path_factory.mktemp("readme")
    red, green = (scene(FRAME_PX, FACE_PX, **{who: (40, 30)}) for who in ("red", "green"))
    return place(folder, red, green, painted_frames())


@pytest.fixture(scope="module")
def portrayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the person is the astronaut, and the stranger Grace Hopper."""
    astronaut: Any = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    hopper = imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    both = np.hstack([astronaut[:360], np.asarray(hopper, np.uint8)[90:450]])
    folder = tmp_path_factory.mktemp("readme-real")
    others = np.asarray(hopper, np.uint8)
    return place(folder, np.asarray(astronaut, np.uint8), others, [both] * 8)


@pytest.fixture(scope="module")
def painted_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a command facegrab that sees painted people."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "program.py"
    program.write_text(
        "import sys\n"
        f"sys.path[:0] = [{str(ROOT / 'src')!r}, {str(ROOT / 'tests')!r}]\n"
        "import facegrab.vision.eyes, fakes\n"
        "from facegrab.cli import main\n"
        "facegrab.vision.eyes.open_eyes = lambda *_, **options: fakes.painted_eyes()\n"
        "sys.exit(main())\n"
    )
    command = folder / "facegrab"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
    command.chmod(0o755)
    return folder


def shell(block: str, folder: Path, commands: Path) -> str:
    """What a block of commands says; any command that fails, fails the test."""
    path = os.pathsep.join([str(commands), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        # A browser that shows nothing: -do opens one.
        env={**os.environ, "PATH": path, "BROWSER": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def outputs(block: str) -> list[str]:
    return re.findall(r"-o (\S+)", block)


# The examples


@needs_bash
@pytest.mark.parametrize("block", RUNS, ids=lambda block: outputs(block)[0])
def test_commands_run_as_written(block: str, painted: Path, painted_command: Path) -> None:
    shell(block, painted, painted_command)
    for output in outputs(block):
        faces = table(painted / output)
        found = {
            path.relative_to(painted / output).as_posix()
            for path in (painted / output).rglob("*.[jp][pn]g")
        }
        named = {row["file"] for row in faces if row["file"]}
        assert named == {name for name in found if not name.startswith(("ffhq", "best/"))}
        people = {bool(row["file"]) for row in faces}
        assert people == ({True} if output.endswith(ALL_ARE_WRITTEN) else {True, False})
        if output.endswith(("both", "cast")):
            folders = {(row["person"], row["file"].partition("/")[0]) for row in faces}
            assert folders == {("nick", "nick"), ("friend", "friend")}


@needs_bash
@pytest.mark.parametrize("block", [block for block in COMMANDS if "facegrab show" in block])
def test_an_extract_says_where_it_is_from(block: str, painted: Path, painted_command: Path) -> None:
    shell(FIRST_COMMAND, painted, painted_command)
    said = shell(block, painted, painted_command)
    assert said.count("The Wicker Man.mp4") >= len(pictures(painted / outputs(FIRST_COMMAND)[0]))


@needs_bash
@pytest.mark.parametrize("block", [block for block in COMMANDS if "facegrab report" in block])
def test_reports_are_made_as_written(block: str, painted: Path, painted_command: Path) -> None:
    shell(FIRST_COMMAND, painted, painted_command)
    shell(block, painted, painted_command)
    assert (painted / outputs(FIRST_COMMAND)[0] / "index.html").is_file()
    assert "data:image/jpeg" in (painted / outputs(block)[0]).read_text(encoding="utf-8")


@needs_bash
@pytest.mark.parametrize("block", [block for block in COMMANDS if "facegrab pick" in block])
def test_the_best_are_picked_as_written(block: str, painted: Path, painted_command: Path) -> None:
    shell(FIRST_COMMAND, painted, painted_command)
    folder = painted / outputs(FIRST_COMMAND)[0]
    assert "extracts picked, 50 asked for: " in shell(block, painted, painted_command)
    explained = README[README.index("| in `best` |") : README.index("## When it goes wrong")]
    named = set(re.findall(r"`(best\.\w+|before\.jpg)`", explained))
    assert {"best.csv", "best.jpg", "before.jpg"} == named
    assert all((folder / "best" / name).is_file() for name in named)
    assert set(WEIGHTS) | {"worth", "clarity", "size_px"} <= set(re.findall(r"`(\w+)`", explained))


@needs_bash
@pytest.mark.parametrize("block", [block for block in COMMANDS if "facegrab eval" in block])
def test_models_are_measured_as_written(block: str, painted: Path, painted_command: Path) -> None:
    assert "2 people, 3 pictures" in shell(block, painted, painted_command)
    assert (painted / "roc.svg").is_file()


@needs_bash
@pytest.mark.parametrize("block", [block for block in COMMANDS if "facegrab refs" in block])
def test_references_are_looked_at_as_written(
    block: str, painted: Path, painted_command: Path
) -> None:
    assert "1 picture: 1 good reference" in shell(block, painted, painted_command)
    assert (painted / "images/nick.npz").is_file()


@needs_bash
@pytest.mark.parametrize("block", [block for block in COMMANDS if "facegrab doctor" in block])
def test_the_doctor_comes_as_written(block: str, painted: Path, painted_command: Path) -> None:
    assert "estimate for 2 sources" in shell(block, painted, painted_command)


def test_classes_run_as_written(
    painted: Path, fake_networks: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(painted)
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(example, names)
    assert names["personA"].reference_count == 1
    assert "error" not in names
    summary = names["summary"]
    assert summary.frames_read == 18
    assert summary.faces_written == summary.faces_matched == len(pictures(Path("extracted/two")))
    assert summary.dropped == {"other person": summary.faces_found - summary.faces_matched}
    assert Path("A.npz").is_file()


@needs_bash
@pytest.mark.real
def test_the_first_command_runs_on_the_real_networks(portrayed: Path) -> None:
    said = shell(FIRST_COMMAND, portrayed, Path(sys.executable).parent)
    faces = table(portrayed / outputs(FIRST_COMMAND)[0])
    assert [bool(row["file"]) for row in sorted(faces, key=lambda row: float(row["x0"]))] == [
        *[True] * 2,  # the astronaut, on the left, in the two frames looked at
        *[False] * 2,
    ]
    assert "2 written, 2 of other people" in said


@pytest.mark.real
def test_the_class_runs_on_the_real_networks(
    portrayed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(portrayed)
    names: dict[str, Any] = {}
    for example in EXAMPLES[:3]:
        exec(example, names)
    assert names["FG"].reference_count == 1
    assert len(pictures(Path("extracted/nick-cage"))) == 2


# The facts


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split(" | ")]


OPTION_ROWS = {
    tuple(re.findall(r"`(-[^`]+)`", row.split("|")[1])): row.split("|")[2:5]
    for row in re.findall(r"^\| `-.*$", README, re.MULTILINE)
}
ACTIONS = [action for action in run_parser()._actions if action.dest not in ("help", "version")]


def test_every_option_is_in_the_table_and_no_other() -> None:
    assert set(OPTION_ROWS) == {
        *(tuple(action.option_strings) for action in ACTIONS),
        ("--version", "-h", "--help"),
    }


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.dest))
def test_the_table_says_what_the_option_says(action: Action) -> None:
    meaning, span, default = (cell.strip() for cell in OPTION_ROWS[tuple(action.option_strings)])
    if action.required:
        assert default == "required"
    elif action.default is None or action.default is False:
        assert default == ""
    else:
        shown = action.default
        assert default == (f"{shown:g}" if isinstance(shown, float) else str(shown))
    shown = str(action.metavar).replace("|", " or ")
    assert span == (shown if re.match(r"\d", shown) else "")
    assert all(f"`{choice}`" in meaning for choice in action.choices or ())


def test_defaults_of_command_and_class_agree() -> None:
    options = {action.dest: action.default for action in ACTIONS}
    # A list to add to, and a switch that says the opposite.
    options |= {"align": ProcessSettings().align, "upsample": not options["no_upsample"]}
    settings = (RecognitionSettings(), ProcessSettings())
    for name in (name for each in settings for name in each.__dataclass_fields__):
        owner = settings[0] if hasattr(settings[0], name) else settings[1]
        assert options[name] == getattr(owner, name)


def test_every_column_of_the_table_is_explained() -> None:
    explained = README[README.index("The columns of") : README.index("## How it decides")]
    assert set(CSV_COLUMNS) <= set(re.findall(r"`(\w+)`", explained))


@pytest.mark.parametrize(
    "row", re.findall(r"^ *\| (\d+x\d+) \|(.*)\|$", DESIGN.read_text("utf-8"), re.MULTILINE)
)
def test_feed_sizes_are_those_of_the_program(row: tuple[str, str]) -> None:
    width, height = (int(side) for side in row[0].split("x"))
    shown = cells(row[1])
    scales: list[float | str] = ["auto", 0.25]
    kind = MmodDetector
    for scale, size, smallest in zip(scales, shown[::2], shown[1::2], strict=True):
        feed = Feed.choose(Wanted(scale), kind.smallest_px, kind.longest_fed_px, width, height)
        assert "{}x{}".format(*feed.size(width, height)) == size
        assert f"{feed.smallest_source_px(kind.smallest_px)} px" == smallest


def test_batches_are_as_large_as_the_pages_say() -> None:
    assert BATCH_BYTES == 32 * 2**20
    assert BATCH_BYTES // (1920 * 1080 * 3) == 5
    for page in PAGES[0], DESIGN:
        assert "32 MB of pixels" in " ".join(page.read_text(encoding="utf-8").split())


def test_smallest_faces_are_those_of_the_program() -> None:
    detector = packs.resolve_detector("mtcnn")

    def smallest(size: int, width: int = 1920, height: int = 1080) -> int:
        feed = Feed.choose(Wanted(extract_size=size), detector.smallest_px, 1920, width, height)
        return feed.smallest_source_px(detector.smallest_px)

    text = " ".join(README.split())
    assert smallest(256) == smallest(256, 3840, 2160) == 64
    assert "extracts of 256 pixels is a face of 64 pixels, at 1080p as at 4K" in text
    assert smallest(512) == 128
    assert "at `-xs 512` those under 128 pixels" in text


def anchors(text: str) -> set[str]:
    """What headings are called in links: small letters, - for spaces, nothing for what is left."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors(text)
        elif not target.startswith("https://"):
            assert (page.parent / target).is_file(), target


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs" / "extracts.jpg").stat().st_size < 200_000
