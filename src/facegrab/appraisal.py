"""What the extracts of a person are worth: read, measured, compared with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import FaceGrabError, MediaError, MissingError, OutputError
from facegrab.fetching import content_of
from facegrab.media.header import image_size
from facegrab.media.images import decode
from facegrab.models.packfile import RECOGNISER
from facegrab.models.registry import EMBEDDED
from facegrab.models.specs import RecogniserSpec
from facegrab.people import worth
from facegrab.people.choose import Pictures, turn_bins
from facegrab.people.worth import Worth
from facegrab.store.album import leads_inside
from facegrab.store.candidates import Candidates, Portfolio
from facegrab.types import FloatArray, Image, IntArray
from facegrab.vision.portrait import Portrait, portrait
from facegrab.vision.pose import head_pose_of_five

LEAST = 0.1
"""A picture of which one quality is less is not picked, however few others there are."""
MOST_READ, READ_EACH = 4000, 4
"""Extracts that are read of a person: so many, or so many for each that is asked for. Which, their
sizes, sharpness and turns in the index decide."""
LARGEST_PX = 2048
LARGEST_BYTES = 2**24
"""Of an extract's file; none of ours is larger."""
THREADS = 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Candidates whose extracts were read, and what these are worth; a row each.

    Attributes:
        candidates: N of them.
        portraits: what their pixels say.
        yaw: float32 (N,), in degrees; NaN where unknown.
        pitch: float32 (N,), likewise.
        worth: of each quality.
        vector: float32 (N, D), embeddings of which 1 apart is the tolerance.
        extracts: how many there are, those that were not read too.
        gone: of those to be read so many are not there.
        unreadable: extracts that are no images.
    """

    candidates: Candidates
    portraits: tuple[Portrait, ...]
    yaw: FloatArray
    pitch: FloatArray
    worth: Worth
    vector: FloatArray
    extracts: int
    gone: int
    unreadable: tuple[str, ...]

    @property
    def is_good(self) -> NDArray[np.bool_]:
        """bool (N,): no quality is below LEAST."""
        return np.asarray(self.worth.least >= LEAST)

    def pictures(self) -> Pictures:
        """As the choice takes them."""
        prints = [each.fingerprint for each in self.portraits]
        return Pictures(
            worth=np.where(self.is_good, self.worth.total, np.float32(0)),
            vector=self.vector,
            fingerprint=np.array(prints),
            yaw=self.yaw,
            pitch=self.pitch,
            source=self.candidates.source,
            shot=self.candidates.shot,
        )


def measure(
    portfolio: Portfolio, folder: Path, person: str, count: int, progress: Progress
) -> Measured:
    """Reads a person's extracts, the most promising ones of very many.

    Args:
        portfolio: of the folder.
        folder: that a run wrote.
        person: name.
        count: how many are asked for.
        progress: see ``pick``.
    """
    candidates = portfolio.candidates(person)
    yaw, pitch, _ = head_pose_of_five(candidates.points5)
    rows = promising(candidates, turn_bins(yaw, pitch), max(MOST_READ, READ_EACH * count))
    there, portraits, gone, unreadable = [], [], 0, []
    files = [candidates.file[row] for row in rows]
    for row, seen in zip(rows.tolist(), _portraits(folder, files, progress), strict=True):
        if isinstance(seen, Portrait):
            there.append(row)
            portraits.append(seen)
        elif isinstance(seen, MissingError):
            gone += 1
        else:
            unreadable.append(candidates.file[row])
    taken = candidates.select(np.array(there, np.int64))
    yaw, pitch = yaw[there], pitch[there]
    vector = _in_tolerances(taken.embedding, portfolio)
    is_one = portfolio.settings.get("references") != "*" or bool(portfolio.settings.get("group"))
    qualities = _worth(taken, portraits, yaw, pitch, vector, is_one=is_one)
    return Measured(
        candidates=taken,
        portraits=tuple(portraits),
        yaw=yaw,
        pitch=pitch,
        worth=qualities,
        vector=vector,
        extracts=len(candidates),
        gone=gone,
        unreadable=tuple(unreadable),
    )


def promising(candidates: Candidates, turn: IntArray, most: int) -> IntArray:
    """The rows to be read, in order: of each track and turn the largest and sharpest first.

    Args:
        candidates: N of them.
        turn: int64 (N,), numbers of bins of turns.
        most: how many at most.
    """
    if len(candidates) <= most:
        return np.arange(len(candidates))
    promise = candidates.size_px * np.sqrt(np.maximum(candidates.sharpness, 0))
    order = np.lexsort((-promise, turn, candidates.track, candidates.source))
    kind = np.stack([candidates.source, candidates.track, turn], axis=1)[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (kind[1:] != kind[:-1]).any(axis=1)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    place = np.arange(len(order)) - first
    # The best of every track and turn, then the second ones, and so on.
    taken = order[np.lexsort((-promise[order], place))[:most]]
    return np.sort(taken)


def is_extract(folder: Path, name: str) -> bool:
    """Whether an extract's name, which may come from anywhere, is a file's of the folder."""
    path = folder / name
    return leads_inside(name) and path.is_file() and not path.is_symlink()


def read_extract(folder: Path, name: str) -> Image:
    """An extract, RGB uint8 (H, W, 3).

    Args:
        folder: that a run wrote.
        name: below it, from an index, which may come from anywhere.

    Raises:
        MissingError: it is not there.
        MediaError: it is no image, or larger than any extract.
        OutputError, AccessError, DeviceError: the bucket in which it lies cannot be read.
    """
    path = folder / name
    if not is_extract(folder, name):
        raise MissingError(f"no such extract: {path}")
    try:
        content = content_of(folder, name, LARGEST_BYTES + 1)
    except MediaError as error:  # no image's fault: the store will not answer for others either
        raise OutputError(str(error)) from error
    except FaceGrabError:  # of the bucket too, and some are the system's as well
        raise
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    size = image_size(content)
    if (
        len(content) > LARGEST_BYTES
        or size is None
        or not 1 <= min(size) <= max(size) <= LARGEST_PX
    ):
        raise MediaError(f"{path} is no extract")
    return decode(path, content)


def _portraits(
    folder: Path, files: Sequence[str], progress: Progress
) -> Iterator[Portrait | MissingError | MediaError]:
    """What each extract looks like, or why that cannot be said."""

    def look(name: str) -> Portrait | MissingError | MediaError:
        try:
            return portrait(read_extract(folder, name))
        except (MissingError, MediaError) as error:
            return error

    with ThreadPoolExecutor(THREADS, thread_name_prefix="facegrab-pick") as pool:
        for number, seen in enumerate(pool.map(look, files)):
            progress(number, len(files))
            yield seen


def _worth(
    candidates: Candidates,
    portraits: Sequence[Portrait],
    yaw: FloatArray,
    pitch: FloatArray,
    vector: FloatArray,
    *,
    is_one: bool,
) -> Worth:
    def of(name: str) -> FloatArray:
        return np.array([getattr(each, name) for each in portraits], np.float32)

    count, source = len(candidates), candidates.source
    away = spots = np.zeros(count, np.float32)
    if is_one and count:  # faces of everybody are unlike each other without anything before them
        thumbs = np.array([each.thumb for each in portraits])
        away = worth.unfamiliar(vector, source)
        spots = worth.spots(thumbs, yaw, pitch, source)
    width, height = candidates.frame_size.T
    return Worth(
        clear=worth.clear(of("clarity")),
        large=worth.large(candidates.size_px),
        lit=worth.lit(of("brightness"), of("contrast"), of("clipped")),
        free=worth.free(away, spots),
        inside=worth.inside(candidates.box, width, height),
    )


def _in_tolerances(embedding: FloatArray, portfolio: Portfolio) -> FloatArray:
    """Embeddings float32 (N, D) of which 1 apart, as a straight line, is the tolerance."""
    tolerance, key = portfolio.settings.get("tolerance"), portfolio.settings.get("recogniser")
    spec = EMBEDDED[RECOGNISER].get(str(key))
    # Whatever else can be installed compares by cosine.
    euclidean = isinstance(spec, RecogniserSpec) and spec.metric == "euclidean"
    limit = float(tolerance) if isinstance(tolerance, (int, float)) and tolerance > 0 else 0.6
    if euclidean:
        return np.asarray(embedding / limit, np.float32)
    lengths = np.linalg.norm(embedding, axis=1, keepdims=True)
    # Two of length 1 at a cosine distance d are the root of 2 d apart.
    return np.asarray(embedding / np.maximum(lengths, 1e-6) / np.sqrt(2 * limit), np.float32)
