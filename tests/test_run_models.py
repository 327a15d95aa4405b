"""What settings and models make of a run: sizes, tolerance, licence, another recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import write_image
from fakes import (
    HUE,
    PAINTED,
    RED_UNTIL,
    Notes,
    PaintedDetector,
    paint,
    painted_eyes,
    pictures,
    query,
    scene,
    table,
)
from test_run import hue, run

from facegrab import FaceGrab, ProcessSettings, RecognitionSettings
from facegrab.errors import GalleryError, SettingError, StoreError, WeightsError
from facegrab.models.specs import Licence
from facegrab.store.origin import read_origin
from facegrab.types import Detections, Image
from facegrab.vision.feed import Feed
from facegrab.vision.look import Eyes
from facegrab.vision.points import PointFinder

FAST = ProcessSettings(skip_frames=0, extract_size=64, scale=0.5)
OTHER = replace(
    HUE, name="other", graph=Path("x.onnx"), sha256="ab" * 32, metric="cosine", tolerance=0.3,
    length=64,
)  # fmt: skip
NOT_COMMERCIAL = Licence("CC-BY-NC-4.0", commercial=False, source="tests")


def without_mesh() -> Eyes:
    """As opened where only weights may be used that allow commercial use."""
    eyes = painted_eyes()
    return replace(eyes, points=PointFinder(eyes.points._corners, None))


class TestSizes:
    @pytest.fixture
    def picture(self, tmp_path: Path) -> Path:
        """Faces of 40, 80 and 150 px."""
        image = scene((500, 250))
        paint(image, "red", 10, 20, 40)
        paint(image, "green", 100, 20, 80)
        paint(image, "blue", 250, 20, 150)
        return write_image(tmp_path / "three.png", image)

    @pytest.mark.parametrize(
        ("sizes", "found"),
        [
            ({}, [40, 80, 150]),  # auto shows the frame as it is here: 72 px are promised
            ({"min_face": 76}, [80, 150]),
            ({"min_face": 84}, [150]),
            ({"max_face": 84}, [40, 80]),
            ({"max_face": 76}, [40]),
            ({"min_face": 60, "max_face": 100}, [80]),
        ],
    )
    def test_only_faces_of_the_sizes_asked_for(
        self, picture: Path, tmp_path: Path, sizes: dict[str, Any], found: list[int]
    ) -> None:
        summary = run("*", picture, tmp_path / "out", scale="auto", extract_size=256, **sizes)
        measured = query(tmp_path / "out", "SELECT size_px FROM face ORDER BY size_px")
        assert [size for (size,) in measured] == pytest.approx(found, abs=1)
        assert summary.faces_found == len(found)

    def test_the_plan_tells_the_smallest(self, picture: Path, tmp_path: Path) -> None:
        notes = Notes()
        run("*", picture, tmp_path / "out", scale="auto", min_face=48, watcher=notes)
        assert notes.plans[0].smallest_face_px == 48
        assert (notes.plans[0].fed_width, notes.plans[0].fed_height) == (750, 375)

    def test_smaller_than_the_detector_can_is_refused_at_once(self) -> None:
        with pytest.raises(SettingError, match="painted finds no face below 36 px") as caught:
            FaceGrab("*", process=ProcessSettings(min_face=35), eyes=painted_eyes())
        assert "--min_face 36 or more" in str(caught.value)
        assert "--detector" in str(caught.value)
        FaceGrab("*", process=ProcessSettings(min_face=36), eyes=painted_eyes())

    def test_other_sizes_are_another_run(self, picture: Path, tmp_path: Path) -> None:
        run("*", picture, tmp_path / "out", scale="auto", min_face=50)
        with pytest.raises(StoreError, match=r"min_face 50, now 60"):
            run("*", picture, tmp_path / "out", scale="auto", min_face=60)


class TestTolerance:
    """Orange is about .4 from red by Euclid, .08 by cosine."""

    @pytest.fixture
    def cousins(self, tmp_path: Path) -> Path:
        return write_image(tmp_path / "two.png", scene(red=(10, 20), orange=(120, 20)))

    @pytest.mark.parametrize(("own", "written"), [(0.6, 2), (0.3, 1)])
    def test_auto_is_the_recognisers_own(
        self, red: Path, cousins: Path, tmp_path: Path, own: float, written: int
    ) -> None:
        grab = FaceGrab(red, process=FAST, eyes=painted_eyes(replace(HUE, tolerance=own)))
        assert grab.process(cousins, tmp_path / "out").faces_written == written

    def test_a_number_goes_before_it(self, red: Path, cousins: Path, tmp_path: Path) -> None:
        eyes = painted_eyes(replace(HUE, tolerance=0.3))
        grab = FaceGrab(red, RecognitionSettings(tolerance=0.6), FAST, eyes=eyes)
        assert grab.process(cousins, tmp_path / "out").faces_written == 2

    def test_the_metric_is_the_recognisers(self, red: Path, cousins: Path, tmp_path: Path) -> None:
        run(red, cousins, tmp_path / "a", eyes=painted_eyes(HUE))
        run(red, cousins, tmp_path / "b", eyes=painted_eyes(OTHER))
        euclid, cosine = (
            np.array([float(line["distance"]) for line in table(tmp_path / part)]) for part in "ab"
        )
        assert euclid[1] == pytest.approx(0.4, abs=0.1)
        np.testing.assert_allclose(cosine, euclid**2 / 2, atol=0.002)  # vectors of length 1

    def test_auto_and_the_same_number_are_one_run(
        self, red: Path, cousins: Path, tmp_path: Path
    ) -> None:
        for tolerance in (0.6, 0.60):
            grab = FaceGrab(red, RecognitionSettings(tolerance, 1), FAST, eyes=painted_eyes())
            assert grab.process(cousins, tmp_path / "out").faces_written == 2


class TestCommercial:
    def test_extracts_are_made_from_five_points(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        align = ("mean-face", "arcface", "none")
        eyes = without_mesh()
        summary = run(red, clip, tmp_path, licence="commercial", align=align, eyes=eyes)
        assert summary.faces_written == RED_UNTIL
        for folder in ("mean-face-64", "arcface-112", "none-64"):
            names = pictures(tmp_path / folder)
            assert len(names) == RED_UNTIL
            assert {hue(tmp_path / folder / name) for name in names} == {"red"}
        origin = read_origin(tmp_path / "mean-face-64" / names[0])
        assert origin["points68"] is None

    def test_no_licence_that_forbids_it_is_named(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        settings: dict[str, Any] = {
            "licence": "commercial",
            "eyes": without_mesh(),
            "skip_frames": 29,
        }
        commercial = run(red, clip, tmp_path / "a", **settings).licences
        default = run(red, clip, tmp_path / "b", skip_frames=29).licences
        assert [line for line in default if line not in commercial] == [
            "68-point landmarks: iBUG 300-W, not for commercial use"
        ]
        assert "detector painted: CC0-1.0" in commercial

    @pytest.mark.parametrize("align", ["faceswap-face", "faceswap-head"])
    def test_what_needs_68_points_is_refused_before_anything_is_opened(
        self, monkeypatch: pytest.MonkeyPatch, align: str
    ) -> None:
        monkeypatch.setattr("facegrab.vision.eyes.open_eyes", None)
        settings = ProcessSettings(align=("mean-face", align), licence="commercial")
        with pytest.raises(SettingError, match=f"{align} needs the 68 points.*commercially"):
            FaceGrab("*", process=settings)

    @pytest.mark.parametrize("which", ["detector", "recogniser"])
    def test_models_that_may_not_be_used_so_are_refused(self, which: str) -> None:
        eyes = painted_eyes()
        if which == "detector":
            eyes = replace(eyes, detector_spec=replace(PAINTED, licence=NOT_COMMERCIAL))
        else:
            eyes = painted_eyes(replace(HUE, licence=NOT_COMMERCIAL))
        with pytest.raises(WeightsError, match=f"the {which} .* may not be used commercially"):
            FaceGrab("*", process=ProcessSettings(licence="commercial"), eyes=eyes)
        FaceGrab("*", eyes=eyes)  # any licence: the default

    def test_the_networks_are_opened_without_the_mesh(
        self, red: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[bool] = []

        def open_eyes(*_: object, mesh: bool, **__: object) -> Eyes:
            asked.append(mesh)
            return painted_eyes()

        monkeypatch.setattr("facegrab.vision.eyes.open_eyes", open_eyes)
        for licence in ("any", "commercial"):
            FaceGrab(red, process=ProcessSettings(licence=licence))
        assert asked == [True, False]

    def test_another_licence_is_another_run(self, red: Path, clip: Path, tmp_path: Path) -> None:
        run(red, clip, tmp_path, skip_frames=29)
        with pytest.raises(StoreError, match="another run"):
            run(red, clip, tmp_path, skip_frames=29, licence="commercial", eyes=without_mesh())


class TestAnotherRecogniser:
    def test_saved_references_are_made_anew_and_find_the_same(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        saved = FaceGrab(red, eyes=painted_eyes()).save(tmp_path / "a.npz")
        grab = FaceGrab(saved, process=FAST, eyes=painted_eyes(OTHER))
        assert grab.process(clip, tmp_path / "out").faces_written == RED_UNTIL
        grab = FaceGrab("*", process=FAST, eyes=painted_eyes(OTHER))
        grab.load(saved)
        assert grab.reference_count == 1
        assert grab.process(clip, tmp_path / "again").faces_written == RED_UNTIL

    def test_a_folder_of_one_is_no_folder_of_the_other(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path, skip_frames=29)
        with pytest.raises(StoreError, match='recogniser "dlib", now "other-abababab"'):
            run(red, clip, tmp_path, skip_frames=29, eyes=painted_eyes(OTHER))

    def test_its_embeddings_are_kept_at_their_length(
        self, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        run(red, clip, tmp_path, skip_frames=29, eyes=painted_eyes(OTHER))
        assert query(tmp_path, "SELECT DISTINCT length(embedding) FROM face") == [(2 * 64,)]
        (name,) = pictures(tmp_path)
        assert read_origin(tmp_path / name)["recogniser"] == "other-abababab"

    def test_references_that_show_nobody_any_more_are_no_call_for_everybody(
        self, red: Path, tmp_path: Path
    ) -> None:
        """A gallery without references would match every face."""

        class Blind(PaintedDetector):
            def __call__(self, images: Sequence[Image], feeds: Sequence[Feed]) -> list[Detections]:
                return [Detections.empty() for _ in images]

        saved = FaceGrab(red, eyes=painted_eyes()).save(tmp_path / "a.npz")
        grab = FaceGrab("*", eyes=replace(painted_eyes(OTHER), detector=Blind()))
        with pytest.raises(GalleryError, match="no face was found anew"):
            grab.load(saved)
