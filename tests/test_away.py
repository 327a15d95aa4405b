"""Extracts that workers put into a bucket: what is there in the end is what a run here writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fakes import painted_eyes
from memory_bucket import InMemory, Killed, Store, brought, seen
from stopped import in_memory, left, make_sources

from facegrab import alone, fetching, mirror, shelf, walk
from facegrab.address import STANDS_FOR
from facegrab.appraisal import read_extract
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError, OutputError
from facegrab.fetching import content_of
from facegrab.grab import FaceGrab
from facegrab.media.images import read_image
from facegrab.mirror import Mirror
from facegrab.picking import pick
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.shelf import Shelf
from facegrab.store.away import PARTS, Away, away_of
from facegrab.store.origin import load_origin
from facegrab.task import Orders, Part, Task, Worker
from facegrab.view.report import write_report

ADDRESS = "s3://bucket/out"


class Beside(alone.Alone):
    """Workers of a cluster, as far as their extracts go; each fourth segment two look at.

    Attributes:
        late: they are, and what the first one puts there is nobody's.
    """

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders, painted_eyes)  # type: ignore[arg-type]
        assert orders.bucket
        self._shelf = Shelf(orders.bucket)
        self._taken = 0

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._shelf.close()
        super().__exit__(kind, *rest)

    def take(self, future: Future[Part]) -> Part:
        task = self._tasks.pop(future)
        self._taken += 1
        if self._taken % 4 == 1:
            self._seen(task)
        return self._seen(task)

    def _seen(self, task: Task) -> Part:
        self._worker = self._worker or Worker(self._orders, tray=self._shelf)
        self._shelf.begin()
        part = self._worker.see(task)
        self._shelf.settle()
        return part


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, short_segments: None) -> Store:
    """A bucket that is sent to after each segment, one thing after the other."""
    made = Store()
    for module in (mirror, shelf, fetching):
        monkeypatch.setattr(module, "Bucket", lambda name: InMemory(made, name))
        monkeypatch.setattr(module, "THREADS", 1, raising=False)
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(mirror, "MOST_OF_TIME", 0)
    return made


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A film whose end tells that some extracts were another's."""
    return make_sources(tmp_path_factory.mktemp("film"))


@pytest.fixture
def room() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


QUESTIONS: dict[str, dict[str, Any]] = {
    "one": {},
    "some are uncertain": {"tolerance": "auto"},
    "groups": {"group": True},
}


def run(
    film: dict[str, Path], folder: Path, *, away: bool = True, question: str = "one", **more: Any
) -> None:
    """A run into a bucket, by workers who put extracts there, or into a folder."""
    with pytest.MonkeyPatch.context() as patch:
        sent = Mirror(ADDRESS, folder, away=True) if away else None
        if away:
            patch.setattr(walk, "engine_of", Beside)
        recognition = {"tolerance": 0.6, "jitter": 1, **QUESTIONS[question]}
        grab = FaceGrab(
            "*" if question == "groups" else film["red"],
            RecognitionSettings(**recognition),
            ProcessSettings(skip_frames=0, extract_size=64, scale=0.5, **more),
            eyes=painted_eyes(),
        )
        grab.process(
            [film["drift"], film["film"]],
            folder,
            committed=sent.follow if sent else None,
            bucket=ADDRESS if away else None,
        )
        if sent:
            sent.finish()


def _size(path: Path) -> int:
    return path.stat().st_size


