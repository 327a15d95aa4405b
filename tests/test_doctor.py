"""facegrab doctor: a report comes whatever is broken, and says what."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from clips import shared_media, write_clip, write_image
from fakes import CLIP_FRAMES, RED_UNTIL, scene

from facegrab.cores import usable_cores
from facegrab.doctor import machine, models, runtimes, words
from facegrab.doctor.estimate import estimate
from facegrab.doctor.facts import Estimate, Model, Problem
from facegrab.doctor.search import Done, Search
from facegrab.doctor.sources import Sources
from facegrab.doctor_command import RUN_OPTIONS, main
from facegrab.errors import DeviceError, WeightsError
from facegrab.media import Source
from facegrab.models import compute, onnx_runtime, weights
from facegrab.options import FAILED, INTERRUPTED, OK
from facegrab.settings import ProcessSettings
from facegrab.vision import landmarks
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Eyes, Look

pytestmark = pytest.mark.usefixtures("fake_networks")

Doctor = Callable[..., tuple[int, str]]
DoctorJson = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def doctor(capfd: pytest.CaptureFixture[str]) -> Doctor:
    """Runs `facegrab doctor` with some words: exit code and output; nothing else is said."""

    def run(*words: object) -> tuple[int, str]:
        code = main([str(word) for word in words])
        said = capfd.readouterr()
        assert said.err == ""
        return code, said.out

    return run


@pytest.fixture
def facts(doctor: Doctor) -> DoctorJson:
    """The same for programs."""

    def run(*words: object) -> tuple[int, dict[str, Any]]:
        code, said = doctor(*words, "--json")
        return code, json.loads(said)

    return run


@pytest.fixture
def sick(fake_networks: Eyes, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The networks do not open, not even the fake ones."""

    def open_eyes(*_: object, **__: object) -> Eyes:
        raise WeightsError("weights.dat is missing: pip install weights")

    monkeypatch.setattr("facegrab.vision.eyes.open_eyes", open_eyes)
    return monkeypatch


def messages(found: dict[str, Any], *, fatal: bool = False) -> str:
    """Problems, or those of them that no run works with, a line each."""
    return "\n".join(each["message"] for each in found["problems"] if each["fatal"] or not fatal)


# What a sound machine says


def test_names_for_programs(facts: DoctorJson, clip: Path) -> None:
    """Scripts go by these: one that is renamed breaks them."""
    code, found = facts(clip)
    assert code == OK
    assert found["works"] is True
    assert " ".join(found) == (
        "facegrab_version works problems machine packages ffmpeg_libraries runtimes "
        "hardware_decoders models_folder models use weights cache estimate"
    )
    assert " ".join(found["machine"]) == (
        "processor architecture system python cores usable_cores memory_mb instruction_sets"
    )
    assert " ".join(found["runtimes"]) == (
        "openvino why_no_openvino openvino_capabilities onnxruntime_providers cuda"
    )
    assert " ".join(found["use"]) == (
        "device detector recogniser landmarks licences threads_looking threads_per_network advice"
    )
    assert " ".join(found["cache"]) == "path exists writable size_mb free_mb"
    assert " ".join(found["estimate"]) == (
        "sources sources_measured source width_px height_px every smallest_face_px fed_width_px "
        "fed_height_px computed opening_seconds measured_seconds measured_frames frames_per_second "
        "frames_looked_at_per_second faces_per_frame decode_only_frames_per_second stage_shares "
        "frames_total whole_run_seconds complete not_read load_average"
    )


def test_facts_are_those_of_this_machine(facts: DoctorJson) -> None:
    code, found = facts()
    assert code == OK
    assert messages(found) == ""
    assert found["estimate"] is None
    assert found["machine"]["usable_cores"] == usable_cores()
    assert found["machine"]["python"] == platform.python_version()
    assert found["packages"]["numpy"]
    assert found["ffmpeg_libraries"]["libavcodec"].count(".") == 2
    assert found["use"]["detector"]["name"] == "mtcnn"
    assert found["use"]["recogniser"]["name"] == "dlib"
    assert "get yunet" in found["use"]["advice"]
    names = {(each["role"], each["name"]) for each in found["models"]}
    assert names == {("detector", "mtcnn"), ("detector", "dlib"), ("recogniser", "dlib")}
    assert len(found["weights"]) == 7
    assert all(each["sound"] for each in found["weights"])
    assert found["cache"]["writable"] is True


