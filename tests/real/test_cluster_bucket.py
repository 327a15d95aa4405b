"""A cluster whose workers put extracts into a bucket, killed: what one process writes here.

``make cluster-test`` runs it, in a minute or two.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from buckets import ask, at, buckets, forget, only_these_keys
from clips import shared_media
from fakes import rows

from facegrab.media import transport
from facegrab.mirror import STATE_NAME
from facegrab.store.away import PARTS, away_of

# Warnings of the libraries below are none of ours.
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("default")]

LONGEST_SECONDS = 300.0
"""That anything here may take."""
_BUCKET = "media"
PROGRAM = """
import sys
from facegrab import copying, mirror
from facegrab.cli import main
mirror.FEWEST_COPIES, copying.AT_A_TIME = 50, 20
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def media() -> Path:
    pytest.importorskip("ray", reason="Ray is not installed: make cluster-test")
    found = shared_media()
    if found is None:
        pytest.skip("the shared media are not here")
    return found


@pytest.fixture(scope="module")
def cluster(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head that computes nothing, two nodes with a processor each, and a bucket."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, buckets() as store:
        only_these_keys(patch, tmp_path_factory.mktemp("keys"))
        at(patch, store)
        assert ask(store, "PUT", f"/{_BUCKET}", b"")[0] == 200
        patch.setenv("PYTHONPATH", os.pathsep.join(each for each in sys.path if each))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 10**8}
        there = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            there.add_node(num_cpus=1, object_store_memory=10**8)
        there.wait_for_nodes()
        yield there
        there.shutdown()
        forget()


class Runs:
    """Runs of the command line over two clips."""

    def __init__(self, media: Path, place: Path, cluster: Any) -> None:
        clip = media / "video" / "face_recognition__short_hamilton_clip.mp4"
        others = sorted((media / "video").glob("*.m[kp][v4g]"))
        self._films = [clip, *[each for each in others if each != clip][:6]]
        self._person = media / "people" / "lin-manuel-miranda.png"
        self._place = place
        self._cluster = cluster

    def start(self, output: str, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, "-r", str(self._person), "-o", output]
        command += ["-i", *map(str, self._films), "-sf", "1", "--threads", "1"]
        command += ["--detector", "mtcnn", *more]
        with (self._place / "said").open("ab") as said:
            return subprocess.Popen(command, stdout=said, stderr=said)

    def start_there(self, output: str, work: str) -> subprocess.Popen[bytes]:
        address = str(self._cluster.address)
        engine = ("--engine", "ray", "--address", address)
        return self.start(output, *engine, "--work", str(self._place / work))

    def said(self) -> str:
        return (self._place / "said").read_text(errors="replace")


def test_killed_and_from_another_machine(cluster: Any, media: Path, tmp_path: Path) -> None:
    runs, output = Runs(media, tmp_path, cluster), f"s3://{_BUCKET}/out"
    local = tmp_path / "local"
    assert runs.start(str(local)).wait(LONGEST_SECONDS) == 0

    driver = runs.start_there(output, "one")
    _wait(lambda: _named(PARTS), driver)
    driver.kill()
    driver.wait()

    driver = runs.start_there(output, "two")
    before = set(_named(PARTS))
    _wait(lambda: set(_named(PARTS)) - before, driver)
    os.kill(_worker(), signal.SIGKILL)
    assert driver.wait(LONGEST_SECONDS) == 0, runs.said()

    there = tmp_path / "there"
    for path in _named(""):
        (there / path).parent.mkdir(parents=True, exist_ok=True)
        _files().get_file(f"{_BUCKET}/out/{path}", str(there / path))
    assert _below(there).keys() - {STATE_NAME} == _below(local).keys()
    assert {**_below(there), STATE_NAME: b""} == {**_below(local), STATE_NAME: b""}
    work = [each for each in (tmp_path / "two").rglob("*.jpg") if away_of(each, _size(each))]
    assert len(work) > 10  # of these nothing was here
    assert rows(there) == rows(local)


def _files() -> Any:
    return transport.transport_of("s3").files  # type: ignore[attr-defined]


def _named(folder: str) -> list[str]:
    """Objects of the bucket's folder, below a folder in it."""
    start = f"{_BUCKET}/out/"
    return [each.removeprefix(start) for each in _files().find(f"{start}{folder}".rstrip("/"))]


def _size(path: Path) -> int:
    return path.stat().st_size


def _below(folder: Path) -> dict[str, bytes]:
    """Every file but the index and the report, which says how long it took."""
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in sorted(folder.rglob("*"))
        if each.is_file() and each.name != "facegrab.db" and each.suffix != ".html"
    }


def _wait(until: Callable[[], object], driver: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LONGEST_SECONDS
    while not until():
        assert driver.poll() is None, "the run has ended before it was disturbed"
        assert time.monotonic() < end
        with suppress(subprocess.TimeoutExpired):
            driver.wait(0.05)


def _worker() -> int:
    """The process of an actor that looks."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::Seer"):
                return int(folder.name)
    raise AssertionError("nobody looks")
