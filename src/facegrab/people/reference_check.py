"""The reference doctor: which of some pictures are good references of one person, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import GalleryError
from facegrab.models.specs import Metric
from facegrab.people.gallery import distances
from facegrab.people.identity import Identity, common_identity, nearest_by_picture
from facegrab.store.files import printable
from facegrab.types import FloatArray, IntArray

SMALLEST_PX = 40
"""Side of the smallest face that is a good reference.

Measured on 121 photographs of LFW and the families (bench: refs), one of each pair shrunk, dlib's
recogniser at .6: with a reference of 80 px 98.3 % of the true pairs are accepted and .2 % of the
strangers, of 40 px 95.6 and .3, 30 px 94.9 and .5, 20 px 80.4 and 1.3 %.
"""
ALIKE = 0.5
"""Tolerances that the faces of copies of one picture are apart, at most; and
"""
ALIKE_BITS = 8
"""so many bits their fingerprints.

Measured likewise: copies of half the size, of JPEG quality 40 or brighter by a fifth are within .18
and 6 bits in 99 of 100 cases (MobileFaceNet: .24); the most alike faces of two photographs of a
person are .19 apart (.09) and their fingerprints more than 20 bits.
"""
MOST_PICTURES = 2000
"""Each is compared with each: memory and time grow with the square, to some seconds."""
MOST_NAMED = 10
"""Files of each group that an error names."""

Verdict = Literal["kept", "other", "duplicate", "small", "blurred", "no face", "unreadable"]


@dataclass(frozen=True, slots=True, eq=False)
class Pictured:
    """A picture that may be a reference, and all faces in it.

    Attributes:
        name: its file, or the name of a reference in an ``.npz``.
        hash: SHA-256 of the file in hexadecimal, "" where it is not known.
        embedding: float32 (F, D).
        size_px: float32 (F,), the longer side of the box; infinite where it is not known.
        sharpness: float32 (F,), infinite where it is not known.
        yaw: float32 (F,), in degrees, NaN where it is not known.
        fingerprint: bool (64,), what the whole picture shows, None where it is not known.
        readable: whether the file is a picture.
    """

    name: str
    hash: str
    embedding: FloatArray
    size_px: FloatArray
    sharpness: FloatArray
    yaw: FloatArray
    fingerprint: NDArray[np.bool_] | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of a picture.

    Attributes:
        name: of the picture.
        verdict: on it.
        face: number of the person's face, or of the one most like it; None without a face.
        faces: in the picture.
        distance: of that face from the nearest three of the person's others; None without any.
        of: the picture that this one is a duplicate of, or "".
    """

    name: str
    verdict: Verdict
    face: int | None = None
    faces: int = 0
    distance: float | None = None
    of: str = ""


