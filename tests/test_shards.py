"""Shares of a scan, put together: the very rows of one run."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from clips import another, spoil, write_clip, write_image
from fakes import PaintedDetector, contents, paint, painted_eyes, rows, scene

from facegrab.cataloguing import scan_into
from facegrab.cli import main
from facegrab.errors import MissingError, SettingError, StoreError
from facegrab.grab import FaceGrab
from facegrab.media import segments
from facegrab.merging import merge
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.shard import Shard, owner
from facegrab.summary import Summary
from facegrab.vision.look import Eyes

FRAMES = 24
"""Of ``film``: six segments of four frames."""
PROCESS: dict[str, Any] = {"skip_frames": 0, "extract_size": 64, "scale": 0.5}


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", 0.15)
    monkeypatch.setattr(segments, "IMAGES_PER_SEGMENT", 2)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A film whose tracks cross segments, with a cut; one more; pictures; one without segments."""
    folder = tmp_path_factory.mktemp("films")
    frames = []
    for n in range(FRAMES):
        frame = scene(red=(4 * n, 20))
        if n >= 10:
            frame //= 2
            paint(frame, "green", 190 - 3 * n, 80)
        frames.append(frame)
    options = {"g": "4", "sc_threshold": "0"}
    film = write_clip(folder / "film.mp4", frames, options=options)
    photos = folder / "photos"
    photos.mkdir()
    for number in range(5):
        write_image(photos / f"{number}.png", scene(red=(10 + 9 * number, 20)))
    odd = write_clip(folder / "odd.avi", frames[:9], codec="mpeg4")
    return [film, photos, odd, another(film, folder / "other.mp4")]


def scan(index: Path, films: Sequence[Path], eyes: Eyes | None = None, **process: Any) -> Summary:
    settings = ProcessSettings(**{**PROCESS, **process})
    return scan_into(index, list(films), settings, eyes=eyes or painted_eyes())


def shards(folder: Path, films: Sequence[Path], count: int, **process: Any) -> list[Path]:
    """The indexes of all shares."""
    paths = [folder / f"share-{number}.db" for number in range(1, count + 1)]
    for number, path in enumerate(paths, 1):
        scan(path, films, shard=f"{number}/{count}", **process)
    return paths


def in_folder(index: Path) -> Path:
    """A folder that holds an index under its usual name."""
    folder = index.parent / f"{index.stem}-folder"
    folder.mkdir(exist_ok=True)
    shutil.copy(index, folder / "facegrab.db")
    return folder


def rows_of(index: Path) -> list[tuple[Any, ...]]:
    return rows(in_folder(index))


