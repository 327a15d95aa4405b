"""`facegrab models`: what it does to the folder, and what it says."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from servers import Handler, Server, serving, without_proxies
from tiny_graphs import write_recogniser, write_yunet

from facegrab import models_command
from facegrab.errors import FaceGrabError
from facegrab.models import download, folder, inspect, install, own, packfile, packs, registry
from facegrab.models.registry import Download
from facegrab.models.specs import DetectorSpec, RecogniserSpec
from facegrab.models_command import main

Facegrab = Callable[[str], tuple[int, str, str]]


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, an empty cache, and plain HTTP for the server of the test."""
    monkeypatch.setenv("FACEGRAB_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    without_proxies(monkeypatch)
    monkeypatch.setattr(download, "fetch", partial(download.fetch, schemes=("http",)))
    return tmp_path / "models"


@pytest.fixture
def facegrab(capsys: pytest.CaptureFixture[str]) -> Facegrab:
    """Runs `facegrab models` with some words: exit code, output, errors."""

    def run(words: str) -> tuple[int, str, str]:
        code = main(shlex.split(words))
        said = capsys.readouterr()
        assert said.err.count("\n") == (code != 0), "an error is one line"
        return code, said.out, said.err

    return run


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def known(
    monkeypatch: pytest.MonkeyPatch, server: Server, name: str, content: bytes, digest: str = ""
) -> None:
    """Lets a known model be a tiny graph that the server gives."""
    monkeypatch.setitem(registry.KNOWN, name, replace(registry.KNOWN[name], sha256=sha256(content)))
    source = Download((f"{server.address}/{name}",), digest or sha256(content), len(content))
    monkeypatch.setitem(registry.DOWNLOADS, name, source)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_onnx", ".onnx"), content)
    return file.getvalue()


def known_pack(
    monkeypatch: pytest.MonkeyPatch, server: Server, archive: bytes, graphs: dict[str, bytes]
) -> None:
    """Lets buffalo_sc be an archive that the server gives."""
    for name, content in graphs.items():
        spec = replace(registry.KNOWN[name], sha256=sha256(content))
        monkeypatch.setitem(registry.KNOWN, name, spec)
    source = registry.DOWNLOADS["buffalo_sc"]
    for pack in ("buffalo_s", "buffalo_sc"):
        changed = Download((f"{server.address}/z",), sha256(archive), len(archive), source.members)
        monkeypatch.setitem(registry.DOWNLOADS, pack, changed)


@pytest.fixture
def yunet(tmp_path: Path) -> bytes:
    return write_yunet(tmp_path / "yunet.onnx").read_bytes()


@pytest.fixture
def arcface(tmp_path: Path) -> bytes:
    return write_recogniser(tmp_path / "arcface.onnx", length=512, batch="N").read_bytes()


@pytest.fixture
def pack(yunet: bytes, arcface: bytes, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The graphs of buffalo_sc: its detector is said to be of YuNet's kind here."""
    detector = registry.KNOWN["det_500m"]
    assert isinstance(detector, DetectorSpec)
    monkeypatch.setitem(registry.KNOWN, "det_500m", replace(detector, kind="yunet"))
    return {"det_500m": yunet, "w600k_mbf": arcface}


def serve(content: bytes) -> Callable[[Handler], None]:
    return lambda handler: handler.serve(content)


def no_answer(_: Handler) -> None:
    raise AssertionError("nothing is to be downloaded")


class TestGet:
    def test_yunet_becomes_the_default(
        self, facegrab: Facegrab, models: Path, yunet: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(serve(yunet)) as server:
            known(monkeypatch, server, "yunet", yunet)
            code, out, _ = facegrab("get yunet")
        assert code == 0
        assert "yunet: MIT, may be used commercially, https://github.com/opencv" in out
        assert "yunet is the default detector from now on; facegrab models use mtcnn goes" in out
        assert sorted(path.name for path in models.iterdir()) == ["yunet.json", "yunet.onnx"]
        assert packs.default_detector().graph == models / "yunet.onnx"

    def test_a_choice_stays(
        self, facegrab: Facegrab, yunet: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        facegrab("use mtcnn")
        with serving(serve(yunet)) as server:
            known(monkeypatch, server, "yunet", yunet)
            _, out, _ = facegrab("get yunet")
        assert "default" not in out
        assert "use it with --detector yunet, or always: facegrab models use yunet" in out
        assert packs.default_detector().name == "mtcnn"

    def test_what_is_there_is_not_fetched_again(
        self, facegrab: Facegrab, yunet: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(serve(yunet)) as server:
            known(monkeypatch, server, "yunet", yunet)
            facegrab("get yunet")
            assert facegrab("get yunet")[:2] == (0, "yunet is there already\n")
            assert facegrab("get recommended")[:2] == (0, "recommended is there already\n")
            assert len(server.requests) == 1
        assert facegrab("get mtcnn")[:2] == (0, "mtcnn is there already\n")

    def test_a_damaged_one_is_mended(
        self, facegrab: Facegrab, models: Path, yunet: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(serve(yunet)) as server:
            known(monkeypatch, server, "yunet", yunet)
            facegrab("get yunet")
            (models / "yunet.onnx").write_bytes(b"damaged")
            assert facegrab("get yunet")[0] == 0
        assert (models / "yunet.onnx").read_bytes() == yunet

    def test_a_pack_of_single_files(
        self,
        facegrab: Facegrab,
        yunet: bytes,
        arcface: bytes,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def answer(handler: Handler) -> None:
            handler.serve(yunet if handler.path == "/yunet" else arcface)

        with serving(answer) as server:
            known(monkeypatch, server, "yunet", yunet)
            known(monkeypatch, server, "sface", arcface)
            sface = registry.KNOWN["sface"]
            assert isinstance(sface, RecogniserSpec)
            monkeypatch.setitem(registry.KNOWN, "sface", replace(sface, length=512))
            code, out, _ = facegrab("get opencv")
        assert code == 0
        assert "installed yunet and sface in" in out
        assert "use it with --models opencv, or always: facegrab models use opencv" in out
        assert [spec.name for spec in packs.choose("opencv")] == ["yunet", "sface"]
        assert packs.resolve_recogniser("sface").pixels.batch is None, "as the file declares it"

    def test_terms_have_to_be_agreed_to(
        self, facegrab: Facegrab, pack: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive = zipped(det_500m_onnx=pack["det_500m"], w600k_mbf_onnx=pack["w600k_mbf"])
        with serving(serve(archive)) as server:
            known_pack(monkeypatch, server, archive, pack)
            code, out, error = facegrab("get buffalo_sc")
            assert code == 1
            assert "det_500m: non-commercial research only, no commercial use, https://" in out
            assert "facegrab models get buffalo_sc --accept-licence" in error
            assert server.requests == []
            code, out, _ = facegrab("get buffalo_sc --accept_license")
        assert code == 0
        assert "installed det_500m and w600k_mbf in" in out
        assert "default" not in out
        assert [spec.name for spec in packs.resolve_pack("buffalo_s")] == ["det_500m", "w600k_mbf"]
        assert not list(folder.models_folder().glob("*.part"))

    @pytest.mark.parametrize(
        ("archive", "told"),
        [
            (lambda p: b"PK no zip", "is damaged: File is not a zip file"),
            (lambda p: zipped(det_500m_onnx=p["det_500m"]), "holds 0 files called w600k_mbf.onnx"),
            (
                lambda p: zipped(det_500m_onnx=b"other", w600k_mbf_onnx=p["w600k_mbf"]),
                "det_500m.onnx in .* is not the known file",
            ),
            (
                lambda p: zipped(**{f"..__{name}_onnx": each for name, each in p.items()}),
                "holds 0 files called det_500m.onnx or buffalo_sc/det_500m.onnx, not 1",
            ),
            (
                lambda p: zipped(buffalo_sc__det_500m_onnx=p["det_500m"], det_500m_onnx=b"x"),
                "holds 2 files called det_500m.onnx",
            ),
        ],
    )
    def test_an_archive_is_not_believed(
        self,
        facegrab: Facegrab,
        pack: dict[str, bytes],
        monkeypatch: pytest.MonkeyPatch,
        archive: Callable[[dict[str, bytes]], bytes],
        told: str,
    ) -> None:
        content = archive(pack)
        with serving(serve(content)) as server:
            known_pack(monkeypatch, server, content, pack)
            code, _, error = facegrab("get buffalo_sc --accept-licence")
        assert code == 1
        assert re.search(told, error)
        assert not packs.is_installed("w600k_mbf")

    def test_members_in_a_folder_are_found(
        self, facegrab: Facegrab, pack: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = zipped(**{f"buffalo_sc__{name}_onnx": each for name, each in pack.items()})
        with serving(serve(content)) as server:
            known_pack(monkeypatch, server, content, pack)
            assert facegrab("get buffalo_sc --accept-licence")[0] == 0

    def test_a_bomb_is_bounded(
        self, facegrab: Facegrab, pack: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(download, "UNKNOWN_LARGEST_BYTES", 1 << 20)
        content = zipped(det_500m_onnx=bytes(5 << 20), w600k_mbf_onnx=pack["w600k_mbf"])
        with serving(serve(content)) as server:
            known_pack(monkeypatch, server, content, pack)
            code, _, error = facegrab("get buffalo_sc --accept-licence")
        assert code == 1
        assert "holds more than 1 MB" in error

    def test_an_unpublished_hash_has_to_be_given(
        self, facegrab: Facegrab, yunet: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(serve(yunet)) as server:
            known(monkeypatch, server, "yunet", yunet)
            unknown = replace(registry.DOWNLOADS["yunet"], sha256="")
            monkeypatch.setitem(registry.DOWNLOADS, "yunet", unknown)
            spec = replace(registry.KNOWN["yunet"], sha256="")
            monkeypatch.setitem(registry.KNOWN, "yunet", spec)
            assert (
                "nothing is installed unchecked: give it with --sha256" in facegrab("get yunet")[2]
            )
            assert "takes 64 hexadecimal digits" in facegrab("get yunet --sha256 12")[2]
            assert server.requests == []
            error = facegrab(f"get yunet --sha256 {'0' * 64}")[2]
            assert "is not the known file" in error
            assert facegrab(f"get yunet --sha256 {sha256(yunet).upper()}")[0] == 0
        assert packs.resolve_detector("yunet").sha256 == sha256(yunet)

    def test_a_known_hash_is_not_overruled(self, facegrab: Facegrab) -> None:
        code, _, error = facegrab(f"get yunet --sha256 {'0' * 64}")
        assert code == 1
        assert f"the SHA-256 of yunet is known to be {registry.KNOWN['yunet'].sha256}" in error

    def test_a_file_in_place_of_the_network(
        self, facegrab: Facegrab, yunet: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(no_answer) as server:
            known(monkeypatch, server, "yunet", yunet)
            assert "is not the known file" in facegrab(f"get yunet --file {__file__}")[2]
            assert "is no file" in facegrab(f"get yunet --file {tmp_path}/none")[2]
            assert "several files: get yunet, sface one" in facegrab("get opencv --file a.zip")[2]
            path = tmp_path / "yunet.onnx"
            assert facegrab(f"get yunet --file {path}")[0] == 0
            assert server.requests == []
        assert path.read_bytes() == yunet

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ("get zoo", "nothing called 'zoo' can be had: there are yunet, yunet_dynamic, sface,"),
            ("get det_10g --accept-licence", "comes with a pack: facegrab models get buffalo_l"),
            ("get mobilefacenet", "has no known address: bring it from https://github.com/foam"),
            ("get yunet --timeout 0", "0 is not more than 0"),
            ("get yunet --timeout soon", "'soon' is no number"),
            ("get", "the following arguments are required: NAME"),
            ("fetch yunet", "invalid choice: 'fetch'"),
            ("", "the following arguments are required: COMMAND"),
        ],
    )
    def test_mistakes_are_told(self, facegrab: Facegrab, words: str, told: str) -> None:
        code, _, error = facegrab(words)
        assert code == 1
        assert told in error

    def test_without_a_network(
        self, facegrab: Facegrab, models: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unreachable = replace(registry.DOWNLOADS["yunet"], addresses=("http://127.0.0.1:9/a",))
        monkeypatch.setitem(registry.DOWNLOADS, "yunet", unreachable)
        code, _, error = facegrab("get yunet --timeout 10")
        assert code == 1
        assert "cannot reach 127.0.0.1" in error
        assert "check the network, or download http://127.0.0.1:9/a by hand" in error
        assert list(models.iterdir()) == []

    def test_what_does_not_run_is_not_installed(
        self, facegrab: Facegrab, models: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(serve(b"no graph")) as server:
            known(monkeypatch, server, "yunet", b"no graph")
            code, _, error = facegrab("get yunet")
        assert code == 1
        assert "is no ONNX file" in error
        assert not list(models.glob("*.json"))
        assert not list(models.glob("*.tmp"))

    def test_progress_is_for_a_terminal(
        self, facegrab: Facegrab, yunet: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with serving(serve(yunet)) as server:
            known(monkeypatch, server, "yunet", yunet)
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
            _, out, _ = facegrab("get yunet")
        assert "0.3 of 0.3 MB\n" in out
        assert "\r" not in out

    def test_ctrl_c(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(download, "fetch", stop)
        assert main(["get", "yunet"]) == 130
        assert capsys.readouterr().err == "facegrab: stopped\n"


class TestAdd:
    def test_a_recogniser(self, facegrab: Facegrab, models: Path, tmp_path: Path) -> None:
        path = write_recogniser(tmp_path / "My Net.onnx")
        code, out, _ = facegrab(f"add '{path}' --licence MIT --commercial --tolerance .5")
        assert code == 0
        assert f"installed the recogniser my_net (arcface) in {models}" in out
        assert "colours: rgb, less 127.5, divided by 127.5" in out
        assert "embedding: 64 numbers, cosine distance up to 0.5" in out
        assert "licence: MIT, may be used commercially\n" in out
        assert "no file tells how its colours are scaled" in out
        assert "--recogniser my_net, or always: facegrab models use my_net" in out
        assert path.read_bytes() == (models / "my_net.onnx").read_bytes()

    def test_colours_can_be_told(self, facegrab: Facegrab, tmp_path: Path) -> None:
        path = write_recogniser(tmp_path / "a.onnx")
        _, out, _ = facegrab(f"add {path} --mean 123 117 104 --divisor 58 --order bgr")
        assert "colours: bgr, less 123 117 104, divided by 58" in out
        assert "no file tells" not in out
        assert packs.resolve_recogniser("a").pixels.divisor == (58.0, 58.0, 58.0)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ("--name ../a", "is no name for a model"),
            ("--name mtcnn", "mtcnn is the name of another model: give yours one with --name"),
            ("--name yunet", "yunet is the name of another model"),
            ("--name buffalo_l", "buffalo_l is the name of another model"),
            ("--mean 1 2", "--mean takes one number, or one for each of three channels"),
            ("--mean a", "'a' is no number"),
            ("--kind scrfd", "is no scrfd"),
            ("--kind haar", "invalid choice: 'haar'"),
            ("--tolerance 7", "--tolerance is from 0.1 to 1"),
            ("--commercial", "say with --licence by which terms"),
        ],
    )
    def test_mistakes_are_told(
        self, facegrab: Facegrab, models: Path, tmp_path: Path, options: str, told: str
    ) -> None:
        code, _, error = facegrab(f"add {write_recogniser(tmp_path / 'a.onnx')} {options}")
        assert code == 1
        assert told in error
        assert not models.exists()

    def test_no_such_file(self, facegrab: Facegrab) -> None:
        assert "is no file: give the path of an .onnx" in facegrab("add nothing.onnx")[2]

    def test_a_name_is_not_taken_over(self, facegrab: Facegrab, tmp_path: Path) -> None:
        path = write_recogniser(tmp_path / "a.onnx")
        assert facegrab(f"add {path}")[0] == 0
        assert facegrab(f"add {path} --tolerance .4")[0] == 0, "the same again, with other words"
        assert packs.resolve_recogniser("a").tolerance == 0.4
        code, _, error = facegrab(f"add {write_recogniser(tmp_path / 'a.onnx', seed=2)}")
        assert code == 1
        assert "another model called a is installed" in error

    def test_a_file_that_changes_meanwhile_is_refused(
        self, facegrab: Facegrab, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_recogniser(tmp_path / "a.onnx")
        tried = own.tried

        def change(spec: packfile.Spec) -> packfile.Spec:
            write_recogniser(path, seed=2)
            return tried(spec)

        monkeypatch.setattr(own, "tried", change)
        assert "was changed meanwhile" in facegrab(f"add {path}")[2]
        assert list(models.iterdir()) == []


class TestUse:
    def test_models_and_packs(self, facegrab: Facegrab, tmp_path: Path) -> None:
        facegrab(f"add {write_recogniser(tmp_path / 'a.onnx')}")
        assert facegrab("use a")[1] == "a is the default recogniser from now on\n"
        assert facegrab("use dlib")[1].splitlines() == [
            "dlib is the default detector from now on",
            "dlib is the default recogniser from now on",
        ]
        facegrab("use a")
        assert facegrab("use mtcnn")[1] == "mtcnn is the default detector from now on\n"
        assert [spec.name for spec in packs.choose()] == ["mtcnn", "a"]
        facegrab("use dlib --as recogniser")
        assert [spec.name for spec in packs.choose()] == ["mtcnn", "dlib"]

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ("use zoo", "there is no model or pack 'zoo': facegrab models list"),
            ("use yunet", "yunet is not installed: facegrab models get yunet"),
            ("use buffalo_l", "det_10g is not installed: facegrab models get buffalo_l"),
            ("use mtcnn --as recogniser", "there is no recogniser 'mtcnn'"),
        ],
    )
    def test_what_is_not_there(
        self, facegrab: Facegrab, models: Path, words: str, told: str
    ) -> None:
        code, _, error = facegrab(words)
        assert code == 1
        assert told in error
        assert not models.exists()


class TestRemove:
    def test_a_model_and_the_choice_of_it(
        self, facegrab: Facegrab, models: Path, tmp_path: Path
    ) -> None:
        facegrab(f"add {write_recogniser(tmp_path / 'a.onnx')}")
        facegrab("use a")
        assert facegrab("remove a")[1].splitlines() == [
            "removed a",
            "dlib is the default recogniser from now on",
        ]
        assert [path.name for path in models.iterdir()] == ["use.json"]
        assert packs.chosen_names() == {}

    def test_a_damaged_one(self, facegrab: Facegrab, models: Path, tmp_path: Path) -> None:
        facegrab(f"add {write_recogniser(tmp_path / 'a.onnx')}")
        (models / "a.json").write_text("damaged")
        assert facegrab("remove a")[0] == 0
        assert list(models.iterdir()) == []

    def test_a_pack_keeps_what_another_needs(
        self, facegrab: Facegrab, models: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("det_10g", "w600k_r50", "glintr100"):
            spec = replace(registry.KNOWN[name], graph=folder.graph_path(name))
            folder.put(folder.graph_path(name), b"graph")
            folder.put(folder.spec_path(name), packfile.encode(spec))
        assert facegrab("remove antelopev2")[1].splitlines() == [
            "kept det_10g: the pack buffalo_l needs it",
            "removed glintr100",
        ]
        assert facegrab("remove buffalo_l")[1] == "removed det_10g and w600k_r50\n"
        assert list(models.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("mtcnn", "mtcnn comes with FaceGrab: it cannot be removed"),
            ("dlib", "dlib comes with FaceGrab"),
            ("embedded", "embedded comes with FaceGrab"),
            ("yunet", "'yunet' is not installed"),
            ("buffalo_l", "'buffalo_l' is not installed"),
            ("../a", "'../a' is not installed"),
        ],
    )
    def test_what_cannot_be_removed(self, facegrab: Facegrab, name: str, told: str) -> None:
        code, _, error = facegrab(f"remove {name}")
        assert code == 1
        assert told in error


class TestList:
    def test_everything_is_there(self, facegrab: Facegrab, models: Path) -> None:
        code, out, _ = facegrab("list")
        lines = [line.split() for line in out.splitlines()]
        assert code == 0
        assert str(models) in out
        names = [name for words in lines[2:] for name in words[words[0] == "*" :][:1]]
        known = [*registry.KNOWN, *registry.PACKS]
        assert names == ["mtcnn", "dlib", "dlib", *known]
        assert ["*", "mtcnn", "detector", "MIT", "yes", "comes", "with", "FaceGrab"] in lines
        assert "facegrab models get yunet (recommended)" in out
        assert not models.exists()

    def test_what_is_installed(self, facegrab: Facegrab, tmp_path: Path) -> None:
        facegrab(f"add {write_yunet(tmp_path / 'own.onnx')}")
        facegrab("use own")
        _, out, _ = facegrab("list")
        (line,) = (line for line in out.splitlines() if " own " in line)
        assert line.split() == ["*", "own", "detector", "unknown", "no", "installed"]

    def test_what_is_damaged(self, facegrab: Facegrab, models: Path, tmp_path: Path) -> None:
        facegrab(f"add {write_yunet(tmp_path / 'own.onnx')}")
        (models / "own.onnx").write_bytes(b"damaged")
        (models / "use.json").write_bytes(b"damaged")
        code, out, _ = facegrab("list")
        assert code == 0
        assert ["own", "?", "?", "?", "damaged"] in [line.split() for line in out.splitlines()]
        warnings = [line for line in out.splitlines() if line.startswith("warning: ")]
        assert len(warnings) == 2
        assert "its hash differs" in warnings[1]


def test_every_kind_can_be_told() -> None:
    assert models_command.KINDS == inspect.KINDS


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("list", "get", "add", "use", "remove"))


def test_a_reader_that_has_enough_is_no_error(models: Path) -> None:
    command = [sys.executable, "-W", "error", "-c"]
    code = "from facegrab.models_command import main; raise SystemExit(main(['list']))"
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run([*command, code], stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not models.exists()


def test_a_terminal_that_cannot_show_it(facegrab: Facegrab, tmp_path: Path) -> None:
    output = io.TextIOWrapper(io.BytesIO(), "ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        facegrab(f"add {write_recogniser(tmp_path / 'a.onnx')} --licence 'für alle'")
    output.seek(0)
    assert "licence: f\\xfcr alle, no commercial use" in output.read()


def test_a_library_user_gets_exceptions() -> None:
    with pytest.raises(FaceGrabError):
        install.get("zoo")
