"""Videos on a web server: what a copy of them gives, whatever the server does."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clips import write_clip
from fakes import painted_eyes, pictures, query, scene
from servers import Handler, Server, serving, without_proxies

from facegrab.address import Address, located
from facegrab.cataloguing import scan_into
from facegrab.errors import AccessError, DeviceError, MediaError, MissingError, OutputError
from facegrab.grab import FaceGrab
from facegrab.media import read_image, remote, transport
from facegrab.media.content import content_key
from facegrab.media.source import Source, find_sources
from facegrab.merging import merge
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.summary import Summary
from facegrab.view.links import link

PROCESS: dict[str, Any] = {"skip_frames": 0, "extract_size": 64, "scale": 0.5}
BLOCK = 2048
Fault = Callable[[Handler, int], bool]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Small blocks, and no waiting: seconds that would have been waited."""
    waited = list[float]()
    monkeypatch.setattr(remote, "_wait", waited.append)
    monkeypatch.setattr(remote, "BLOCK_BYTES", BLOCK)
    without_proxies(monkeypatch)
    return waited


@contextmanager
def web(*files: Path, fault: Fault = lambda *_: False) -> Iterator[Server]:
    """A server of some files by their names.

    Args:
        files: that it has.
        fault: is given each request, and its number; true where it has answered it in its way.
    """
    content = {f"/films/{file.name}": file.read_bytes() for file in files}

    def answer(handler: Handler) -> None:
        if fault(handler, len(handler.server.requests)):
            return
        found = content.get(handler.path.partition("?")[0])
        handler.reply(b"", 404) if found is None else handler.serve_part(found)

    with serving(answer) as server:
        yield server


def run(red: Path | str, source: str | Path, folder: Path, **process: Any) -> Summary:
    grab = FaceGrab(
        red, RecognitionSettings(0.6, jitter=1), ProcessSettings(**PROCESS, **process),
        eyes=painted_eyes(),
    )  # fmt: skip
    return grab.process(source, folder)


def seen(folder: Path) -> list[Any]:
    """All that was seen and decided, but not where the source lies."""
    columns = "frame, number, pts_seconds, x0, y0, embedding, sharpness, shot, track"
    return [
        pictures(folder),
        query(folder, f"SELECT {columns} FROM face ORDER BY frame, number"),
        query(folder, "SELECT content, frames_read, complete, warnings FROM scan"),
    ]


@pytest.fixture
def local(red: Path, clip: Path, tmp_path: Path) -> list[Any]:
    """What a copy gives."""
    run(red, clip, tmp_path / "local")
    return seen(tmp_path / "local")


def test_a_run(red: Path, clip: Path, tmp_path: Path, local: list[Any], waits: list[float]) -> None:
    with web(clip) as server:
        address = f"{server.address}/films/clip.mp4"
        summary = run(red, address, tmp_path / "out")
        assert seen(tmp_path / "out") == local
        assert query(tmp_path / "out", "SELECT path FROM scan") == [(address,)]
        assert query(tmp_path / "out", "SELECT path FROM source") == [(address,)]
        # Known again: only what tells the content is read.
        before = len(server.requests)
        assert run(red, address, tmp_path / "out").sources_known == 1
        assert len(server.requests) - before < 40
    assert (summary.warnings, waits) == ([], [])
    # So is a copy.
    assert run(red, clip, tmp_path / "out").sources_known == 1


def test_processes(
    red: Path, clip: Path, tmp_path: Path, local: list[Any], short_segments: None
) -> None:
    with web(clip) as server:
        run(red, f"{server.address}/films/clip.mp4", tmp_path / "out", jobs=2)
    assert seen(tmp_path / "out")[0] == local[0]


@pytest.mark.usefixtures("short_segments")
def test_shares(clip: Path, tmp_path: Path) -> None:
    settings = [ProcessSettings(**PROCESS, shard=each) for each in ("1/2", "2/2")]
    with web(clip) as server:
        address = f"{server.address}/films/clip.mp4"
        files = [tmp_path / f"{number}.db" for number in range(2)]
        for file, process in zip(files, settings, strict=True):
            scan_into(file, address, process, eyes=painted_eyes())
    scan_into(tmp_path / "one" / "facegrab.db", clip, ProcessSettings(**PROCESS),
              eyes=painted_eyes())  # fmt: skip
    merged = merge(files, tmp_path / "two" / "facegrab.db")
    assert (merged.sources, merged.warnings) == (1, [])
    assert seen(tmp_path / "two") == seen(tmp_path / "one")
    assert query(tmp_path / "two", "SELECT path FROM scan") == [(address,)]


def test_pictures_and_references(red: Path, tmp_path: Path) -> None:
    with web(red) as server:
        address = f"{server.address}/films/red.png"
        (source,) = find_sources(address)
        assert source.images == (located(address),)
        assert (read_image(source.path) == read_image(red)).all()
        assert run(address, address, tmp_path / "out").faces_written == 1


def test_throttled(
    red: Path, clip: Path, tmp_path: Path, local: list[Any], waits: list[float]
) -> None:
    def busy(handler: Handler, number: int) -> bool:
        if number % 5 in (1, 2):
            handler.reply(b"", 503 if number % 2 else 429)
            return True
        return False

    with web(clip, fault=busy) as server:
        run(red, f"{server.address}/films/clip.mp4", tmp_path / "out")
    assert seen(tmp_path / "out") == local
    assert set(waits) == {0.5, 1.0}


