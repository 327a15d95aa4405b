"""Several processes: the same files, bytes and rows as one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from clips import another, spoil, truncate, write_clip, write_image
from fakes import contents, paint, painted_eyes, pictures, query, rows, scene

from facegrab import crew
from facegrab.cataloguing import scan_into
from facegrab.errors import DeviceError, MediaError
from facegrab.grab import FaceGrab
from facegrab.media import segments
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.summary import Summary
from facegrab.task import Task

FRAMES = 24
"""Of ``film``: six segments of four frames."""
PROCESS: dict[str, Any] = {"skip_frames": 0, "extract_size": 64, "scale": 0.5}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Red crosses the picture, green comes at the ninth frame."""
    frames = []
    for n in range(FRAMES):
        frame = scene(red=(4 * n, 20))
        if n >= 8:
            paint(frame, "green", 190 - 3 * n, 80)
        frames.append(frame)
    return write_clip(tmp_path / "film.mp4", frames, options={"g": "4", "sc_threshold": "0"})


@pytest.fixture(autouse=True)
def _short_segments_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also in the processes, which import everything anew."""
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", 0.15)
    monkeypatch.setattr(segments, "IMAGES_PER_SEGMENT", 2)
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "sitecustomize.py").write_text(
        "import facegrab.media.segments as s\ns.SEGMENT_SECONDS, s.IMAGES_PER_SEGMENT = 0.15, 2\n",
        "utf-8",
    )
    path = os.pathsep.join([str(tmp_path / "short"), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)


def run(reference: Path | str, source: Path | list[Path], folder: Path, **process: Any) -> Summary:
    grab = FaceGrab(
        reference,
        RecognitionSettings(0.6, jitter=1),
        ProcessSettings(**PROCESS | process),
        eyes=painted_eyes(),
    )
    return grab.process(source, folder)


def test_two_processes_give_what_one_gives(red: Path, film: Path, tmp_path: Path) -> None:
    other = another(film, tmp_path / "other.mp4")
    small = write_clip(tmp_path / "small.mp4", [scene(red=(60, 40))] * 3)
    odd = write_clip(tmp_path / "odd.avi", [scene(red=(60, 40))] * 5, codec="mpeg4")
    videos = [film, odd, other, small]  # of the odd one no packet tells the segments
    one = run(red, videos, tmp_path / "one", align=("mean-face", "arcface"))
    two = run(red, videos, tmp_path / "two", align=("mean-face", "arcface"), jobs=2)
    assert contents_below(tmp_path / "one") == contents_below(tmp_path / "two")
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    assert len(rows(tmp_path / "two")) > 100
    assert (one.frames_read, one.frames_looked_at, one.faces_written) == (
        two.frames_read, two.frames_looked_at, two.faces_written,
    )  # fmt: skip
    assert one.faces_written == 2 * FRAMES + 3 + 5


@pytest.mark.parametrize("group", [False, True])
def test_two_processes_sort_people_as_one_does(
    red: Path, green: Path, film: Path, tmp_path: Path, group: bool
) -> None:
    videos = [film, another(film, tmp_path / "other.mp4")]
    for jobs in (1, 2):
        grab = FaceGrab(
            "*" if group else {"Al": red, "Zoë": green},
            RecognitionSettings(jitter=1, group=group),
            ProcessSettings(**PROCESS, align=("mean-face", "arcface"), jobs=jobs),
            eyes=painted_eyes(),
        )
        summary = grab.process(videos, tmp_path / str(jobs))
        assert sorted(summary.written_of.values()) == [2 * (FRAMES - 8), 2 * FRAMES]
    assert contents_below(tmp_path / "1") == contents_below(tmp_path / "2")
    assert rows(tmp_path / "1") == rows(tmp_path / "2")


def test_pictures_too(red: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        write_image(folder / f"{number}.png", scene(red=(10 + 9 * number, 20)))
    run(red, folder, tmp_path / "one")
    run(red, folder, tmp_path / "two", jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_damage_is_counted_and_the_rest_is_read_by_one(
    red: Path, film: Path, tmp_path: Path
) -> None:
    data = bytearray(film.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 300] = os.urandom(300)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(bytes(data))
    one = run(red, damaged, tmp_path / "one")
    two = run(red, damaged, tmp_path / "two", jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    assert one.frames_damaged == two.frames_damaged > 0
    assert one.warnings == two.warnings


def test_a_segment_whose_first_frame_is_damaged_is_of_the_one_before(
    red: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegrab.media.plan.TRIAL_FRAMES", 4)
    damaged = spoil(film, 12)
    one = run(red, damaged, tmp_path / "one")
    two = run(red, damaged, tmp_path / "two", jobs=2)
    ends = "SELECT number, start, next, frames_looked_at FROM segment ORDER BY number"
    # What FFmpeg makes of the damaged part differs from one reading to the next.
    sound = "SELECT * FROM face WHERE frame < 12 OR frame >= 16 ORDER BY frame, number"
    for question in (ends, sound):
        of_one, of_two = (query(tmp_path / each, question) for each in ("one", "two"))
        assert of_one == of_two
        assert len(of_one) > 4
    assert one.frames_damaged == two.frames_damaged > 0
    assert one.warnings == two.warnings


def test_a_run_of_one_process_is_gone_on_with_by_two(
    red: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakes import CtrlC

    grab = FaceGrab(
        red, RecognitionSettings(0.6, jitter=1), ProcessSettings(**PROCESS, batch_size=4),
        eyes=painted_eyes(),
    )  # fmt: skip
    assert grab.process(film, tmp_path / "out", watcher=CtrlC(4)).interrupted
    run(red, film, tmp_path / "out", jobs=2)
    run(red, film, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")


def test_ctrl_c_leaves_no_process_and_nothing_half_done(
    red: Path, film: Path, tmp_path: Path
) -> None:
    import multiprocessing

    from fakes import CtrlC, assert_consistent

    grab = FaceGrab(
        red, RecognitionSettings(0.6, jitter=1), ProcessSettings(**PROCESS, jobs=2),
        eyes=painted_eyes(),
    )  # fmt: skip
    assert grab.process(film, tmp_path / "out", watcher=CtrlC(2)).interrupted
    assert not multiprocessing.active_children()
    assert_consistent(tmp_path / "out")
    assert pictures(tmp_path / "out")


def test_a_scan_by_two_is_that_of_one(film: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        process = ProcessSettings(**PROCESS, jobs=jobs)
        scan_into(tmp_path / str(jobs) / "facegrab.db", film, process, eyes=painted_eyes())
    assert rows(tmp_path / "1") == rows(tmp_path / "2")


def test_one_that_cannot_be_read_is_named(red: Path, film: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all" * 99)
    summary = run(red, [film, bad], tmp_path / "out", jobs=2)
    assert [path for path, _ in summary.failed] == [bad]
    assert summary.faces_written == FRAMES
    with pytest.raises(MediaError, match=r"bad\.mp4"):
        run(red, [bad], tmp_path / "none", jobs=2)
    assert not (tmp_path / "none").exists()


def test_a_process_that_dies_is_one_clear_line(
    red: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = crew.Crew.see

    def dies(self: crew.Crew, task: Task) -> Any:
        return self._pool.submit(os._exit, 9) if task.start.number == 3 else real(self, task)

    monkeypatch.setattr(crew.Crew, "see", dies)
    with pytest.raises(DeviceError, match="--jobs") as caught:
        run(red, film, tmp_path / "out", jobs=2)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", 0.15)
    run(red, film, tmp_path / "out")
    run(red, film, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_cut_off_video(red: Path, film: Path, tmp_path: Path) -> None:
    long = write_clip(
        tmp_path / "long.mkv", [scene(red=(60, 40))] * 40, options={"g": "4", "sc_threshold": "0"}
    )
    short = shutil.move(truncate(long, 0.6), tmp_path / "cut.mkv")
    for jobs in (1, 2):
        run(red, Path(short), tmp_path / str(jobs), jobs=jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert rows(tmp_path / "1") == rows(tmp_path / "2")


def contents_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "facegrab.db"
    }
