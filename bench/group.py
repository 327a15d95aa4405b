"""How well unknown people are told apart, against the truth: stills, the crowd, the company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from bench.company import SCENES, SCENES_QUICK, Company, company
from bench.crowd import CROWD, SCENE_SECONDS, SPEAKERS, Crowd, crowd
from bench.known import company_who
from bench.media import Setup
from bench.seen import Looker, Seen
from bench.table import Row
from bench.verification import family_pictures, lfw_pictures, recognisers
from bench.video import RATE
from facegrab.evaluate import Labelled, describe
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.models.specs import Metric, RecogniserSpec
from facegrab.people.decide import decide
from facegrab.people.gallery import Gallery
from facegrab.people.group import NOBODY, group, representatives
from facegrab.people.pieces import Pieces
from facegrab.types import FloatArray, IntArray
from facegrab.vision.detect import Detector
from facegrab.vision.eyes import open_detector, open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

SMALL_FACE_PX = 36
CROWD_SECONDS = 30
LEAST_F1 = 0.95
"""B-cubed: the mean share of a face's group that is of its person, and the other way round."""
REFERENCES = (3, 20)
HDBSCAN_LEAST = (2, 3)
"""Pieces in the smallest group of HDBSCAN."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Faces of one source and who they are, int64 (N,): -1 for what is nobody's."""

    embedding: FloatArray
    track: IntArray
    frame: IntArray
    sharpness: FloatArray
    who: IntArray

    def __len__(self) -> int:
        return len(self.who)

    def part(self, rows: IntArray) -> Known:
        """Some of the faces."""
        return Known(
            self.embedding[rows],
            self.track[rows],
            self.frame[rows],
            self.sharpness[rows],
            self.who[rows],
        )

    def grouped(self, spec: RecogniserSpec) -> IntArray:
        """What ``group`` says of them."""
        source = np.zeros(len(self), np.int64)
        return group(self.embedding, self.track, self.frame, source, spec.metric, spec.tolerance)


def groups(setup: Setup) -> Iterator[Row]:
    """Groups beside the truth, and beside HDBSCAN's of the same pieces."""

    def detector() -> Detector:
        return open_detector(packs.resolve_detector("mtcnn"), choose(by_itself=True))

    made = company(SCENES_QUICK if setup.quick else SCENES, detector)
    they = crowd(CROWD_SECONDS, detector)
    for spec in recognisers():
        name = spec.name
        yield from _rows(f"{name}, LFW 10x10", _stills(lfw_pictures(setup), spec), spec)
        yield from _rows(f"{name}, families and stills", _stills(family_pictures(), spec), spec)
        looker = Looker(SMALL_FACE_PX, name if spec.graph is None else str(spec.graph))
        seen = looker.see(they.path, 6)
        yield from _rows(
            f"{name}, crowd, every 7th frame", _known(seen, _of_crowd(seen, they)), spec
        )
        for skip, words in ((6, "every 7th frame"), (0, "every frame")):
            if setup.quick and skip == 0:
                continue
            seen = looker.see(made.path, skip)
            faces = _known(seen, company_who(seen, made))
            yield from _rows(f"{name}, company, {words}", faces, spec)
            yield _question_row(f"{name}, company, {words}", faces, made, spec)
    yield _time_row(setup)


def _stills(pictures: list[Labelled], spec: RecogniserSpec) -> Known:
    eyes = open_eyes(packs.resolve_detector("mtcnn"), spec, choose(by_itself=True), mesh=False)
    described = describe(pictures, Look(eyes, Wanted()))
    found = described.found
    _, who = np.unique([each.person for each in described.pictures], return_inverse=True)
    number = np.arange(int(found.sum()))
    blank = np.zeros(len(number), np.float32)
    return Known(described.embedding[found], number, number, blank, who.reshape(-1)[found])


def _known(seen: Seen, who: IntArray) -> Known:
    faces = seen.faces
    return Known(faces.embedding, seen.track, faces.frame, faces.sharpness, who)


def _of_crowd(seen: Seen, they: Crowd) -> IntArray:
    """The person whose face each is."""
    who = np.full(len(seen.faces), -1, np.int64)
    middle = (seen.faces.box[:, :2] + seen.faces.box[:, 2:]) / 2
    for row, frame in enumerate(seen.faces.frame.tolist()):
        x, y = middle[row].tolist()
        first = frame // (SCENE_SECONDS * RATE) * CROWD
        for each, box in enumerate(they.boxes[frame]):
            if box is not None and box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                who[row] = (first + each) % len(SPEAKERS)
    return who


@dataclass(frozen=True, slots=True)
class Agreement:
    """How groups agree with the truth, over the faces that are somebody's.

    Attributes:
        groups: that hold such a face.
        alone: such faces in no group; each counts as one of its own below.
        precision: B-cubed, the mean share of a face's group that is of its person.
        recall: the mean share of a face's person that is in its group.
        pair_precision: pairs of a group that are of a person.
        pair_recall: pairs of a person that are in a group.
    """

    groups: int
    alone: int
    precision: float
    recall: float
    pair_precision: float
    pair_recall: float

    @classmethod
    def of(cls, person: IntArray, who: IntArray) -> Agreement:
        """Of the groups and the truth, int64 (N,) each."""
        person, who = person[who >= 0], who[who >= 0]
        alone = person == NOBODY
        number = np.where(alone, len(person) + np.arange(len(person)), person)
        _, mine = np.unique(number, return_inverse=True)
        table = np.zeros((int(mine.max()) + 1, int(who.max()) + 1))
        np.add.at(table, (mine.reshape(-1), who), 1)
        ours, theirs = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
        pairs = [float((each * (each - 1)).sum()) for each in (table, ours, theirs)]
        return cls(
            groups=len(table) - int(alone.sum()),
            alone=int(alone.sum()),
            precision=float((table**2 / ours).sum() / len(who)),
            recall=float((table**2 / np.maximum(theirs, 1)).sum() / len(who)),
            pair_precision=pairs[0] / max(pairs[1], 1),
            pair_recall=pairs[0] / max(pairs[2], 1),
        )

    @property
    def f1(self) -> float:
        """Of B-cubed precision and recall."""
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    def values(self) -> dict[str, Any]:
        """For the table's file."""
        names = ("groups", "alone", "precision", "recall", "pair_precision", "pair_recall", "f1")
        return {name: getattr(self, name) for name in names}


