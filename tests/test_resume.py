"""A run that is stopped anywhere and started again ends as if nothing had happened.

Nothing may differ: not a byte of a file, not a row of a table.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import PaintedDetector, fail_at, painted_eyes, query
from stopped import Job, assert_same, in_memory, left, make_sources

from facegrab.errors import FaceGrabError, MediaError
from facegrab.media import segments
from facegrab.media.video import VideoReader
from facegrab.store import output
from facegrab.store.album import Album
from facegrab.store.answers import Answers
from facegrab.store.database import Database
from facegrab.store.index import Index
from facegrab.store.output import Output


class KilledError(BaseException):
    """Nothing catches it, as SystemExit."""


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def sources(room: Path) -> dict[str, Path]:
    folder = room / "media"
    folder.mkdir()
    return make_sources(folder)


@pytest.fixture(autouse=True)
def _segments(monkeypatch: pytest.MonkeyPatch, short_segments: None) -> None:
    """Four frames, two images."""
    monkeypatch.setattr(segments, "IMAGES_PER_SEGMENT", 2)


@pytest.fixture(scope="module")
def jobs(sources: dict[str, Path]) -> dict[str, Job]:
    red = sources["red"]
    lights = [sources["night"], sources["evening"]]
    both = {"align": ("mean-face", "dlib-chip")}
    return {
        "short": Job(red, [sources["short"]]),
        "shared": Job(red, [sources["short"]], shared=True),
        "images": Job(red, [sources["film"]], {"format": "png"}),
        "people": Job({"Al": red, "Zo": sources["lime"]}, [sources["short"]], both, recognition={}),
        "grow": Job(red, lights, recognition={"grow": True}),
        "group": Job("*", lights, recognition={"group": True}),
        "all": Job(red, [sources[n] for n in ("drift", "images", "short")], both),
        "all shared": Job(red, [sources[n] for n in ("short", "film", "again")], shared=True),
    }


@pytest.fixture
def place(room: Path) -> Iterator[Path]:
    """Where a run writes; empty for each trial."""
    folder = room / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def ends() -> dict[str, dict[str, Any]]:
    """What runs leave that nothing stops, by job; filled as they are needed."""
    return {}


def undisturbed(
    job: Job, place: Path, ends: dict[str, dict[str, Any]], sites: Sequence[Site] = ()
) -> dict[str, Any]:
    """What a run leaves that nothing stops, whose calls are counted; the place is empty again."""
    with pytest.MonkeyPatch.context() as patch:
        for site in sites:
            site.count(patch)
        job.run(place)
    there = ends.setdefault(repr(job), left(place))
    assert_same(place, there)
    empty(place)
    return there


def empty(place: Path) -> None:
    for path in place.iterdir():
        shutil.rmtree(path)


def stopped(job: Job, place: Path) -> None:
    """A run that something stops, maybe."""
    with suppress(KilledError, KeyboardInterrupt, FaceGrabError, OSError):
        job.run(place)


@dataclass
class Site:
    """A function that a run calls, at some of whose calls something happens.

    Attributes:
        owner: of the function.
        name: of it.
        block: it is a context manager.
    """

    owner: Any
    name: str
    block: bool = False
    calls: int = field(default=0, init=False)

    def count(self, patch: pytest.MonkeyPatch) -> None:
        """Counts the calls from now on."""
        self.calls = 0

        def counting() -> None:
            self.calls += 1

        self.hook(patch, counting, lambda: None)

    def hook(
        self, patch: pytest.MonkeyPatch, before: Callable[[], None], after: Callable[[], None]
    ) -> None:
        """Calls something before and after each call."""
        real: Callable[..., Any] = getattr(self.owner, self.name)

        @contextmanager
        def around(*arguments: Any, **options: Any) -> Iterator[Any]:
            before()
            with real(*arguments, **options) as value:
                yield value
            after()

        def call(*arguments: Any, **options: Any) -> Any:
            before()
            value = real(*arguments, **options)
            after()
            return value

        patch.setattr(self.owner, self.name, around if self.block else call)

    def stop(
        self, patch: pytest.MonkeyPatch, call: int, error: BaseException, *, after: bool
    ) -> None:
        """Raises once, before or after a call, counted from 1."""
        counted = itertools.count(1)

        def happen() -> None:
            if next(counted) == call:
                raise error

        self.hook(patch, *((lambda: None, happen) if after else (happen, lambda: None)))


SITES = {
    "replace": Site(Path, "replace"),
    "write_bytes": Site(Path, "write_bytes"),
    "unlink": Site(Path, "unlink"),
    "fsync": Site(os, "fsync"),
    "transaction": Site(Database, "transaction", block=True),
    "add": Site(Index, "add"),
    "put": Site(Answers, "put"),
    "announce": Site(Answers, "announce"),
    "arrived": Site(Answers, "arrived"),
    "keep": Site(Album, "keep"),
    "discard": Site(Album, "discard"),
    "finish": Site(Output, "finish"),
    "frame": Site(VideoReader, "__next__"),
}


def errors() -> list[BaseException]:
    return [
        KilledError(),
        KeyboardInterrupt(),
        OSError(errno.ENOSPC, "No space left on device"),
        MediaError("broken off"),
    ]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("name", ["short", "shared", "images", "people", "grow", "group"])
def test_stopped_at_any_call(
    jobs: dict[str, Job], place: Path, ends: dict[str, dict[str, Any]], name: str, site: str
) -> None:
    """Once, before it or after it, by each kind of error in turn."""
    job, where = jobs[name], SITES[site]
    expected = undisturbed(job, place, ends, [where])
    assert where.calls or (name, site) == ("images", "frame")
    trials = list(itertools.product(range(1, where.calls + 1), (False, True)))
    # All for one job, but what happens once an image; of the others, which differ little, some.
    often = site in {"write_bytes", "fsync", "unlink", "frame"}
    step = (3 if often else 1) if name == "short" else 5
    if often and name in {"people", "grow", "group"}:
        step = 17
    for call, after in trials[::step]:
        error = errors()[(call + 2 * after) % 4]
        with pytest.MonkeyPatch.context() as patch:
            where.stop(patch, call, error, after=after)
            stopped(job, place)
        job.run(place)
        assert_same(place, expected, f"{error!r} {'after' if after else 'before'} call {call}")
        empty(place)


@pytest.mark.parametrize("name", ["all", "all shared"])
def test_several_sources_stopped_again_and_again(
    jobs: dict[str, Job], place: Path, ends: dict[str, dict[str, Any]], name: str
) -> None:
    """One run after the other is stopped, each a little later, until one is not."""
    job, chance = jobs[name], random.Random(name)
    expected = undisturbed(job, place, ends, [*SITES.values()])
    sites = [site for site in SITES.values() if site.calls]
    for _ in range(3):
        for _ in range(4):
            site = chance.choice(sites)
            call, after = chance.randrange(site.calls) + 1, chance.random() < 0.5
            with pytest.MonkeyPatch.context() as patch:
                site.stop(patch, call, chance.choice(errors()), after=after)
                stopped(job, place)
        job.run(place)
        assert_same(place, expected)
        empty(place)


@pytest.mark.parametrize("site", ["write_bytes", "replace", "fsync", "transaction", "unlink"])
def test_a_disk_that_stays_full(
    jobs: dict[str, Job], place: Path, ends: dict[str, dict[str, Any]], site: str
) -> None:
    """Then nothing can be put in order before the next run."""
    job, where = jobs["short"], SITES[site]
    expected = undisturbed(job, place, ends, [where])
    for call in range(1, where.calls + 1, 3):
        with pytest.MonkeyPatch.context() as patch:
            full = OSError(errno.ENOSPC, "No space left on device")
            fail_at(patch, where.owner, where.name, call, full)
            stopped(job, place)
        job.run(place)
        assert_same(place, expected, f"full from call {call} on")
        empty(place)


def test_what_is_tried_here_is_what_is_hard(jobs: dict[str, Job], place: Path) -> None:
    """Tracks cross segments, and a later one decides about an earlier one's images: both ways."""
    removed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        remove = Answers.remove_files

        def noting(answers: Answers, files: Sequence[str]) -> None:
            removed.extend(files)
            remove(answers, files)

        patch.setattr(Answers, "remove_files", noting)
        jobs["short"].run(place)
    out = place / "out"
    assert query(out, "SELECT count(*) FROM segment") == [(3,)]
    assert query(out, "SELECT DISTINCT track FROM face") == [(0,), (1,)]
    by_track = "SELECT file FROM extract JOIN outcome USING (source, frame, number) WHERE by_track"
    rescued = query(out, f"{by_track} AND frame < 4")
    assert rescued  # though nothing in the first segment was the person's for sure
    assert len(removed) == 4
    assert not any((out / name).exists() for name in removed)


