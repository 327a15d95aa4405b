"""Functions that Numba compiled, as machine code in the cache.

Numba takes 0.2 to 0.4 s to import and get ready, and seconds to compile. What it made is kept, and
llvmlite, the binding to LLVM that Numba itself stands on, loads it in 30 ms.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab import cache
from facegrab.errors import DeviceError, WeightsError

log = logging.getLogger(__name__)

SUFFIX = ".o"
KEY_LENGTH = 16

VECTORS = Path(__file__).with_name("vectors.py")
"""What functions that use it share, see load."""

SYMBOL = "facegrab_function"
"""What the function is called in its object file, whatever Numba calls it."""

OPTIMISATION = 3
"""LLVM's highest level, as Numba has it."""


@dataclass(frozen=True, slots=True)
class MachineCode:
    """A function in memory.

    Attributes:
        address: where it starts.
        owner: whatever keeps it there.
    """

    address: int
    owner: object


class Function:
    """A compiled function, loaded when it is first called. Any number of threads may call it.

    It runs outside of Python's lock.

    Args:
        name, source, compiled, shares: see load.
        arguments: their kinds, as ctypes has them; it returns nothing.
    """

    def __init__(
        self,
        name: str,
        source: Path,
        compiled: Callable[[], Any],
        *arguments: type[Any],
        shares: Sequence[Path] = (),
    ) -> None:
        self._load = partial(load, name, source, compiled, shares=shares)
        self._prototype: type[Any] = ctypes.CFUNCTYPE(None, *arguments)
        self._loading = threading.Lock()
        self._code: MachineCode | None = None
        self._function: Callable[..., None] | None = None

    def __call__(self, *arguments: int | float | NDArray[Any]) -> None:
        """Calls it, with the address of each array.

        Arrays are given as they are, because the first call takes seconds before it comes to them:
        an address alone would not keep one that nobody else has.

        Raises:
            DeviceError, WeightsError: see load.
        """
        function = self._loaded()
        function(
            *(each.ctypes.data if isinstance(each, np.ndarray) else each for each in arguments)
        )

    def _loaded(self) -> Callable[..., None]:
        # Else two threads that come first would both compile.
        with self._loading:
            if self._function is None:
                self._code = self._load()
                self._function = self._prototype(self._code.address)
            return self._function


def load(
    name: str, source: Path, compiled: Callable[[], Any], *, shares: Sequence[Path] = ()
) -> MachineCode:
    """The machine code of a function, compiled on first use by this user on this processor.

    Args:
        name: what it is called in the cache and to the user.
        source: the file that it is made of; another content is compiled anew.
        compiled: gives Numba's ``CFunc``.
        shares: files that the source takes constants from.

    Raises:
        DeviceError: Numba or llvmlite is missing or does not work.
        WeightsError: there is no home folder for the cache.
    """
    text = [path.read_bytes() for path in (source, *shares)]
    with _way_out():
        # Imported here: most of the 30 ms.
        import llvmlite
        import llvmlite.binding as llvm

        llvm.check_jit_execution()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        key = [*text, llvmlite.__version__, *_processor(llvm), _user()]
        digest = hashlib.sha256("\n".join(map(repr, key)).encode()).hexdigest()
        full_name = f"{name}-{digest[:KEY_LENGTH]}"
        if (content := _kept(full_name)) is not None:
            return _loaded(llvm, content)
        log.info("compiling %s, once, some seconds", name)
        function = compiled()
        _keep(full_name, llvm, function)
        return MachineCode(function.address, function)


def can_use(feature: str) -> bool:
    """Numba is installed, and the processor has instructions of that name, as LLVM calls them.

    Raises:
        DeviceError: llvmlite is missing or does not work.
    """
    if find_spec("numba") is None:
        return False
    with _way_out():
        import llvmlite.binding as llvm

        return bool(llvm.get_host_cpu_features().get(feature, False))


@contextmanager
def _way_out() -> Iterator[None]:
    """Says what to do about a Numba that is installed and does not work.

    Nobody else takes its place: whoever installed it expects it to be used.
    """
    try:
        yield
    except (WeightsError, MemoryError):
        raise
    except Exception as error:  # Numba's and LLVM's own kinds of errors are many
        raise DeviceError(
            f"Numba does not work ({' '.join(str(error).split())}): pip install --force-reinstall "
            "numba llvmlite; or pip uninstall numba, without it FaceGrab only takes longer"
        ) from error


def _processor(llvm: ModuleType) -> tuple[str, str, str]:
    """System, processor and what it can do: code for another one may not run."""
    features = llvm.get_host_cpu_features().flatten()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), features


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _kept(full_name: str) -> NDArray[np.uint8] | None:
    """The object file of that name, unless it is damaged or somebody else's.

    The cache may be a folder that others can write to: their data are welcome, their code is not.
    """
    found = cache.find(full_name, SUFFIX)
    if found is None:
        return None
    path, content = found
    if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
        log.warning("%s belongs to another user: it is not run", path)
        return None
    return content


def _keep(full_name: str, llvm: ModuleType, function: Any) -> None:
    """Puts the function's object file into the cache, if it can stand alone."""
    module = llvm.parse_assembly(function.inspect_llvm())
    outer = [each.name for each in module.functions if each.is_declaration]
    if needed := [each for each in outer if not each.startswith("llvm.")]:
        log.warning("compiled code cannot be kept: it needs %s", ", ".join(needed))
        return
    module.get_function(function.native_name).name = SYMBOL
    try:
        cache.put(full_name, SUFFIX, [_target_machine(llvm).emit_object(module)])
    except WeightsError as error:
        log.warning("compiled code is not kept: %s", error)


def _loaded(llvm: ModuleType, content: NDArray[np.uint8]) -> MachineCode:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine(llvm))
    engine.add_object_file(llvm.ObjectFileRef.from_data(content.tobytes()))
    engine.finalize_object()
    address = engine.get_function_address(SYMBOL)
    if not address:
        raise RuntimeError(f"an object file without {SYMBOL}")
    return MachineCode(address, engine)


def _target_machine(llvm: ModuleType) -> Any:
    """This machine, as Numba describes it to LLVM to run code at once (numba/core/codegen.py)."""
    triple, processor, features = _processor(llvm)
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=processor,
        features=features,
        opt=OPTIMISATION,
        reloc="static" if platform.machine().lower() in ("x86_64", "amd64") else "default",
        codemodel="jitdefault",
        jit=True,
    )