class TestMerge:
    @pytest.mark.parametrize("count", [1, 3, 12])
    def test_it_is_what_one_run_sees(self, films: list[Path], tmp_path: Path, count: int) -> None:
        scan(tmp_path / "one.db", films)
        done = merge(shards(tmp_path, films, count), tmp_path / "all.db")
        assert rows_of(tmp_path / "all.db") == rows_of(tmp_path / "one.db")
        assert (done.sources, done.lacking, done.broken) == (len(films), [], [])

    def test_tracks_go_across_the_segments_of_several_shares(
        self, films: list[Path], tmp_path: Path
    ) -> None:
        paths = shards(tmp_path, films[:1], 2)
        for path in paths:
            assert ask(path, "SELECT DISTINCT shot, track FROM face") == [(-1, -1)]
        merge(paths, tmp_path / "all.db")
        assert ask(tmp_path / "all.db", "SELECT DISTINCT track FROM face") == [(0,), (1,), (2,)]

    def test_once_more_changes_nothing(self, films: list[Path], tmp_path: Path) -> None:
        paths = shards(tmp_path, films, 3)
        merge(paths, tmp_path / "all.db")
        there = rows_of(tmp_path / "all.db")
        again = merge([*paths, paths[0], tmp_path / "all.db"], tmp_path / "all.db")
        assert rows_of(tmp_path / "all.db") == there
        assert again.known == len(films)

    def test_in_any_order_the_looks_are_the_same(self, films: list[Path], tmp_path: Path) -> None:
        paths = shards(tmp_path, films, 3)
        found = set()
        for number, order in enumerate(itertools.permutations(paths)):
            merge(order, tmp_path / f"all-{number}.db")
            found.add(repr(rows_of(tmp_path / f"all-{number}.db")))
        assert len(found) == 1

    def test_into_the_first(self, films: list[Path], tmp_path: Path) -> None:
        scan(tmp_path / "one.db", films)
        paths = shards(tmp_path, films, 2)
        merge(paths)
        query = "SELECT content, f.frame, f.number, shot, track, embedding FROM face f JOIN scan"
        query += " ON scan.id = f.scan ORDER BY 1, 2, 3"
        assert ask(paths[0], query) == ask(tmp_path / "one.db", query)
        assert "shard" not in str(ask(paths[0], "SELECT detection FROM scan"))

    def test_what_waits_for_a_missing_share(self, films: list[Path], tmp_path: Path) -> None:
        scan(tmp_path / "one.db", films[:1])
        paths = shards(tmp_path, films[:1], 3)
        content = ask(paths[0], "SELECT content FROM scan")[0][0]
        missing = owner(content, 2, 3) - 1
        some = [path for path in paths if path != paths[missing]]
        done = merge(some, tmp_path / "all.db")
        assert (done.sources, done.faces) == (0, 0)
        assert done.lacking == [f"{films[0]}: share {missing + 1}/3 is missing"]
        for path in some:
            path.unlink()
        done = merge([tmp_path / "all.db", paths[missing]])
        assert done.lacking == []
        there = ask(tmp_path / "all.db", "SELECT frame, number, shot, track, embedding FROM face")
        assert there == ask(
            tmp_path / "one.db", "SELECT frame, number, shot, track, embedding FROM face"
        )

    def test_a_share_that_was_not_finished(self, films: list[Path], tmp_path: Path) -> None:
        scan(tmp_path / "one.db", films[:1])
        paths = shards(tmp_path, films[:1], 2)
        for path in paths:
            change(path, "DELETE FROM face WHERE frame BETWEEN 8 AND 11")
            change(path, "DELETE FROM segment WHERE number = 2")
            change(path, "UPDATE scan SET complete = 0")
        assert merge(paths, tmp_path / "all.db").lacking
        for number, path in enumerate(paths, 1):
            eyes = painted_eyes()
            scan(path, films[:1], eyes, shard=f"{number}/2")
            assert isinstance(eyes.detector, PaintedDetector)
            assert sum(eyes.detector.batches) in (0, 4)
        merge(paths, tmp_path / "all.db")
        query = "SELECT frame, number, track FROM face"
        assert ask(tmp_path / "all.db", query) == ask(tmp_path / "one.db", query)

    def test_other_looks_stand_beside_each_other(self, films: list[Path], tmp_path: Path) -> None:
        scan(tmp_path / "a.db", films[:1])
        scan(tmp_path / "b.db", films[:1], skip_frames=6)
        scan(tmp_path / "c.db", films[1:2])
        done = merge([tmp_path / f"{n}.db" for n in "abc"], tmp_path / "all.db")
        assert done.sources == 3
        assert [every for (every,) in ask(tmp_path / "all.db", "SELECT every FROM scan")] == [
            1, 7, 1,
        ]  # fmt: skip


