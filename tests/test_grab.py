"""The class as the manual shows it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import another, write_image
from fakes import RED_UNTIL, paint, painted_eyes, pictures, scene

import facegrab
from facegrab import FaceGrab, ProcessSettings, RecognitionSettings
from facegrab.errors import GalleryError, MissingError, OutputError
from facegrab.models.compute import Compute
from facegrab.vision.look import Eyes

FAST = ProcessSettings(skip_frames=0, extract_size=64, scale=0.5)


def test_the_public_names() -> None:
    assert facegrab.__all__ == [
        "AccessError", "DeviceError", "FaceGrab", "FaceGrabError", "GalleryError", "MediaError",
        "MissingError", "OutputError", "Plan", "ProcessSettings", "RecognitionSettings",
        "SettingError", "StoreError", "Summary", "Watcher", "WeightsError", "__version__",
        "pick", "scan_into",
    ]  # fmt: skip
    for name in facegrab.__all__:
        assert getattr(facegrab, name) is not None
    assert facegrab.FaceGrab is FaceGrab
    with pytest.raises(AttributeError, match="Facegrab"):
        _ = facegrab.Facegrab


def test_every_error_is_ours_and_the_built_in_it_resembles() -> None:
    alike = {
        "AccessError": PermissionError, "DeviceError": RuntimeError, "GalleryError": ValueError,
        "MediaError": ValueError, "MissingError": FileNotFoundError, "OutputError": OSError,
        "SettingError": ValueError, "StoreError": ValueError, "WeightsError": ValueError,
    }  # fmt: skip
    for name, built_in in alike.items():
        error = getattr(facegrab, name)
        assert issubclass(error, facegrab.FaceGrabError)
        assert issubclass(error, built_in)
        assert str(error("one line")) == "one line"


def test_the_package_is_typed() -> None:
    assert (Path(facegrab.__file__).parent / "py.typed").is_file()


@pytest.mark.usefixtures("fake_networks")
def test_the_example_of_the_manual(red: Path, clip: Path, tmp_path: Path) -> None:
    FG = FaceGrab(str(red), RecognitionSettings(jitter=1), FAST)  # noqa: N806
    if FG.reference_count:
        summary = FG.process(str(clip), str(tmp_path / "out"))
    assert summary.faces_written == RED_UNTIL == len(pictures(tmp_path / "out"))


@pytest.mark.usefixtures("fake_networks")
def test_settings_by_name(red: Path, clip: Path, tmp_path: Path) -> None:
    grab = FaceGrab(red, recognition=RecognitionSettings(tolerance=0.4))
    assert grab.process(clip, tmp_path).frames_looked_at == 5  # every 7th of 30


def test_paths_of_any_kind(red: Path, green: Path, clip: Path, tmp_path: Path) -> None:
    class Named(os.PathLike[str]):
        def __fspath__(self) -> str:
            return str(clip)

    grab = FaceGrab([red, str(red)], process=FAST, eyes=painted_eyes())
    assert grab.reference_count == 2
    other = another(clip, tmp_path / "other.mp4")
    assert grab.process((Named(), str(other)), tmp_path / "out").faces_written == 2 * RED_UNTIL


def test_the_output_is_the_current_folder_if_none_is_named(
    red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    FaceGrab(red, process=FAST, eyes=painted_eyes()).process(clip)
    assert len(pictures(tmp_path)) == RED_UNTIL


def test_everybody_has_no_references_and_is_not_saved(tmp_path: Path) -> None:
    grab = FaceGrab("*")
    assert grab.reference_count == 0
    with pytest.raises(GalleryError):
        grab.save(tmp_path / "a.npz")


def test_saved_references_find_the_same_faces(
    red: Path, green: Path, clip: Path, tmp_path: Path
) -> None:
    eyes = painted_eyes()
    assert FaceGrab(red, eyes=eyes).save(tmp_path / "A") == tmp_path / "A.npz"
    grab = FaceGrab(green, process=FAST, eyes=eyes)
    grab.load(tmp_path / "A.npz")
    assert grab.reference_count == 1
    assert grab.process(clip, tmp_path / "out").faces_written == RED_UNTIL
    assert FaceGrab(tmp_path / "A.npz", eyes=eyes).reference_count == 1


def test_a_load_that_fails_changes_nothing(red: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", np.zeros(3))
    grab = FaceGrab([red, red], eyes=painted_eyes())
    with pytest.raises(GalleryError):
        grab.load(tmp_path / "bad.npz")
    with pytest.raises(MissingError):
        grab.load(tmp_path / "none.npz")
    assert grab.reference_count == 2


def test_stats_name_the_picture_that_does_not_fit(tmp_path: Path) -> None:
    for number in range(5):
        write_image(tmp_path / f"me-{number}.png", scene(red=(10 + 9 * number, 20)))
    write_image(tmp_path / "them.png", scene(blue=(40, 30)))
    stats = FaceGrab(tmp_path, eyes=painted_eyes()).stats()
    assert stats.count == 6
    assert [Path(name).name for name, _ in stats.outliers] == ["them.png"]


def test_the_networks_are_opened_only_when_a_face_must_be_seen(
    red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_eyes(_: Any, __: Any, compute: Compute, **options: Any) -> Eyes:
        opened.append(compute.device)
        return painted_eyes()

    monkeypatch.setattr("facegrab.vision.eyes.open_eyes", open_eyes)
    grab = FaceGrab("*")
    with pytest.raises(MissingError):
        grab.process(tmp_path / "none.mp4")
    assert opened == []
    grab = FaceGrab([red, red], process=ProcessSettings(skip_frames=0, device="cuda"))
    grab.process(red, tmp_path / "out")
    assert opened == ["cuda"]


def test_one_object_does_several_videos_into_several_folders(
    red: Path, clip: Path, tmp_path: Path
) -> None:
    grab = FaceGrab(red, process=FAST, eyes=painted_eyes())
    first = grab.process(clip, tmp_path / "a")
    second = grab.process(clip, tmp_path / "b")
    assert first.faces_written == second.faces_written == RED_UNTIL
    assert second.seconds["detect"] < first.seconds["all"] + second.seconds["all"]


def test_a_file_in_the_place_of_the_folder(red: Path, clip: Path) -> None:
    with pytest.raises(OutputError, match=r"red\.png is no folder"):
        FaceGrab(red, eyes=painted_eyes()).process(clip, red)


def test_what_it_wrote_is_no_input_of_the_next_run(red: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", scene(red=(10, 20)))
    (tmp_path / "in").mkdir()
    grab = FaceGrab(red, process=FAST, eyes=painted_eyes())
    for output in (tmp_path / "faces", tmp_path / "faces"):
        assert grab.process(tmp_path, output).faces_written == 1
    with pytest.raises(MissingError, match="earlier run"):
        grab.process(tmp_path / "faces", tmp_path / "faces")
    write_image(tmp_path / "in" / "b.png", scene(red=(10, 20)))
    for _ in range(2):
        assert grab.process(tmp_path / "in", tmp_path / "in").frames_looked_at == 1
    assert len(pictures(tmp_path / "in")) == 2


def test_a_reference_smaller_than_the_frame_is_found(tmp_path: Path) -> None:
    picture = scene((600, 400))
    paint(picture, "red", 300, 200, 100)
    path = write_image(tmp_path / "r.png", picture)
    assert FaceGrab(path, eyes=painted_eyes()).reference_count == 1