def test_words_fit_a_terminal(doctor: Doctor, clip: Path) -> None:
    code, said = doctor("-i", clip, "--skip-frames", 0)
    assert code == OK
    lines = said.splitlines()
    assert max(len(line) for line in lines if os.sep not in line) <= words.WIDTH
    assert f"estimate for {clip.name}" in lines
    assert lines[-1] == "no problems"
    heads = [line for line in lines if line and not line.startswith(" ")]
    assert heads[1:5] == ["machine", "computes with", "a run uses", "model cache"]


def test_options_of_a_run_change_what_it_would_use(facts: DoctorJson) -> None:
    code, found = facts("--detector", "dlib", "--precision", "f32", "--threads", 1)
    assert code == OK
    assert found["use"]["detector"]["name"] == "dlib"
    assert found["use"]["recogniser"]["precision"] == "f32"
    assert found["use"]["threads_looking"] == 1
    assert set(RUN_OPTIONS) <= {each.name for each in fields(ProcessSettings)}


def test_commercial_weights_only(facts: DoctorJson) -> None:
    _, found = facts("--licence", "commercial")
    assert "68-point landmarks" not in found["use"]["licences"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu amx_int8 avx2\n\nflags\t: neon\n", ("avx2", "amx_int8")),
        ("processor\t: 0\nFeatures\t: fp asimd evtstrm\n", ("neon",)),
        ("processor\t: 0\nflags\t\t: fpu sse2\n", ()),
    ],
)
def test_instruction_sets_of_linux(text: str, expected: tuple[str, ...]) -> None:
    assert machine.instruction_sets(machine.cpu_facts(text)) == expected


def test_instruction_sets_where_nobody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert machine.instruction_sets({}) is None
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert machine.instruction_sets({}) == ("neon",)


# What is broken


