"""What Numba compiled is kept, found again by whoever may run it, and never run by others."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegrab import cache, machine_code
from facegrab.errors import DeviceError

numba = pytest.importorskip("numba", reason="Numba, which this platform may lack, is missing")


def _double(values: Any, count: int) -> None:
    for at in range(count):
        values[at] *= 2


def _divide(values: Any, count: int) -> None:
    for at in range(count):
        values[at] //= count - 1


def c_function(function: Callable[..., None]) -> Any:
    signature = numba.void(numba.types.CPointer(numba.int64), numba.int64)
    return numba.cfunc(signature)(function)


class Compiler:
    """Counts how often it is asked."""

    def __init__(self, function: Callable[..., None] = _double) -> None:
        self._function = c_function(function)
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return self._function


@pytest.fixture(scope="module")
def doubling() -> Compiler:
    return Compiler()


@pytest.fixture
def compiler(doubling: Compiler) -> Compiler:
    doubling.calls = 0
    return doubling


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder, which does not exist yet."""
    monkeypatch.setenv("FACEGRAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.py"
    path.write_text("one")
    return path


def doubled(code: machine_code.MachineCode) -> list[int]:
    """What the function makes of 1, 2, 3."""
    values = np.arange(1, 4, dtype=np.int64)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address)
    function(values.ctypes.data, len(values))
    return values.tolist()


def test_it_is_compiled_once(
    source: Path, compiler: Compiler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "facegrab")
    for _ in range(3):
        assert doubled(machine_code.load("trees", source, compiler)) == [2, 4, 6]
    assert compiler.calls == 1
    assert caplog.messages == ["compiling trees, once, some seconds"]


def test_another_source_is_compiled_anew(source: Path, compiler: Compiler) -> None:
    machine_code.load("trees", source, compiler)
    source.write_text("two")
    machine_code.load("trees", source, compiler)
    assert compiler.calls == 2


@pytest.mark.parametrize("which", [0, 1, 2])
def test_another_processor_gets_code_of_its_own(
    which: int, source: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    import llvmlite.binding as llvm

    machine_code.load("trees", source, compiler)
    here = machine_code._processor(llvm)
    there = [each + "x" * (number == which) for number, each in enumerate(here)]
    with monkeypatch.context() as patch:
        patch.setattr(machine_code, "_processor", lambda _: there)
        patch.setattr(machine_code, "_keep", lambda *_: None)
        machine_code.load("trees", source, compiler)
    assert compiler.calls == 2
    machine_code.load("trees", source, compiler)
    assert compiler.calls == 2


def test_damaged_code_is_not_run(
    source: Path, compiler: Compiler, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine_code.load("trees", source, compiler)
    (path,) = folder.iterdir()
    sound = path.read_bytes()
    path.write_bytes(sound[:100] + bytes(len(sound) - 100))
    assert doubled(machine_code.load("trees", source, compiler)) == [2, 4, 6]
    assert "is damaged" in caplog.text
    assert compiler.calls == 2
    assert path.read_bytes() == sound


@pytest.mark.skipif(os.name == "nt", reason="POSIX owners")
def test_code_of_another_user_is_not_run(
    source: Path,
    compiler: Compiler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine_code.load("trees", source, compiler)
    me = os.getuid()
    monkeypatch.setattr(machine_code, "_user", lambda: me)
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert doubled(machine_code.load("trees", source, compiler)) == [2, 4, 6]
    assert compiler.calls == 2
    assert "belongs to another user" in caplog.text


def test_a_cache_that_cannot_be_written_costs_time_only(
    source: Path, compiler: Compiler, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("a file in its place")
    for _ in range(2):
        assert doubled(machine_code.load("trees", source, compiler)) == [2, 4, 6]
    assert compiler.calls == 2
    assert "not kept: cannot write the model cache" in caplog.text


def test_code_that_may_raise_is_not_kept(
    source: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It calls Numba's runtime, which whoever loads it has not."""
    compiler = Compiler(_divide)
    for _ in range(2):
        assert doubled(machine_code.load("trees", source, compiler)) == [0, 1, 1]
    assert compiler.calls == 2
    assert "cannot be kept: it needs" in caplog.text
    assert not folder.exists()


@pytest.mark.parametrize("missing", ["llvmlite", "llvmlite.binding"])
def test_a_broken_numba_names_the_way_out(
    missing: str, source: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DeviceError, match="pip uninstall numba"):
        machine_code.load("trees", source, compiler)


def test_a_compiler_that_fails_is_told_in_one_line(source: Path, folder: Path) -> None:
    def nonsense(values: Any, count: int) -> None:
        values.nothing(count)

    with pytest.raises(DeviceError, match=r"Numba does not work .*pip install") as caught:
        machine_code.load("trees", source, lambda: c_function(nonsense))
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_a_sound_file_of_another_kind_is_an_error(
    source: Path, compiler: Compiler, folder: Path
) -> None:
    """As a bug in an older version could leave it: nothing jumps to nowhere."""
    machine_code.load("trees", source, compiler)
    (path,) = folder.iterdir()
    name = path.name.rpartition("-")[0]
    other = path.read_bytes().replace(machine_code.SYMBOL.encode(), b"x" * 17)
    path.unlink()
    cache.put(name, machine_code.SUFFIX, [other])
    with pytest.raises(DeviceError, match="without facegrab_function"):
        machine_code.load("trees", source, compiler)


RACING = """
import sys
from pathlib import Path
from test_machine_code import Compiler, doubled
from facegrab import machine_code
compiler = Compiler()
sys.stdin.read()
for _ in range(2):
    assert doubled(machine_code.load("trees", Path(sys.argv[1]), compiler)) == [2, 4, 6]
assert compiler.calls <= 1
"""


def test_processes_may_compile_at_once(source: Path, folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", RACING, str(source)]
    here = Path(__file__).parent
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, cwd=here) for _ in range(2)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()  # the starting shot
    assert [racer.wait(60) for racer in racers] == [0, 0]
    assert len(list(folder.iterdir())) == 1