def test_cut_connections(
    red: Path, clip: Path, tmp_path: Path, local: list[Any], waits: list[float]
) -> None:
    content = clip.read_bytes()

    def cut(handler: Handler, number: int) -> bool:
        if number % 3 == 0:
            handler.serve_part(content, cut_after=number % 2 and 100)
        return number % 3 == 0

    with web(clip, fault=cut) as server:
        run(red, f"{server.address}/films/clip.mp4", tmp_path / "out")
    assert seen(tmp_path / "out") == local
    assert waits


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_cut_off_for_good_is_no_short_film(
    red: Path, tmp_path: Path, suffix: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the server goes away: the film is seen as it is, or it is said that it was not."""
    monkeypatch.setattr(remote, "BLOCK_BYTES", 512)
    frames = [scene(red=(4 * n, 20)) for n in range(40)]
    film = write_clip(
        tmp_path / f"film.{suffix}", frames, options={"g": "4", "sc_threshold": "0", "qp": "4"}
    )
    run(red, film, tmp_path / "local")
    blocks = film.stat().st_size // 512
    left = 0

    def gone(handler: Handler, number: int) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            handler.reply(b"", 503)
        return left < 0

    said = list[str]()
    with web(film, fault=gone) as server:
        address = f"{server.address}/films/film.{suffix}"
        for share in (0.2, 0.6, 1.0, 1.2, 1.5, 1.9):
            left = round(blocks * share)
            try:
                run(red, address, tmp_path / str(share))
            except MediaError as error:
                said.append(str(error))
                assert waits[-6:] == list(remote.WAITS_SECONDS)
                left = 10**6
                run(red, address, tmp_path / str(share))
            assert seen(tmp_path / str(share)) == seen(tmp_path / "local")
    assert len(said) >= 3
    for each in said:
        assert f"{address} cannot be read (503 " in each
        assert "run the same command again" in each


@pytest.mark.parametrize(
    ("name", "status", "error", "words"),
    [
        ("none.mp4", 404, MissingError, "no such file: http"),
        ("clip.mp4", 403, AccessError, "no permission to read http"),
        ("clip.mp4", 401, AccessError, "no permission to read http"),
        ("clip.mp4", 200, MediaError, "does not give parts"),
        ("clip.mp4", 418, MediaError, "says 418"),
        ("clip.mp4", 503, MediaError, r"503 .*, 7 times"),
        ("", 404, MissingError, "name the files"),
    ],
)
def test_refused(clip: Path, name: str, status: int, error: type[Exception], words: str) -> None:
    def refuse(handler: Handler, _: int) -> bool:
        handler.reply(b"x" * 100, status)
        return True

    with web(clip, fault=refuse) as server, pytest.raises(error, match=words) as caught:
        find_sources(f"{server.address}/films/{name}")
    assert "\n" not in str(caught.value)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").touch()
    with web(tmp_path / "no.mp4") as server:
        (source,) = find_sources(f"{server.address}/films/no.mp4")
        with pytest.raises(MediaError, match=r"no\.mp4 is empty"):
            content_key(source)


def test_nobody_there(waits: list[float]) -> None:
    with serving(lambda _: None) as server:
        address = server.address
    with pytest.raises(MediaError, match="cannot be read"):
        find_sources(f"{address}/a.mp4")
    assert len(waits) == len(remote.WAITS_SECONDS)


@pytest.mark.parametrize(
    "name", ["http://host/a//b.mp4", "http://host/a/../b.mp4", "https://me:secret@host/b.mp4"]
)
def test_addresses_that_are_none(name: str) -> None:
    with pytest.raises(MissingError, match="is not read"):
        find_sources(name)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    transport.transport_of.cache_clear()
    with pytest.raises(DeviceError, match=r"facegrab\[s3\]"):
        find_sources("s3://bucket/film.mp4")


def test_a_file_here_by_its_address(clip: Path) -> None:
    assert find_sources(clip.as_uri()) == [Source(clip)]


def test_what_a_source_is_called() -> None:
    address = located("https://host/films/The%20Film.mp4?sign=a/b")
    assert Source(address).name == "The%20Film"
    assert str(address.absolute()) == "https://host/films/The%20Film.mp4?sign=a/b"
    assert link(address, Path("/x")) == str(address)
    sent = pickle.loads(pickle.dumps(address))  # as to a worker
    assert (sent, str(sent), type(sent)) == (address, str(address), Address)
    assert str(located("s3://b/a film.mp4").parent / "other.mp4") == "s3://b/other.mp4"


def test_only_so_much_is_kept(clip: Path) -> None:
    content = clip.read_bytes()
    with web(clip) as server:
        address = located(f"{server.address}/films/clip.mp4")
        assert isinstance(address, Address)
        file = remote.RemoteFile(address, len(content), 256)
        assert file.read() == content
        assert len(file._blocks) == remote.MOST_BLOCKS
        file.seek(-300, 2)
        before = len(server.requests)
        assert file.read(1000) == content[-300:]
        assert file.read(1) == b""
        assert len(server.requests) == before  # they are kept
        file.seek(10)
        assert (file.read(5), file.tell()) == (content[10:15], 15)


def test_a_scheme_that_nobody_knows() -> None:
    with pytest.raises(MissingError, match=r"gs://bucket/a\.mp4: of addresses s3://"):
        find_sources("gs://bucket/a.mp4")


def test_results_are_written_here_and_into_buckets_only(red: Path, clip: Path) -> None:
    with pytest.raises(OutputError, match="this machine's folders only"):
        FaceGrab(red, eyes=painted_eyes()).process(clip, "https://host/out")
    for where in ("s3://bucket/seen.db", "https://host/seen.db"):
        with pytest.raises(OutputError, match="this machine's folders only"):
            scan_into(where, clip, eyes=painted_eyes())
        assert not Path(f"{where.partition(':')[0]}:").exists()
