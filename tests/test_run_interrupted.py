"""Interruptions at awkward moments, and inputs that look like others."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clips import truncate, write_clip, write_image
from fakes import assert_consistent, contents, painted_eyes, pictures, rows, scene

from facegrab.grab import FaceGrab
from facegrab.media import find_sources, geometry
from facegrab.prefetch import prefetched
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.database import Database
from facegrab.summary import Summary


def run(reference: Path, source: Path | list[Path], folder: Path, **process: Any) -> Summary:
    settings = ProcessSettings(**{"skip_frames": 0, "extract_size": 64, "scale": 0.5} | process)
    grab = FaceGrab(reference, RecognitionSettings(jitter=1), settings, eyes=painted_eyes())
    return grab.process(source, folder)


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("commit", [*range(1, 9), *range(18, 21)])
def test_ctrl_c_just_after_a_commit_keeps_its_images(
    red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commit: int
) -> None:
    """The signal may come when the rows are in the index, before anybody knows.

    The first and the last transactions of a run, and those of some segments between.
    """
    original, commits = Database.transaction, 0

    @contextmanager
    def interrupted(database: Database) -> Iterator[None]:
        nonlocal commits
        with original(database):
            yield
        commits += 1
        if commits == commit:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Database, "transaction", interrupted)
        summary = run(red, clip, tmp_path / "out", batch_size=2)
        assert summary.interrupted
    assert_consistent(tmp_path / "out")
    assert not run(red, clip, tmp_path / "out", batch_size=2).interrupted
    run(red, clip, tmp_path / "at once", batch_size=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "at once")
    assert rows(tmp_path / "out") == rows(tmp_path / "at once")


def test_an_interrupted_end_still_waits_for_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its source would be closed while it is read."""
    join, interruptions = threading.Thread.join, [KeyboardInterrupt(), KeyboardInterrupt()]

    def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
        if interruptions and thread.name == "facegrab-decode":
            raise interruptions.pop()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt), prefetched(itertools.count()) as made:
        next(made)
    assert not [t for t in threading.enumerate() if t.name == "facegrab-decode"]


def test_warnings_name_their_video(red: Path, clip: Path, tmp_path: Path) -> None:
    long = write_clip(tmp_path / "long.mkv", [scene(red=(60, 40))] * 100)
    damaged = truncate(long, 0.5)
    summary = run(red, [clip, damaged], tmp_path / "out")
    assert summary.warnings
    assert all(damaged.name in line for line in summary.warnings)


def test_whole_and_broken_numbers_are_the_same_request(
    red: Path, clip: Path, tmp_path: Path
) -> None:
    run(red, clip, tmp_path / "out", blur_threshold=10.0, scale=1.0)
    before = rows(tmp_path / "out")
    run(red, clip, tmp_path / "out", blur_threshold=10, scale=1)
    assert rows(tmp_path / "out") == before


def test_a_video_by_another_spelling_is_the_same(red: Path, clip: Path, tmp_path: Path) -> None:
    run(red, clip, tmp_path / "out")
    before = pictures(tmp_path / "out")
    link = tmp_path / "link"
    link.symlink_to(clip.parent)
    run(red, link / clip.name, tmp_path / "out")
    assert pictures(tmp_path / "out") == before


def test_a_table_that_is_open_elsewhere_is_a_warning(
    red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, while a spreadsheet shows it."""
    replace = Path.replace

    def refused(path: Path, target: Path) -> Path:
        if target.suffix == ".csv":
            raise PermissionError(13, "in use")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refused)
    summary = run(red, clip, tmp_path / "out")
    assert summary.faces_written
    assert any("facegrab.csv" in line for line in summary.warnings)


def test_a_picture_without_a_suffix_is_a_picture(tmp_path: Path) -> None:
    picture = write_image(tmp_path / "a.png", scene(red=(40, 30))).rename(tmp_path / "portrait")
    (source,) = find_sources([picture])
    assert source.images == (picture,)


def test_side_data_of_unknown_kind_does_not_matter(
    red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyAV 18 refuses to name FFmpeg's newest kinds; the rotation is known all the same."""
    frames = [scene(red=(60, 40))] * 5
    upright = write_clip(tmp_path / "upright.mp4", frames)
    turned = write_clip(tmp_path / "turned.mp4", frames, rotation=90)
    expected = {c.name: geometry.frame_turn(first_frame(c)) for c in (upright, turned)}

    class Refusing:
        def __init__(self, frame: Any) -> None:
            self.rotation = frame.rotation

        def reformat(self, *_: Any) -> Any:
            raise ValueError("31 is not a valid Type")

    for each in (upright, turned):
        refusing: Any = Refusing(first_frame(each))
        assert geometry.frame_turn(refusing) == expected[each.name]


def first_frame(path: Path) -> Any:
    import av

    return next(av.open(str(path)).decode(video=0))


def test_the_licence_is_there() -> None:
    text = (Path(__file__).parents[1] / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert "WITHOUT WARRANTY OF ANY KIND" in text
