"""Results sent to a bucket, here one in memory, which stops at any step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import painted_eyes
from memory_bucket import InMemory, Killed, Store, brought, seen
from stopped import in_memory, make_sources

from facegrab import mirror
from facegrab.errors import FaceGrabError, MediaError, OutputError, StoreError
from facegrab.grab import FaceGrab
from facegrab.mirror import STATE_NAME, Mirror
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.database import Database

ADDRESS = "s3://bucket/out"
INDEX = "facegrab.db"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, short_segments: None) -> Store:
    """A bucket that is sent to after each segment, one thing after the other."""
    made = Store()
    monkeypatch.setattr(mirror, "Bucket", lambda name: InMemory(made, name))
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(mirror, "MOST_OF_TIME", 0)
    monkeypatch.setattr(mirror, "THREADS", 1)
    return made


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A film whose end tells that some extracts were another's."""
    return make_sources(tmp_path_factory.mktemp("film"))


@pytest.fixture
def room() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


def run(film: dict[str, Path], folder: Path, **process: Any) -> None:
    """A run into a bucket."""
    sent = Mirror(ADDRESS, folder)
    grab = FaceGrab(
        film["red"], RecognitionSettings(0.6, jitter=1),
        ProcessSettings(skip_frames=0, extract_size=64, scale=0.5, **process),
        eyes=painted_eyes(),
    )  # fmt: skip
    grab.process(film["drift"], folder, committed=sent.follow)
    sent.finish()


def assert_whole(store: Store, place: Path) -> None:
    """That the index in the bucket, if there is one, lists only what is there."""
    if INDEX in store.objects:
        place.write_bytes(store.objects[INDEX])
        with Database(place) as database:
            listed = {file for (file,) in database.fetch("SELECT file FROM extract")}
        assert listed <= store.objects.keys()


def test_the_bucket_gets_what_the_folder_gets(
    store: Store, film: dict[str, Path], room: Path
) -> None:
    run(film, room / "work")
    there = brought(store, room / "there")
    assert there == seen(room / "work")
    assert len(there) > 10
    assert any(name.endswith(".jpg") for name in store.removed)  # the end told better
    assert json.loads(store.objects[STATE_NAME])["coming"] == []


@pytest.mark.parametrize("where", ["work", "another machine"])
def test_killed_at_a_step_and_run_again(
    store: Store, film: dict[str, Path], room: Path, where: str
) -> None:
    run(film, room / "whole")
    expected, steps = seen(room / "whole"), store.steps
    assert steps > 30
    for step in range(1, steps + 1, 2 if where == "work" else 5):
        place = room / str(step)
        store.objects.clear()
        store.stop_at(step)
        with pytest.raises(Killed):
            run(film, place / "work")
        assert_whole(store, place / "listed.db")
        store.stop_at(0)
        run(film, place / where)
        assert seen(place / where) == expected, step
        assert brought(store, place / "there") == expected, step


def test_killed_while_the_folder_is_brought(
    store: Store, film: dict[str, Path], room: Path
) -> None:
    run(film, room / "whole")
    expected = seen(room / "whole")
    for step in (4, 6, 9):
        store.stop_at(step)
        with pytest.raises(Killed):
            run(film, room / str(step))
        store.stop_at(0)
        run(film, room / str(step))
        assert seen(room / str(step)) == expected
    assert brought(store, room / "there") == expected


def test_what_was_coming_and_never_came_goes_away(
    store: Store, film: dict[str, Path], room: Path
) -> None:
    run(film, room / "one")
    expected = seen(room / "one")
    state = json.loads(store.objects[STATE_NAME])
    store.objects[STATE_NAME] = json.dumps({**state, "coming": ["late.jpg"]}).encode()
    store.objects["late.jpg"] = b"of another version, or of other frames"
    Mirror(ADDRESS, room / "two")  # which is stopped at once
    assert json.loads(store.objects[STATE_NAME])["coming"] == ["late.jpg"]
    run(film, room / "three")
    assert brought(store, room / "there") == expected


def test_nothing_goes_up_twice(store: Store, film: dict[str, Path], room: Path) -> None:
    run(film, room / "work")
    extract = next(name for name in store.objects if name.endswith(".jpg"))
    store.steps = 0
    run(film, room / "work")
    # A try, a word before and behind each sending, the index and the table.
    assert store.steps < 20
    for harm in (lambda: store.objects.pop(extract), lambda: store.objects.update({extract: b""})):
        harm()
        run(film, room / "work")
        assert store.objects[extract] == (room / "work" / extract).read_bytes()


def test_what_somebody_else_puts_there_stays(
    store: Store, film: dict[str, Path], room: Path
) -> None:
    run(film, room / "work")
    store.objects["notes.txt"] = b"mine"
    run(film, room / "work")
    run(film, room / "another machine")
    assert store.objects["notes.txt"] == b"mine"
    assert not (room / "another machine" / "notes.txt").exists()


