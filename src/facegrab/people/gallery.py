"""The gallery: the references of one person, and how well they agree."""

from __future__ import annotations

import hashlib
import math
import re
import zipfile
import zlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from facegrab.errors import AccessError, GalleryError, MissingError, StoreError
from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.models.specs import Metric, RecogniserSpec
from facegrab.store.files import atomic
from facegrab.types import FloatArray

LARGEST_FILE_BYTES = 64 * 2**20
"""More than 100 000 references: a file that claims more is no reference file."""
OUTLIER_FACTOR = 1.3
"""A reference is an outlier if its median distance to the others is so many times the usual one.

Medians, because the outliers themselves would lift a mean: in simulated galleries of 4 to 40
pictures this named nearly every stranger, also two or three at once, and nobody else.
"""

_ROWS = 2**12
"""Embeddings compared at a time: 4 MB of float64 stay in the processor's cache."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What numpy packs with; others let a file ask for gigabytes."""
_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
# As numpy writes it (numpy.lib.format); read here, because numpy would evaluate what it finds.
_HEADER = re.compile(
    rb"\{'descr': '([<>|](?:f[248]|U\d{1,6}|O))', 'fortran_order': (False|True), "
    rb"'shape': \((?:(\d{1,9})L?,?)?(?: (\d{1,9})L?)?\),? *\}\s*"
)

_EMBEDDINGS, _NAMES, _HASHES = "embeddings", "names", "hashes"
_RECOGNISER, _METRIC = "recogniser", "metric"
_METRICS: dict[str, Metric] = {"euclidean": "euclidean", "cosine": "cosine"}
_DLIB = "dlib"
"""The recogniser of files that name none."""
_LONGEST_KEY = 300
"""Characters: of the key of a recogniser, which goes into messages."""
_LENGTHS = range(16, 4097)
"""Of embeddings: the usual ones have 128 or 512 numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """References of one person.

    Attributes:
        embedding: float32 (R, D).
        names: (R,), the file each came from.
        hashes: (R,), SHA-256 of that file in hexadecimal, or "" where it is not known.
        recogniser: key of the recogniser that made them.
        metric: how two embeddings are compared.
    """

    embedding: FloatArray
    names: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    recogniser: str = _DLIB
    metric: Metric = "euclidean"

    def __post_init__(self) -> None:
        if not self.hashes:
            object.__setattr__(self, "hashes", ("",) * len(self.names))
        if not len(self.embedding) == len(self.names) == len(self.hashes):
            raise ValueError(
                f"{self.embedding.shape} embeddings, {len(self.names)} names, "
                f"{len(self.hashes)} hashes"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __add__(self, other: Gallery) -> Gallery:
        if self.recogniser != other.recogniser:
            raise ValueError(f"references of {self.recogniser} and {other.recogniser}")
        embedding = np.concatenate([self.embedding, other.embedding])
        return replace(
            self,
            embedding=embedding,
            names=self.names + other.names,
            hashes=self.hashes + other.hashes,
        )

    @classmethod
    def empty(cls, spec: RecogniserSpec) -> Gallery:
        """No references."""
        none = np.empty((0, spec.length), np.float32)
        return cls(none, (), (), spec.key, spec.metric)

    @property
    def digest(self) -> str:
        """Names the references by content; their order does not matter."""
        rows = sorted(row.astype("<f2").tobytes() for row in self.embedding)
        return hashlib.sha256(b"".join(rows)).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` that ``load`` reads back.

        Raises:
            GalleryError: there are no references.
            OutputError, AccessError: it cannot be written.
        """
        if not len(self):
            raise GalleryError("no references to save: * stands for every face")
        with atomic(path) as part, part.open("wb") as file:
            arrays = {
                _EMBEDDINGS: self.embedding,
                _NAMES: np.array(self.names, np.str_),
                _HASHES: np.array(self.hashes, np.str_),
                _RECOGNISER: np.array([self.recogniser], np.str_),
                _METRIC: np.array([self.metric], np.str_),
            }
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
            zlib.error,
            EOFError,
            OSError,
            OverflowError,
            RuntimeError,
            ValueError,
        ) as error:
            raise GalleryError(f"{path} is no reference file: {error}") from error

    def distances(self, embedding: FloatArray) -> FloatArray:
        """Distances, float32 (N, R), of embeddings (N, D) from the references."""
        return distances(embedding, self.embedding, self.metric)

    def stats(self) -> GalleryStats:
        """How well the references agree."""
        count = len(self)
        if count < 2:
            return GalleryStats(count, float("nan"), float("nan"), ())
        others = ~np.eye(count, dtype=bool)
        pairs = self.distances(self.embedding)[others]
        median = np.median(pairs.reshape(count, count - 1), axis=1)
        worst_first = np.argsort(-median, kind="stable").tolist()
        # A cosine distance grows with the square of the Euclidean one.
        factor = OUTLIER_FACTOR if self.metric == "euclidean" else OUTLIER_FACTOR**2
        odd = [row for row in worst_first if median[row] > factor * np.median(median)]
        return GalleryStats(
            count,
            float(pairs.mean()),
            float(pairs.std()),
            tuple((self.names[row], float(median[row])) for row in odd),
        )