def of_folders(files: Iterable[str]) -> Counter[str]:
    """How many images are in each folder, and below it."""
    return Counter(file.split("/")[0] if "/" in file else "" for file in files)


@pytest.mark.parametrize(
    ("name", "moved", "there"),
    [
        ("people", {"Zo": 2}, {"Al": 14, "Zo": 26}),
        ("grow", {}, {"": 12}),
        ("group", {"": 21}, {"person-1": 12, "person-2": 9}),
    ],
)
def test_what_is_tried_with_several_people_is_hard_too(
    jobs: dict[str, Job], place: Path, name: str, moved: dict[str, int], there: dict[str, int]
) -> None:
    """A segment says whose a face is, and all of the video, or of all videos, says it otherwise."""
    files: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        take_over = Album.take_over

        def noting(album: Album, file: str, given: str) -> bool:
            files.append(file)
            return take_over(album, file, given)

        patch.setattr(Album, "take_over", noting)
        jobs[name].run(place)
    assert of_folders(files) == moved
    assert of_folders(file for (file,) in query(place / "out", "SELECT file FROM extract")) == there
    assert all((place / "out" / folder).is_dir() for folder in there)
    late = "SELECT count(*) FROM extract JOIN source ON id = source WHERE name = 'night'"
    if name == "grow":  # at first nobody was found there
        assert query(place / "out", late) == [(6,)]


