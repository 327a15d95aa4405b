"""The folder of installed models: where it is, what may be called what, files whole or not there.

Each model is two files, ``NAME.onnx`` and ``NAME.json``. The second is written last and removed
first: a model is installed when it has one.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facegrab.errors import AccessError, FaceGrabError, OutputError, WeightsError

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "FACEGRAB_MODELS"
"""Environment variable that names another folder."""

GRAPH_SUFFIX, SPEC_SUFFIX = ".onnx", ".json"
CHOICE_NAME = "use"
"""``use.json`` holds what was chosen with ``facegrab models use``; no model is called so."""

TEMPORARY, PARTIAL = ".tmp", ".part"
ABANDONED_SECONDS = {TEMPORARY: 24 * 3600, PARTIAL: 7 * 24 * 3600}
"""Age from which a file belongs to nobody that still runs; a download may be gone on with later."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_UNSAFE = re.compile(r"[^a-z0-9._-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
"""Names that Windows keeps for devices, with or without an ending."""


def models_folder() -> Path:
    """The folder, which may not exist yet: FACEGRAB_MODELS, or the user's place for data.

    Raises:
        WeightsError: the user has no home and FACEGRAB_MODELS is not set.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        return _user_data() / "facegrab" / "models"
    except RuntimeError as error:
        raise WeightsError(
            f"no home folder to keep models in: set {FOLDER_VARIABLE} to a folder"
        ) from error


def _user_data() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    # XDG Base Directory Specification: a relative path is to be ignored.
    chosen = Path(os.environ.get("XDG_DATA_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".local" / "share"


def graph_path(name: str) -> Path:
    """Where the graph of a model of that name lies, or would."""
    return models_folder() / f"{check_name(name)}{GRAPH_SUFFIX}"


def spec_path(name: str) -> Path:
    """Where the description of a model of that name lies, or would."""
    return models_folder() / f"{check_name(name)}{SPEC_SUFFIX}"


def installed_names() -> list[str]:
    """Names of the models that have a description here, sound or not, sorted."""
    try:
        stems = sorted(path.stem for path in models_folder().glob(f"*{SPEC_SUFFIX}"))
    except OSError as error:
        log.warning("cannot look into %s: %s", models_folder(), error.strerror or error)
        return []
    return [stem for stem in stems if is_name(stem)]


def is_name(text: str) -> bool:
    """Whether a model may be called so: then it is also a safe part of a file's name."""
    return (
        _NAME.fullmatch(text) is not None
        and _RESERVED.match(text) is None
        and text != CHOICE_NAME
        and not text.endswith((GRAPH_SUFFIX, SPEC_SUFFIX))
    )


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        WeightsError: no model may be called so.
    """
    if not is_name(name):
        raise WeightsError(
            f"{name!r} is no name for a model: 1 to 64 of the characters a-z 0-9 . _ -, "
            f"with a letter or digit at both ends, not {CHOICE_NAME!r}"
        )
    return name


def name_from(stem: str) -> str:
    """A name made from that of a file.

    Raises:
        WeightsError: nothing of it can be kept.
    """
    return check_name(_UNSAFE.sub("_", stem.lower())[:64].strip("._-"))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's errors into ours, which name the file and the way out.

    Raises:
        OutputError: it cannot be written: a full disk, a file in the folder's place.
        AccessError: it may not be.
    """
    try:
        yield
    except FaceGrabError:
        raise
    except PermissionError as error:
        raise AccessError(
            f"no permission to write {path}: set {FOLDER_VARIABLE} to another folder"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(f"no space left to write {path}: free some and run again") from error
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}): "
            f"set {FOLDER_VARIABLE} to another folder"
        ) from error


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A name beside a file to write to; what the block has not renamed to its place is removed.

    Raises:
        OutputError, AccessError: see writing.
    """
    part = path.with_name(f".{os.urandom(16).hex()}{TEMPORARY}")
    with writing(path):
        make_folder(path.parent)
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


def put(path: Path, content: bytes) -> None:
    """Writes a file that is whole or not there.

    Raises:
        OutputError, AccessError: see writing.
    """
    with staged(path) as part:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            # Else a power failure may leave the new name on an empty file.
            os.fsync(file.fileno())
        part.replace(path)


def make_folder(folder: Path) -> None:
    """Makes the folder, and removes what killed processes left in it.

    Raises:
        OutputError, AccessError: see writing.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for suffix, seconds in ABANDONED_SECONDS.items():
        for path in folder.glob(f"*{suffix}"):
            try:
                if time.time() - path.stat().st_mtime > seconds:
                    path.unlink()
            except OSError:
                log.debug("cannot remove %s", path)