class TestRefused:
    def test_shares_of_other_settings(self, films: list[Path], tmp_path: Path) -> None:
        scan(tmp_path / "a.db", films, shard="1/2")
        scan(tmp_path / "b.db", films, shard="2/2", skip_frames=6)
        with pytest.raises(StoreError, match=r"a\.db and .*b\.db.*1 frame in 1, 1 in 7"):
            merge([tmp_path / "a.db", tmp_path / "b.db"], tmp_path / "all.db")

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE face SET sharpness = 1 WHERE frame = 5",
            "UPDATE face SET embedding = zeroblob(256) WHERE frame = 5",
            "DELETE FROM face WHERE frame = 5",
            "UPDATE segment SET state = replace(state, 'euclidean', 'cosine')",
        ],
    )
    def test_a_segment_seen_in_two_ways(self, films: list[Path], tmp_path: Path, sql: str) -> None:
        paths = shards(tmp_path, films[:1], 1)
        other = shutil.copy(paths[0], tmp_path / "other.db")
        change(Path(other), sql)
        with pytest.raises(StoreError, match=r"different things of .*film\.mp4") as caught:
            merge([*paths, Path(other)], tmp_path / "all.db")
        assert "\n" not in str(caught.value)

    def test_a_share_that_is_not_like_what_is_whole(
        self, films: list[Path], tmp_path: Path
    ) -> None:
        scan(tmp_path / "one.db", films[:1])
        paths = shards(tmp_path, films[:1], 1)
        merge([tmp_path / "one.db", *paths])
        change(paths[0], "UPDATE face SET x0 = x0 + 1 WHERE frame = 9")
        with pytest.raises(StoreError, match="frame 9"):
            merge([tmp_path / "one.db", *paths])

    @pytest.mark.parametrize(
        "state",
        [
            "", "{}", "[]", "null", '{"sound": true}', "[" * 20_000,
            '{"frames": [0, 1, 2, 3], "signatures": "AAAA", "read": 4, "damaged": 0, "origin": 0,'
            ' "warnings": [], "metric": "euclidean", "tolerance": 1, "follows": true,'
            ' "sound": true, "aside": false}',
            '{"frames": [0, -1]}',
        ],
    )  # fmt: skip
    def test_a_damaged_share(self, films: list[Path], tmp_path: Path, state: str) -> None:
        paths = shards(tmp_path, films[:1], 1)
        change(paths[0], f"UPDATE segment SET state = '{state}' WHERE number = 1")
        with pytest.raises(StoreError, match=r"share-1\.db is damaged"):
            merge(paths, tmp_path / "all.db")

    def test_what_is_no_index(self, films: list[Path], tmp_path: Path) -> None:
        with pytest.raises(MissingError, match=r"no\.db"):
            merge([tmp_path / "no.db"], tmp_path / "all.db")
        text = tmp_path / "text.db"
        text.write_text("no database " * 99, encoding="utf-8")
        with pytest.raises(StoreError, match=r"text\.db"):
            merge([text], tmp_path / "all.db")

    @pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/9999999", ""])
    def test_no_share(self, text: str) -> None:
        with pytest.raises(SettingError, match="K/N"):
            ProcessSettings(shard=text)


@pytest.mark.parametrize("planned", [True, False])
def test_damage_ends_the_joint_part_and_one_reads_on(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planned: bool
) -> None:
    """Where it is among the first frames there are no segments beforehand."""
    if planned:
        monkeypatch.setattr("facegrab.media.plan.TRIAL_FRAMES", 4)
    data = bytearray(films[0].read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 8] = random.Random(7).randbytes(8)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(bytes(data))
    scan(tmp_path / "one.db", [damaged])
    paths = shards(tmp_path, [damaged], 3)
    for _ in range(2):
        done = merge(paths, tmp_path / "all.db")
        assert done.broken == ([str(damaged)] if planned else [])
    eyes = painted_eyes()
    scan(tmp_path / "all.db", [damaged], eyes)
    assert isinstance(eyes.detector, PaintedDetector)
    assert sum(eyes.detector.batches) < FRAMES
    # What FFmpeg makes of the damaged part differs from one reading to the next.
    sound = "SELECT * FROM face WHERE frame < 8 ORDER BY frame, number"
    ends = "SELECT complete, frames_read + frames_damaged FROM scan WHERE complete"
    for question in (sound, ends):
        one, other = (ask(tmp_path / name, question) for name in ("all.db", "one.db"))
        assert [row[1:] for row in one] == [row[1:] for row in other]
    assert merge(paths, tmp_path / "all.db").broken == []


