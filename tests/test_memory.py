"""When memory is given back."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import CLIP_FRAMES

from facegrab import FaceGrab, ProcessSettings, memory
from facegrab.memory import LARGE_BYTES, PASSED_BYTES, Passing
from facegrab.vision.look import Eyes


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    times: list[None] = []
    monkeypatch.setattr(memory, "give_back", lambda: times.append(None))
    return times


def test_large_frames_that_pass_have_it_given_back_now_and_then(given: list[None]) -> None:
    passing, frame_bytes = Passing(), 3840 * 2160 * 3
    for _ in range(80):
        passing.count(frame_bytes)
    assert len(given) == 80 // -(-PASSED_BYTES // frame_bytes)


def test_a_run_counts_its_frames(
    fake_networks: Eyes,
    given: list[None],
    red: Path,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame_bytes = 256 * 144 * 3
    monkeypatch.setattr(memory, "LARGE_BYTES", frame_bytes - 1)
    monkeypatch.setattr(memory, "PASSED_BYTES", 3 * frame_bytes)
    process = ProcessSettings(skip_frames=0)
    FaceGrab(red, process=process).process(clip, tmp_path / "out")
    assert len(given) == CLIP_FRAMES // 3


def test_smaller_ones_stay_where_they_are(given: list[None]) -> None:
    passing = Passing()
    for _ in range(1000):
        passing.count(LARGE_BYTES)
    assert not given
