"""Runs with several alignments, without enlarging, and what extracts say of themselves."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import write_clip, write_image
from fakes import (
    CLIP_FRAMES,
    RED_UNTIL,
    FixedPoints,
    fail_at,
    paint,
    painted_eyes,
    pictures,
    query,
    rows,
    scene,
    table,
)
from numpy.typing import NDArray
from test_run import run

from facegrab.errors import OutputError, StoreError
from facegrab.media import read_image
from facegrab.store.origin import load_origin, read_origin
from facegrab.summary import ENLARGED, NO_POSE, OTHER_PERSON
from facegrab.vision.look import Eyes
from facegrab.vision.points import PointFinder

TWO = ("mean-face:256", "arcface")
FOLDERS = {"mean-face-256": 256, "arcface-112": 112}


def below(folder: Path) -> dict[str, bytes]:
    """Every file but the index by its path below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "facegrab.db"
    }


def extracts(folder: Path) -> list[str]:
    return sorted(name for name in below(folder) if name.endswith((".jpg", ".png")))


def assert_agrees(folder: Path) -> None:
    """The index names what is there, no more and no less, and nothing is half-written."""
    assert sorted(f for (f,) in query(folder, "SELECT file FROM extract")) == extracts(folder)
    assert not [name for name in below(folder) if name.endswith((".part", "-journal"))]


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


