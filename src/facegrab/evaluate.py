"""How well models tell people apart, measured on labelled pictures: a folder with one a person."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import AccessError, GalleryError, MediaError, MissingError
from facegrab.media.images import read_image
from facegrab.media.source import find_sources
from facegrab.models.specs import Metric
from facegrab.people.gallery import distances
from facegrab.types import FloatArray
from facegrab.verification import Pairs
from facegrab.vision.look import Look

MOST_PICTURES = 10_000
"""Every picture is compared with every other: that then takes 7 s and .7 GB (measured)."""
MOST_DOUBTFUL = 3
"""Pairs of each kind that are named: a wrong label is mostly among the first."""

_BLOCK = 256
"""Pictures compared with all others at a time."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and who is in it."""

    person: str
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Labelled pictures and the largest face in each.

    Attributes:
        pictures: those that could be read.
        found: bool (N,), whether there is a face.
        embedding: float32 (N, D), zeros where there is none.
        metric: how two embeddings are compared.
        unreadable: pictures left out of everything.
    """

    pictures: tuple[Labelled, ...]
    found: NDArray[np.bool_]
    embedding: FloatArray
    metric: Metric
    unreadable: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Two pictures whose distance does not fit their labels."""

    first: Path
    second: Path
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What came of labelled pictures.

    Attributes:
        people: that have a picture.
        pictures: that can be read.
        missed: those in which no face was found.
        unreadable: pictures left out.
        pairs: distances of all pairs of readable pictures.
        nearest_strangers: the most alike pictures of two people, nearest first.
        farthest_same: the least alike pictures of one person, farthest first.
    """

    people: int
    pictures: int
    missed: tuple[Path, ...]
    unreadable: tuple[Path, ...]
    pairs: Pairs
    nearest_strangers: tuple[Doubtful, ...]
    farthest_same: tuple[Doubtful, ...]


Progress = Callable[[int, int], None]
"""Is told how many pictures are done, and of how many."""


def evaluate(folder: Path, look: Look, progress: Progress | None = None) -> Evaluation:
    """Describes the largest face of every picture and compares all pairs.

    Args:
        folder: with a sub-folder a person; pictures lie in those, or deeper.
        look: the models.
        progress: is told how far it is.

    Raises:
        MissingError, AccessError: the folder is not there, may not be read or has no picture.
        GalleryError: it holds fewer than two people, no two pictures of one, or too many pictures.
    """
    return compare(describe(labelled(folder), look, progress))


def labelled(folder: Path) -> list[Labelled]:
    """The pictures in the sub-folders of a folder, person by person; one is in memory at a time.

    Raises:
        MissingError, AccessError, GalleryError: see evaluate.
    """
    if not folder.is_dir():
        raise MissingError(f"{folder} is no folder: give one with a sub-folder for each person")
    images = [image for source in find_sources(folder) for image in source.images]
    parts = [(image.relative_to(folder).parts, image) for image in images]
    found = [Labelled(names[0], image) for names, image in parts if len(names) > 1]
    _check(found, str(folder))
    if len(found) < len(images):
        logger.warning(
            "pictures of %s that lie in no sub-folder are left out: %d",
            folder,
            len(images) - len(found),
        )
    return found


def describe(
    pictures: Sequence[Labelled], look: Look, progress: Progress | None = None
) -> Described:
    """The largest face in each picture; one picture is in memory at a time.

    Args:
        pictures: up to MOST_PICTURES.
        look: the models.
        progress: is told how far it is.
    """
    spec = look.eyes.recogniser.spec
    read: list[Labelled] = []
    unreadable: list[Path] = []
    rows = np.zeros((len(pictures), spec.length), np.float32)
    found = np.zeros(len(pictures), np.bool_)
    for number, picture in enumerate(pictures):
        if progress is not None:
            progress(number, len(pictures))
        try:
            embedding, faces = look.reference(read_image(picture.path), jitter=1)
        except (MediaError, MissingError, AccessError) as error:
            logger.warning("left out: %s", error)
            unreadable.append(picture.path)
            continue
        found[len(read)] = faces > 0
        rows[len(read) : len(read) + len(embedding)] = embedding
        read.append(picture)
    count = len(read)
    return Described(tuple(read), found[:count], rows[:count], spec.metric, tuple(unreadable))


def compare(described: Described) -> Evaluation:
    """The distances of all pairs.

    Raises:
        GalleryError: of those that could be read there are too few, or too many.
    """
    _check(described.pictures, "the readable ones")
    found = np.flatnonzero(described.found)
    names, person = np.unique([each.person for each in described.pictures], return_inverse=True)
    pairs, near, far = _compared(described.embedding[found], person[found], described.metric)
    sizes = np.bincount(person)
    same_count = int((sizes * (sizes - 1) // 2).sum())
    different_count = len(person) * (len(person) - 1) // 2 - same_count

    def named(doubtful: list[tuple[float, int, int]]) -> tuple[Doubtful, ...]:
        paths = [described.pictures[row].path for row in found]
        return tuple(Doubtful(paths[a], paths[b], away) for away, a, b in doubtful)

    return Evaluation(
        len(names),
        len(described.pictures),
        tuple(described.pictures[row].path for row in np.flatnonzero(~described.found)),
        described.unreadable,
        Pairs(_filled(pairs.same, same_count), _filled(pairs.different, different_count)),
        named(near),
        named(far),
    )


def _check(pictures: Sequence[Labelled], where: str) -> None:
    people = len({each.person for each in pictures})
    if people < 2 or people == len(pictures):
        raise GalleryError(
            f"{where}: {len(pictures)} pictures of {people} people: give a sub-folder for each of "
            "two people or more, and two pictures of one of them at least"
        )
    if len(pictures) > MOST_PICTURES:
        raise GalleryError(
            f"{where}: {len(pictures)} pictures are more than {MOST_PICTURES}: give some of them"
        )


_Doubts = list[tuple[float, int, int]]


def _compared(
    embedding: FloatArray, person: NDArray[np.intp], metric: Metric
) -> tuple[Pairs, _Doubts, _Doubts]:
    """Pairs of faces that were found, then the nearest strangers and the farthest of one person."""
    same, different = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    near: _Doubts = []
    far: _Doubts = []
    for start in range(0, len(embedding), _BLOCK):
        block = distances(embedding[start : start + _BLOCK], embedding[start:], metric)
        for row, away in enumerate(block):
            later, one = away[row + 1 :], person[start + row]
            alike = person[start + row + 1 :] == one
            same.append(later[alike])
            different.append(later[~alike])
            here = start + row
            near += _extreme(np.where(alike, np.inf, later), here, 1)
            far += _extreme(np.where(alike, later, -np.inf), here, -1)
        near = sorted(near)[:MOST_DOUBTFUL]
        far = sorted(far, reverse=True)[:MOST_DOUBTFUL]
    pairs = Pairs(np.concatenate(same), np.concatenate(different))
    pairs.same.sort()
    pairs.different.sort()
    return pairs, near, far


def _extreme(later: NDArray[np.floating], row: int, sign: int) -> _Doubts:
    """The least (sign 1) or largest (-1) distances of a face from those after it."""
    signed = sign * later
    few = min(MOST_DOUBTFUL, len(later))
    places = np.argpartition(signed, few - 1)[:few].tolist() if few else []
    return [(float(later[at]), row, row + 1 + at) for at in places if np.isfinite(later[at])]


def _filled(found: FloatArray, count: int) -> FloatArray:
    """Distances with those of the pairs that lack a face behind them."""
    lacking = np.full(count - len(found), np.inf, np.float32)
    return np.concatenate([found, lacking]) if len(lacking) else found
