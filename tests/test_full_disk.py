"""A disk that really is full: one clear line, nothing half done, and the same command goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import assert_consistent, contents, painted_eyes, rows

from facegrab.cataloguing import scan_into
from facegrab.errors import OutputError
from facegrab.grab import FaceGrab
from facegrab.settings import ProcessSettings, RecognitionSettings

PROCESS: dict[str, Any] = {"skip_frames": 0, "extract_size": 64, "scale": 0.5}
WHOLE_KB = 4096
"""Enough for all that the tests write."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes; see resized."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a disk of its own needs Linux and root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={WHOLE_KB}k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk of its own may be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def resized(disk: Path, kilobytes: int) -> None:
    """Gives the disk another size."""
    options = f"remount,size={kilobytes}k"
    subprocess.run(["mount", "-o", options, str(disk)], check=True)


def run(red: Path, clip: Path, folder: Path, jobs: int = 1) -> None:
    grab = FaceGrab(
        red, RecognitionSettings(0.6, jitter=1), ProcessSettings(**PROCESS, jobs=jobs),
        eyes=painted_eyes(),
    )  # fmt: skip
    grab.process(clip, folder)


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize(
    ("jobs", "sizes"), [(1, (16, 64, 160, 200, 240, 280)), (2, (16, 160, 200, 240))]
)
def test_a_run(
    red: Path, clip: Path, tmp_path: Path, disk: Path, jobs: int, sizes: tuple[int, ...]
) -> None:
    run(red, clip, tmp_path / "whole")
    out = disk / "out"
    said = list[str]()
    for kilobytes in sizes:
        resized(disk, kilobytes)
        try:
            run(red, clip, out, jobs)
        except OutputError as error:
            said.append(str(error))
        if (out / "facegrab.db").exists() and kilobytes > 160:
            assert_consistent(out)
    assert len(said) >= 3
    for each in said:
        assert "no space left to write" in each
        assert "\n" not in each
    resized(disk, WHOLE_KB)
    run(red, clip, out, jobs)
    assert contents(out) == contents(tmp_path / "whole")
    assert rows(out) == rows(tmp_path / "whole")


@pytest.mark.usefixtures("short_segments")
def test_a_scan(clip: Path, tmp_path: Path, disk: Path) -> None:
    scan_into(tmp_path / "whole" / "facegrab.db", clip, ProcessSettings(**PROCESS),
              eyes=painted_eyes())  # fmt: skip
    index = disk / "facegrab.db"
    said = list[str]()
    for kilobytes in (16, 64, 128, 144, 160):
        resized(disk, kilobytes)
        try:
            scan_into(index, clip, ProcessSettings(**PROCESS), eyes=painted_eyes())
        except OutputError as error:
            said.append(str(error))
    assert len(said) >= 3
    assert all("no space left to write" in each for each in said)
    resized(disk, WHOLE_KB)
    scan_into(index, clip, ProcessSettings(**PROCESS), eyes=painted_eyes())
    assert rows(disk) == rows(tmp_path / "whole")
