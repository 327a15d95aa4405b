"""Results in a bucket of a real server of S3's kind, as the command line puts them there.

``make cluster-test`` installs what these tests need and runs them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from buckets import KEYS, ask, at, between, buckets, forget, only_these_keys
from fakes import painted_eyes
from servers import Handler
from stopped import left, make_sources

from facegrab import mirror
from facegrab.cli import main
from facegrab.errors import OutputError
from facegrab.grab import FaceGrab
from facegrab.media import remote, transport
from facegrab.mirror import STATE_NAME
from facegrab.options import FAILED, OK
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.output import Output

# Warnings of the libraries below are none of ours.
pytestmark = pytest.mark.filterwarnings("default")

SETTINGS = ["-sf", "0", "-xs", "64", "-s", "0.5", "-t", "0.6", "-j", "1"]
RUN = """
import sys
from fakes import painted_eyes
from facegrab import mirror
from facegrab.media import remote, segments
from facegrab.vision import eyes
segments.SEGMENT_SECONDS = 0.15
remote._wait = lambda _: None
mirror.EVERY_SECONDS, mirror.MOST_OF_TIME = 0.0, 0
eyes.open_eyes = lambda *_, **options: painted_eyes()
from facegrab.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a server of buckets."""
    with buckets() as address:
        yield address


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A film whose end tells that some extracts were another's."""
    return make_sources(tmp_path_factory.mktemp("film"))


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str) -> Iterator[list[float]]:
    """No waiting; no keys but those of the test, and a cache of its own."""
    waited = list[float]()
    monkeypatch.setattr(remote, "_wait", waited.append)
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(mirror, "MOST_OF_TIME", 0)
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    only_these_keys(monkeypatch, tmp_path)
    at(monkeypatch, store)
    yield waited
    forget()


@pytest.fixture
def name(store: str, tmp_path: Path) -> str:
    """A bucket of the test's own."""
    bucket = f"b{abs(hash(str(tmp_path))):x}"
    assert ask(store, "PUT", f"/{bucket}", b"")[0] == 200
    return bucket


def command(film: dict[str, Path], output: str, *more: str) -> list[str]:
    return ["-r", str(film["red"]), "-i", str(film["drift"]), "-o", output, *SETTINGS, *more]


def fetched(name: str, place: Path) -> dict[str, Any]:
    """What is in a bucket's folder out, but for what it says of itself."""
    files: Any = transport.transport_of("s3").files  # type: ignore[attr-defined]
    for path in files.find(f"{name}/out"):
        below = path.removeprefix(f"{name}/out/")
        if below != STATE_NAME:
            (place / below).parent.mkdir(parents=True, exist_ok=True)
            files.get_file(path, str(place / below))
    return seen(place)


def seen(folder: Path) -> dict[str, Any]:
    """Every file but hidden ones, and every row of the index."""
    return {name: content for name, content in left(folder).items() if not name.startswith(".")}


def linked(page: Path) -> set[str]:
    """Where a page's links and pictures lead."""
    found = re.findall(r'(?:src|href)="([^"#]+)', page.read_text())
    return {unquote(unescape(each)) for each in found if not each.startswith("data:")}