def test_an_error_says_that_nothing_is_lost(
    store: Store, film: dict[str, Path], room: Path
) -> None:
    store.stop_at(12, MediaError("the store is busy"))
    with pytest.raises(OutputError, match=r"busy; nothing is lost.*work"):
        run(film, room / "work")
    store.stop_at(0)
    run(film, room / "work")
    assert brought(store, room / "there") == seen(room / "work")


class TestRefused:
    def test_a_bucket_with_other_files(self, store: Store, tmp_path: Path) -> None:
        store.objects["holiday.jpg"] = b"mine"
        with pytest.raises(OutputError, match="s3://bucket/out holds other files"):
            Mirror(ADDRESS, tmp_path / "work")
        assert store.objects == {"holiday.jpg": b"mine"}

    def test_a_work_folder_with_other_files(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "diary.txt").write_text("mine")
        with pytest.raises(OutputError, match="holds other files"):
            Mirror(ADDRESS, tmp_path)
        assert store.objects == {}

    def test_another_address_s_work_folder(self, store: Store, tmp_path: Path) -> None:
        Mirror(ADDRESS, tmp_path / "work")
        with pytest.raises(OutputError, match="is the work folder of s3://bucket/out"):
            Mirror("s3://bucket/more", tmp_path / "work")

    def test_written_from_another_machine_since(
        self, store: Store, film: dict[str, Path], tmp_path: Path
    ) -> None:
        run(film, tmp_path / "work")
        run(film, tmp_path / "another machine")
        state = json.loads(store.objects[STATE_NAME])
        store.objects[STATE_NAME] = json.dumps({**state, "host": "\x1b[2J\n"}).encode()
        before = dict(store.objects)
        with pytest.raises(OutputError, match=r"from another machine.*remove .*work") as caught:
            Mirror(ADDRESS, tmp_path / "work")
        assert str(caught.value).isprintable()
        assert store.objects == before

    def test_two_at_once(self, store: Store, film: dict[str, Path], tmp_path: Path) -> None:
        run(film, tmp_path / "work")
        first = Mirror(ADDRESS, tmp_path / "work")
        Mirror(ADDRESS, tmp_path / "another machine")
        with pytest.raises(OutputError, match="another machine"):
            first.finish()

    def test_a_work_folder_in_use(
        self, store: Store, film: dict[str, Path], tmp_path: Path
    ) -> None:
        run(film, tmp_path / "work")
        with (
            Database(tmp_path / "work" / INDEX),
            pytest.raises(StoreError, match="in use by another run"),
        ):
            Mirror(ADDRESS, tmp_path / "work")

    @pytest.mark.parametrize(
        "text",
        [b"", b"{", b"[]", b'{"work": 1, "coming": []}', b'{"work": ""}', b"[" * 5000],
    )
    def test_a_state_that_is_none(self, store: Store, tmp_path: Path, text: bytes) -> None:
        store.objects[STATE_NAME] = text
        with pytest.raises(OutputError, match="damaged: remove it"):
            Mirror(ADDRESS, tmp_path / "work")

    def test_an_index_that_is_none(self, store: Store, tmp_path: Path) -> None:
        store.objects[INDEX] = b"nothing of ours" * 100
        with pytest.raises(StoreError, match="no index"):
            Mirror(ADDRESS, tmp_path / "work")


def test_names_that_lead_out_are_not_followed(
    store: Store, film: dict[str, Path], tmp_path: Path
) -> None:
    run(film, tmp_path / "work")
    with Database(tmp_path / "work" / INDEX) as database, database.transaction():
        database.execute("UPDATE extract SET file = '../out.jpg' WHERE rowid = 1")
    store.objects[INDEX] = (tmp_path / "work" / INDEX).read_bytes()
    store.objects["../out.jpg"] = b"out"
    state = json.loads(store.objects[STATE_NAME])
    store.objects[STATE_NAME] = json.dumps({**state, "coming": ["../out.jpg"]}).encode()
    Mirror(ADDRESS, tmp_path / "deep" / "work")
    assert not (tmp_path / "deep" / "out.jpg").exists()
    assert store.objects["../out.jpg"] == b"out"


def test_a_damaged_line_of_the_note(store: Store, film: dict[str, Path], tmp_path: Path) -> None:
    run(film, tmp_path / "work")
    with (tmp_path / "work" / ".facegrab.sent").open("a") as file:
        file.write('[1]\n["../x", 1, 2]\n' + "[" * 4000 + '\n["cut')
    run(film, tmp_path / "work")
    assert brought(store, tmp_path / "there") == seen(tmp_path / "work")


def test_room(
    store: Store, film: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(film, tmp_path / "work")

    class Usage:
        free = 100

    monkeypatch.setattr("facegrab.mirror.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(FaceGrabError, match=r"no room in .*--work"):
        Mirror(ADDRESS, tmp_path / "another machine")
