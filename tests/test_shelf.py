"""Extracts put into a bucket of a real server of S3's kind, by whoever cuts them.

``make cluster-test`` installs what these tests need and runs them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from buckets import KEYS, ask, at, between, buckets, forget, only_these_keys
from fakes import painted_eyes
from servers import Handler

from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError, OutputError
from facegrab.media import remote
from facegrab.media.bucket import Bucket
from facegrab.people.judge import Asked
from facegrab.seer import Ready, Refused, Seer
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.shelf import Shelf
from facegrab.store.album import encoded
from facegrab.store.away import PARTS, away_of
from facegrab.task import Orders

# Warnings of the libraries below are none of ours.
pytestmark = pytest.mark.filterwarnings("default")

IMAGE = np.full((16, 16, 3), 90, np.uint8)
NAMES = ["film_f1_0.jpg", "mean face/film +ü_f2_0.png"]


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a server of buckets."""
    with buckets() as address:
        yield address


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str) -> Iterator[list[float]]:
    """No waiting, and no keys but those of the test."""
    waited = list[float]()
    monkeypatch.setattr(remote, "_wait", waited.append)
    only_these_keys(monkeypatch, tmp_path)
    at(monkeypatch, store)
    yield waited
    forget()


@pytest.fixture
def name(store: str, tmp_path: Path) -> str:
    """A folder in a bucket of the test's own."""
    bucket = f"b{abs(hash(str(tmp_path))):x}"
    assert ask(store, "PUT", f"/{bucket}", b"")[0] == 200
    return f"s3://{bucket}/out"


@pytest.fixture
def shelf(name: str) -> Iterator[Shelf]:
    made = Shelf(name)
    yield made
    made.close()


def put(shelf: Shelf) -> dict[str, bytes]:
    shelf.begin()
    for each in NAMES:
        shelf.write(each, IMAGE)
    left = shelf.leave(NAMES)
    shelf.settle()
    return left


def test_put_copied_and_taken_away(shelf: Shelf, name: str, store: str, tmp_path: Path) -> None:
    left, bucket, path = put(shelf), Bucket(name), tmp_path / "stands.in"
    for each in NAMES:
        path.write_bytes(left[each])
        away = away_of(path, len(left[each]))
        assert away is not None
        assert bucket.read(away.place, 10**6) == encoded(each, IMAGE, None)
        bucket.copy(away.place, each)
        assert bucket.read(each, 10**6) == encoded(each, IMAGE, None)
    _, headers, _ = ask(store, "HEAD", f"/{name.removeprefix('s3://')}/{NAMES[0]}", b"")
    assert {key.lower(): value for key, value in headers}["content-type"] == "image/jpeg"
    parts = bucket.sizes_bytes(PARTS)
    assert len(parts) == len(NAMES)
    bucket.remove_all([*parts, f"{PARTS}/gone"])
    assert bucket.sizes_bytes().keys() == set(NAMES)


def test_two_attempts_are_never_in_each_others_way(shelf: Shelf, name: str) -> None:
    assert not set(put(shelf).values()) & set(put(shelf).values())
    assert len(Bucket(name).sizes_bytes(PARTS)) == 2 * len(NAMES)


def test_nothing_to_copy(name: str) -> None:
    with pytest.raises(MissingError):
        Bucket(name).copy("none.jpg", "file.jpg")


def test_a_store_that_is_busy(
    store: str, name: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set[tuple[str, str]]()

    def moody(handler: Handler, _: int) -> bool:
        """Whatever is asked is to be asked again."""
        question = str(handler.command), handler.path.partition("?")[0]
        if question in asked:
            return False
        asked.add(question)
        handler.reply(b"<Error><Code>SlowDown</Code></Error>", 503)
        return True

    with between(store, moody) as server:
        at(monkeypatch, server.address)
        shelf, bucket = Shelf(name), Bucket(name)
        put(shelf)
        bucket.remove_all(list(bucket.sizes_bytes(PARTS)))
        shelf.close()
    assert len(waits) == 4  # two images, the list, and taking them away
    at(monkeypatch, store)
    assert Bucket(name).sizes_bytes() == {}


def test_a_store_that_stays_busy(store: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(handler: Handler, _: int) -> bool:
        handler.reply(b"<Error><Code>SlowDown</Code></Error>", 503)
        return True

    with between(store, busy) as server:
        at(monkeypatch, server.address)
        shelf = Shelf(name)
        with pytest.raises(OutputError, match="it goes on where it stopped"):
            put(shelf)
        shelf.close()


@pytest.mark.parametrize("code", ["AccessDenied", "InternalError"])
def test_what_is_not_taken_away_is_told(
    store: str, name: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def keeps(handler: Handler, _: int) -> bool:
        said = f"<Error><Key>x</Key><Code>{code}</Code></Error>"
        handler.reply(f"<DeleteResult>{said}</DeleteResult>".encode())
        return True

    with between(store, keeps) as server:
        at(monkeypatch, server.address)
        kind = AccessError if code == "AccessDenied" else MediaError
        with pytest.raises(kind, match=rf"{name}/x.*{code}"):
            Bucket(name).remove_all(["x"])


class TestAWorkerThatBegins:
    @pytest.fixture
    def begun(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seer:
        context = SimpleNamespace(get_node_id=lambda: "node")
        node = SimpleNamespace(get_node_ip_address=lambda: "10.0.0.7")
        ray = SimpleNamespace(get_runtime_context=lambda: context, util=node)
        monkeypatch.setitem(sys.modules, "ray", ray)
        settings, how = ProcessSettings(), RecognitionSettings()
        orders = Orders(settings, how, Asked((), (), 0.6, "euclidean"), None, painted_eyes(), name)
        return Seer(orders, str(tmp_path))

    def test_with_keys(self, begun: Seer, name: str) -> None:
        assert isinstance(begun.begin(), Ready)
        assert Bucket(name).sizes_bytes() == {}

    def test_without(self, begun: Seer, monkeypatch: pytest.MonkeyPatch) -> None:
        for key in KEYS:
            monkeypatch.delenv(key)
        forget()
        told = self.told(begun)
        assert isinstance(told, AccessError)
        assert "AWS_ACCESS_KEY_ID" in str(told)

    def test_with_keys_that_may_not_remove(
        self, begun: Seer, store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def deny(handler: Handler, _: int) -> bool:
            if handler.command == "DELETE":
                handler.reply(b"<Error><Code>AccessDenied</Code></Error>", 403)
            return bool(handler.command == "DELETE")

        with between(store, deny) as server:
            at(monkeypatch, server.address)
            assert "no permission to remove" in str(self.told(begun))

    def told(self, seer: Seer) -> FaceGrabError:
        answer = seer.begin()
        assert isinstance(answer, Refused)
        assert answer.host == "10.0.0.7"
        return answer.error