@pytest.mark.usefixtures("short_segments", "fake_networks")
class TestRun:
    def test_all_of_it(
        self, name: str, film: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(command(film, f"s3://{name}/out", "--best", "2")) == OK
        (work,) = (tmp_path / "cache" / "outputs").iterdir()
        there = fetched(name, tmp_path / "there")
        assert there == seen(work)
        assert {"facegrab.db", "facegrab.csv", "index.html", "best/best.csv"} <= there.keys()
        links = linked(tmp_path / "there" / "index.html")
        assert any(each.endswith(".jpg") for each in links)
        dead = {each for each in links if not (tmp_path / "there" / each).exists()}
        assert {Path(each).name for each in dead} == {"drift.mp4"}  # which lies on this machine
        told = capsys.readouterr().out
        assert f"what goes to s3://{name}/out lies in {work}, too" in told
        assert f"the index are in s3://{name}/out" in told

    def test_another_machine_goes_on(
        self, name: str, film: dict[str, Path], tmp_path: Path
    ) -> None:
        output = f"s3://{name}/out/"
        assert main(command(film, output, "--work", str(tmp_path / "one"))) == OK
        other = [*command(film, output, "--work", str(tmp_path / "two")), "-i", str(film["short"])]
        assert main(other) == OK
        there = fetched(name, tmp_path / "there")
        assert there == seen(tmp_path / "two")
        assert len(there) > len(seen(tmp_path / "one"))

    def test_a_store_that_is_busy(
        self, store: str, name: str, film: dict[str, Path], tmp_path: Path, waits: list[float],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        def moody(handler: Handler, number: int) -> bool:
            if handler.command == "PUT" and number % 5 == 0:
                handler.reply(b"<Error><Code>SlowDown</Code></Error>", 503)
                return True
            return False

        with between(store, moody) as server:
            at(monkeypatch, server.address)
            assert main(command(film, f"s3://{name}/out", "--work", str(tmp_path / "work"))) == OK
        at(monkeypatch, store)
        assert len(waits) > 3
        assert fetched(name, tmp_path / "there") == seen(tmp_path / "work")

    def test_a_store_that_goes_away(
        self, store: str, name: str, film: dict[str, Path], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        def goes(handler: Handler, number: int) -> bool:
            if number > 25:
                handler.reply(b"", 503)
            return number > 25

        words = command(film, f"s3://{name}/out", "--work", str(tmp_path / "work"))
        with between(store, goes) as server:
            at(monkeypatch, server.address)
            assert main(words) == FAILED
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(r"run the same command again.*; nothing is lost: .*work", line)
        at(monkeypatch, store)
        assert main(words) == OK
        assert fetched(name, tmp_path / "there") == seen(tmp_path / "work")


@pytest.mark.parametrize("puts", [4, 9, 15, 26])
@pytest.mark.parametrize("where", ["work", "another machine"])
def test_killed_and_run_again(
    store: str, name: str, film: dict[str, Path], tmp_path: Path, puts: int, where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    started = list[subprocess.Popen[bytes]]()
    sent = 0

    def kill(handler: Handler, _: int) -> bool:
        nonlocal sent
        sent += handler.command == "PUT"
        if sent == puts:
            started[0].kill()
        return sent >= puts

    words = command(film, f"s3://{name}/out", "--work", str(tmp_path / "work"))
    with between(store, kill) as server:
        at(monkeypatch, server.address)
        monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
        with subprocess.Popen([sys.executable, "-c", RUN, *words]) as process:
            started.append(process)
        assert process.returncode == -9
    at(monkeypatch, store)
    words[-1] = str(tmp_path / where)
    assert subprocess.run([sys.executable, "-c", RUN, *words], check=False).returncode == OK
    there = fetched(name, tmp_path / "there")
    assert there == seen(tmp_path / where)
    assert len(there) > 10


@pytest.mark.usefixtures("short_segments")
class TestRefused:
    """In one line, and before the networks are loaded: there are none."""

    @pytest.fixture
    def refused(
        self, film: dict[str, Path], capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Callable[[str], str]:  # fmt: skip
        def no_networks(*_: object, **__: object) -> None:
            raise AssertionError

        monkeypatch.setattr("facegrab.vision.eyes.open_eyes", no_networks)

        def told(output: str) -> str:
            assert main(command(film, output)) == FAILED
            (line,) = capsys.readouterr().err.splitlines()
            return line

        return told

    def test_no_bucket(self, refused: Callable[[str], str]) -> None:
        assert "no such bucket: s3://no-such-bucket" in refused("s3://no-such-bucket/out")

    def test_no_keys(
        self, name: str, refused: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for key in KEYS:
            monkeypatch.delenv(key)
        forget()
        assert "AWS_ACCESS_KEY_ID" in refused(f"s3://{name}/out")

    @pytest.mark.parametrize(("method", "doing"), [("PUT", "write"), ("DELETE", "remove")])
    def test_keys_that_do_not_allow_it(
        self, store: str, name: str, refused: Callable[[str], str],
        monkeypatch: pytest.MonkeyPatch, method: str, doing: str,
    ) -> None:  # fmt: skip
        def deny(handler: Handler, _: int) -> bool:
            if handler.command == method:
                handler.reply(b"<Error><Code>AccessDenied</Code></Error>", 403)
            return bool(handler.command == method)

        with between(store, deny) as server:
            at(monkeypatch, server.address)
            line = refused(f"s3://{name}/out")
        assert f"no permission to {doing} s3://{name}/out/" in line

    def test_other_files(self, store: str, name: str, refused: Callable[[str], str]) -> None:
        ask(store, "PUT", f"/{name}/out/holiday.jpg", b"mine")
        assert "holds other files" in refused(f"s3://{name}/out")

    def test_an_address_that_cannot_be_kept(self, refused: Callable[[str], str]) -> None:
        assert "//, . or .." in refused("s3://bucket//out")


@pytest.mark.usefixtures("short_segments", "fake_networks")
class TestChangedThere:
    """A folder in a bucket, by its address: what is changed is sent at once."""

    @pytest.fixture
    def output(self, name: str, film: dict[str, Path]) -> str:
        assert main(command(film, f"s3://{name}/out")) == OK
        return f"s3://{name}/out"

    @pytest.mark.parametrize("where", ["here", "another machine"])
    def test_picked(
        self, name: str, output: str, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        (work,) = (tmp_path / "cache" / "outputs").iterdir()
        before = seen(work)
        if where == "another machine":
            monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "other"))
        assert main(["pick", output, "-n", "2"]) == OK
        assert f"the index are in {output}" in capsys.readouterr().out
        there = fetched(name, tmp_path / "there")
        extracts = {each for each in before if each.endswith(".jpg")}
        assert {each: there[each] for each in extracts} == {e: before[e] for e in extracts}
        best = [each for each in there if re.fullmatch(r"best/\d+_.*\.jpg", each)]
        assert {there[each] for each in best} <= {before[each] for each in extracts}
        assert len(best) == 2
        assert "best/" in (tmp_path / "there" / "index.html").read_text()

    def test_reported_and_reviewed(self, name: str, output: str, tmp_path: Path) -> None:
        files: Any = transport.transport_of("s3").files  # type: ignore[attr-defined]
        files.rm_file(f"{name}/out/index.html")
        assert main(["report", output]) == OK
        assert main(["review", "--apply", output]) == OK
        (work,) = (tmp_path / "cache" / "outputs").iterdir()
        assert fetched(name, tmp_path / "there") == seen(work)
        assert files.exists(f"{name}/out/index.html")

    def test_nothing_there(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["pick", f"s3://{name}/typo"]) == FAILED
        assert "typo holds no index" in capsys.readouterr().err
        files: Any = transport.transport_of("s3").files  # type: ignore[attr-defined]
        assert files.find(f"{name}/typo") == []


@pytest.mark.usefixtures("short_segments")
def test_from_python(name: str, film: dict[str, Path], tmp_path: Path) -> None:
    grab = FaceGrab(
        film["red"], RecognitionSettings(0.6, jitter=1),
        ProcessSettings(skip_frames=0, extract_size=64, scale=0.5), eyes=painted_eyes(),
    )  # fmt: skip
    told = list[Output]()
    grab.process(film["drift"], f"s3://{name}/out", committed=told.append)
    grab.process(film["drift"], tmp_path / "local")
    assert fetched(name, tmp_path / "there") == seen(tmp_path / "local")
    assert told
    with pytest.raises(OutputError, match="lies in what is searched"):
        grab.process(f"s3://{name}", f"s3://{name}/more")