class TestTwoAlignments:
    def test_each_has_a_folder_with_the_same_names(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        summary = run(red, clip, tmp_path, align=TWO)
        assert pictures(tmp_path) == []
        names = pictures(tmp_path / "arcface-112")
        assert names == pictures(tmp_path / "mean-face-256")
        assert summary.faces_written == len(names) == RED_UNTIL
        assert_agrees(tmp_path)
        for folder, size in FOLDERS.items():
            shapes = {read_image(tmp_path / folder / name).shape for name in names}
            assert shapes == {(size, size, 3)}

    def test_index_and_table_tell_of_them(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path, align=TWO, skip_frames=9)
        indexed = query(tmp_path, "SELECT frame, alignment, size_px, native_scale FROM extract")
        assert [each[:3] for each in indexed] == [
            (0, "mean-face-256", 256), (0, "arcface-112", 112),
            (10, "mean-face-256", 256), (10, "arcface-112", 112),
        ]  # fmt: skip
        lines = table(tmp_path)
        # A row a face, not an extract: the first alignment's.
        assert len(lines) == query(tmp_path, "SELECT count(*) FROM face")[0][0] == 5
        written = [line for line in lines if line["file"]]
        assert [line["frame"] for line in written] == ["0", "10"]
        assert all((tmp_path / line["file"]).parent.name == "mean-face-256" for line in written)
        scales = [float(line["native_scale"]) for line in written]
        assert scales == pytest.approx([indexed[0][3], indexed[2][3]], abs=1e-3)
        assert all(line["native_scale"] == "" for line in lines if line["dropped"])

    def test_one_alignment_is_a_flat_folder_with_the_same_images(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path / "both", align=TWO, skip_frames=9)
        run(red, clip, tmp_path / "one", align=("arcface",), skip_frames=9)
        names = pictures(tmp_path / "one")
        assert names == pictures(tmp_path / "both" / "arcface-112")
        assert extracts(tmp_path / "one") == names
        for name in names:
            one, both = (tmp_path / part / name for part in ("one", "both/arcface-112"))
            assert one.read_bytes() == both.read_bytes()

    def test_the_same_command_again_gives_the_same_bytes(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path, align=TWO)
        files, indexed = below(tmp_path), rows(tmp_path)
        assert run(red, clip, tmp_path, align=TWO, batch_size=7).faces_written == RED_UNTIL
        assert below(tmp_path) == files
        assert rows(tmp_path) == indexed

    @pytest.mark.parametrize("other", [("arcface",), ("mean-face:255", "arcface"), TWO[::-1]])
    def test_other_alignments_in_the_same_folder_are_refused(
        self, red: Path, clip: Path, tmp_path: Path, other: tuple[str, ...]
    ) -> None:
        run(red, clip, tmp_path, align=TWO, skip_frames=9)
        before = below(tmp_path)
        with pytest.raises(StoreError, match=r"another run \(align .*another output") as caught:
            run(red, clip, tmp_path, align=other, skip_frames=9)
        assert "\n" not in str(caught.value)
        assert below(tmp_path) == before

    def test_the_same_in_other_words_is_the_same_run(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        for align in (("mean-face", "arcface"), ("mean-face:64,arcface:112",)):
            run(red, clip, tmp_path, align=align, skip_frames=9)
        assert extracts(tmp_path / "mean-face-64") == extracts(tmp_path / "arcface-112")

    def test_a_template_that_was_changed_is_another_run(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        template = tmp_path / "mine.json"
        points = [[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.35, 0.7], [0.65, 0.7]]
        for middle in (0.5, 0.5, 0.55):
            points[2][1] = middle
            template.write_text(json.dumps({"name": "mine", "points": points}), "utf-8")
            if middle == 0.5:
                run(red, clip, tmp_path / "out", align=(str(template),), skip_frames=9)
        with pytest.raises(StoreError, match="another run"):
            run(red, clip, tmp_path / "out", align=(str(template),), skip_frames=9)

    def test_what_it_wrote_is_no_input_of_the_next_run(self, red: Path, tmp_path: Path) -> None:
        write_image(tmp_path / "a.png", scene(red=(10, 20)))
        for output in (tmp_path / "out", tmp_path):
            for _ in range(3):
                assert run(red, tmp_path, output, align=TWO).frames_looked_at == 1
            assert [len(pictures(output / folder)) for folder in FOLDERS] == [1, 1]
            shutil.rmtree(tmp_path / "out", ignore_errors=True)

    def test_a_picture_beside_them_is_read_all_the_same(self, red: Path, tmp_path: Path) -> None:
        write_image(tmp_path / "a.png", scene(red=(10, 20)))
        run(red, tmp_path, tmp_path, align=TWO)
        write_image(tmp_path / "arcface-112" / "mine.png", scene(red=(60, 40)))
        assert run(red, tmp_path, tmp_path, align=TWO).frames_looked_at == 2


@pytest.mark.usefixtures("short_segments")
class TestDiscard:
    def test_a_full_disk_leaves_no_extract_that_the_index_does_not_hold(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            fail_at(patch, Path, "write_bytes", 14, no_space())
            with pytest.raises(OutputError, match="no space"):
                run(red, clip, tmp_path, align=TWO, batch_size=4)
        assert_agrees(tmp_path)
        # Segments of four frames, eight images: the first is whole, the second is gone.
        assert [len(pictures(tmp_path / folder)) for folder in FOLDERS] == [4, 4]

    def test_the_run_can_be_done_again(self, red: Path, clip: Path, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            fail_at(patch, Path, "write_bytes", 14, no_space())
            with pytest.raises(OutputError):
                run(red, clip, tmp_path / "a", align=TWO, batch_size=4)
        for folder in ("a", "b"):
            run(red, clip, tmp_path / folder, align=TWO, batch_size=4)
        assert below(tmp_path / "a") == below(tmp_path / "b")

    def test_names_in_an_index_that_lead_out_of_the_folder_are_left_alone(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        run(red, clip, out, align=TWO, skip_frames=9)
        precious = [tmp_path / "precious.jpg", tmp_path / "else" / "precious.jpg"]
        for path in precious:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"mine")
        outside = ["../precious.jpg", "arcface-112/../../else/precious.jpg"]
        database = sqlite3.connect(out / "facegrab.db")
        with database:
            for number, name in enumerate([*outside, str(precious[1])], 1):
                database.execute("UPDATE extract SET file = ? WHERE rowid = ?", (name, number))
        database.close()
        run(red, clip, out, align=TWO, skip_frames=9)
        assert [path.read_bytes() for path in precious] == [b"mine"] * 2


class TestNoUpsample:
    @pytest.fixture
    def near_and_far(self, tmp_path: Path) -> Path:
        """Red far away in frame 0, near in frame 1."""
        frames = [scene((320, 240)) for _ in range(2)]
        paint(frames[0], "red", 10, 20, 48)
        paint(frames[1], "red", 60, 40, 160)
        return write_clip(tmp_path / "v.mp4", frames)

    def test_faces_below_are_dropped_and_that_is_told(
        self, red: Path, near_and_far: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        summary = run(red, near_and_far, out, upsample=False)
        assert summary.dropped == {ENLARGED: 1}
        assert (summary.faces_matched, summary.faces_written) == (2, 1)
        assert summary.extracts_enlarged == 0
        assert [(line["dropped"], bool(line["file"])) for line in table(out)] == [
            (ENLARGED, False),
            ("", True),
        ]
        assert float(table(out)[1]["native_scale"]) <= 1
        assert_agrees(out)

    def test_by_default_they_are_written_and_counted(
        self, red: Path, near_and_far: Path, tmp_path: Path
    ) -> None:
        summary = run(red, near_and_far, tmp_path / "out")
        assert not summary.dropped
        assert (summary.faces_written, summary.extracts_enlarged) == (2, 1)
        scales = [float(line["native_scale"]) for line in table(tmp_path / "out")]
        assert scales[1] < 1 < scales[0]

    def test_one_of_two_alignments_may_be_left_out(
        self, red: Path, near_and_far: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        summary = run(
            red, near_and_far, out, align=("mean-face:64", "mean-face:32"), upsample=False
        )
        assert not summary.dropped
        assert summary.faces_written == 2
        assert [len(pictures(out / f"mean-face-{size}")) for size in (64, 32)] == [1, 2]
        assert [Path(line["file"]).parent.name for line in table(out)] == [
            "mean-face-32",
            "mean-face-64",
        ]


def with_mesh(unit: NDArray[np.float64]) -> Eyes:
    eyes = painted_eyes()
    mesh = FixedPoints(unit.astype(np.float32))
    return replace(eyes, points=PointFinder(eyes.points._corners, mesh))


def test_faces_without_a_pose_are_dropped_and_that_is_told(
    red: Path, clip: Path, tmp_path: Path
) -> None:
    """A landmarker whose points coincide: no reason for a run to break off."""
    summary = run(red, clip, tmp_path, eyes=with_mesh(np.full((68, 2), 0.5)))
    assert summary.dropped == {OTHER_PERSON: CLIP_FRAMES, NO_POSE: RED_UNTIL}
    assert summary.faces_matched == RED_UNTIL
    assert summary.faces_written == 0
    assert {line["dropped"] for line in table(tmp_path)} == {OTHER_PERSON, NO_POSE}
    assert extracts(tmp_path) == []


class TestOrigin:
    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    def test_an_extract_says_what_the_table_says(
        self, red: Path, clip: Path, tmp_path: Path, suffix: str
    ) -> None:
        run(red, clip, tmp_path, align=TWO, format=suffix, skip_frames=9)
        lines = [line for line in table(tmp_path) if line["file"]]
        assert len(lines) == 2
        for line in lines:
            for folder, size in FOLDERS.items():
                path = tmp_path / folder / Path(line["file"]).name
                assert path.suffix == f".{suffix}"
                origin = read_origin(path)
                assert origin["source"] == line["source"] == str(clip)
                assert origin["frame"] == int(line["frame"])
                assert origin["pts_seconds"] == pytest.approx(float(line["pts_seconds"]), abs=1e-6)
                assert origin["distance"] == pytest.approx(float(line["distance"]), abs=1e-4)
                box = [float(line[name]) for name in ("x0", "y0", "x1", "y1")]
                assert origin["box"] == pytest.approx(box, abs=0.01)
                assert (f"{origin['alignment']}-{origin['size_px']}", size) == (folder, size)
                assert origin["picture"] is None
                assert origin["detector"] == "painted"
                assert origin["recogniser"] == "dlib"

    def test_its_matrix_is_the_way_from_the_frame_to_the_extract(
        self, red: Path, tmp_path: Path
    ) -> None:
        image = scene((400, 300))
        paint(image, "red", 90, 60, 150)
        picture = write_image(tmp_path / "big.png", image)
        run(red, picture, tmp_path / "out", format="png")
        (name,) = pictures(tmp_path / "out")
        origin = load_origin(tmp_path / "out" / name)
        assert origin.picture == str(picture)
        middle = origin.matrix @ [*(origin.box[:2] + origin.box[2:]) / 2, 1]
        assert middle == pytest.approx([32, 32], abs=1.5)
        assert origin.native_scale == pytest.approx(64 / (0.8 * 149), rel=0.03)

    def test_it_names_the_source_as_the_files_do(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        for part in ("a", "b"):
            (tmp_path / part).mkdir()
            shutil.copy(clip, tmp_path / part / "clip.mp4")
        videos = [tmp_path / part / "clip.mp4" for part in ("a", "b")]
        run(red, videos, tmp_path / "out", skip_frames=9)
        for name in pictures(tmp_path / "out"):
            origin = read_origin(tmp_path / "out" / name)
            assert name.startswith(f"{origin['source_name']}_0h")
            assert origin["source_name"] in ("clip", "clip-2")

    def test_without_references_there_is_no_distance(self, clip: Path, tmp_path: Path) -> None:
        run("*", clip, tmp_path, skip_frames=29)
        (name, _) = pictures(tmp_path)
        assert read_origin(tmp_path / name)["distance"] is None