def test_a_segment_whose_first_frame_is_damaged_is_of_the_one_before(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facegrab.media.plan.TRIAL_FRAMES", 4)
    damaged = spoil(films[0], 12)
    scan(tmp_path / "one.db", [damaged])
    paths = shards(tmp_path, [damaged], 3)
    assert merge(paths, tmp_path / "all.db").broken == [str(damaged)]
    scan(tmp_path / "all.db", [damaged])
    ends = "SELECT number, start, next, frames_looked_at FROM segment ORDER BY number"
    one, joined = (ask(tmp_path / name, ends) for name in ("one.db", "all.db"))
    assert one == joined
    assert len(one) == 5


def test_every_segment_is_one_shares(films: list[Path]) -> None:
    for count in (1, 2, 7):
        for number in range(50):
            owners = [s for s in range(1, count + 1) if Shard(s, count).owns("abc", number)]
            assert owners == [owner("abc", number, count)]
    # As it was when indexes were first written so: it may never change.
    assert [owner("0" * 40, number, 1000) for number in range(4)] == STABLE


STABLE = [602, 969, 779, 15]


def test_a_full_run_in_shares(films: list[Path], red: Path, tmp_path: Path) -> None:
    def run(folder: str, **process: Any) -> Summary:
        index = process.pop("index", None)
        grab = FaceGrab(
            red, RecognitionSettings(0.6, jitter=1), ProcessSettings(**PROCESS, **process),
            eyes=painted_eyes(),
        )  # fmt: skip
        return grab.process(films, tmp_path / folder, index=index)

    run("one")
    for number in (1, 2):
        assert run(f"look-{number}", shard=f"{number}/2").shard
        assert not [*(tmp_path / f"look-{number}").glob("*.jpg")]
    merge([tmp_path / "look-1", tmp_path / "look-2"], tmp_path / "all.db")
    both: dict[str, bytes] = {}
    for number in (1, 2):
        summary = run(f"out-{number}", shard=f"{number}/2", index=tmp_path / "all.db")
        assert not summary.shard
        found = contents(tmp_path / f"out-{number}") if summary.faces_written else {}
        found.pop("facegrab.csv", None)
        assert not found.keys() & both.keys()
        both |= found
    expected = contents(tmp_path / "one")
    expected.pop("facegrab.csv")
    assert both == expected


class TestCommands:
    ARGUMENTS = ("-sf", "0", "-s", "0.5")

    def test_from_shares_to_faces(
        self, films: list[Path], red: Path, tmp_path: Path, fake_networks: Eyes,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        film, paths = str(films[0]), [str(tmp_path / f"{n}.db") for n in (1, 2)]
        for number, path in enumerate(paths, 1):
            arguments = ["scan", "-i", film, "--index", path, "--shard", f"{number}/2"]
            assert main([*arguments, *self.ARGUMENTS]) == 0
            assert "facegrab index merge" in capsys.readouterr().out
        assert main(["index", "info", paths[0]]) == 0
        assert "share 1/2 of it" in capsys.readouterr().out
        out = str(tmp_path / "out")
        question = ["-r", str(red), "-o", out, "-j", "1", "-xs", "64", *self.ARGUMENTS]
        assert main([*question, "--index", paths[0]]) == 1
        assert "facegrab index merge" in capsys.readouterr().err
        all_db = str(tmp_path / "all.db")
        assert main(["index", "merge", paths[0], "-o", all_db]) == 1
        assert "share 2/2 is missing" in capsys.readouterr().out
        assert main(["index", "merge", *paths, "-o", all_db]) == 0
        assert f"{all_db}: 1 source, 38 faces" in capsys.readouterr().out
        assert main([*question, "--index", all_db]) == 0
        assert len([*Path(out).glob("*.jpg")]) == FRAMES

    def test_vacuum_leaves_shares(
        self, films: list[Path], tmp_path: Path, fake_networks: Eyes
    ) -> None:
        paths = shards(tmp_path, films[:1], 2)
        assert main(["index", "vacuum", str(paths[0])]) == 0
        assert merge(paths, tmp_path / "all.db").lacking == []

    def test_an_error_is_a_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["index", "merge", str(tmp_path / "no.db")]) == 1
        assert capsys.readouterr().err.count("\n") == 1


def ask(index: Path, sql: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(index)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def change(index: Path, sql: str) -> None:
    database = sqlite3.connect(index)
    with database:
        database.execute(sql)
    database.close()


def without_ids(index: Path) -> list[tuple[Any, ...]]:
    """Scans, segments and faces, but for the rows' numbers."""
    return [
        row[1:]
        for table in ("scan", "segment", "face")
        for row in ask(index, f"SELECT * FROM {table} ORDER BY 1, 2, 3")
    ]
