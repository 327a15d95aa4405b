"""A Ray cluster of three nodes on this machine: the files, bytes and rows of one process.

``make cluster-test`` installs what these tests need and runs them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clips import another, write_clip, write_image
from fakes import (
    CtrlC,
    Notes,
    assert_consistent,
    contents,
    paint,
    painted_eyes,
    pictures,
    query,
    rows,
    scene,
)  # fmt: skip
from mishaps import times, troubled_eyes
from servers import serving, without_proxies

from facegrab.address import located
from facegrab.cataloguing import scan_into
from facegrab.early import Early
from facegrab.errors import DeviceError, FaceGrabError, MissingError, SettingError, WeightsError
from facegrab.grab import FaceGrab
from facegrab.media import segments
from facegrab.media.source import Source, find_sources
from facegrab.merging import merge
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.summary import Summary
from facegrab.task import Orders, Task
from facegrab.types import Segment
from facegrab.vision.look import Eyes

# Ray's own warnings are none of ours.
pytestmark = pytest.mark.filterwarnings("default")

FRAMES = 24
"""Of ``film``: six segments of four frames."""
PROCESS: dict[str, Any] = {"skip_frames": 0, "extract_size": 64, "scale": 0.5}
LONGEST_SECONDS = 120.0
"""That two drivers may take, of which one waits for the other."""
TESTS = Path(__file__).parent


def test_a_local_run_never_loads_ray(clip: Path, red: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import fakes, facegrab;"
        "from facegrab import FaceGrab, ProcessSettings;"
        "FaceGrab(sys.argv[2], eyes=fakes.painted_eyes(), process=ProcessSettings(scale=.5))"
        ".process(sys.argv[3], sys.argv[4]);"
        "sys.exit('ray' in sys.modules)"
    )
    arguments = [str(TESTS), str(red), str(clip), str(tmp_path / "out")]
    assert subprocess.run([sys.executable, "-c", program, *arguments], check=False).returncode == 0


class TestWithoutACluster:
    def test_no_ray(self, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(DeviceError, match=r"facegrab\[ray\]"):
            scan(tmp_path / "a.db", [clip], address="auto")
        assert not (tmp_path / "a.db").exists()

    @pytest.mark.parametrize("address", ["here", "host:", ":1", "a b:1", "host:port", ""])
    def test_no_address(self, address: str) -> None:
        with pytest.raises(SettingError, match="HOST:PORT"):
            ProcessSettings(engine="ray", address=address)

    def test_an_address_of_nothing(self) -> None:
        with pytest.raises(SettingError, match="engine ray"):
            ProcessSettings(address="host:1")

    def test_nobody_at_the_address(self, clip: Path, tmp_path: Path) -> None:
        pytest.importorskip("ray", reason="Ray is not installed: make cluster-test")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(DeviceError, match=rf"no Ray cluster answers at 127\.0\.0\.1:{port}"):
            scan(tmp_path / "a.db", [clip], address=f"127.0.0.1:{port}")

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (
                RuntimeError("Version mismatch: The cluster has\n  Ray: 1"),
                "another version",
            ),
            (ConnectionError("Could not find any running Ray instance."), "part of no Ray cluster"),
        ],
    )
    def test_what_ray_refuses_is_one_line(
        self, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception,
        words: str,
    ) -> None:  # fmt: skip
        ray = pytest.importorskip("ray", reason="Ray is not installed: make cluster-test")

        def refuse(**_: Any) -> None:
            raise error

        monkeypatch.setattr(ray, "init", refuse)
        with pytest.raises(DeviceError, match=words) as caught:
            scan(tmp_path / "a.db", [clip], address="auto")
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head that computes nothing and two nodes with a processor each."""
    pytest.importorskip("ray", reason="Ray is not installed: make cluster-test")
    from ray.cluster_utils import Cluster

    short = tmp_path_factory.mktemp("short")
    (short / "sitecustomize.py").write_text(
        "import facegrab.media.segments as s\ns.SEGMENT_SECONDS, s.IMAGES_PER_SEGMENT = 0.15, 2\n",
        "utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        path = [str(short), str(TESTS), *sys.path, os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(each for each in path if each))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 10**8}
        there = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            there.add_node(num_cpus=1, object_store_memory=10**8)
        there.wait_for_nodes()
        yield there
        there.shutdown()


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", 0.15)
    monkeypatch.setattr(segments, "IMAGES_PER_SEGMENT", 2)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A film whose third segment has a blue man too, another one, pictures, one not segmented."""
    folder = tmp_path_factory.mktemp("films")
    options = {"g": "4", "sc_threshold": "0"}
    frames = []
    for n in range(FRAMES):
        frame = scene(red=(4 * n, 20))
        if 8 <= n < 12:
            paint(frame, "blue", 190, 80)
        frames.append(frame)
    film = write_clip(folder / "film.mp4", frames, options=options)
    photos = folder / "photos"
    photos.mkdir()
    for number in range(5):
        write_image(photos / f"{number}.png", scene(red=(10 + 9 * number, 20)))
    odd = write_clip(folder / "odd.avi", [scene(red=(4 * n, 20)) for n in range(9)], codec="mpeg4")
    return [film, photos, odd, another(film, folder / "other.mp4")]


def settings_of(address: str | None, **process: Any) -> ProcessSettings:
    engine = {} if address is None else {"engine": "ray", "address": address}
    return ProcessSettings(**{**PROCESS, **engine, **process})


def scan(index: Path, films: list[Path], *, address: str | None = None, **process: Any) -> Summary:
    return scan_into(index, list(films), settings_of(address, **process), eyes=painted_eyes())


def run(
    red: Path, films: list[Path], folder: Path, address: str | None = None,
    eyes: Eyes | None = None, watcher: Any = None, early: Early | None = None, **process: Any,
) -> Summary:  # fmt: skip
    grab = FaceGrab(
        red, RecognitionSettings(0.6, jitter=1), settings_of(address, **process),
        eyes=eyes or painted_eyes(),
    )  # fmt: skip
    return grab.process(list(films), folder, watcher=watcher, early=early)


@pytest.fixture(scope="module")
def local(red: Path, films: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of the films."""
    folder = tmp_path_factory.mktemp("local")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_SECONDS", 0.15)
        patch.setattr(segments, "IMAGES_PER_SEGMENT", 2)
        run(red, films, folder)
    return folder


def assert_same(folder: Path, local: Path) -> None:
    assert contents(folder) == contents(local)
    assert rows(folder) == rows(local)
    assert_consistent(folder)


def test_a_run(cluster: Any, red: Path, films: list[Path], local: Path, tmp_path: Path) -> None:
    summary = run(red, films, tmp_path / "out", cluster.address)
    assert_same(tmp_path / "out", local)
    assert summary.warnings == []
    assert summary.faces_written == 2 * FRAMES + 5 + 9


def test_workers_that_began_early_with_other_networks_are_in_nobodys_way(
    cluster: Any, red: Path, films: list[Path], local: Path, tmp_path: Path
) -> None:
    (source,) = find_sources([films[0]])
    with Early(source, settings_of(cluster.address)) as early:
        run(red, films, tmp_path / "out", cluster.address, early=early)
    assert_same(tmp_path / "out", local)


def test_a_scan_with_relative_paths(
    cluster: Any, films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(films[0].parent)
    relative = [Path(each.name) for each in films]
    scan(tmp_path / "one" / "facegrab.db", relative)
    scan(tmp_path / "two" / "facegrab.db", relative, address=cluster.address)
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    again = scan(tmp_path / "two" / "facegrab.db", relative, address=cluster.address)
    assert again.sources_known == len(films)


def test_shares_looked_at_by_a_cluster(cluster: Any, films: list[Path], tmp_path: Path) -> None:
    scan(tmp_path / "one" / "facegrab.db", films)
    for number in (1, 2):
        path = tmp_path / f"{number}.db"
        scan(path, films, address=cluster.address, shard=f"{number}/2")
    merge([tmp_path / "1.db", tmp_path / "2.db"], tmp_path / "two" / "facegrab.db")
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_a_worker_that_dies(
    cluster: Any, red: Path, films: list[Path], local: Path, tmp_path: Path
) -> None:
    eyes = troubled_eyes(tmp_path, "dies-once")
    summary = run(red, films, tmp_path / "out", cluster.address, eyes)
    assert times(tmp_path) >= 2
    assert summary.warnings == []
    assert_same(tmp_path / "out", local)


def test_a_segment_that_kills_every_worker_is_set_aside(
    cluster: Any, red: Path, films: list[Path], tmp_path: Path
) -> None:
    summary = run(
        red, films[:2], tmp_path / "out", cluster.address, troubled_eyes(tmp_path, "dies")
    )
    assert times(tmp_path) == 3
    assert len(summary.warnings) == 1
    assert f"{films[0]}: set aside, from frame 8 to 11: " in summary.warnings[0]
    assert summary.faces_written == FRAMES - 4 + 5
    assert_consistent(tmp_path / "out")
    again = run(red, films[:2], tmp_path / "out")
    assert again.sources_known == 2
    assert summary.warnings[0] in again.warnings


def test_one_that_takes_too_long_is_started_elsewhere(
    cluster: Any, red: Path, films: list[Path], local: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("facegrab.desk.LATE_SECONDS", 1.0)
    run(red, films, tmp_path / "out", cluster.address, troubled_eyes(tmp_path, "waits-once"))
    assert times(tmp_path) >= 2
    assert_same(tmp_path / "out", local)


def test_a_node_that_goes_and_one_that_comes(
    cluster: Any, red: Path, films: list[Path], local: Path, tmp_path: Path
) -> None:
    class Removes(Notes):
        def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
            super().step(frames_read, faces_found, faces_written)
            if len(self.steps) == 2:
                cluster.remove_node(cluster.worker_nodes.copy().pop())
                cluster.add_node(num_cpus=1, object_store_memory=10**8)

    run(red, films, tmp_path / "out", cluster.address, watcher=Removes())
    assert_same(tmp_path / "out", local)


def test_a_driver_that_is_stopped_goes_on(
    cluster: Any, red: Path, films: list[Path], local: Path, tmp_path: Path
) -> None:
    stopped = run(red, films, tmp_path / "out", cluster.address, watcher=CtrlC(3))
    assert stopped.interrupted
    summary = run(red, films, tmp_path / "out", cluster.address)
    assert summary.frames_known >= 4
    assert_same(tmp_path / "out", local)


def test_two_drivers_at_a_time(cluster: Any, films: list[Path], tmp_path: Path) -> None:
    """One may have to wait for the other's workers; both come to their end."""
    scan(tmp_path / "one" / "facegrab.db", films)
    program = (
        "import sys; from pathlib import Path; from fakes import painted_eyes;"
        "from facegrab.cataloguing import scan_into; from facegrab.settings import ProcessSettings;"
        "index, address, *films = sys.argv[1:];"
        "scan_into(Path(index), films, ProcessSettings(skip_frames=0, extract_size=64, scale=.5,"
        " engine='ray', address=address), eyes=painted_eyes())"
    )
    both = [tmp_path / name for name in ("two", "three")]
    drivers = [
        subprocess.Popen(
            [sys.executable, "-c", program, folder / "facegrab.db", cluster.address, *films]
        )
        for folder in both
    ]
    assert [each.wait(LONGEST_SECONDS) for each in drivers] == [0, 0]
    for folder in both:
        assert rows(folder) == rows(tmp_path / "one")


def test_a_film_on_a_web_server(
    cluster: Any, red: Path, films: list[Path], local: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    without_proxies(monkeypatch)
    with serving(lambda handler: handler.serve_part(films[0].read_bytes())) as server:
        run(red, [Path(films[0])], tmp_path / "here")
        address = located(f"{server.address}/film.mp4")
        run(red, [address], tmp_path / "there", cluster.address)
    assert rows_of_faces(tmp_path / "there") == rows_of_faces(tmp_path / "here")
    assert pictures(tmp_path / "there") == pictures(tmp_path / "here")


def rows_of_faces(folder: Path) -> list[Any]:
    return query(folder, "SELECT frame, number, x0, embedding, shot, track FROM face ORDER BY 1, 2")


class TestRefused:
    def test_weights_that_a_node_lacks(self, cluster: Any) -> None:
        from facegrab.cluster import Cluster

        process = settings_of(cluster.address, detector="no-such")
        with (
            Cluster(Orders(process, RecognitionSettings())) as engine,
            pytest.raises(WeightsError, match=r"^node [\d.]+: .*no-such"),
        ):
            engine.ready()

    def test_no_room(self, cluster: Any, clip: Path, tmp_path: Path) -> None:
        with pytest.raises(DeviceError, match=r"has 9 processors"):
            scan(tmp_path / "a.db", [clip], address=cluster.address, threads=9)

    @pytest.mark.parametrize(
        ("content", "words"), [("missing", "cannot be read on node"), ("other", "another file")]
    )
    def test_a_file_that_a_node_does_not_have(
        self, cluster: Any, clip: Path, tmp_path: Path, content: str, words: str
    ) -> None:
        from facegrab.cluster import Cluster

        path = tmp_path / "gone.mp4" if content == "missing" else clip
        orders = Orders(settings_of(cluster.address), RecognitionSettings(), eyes=painted_eyes())
        task = Task(Source(path), Segment(0, 0, 0, 0, 256, 144), None, content)
        with Cluster(orders) as engine:
            engine.ready()
            future = engine.see(task)
            with pytest.raises(MissingError, match=words) as caught:
                engine.take(future)
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value, FaceGrabError)
