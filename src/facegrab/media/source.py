"""What the user named -> the sources to read: videos, images and image sequences."""

from __future__ import annotations

import glob
import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from facegrab.address import Address, is_address
from facegrab.errors import AccessError, MissingError
from facegrab.media.header import image_size
from facegrab.media.remote import files_at, open_file

_LOG = logging.getLogger(__name__)

_VIDEOS = """3g2 3gp amv asf avi divx dv f4v flv gif h264 h265 hevc ivf m1v m2t m2ts m2v m4v mj2
    mjpeg mjpg mk3d mkv mov mp4 mpe mpeg mpg mts mxf ogm ogv qt rm rmvb ts vob webm wmv wtv y4m"""
_IMAGES = "avif bmp dib jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tif tiff webp"

# What is picked up inside folders and by globs; a file named outright is read whatever its name.
# GIF counts as a video: it has a clock.
VIDEO_EXTENSIONS = frozenset(f".{name}" for name in _VIDEOS.split())
IMAGE_EXTENSIONS = frozenset(f".{name}" for name in _IMAGES.split())

_DIGITS = re.compile(r"([0-9]+)")
_FIELD = re.compile(r"%(?:(%)|0?([0-9]{0,2})[di])")

_SNIFFED_BYTES = 2**18

PathName: TypeAlias = str | os.PathLike[str]
NaturalKey: TypeAlias = tuple[tuple[tuple[str | int, ...], ...], str]


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to scan: a video, an image, or an image sequence.

    Attributes:
        path: the video or image file; for a sequence its folder or the pattern it was named by.
        images: the files of the sequence in order; empty for a video.
    """

    path: Path
    images: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """What extracts are named after: the file's stem or the folder's name; never empty."""
        if not self.images or self.images == (self.path,):
            return self.path.stem
        folder = self.path if self.images[0].parent == self.path else self.path.parent
        name = folder.name if folder.name not in ("", "..") else folder.resolve().name
        return name or "images"


def find_sources(inputs: Sequence[PathName] | PathName) -> list[Source]:
    """The sources that the inputs name, each once.

    An input is a video or image file, here or at an address (``s3://``, ``http://``,
    ``https://``), a folder, here or in a bucket (searched recursively: one source per video, one
    per folder of images), an image pattern (``img_%04d.jpg``) or a glob (``clips/*.mp4``,
    ``**``). What exists under exactly that name is taken as it is, so names may hold ``%``, ``[``
    or ``*``.
    Hidden files are left out unless named. Order: as given, then by name with numbers by value.

    Raises:
        MissingError: an input names nothing, or a folder holds neither video nor image.
        AccessError: an input may not be read.
        MediaError: an address does not answer.
        DeviceError: what an address needs is not installed.
    """
    names = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    found: dict[tuple[str, ...], Source] = {}
    for name in names:
        for source in _expand(os.fspath(name)):
            found.setdefault(_identity(source), source)
    return list(found.values())


def natural_key(path: Path) -> NaturalKey:
    """Sort key: folder by folder, runs of digits by value, letters without case."""
    return tuple(_natural_name(part) for part in path.parts), str(path)


def _natural_name(name: str) -> tuple[str | int, ...]:
    # split() with a group alternates text and digits, so equal positions have equal types.
    parts = _DIGITS.split(name)
    return tuple(int(p) if i % 2 else p.casefold() for i, p in enumerate(parts))


def _expand(name: str) -> list[Source]:
    if is_address(name):
        return _from_address(name)
    if name.lower().startswith("file://"):
        from urllib.request import url2pathname  # which loads all that speaks HTTP

        name = url2pathname(urlsplit(name).path)
    path = Path(name)
    mode = _mode(path) if name else None
    if mode is not None:
        return _from_folder(path) if stat.S_ISDIR(mode) else [_from_file(path)]
    if _number_pattern(path.name) is not None:
        return _from_pattern(path)
    if glob.has_magic(name):
        return _from_glob(path)
    if "://" in name:
        raise MissingError(f"{name}: of addresses s3://, http://, https:// and file:// are read")
    raise MissingError(f"no such file or folder: {name or repr(name)}")


def _mode(path: Path) -> int | None:
    """The file mode, None where there is no such file."""
    try:
        return path.stat().st_mode
    except PermissionError as error:
        raise AccessError(f"no permission to look at {path}") from error
    except (OSError, ValueError):
        return None


def _from_file(path: Path) -> Source:
    if not os.access(path, os.R_OK):
        raise AccessError(f"no permission to read {path}")
    return Source(path, (path,) if _is_image(path) or _looks_like_image(path) else ())


def _from_address(name: str) -> list[Source]:
    path, below = files_at(name)
    if below is None:
        return [Source(path, (path,) if _is_image(path) or _looks_like_image(path) else ())]
    depth = len(path.parts)
    shown = (each for each in below if not any(p.startswith(".") for p in each.parts[depth:]))
    sources = _group(shown)
    if not sources:
        raise MissingError(f"no such file, and no video and no image in a folder {path}")
    return sources


def _looks_like_image(path: Path) -> bool:
    """By its first bytes, for a file that was named outright and whose name does not tell."""
    if path.suffix.lower() in VIDEO_EXTENSIONS:
        return False
    if not isinstance(path, Address) and not path.is_file():
        return False
    with open_file(path, _SNIFFED_BYTES) as file:
        return image_size(file.read(_SNIFFED_BYTES)) is not None


def _from_folder(folder: Path) -> list[Source]:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise AccessError(f"no permission to read the folder {folder}")
    sources = _group(_walk(folder, set()))
    if not sources:
        raise MissingError(f"no video and no image in the folder {folder}")
    return sources


def _from_pattern(pattern: Path) -> list[Source]:
    """One sequence per folder; a pattern with a video's extension names videos."""
    number = _number_pattern(pattern.name)
    assert number is not None
    sources: list[Source] = []
    for folder in _folders(pattern.parent):
        numbered = []
        for file in _files(folder):
            match = number.fullmatch(file.name)
            if match:
                numbered.append(([int(text) for text in match.groups()], file.name, file))
        files = tuple(file for _, _, file in sorted(numbered))
        if pattern.suffix.lower() in VIDEO_EXTENSIONS:
            sources += [Source(file) for file in files]
        elif files:
            sources.append(Source(folder / pattern.name, files))
    if not sources:
        raise MissingError(f"no file matches the pattern {pattern}")
    return sources


def _from_glob(pattern: Path) -> list[Source]:
    files: list[Path] = []
    for path in _glob(pattern):
        files += _walk(path, set()) if path.is_dir() else [path]
    sources = _group(files, "" if pattern.name == "**" else pattern.name)
    if not sources:
        raise MissingError(f"no video and no image matches {pattern}")
    return sources


def _group(files: Iterable[Path], pattern: str = "") -> list[Source]:
    """One source per video and one per folder of images; sequences end in the pattern's name."""
    sources: list[Source] = []
    folders: dict[Path, list[Path]] = {}
    for file in sorted(set(files), key=natural_key):
        if file.suffix.lower() in VIDEO_EXTENSIONS:
            sources.append(Source(file))
        elif _is_image(file):
            folders.setdefault(file.parent, []).append(file)
    sources += [Source(folder / pattern, tuple(images)) for folder, images in folders.items()]
    return sorted(sources, key=lambda source: natural_key(source.path))


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """All files below that are not hidden; links are followed, each folder once (link loops)."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        # One closed folder (lost+found, say) shall not stop the scan of all the others.
        _LOG.warning("skipped the folder %s: %s", folder, error.strerror)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        # os.path says False where Path would raise: a loop of links, a link into a closed folder.
        if os.path.isdir(entry):  # noqa: PTH112
            yield from _walk(entry, seen)
        elif os.path.isfile(entry):  # noqa: PTH113
            yield entry


def _files(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_file()]
    except PermissionError as error:
        raise AccessError(f"no permission to read the folder {folder}") from error


def _folders(folder: Path) -> list[Path]:
    """The folder itself where it exists, else those it matches as a glob."""
    mode = _mode(folder)
    if mode is not None:
        return [folder] if stat.S_ISDIR(mode) else []
    if not glob.has_magic(str(folder)):
        raise MissingError(f"no such file or folder: {folder}")
    return sorted((path for path in _glob(folder) if path.is_dir()), key=natural_key)


def _glob(pattern: Path) -> list[Path]:
    """Matches of the pattern; leading folders that exist by name are taken literally."""
    head, parts = Path(pattern.anchor), list(pattern.relative_to(pattern.anchor).parts)
    while parts and _mode(head / parts[0]) is not None:
        head /= parts.pop(0)
    found = glob.glob(str(Path(glob.escape(str(head)), *parts)), recursive=True)  # noqa: PTH207
    return [Path(name) for name in found]


def follow_on_each_other(source: Source) -> bool:
    """Whether the frames of a source are of one film; photographs in a folder are not."""
    return not source.images or is_pattern(source.path.name)


def is_pattern(name: str) -> bool:
    """Whether a name stands for numbered files: then they are frames of one film."""
    return _number_pattern(name) is not None


def _number_pattern(name: str) -> re.Pattern[str] | None:
    """The regular expression of a printf pattern, None where the name holds no number field."""
    expression, end, fields = "", 0, 0
    for match in _FIELD.finditer(name):
        expression += re.escape(name[end : match.start()])
        end = match.end()
        if match[1]:
            expression += "%"
        else:
            fields += 1
            expression += f"([0-9]{{{int(match[2] or 1)},}})"
    return re.compile(expression + re.escape(name[end:])) if fields else None


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_EXTENSIONS


def _identity(source: Source) -> tuple[str, ...]:
    """Equal for two sources that read the same files in the same order."""
    if not source.images:
        return (_real(source.path),)
    # Only folders are resolved: resolving each of 100,000 images takes seconds.
    folders = {folder: _real(folder) for folder in {p.parent for p in source.images}}
    return tuple(str(Path(folders[image.parent], image.name)) for image in source.images)


def _real(path: Path) -> str:
    return str(path) if isinstance(path, Address) else os.path.realpath(path)