def test_without_openvino(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(compute, "has_openvino", lambda: False)
    code, found = facts()
    assert code == OK
    assert "pip install openvino" in messages(found)
    assert found["runtimes"]["openvino"] is False
    assert found["runtimes"]["openvino_capabilities"] is None
    assert found["use"]["detector"]["runtime"] == compute.ONNX_RUNTIME


def test_openvino_is_not_missed_where_it_is_not_used(
    facts: DoctorJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    code, found = facts()
    assert (code, messages(found)) == (OK, "")
    assert "arm64" in found["runtimes"]["why_no_openvino"]


def test_openvino_that_does_not_load(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    def capabilities() -> list[str]:
        raise DeviceError("OpenVINO does not load: pip install --force-reinstall openvino")

    monkeypatch.setattr(compute, "has_openvino", lambda: True)
    monkeypatch.setattr("facegrab.models.openvino_runtime.capabilities", capabilities)
    compute.has_bf16.cache_clear()
    compute.bf16_is_faster.cache_clear()
    code, found = facts()
    assert code == FAILED
    assert "force-reinstall openvino" in messages(found, fatal=True)
    assert found["use"] is None
    assert found["runtimes"]["onnxruntime_providers"]
    assert found["cache"]["path"]


def test_without_numba(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "walker_name", lambda: "numpy")
    code, found = facts()
    assert code == OK
    assert "pip install numba" in messages(found)


def test_without_a_card(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "nvidia_cards", lambda: ())
    code, found = facts()
    assert (code, messages(found)) == (OK, "")
    assert found["runtimes"]["cuda"] == {
        "usable": False,
        "why_not": runtimes.NO_CARD,
        "cards": [],
    }
    code, found = facts("--device", "cuda")
    assert code == FAILED
    assert runtimes.NO_CARD in messages(found, fatal=True)


def test_a_card_and_a_runtime_that_knows_none(
    facts: DoctorJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise DeviceError(f"this ONNX Runtime has no cuda; {onnx_runtime.INSTALL_CUDA}")

    monkeypatch.setattr(runtimes, "nvidia_cards", lambda: ("Some Card",))
    monkeypatch.setattr(onnx_runtime, "load", load)
    code, found = facts()
    assert (code, messages(found)) == (OK, "")
    assert found["runtimes"]["cuda"]["cards"] == ["Some Card"]
    assert "onnxruntime-gpu" in found["runtimes"]["cuda"]["why_not"]
    code, found = facts("--device", "cuda")
    assert code == FAILED
    assert "onnxruntime-gpu" in messages(found, fatal=True)


def test_a_card_that_works(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[bytes, str]] = []

    def load(graph: Path, how: compute.Compute) -> None:
        tried.append((graph.read_bytes(), how.device))

    monkeypatch.setattr(runtimes, "nvidia_cards", lambda: ("Some Card",))
    monkeypatch.setattr(onnx_runtime, "load", load)
    _, found = facts()
    assert found["runtimes"]["cuda"] == {"usable": True, "why_not": None, "cards": ["Some Card"]}
    ((graph, device),) = tried
    assert device == compute.CUDA
    assert b"Relu" in graph


@pytest.fixture
def unwritable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One that even root cannot write: a file is in its way."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "file" / "cache"))
    return str(tmp_path / "file" / "cache")


def test_a_cache_that_cannot_be_written_may_hold_all_that_is_needed(
    facts: DoctorJson, unwritable_cache: str
) -> None:
    code, found = facts()
    assert code == OK
    assert f"{unwritable_cache} cannot be written: set FACEGRAB_CACHE" in messages(found)
    assert found["cache"]["writable"] is False
    assert found["cache"]["exists"] is False


@pytest.mark.usefixtures("sick", "unwritable_cache")
def test_a_cache_that_cannot_be_written_and_lacks_something(facts: DoctorJson) -> None:
    code, found = facts()
    assert code == FAILED
    assert messages(found, fatal=True) == "weights.dat is missing: pip install weights"


def test_a_cache_is_not_made_only_to_look_at_it(
    facts: DoctorJson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "a" / "cache"))
    monkeypatch.setattr(models, "dlib_weights", lambda: ())  # whose hashes would be kept there
    monkeypatch.setattr(models, "mtcnn_weights", lambda: ())
    _, found = facts()
    assert found["cache"]["writable"] is True
    assert found["cache"]["exists"] is False
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_installed(facts: DoctorJson, sick: pytest.MonkeyPatch) -> None:
    sick.setattr(weights, "find_spec", lambda _: None)
    code, found = facts()
    assert code == FAILED
    assert "pip install face_recognition_models" in messages(found)
    assert {each["package"] for each in found["weights"]} == {"mtcnn"}


def test_weights_that_are_damaged(
    facts: DoctorJson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / weights.RECOGNISER_FILE).write_bytes(b"damaged")
    monkeypatch.setattr(weights, "weights_folder", lambda: tmp_path)
    code, found = facts()
    assert code == OK  # the fake networks open all the same
    said = messages(found).splitlines()
    assert len(said) == len(models.DLIB_SHA256)
    assert all("pip install --force-reinstall" in line for line in said)
    assert [each["sound"] for each in found["weights"]] == [True] * 3 + [False] * 4


def test_networks_are_opened_only_if_something_is_wrong(
    facts: DoctorJson, sick: pytest.MonkeyPatch
) -> None:
    """What opens them prepares them first, which takes some seconds."""
    assert facts()[0] == OK
    sick.setattr(machine, "DISTRIBUTIONS", {"no-such-package": ("no-such-package",)})
    code, found = facts()
    assert code == FAILED
    assert "pip install no-such-package" in messages(found)


def test_packages_that_share_a_folder(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxruntime": "1", "onnxruntime-gpu": "2"}
    known = machine._versions
    monkeypatch.setattr(
        machine, "_versions", lambda name: versions if name == "onnxruntime" else known(name)
    )
    code, found = facts()
    assert code == OK
    assert "onnxruntime and onnxruntime-gpu share one folder" in messages(found)


def test_a_chosen_model_that_is_gone(facts: DoctorJson, clip: Path) -> None:
    code, found = facts("--detector", "yunet", clip)
    assert code == FAILED
    assert "facegrab models get yunet" in messages(found, fatal=True)
    assert len(found["problems"]) == 1, "each is told once"
    assert found["estimate"] is None


def test_what_the_library_warns_of(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder() -> str:
        logging.getLogger("facegrab.models.folder").warning("cannot look into x")
        return "x"

    monkeypatch.setattr(models, "models_folder", folder)
    code, found = facts()
    assert (code, messages(found)) == (OK, "cannot look into x")


def test_a_damaged_model_is_named(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Model("mine", "?", "?", None, sound=False)
    said = "mine.onnx is missing: facegrab models remove mine"
    monkeypatch.setattr(models, "models", lambda: ((broken,), [Problem(said)]))
    code, found = facts()
    assert (code, messages(found)) == (OK, said)
    assert found["models"][0]["sound"] is False


@pytest.mark.parametrize("package", ["numpy", "cv2", "av"])
def test_a_package_that_does_not_load(package: str, tmp_path: Path) -> None:
    """In a process of its own: here they are loaded already."""
    (tmp_path / f"{package}.py").write_text("raise ImportError('broken', name=__name__)\n")
    done = subprocess.run(
        [sys.executable, "-m", "facegrab", "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["machine"]["usable_cores"] == usable_cores()
    distribution = machine.DISTRIBUTIONS.get(package, ("opencv-python-headless",))[0]
    assert f"pip install --force-reinstall {distribution}" in messages(found, fatal=True)
    assert done.returncode == FAILED


def test_onnxruntime_that_does_not_load(facts: DoctorJson, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO may stand in for it: the networks tell."""

    def providers() -> tuple[str, ...]:
        raise ImportError("DLL load failed", name="onnxruntime.capi.onnxruntime_pybind11_state")

    monkeypatch.setattr(runtimes, "onnxruntime_providers", providers)
    code, found = facts()
    assert code == OK
    assert messages(found) == "DLL load failed: pip install --force-reinstall onnxruntime"
    assert found["runtimes"]["onnxruntime_providers"] is None


# Inputs


def test_a_clip_to_its_end(fake_networks: Eyes, clip: Path) -> None:
    found = estimate([str(clip)], ProcessSettings(skip_frames=0, extract_size=64), seconds=60)
    assert found.complete
    assert found.measured_frames == found.frames_total == CLIP_FRAMES
    assert found.faces_per_frame == pytest.approx((CLIP_FRAMES + RED_UNTIL) / CLIP_FRAMES, abs=0.1)
    assert found.whole_run_seconds == pytest.approx(found.measured_seconds)
    assert found.frames_per_second == pytest.approx(CLIP_FRAMES / found.measured_seconds)
    assert found.computed == fake_networks.computed
    assert (found.width_px, found.height_px) == (256, 144)
    assert sum(found.stage_shares.values()) == pytest.approx(1)
    assert {"decode", "detect", "embed"} <= set(found.stage_shares)
    assert found.decode_only_frames_per_second > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_clip_that_takes_too_long(clip: Path, threads: int) -> None:
    """The first batch of each thread does not count."""
    process = ProcessSettings(skip_frames=1, batch_size=2, threads=threads, extract_size=64)
    found = estimate([str(clip)], process, seconds=1e-9, decode_seconds=1e-9)
    assert not found.complete
    looked_at = 2 * threads
    assert found.measured_frames == 2 * looked_at
    assert found.frames_looked_at_per_second == pytest.approx(looked_at / found.measured_seconds)
    assert found.frames_total == CLIP_FRAMES
    assert found.whole_run_seconds == pytest.approx(
        CLIP_FRAMES / found.measured_frames * found.measured_seconds
    )


def test_several_sources_of_which_some_are_not_reached(tmp_path: Path, clip: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.mp4").write_bytes(clip.read_bytes())
    process = ProcessSettings(skip_frames=0, batch_size=2, threads=1, extract_size=64)
    found = estimate([str(folder)], process, seconds=1e-9)
    assert (found.sources, found.sources_measured, found.complete) == (3, 1, False)
    assert found.source.endswith("a.mp4")
    assert found.frames_total == 3 * CLIP_FRAMES
    found = estimate([str(folder)], process, seconds=60)
    assert (found.sources_measured, found.complete) == (3, True)
    assert found.measured_frames == 3 * CLIP_FRAMES


def test_threads_have_looked_alike_often_when_it_ends(fake_networks: Eyes) -> None:
    look = Look(fake_networks, Wanted())
    search = Search(look, ProcessSettings(threads=2), clock=lambda: 0.0)
    states = [Done(seconds=float(number)) for number in range(1, 9)]
    enough = [count for count in range(len(states)) if search._is_enough(states[:count], 3)]
    assert enough == [6], "3 s after the second, and as many of the one as of the other"


def test_headers_that_there_was_no_time_for(tmp_path: Path, clip: Path) -> None:
    films = [tmp_path / f"{name}.mp4" for name in "abc"]
    for film in films:
        film.write_bytes(clip.read_bytes())
    sources = Sources([Source(film) for film in films], 1)
    assert sources.frame_count({}, -1, clock=lambda: 0.0) == 3 * CLIP_FRAMES
    assert sources.frame_count({films[0]: 90}, -1, clock=lambda: 0.0) == 3 * 90
    assert sources.frame_count({films[0]: 90}, 1, clock=lambda: 0.0) == 90 + 2 * CLIP_FRAMES


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for name in range(5):
        write_image(tmp_path / f"{name}.png", scene(red=(10, 20)))
    found = estimate([str(tmp_path)], ProcessSettings(skip_frames=1, extract_size=64), seconds=60)
    assert found.complete
    assert found.frames_total == found.measured_frames == 5
    assert found.faces_per_frame == 1


def test_nothing_is_written(facts: DoctorJson, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(clip.read_bytes())
    assert facts(folder)[1]["estimate"]["faces_per_frame"] > 0
    assert [path.name for path in tmp_path.rglob("*")] == ["films", "a.mp4"]


def test_one_source_of_two_cannot_be_read(facts: DoctorJson, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.mp4").write_bytes(b"no video")
    code, found = facts(tmp_path / "damaged.mp4", "-i", clip)
    assert code == OK
    assert "damaged.mp4 is no readable video" in messages(found)
    assert (found["estimate"]["sources"], found["estimate"]["sources_measured"]) == (2, 1)
    assert found["estimate"]["frames_total"] == CLIP_FRAMES


def test_an_input_that_cannot_be_read(doctor: Doctor, facts: DoctorJson, tmp_path: Path) -> None:
    (tmp_path / "damaged.mp4").write_bytes(b"no video")
    code, said = doctor(tmp_path / "damaged.mp4")
    assert code == FAILED
    assert "a run uses" in said, "the rest of the report is there"
    assert "  ! " in said
    code, found = facts(tmp_path / "none.mp4")
    assert code == FAILED
    assert f"no such file or folder: {tmp_path / 'none.mp4'}" in messages(found, fatal=True)
    assert found["estimate"] is None


def test_a_video_without_a_sound_frame(facts: DoctorJson, tmp_path: Path, clip: Path) -> None:
    cut = tmp_path / "cut.mp4"
    whole = write_clip(tmp_path / "whole.mkv", [scene(red=(10, 20))] * 3).read_bytes()
    cut.write_bytes(whole[: len(whole) // 3])
    code, found = facts(cut, clip)
    assert code == OK
    assert "cut.mp4" in messages(found)
    assert found["estimate"]["source"] == str(clip)


# The command


def test_libraries_that_talk_are_not_heard(
    doctor: Doctor, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk() -> tuple[str, ...]:
        for output in (1, 2):
            os.write(output, b"[ WARNING ] device discovery failed\n")
        return ()

    monkeypatch.setattr(runtimes, "onnxruntime_providers", talk)
    _, said = doctor(clip)
    assert "discovery" not in said
    os.write(1, b"heard again\n")
    assert doctor("--json")[1].startswith("heard again\n{")


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--precision", "f8"]) == FAILED
    assert main(["--min_face", "3"]) == FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 2
    assert "facegrab doctor --help" in said.err


def test_ctrl_c(
    capsys: pytest.CaptureFixture[str], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> Estimate:
        raise KeyboardInterrupt

    monkeypatch.setattr("facegrab.doctor.estimate.estimate", stop)
    assert main([str(clip)]) == INTERRUPTED
    assert capsys.readouterr().err == "facegrab: stopped\n"


def test_a_path_says_nothing_to_the_terminal() -> None:
    assert words.printable("a\x1b[31mb") == "a\\x1b[31mb"


# The real networks


@pytest.fixture
def real_clip() -> Path:
    media = shared_media()
    if media is None:
        pytest.skip("the shared media are not here")
    return media / "video" / "lipnet__lbax4n.mpg"


@pytest.mark.real
def test_the_real_thing(real_clip: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facegrab", "doctor", str(real_clip), "--json", "-sf", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (OK, "")
    found = json.loads(done.stdout)
    assert found["problems"] == []
    measured = found["estimate"]
    assert measured["complete"] is True
    assert measured["measured_frames"] == measured["frames_total"] == 75
    assert measured["faces_per_frame"] == 1, "one speaker, in every frame"
    assert measured["width_px"] == 360
