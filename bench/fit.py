"""Fits the figures of facegrab.people.probability: ``python -m bench.fit``.

Logistic regression, with a small penalty on large weights; people and strangers count alike, so
that what comes out are odds before any prior. It takes some minutes and prints ALONE and BESIDE.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.known import UNKNOWN, Known, asked_for, known, the_company
from bench.media import Setup, shared_weights
from bench.people import pictures
from bench.seen import Looker
from facegrab.people.decide import PART, people_distances
from facegrab.people.gallery import Gallery, distances
from facegrab.people.pieces import Pieces
from facegrab.people.probability import CLEAREST, LONGEST, NOTHING_NEAR, near
from facegrab.people.together import Together

SURE, STRANGE = 0.75, 0.9
"""``near`` to the references up to which a piece is taken as the person's for fitting the second
step, and from which on one beside such a piece as a stranger: on these clips no mistake is made."""
PENALTY = 1e-3
WEIGHT = 2000.0
DRAWS = 2
"""Of three references for each picture that is left out."""

Floats = NDArray[np.float64]
Rows = list[tuple[float, float, float, int, bool]]
"""``near`` to the references, to sure pieces, to the nearest stranger; faces; whether it is so."""


def main() -> None:
    """Prints the figures."""
    rows: Rows = []
    setup = Setup(quick=False, long=False)
    made = the_company(setup)
    mobile = str(shared_weights("mobilefacenet", "MobileFaceNet.onnx"))
    for recogniser in ("auto", mobile):
        looker = Looker(36, recogniser)
        references = [looker.reference(images) for images in made.references]
        for clip in known(setup, made, looker, (0, 6)):
            for several in (False, True):
                for person, gallery in asked_for(looker, references, several=several):
                    rows += _of_clip(clip, looker, person, gallery.embedding)
        for folder in ("lfw10x10", "azure"):
            rows += _of_pictures(looker, folder)
    table = np.array(rows, np.float64)
    print("ALONE =", _fitted(_alone(table), table[:, 4]))
    known_others = ~np.isnan(table[:, 1])
    beside = table[known_others]
    print("BESIDE =", _fitted(_beside(beside), beside[:, 4]))


def _of_clip(
    clip: Known, looker: Looker, person: int, references: NDArray[np.float32]
) -> Iterator[tuple[float, float, float, int, bool]]:
    """A row a piece."""
    faces, spec = clip.faces, looker.spec
    names = tuple(str(row) for row in range(len(references)))
    gallery = Gallery(references, names, (), spec.key, spec.metric)
    every = np.ones(len(faces), np.bool_)
    pieces = Pieces.of(faces.embedding, faces.track, faces.frame, every, spec.metric)
    apart = people_distances(faces.embedding, [gallery])[:, 0]
    own = near(pieces.nearest_mean(apart, PART), spec.tolerance, spec.metric)
    means = pieces.means(faces.embedding, np.arange(len(pieces)))
    between = near(distances(means, means, spec.metric), spec.tolerance, spec.metric)
    np.fill_diagonal(between, np.inf)
    together = Together.of(pieces.of_row, faces.frame, len(pieces))
    beside = together.table(np.arange(len(pieces)), np.arange(len(pieces)), len(pieces))
    sure = own <= SURE
    strangers = together.touched(sure) & (own > STRANGE)
    for piece in range(len(pieces)):
        rows = clip.who[pieces.of_row == piece]
        who = int(np.bincount(rows - UNKNOWN).argmax()) + UNKNOWN
        if who == UNKNOWN:
            continue
        witnesses = np.sort(between[piece, sure])[:3]
        witnesses = witnesses[np.isfinite(witnesses)]
        others = between[piece, strangers & ~beside[piece]]
        yield (
            float(own[piece]),
            float(witnesses.mean()) if len(witnesses) else np.nan,
            float(others.min(initial=NOTHING_NEAR)),
            len(rows),
            who == person,
        )


def _of_pictures(looker: Looker, folder: str) -> Rows:
    """Photographs, each compared with one, and with three, of everybody."""
    random = np.random.default_rng(0)
    embedding, who = pictures(looker, folder)
    spec = looker.spec
    apart = distances(embedding, embedding, spec.metric)
    rows: Rows = []
    for person in np.unique(who):
        for row in range(len(who)):
            others = np.flatnonzero((who == person) & (np.arange(len(who)) != row))
            drawn = [others[each : each + 1] for each in range(len(others))]
            if len(others) >= 3:
                drawn += [random.choice(others, 3, replace=False) for _ in range(DRAWS)]
            for each in drawn:
                mean = np.asarray(apart[row, each].mean(keepdims=True), np.float32)
                own = float(near(mean, spec.tolerance, spec.metric)[0])
                rows.append((own, np.nan, np.nan, 1, bool(who[row] == person)))
    return rows


def _alone(table: Floats) -> Floats:
    return np.stack([table[:, 0], np.log(np.minimum(table[:, 3], LONGEST))], axis=1)


def _beside(table: Floats) -> Floats:
    own, person, stranger, length, _ = table.T
    clear = np.clip(stranger - np.minimum(person, own), -CLEAREST, CLEAREST)
    return np.stack([own, person, clear, np.log(np.minimum(length, LONGEST))], axis=1)


def _fitted(columns: Floats, true: Floats) -> tuple[float, ...]:
    """Constant and weights, by Newton's method."""
    weight = WEIGHT / 2 * np.where(true > 0, 1 / true.sum(), 1 / (1 - true).sum())
    design = np.column_stack([np.ones(len(columns)), columns])
    penalty = PENALTY * np.diag([0.0] + [1.0] * columns.shape[1])
    found = np.zeros(design.shape[1])
    for _ in range(60):
        share = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = (design * (weight * share * (1 - share))[:, None]).T @ design + penalty
        step = design.T @ (weight * (true - share)) - penalty @ found
        found = found + np.linalg.solve(slope, step)
    return tuple(round(float(each), 2) for each in found)


if __name__ == "__main__":
    sys.exit(main())