@pytest.mark.parametrize("segment", [1, 2, 3])
@pytest.mark.parametrize("error", range(4))
def test_what_is_committed_is_not_looked_at_again(
    jobs: dict[str, Job], place: Path, segment: int, error: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        SITES["add"].stop(patch, segment, errors()[error], after=False)
        stopped(jobs["short"], place)
    eyes = painted_eyes()
    summary = jobs["short"].run(place, eyes=eyes)
    assert isinstance(eyes.detector, PaintedDetector)
    frames = 10 - 4 * (segment - 1)
    assert sum(eyes.detector.batches[1:]) == frames  # the first is the reference
    assert (summary.frames_read, summary.frames_known) == (10, 10 - frames)
    assert summary.frames_looked_at == 10


def test_a_finished_run_looks_at_nothing_again(
    jobs: dict[str, Job], place: Path, ends: dict[str, dict[str, Any]]
) -> None:
    """Though it was stopped when the answer was still to be given."""
    expected = undisturbed(jobs["short"], place, ends)
    with pytest.MonkeyPatch.context() as patch:
        SITES["finish"].stop(patch, 1, KilledError(), after=False)
        stopped(jobs["short"], place)
    eyes = painted_eyes()
    jobs["short"].run(place, eyes=eyes)
    assert isinstance(eyes.detector, PaintedDetector)
    assert len(eyes.detector.batches) == 1
    assert_same(place, expected)


def test_an_image_put_in_place_is_not_left_to_another_question(
    jobs: dict[str, Job], place: Path
) -> None:
    """The first images are in place, not entered, and the folder is used for something else."""
    job = jobs["short"]
    with pytest.MonkeyPatch.context() as patch:
        SITES["put"].stop(patch, 1, KilledError(), after=False)
        patch.setattr(output, "_discard", lambda *_: None)  # as when the program is killed there
        stopped(job, place)
    assert [*(place / "out").glob("*.jpg")]
    other = replace(job, process={"extract_size": 40})
    other.run(place)
    files = query(place / "out", "SELECT file FROM extract")
    assert sorted(files) == sorted((path.name,) for path in (place / "out").glob("*.jpg"))
