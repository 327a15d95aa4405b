"""Installed models: the folder, the files that describe them, and what a name stands for."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_graphs import write_recogniser, write_yunet

from facegrab import cache
from facegrab.errors import AccessError, MissingError, OutputError, SettingError, WeightsError
from facegrab.models import folder, install, own, packfile, packs, registry
from facegrab.models.own import Told
from facegrab.models.packfile import DETECTOR, RECOGNISER
from facegrab.models.specs import DetectorSpec, Licence, RecogniserSpec


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, and an empty cache."""
    monkeypatch.setenv("FACEGRAB_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "models"


@pytest.fixture
def recogniser(tmp_path: Path) -> RecogniserSpec:
    """An installed recogniser called mine."""
    told = Told(name="mine", licence="MIT", commercial=True, source="https://example.org")
    spec = install.add(write_recogniser(tmp_path / "net.onnx"), told)
    assert isinstance(spec, RecogniserSpec)
    return spec


@pytest.fixture
def detector(tmp_path: Path) -> DetectorSpec:
    """An installed detector called eyes."""
    spec = install.add(write_yunet(tmp_path / "Eyes.onnx"), Told())
    assert isinstance(spec, DetectorSpec)
    return spec


def pretend_installed(name: str, graph: Path) -> None:
    """Installs a tiny graph as if it were a known model."""
    spec = own.spec_of(graph, cache.content_hash(graph))
    known = replace(registry.KNOWN[name], graph=folder.graph_path(name), sha256=spec.sha256)
    folder.put(folder.graph_path(name), graph.read_bytes())
    folder.put(folder.spec_path(name), packfile.encode(known))


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the content of a description."""
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


class TestFolder:
    def test_the_variable_decides(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("FACEGRAB_MODELS", str(tmp_path))
        assert folder.models_folder() == tmp_path

    @pytest.mark.parametrize(
        ("platform", "variable", "expected"),
        [
            ("linux", "XDG_DATA_HOME", "data/facegrab/models"),
            ("linux", "", "home/.local/share/facegrab/models"),
            ("darwin", "", "home/Library/Application Support/facegrab/models"),
            ("win32", "LOCALAPPDATA", "data/facegrab/models"),
            ("win32", "", "home/AppData/Local/facegrab/models"),
        ],
    )
    def test_else_the_user_s_place_for_data(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        platform: str,
        variable: str,
        expected: str,
    ) -> None:
        for each in ("FACEGRAB_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(each, raising=False)
        if variable:
            monkeypatch.setenv(variable, str(tmp_path / "data"))
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
        assert folder.models_folder() == tmp_path / expected

    def test_no_home_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_home() -> Path:
            raise RuntimeError

        for each in ("FACEGRAB_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(each, raising=False)
        monkeypatch.setattr(Path, "home", no_home)
        with pytest.raises(WeightsError, match="set FACEGRAB_MODELS to a folder"):
            folder.models_folder()

    @pytest.mark.parametrize("name", ["a", "yunet", "det_2.5g", "a" * 64, "0-9"])
    def test_names(self, name: str) -> None:
        assert folder.check_name(name) == name

    @pytest.mark.parametrize(
        "name",
        [
            *("", ".", "..", "../a", "a/b", "a\\b", "/a", "A", "ä", "a b", "a\n", "a" * 65),
            *(".a", "a.", "-a", "use", "con", "nul.x", "com1", "a.onnx", "a.json", "a\0", "c:a"),
        ],
    )
    def test_what_is_no_name(self, name: str) -> None:
        with pytest.raises(WeightsError, match="is no name for a model"):
            folder.spec_path(name)

    def test_a_name_from_a_file(self) -> None:
        assert folder.name_from("Mobile FaceNet (v2)") == "mobile_facenet_v2"
        with pytest.raises(WeightsError, match="is no name"):
            folder.name_from("网络")

    def test_a_file_is_whole_or_not_there(
        self, models: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="no space left to write"):
            folder.put(models / "a.json", b"content")
        assert list(models.iterdir()) == []

    def test_no_permission_is_told(self, models: Path) -> None:
        with (
            pytest.raises(AccessError, match="set FACEGRAB_MODELS to another folder"),
            folder.writing(models),
        ):
            raise PermissionError

    def test_a_file_in_the_folder_s_place_is_told(self, models: Path) -> None:
        models.write_text("a file")
        with pytest.raises(OutputError, match="cannot write"):
            folder.put(models / "a.json", b"content")

    def test_what_killed_processes_left_is_removed(self, models: Path) -> None:
        models.mkdir()
        ages = {"old.tmp": 2, "new.tmp": 0, "old.part": 8, "new.part": 6, "model.onnx": 99}
        now = (models / "new.tmp").parent.stat().st_mtime
        for name, days in ages.items():
            (models / name).touch()
            os.utime(models / name, (now - days * 86400, now - days * 86400))
        folder.make_folder(models)
        left = sorted(path.name for path in models.iterdir())
        assert left == ["model.onnx", "new.part", "new.tmp"]


class TestDescription:
    def test_a_model_reads_back_as_it_was_written(
        self, recogniser: RecogniserSpec, detector: DetectorSpec
    ) -> None:
        assert packfile.read(folder.spec_path("mine")) == recogniser
        assert packfile.read(folder.spec_path("eyes")) == detector
        assert (recogniser.length, recogniser.kind, recogniser.metric) == (64, "arcface", "cosine")
        assert recogniser.licence == Licence("MIT", True, "https://example.org")
        assert detector.kind == "yunet"
        assert detector.licence == Licence("unknown", False, "")

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda c: c.pop("kind"), "kind is missing"),
            (lambda c: c.update(kind="haar"), "kind must be one of dlib, arcface"),
            (lambda c: c.update(kind=["arcface"]), "kind must be one of"),
            (lambda c: c.update(role="judge"), "role must be one of detector, recogniser"),
            (lambda c: c.update(role="detector"), "kind must be one of mtcnn, dlib, yunet"),
            (lambda c: c.update(name="other"), "name must be what the file is called, 'mine'"),
            (lambda c: c.update(name=3), "name must be a text of one line"),
            (lambda c: c.update(graph="../mine.onnx"), "graph must be the plain name of an .onnx"),
            (lambda c: c.update(graph="/etc/passwd"), "graph must be the plain name of an .onnx"),
            (lambda c: c.update(graph="mine.zip"), "graph must be the plain name of an .onnx"),
            (lambda c: c.update(sha256="0" * 63), "sha256 must be 64 hexadecimal digits"),
            (lambda c: c.update(sha256="G" * 64), "sha256 must be 64 hexadecimal digits"),
            (lambda c: c.update(tolerance="0.5"), "tolerance must be a number from 0.1 to 1"),
            (lambda c: c.update(tolerance=float("nan")), "tolerance must be a number"),
            (lambda c: c.update(tolerance=10**400), "tolerance must be a number"),
            (lambda c: c.update(tolerance=True), "tolerance must be a number"),
            (lambda c: c.update(length=0), "length must be a whole number from 1 to 8192"),
            (lambda c: c.update(length=1.5), "length must be a whole number"),
            (lambda c: c.update(metric="l1"), "metric must be one of euclidean, cosine"),
            (lambda c: c.update(licence="MIT"), "licence must be an object"),
            (lambda c: c["licence"].update(commercial=1), "licence.commercial must be true or"),
            (lambda c: c["licence"].update(name="\x1b[2J"), "licence.name must be a text of one"),
            (lambda c: c["licence"].pop("source"), "licence.source is missing"),
            (lambda c: c["pixels"].update(order="grb"), "pixels.order must be one of rgb, bgr"),
            (lambda c: c["pixels"].update(mean=[0, 0]), "pixels.mean must be three numbers"),
            (lambda c: c["pixels"].update(mean=[0, 0, "0"]), "pixels.mean must be three numbers"),
            (lambda c: c["pixels"].update(divisor=[1, 1, 0]), "pixels.divisor must be three num"),
            (lambda c: c["pixels"].update(width_px=9000), "pixels.width_px must be a whole"),
            (lambda c: c["pixels"].update(width_px=None), "pixels must be of a given width_px"),
            (lambda c: c["pixels"].update(batch=0), "pixels.batch must be a whole number"),
            (lambda c: c["pixels"].update(gamma=2.2), "'pixels.gamma' is no known key"),
            (lambda c: c.update(typo=1), "'typo' is no known key"),
            (lambda c: c.update(format=2), "was written by a newer FaceGrab: update this one"),
            (lambda c: c.pop("format"), "format is missing"),
        ],
    )
    def test_what_does_not_fit_is_told(
        self, recogniser: RecogniserSpec, change: Callable[[dict[str, Any]], object], told: str
    ) -> None:
        path = folder.spec_path(recogniser.name)
        changed(path, change)
        with pytest.raises(WeightsError) as error:
            packfile.read(path)
        assert told in str(error.value)
        assert str(path) in str(error.value)
        assert str(error.value).isprintable()

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 50_000, b'"\\ud800"']
    )
    def test_what_is_no_description_is_told(self, models: Path, content: bytes) -> None:
        folder.put(models / "mine.json", content)
        with pytest.raises(WeightsError, match=r"mine\.json.*facegrab models remove"):
            packfile.read(models / "mine.json")

    def test_a_long_one_is_not_read_to_its_end(self, models: Path) -> None:
        folder.put(models / "mine.json", b'{"name": "' + b"a" * 70_000 + b'"}')
        with pytest.raises(WeightsError, match=r"mine\.json is larger than"):
            packfile.read(models / "mine.json")

    def test_a_missing_one_is_told(self, models: Path) -> None:
        with pytest.raises(WeightsError, match=r"cannot read .*mine\.json"):
            packfile.read(models / "mine.json")

    def test_what_has_no_graph_is_not_written(self) -> None:
        with pytest.raises(ValueError, match="no graph"):
            packfile.encode(registry.KNOWN["yunet"])


class TestNames:
    def test_embedded_models_are_always_there(self) -> None:
        assert packs.resolve_detector("mtcnn").kind == "mtcnn"
        assert packs.resolve_detector("dlib").kind == "dlib"
        dlib = packs.resolve_recogniser("dlib")
        assert (dlib.metric, dlib.length) == ("euclidean", 128)
        assert packs.resolve_pack("embedded") == (packs.resolve_detector("mtcnn"), dlib)

    def test_installed_models_are_found(
        self, recogniser: RecogniserSpec, detector: DetectorSpec
    ) -> None:
        assert packs.resolve_recogniser("mine") == recogniser
        assert packs.resolve_detector("eyes") == detector

    def test_the_other_role_is_refused(
        self, recogniser: RecogniserSpec, detector: DetectorSpec
    ) -> None:
        with pytest.raises(WeightsError, match="mine is a recogniser, not a detector: there are"):
            packs.resolve_detector("mine")
        with pytest.raises(WeightsError, match="eyes is a detector, not a recogniser"):
            packs.resolve_recogniser("eyes")
        assert (recogniser.name, detector.name) == ("mine", "eyes")

    @pytest.mark.parametrize("name", ["haar", "YuNet", "", "..", "use", "con", "ä" * 500])
    def test_unknown_names_are_told_with_the_known_ones(self, name: str) -> None:
        with pytest.raises(
            WeightsError, match=r"there is no detector .*: there are mtcnn, dlib, y"
        ):
            packs.resolve_detector(name)

    def test_own_models_are_among_the_known_ones(self, detector: DetectorSpec) -> None:
        with pytest.raises(WeightsError, match=f"det_500m, {detector.name} "):
            packs.resolve_detector("haar")

    def test_how_to_get_what_is_not_installed(self) -> None:
        with pytest.raises(WeightsError, match="yunet is not installed: facegrab models get yunet"):
            packs.resolve_detector("yunet")
        with pytest.raises(WeightsError, match=r"det_10g is not .*: facegrab models get buffalo_l"):
            packs.resolve_pack("buffalo_l")
        with pytest.raises(WeightsError, match=r"facegrab models add FILE\.onnx"):
            packs.resolve_recogniser("mobilefacenet")

    def test_a_pack_is_no_detector(self) -> None:
        with pytest.raises(WeightsError, match="buffalo_s is a pack, not a detector: --models buf"):
            packs.resolve_detector("buffalo_s")

    def test_an_unknown_pack_is_told(self) -> None:
        with pytest.raises(WeightsError, match="'zoo' is no pack of models: there are embedded, "):
            packs.resolve_pack("zoo")

    def test_a_path_is_looked_into(self, tmp_path: Path) -> None:
        spec = packs.resolve_recogniser(str(write_recogniser(tmp_path / "a b.onnx", length=96)))
        assert (spec.name, spec.length, spec.tolerance) == ("a_b", 96, registry.ARCFACE_TOLERANCE)
        assert spec.graph == tmp_path / "a b.onnx"
        assert not spec.licence.commercial
        found = packs.resolve_detector(str(write_yunet(tmp_path / "d.onnx")))
        assert (found.kind, found.graph) == ("yunet", tmp_path / "d.onnx")

    def test_a_relative_path_is_made_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_recogniser(tmp_path / "a.onnx")
        monkeypatch.chdir(tmp_path)
        assert packs.resolve_recogniser("a.onnx").graph == tmp_path / "a.onnx"

    def test_a_known_file_needs_no_words(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_recogniser(tmp_path / "whatever.onnx")
        known = replace(registry.KNOWN["sface"], sha256=cache.content_hash(path))
        monkeypatch.setitem(registry.KNOWN, "sface", known)
        spec = packs.resolve_recogniser(str(path))
        assert (spec.name, spec.pixels.divisor) == ("sface", (1.0, 1.0, 1.0))
        assert spec.licence.commercial

    def test_a_missing_path_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(MissingError, match=r"is no file: give the path of an .onnx"):
            packs.resolve_detector(str(tmp_path / "a.onnx"))

    def test_what_is_no_graph_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a.onnx").write_bytes(b"\x00 no graph")
        with pytest.raises(WeightsError, match=r"a\.onnx is no ONNX file"):
            packs.resolve_detector(str(tmp_path / "a.onnx"))

    def test_a_changed_graph_is_refused(self, recogniser: RecogniserSpec, tmp_path: Path) -> None:
        assert recogniser.graph is not None
        write_recogniser(recogniser.graph, seed=2)
        with pytest.raises(WeightsError, match="its hash differs: facegrab models remove"):
            packs.resolve_recogniser("mine")

    def test_a_missing_graph_is_told(self, recogniser: RecogniserSpec) -> None:
        assert recogniser.graph is not None
        recogniser.graph.unlink()
        with pytest.raises(WeightsError, match=r"mine\.onnx is missing: facegrab models remove"):
            packs.resolve_recogniser("mine")


class TestDefaults:
    def test_without_a_choice(self) -> None:
        assert packs.default_detector().name == "mtcnn"
        assert packs.default_recogniser().name == "dlib"
        assert packs.choose() == packs.resolve_pack("embedded")

    def test_yunet_is_the_default_once_it_is_installed(self, tmp_path: Path) -> None:
        pretend_installed("yunet", write_yunet(tmp_path / "y.onnx"))
        assert packs.default_detector().name == "yunet"
        packs.use({DETECTOR: "mtcnn"})
        assert packs.default_detector().name == "mtcnn"

    def test_a_choice_lasts(self, recogniser: RecogniserSpec, detector: DetectorSpec) -> None:
        packs.use({RECOGNISER: "mine"})
        packs.use({DETECTOR: "eyes"})
        assert packs.choose() == (detector, recogniser)
        assert packs.forget("eyes") == [DETECTOR]
        assert packs.default_detector().name == "mtcnn"
        assert packs.default_recogniser() == recogniser

    def test_what_is_not_there_cannot_be_chosen(self, detector: DetectorSpec) -> None:
        with pytest.raises(WeightsError, match="yunet is not installed"):
            packs.use({DETECTOR: "yunet"})
        with pytest.raises(WeightsError, match="is a detector, not a recogniser"):
            packs.use({RECOGNISER: detector.name})
        assert packs.chosen_names() == {}

    def test_a_chosen_model_that_is_gone_is_an_error(self, detector: DetectorSpec) -> None:
        packs.use({DETECTOR: "eyes"})
        folder.spec_path("eyes").unlink()
        with pytest.raises(WeightsError, match="there is no detector 'eyes'"):
            packs.default_detector()

    @pytest.mark.parametrize(
        "content",
        [b"no JSON", b'{"format": 1, "detector": "../a"}', b'{"format": 1, "judge": "a"}', b"{}"],
    )
    def test_a_damaged_choice_is_told(self, models: Path, content: bytes) -> None:
        folder.put(models / "use.json", content)
        with pytest.raises(WeightsError, match=r"use\.json.*facegrab models use"):
            packs.default_detector()

    def test_one_model_in_place_of_a_pack_s(self, recogniser: RecogniserSpec) -> None:
        assert packs.choose("dlib", recogniser="mine") == (
            packs.resolve_detector("dlib"),
            recogniser,
        )
        assert packs.choose("dlib", detector="mtcnn")[0].name == "mtcnn"
        assert packs.choose(recogniser="mine")[0].name == "mtcnn"


class TestLicence:
    def test_what_may_be_used_passes(self) -> None:
        for pack in ("embedded", "dlib"):
            packs.check_licence(packs.resolve_pack(pack))

    def test_what_may_not_is_named(self) -> None:
        with pytest.raises(
            WeightsError, match=r"the detector det_10g may not .* the detectors mtcnn, dlib and yun"
        ):
            packs.check_licence([registry.KNOWN["sface"], registry.KNOWN["det_10g"]])
        with pytest.raises(WeightsError, match=r"the recogniser w600k_mbf .* dlib and sface may"):
            packs.check_licence([registry.KNOWN["w600k_mbf"]])

    def test_what_nobody_said_is_no(self, detector: DetectorSpec) -> None:
        with pytest.raises(WeightsError, match=r"eyes may not be used commercially \(unknown\)"):
            packs.check_licence([detector])


class TestTold:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"tolerance": 3.0}, "--tolerance is from 0.1 to 1, not 3"),
            ({"tolerance": float("nan")}, "--tolerance is from"),
            ({"divisor": (0.0, 1.0, 1.0)}, "--divisor is three numbers from 0.001"),
            ({"mean": (0.0, 0.0, float("inf"))}, "--mean is three numbers"),
            ({"licence": "two\nlines"}, "--licence is one line"),
            ({"licence": ""}, "--licence is one line"),
            ({"commercial": True}, "--commercial: say with --licence by which terms"),
        ],
    )
    def test_values_are_checked(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(SettingError) as error:
            Told(**options)
        assert told in str(error.value)

    def test_what_is_told_counts(self, tmp_path: Path) -> None:
        told = Told("other", None, "CC-BY-4.0", None, True, 0.4, "bgr", (1.0,) * 3, (2.0,) * 3)
        spec = install.add(write_recogniser(tmp_path / "a.onnx", batch="N"), told)
        assert isinstance(spec, RecogniserSpec)
        assert (spec.name, spec.tolerance, spec.pixels.batch) == ("other", 0.4, None)
        assert spec.pixels.order == "bgr"
        assert (spec.pixels.mean, spec.pixels.divisor) == ((1.0,) * 3, (2.0,) * 3)
        assert spec.licence == Licence("CC-BY-4.0", True, "")

    def test_what_answers_nonsense_is_refused(self, tmp_path: Path, models: Path) -> None:
        path = write_recogniser(tmp_path / "a.onnx", scale=float("inf"))
        with pytest.raises(WeightsError, match="numbers that are not finite"):
            install.add(path, Told())
        assert not models.exists()

    def test_a_detector_has_no_tolerance(self, tmp_path: Path) -> None:
        with pytest.raises(SettingError, match="only recognisers have one"):
            install.add(write_yunet(tmp_path / "a.onnx"), Told(tolerance=0.5))
