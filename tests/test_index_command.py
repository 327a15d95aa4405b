"""``facegrab scan`` and ``facegrab index``, as a user has them."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from clips import another, write_clip
from fakes import (
    CLIP_FRAMES,
    RED_UNTIL,
    PaintedDetector,
    assert_consistent,
    contents,
    pictures,
    query,
    scene,
    table,
)
from pyarrow import parquet

from facegrab.cli import main
from facegrab.vision.look import Eyes

FACES = CLIP_FRAMES + RED_UNTIL
RUN = ["-sf", "0", "-xs", "64", "-s", "0.5", "-j", "1"]
SCAN = ["-sf", "0", "-s", "0.5"]


@pytest.fixture
def library(clip: Path, tmp_path: Path, fake_networks: Eyes) -> Path:
    """An index of two films."""
    other = another(clip, tmp_path / "other.mp4")
    path = tmp_path / "lib" / "library.db"
    assert main(["scan", "-i", str(clip), str(other), "--index", str(path), *SCAN]) == 0
    return path


@pytest.fixture
def folder(red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes) -> Path:
    """What a run wrote."""
    out = tmp_path / "out"
    assert main(["-r", str(red), "-i", str(clip), "-o", str(out), *RUN]) == 0
    return out


def ask(library: Path, sql: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(library)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def one_line(captured: pytest.CaptureFixture[str]) -> str:
    text = captured.readouterr().err
    assert text.count("\n") == 1
    return text


class TestScan:
    def test_every_face_and_no_picture(
        self, clip: Path, tmp_path: Path, fake_networks: Eyes, capsys: pytest.CaptureFixture[str]
    ) -> None:
        library = tmp_path / "lib" / "library.db"
        assert main(["scan", "-i", str(clip), "--index", str(library), *SCAN]) == 0
        assert ask(library, "SELECT count(*) FROM face") == [(FACES,)]
        assert [path.name for path in library.parent.iterdir()] == ["library.db"]
        out = capsys.readouterr().out
        assert f"{FACES} faces in {library}" in out
        assert "kept" not in out

    def test_twice_looks_once(self, library: Path, clip: Path, fake_networks: Eyes) -> None:
        detector = fake_networks.detector
        assert isinstance(detector, PaintedDetector)
        detector.batches.clear()
        assert main(["scan", "-i", str(clip), "--index", str(library), *SCAN]) == 0
        assert detector.batches == []

    def test_any_number_of_questions(
        self, library: Path, red: Path, green: Path, clip: Path, tmp_path: Path
    ) -> None:
        other = str(tmp_path / "other.mp4")
        for who, count in ((red, RED_UNTIL), (green, CLIP_FRAMES)):
            asked, fresh = tmp_path / f"asked-{who.stem}", tmp_path / f"fresh-{who.stem}"
            arguments = ["-r", str(who), *RUN]
            assert main([*arguments, "--index", str(library), "-o", str(asked)]) == 0
            assert main([*arguments, "-i", str(clip), other, "-o", str(fresh)]) == 0
            assert len(pictures(asked)) == 2 * count
            assert contents(asked) == contents(fresh)

    def test_an_index_that_is_missing_asks_nothing(
        self, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["-r", str(red), "--index", str(tmp_path / "no.db"), "-o", str(tmp_path / "o")]
        assert main(arguments) == 1
        assert "no.db" in one_line(capsys)
        assert not (tmp_path / "o").exists()

    def test_sources_that_are_gone_are_named(
        self, library: Path, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "other.mp4").unlink()
        out = tmp_path / "o"
        assert main(["-r", str(red), *RUN, "--index", str(library), "-o", str(out)]) == 0
        assert "other.mp4" in capsys.readouterr().out
        assert len(pictures(out)) == RED_UNTIL


class TestInfo:
    def test_what_is_in_it(
        self, library: Path, clip: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        assert main(["index", "info", str(library)]) == 0
        out = capsys.readouterr().out
        assert f"2 sources, {2 * FACES} faces" in out
        assert str(clip) in out
        assert "biometric" in out

    def test_for_programs(
        self, folder: Path, clip: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        assert main(["index", "info", str(folder), "--json"]) == 0
        (source,) = json.loads(capsys.readouterr().out)["sources"]
        assert source["path"] == str(clip)
        assert (source["faces"], source["extracts"]) == (FACES, RED_UNTIL)
        assert (source["tracks"], source["shots"], source["complete"]) == (2, 1, True)

    @pytest.mark.parametrize("command", ["info", "vacuum", "forget", "export"])
    def test_no_index_is_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        more = {"forget": ["a.mp4"], "export": [str(tmp_path / "a.csv")]}.get(command, [])
        for name in ("none.db", "."):
            assert main(["index", command, str(tmp_path / name), *more]) == 1
            assert str(tmp_path) in one_line(capsys)

    def test_a_folder_whose_faces_lie_elsewhere_names_the_place(
        self, library: Path, red: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "o"
        assert main(["-r", str(red), *RUN, "--index", str(library), "-o", str(out)]) == 0
        capsys.readouterr()
        assert main(["index", "info", str(out)]) == 1
        assert str(library) in one_line(capsys)

    def test_no_database(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "a.db").write_bytes(b"no database" * 99)
        assert main(["index", "info", str(tmp_path / "a.db")]) == 1
        assert "damaged" in one_line(capsys)


class TestForget:
    def test_a_source_of_a_library(self, library: Path, clip: Path) -> None:
        assert main(["index", "forget", str(library), "other.mp4"]) == 0
        assert ask(library, "SELECT path FROM scan") == [(str(clip),)]
        assert ask(library, "SELECT count(*) FROM face") == [(FACES,)]

    def test_a_source_of_a_folder_with_its_images(
        self, folder: Path, red: Path, tmp_path: Path
    ) -> None:
        film = write_clip(tmp_path / "film.mp4", [scene(red=(60, 40))] * 5)
        assert main(["-r", str(red), "-i", str(film), "-o", str(folder), *RUN]) == 0
        assert main(["index", "forget", str(folder), "clip.mp4"]) == 0
        assert len(pictures(folder)) == 5
        assert {row["source"] for row in table(folder)} == {str(film)}
        assert_consistent(folder)

    def test_nothing_of_it_is_left_in_the_file(self, library: Path) -> None:
        def embeddings() -> list[bytes]:
            return [blob for (blob,) in ask(library, "SELECT DISTINCT embedding FROM face")]

        gone = embeddings()
        assert any(each[:12] in library.read_bytes() for each in gone)
        assert main(["index", "forget", str(library), "1", "2"]) == 0
        assert embeddings() == []
        assert not any(each[:12] in library.read_bytes() for each in gone)

    def test_a_name_that_fits_nothing_or_several(
        self, library: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        assert main(["index", "forget", str(library), "third.mp4"]) == 1
        assert "third.mp4" in one_line(capsys)
        (tmp_path / "b").mkdir()
        twin = another(clip, tmp_path / "b" / "other.mp4", 2)
        assert main(["scan", "-i", str(twin), "--index", str(library), *SCAN]) == 0
        capsys.readouterr()
        assert main(["index", "forget", str(library), "other.mp4"]) == 1
        assert "several" in one_line(capsys)
        assert main(["index", "forget", str(library), "b/other.mp4"]) == 0
        assert ask(library, "SELECT count(*) FROM scan") == [(2,)]

    def test_all_but_one_person(self, library: Path, red: Path, green: Path) -> None:
        assert main(["index", "forget", str(library), "--all-but", str(red)]) == 0
        assert ask(library, "SELECT count(*) FROM face") == [(2 * RED_UNTIL,)]
        assert ask(library, "SELECT DISTINCT forgotten FROM scan") == [(1,)]

    def test_all_but_two_people(self, library: Path, red: Path, green: Path) -> None:
        assert main(["index", "forget", str(library), "--all_but", str(red), str(green)]) == 0
        assert ask(library, "SELECT count(*) FROM face") == [(2 * FACES,)]

    def test_what_is_left_answers_nothing_else(
        self, library: Path, red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes
    ) -> None:
        assert main(["index", "forget", str(library), "--all-but", str(red)]) == 0
        detector = fake_networks.detector
        assert isinstance(detector, PaintedDetector)
        detector.batches.clear()
        out = tmp_path / "o"
        arguments = ["-r", "*", "-i", str(clip), *RUN, "--index", str(library), "-o", str(out)]
        assert main(arguments) == 0
        assert sum(detector.batches) == CLIP_FRAMES
        assert len(pictures(out)) == FACES

    def test_at_once_with_the_run(
        self, red: Path, clip: Path, tmp_path: Path, fake_networks: Eyes
    ) -> None:
        arguments = ["-r", str(red), "-i", str(clip), *RUN, "--forget-others"]
        for _ in range(2):
            assert main([*arguments, "-o", str(tmp_path / "out")]) == 0
            assert len(pictures(tmp_path / "out")) == len(table(tmp_path / "out")) == RED_UNTIL
            assert query(tmp_path / "out", "SELECT count(*) FROM face") == [(RED_UNTIL,)]
            assert_consistent(tmp_path / "out")
        detector = fake_networks.detector
        assert isinstance(detector, PaintedDetector)
        # Each run's reference, and the film once.
        assert sum(detector.batches) == 2 + CLIP_FRAMES

    def test_not_in_an_index_that_others_use(
        self, library: Path, red: Path, clip: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        capsys.readouterr()
        arguments = ["-r", str(red), "-i", str(clip), *RUN, "--index", str(library)]
        assert main([*arguments, "-o", str(tmp_path / "o"), "--forget_others"]) == 1
        assert "forget_others" in one_line(capsys)
        assert ask(library, "SELECT count(*) FROM face") == [(2 * FACES,)]


class TestVacuum:
    def test_a_finer_scan_takes_the_place_of_a_coarser(
        self, library: Path, clip: Path, fake_networks: Eyes
    ) -> None:
        coarse = ["scan", "-i", str(clip), "--index", str(library), "-s", "0.6"]
        assert main([*coarse, "-sf", "9"]) == 0
        assert main([*coarse, "-sf", "4"]) == 0
        assert ask(library, "SELECT count(*) FROM scan") == [(4,)]
        before = library.stat().st_size
        assert main(["index", "vacuum", str(library)]) == 0
        assert [every for (every,) in ask(library, "SELECT every FROM scan ORDER BY id")] == [
            1,
            1,
            5,
        ]
        assert library.stat().st_size <= before


class TestExport:
    def test_csv(self, folder: Path, tmp_path: Path) -> None:
        assert main(["index", "export", str(folder), str(tmp_path / "a.csv")]) == 0
        with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == FACES
        assert sorted(line["file"] for line in lines if line["file"]) == pictures(folder)
        assert "embedding" not in lines[0]

    @pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
    def test_with_embeddings(self, library: Path, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        assert main(["index", "export", str(library), str(path), "--embeddings"]) == 0
        if suffix == ".parquet":
            faces = parquet.read_table(path).to_pylist()
        else:
            faces = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        assert len(faces) == 2 * FACES
        assert {len(face["embedding"]) for face in faces} == {128}
        assert {face["file"] for face in faces} == {None}
        assert faces[0]["source"].endswith("clip.mp4")

    def test_coco(self, folder: Path, clip: Path, tmp_path: Path) -> None:
        assert main(["index", "export", str(folder), str(tmp_path / "a.json")]) == 0
        coco = json.loads((tmp_path / "a.json").read_text("utf-8"))
        assert len(coco["annotations"]) == len(coco["images"]) == RED_UNTIL
        image = {each["id"]: each for each in coco["images"]}
        for box in coco["annotations"]:
            frame = image[box["image_id"]]["frame"]
            assert box["bbox"] == pytest.approx([10 + 3 * frame, 20, 48, 48], abs=2)
            assert box["area"] == pytest.approx(box["bbox"][2] * box["bbox"][3])
            assert len(box["keypoints"]) == 15
            assert (folder / box["extract"]).exists()
        assert coco["images"][0]["file_name"] == f"{clip}#f0"
        assert (coco["images"][0]["width"], coco["images"][0]["height"]) == (256, 144)

    @pytest.mark.parametrize("arguments", [["a.txt"], ["a.csv", "--embeddings"]])
    def test_what_cannot_be(
        self, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        arguments: list[str],
    ) -> None:  # fmt: skip
        capsys.readouterr()
        name, *more = arguments
        assert main(["index", "export", str(library), str(tmp_path / name), *more]) == 1
        assert name in one_line(capsys)
        assert not (tmp_path / name).exists()