def parts(store: Store) -> list[str]:
    return [name for name in store.objects if name.startswith(PARTS)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_bucket_gets_what_a_run_here_writes(
    store: Store, film: dict[str, Path], room: Path, question: str
) -> None:
    run(film, room / "local", away=False, question=question)
    run(film, room / "work", question=question)
    there = brought(store, room / "there")
    assert there == seen(room / "local")
    extracts = [name for name in there if name.endswith(".jpg")]
    assert len(extracts) > 10
    stand_ins = [each for each in (room / "work").rglob("*.jpg") if away_of(each, _size(each))]
    assert len(stand_ins) > len(extracts) / 2  # others the end of the film has asked for
    moved = [each for each in store.copied if not each.startswith(PARTS)]
    assert bool(moved) == (question == "groups")  # who is known when all is seen


@pytest.mark.parametrize("where", ["work", "another machine"])
def test_killed_at_a_step_and_run_again(
    store: Store, film: dict[str, Path], room: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(film, room / "local", away=False)
    expected = seen(room / "local")
    run(film, room / "whole")
    steps = store.steps
    assert steps > 60
    for step in range(1, steps + 1, 6 if where == "work" else 17):
        place = room / str(step)
        store.objects.clear()
        store.stop_at(step)
        with pytest.raises(Killed):
            run(film, place / "work")
        store.stop_at(0)
        run(film, place / where)
        assert brought(store, place / "there") == expected, step
        assert not caplog.records, step  # nothing was gone


@pytest.mark.parametrize("question", ["one", "groups"])
def test_killed_at_a_step_twice_and_on_two_machines(
    store: Store, film: dict[str, Path], room: Path, question: str
) -> None:
    run(film, room / "local", away=False, question=question)
    run(film, room / "whole", question=question)
    steps = store.steps
    for step in range(steps // 4, steps, 29):
        place = room / str(step)
        store.objects.clear()
        for where, last in (("one", step), ("two", step // 4)):
            store.stop_at(last)
            with suppress(Killed):  # the second one has less to do
                run(film, place / where, question=question)
        store.stop_at(0)
        run(film, place / "three", question=question)
        assert brought(store, place / "there") == seen(room / "local"), step


def test_what_is_gone_from_the_bucket_is_made_again(
    store: Store, film: dict[str, Path], room: Path
) -> None:
    run(film, room / "work")
    expected = dict(store.objects)
    extract = next(name for name in expected if name.endswith(".jpg"))
    for where in ("work", "another machine"):
        for harm in (
            lambda: store.objects.pop(extract),
            lambda: store.objects.update({extract: b""}),
        ):
            harm()
            run(film, room / where)
            assert store.objects[extract] == expected[extract], where


def test_killed_before_anything_was_kept(store: Store, film: dict[str, Path], room: Path) -> None:
    store.objects[f"{PARTS}/{'a' * 32}/0.jpg"] = b"a worker's, whose driver died"
    Mirror(ADDRESS, room / "work", away=True)
    assert not parts(store)


def test_a_worker_that_cannot_put_ends_the_run(
    store: Store, film: dict[str, Path], room: Path
) -> None:
    store.stop_at(9, MediaError("the store is busy"))
    with pytest.raises(OutputError, match="busy"):
        run(film, room / "work")
    store.stop_at(0)
    run(film, room / "work")
    run(film, room / "local", away=False)
    assert brought(store, room / "there") == seen(room / "local")


def test_a_run_without_a_cluster_goes_on(
    store: Store, film: dict[str, Path], room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.stop_at(60)
    with pytest.raises(Killed):
        run(film, room / "work")
    assert parts(store)
    store.stop_at(0)
    monkeypatch.setattr("test_away.Beside", lambda _: None)
    run(film, room / "work")
    run(film, room / "local", away=False)
    assert brought(store, room / "there") == seen(room / "local")


class TestRead:
    """What needs the extracts has them brought."""

    @pytest.fixture
    def folder(self, store: Store, film: dict[str, Path], room: Path) -> Path:
        run(film, room / "local", away=False)
        run(film, room / "work")
        return room

    def test_the_best(self, folder: Path) -> None:
        for each in ("local", "work"):
            pick(folder / each, 3)
        assert left(folder / "work" / "best") == left(folder / "local" / "best")
        assert len(left(folder / "work" / "best")) > 3

    def test_a_report_that_holds_them(self, folder: Path) -> None:
        pages = [folder / f"{each}.html" for each in ("local", "work")]
        for page in pages:
            write_report(folder / page.stem, page, embed=True)
        here, there = (page.read_text() for page in pages)
        assert here.count("data:image/jpeg") == there.count("data:image/jpeg") > 10

    def test_one_that_is_gone(self, store: Store, folder: Path) -> None:
        name = next(each for each in store.objects if each.endswith(".jpg"))
        del store.objects[name]
        with pytest.raises(MissingError, match=f"{name} lies in {ADDRESS}, and is gone there"):
            content_of(folder / "work", name, 100)

    def test_one_that_is_gone_is_no_unreadable_one(self, store: Store, folder: Path) -> None:
        names = [each for each in store.objects if each.endswith(".jpg")]
        del store.objects[names[0]]
        with pytest.raises(MissingError, match="gone there"):
            read_extract(folder / "work", names[0])
        picked = pick(folder / "work", len(names))
        assert (sum(each.gone for each in picked), [each.unreadable for each in picked]) == (
            1,
            [()],
        )

    @pytest.mark.parametrize(
        "error", [AccessError("no permission"), MediaError("cannot be read, 6 times")]
    )
    def test_a_bucket_that_cannot_be_read(
        self, folder: Path, error: FaceGrabError, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither the best of none, asked for one after the other, nor a report without them."""

        def refused(*_: object) -> bytes:
            raise error

        monkeypatch.setattr(InMemory, "read", refused)
        with pytest.raises(FaceGrabError, match=f"^{error}$"):
            pick(folder / "work", 3)
        with pytest.raises(FaceGrabError, match=f"^{error}$"):
            write_report(folder / "work", folder / "work.html", embed=True)

    def test_no_more_is_brought_than_an_extract_may_have(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked_bytes: list[int] = []

        def read(bucket: InMemory, name: str, most_bytes: int) -> bytes:
            asked_bytes.append(most_bytes)
            return b""

        monkeypatch.setattr(InMemory, "read", read)
        (folder / "work" / "large.jpg").write_bytes(Away.found("large.jpg", 2**39).content)
        with pytest.raises(MissingError, match="gone there"):
            content_of(folder / "work", "large.jpg", 100)
        assert max(asked_bytes) == fetching.LARGEST_BYTES + 1

    def test_another_image_of_that_name(self, store: Store, folder: Path) -> None:
        name = next(each for each in store.objects if each.endswith(".jpg"))
        store.objects[name] = bytes(len(store.objects[name]))
        with pytest.raises(MissingError, match="gone there"):
            content_of(folder / "work", name, 100)

    @pytest.mark.parametrize("read", [read_image, load_origin])
    def test_whoever_else_reads_one_is_told(
        self, folder: Path, read: Callable[[Path], object]
    ) -> None:
        names = [each for each in (folder / "work").glob("*.jpg") if away_of(each, _size(each))]
        with pytest.raises(MediaError, match=f"{names[0].name} stands for an image.*fetch it"):
            read(names[0])


@pytest.mark.parametrize(
    "values",
    [
        b"",
        b"[]",
        b"{}",
        b'{"place": "../../x.jpg", "size_bytes": 1, "digest": "' + b"0" * 32 + b'"}',
        b'{"place": "x.jpg", "size_bytes": -1, "digest": "' + b"0" * 32 + b'"}',
        b'{"place": "x.jpg", "size_bytes": 1.5, "digest": "' + b"0" * 32 + b'"}',
        b'{"place": "x.jpg", "size_bytes": 1, "digest": "0"}',
        b"[" * 5000,
    ],
)
def test_a_file_that_stands_for_nothing(tmp_path: Path, values: bytes) -> None:
    path = tmp_path / "film.jpg"
    whole = Away.of("film.jpg", b"an image")
    path.write_bytes(whole.content)
    assert away_of(path, _size(path)) == whole
    path.write_bytes(STANDS_FOR + values)
    assert away_of(path, _size(path)) is None


def test_many_copies_are_asked_for_elsewhere(
    store: Store, film: dict[str, Path], room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(film, room / "local", away=False)
    asked = list[tuple[str, str]]()

    def copies(pairs: Sequence[tuple[str, str]]) -> None:
        asked.extend(pairs)
        for source, name in pairs:
            InMemory(store, ADDRESS).copy(source, name)

    made = Mirror
    monkeypatch.setattr(mirror, "FEWEST_COPIES", 2)
    monkeypatch.setattr(
        "test_away.Mirror", lambda *each, **more: made(*each, **more, copies=copies)
    )
    run(film, room / "work")
    assert brought(store, room / "there") == seen(room / "local")
    assert len(asked) > 2
