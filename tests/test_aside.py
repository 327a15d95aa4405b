"""Segments that nobody can look at: whoever reads the summary, the report or the index is told."""

from __future__ import annotations

import re
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clips import spoil
from fakes import CLIP_FRAMES, assert_consistent, painted_eyes, query

from facegrab import index_command
from facegrab.alone import Alone
from facegrab.choice import Opener, choice_of
from facegrab.console import result_lines
from facegrab.grab import FaceGrab
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.task import Orders, Part, SetAsideError
from facegrab.view.report import write_report


class Deadly(Alone):
    """Looks through all segments but the third."""

    def take(self, future: Future[Part]) -> Part:
        if self._tasks[future].start.number == 2:
            self._tasks.pop(future)
            raise SetAsideError("3 workers died of it")
        return super().take(future)


def engine(orders: Orders) -> Deadly:
    choice = choice_of(orders.recognition, orders.process, orders.eyes)
    return Deadly(orders, Opener(choice, orders.process, orders.eyes))


@pytest.mark.usefixtures("short_segments")
def test_it_is_named(
    red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("facegrab.walk.engine_of", engine)
    out = tmp_path / "out"
    grab = FaceGrab(
        red, RecognitionSettings(0.6, jitter=1),
        ProcessSettings(skip_frames=0, extract_size=64, scale=0.5), eyes=painted_eyes(),
    )  # fmt: skip
    summary = grab.process(clip, out)
    assert_consistent(out)
    (warning,) = summary.warnings
    assert f"{clip}: set aside, from frame 8 to 11: 3 workers died of it; " in warning
    assert "facegrab index forget" in warning
    assert summary.frames_looked_at == CLIP_FRAMES - 4
    assert f"warning: {warning}" in result_lines(summary, str(out))
    report = write_report(out, summary=summary)
    assert "set aside, from frame 8 to 11" in re.sub(r"\s+", " ", report.path.read_text("utf-8"))
    assert index_command.main(["info", str(out)]) == 0
    assert "set aside, from frame 8 to 11" in capsys.readouterr().out


@pytest.mark.usefixtures("short_segments")
def test_it_is_looked_at_when_it_was_forgotten(
    red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Any:
        grab = FaceGrab(
            red, RecognitionSettings(0.6, jitter=1),
            ProcessSettings(skip_frames=0, extract_size=64, scale=0.5), eyes=painted_eyes(),
        )  # fmt: skip
        return grab.process(clip, tmp_path / "out")

    with monkeypatch.context() as patch:
        patch.setattr("facegrab.walk.engine_of", engine)
        run()
    assert run().frames_looked_at == CLIP_FRAMES - 4
    assert index_command.main(["forget", str(tmp_path / "out"), "clip.mp4"]) == 0
    again = run()
    assert (again.frames_looked_at, again.warnings) == (CLIP_FRAMES, [])


@pytest.mark.usefixtures("short_segments")
def test_it_is_named_though_the_next_one_is_damaged(
    red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It cuts nothing out, and so begins no threads for that.
    monkeypatch.setattr("facegrab.walk.engine_of", lambda each: engine(replace(each, folder=None)))
    monkeypatch.setattr("facegrab.media.plan.TRIAL_FRAMES", 4)
    grab = FaceGrab(
        red, RecognitionSettings(0.6, jitter=1),
        ProcessSettings(skip_frames=0, extract_size=64, scale=0.5), eyes=painted_eyes(),
    )  # fmt: skip
    summary = grab.process(spoil(clip, 13), tmp_path / "out")
    assert summary.frames_damaged > 0
    assert "set aside, from frame 8 to 11: 3 workers died of it; " in "\n".join(summary.warnings)
    numbers = query(tmp_path / "out", "SELECT number FROM segment ORDER BY number")
    assert numbers == [(number,) for number in (0, 1, 3, 4, 5, 6, 7)]
