"""Grouping: the faces of unknown people, sorted into people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facegrab.models.specs import Metric
from facegrab.people.cluster import average_linkage
from facegrab.people.gallery import distances
from facegrab.people.pieces import Pieces
from facegrab.types import UNKNOWN, FloatArray, IntArray

NOBODY = -1
"""The person of a face that fits no other."""
JOINED = 0.95
"""Tolerances that two groups' faces may be from each other, in the mean, to be one person's.

Measured (bench: group) with dlib's recogniser and MobileFaceNet on the company of 15, every frame
and every 7th, the crowd, LFW 10x10 and the families, as the mean B-cubed F1: .90 gives .982 and
.991, .95 .988 and .992, 1 .990 and .993, 1.05 .991 and .983. Where faces of one frame may be one
person, as if everybody were filmed alone, .95 is as good as with it; at 1 it is .977 and .972.

By the mean of a piece's faces in the place of all of them, single faces are farther from each other
than pieces are: no share of the tolerance is right for both (dlib, everybody alone: .951 at best).
By the half or the third of a piece's faces that are nearest to its mean: .982 and .993 at best.
Pieces weighted by their faces, or the root of them: as good as unweighted. HDBSCAN: see the bench.
"""
MIRRORED = 0.75
"""Tolerances up to which two pieces seen in one frame are not taken for two people: somebody in a
mirror, on two screens or found twice. Two people of one frame of the company, the crowd and the
hamilton clip are at least .93 apart."""
MOST_REFERENCES = 3
"""Faces of a group that are references by default.

