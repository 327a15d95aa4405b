"""What a user may choose beside the person: alignments, sizes, licences, other models."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import write_image
from fakes import (
    HUE,
    RED_UNTIL,
    contents,
    painted_eyes,
    pictures,
    query,
    scene,
    stored_faces,
    table,
)

from facegrab.cli import main
from facegrab.errors import GalleryError, SettingError, StoreError, WeightsError
from facegrab.grab import FaceGrab
from facegrab.media import read_image
from facegrab.models import packs
from facegrab.people.gallery import Gallery, distances
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.origin import read_origin
from facegrab.summary import ENLARGED, Summary
from facegrab.vision.look import Eyes
from facegrab.vision.points import PointFinder, tree_box_of

OTHER = replace(HUE, name="other", graph=Path("other.onnx"), sha256="ab" * 32, length=64)
"""A recogniser that is not dlib's."""


def run(
    reference: Any, source: Path, folder: Path, eyes: Eyes | None = None, **more: Any
) -> Summary:
    settings = ProcessSettings(**{"skip_frames": 0, "extract_size": 64, "scale": 0.5} | more)
    recognition = RecognitionSettings(jitter=1)
    grab = FaceGrab(reference, recognition, settings, eyes=eyes or painted_eyes())
    return grab.process(source, folder)