def check(
    pictures: Sequence[Pictured],
    metric: Metric,
    tolerance: float,
    *,
    smallest_px: float = SMALLEST_PX,
    blur_threshold: float,
) -> list[Finding]:
    """A finding for each picture, in their order.

    Who is meant is said by the pictures themselves: the person of the most of them, duplicates not
    counted. Too small and blurred faces have no say, unless there are no others.

    Args:
        pictures: at least one.
        metric: how two embeddings are compared.
        tolerance: the largest distance of the same person.
        smallest_px: smaller faces are no good references.
        blur_threshold: less sharp ones are none either.

    Raises:
        GalleryError: two people are in equally many pictures, none shows a face, or there are too
            many.
    """
    if len(pictures) > MOST_PICTURES:
        raise GalleryError(
            f"{len(pictures)} pictures are more than {MOST_PICTURES}: give some of them"
        )
    faces = _Faces.of(pictures)
    if not len(faces.picture):
        raise GalleryError(
            f"no face found in {_list([each.name for each in pictures])}: give sharp pictures of "
            "one person, seen from the front"
        )
    copy_of = _copies(pictures, metric, tolerance)
    poor = _poor(faces, smallest_px, blur_threshold)
    votes = _votes(faces, poor, copy_of)
    person = common_identity(faces.embedding, faces.picture, votes, metric, tolerance)
    if person.rival:
        raise _too_close(pictures, person)
    away = person.distance
    fitting = np.where(person.taken | ~(away <= tolerance), np.inf, away)
    fitting[list(person.members.values())] = -1
    # Where none is the person's, the one most like the person, to tell how far off it is.
    nearest = nearest_by_picture(np.where(np.isinf(fitting), 1e6 + away, fitting), faces.picture)
    found = []
    for number, each in enumerate(pictures):
        row = nearest.get(number)
        if row is None:
            found.append(Finding(each.name, "no face" if each.readable else "unreadable"))
            continue
        verdict = poor[row] or "kept" if np.isfinite(fitting[row]) else "other"
        original = copy_of.get(number)
        found.append(
            Finding(
                name=each.name,
                verdict=verdict if original is None else "duplicate",
                face=row - int(faces.first[number]),
                faces=len(each.embedding),
                distance=float(away[row]) if np.isfinite(away[row]) else None,
                of="" if original is None else pictures[original].name,
            )
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Faces:
    """All faces of all pictures, picture by picture; first is each picture's first row."""

    embedding: FloatArray
    size_px: FloatArray
    sharpness: FloatArray
    picture: IntArray
    first: IntArray

    @classmethod
    def of(cls, pictures: Sequence[Pictured]) -> _Faces:
        counts = [len(each.embedding) for each in pictures]
        return cls(
            np.concatenate([each.embedding for each in pictures]),
            np.concatenate([each.size_px for each in pictures]),
            np.concatenate([each.sharpness for each in pictures]),
            np.repeat(np.arange(len(pictures)), counts),
            np.cumsum([0, *counts[:-1]]),
        )


def _poor(faces: _Faces, smallest_px: float, blur_threshold: float) -> list[Verdict | None]:
    """What is wrong with each face, whoever it is."""
    return [
        "small" if size_px < smallest_px else "blurred" if sharpness < blur_threshold else None
        for size_px, sharpness in zip(faces.size_px.tolist(), faces.sharpness.tolist(), strict=True)
    ]


def _votes(
    faces: _Faces, poor: Sequence[Verdict | None], copy_of: Mapping[int, int]
) -> NDArray[np.bool_]:
    """Which faces say who is meant."""
    votes = ~np.isin(faces.picture, list(copy_of))
    good = votes & np.array([each is None for each in poor])
    votes = good if good.any() else votes
    if len(np.unique(faces.picture[votes])) == 1:  # the largest, as in a run
        votes = np.arange(len(votes)) == np.where(votes, faces.size_px, -np.inf).argmax()
    return votes


def _too_close(pictures: Sequence[Pictured], found: Identity) -> GalleryError:
    """Says which pictures show the one and which the other."""
    if len(found.members) == 1:
        names = [each.name for each in pictures if len(each.embedding)]
        return GalleryError(
            f"no two of {_list(names)} show the same person: give more pictures of the one you mean"
        )
    one, other = (
        [pictures[number].name for number in each] for each in (found.members, found.rival)
    )
    if one == other:
        return GalleryError(
            f"two people are together in {_list(one)}: give a picture of only the one you mean"
        )
    return GalleryError(
        f"two people are in {len(one)} pictures each, one in {_list(one)}, the other in "
        f"{_list(other)}: leave out the other's, or give one more of the one you mean"
    )


def _list(names: Sequence[str]) -> str:
    """``a.jpg, b.jpg and 7 more``; of files in one folder each but the first without it."""
    parents = {str(Path(name).parent) for name in names}
    short = [names[0], *(Path(each).name if len(parents) == 1 else each for each in names[1:])]
    more = len(short) - MOST_NAMED
    return printable(", ".join(short[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _copies(pictures: Sequence[Pictured], metric: Metric, tolerance: float) -> dict[int, int]:
    """Pictures that show what another does, and that one: the one with the largest face."""
    sizes = [float(each.size_px.max(initial=0)) for each in pictures]
    originals: list[int] = []
    copies: dict[int, int] = {}
    for number in sorted(range(len(pictures)), key=lambda each: (-sizes[each], each)):
        for original in originals:
            if _same(pictures[original], pictures[number], metric, ALIKE * tolerance):
                copies[number] = original
                break
        else:
            originals.append(number)
    return copies


def _same(one: Pictured, other: Pictured, metric: Metric, limit: float) -> bool:
    if one.hash and one.hash == other.hash:
        return True
    if not len(one.embedding) or not len(other.embedding):
        return False
    if one.fingerprint is not None and other.fingerprint is not None:
        if (one.fingerprint != other.fingerprint).sum() > ALIKE_BITS:
            return False
        return bool(distances(one.embedding, other.embedding, metric).min() <= limit)
    # Of a saved reference nothing but its numbers is known, and mostly the file that it is of.
    both_known = bool(one.hash and other.hash)
    return not both_known and bool((one.embedding[:, None] == other.embedding).all(axis=2).any())