@dataclass(frozen=True, slots=True)
class GalleryStats:
    """How well references agree; the means are NaN for fewer than two.

    Attributes:
        count: references.
        mean_distance: mean of all distances between two of them.
        spread: standard deviation of those.
        outliers: (file, median distance to the others), worst first: the ones to look at.
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
        lines += [
            f"outlier: {name} ({median:.3f} from the others)" for name, median in self.outliers
        ]
        return "\n".join(lines)


def distances(a: FloatArray, b: FloatArray, metric: Metric = "euclidean") -> FloatArray:
    """Distances, float32 (A, B), of embeddings (A, D) and (B, D).

    The same two embeddings have the same distance whatever they are handed in with: embeddings are
    exact in float16, so float64 holds every sum of their products without rounding, in whatever
    order a matrix product adds them.

    Args:
        a: embeddings.
        b: embeddings.
        metric: ``"euclidean"``, or ``"cosine"``: 1 - the cosine of the angle, 0 to 2.

    Raises:
        StoreError: they are not of one length, so what they were read from is damaged.
    """
    if len(a) and len(b) and a.shape[1] != b.shape[1]:  # none at all may have any length
        raise StoreError(
            f"an index is damaged: embeddings of {a.shape[1]} and {b.shape[1]} numbers cannot be "
            "compared; run into another folder"
        )
    found = np.empty((len(a), len(b)), np.float32)
    others = b.astype(np.float64)
    their_squares = (others**2).sum(axis=1)
    turned = np.ascontiguousarray(others.T)
    room = np.empty((min(_ROWS, len(a)), a.shape[1]))
    for start in range(0, len(a), _ROWS):
        rows = a[start : start + _ROWS]
        part = room[: len(rows)]
        part[:] = rows
        squares = np.einsum("ij,ij->i", part, part)[:, None]
        products = part @ turned
        if metric == "cosine":
            lengths = np.sqrt(np.maximum(squares * their_squares, np.finfo(np.float64).tiny))
            found[start : start + _ROWS] = (1 - products / lengths).clip(0, 2)
        else:
            products *= -2
            products += their_squares
            products += squares
            np.maximum(products, 0, out=products)
            found[start : start + _ROWS] = np.sqrt(products, out=products)
    return found


def _read(archive: zipfile.ZipFile, path: Path) -> Gallery:
    """The references in an archive; a ValueError says why it is no reference file."""
    members = archive.infolist()
    if not members or not all(member.filename.endswith(".npy") for member in members):
        raise ValueError("it holds other things than arrays")
    if not all(member.compress_type in _METHODS for member in members):
        raise ValueError("numpy does not compress like this")
    if sum(member.file_size for member in members) > LARGEST_FILE_BYTES:
        raise ValueError("it is too large")
    keys = [member.filename.removesuffix(".npy") for member in members]
    if _EMBEDDINGS in keys:
        gallery = _read_ours(archive, keys)
    else:
        vectors = [_read_vectors(archive, key) for key in keys]
        gallery = Gallery(np.concatenate(vectors), ("",) * sum(map(len, vectors)))
    if not len(gallery):
        raise ValueError("it holds no references")
    names = [name or f"{path.name}#{row}" for row, name in enumerate(gallery.names)]
    return replace(gallery, names=tuple(names))


def _read_ours(archive: zipfile.ZipFile, keys: Sequence[str]) -> Gallery:
    (recogniser,) = _read_texts(archive, _RECOGNISER) if _RECOGNISER in keys else (_DLIB,)
    (metric,) = _read_texts(archive, _METRIC) if _METRIC in keys else ("euclidean",)
    if not recogniser.isprintable() or len(recogniser) > _LONGEST_KEY:
        raise ValueError("the name of its recogniser is none")
    if metric not in _METRICS:
        raise ValueError(f"it compares by {metric!r}, which is not known")
    lengths = range(EMBEDDING_LENGTH, EMBEDDING_LENGTH + 1) if recogniser == _DLIB else _LENGTHS
    embedding = _read_vectors(archive, _EMBEDDINGS, lengths)
    columns = []
    for key in (_NAMES, _HASHES):
        column = _read_texts(archive, key) if key in keys else ()
        if len(column or embedding) != len(embedding):
            raise ValueError(f"it holds {len(column)} {key} for {len(embedding)} references")
        columns.append(column or ("",) * len(embedding))
    return Gallery(embedding, columns[0], columns[1], recogniser, _METRICS[metric])


def _read_vectors(
    archive: zipfile.ZipFile,
    key: str,
    lengths: Container[int] = range(EMBEDDING_LENGTH, EMBEDDING_LENGTH + 1),
) -> FloatArray:
    member = f"{key}.npy"
    with archive.open(member) as file:
        shape, dtype = _header(file)
        if not shape or shape[-1] not in lengths or dtype.kind != "f":
            raise ValueError(f"{member} is {dtype} {shape}, which is no embedding")
        values = np.frombuffer(file.read(LARGEST_FILE_BYTES), dtype)
    if len(values) != math.prod(shape):
        raise ValueError(f"{member} is cut short")
    # The largest that float16 holds: an embedding's values are far below 1.
    if not (np.abs(values) <= np.finfo(np.float16).max).all():
        raise ValueError(f"{member} holds what is no embedding")
    return values.astype(np.float32).reshape(-1, shape[-1])


def _read_texts(archive: zipfile.ZipFile, key: str) -> tuple[str, ...]:
    with archive.open(f"{key}.npy") as file:
        shape, dtype = _header(file)
        if len(shape) != 1 or dtype.kind != "U":
            raise ValueError(f"its {key} are {dtype} {shape}")
        return tuple(str(name) for name in np.frombuffer(file.read(LARGEST_FILE_BYTES), dtype))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that an array claims, read without making the array."""
    start = file.read(len(_MAGIC) + 2)
    if not start.startswith(_MAGIC):
        raise ValueError("it holds what is no array")
    length_bytes = 2 if start[-2:-1] == b"\1" else 4
    length = int.from_bytes(file.read(length_bytes), "little")
    match = _HEADER.fullmatch(file.read(min(length, _LONGEST_HEADER)))
    if match is None:
        raise ValueError("it holds an array of another kind")
    descr, fortran, *sides = match.groups()
    dtype = np.dtype(descr.decode())
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never opened")
    shape = tuple(int(side) for side in sides if side is not None)
    if fortran == b"True" and len(shape) > 1:
        raise ValueError("its arrays lie in Fortran order")
    return shape, dtype
