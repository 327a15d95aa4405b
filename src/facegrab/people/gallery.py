"""The gallery: the references of one person, and how well they agree."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from facegrab.errors import AccessError, GalleryError, MissingError
from facegrab.store.files import atomic
from facegrab.types import EMBEDDING_LENGTH, FloatArray

LARGEST_FILE_BYTES = 64 * 2**20
"""More than 100 000 references: a file that claims more is no reference file."""
OUTLIER_SPREADS = 2.0
"""A reference is an outlier if its mean distance lies so many spreads above the mean of all."""

_EMBEDDINGS, _NAMES = "embeddings", "names"


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """References of one person.

    Attributes:
        embedding: float32 (R, 128).
        names: (R,), the file each came from.
    """

    embedding: FloatArray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.embedding.shape != (len(self.names), EMBEDDING_LENGTH):
            raise ValueError(f"{self.embedding.shape} embeddings, {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.names)

    def __add__(self, other: Gallery) -> Gallery:
        embedding = np.concatenate([self.embedding, other.embedding])
        return Gallery(embedding, self.names + other.names)

    @classmethod
    def empty(cls) -> Gallery:
        """No references."""
        return cls(np.empty((0, EMBEDDING_LENGTH), np.float32), ())

    @property
    def digest(self) -> str:
        """Names the references by content; their order does not matter."""
        rows = sorted(row.astype("<f2").tobytes() for row in self.embedding)
        return hashlib.sha256(b"".join(rows)).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` that ``load`` reads back.

        Raises:
            OutputError, AccessError: it cannot be written.
        """
        with atomic(path) as part, part.open("wb") as file:
            arrays = {_EMBEDDINGS: self.embedding, _NAMES: np.array(self.names, np.str_)}
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Gallery:
        """Reads an ``.npz`` of this program, or of the FaceGrab of 2018 (a 128-vector an array).

        Raises:
            GalleryError: it is no reference file.
            MissingError, AccessError: it is not there or may not be read.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                return _read(archive, path)
        except FileNotFoundError as error:
            raise MissingError(f"no such file: {path}") from error
        except PermissionError as error:
            raise AccessError(f"no permission to read {path}") from error
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            OSError,
            RuntimeError,
            SyntaxError,
            UnicodeError,
            ValueError,
            TypeError,
        ) as error:
            if isinstance(error, GalleryError):
                raise
            raise GalleryError(f"{path} is no reference file: {error}") from error

    def stats(self) -> GalleryStats:
        """How well the references agree."""
        count = len(self)
        distance = distances(self.embedding, self.embedding)
        others = ~np.eye(count, dtype=bool)
        if count < 2:
            return GalleryStats(count, float("nan"), float("nan"), ())
        pairs = distance[others]
        mean_of = pairs.reshape(count, count - 1).mean(axis=1)
        limit = mean_of.mean() + OUTLIER_SPREADS * mean_of.std()
        odd = [row for row in np.argsort(-mean_of) if count > 2 and mean_of[row] > limit]
        return GalleryStats(
            count,
            float(pairs.mean()),
            float(pairs.std()),
            tuple((self.names[row], float(mean_of[row])) for row in odd),
        )


@dataclass(frozen=True, slots=True)
class GalleryStats:
    """How well references agree; the means are NaN for fewer than two.

    Attributes:
        count: references.
        mean_distance: mean of all distances between two of them.
        spread: standard deviation of those.
        outliers: (file, mean distance to the others), worst first: the ones to look at.
    """

    count: int
    mean_distance: float
    spread: float
    outliers: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        if self.count < 2:
            return f"{self.count} reference: nothing to compare it with"
        lines = [
            f"{self.count} references, distance to each other {self.mean_distance:.3f} "
            f"on average, spread {self.spread:.3f}"
        ]
        lines += [f"outlier: {name} ({mean:.3f} from the others)" for name, mean in self.outliers]
        return "\n".join(lines)


def distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean distances, float32 (A, B), of embeddings (A, 128) and (B, 128)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.sqrt(squares.clip(min=0)), np.float32)


def _read(archive: zipfile.ZipFile, path: Path) -> Gallery:
    members = archive.infolist()
    if not members or not all(member.filename.endswith(".npy") for member in members):
        raise GalleryError(f"{path} is no reference file: it holds other things than arrays")
    if sum(member.file_size for member in members) > LARGEST_FILE_BYTES:
        raise GalleryError(f"{path} is no reference file: it is too large")
    keys = [member.filename.removesuffix(".npy") for member in members]
    if _EMBEDDINGS in keys:
        embedding = _read_vectors(archive, f"{_EMBEDDINGS}.npy", path)
        names = tuple(_read_names(archive, path)) if _NAMES in keys else ()
        names = names or tuple(f"{path.name}#{row}" for row in range(len(embedding)))
    else:
        parts = [_read_vectors(archive, f"{key}.npy", path) for key in keys]
        embedding = np.concatenate(parts)
        names = tuple(f"{path.name}#{row}" for row in range(len(embedding)))
    if len(names) != len(embedding):
        raise GalleryError(f"{path} is no reference file: {len(names)} names for {len(embedding)}")
    return Gallery(embedding, names)


def _read_vectors(archive: zipfile.ZipFile, member: str, path: Path) -> FloatArray:
    with archive.open(member) as file:
        shape, dtype = _header(file)
        if shape[-1:] != (EMBEDDING_LENGTH,) or len(shape) > 2 or dtype.kind != "f":
            raise GalleryError(
                f"{path} is no reference file: {member} is {dtype} {shape}, "
                f"not numbers of shape ({EMBEDDING_LENGTH},)"
            )
        values = np.frombuffer(file.read(LARGEST_FILE_BYTES), dtype)
    vectors = values.astype(np.float32).reshape(-1, EMBEDDING_LENGTH)
    if len(vectors) != (shape[0] if len(shape) == 2 else 1) or not np.isfinite(vectors).all():
        raise GalleryError(f"{path} is no reference file: {member} is cut short or not finite")
    return vectors


def _read_names(archive: zipfile.ZipFile, path: Path) -> Iterator[str]:
    with archive.open(f"{_NAMES}.npy") as file:
        shape, dtype = _header(file)
        if len(shape) != 1 or dtype.kind != "U":
            raise GalleryError(f"{path} is no reference file: its names are {dtype} {shape}")
        for name in np.frombuffer(file.read(LARGEST_FILE_BYTES), dtype):
            yield str(name)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that an array claims, read without making the array."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise GalleryError("it holds pickled objects, which are never opened")
    if fortran and len(shape) > 1:
        raise GalleryError("its arrays lie in Fortran order")
    return shape, dtype
