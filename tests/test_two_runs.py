"""Two runs at once: on one folder the second one stops, on one index both may ask."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Notes, PaintedDetector, painted_eyes
from stopped import Job, assert_same, left, make_sources

from facegrab.cli import main
from facegrab.errors import StoreError
from facegrab.options import FAILED
from facegrab.store import database
from facegrab.store.database import Database
from facegrab.store.index import Request
from facegrab.store.output import Output
from facegrab.vision.look import Eyes

US = f"process {os.getpid()} on "


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch, short_segments: None) -> None:
    """Nobody waits ten seconds to see whether the other one ends."""
    monkeypatch.setattr(database, "_WAIT_MS", 0)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_sources(tmp_path_factory.mktemp("films"))


@pytest.fixture
def job(sources: dict[str, Path]) -> Job:
    return Job(sources["red"], [sources["short"]])


@pytest.fixture
def shared(job: Job) -> Job:
    return replace(job, shared=True)


class Meanwhile(Notes):
    """Does something at the second step of a run."""

    def __init__(self, what: Callable[[], None]) -> None:
        super().__init__()
        self._what = what

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        super().step(frames_read, faces_found, faces_written)
        if len(self.steps) == 2:
            self._what()


def typed(job: Job, output: Path, index: Path | None = None) -> list[str]:
    """The same job as somebody types it."""
    more = ["--index", str(index)] if index else []
    sources = [str(path) for path in job.sources]
    options = ["-bs", "4", "-sf", "0", "-xs", "32", "-s", "0.5", "-t", "0.6", "-j", "1"]
    return ["-r", str(job.reference), "-i", *sources, "-o", str(output), *options, *more]


def test_the_second_run_on_a_folder_says_who_has_it_and_stops(
    job: Job, tmp_path: Path, fake_networks: Eyes, capsys: pytest.CaptureFixture[str]
) -> None:
    place, out = tmp_path / "two", tmp_path / "two" / "out"
    codes: list[int] = []
    job.run(place, watcher=Meanwhile(lambda: codes.append(main(typed(job, out)))))
    assert codes == [FAILED]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"facegrab: {out / 'facegrab.db'} is in use by another run ({US}")
    job.run(tmp_path / "one")
    assert_same(place, left(tmp_path / "one"))


def test_the_second_run_on_an_index_says_who_fills_it_and_stops(
    shared: Job, tmp_path: Path, fake_networks: Eyes, capsys: pytest.CaptureFixture[str]
) -> None:
    place, index, other = tmp_path / "two", tmp_path / "two" / "index" / "seen.db", tmp_path / "b"
    codes: list[int] = []
    shared.run(place, watcher=Meanwhile(lambda: codes.append(main(typed(shared, other, index)))))
    assert codes == [FAILED]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"facegrab: {index} is in use by another run ({US}")
    shared.run(tmp_path / "one")
    assert_same(place, left(tmp_path / "one"))
    # Once it is filled, the same command does what it could not before.
    assert main(typed(shared, other, index)) == 0
    assert [*other.glob("*.jpg")]


def test_who_had_opened_the_index_before_is_told_of_the_right_file(
    shared: Job, tmp_path: Path
) -> None:
    """Not of its own, which nobody else uses."""
    index = tmp_path / "index" / "seen.db"
    with Output(tmp_path / "b", {}, index) as waiting:
        assert waiting.index.find("film", Request("painted", 1, 20)) is None

        def second() -> None:
            with pytest.raises(StoreError) as caught:
                waiting.index.scans()
            assert str(caught.value).startswith(f"{index} is in use by another run ({US}")

        shared.run(tmp_path, watcher=Meanwhile(second))


def test_two_questions_on_a_finished_index(
    shared: Job, sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the same time, each into a folder of its own; neither looks at anything again."""
    monkeypatch.setattr(database, "_WAIT_MS", 10_000)
    place, index = tmp_path / "one", tmp_path / "one" / "index" / "seen.db"
    shared.run(place)
    expected = left(place / "out")
    looked: list[int] = []
    gate = threading.Barrier(2)

    def ask(number: int) -> None:
        eyes = painted_eyes()
        gate.wait(30)
        shared.run(tmp_path / str(number), eyes=eyes, index=index)
        assert isinstance(eyes.detector, PaintedDetector)
        looked.append(len(eyes.detector.batches))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert looked == [1, 1]  # the reference
    for number in range(2):
        assert_same(tmp_path / str(number) / "out", expected)
    assert [path.name for path in index.parent.iterdir()] == ["seen.db"]


def test_the_name_of_a_run_that_died_is_not_left_at_an_index(shared: Job, tmp_path: Path) -> None:
    """Nor its journal, though the next run only asks and does not write there."""
    shared.run(tmp_path)
    expected = left(tmp_path)
    index = tmp_path / "index" / "seen.db"
    (index.parent / ".seen.db.holder").write_text("process 1 on nowhere", encoding="ascii")
    (index.parent / "seen.db-journal").write_bytes(bytes(512))  # over, as its begin says
    shared.run(tmp_path)
    assert_same(tmp_path, expected)


def test_the_name_of_a_run_that_lives_is_left(shared: Job, tmp_path: Path) -> None:
    shared.run(tmp_path)
    index = tmp_path / "index" / "seen.db"
    note = index.parent / ".seen.db.holder"
    with Database(index):
        written = note.read_text("ascii")
        with pytest.raises(StoreError, match=US), Database(tmp_path / "b.db") as other:
            other.attach(index)
        assert note.read_text("ascii") == written
    assert not note.exists()


def test_a_note_that_could_not_be_written_whole_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **options: object) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with Database(tmp_path / "a.db"):
        assert (tmp_path / ".a.db.holder").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


@pytest.mark.parametrize("needed", [False, True])
def test_a_journal_over_two_files_goes_when_none_needs_it(
    shared: Job, tmp_path: Path, *, needed: bool
) -> None:
    """SQLite leaves it if the program dies just after it was made."""
    shared.run(tmp_path)
    own, index = tmp_path / "out" / "facegrab.db", tmp_path / "index" / "seen.db"
    journals = [f"{path}-journal".encode() for path in (own, index)]
    elsewhere = tmp_path / "elsewhere.db-journal"
    elsewhere.touch()
    journal = own.with_name("facegrab.db-mj0123456789")
    journal.write_bytes(b"\0".join([*journals, *([bytes(elsewhere)] if needed else [])]) + b"\0")
    shared.run(tmp_path)
    assert journal.exists() == needed