class TestAlignments:
    BOTH = ("mean-face", "arcface:112")

    def test_several_are_written_in_one_pass_each_into_its_folder(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        summary = run(red, clip, tmp_path, align=self.BOTH)
        names = pictures(tmp_path / "mean-face-64")
        assert len(names) == summary.faces_written == RED_UNTIL
        assert names == pictures(tmp_path / "arcface-112")
        assert pictures(tmp_path) == []
        assert read_image(tmp_path / "arcface-112" / names[0]).shape == (112, 112, 3)
        files = {file for (file,) in query(tmp_path, "SELECT file FROM extract")}
        assert files == {f"{each}/{n}" for each in ("mean-face-64", "arcface-112") for n in names}
        assert {row["file"] for row in table(tmp_path) if row["file"]} == {
            f"mean-face-64/{name}" for name in names
        }

    def test_the_same_again_gives_the_same_and_another_choice_is_refused(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path / "a", align=self.BOTH)
        before = {p: p.read_bytes() for p in tmp_path.rglob("*.jpg")}
        run(red, clip, tmp_path / "a", align=self.BOTH)
        assert {p: p.read_bytes() for p in tmp_path.rglob("*.jpg")} == before
        with pytest.raises(StoreError, match="align"):
            run(red, clip, tmp_path / "a", align=("arcface",))

    def test_extracts_in_folders_are_no_input_of_the_next_run(
        self, red: Path, tmp_path: Path
    ) -> None:
        write_image(tmp_path / "a.png", scene(red=(10, 20)))
        for _ in range(2):
            assert run(red, tmp_path, tmp_path, align=self.BOTH).frames_looked_at == 1
        assert len(list(tmp_path.rglob("*.jpg"))) == 2

    def test_what_would_be_enlarged_can_be_refused(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        summary = run(red, clip, tmp_path / "big", extract_size=512, upsample=False)
        assert summary.faces_written == 0
        assert summary.dropped[ENLARGED] == RED_UNTIL
        assert {row["dropped"] for row in table(tmp_path / "big")} == {ENLARGED, "other person"}
        small = run(red, clip, tmp_path / "small", extract_size=32, upsample=False)
        assert small.faces_written == RED_UNTIL
        scales = query(tmp_path / "small", "SELECT max(native_scale) FROM extract")
        assert 0 < scales[0][0] <= 1

    def test_an_unknown_one_is_refused_before_anything_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(SettingError, match="align is one of mean-face"):
            FaceGrab(tmp_path / "none", process=ProcessSettings(align=("square",)))

    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    def test_an_extract_says_where_it_is_from(
        self, red: Path, clip: Path, tmp_path: Path, suffix: str
    ) -> None:
        run(red, clip, tmp_path, format=suffix)
        line = next(row for row in table(tmp_path) if row["file"])
        origin = read_origin(tmp_path / line["file"])
        assert Path(origin["source"]) == clip
        assert origin["frame"] == int(line["frame"])
        assert origin["distance"] == pytest.approx(float(line["distance"]), abs=1e-3)
        assert origin["native_scale"] == pytest.approx(float(line["native_scale"]), abs=1e-2)
        assert (origin["alignment"], origin["size_px"]) == ("mean-face", 64)


class TestSizes:
    def test_faces_of_other_sizes_are_left_out(self, red: Path, clip: Path, tmp_path: Path) -> None:
        # They are painted 48 px wide.
        cases: tuple[tuple[str, int, dict[str, Any]], ...] = (
            ("a", 50, {"min_face": 40, "max_face": 60}),
            ("b", 0, {"min_face": 60}),
            ("c", 0, {"max_face": 40, "min_face": 36}),
        )
        for name, found, more in cases:
            summary = run(red, clip, tmp_path / name, scale="auto", **more)
            assert summary.faces_found == found

    def test_what_the_detector_cannot_see_is_said_with_the_way_out(self) -> None:
        with pytest.raises(SettingError, match=r"painted finds no face below 36 px: --min_face 36"):
            FaceGrab("*", process=ProcessSettings(min_face=20), eyes=painted_eyes())


class TestLicence:
    def test_without_the_mesh_five_points_place_the_face(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        eyes = painted_eyes()
        free = replace(eyes, points=PointFinder(eyes.points._corners, None))
        run(red, clip, tmp_path / "free", free, licence="commercial")
        run(red, clip, tmp_path / "any", eyes)
        assert pictures(tmp_path / "free") == pictures(tmp_path / "any")
        faces = stored_faces(tmp_path / "free")
        assert np.isnan(faces.points68).all()
        assert np.isfinite(faces.points5).all()
        (said,) = query(tmp_path / "free", "SELECT value FROM run WHERE name = 'licences'")
        assert "68-point" not in said[0]

    def test_alignments_that_need_the_mesh_are_refused(self) -> None:
        process = ProcessSettings(licence="commercial", align=("faceswap-head",))
        with pytest.raises(SettingError, match="faceswap-head needs the 68 points"):
            FaceGrab("*", process=process, eyes=painted_eyes())

    def test_weights_that_may_not_be_used_are_refused(self) -> None:
        bad = replace(HUE, licence=replace(HUE.licence, commercial=False))
        process = ProcessSettings(licence="commercial")
        with pytest.raises(WeightsError, match="dlib"):
            FaceGrab("*", process=process, eyes=painted_eyes(bad))


class TestAnotherRecogniser:
    def test_its_references_are_made_anew_from_their_pictures(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        picture = Path(shutil.copy(red, tmp_path / "me.png"))
        saved = FaceGrab(picture, eyes=painted_eyes()).save(tmp_path / "me.npz")
        assert Gallery.load(saved).names == (str(picture),)
        assert run(saved, clip, tmp_path / "a", painted_eyes(OTHER)).faces_written == RED_UNTIL
        with pytest.raises(StoreError, match=r'recogniser "other-abababab", now "dlib"'):
            run(saved, clip, tmp_path / "a")

    def test_or_refused_when_a_picture_has_changed_or_gone(
        self, red: Path, green: Path, tmp_path: Path
    ) -> None:
        picture = Path(shutil.copy(red, tmp_path / "me.png"))
        saved = FaceGrab(picture, eyes=painted_eyes()).save(tmp_path / "me.npz")
        shutil.copy(green, picture)
        for _ in range(2):
            with pytest.raises(GalleryError, match=r"dlib, this run's is other-abababab, and 1 of"):
                FaceGrab(saved, eyes=painted_eyes(OTHER))
            picture.unlink(missing_ok=True)
        assert FaceGrab(saved, eyes=painted_eyes()).reference_count == 1

    def test_its_own_tolerance_holds_unless_another_is_asked_for(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        strict = painted_eyes(replace(HUE, tolerance=0.15))
        assert run(red, clip, tmp_path, strict).faces_written <= RED_UNTIL
        assert query(tmp_path, "SELECT value FROM run WHERE name = 'tolerance'") == [("0.15",)]

    def test_a_cosine_distance_knows_no_length(self) -> None:
        vectors = np.eye(16, dtype=np.float32)[:3]
        opposite = np.concatenate([vectors, -vectors[:1] * 5])
        away = distances(vectors * 3, opposite, "cosine")
        assert away[0] == pytest.approx([0, 1, 1, 2])


class TestPoints:
    FIVE = np.array([[40, 40], [60, 40], [50, 52], [42, 62], [58, 62]], np.float32)

    def test_the_box_follows_the_face(self) -> None:
        box = tree_box_of(self.FIVE)
        side = box[2] - box[0]
        assert (box[:2] < self.FIVE.min(axis=0)).all()
        assert (box[2:] > self.FIVE.max(axis=0)).all()
        moved = tree_box_of(self.FIVE * 2 + np.array([100, 7], np.float32))
        assert moved == pytest.approx(box * 2 + np.array([100, 7, 100, 7], np.float32), abs=1.5)
        turned = tree_box_of(np.array([[y, -x] for x, y in self.FIVE], np.float32))
        assert turned[2] - turned[0] == pytest.approx(side, abs=1e-2)

    def test_known_and_unknown_points_in_one_batch_keep_their_rows(self) -> None:
        finder = painted_eyes().points
        images = [np.zeros((100, 100, 3), np.uint8)]
        five = np.stack([self.FIVE, np.full((5, 2), np.nan, np.float32), self.FIVE + 9])
        box = np.array([[1, 1, 9, 9], [20, 20, 80, 80], [1, 1, 9, 9]], np.float32)
        points = finder(images, np.zeros(3, np.int64), box, five)
        assert points.tree_box[1].tolist() == [20, 20, 80, 80]
        assert points.tree_box[2] == pytest.approx(points.tree_box[0] + 9)
        assert (points.points5[[0, 2]] == five[[0, 2]]).all()
        assert np.isfinite(points.points5[1]).all()


def test_commands_answer_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "none.jpg")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["models", "use", "nonesuch"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["models", "list"]) == 0
    assert "yunet" in capsys.readouterr().out


def test_the_default_is_the_best_that_is_installed() -> None:
    assert [spec.name for spec in packs.choose()] == ["mtcnn", "dlib"]
    assert [spec.name for spec in packs.choose(detector="dlib")] == ["dlib", "dlib"]


def test_names_in_an_index_never_lead_out_of_the_folder(
    red: Path, clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    victim = write_image(tmp_path / "victim.png", scene())
    run(red, clip, out)
    database = sqlite3.connect(out / "facegrab.db")
    database.execute("UPDATE extract SET file = '../victim.png' WHERE frame = 3")
    database.commit()
    database.close()
    run(red, clip, out)
    assert victim.exists()
    assert contents(out)
