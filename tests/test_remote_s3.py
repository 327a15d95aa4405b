"""Videos in a bucket of a real server of S3's kind, in a process of its own, and one in its way.

``make cluster-test`` installs what these tests need and runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buckets import KEYS, ask, at, between, buckets, forget, only_these_keys
from clips import write_image
from fakes import query, scene
from servers import Handler, serving
from test_remote import run, seen

from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.media import remote
from facegrab.media.content import content_key
from facegrab.media.source import Source, find_sources
from facegrab.people.references import pictures_of

# Warnings of the libraries below are none of ours.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a server of buckets."""
    with buckets() as address:
        yield address


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[float]]:
    """Small blocks, and no waiting; no keys but those of the test."""
    waited = list[float]()
    monkeypatch.setattr(remote, "_wait", waited.append)
    monkeypatch.setattr(remote, "BLOCK_BYTES", 2048)
    only_these_keys(monkeypatch, tmp_path)
    yield waited
    forget()


@pytest.fixture
def bucket(store: str, clip: Path, red: Path, tmp_path: Path, monkeypatch: Any) -> str:
    """A bucket with a film, pictures, something hidden, and what is nothing to look at."""
    at(monkeypatch, store)
    picture = write_image(tmp_path / "1.png", scene(red=(20, 30)))
    files = {
        "films/clip.mp4": clip, "films/photos/1.png": picture, "films/photos/2.png": red,
        "films/.hidden.mp4": clip, "films/read me.txt": picture, "films-2/other film.mp4": clip,
        "who/red.png": red, "films/odd//clip.mp4": clip,
    }  # fmt: skip
    ask(store, "PUT", "/media", b"")
    for name, file in files.items():
        ask(store, "PUT", f"/media/{name.replace(' ', '%20')}", file.read_bytes())
    return "s3://media"


@pytest.fixture
def local(red: Path, clip: Path, tmp_path: Path) -> list[Any]:
    """What a copy gives."""
    run(red, clip, tmp_path / "local")
    return seen(tmp_path / "local")


def test_a_run(bucket: str, red: Path, clip: Path, tmp_path: Path, local: list[Any]) -> None:
    address = f"{bucket}/films/clip.mp4"
    assert run(red, address, tmp_path / "out").warnings == []
    assert seen(tmp_path / "out") == local
    assert query(tmp_path / "out", "SELECT path FROM scan") == [(address,)]
    assert run(red, clip, tmp_path / "out").sources_known == 1


def test_processes(
    bucket: str, red: Path, tmp_path: Path, local: list[Any], short_segments: None
) -> None:
    run(red, f"{bucket}/films/clip.mp4", tmp_path / "out", jobs=2)
    assert seen(tmp_path / "out")[0] == local[0]


def test_a_folder(
    bucket: str, clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = find_sources(f"{bucket}/films")
    assert [str(each.path) for each in sources] == [
        f"{bucket}/films/clip.mp4", f"{bucket}/films/photos",
    ]  # fmt: skip
    assert [str(each) for each in sources[1].images] == [
        f"{bucket}/films/photos/1.png", f"{bucket}/films/photos/2.png",
    ]  # fmt: skip
    assert sources == find_sources(f"{bucket}/films/")
    assert content_key(sources[0]) == content_key(Source(clip))
    assert "1 files whose names have //" in caplog.text
    assert len(find_sources(bucket)) == 4
    assert [each.name for each in find_sources(f"{bucket}/films-2")] == ["other film"]
    assert [str(each) for each in pictures_of(f"{bucket}/who")] == [f"{bucket}/who/red.png"]


def test_throttled_and_cut(
    store: str, bucket: str, red: Path, tmp_path: Path, local: list[Any],
    waits: list[float], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    slow = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate</Message></Error>"

    def moody(handler: Handler, number: int) -> bool:
        if number % 6 == 1:
            handler.reply(slow, 503, {"Content-Type": "application/xml"})
        elif number % 6 == 4 and handler.headers.get("Range"):
            handler.reply(b"half", 206, {"Content-Length": "2048"})
        else:
            return False
        return True

    with between(store, moody) as server:
        at(monkeypatch, server.address)
        assert run(red, f"{bucket}/films/clip.mp4", tmp_path / "out").warnings == []
    assert seen(tmp_path / "out") == local
    assert len(waits) > 3


def test_gone_for_good(
    store: str, bucket: str, red: Path, tmp_path: Path, local: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    left = 6

    def ends(handler: Handler, _: int) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            handler.reply(b"", 503)
        return left < 0

    address = f"{bucket}/films/clip.mp4"
    with between(store, ends) as server:
        at(monkeypatch, server.address)
        with pytest.raises(MediaError, match="run the same command again") as caught:
            run(red, address, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert address in str(caught.value)
    at(monkeypatch, store)
    run(red, address, tmp_path / "out")
    assert seen(tmp_path / "out") == local


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("s3://media/none.mp4", "no such file.*s3://media/none.mp4"),
            ("s3://media/none/", "no video and no image|no such file"),
            ("s3://no-bucket/film.mp4", "no such (bucket|file).*s3://no-bucket"),
            ("s3://no-bucket", "no such bucket: s3://no-bucket"),
        ],
    )
    def test_what_is_not_there(self, bucket: str, name: str, words: str) -> None:
        with pytest.raises(MissingError, match=words) as caught:
            find_sources(name)
        assert "\n" not in str(caught.value)

    def test_no_keys(
        self, bucket: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in KEYS:
            monkeypatch.delenv(name)
        forget()
        with pytest.raises(AccessError, match="AWS_ACCESS_KEY_ID"):
            find_sources(f"{bucket}/films/clip.mp4")
        assert waits == []

    def test_keys_that_are_refused(
        self, store: str, bucket: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(handler: Handler, _: int) -> bool:
            handler.reply(b"<Error><Code>AccessDenied</Code></Error>", 403)
            return True

        with between(store, refuse) as server:
            at(monkeypatch, server.address)
            with pytest.raises(AccessError, match="no permission to read s3://media/films/clip"):
                find_sources(f"{bucket}/films/clip.mp4")
        assert waits == []

    def test_nobody_there(
        self, bucket: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(lambda _: None) as server:
            address = server.address
        at(monkeypatch, address)
        with pytest.raises(MediaError, match="cannot be read"):
            find_sources(f"{bucket}/films/clip.mp4")
        assert len(waits) == len(remote.WAITS_SECONDS)
