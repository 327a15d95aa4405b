"""The cache holds whole files or none, whoever else works in it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facegrab import cache
from facegrab.errors import WeightsError

CONTENT = b"some bytes " * 1000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder, which does not exist yet."""
    folder = tmp_path / "one" / "cache [a]"
    monkeypatch.setenv("FACEGRAB_CACHE", str(folder))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def found(name: str = "thing") -> bytes | None:
    hit = cache.find(name, ".bin")
    return None if hit is None else hit[1].tobytes()


def test_what_is_put_is_found(folder: Path) -> None:
    assert cache.find("thing", ".bin") is None
    path = cache.put("thing", ".bin", [CONTENT, np.arange(6.0).reshape(2, 3).data])
    assert path.parent == folder
    assert found() == CONTENT + np.arange(6.0).tobytes() == path.read_bytes()
    assert found("thin") is None
    assert cache.find("thing", ".onnx") is None
    assert names(folder) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_get_the_permissions_that_the_user_wants() -> None:
    umask = os.umask(0o022)
    try:
        path = cache.put("thing", ".bin", [CONTENT])
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o644


def _cut(content: bytes) -> bytes:
    return content[:-1]


def _emptied(content: bytes) -> bytes:
    return b""


def _flipped(content: bytes) -> bytes:
    return content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]


def _zeroed(content: bytes) -> bytes:
    return content[:4096] + bytes(len(content) - 4096)


def _lengthened(content: bytes) -> bytes:
    return content + b"\0"


def _swapped(content: bytes) -> bytes:
    return content[4096:8192] + content[:4096] + content[8192:]


DAMAGE = [_cut, _emptied, _flipped, _zeroed, _lengthened, _swapped]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_seen_and_mended(
    damage: object, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(damage)
    path = cache.put("thing", ".bin", [CONTENT])
    path.write_bytes(damage(CONTENT))
    with caplog.at_level(logging.WARNING):
        assert found() is None
    assert f"{path} is damaged" in caplog.text
    assert cache.put("thing", ".bin", [CONTENT]) == path
    assert found() == CONTENT
    assert names(folder) == [path.name]


def test_a_damaged_file_of_another_checksum_goes(folder: Path) -> None:
    cache.put("thing", ".bin", [b"made by another version of a library"]).write_bytes(b"damaged")
    other = cache.put("thing", ".bin", [CONTENT])
    assert names(folder) == [other.name]


def test_checksum_sees_every_bit_and_every_cut() -> None:
    content = np.frombuffer(CONTENT[:5000], np.uint8)
    good = cache.checksum(content)
    for bit in range(0, 8 * len(content), 7):
        flipped = content.copy()
        flipped[bit // 8] ^= 1 << bit % 8
        assert cache.checksum(flipped) != good
    assert len({cache.checksum(content[:length]) for length in range(5001)}) == 5001


def test_an_interrupted_put_leaves_nothing(folder: Path) -> None:
    def interrupted() -> Iterator[bytes]:
        yield CONTENT
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.put("thing", ".bin", interrupted())
    assert names(folder) == []


KILLED = """
import os
from facegrab import cache
def parts():
    yield b"x" * 100_000
    os._exit(9)
cache.put("thing", ".bin", parts())
"""


def test_a_killed_process_leaves_nothing_under_the_name(folder: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == 9
    (left,) = folder.iterdir()
    assert left.suffix == ".tmp"
    assert found() is None
    cache.put("thing", ".bin", [CONTENT])
    assert left.exists(), "it may belong to a process that still writes"
    os.utime(left, (0, 0))
    cache.put("other", ".bin", [CONTENT])
    assert not left.exists()
    assert found() == CONTENT


RACING = """
import sys
from facegrab import cache
sys.stdin.read()
for number in range(40):
    name = f"thing{number}"
    cache.put(name, ".bin", [b"%d" % number] * 20_000)
    assert cache.find(name, ".bin")[1].tobytes() == b"%d" % number * 20_000
"""


def test_processes_may_race(folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", RACING]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()  # the starting shot
    assert [racer.wait(30) for racer in racers] == [0, 0, 0]
    assert len(names(folder)) == 40


def test_threads_may_race(folder: Path) -> None:
    start = threading.Barrier(4)
    paths: list[Path] = []

    def race() -> None:
        start.wait()
        paths.extend(cache.put(f"thing{n}", ".bin", [CONTENT]) for n in range(20))

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 80
    assert {path.name for path in paths} == set(names(folder))


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file in its place")
    with pytest.raises(WeightsError, match="FACEGRAB_CACHE") as caught:
        cache.put("thing", ".bin", [CONTENT])
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert found() is None


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeightsError, match="No space left on device"):
        cache.put("thing", ".bin", [CONTENT])
    assert names(folder) == []


def test_hashes_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert cache.content_hash(source) == known  # FIPS 180-2, appendix B.1
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", None)
        assert cache.content_hash(source) == known
    source.write_bytes(b"abd")
    assert cache.content_hash(source) != known


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of change")
def test_a_file_that_hides_its_change_is_hashed_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    before, status = cache.content_hash(source), source.stat()
    source.write_bytes(b"abd")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.content_hash(source) != before


@pytest.mark.parametrize(
    "memo",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"PATH": 5}',
        b'{"PATH": [3, 0, 0, "short"]}',
        b'{"PATH": [3, 0, 0, 7]}',
        b" " * (cache.LARGEST_MEMO_BYTES + 1),
    ],
)
def test_a_damaged_memory_is_forgotten(memo: bytes, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    folder.mkdir(parents=True)
    (folder / cache.MEMO_NAME).write_bytes(memo.replace(b"PATH", str(source).encode()))
    assert cache.content_hash(source).startswith("ba7816bf")
    memos = json.loads((folder / cache.MEMO_NAME).read_bytes())
    assert memos[str(source)][-1].startswith("ba7816bf")


def test_a_memory_that_cannot_be_kept_is_no_error(folder: Path, tmp_path: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file in its place")
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    assert cache.content_hash(source).startswith("ba7816bf")


def test_a_source_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*source"):
        cache.content_hash(tmp_path / "source")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/facegrab"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/facegrab"),
        ("linux", {}, "/home/me/.cache/facegrab"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/home/me/Library/Caches/facegrab"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/facegrab"),
        ("win32", {}, "/home/me/AppData/Local/facegrab"),
        ("linux", {"FACEGRAB_CACHE": "/chosen"}, "/chosen"),
        ("linux", {"FACEGRAB_CACHE": "~/chosen"}, "/home/me/chosen"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
def test_where_the_folder_is(
    platform: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "FACEGRAB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    assert cache.cache_folder() == Path(expected)


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "FACEGRAB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WeightsError, match="set FACEGRAB_CACHE"):
        cache.cache_folder()
