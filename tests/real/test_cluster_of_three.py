"""Three nodes, real clips, the real networks: killed in every way, and what one process makes.

``make cluster-test`` runs it, in some minutes.
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

import av
import pytest
from clips import shared_media
from fakes import rows

# Ray's own warnings are none of ours.
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("default")]

LONG_SECONDS = 600
SHORT_FILMS = 20
A_SEGMENT = 50
"""Extracts, at least one segment's and not all of them."""
LONGEST_SECONDS = 300.0
"""That anything here may take."""


@pytest.fixture(scope="module")
def media() -> Path:
    pytest.importorskip("ray", reason="Ray is not installed: make cluster-test")
    found = shared_media()
    if found is None:
        pytest.skip("the shared media are not here")
    return found


@pytest.fixture(scope="module")
def cluster(media: Path) -> Iterator[Any]:
    """A head that computes nothing and two nodes with a processor each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(each for each in sys.path if each))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 10**8}
        there = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            _add_node(there)
        there.wait_for_nodes()
        yield there
        there.shutdown()


@pytest.fixture(scope="module")
def films(media: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of ten minutes, and twenty short ones."""
    clip = media / "video" / "face_recognition__short_hamilton_clip.mp4"
    long = _joined(clip, tmp_path_factory.mktemp("films") / "long.mp4")
    short = sorted((media / "video").glob("*.m[kp][v4g]"))
    return [long, *[each for each in short if each != clip][:SHORT_FILMS]]


def test_killed_in_every_way_it_ends_as_one_process_does(
    cluster: Any, media: Path, films: list[Path], tmp_path: Path
) -> None:
    person = media / "people" / "lin-manuel-miranda.png"

    def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "facegrab", "-r", str(person), "-i", *map(str, films)]
        command += ["-o", str(folder), "--detector", "mtcnn", "--threads", "1", *more]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with (tmp_path / "said").open("ab") as said:
            return subprocess.Popen(command, env=environment, stdout=said, stderr=said)

    local, out = tmp_path / "local", tmp_path / "out"
    assert start(local).wait(LONGEST_SECONDS) == 0
    engine = ("--engine", "ray", "--address", cluster.address)

    driver = start(out, *engine)
    _wait(lambda: _written(out) > 0, driver)
    driver.kill()
    driver.wait()

    driver = start(out, *engine)
    before = _written(out)
    _wait(lambda: _written(out) >= before + A_SEGMENT, driver)
    os.kill(_worker(), signal.SIGKILL)
    before = _written(out)
    _wait(lambda: _written(out) >= before + A_SEGMENT, driver)
    cluster.remove_node(cluster.worker_nodes.copy().pop())
    _add_node(cluster)
    assert driver.wait(LONGEST_SECONDS) == 0, (tmp_path / "said").read_text(errors="replace")

    assert _files(out) == _files(local)
    assert len(_files(out)) > SHORT_FILMS
    assert rows(out) == rows(local)


def _add_node(cluster: Any) -> None:
    cluster.add_node(num_cpus=1, object_store_memory=10**8)


def _joined(clip: Path, path: Path) -> Path:
    """A clip's packets again and again."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        stream = target.add_stream_from_template(video)
        packets = [each for each in source.demux(video) if each.dts is not None]
        first = min(each.dts for each in packets if each.dts is not None)
        length = sum(each.duration or 0 for each in packets)
        assert video.time_base is not None
        for turn in range(round(LONG_SECONDS / float(length * video.time_base)) + 1):
            source.seek(first, stream=video)
            for packet in source.demux(video):
                if packet.dts is None or packet.pts is None:
                    continue
                packet.dts += turn * length
                packet.pts += turn * length
                packet.stream = stream
                target.mux(packet)
    return path


def _written(folder: Path) -> int:
    """Extracts of segments that are committed: the index is locked while a run has it."""
    return len(list(folder.glob("long_*.jpg")))


def _wait(until: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
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


def _files(folder: Path) -> dict[str, bytes]:
    """Every file but the index and the report, which says how long it took."""
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in sorted(folder.rglob("*"))
        if each.is_file() and each.name != "facegrab.db" and each.suffix != ".html"
    }