def _rows(work: str, faces: Known, spec: RecogniserSpec) -> Iterator[Row]:
    found = Agreement.of(faces.grouped(spec), faces.who)
    people = len(np.unique(faces.who[faces.who >= 0]))
    peer, values = _hdbscan(faces, spec.metric)
    yield Row(
        f"groups, {work}: {len(faces)} faces of {people} people",
        f"F1 {found.f1:.3f} (B-cubed {found.precision:.3f}, {found.recall:.3f}; "
        f"pairs {found.pair_precision:.3f}, {found.pair_recall:.3f}), "
        f"{found.groups} groups, {found.alone} alone",
        peer,
        required=f"F1 >= {LEAST_F1}",
        met=found.f1 >= LEAST_F1,
        values={**found.values(), "people": people, "hdbscan": values},
    )


def _hdbscan(faces: Known, metric: Metric) -> tuple[str, dict[str, Any]]:
    """The same of scikit-learn's HDBSCAN, given the mean faces of the same pieces."""
    try:
        from sklearn.cluster import HDBSCAN
    except ImportError:
        return "HDBSCAN not measured: scikit-learn is missing (pip install scikit-learn)", {}
    doubtful = np.ones(len(faces), np.bool_)
    pieces = Pieces.of(faces.embedding, faces.track, faces.frame, doubtful, metric)
    points = faces.embedding
    if metric == "cosine":
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    means = pieces.means(points, np.arange(len(pieces))).astype(np.float64)
    said, values = [], {}
    for least in HDBSCAN_LEAST:
        label = HDBSCAN(min_cluster_size=least, min_samples=1, copy=True).fit_predict(means)
        found = Agreement.of(label[pieces.of_row], faces.who)
        said.append(f"from {least} pieces up F1 {found.f1:.3f}, {found.groups} groups")
        values[str(least)] = found.values()
    return "HDBSCAN " + "; ".join(said), values


def _question_row(work: str, faces: Known, made: Company, spec: RecogniserSpec) -> Row:
    """Each person's largest group of one half is looked for in the other half."""
    middle = made.cuts[len(made.cuts) // 2]
    first = faces.frame < middle
    halves = [faces.part(np.flatnonzero(each)) for each in (first, ~first)]
    said, values = [], {}
    for most in REFERENCES:
        right = false = missed = 0
        for here, there in (halves, halves[::-1]):
            for person, gallery in _asked(here, spec, most):
                kept = decide(
                    there.embedding, gallery, spec.tolerance, track=there.track, frame=there.frame
                ).matched
                theirs = there.who == person
                right += int((kept & theirs).sum())
                false += int((kept & ~theirs).sum())
                missed += int((theirs & ~kept).sum())
        precision, recall = right / max(right + false, 1), right / max(right + missed, 1)
        said.append(f"{most} references: precision {precision:.3f}, recall {recall:.3f}")
        values[str(most)] = {"precision": precision, "recall": recall}
    return Row(
        f"groups of one half looked for in the other, {work}", "; ".join(said), values=values
    )


def _asked(here: Known, spec: RecogniserSpec, most: int) -> Iterator[tuple[int, Gallery]]:
    """Each person, and the references that the group with most of the person's faces gives."""
    group_of = here.grouped(spec)
    for person in np.unique(here.who[(here.who >= 0) & (group_of >= 0)]).tolist():
        largest = np.bincount(group_of[(here.who == person) & (group_of >= 0)]).argmax()
        theirs = here.part(np.flatnonzero(group_of == largest))
        rows = representatives(
            theirs.embedding,
            theirs.track,
            np.zeros(len(theirs), np.int64),
            theirs.sharpness,
            spec.metric,
            most,
        )
        names = tuple(str(row) for row in rows.tolist())
        yield person, Gallery(theirs.embedding[rows], names, (), spec.key, spec.metric)


def _time_row(setup: Setup) -> Row:
    """Made-up faces: people in tracks of ten faces, five at a time."""
    pieces, length, people = setup.rounds(10_000, 1000), 10, 300
    random = np.random.default_rng(0)
    who = random.integers(0, people, pieces)
    piece = np.repeat(np.arange(pieces), length)
    embedding = random.normal(0, 0.06, (people, 128))[who[piece]]
    embedding += random.normal(0, 0.015, (pieces, 128))[piece]
    embedding += random.normal(0, 0.02, embedding.shape)
    faces = embedding.astype(np.float16).astype(np.float32)
    frame = piece // 5 * length + np.tile(np.arange(length), pieces)
    source = np.zeros_like(piece)
    start = perf_counter()
    person = group(faces, piece, frame, source, "euclidean", 0.6)
    seconds = perf_counter() - start
    return Row(
        f"groups of {len(piece):,} faces in {pieces:,} tracks",
        f"{seconds:.1f} s",
        values={"seconds": seconds, "groups": int(person.max()) + 1},
    )
