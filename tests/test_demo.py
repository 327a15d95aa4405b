"""The demo: its clip holds what it says, and the run keeps the astronaut alone."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fakes import pictures, table

from facegrab.media import open_source
from facegrab.media.source import find_sources

DEMO = Path(__file__).parents[1] / "demo"
PARTED = 1.2
"""From so many sizes of a face between them on, nobody stands in front of the other's face."""


def load_make_clip() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_clip", DEMO / "make_clip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_clip"] = module
    spec.loader.exec_module(module)
    return module


make_clip: Any = load_make_clip()
ASTRONAUT, HOPPER = make_clip.ASTRONAUT, make_clip.HOPPER


def apart(poses: Any) -> bool:
    """Whether both are there and neither hides the other."""
    if len(poses) < 2:
        return False
    a, b = poses.values()
    return bool(np.hypot(a.x - b.x, a.y - b.y) > PARTED * max(a.size_px, b.size_px))


def in_sight(pose: Any) -> bool:
    """Whether the whole face lies in the frame."""
    half = pose.size_px / 2
    return bool(half < pose.x < make_clip.WIDTH - half and half < pose.y < make_clip.HEIGHT - half)


def test_both_are_there_together_each_alone_and_they_cross() -> None:
    scenes = [make_clip.poses(number) for number in range(make_clip.FRAMES)]
    who = {frozenset(scene) for scene in scenes}
    assert who == {
        frozenset({ASTRONAUT}),
        frozenset({HOPPER}),
        frozenset({ASTRONAUT, HOPPER}),
    }
    sides = {
        bool(scene[ASTRONAUT].x < scene[HOPPER].x)
        for scene in scenes[: make_clip.CUT]
        if apart(scene)
    }
    assert sides == {True, False}
    assert not apart(scenes[65])  # at 2.6 s one hides the other
    sizes = [pose.size_px for scene in scenes for pose in scene.values()]
    assert max(sizes) > 1.8 * min(sizes)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder in a checkout, in which it has run."""
    demo = tmp_path_factory.mktemp("a check out") / "demo"
    shutil.copytree(DEMO, demo, ignore=shutil.ignore_patterns("work", "faces", "__pycache__"))
    (demo / "faces").mkdir()
    (demo / "faces" / "stale.jpg").write_bytes(b"of an earlier demo")
    done = subprocess.run(
        [sys.executable, demo / "run.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    (demo / "said.txt").write_text(done.stdout, "utf-8")
    return demo


@pytest.mark.real
def test_the_clip_has_its_length_and_a_cut(demo: Path) -> None:
    assert {file.name for file in (demo / "work").iterdir()} == {
        "astronaut.png",
        "hopper.png",
        make_clip.CLIP_NAME,
    }
    with open_source(find_sources(demo / "work" / make_clip.CLIP_NAME)[0], 1) as reader:
        small = []
        for frame in reader:
            assert frame.pts_seconds == pytest.approx(frame.index / make_clip.RATE)
            small.append(frame.image[::8, ::8].astype(np.int16))
        assert (reader.width, reader.height) == (make_clip.WIDTH, make_clip.HEIGHT)
    assert len(small) == make_clip.FRAMES
    change = [np.abs(b - a).mean() for a, b in pairwise(small)]
    assert int(np.argmax(change)) + 1 == make_clip.CUT
    assert max(change) > 3 * sorted(change)[-2]


@pytest.mark.real
def test_the_demo_keeps_the_astronaut_alone(demo: Path) -> None:
    said = (demo / "said.txt").read_text("utf-8")
    files = pictures(demo / "faces")
    assert "demo/faces of an earlier demo is removed" in said
    assert f"{len(files)} pictures of the astronaut in {demo / 'faces'}" in said
    rows = table(demo / "faces")
    assert files == sorted(row["file"] for row in rows if row["file"])
    for row in rows:
        assert who_is_at(row) == (ASTRONAUT if row["file"] else HOPPER)
    seen = {int(row["frame"]) for row in rows if row["file"]}
    for number in range(0, make_clip.FRAMES, 7):
        poses = make_clip.poses(number)
        shown = ASTRONAUT in poses and in_sight(poses[ASTRONAUT])
        if shown and (len(poses) == 1 or apart(poses)):
            assert number in seen


def who_is_at(row: dict[str, str]) -> str | None:
    """Whose face lies where a row of the table says, as the clip was made."""
    x = (float(row["x0"]) + float(row["x1"])) / 2
    y = (float(row["y0"]) + float(row["y1"])) / 2
    near = {
        np.hypot(pose.x - x, pose.y - y) / pose.size_px: who
        for who, pose in make_clip.poses(int(row["frame"])).items()
    }
    return near[min(near)] if near and min(near) < 0.25 else None