Measured (bench: group) by the groups of one half of the company, looked for in the other half, as
F1 of faces with dlib's recogniser and MobileFaceNet, every frame and every 7th: with 3 references
.951 to .960, with 2 .913 to .935, 4 .897 to .931, 5 .882 to .918, 20 .821 to .863. Of many of all
sorts some three are near to strangers too, and the nearest three count (``decide.NEAREST``).
"""
SHARP = 3
"""References are among the sharpest of so many faces, measured likewise: of the sharper half F1 is
.943 to .965, of the third .951 to .960, of the quarter .939 to .952, of all .890 to .964."""
ODD = 10
"""Of so many sharp faces the one least like the mean face is no reference: it may be somebody else.
Where groups hold nobody else this costs F1 .01 at most; to leave out a third costs .01 to .05."""
_BLOCK = 1 << 14
"""Faces in one go, which bounds the memory."""


def group(
    embedding: FloatArray,
    track: IntArray,
    frame: IntArray,
    source: IntArray,
    metric: Metric,
    tolerance: float,
) -> IntArray:
    """Which person each face is, without knowing anybody.

    Tracks are parted where they go over to another person (``pieces``). The two nearest groups of
    pieces are joined again and again, as long as their faces are within JOINED tolerances in the
    mean. Two who are seen in one frame are two people, and so is whoever is like them. Neither the
    order of the rows nor the numbers of sources and tracks matter.

    The memory grows with the faces: some copies of the embeddings and about 100 MB. The time grows
    with the square of the pieces: 10 000 take 2 s, 100 000 3 minutes (2 cores).

    Args:
        embedding: float32 (N, D), of one recogniser. One that is not finite, or zero where angles
            count, fits nobody.
        track: int64 (N,), unique within a source; UNKNOWN is a track for each face.
        frame: int64 (N,).
        source: int64 (N,), any number for each source.
        metric: how two embeddings are compared.
        tolerance: the recogniser's: the largest distance of the same person.

    Returns:
        int64 (N,), the number of each face's person: 0 has the most faces. NOBODY for a face that
        is like no other.
    """
    person = np.full(len(embedding), NOBODY, np.int64)
    sound = np.isfinite(embedding).all(axis=1)
    if metric == "cosine":
        sound &= embedding.any(axis=1)
    rows = np.flatnonzero(sound)
    if not len(rows):
        return person
    # In an order of their own, so that no rounding and no tie depends on the caller's.
    order = rows[np.lexsort((*embedding[rows, :2].T, track[rows], frame[rows], source[rows]))]
    moment = _numbered(source[order], frame[order])
    walk = _numbered(source[order], track[order])
    alone = np.flatnonzero(track[order] == UNKNOWN)
    walk[alone] = len(order) + alone
    faces = embedding[order]
    pieces = Pieces.of(faces, walk, moment, np.ones(len(order), np.bool_), metric)
    limit = JOINED * tolerance, MIRRORED * tolerance
    squared = limit if metric == "cosine" else (limit[0] ** 2, limit[1] ** 2)
    mean, square = _bundled(faces, pieces, metric)
    apart = _seen_together(pieces.of_row, moment)
    apart = apart[_squared(mean, square, apart) > squared[1]]
    person[order] = _by_size(average_linkage(mean, square, apart, squared[0])[pieces.of_row])
    return person


def representatives(
    embedding: FloatArray,
    track: IntArray,
    source: IntArray,
    sharpness: FloatArray,
    metric: Metric,
    most: int = MOST_REFERENCES,
) -> IntArray:
    """The faces of one person that are the best references to look for that person by.

    The sharpest third (SHARP) without those least like its mean face (ODD), and of it first the
    one most like the mean. Then one after the other of a track that has given the fewest so far,
    the one least like those chosen.

    Args:
        embedding: float32 (N, D), finite, of the faces of one person in ``group``.
        track: int64 (N,), unique within a source.
        source: int64 (N,), any number for each source.
        sharpness: float32 (N,).
        metric: how two embeddings are compared.
        most: of them, at least 1.

    Returns:
        int64, rows, ascending: so many, or fewer where there are few faces.
    """
    order = np.lexsort((*embedding[:, :2].T, track, source, -sharpness))
    good = order[: -(-len(order) // SHARP)]
    if not len(good):
        return np.empty(0, np.int64)
    mean = embedding[good].mean(axis=0, keepdims=True)
    central = np.argsort(distances(embedding[good], mean, metric)[:, 0], kind="stable")
    good = good[central[: len(good) - len(good) // ODD]]
    walk = _numbered(source[good], track[good])
    given = np.zeros(len(good), np.int64)
    far = np.full(len(good), np.inf, np.float32)
    chosen = [0]
    while len(chosen) < min(most, len(good)):
        last = chosen[-1]
        given[walk == walk[last]] += 1
        given[last] = most + 1
        newest = embedding[good[last : last + 1]]
        far = np.minimum(far, distances(embedding[good], newest, metric)[:, 0])
        chosen.append(int(np.lexsort((-far, given))[0]))
    return np.sort(good[chosen])


def _numbered(source: IntArray, number: IntArray) -> IntArray:
    """Numbers, int64 (N,), that are unique over all sources."""
    both = np.unique(np.stack([source, number], axis=1), axis=0, return_inverse=True)[1]
    return np.asarray(both.reshape(-1), np.int64)


def _bundled(
    embedding: FloatArray, pieces: Pieces, metric: Metric
) -> tuple[FloatArray, FloatArray]:
    """The mean of each piece's faces (P, D), and their mean square (P,).

    Where angles count, of embeddings of the length at which a squared distance is 1 - the cosine.
    """
    mean = np.empty((len(pieces), embedding.shape[1]), np.float32)
    square = np.empty(len(pieces), np.float32)
    ends = pieces.starts + pieces.lengths
    for which in np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(ends // _BLOCK)) + 1):
        first = pieces.starts[which[0]]
        starts = pieces.starts[which] - first
        faces = embedding[pieces.order[first : ends[which[-1]]]].astype(np.float64)
        if metric == "cosine":
            lengths = np.linalg.norm(faces, axis=1, keepdims=True)
            faces *= np.sqrt(0.5) / np.maximum(lengths, np.finfo(np.float32).tiny)
        count = pieces.lengths[which]
        mean[which] = np.add.reduceat(faces, starts, axis=0) / count[:, None]
        square[which] = np.add.reduceat((faces**2).sum(axis=1), starts) / count
    return mean, square


def _seen_together(piece: IntArray, moment: IntArray) -> IntArray:
    """Pairs of pieces, int64 (P, 2), that have faces in the same frame."""
    order = np.lexsort((piece, moment))
    piece, moment = piece[order], moment[order]
    found = [np.empty((0, 2), np.int64)]
    first = np.arange(len(piece))
    for step in range(1, len(piece)):
        first = first[first + step < len(piece)]
        first = first[moment[first] == moment[first + step]]
        if not len(first):
            break
        pairs = np.stack([piece[first], piece[first + step]], axis=1)
        found.append(np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0))
    return np.unique(np.concatenate(found), axis=0)


def _squared(mean: FloatArray, square: FloatArray, pairs: IntArray) -> NDArray[np.float32]:
    """The mean squared distance of the faces of each pair of pieces: float32 (P,)."""
    found = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _BLOCK):
        block = slice(start, start + _BLOCK)
        one, other = pairs[block].T
        products = np.einsum("ij,ij->i", mean[one], mean[other])
        found[block] = square[one] + square[other] - 2 * products
    return found


def _by_size(label: IntArray) -> IntArray:
    """People from 0 up, the largest first, of any labels; NOBODY where there is one face."""
    _, first, which, count = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    number = np.empty(len(count), np.int64)
    number[np.lexsort((first, -count))] = np.arange(len(count))
    number[count == 1] = NOBODY
    return number[which.reshape(-1)]
