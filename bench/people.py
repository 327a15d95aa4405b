"""Who is who: the plain tolerance, tracks, and the probability, on clips of which it is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.found import PERSON
from bench.known import UNKNOWN, Count, Known, asked_for, known, the_company
from bench.media import Setup, media, shared_weights
from bench.seen import Looker
from bench.table import Row, UnmeasurableError, failed
from facegrab.media.images import read_image
from facegrab.models.specs import RecogniserSpec
from facegrab.people.decide import NEAREST, decide
from facegrab.people.gallery import Gallery, distances
from facegrab.people.grow import Growth
from facegrab.people.judge import ASK, KEEP, KEEP_FROM, Asked, Judge, Person, Verdicts
from facegrab.people.pieces import Pieces
from facegrab.people.probability import alone, belief, near
from facegrab.types import Faces, FloatArray, IntArray

SMALL_FACE_PX = 36
SKIPPED = (0, 6)
LEAST_RECALL, LEAST_PRECISION = 0.99, 0.995
BINS = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.01)

Bools = NDArray[np.bool_]
Way = Callable[[Faces, Gallery, RecogniserSpec], Bools]


def people(setup: Setup) -> Iterator[Row]:
    """Precision and recall of every way to decide, and how well probabilities are calibrated."""
    made = the_company(setup)
    for words, recogniser in _recognisers():
        if recogniser is None:
            yield failed(f"people, {words}", "its weights are not in the shared ones")
            continue
        looker = Looker(SMALL_FACE_PX, recogniser)
        references = [looker.reference(images) for images in made.references]
        told: list[tuple[FloatArray, Bools]] = []
        for clip in known(setup, made, looker, SKIPPED):
            for several in (False, True):
                asked = list(asked_for(looker, references, several=several))
                yield from _rows(clip, words, asked, looker.spec, told)
        yield _reliability(f"reliability, clips, {words}", told)
        yield from _stills(words, looker)
        yield from _hamilton(words, looker)


def _recognisers() -> Iterator[tuple[str, str | None]]:
    yield "dlib", "auto"
    try:
        yield "mobilefacenet", str(shared_weights("mobilefacenet", "MobileFaceNet.onnx"))
    except UnmeasurableError:
        yield "mobilefacenet", None


def plain(faces: Faces, gallery: Gallery, spec: RecogniserSpec) -> Bools:
    """Each face by the tolerance."""
    return decide(faces.embedding, gallery, spec.tolerance, per_frame=True).matched


def by_track(faces: Faces, gallery: Gallery, spec: RecogniserSpec) -> Bools:
    """Tracks by the tolerance."""
    return decide(
        faces.embedding, gallery, spec.tolerance, track=faces.track, frame=faces.frame
    ).matched


def by_itself(faces: Faces, gallery: Gallery, spec: RecogniserSpec) -> Bools:
    """Tracks by the probability, whatever else the video shows."""
    all_of_them = np.ones(len(faces), np.bool_)
    pieces = Pieces.of(faces.embedding, faces.track, faces.frame, all_of_them, spec.metric)
    apart = np.sort(gallery.distances(faces.embedding), axis=1)[:, :NEAREST].mean(axis=1)
    pooled = pieces.nearest_mean(np.asarray(apart, np.float32), 3)
    believed = -pieces.nearest_mean(-belief(faces.sharpness), 3)
    share = alone(near(pooled, spec.tolerance, spec.metric), pieces.lengths, believed)
    return np.asarray((share >= KEEP_FROM)[pieces.of_row], np.bool_)


def judged(faces: Faces, gallery: Gallery, spec: RecogniserSpec) -> Verdicts:
    """As a run does by default."""
    judge = Judge(Asked((Person("", gallery),), (), spec.tolerance, spec.metric))
    judge.see(faces)
    (verdicts,) = judge.verdicts()
    return verdicts


def by_default(faces: Faces, gallery: Gallery, spec: RecogniserSpec) -> Bools:
    """As a run does by default."""
    return np.asarray(judged(faces, gallery, spec).verdict == KEEP, np.bool_)


def with_growth(faces: Faces, gallery: Gallery, spec: RecogniserSpec) -> Bools:
    """The same with ``--grow``."""
    asked = Asked((Person("", gallery),), (), spec.tolerance, spec.metric)
    growth = Growth(asked)
    growth.take("clip", faces, judged(faces, gallery, spec))
    judge = Judge(growth.grown())
    judge.see(faces)
    return np.asarray(judge.verdicts()[0].verdict == KEEP, np.bool_)


WAYS: dict[str, Way] = {
    "tolerance": plain,
    "tracks": by_track,
    "probability of each track": by_itself,
    "default": by_default,
    "default with --grow": with_growth,
}


def _rows(
    clip: Known,
    words: str,
    asked: Sequence[tuple[int, Gallery]],
    spec: RecogniserSpec,
    told: list[tuple[FloatArray, Bools]],
) -> Iterator[Row]:
    faces = clip.faces
    sure = clip.who != UNKNOWN
    number = len(asked[0][1])
    lengths = np.bincount(faces.track)
    for way, keeps in WAYS.items():
        of_faces, of_tracks = Count(), Count()
        for person, gallery in asked:
            theirs = clip.who == person
            kept = keeps(faces, gallery, spec)
            of_faces.add(kept[sure], theirs[sure])
            halves = (
                np.bincount(faces.track, each & sure) * 2 > lengths for each in (kept, theirs)
            )
            of_tracks.add(*halves)
            if way == "default":
                told.append((judged(faces, gallery, spec).probability[sure], theirs[sure]))
        required = way == "default" and words == "dlib" and not clip.words.startswith("company")
        enough = of_faces.recall >= LEAST_RECALL and of_faces.precision >= LEAST_PRECISION
        yield Row(
            f"{clip.words}, {words}, {number} reference{'s' * (number > 1)}: {way}",
            str(of_faces),
            f"of tracks {of_tracks}",
            required=f">= {LEAST_PRECISION}, {LEAST_RECALL}" if required else "",
            met=enough if required else None,
            values={
                "precision": of_faces.precision,
                "recall": of_faces.recall,
                "tracks": {"precision": of_tracks.precision, "recall": of_tracks.recall},
            },
        )


def _reliability(
    work: str, told: Sequence[tuple[FloatArray, Bools]], plainly: FloatArray | None = None
) -> Row:
    """What was said to be so probable, and how much of it is so."""
    share = np.concatenate([each for each, _ in told])
    true = np.concatenate([each for _, each in told])
    brier = float(((share - true) ** 2).mean())
    values = []
    for low, high in pairwise(BINS):
        rows = (share >= low) & (share < high)
        if rows.any():
            values.append((int(rows.sum()), float(share[rows].mean()), float(true[rows].mean())))
    text = "; ".join(f"{said:.1%}: {so:.1%} of {count}" for count, said, so in values)
    if plainly is None:
        return Row(work, f"Brier {brier:.5f}", text, values={"brier": brier, "bins": values})
    other = float(((plainly - true) ** 2).mean())
    return Row(
        work, f"Brier {brier:.5f}", f"tolerance {other:.5f}; said and so: {text}",
        required="better", met=brier <= other,
        values={"brier": brier, "tolerance": other, "bins": values},
    )  # fmt: skip


def _stills(words: str, looker: Looker) -> Iterator[Row]:
    """Photographs, each left out by turns and compared with the others of everybody."""
    for name, folder in (("LFW 10x10", "lfw10x10"), ("Azure's families", "azure")):
        embedding, who = pictures(looker, folder)
        spec = looker.spec
        told, plainly = [], []
        apart = distances(embedding, embedding, spec.metric)
        for person in np.unique(who):
            for row in range(len(who)):
                references = np.flatnonzero((who == person) & (np.arange(len(who)) != row))
                if len(references):
                    distance = np.sort(apart[row, references])[:NEAREST].mean(keepdims=True)
                    scaled = near(np.asarray(distance, np.float32), spec.tolerance, spec.metric)
                    share = alone(scaled, np.array([1]))
                    told.append((np.asarray(share, np.float32), who[row : row + 1] == person))
                    plainly.append(float(distance[0] <= spec.tolerance))
        decided = np.array(plainly, np.float32)
        row = _reliability(f"reliability, {name}, leave one out, {words}", told, decided)
        yield row if words == "dlib" else replace(row, required="", met=None)


def pictures(looker: Looker, folder: str) -> tuple[FloatArray, IntArray]:
    """Embeddings of a folder's pictures, and whose they are by folder or by name."""
    names, found = list[str](), []
    for path in sorted(media("people", folder).rglob("*.jpg")):
        family = re.fullmatch(r"(Family\d-[A-Za-z]+?)\d", path.stem)
        if folder == "azure" and not family:
            continue
        found.append(looker.reference([read_image(path)]))
        names.append(family[1] if family else path.parent.name)
    who = [sorted(set(names)).index(name) for name in names]
    return np.concatenate(found), np.array(who, np.int64)


def _hamilton(words: str, looker: Looker) -> Iterator[Row]:
    """The singer by one reference: all true frames, nobody else."""
    truth = json.loads(media("truth", "hamilton.json").read_text(encoding="utf-8"))
    person = truth["people"][PERSON]
    visible = {frame for first, last in person["visible"] for frame in range(first, last + 1)}
    reference = looker.reference([read_image(media(person["reference"]))])
    gallery = Gallery(reference, ("0",), (), looker.spec.key, looker.spec.metric)
    for skip in SKIPPED:
        seen = looker.see(media(truth["video"]), skip)
        faces = Known("", seen, seen.track).faces
        due = visible & set(seen.looked_at)
        verdicts = judged(faces, gallery, looker.spec)
        kept = faces.frame[verdicts.verdict == KEEP].tolist()
        hits, asks = len(due & set(kept)), int((verdicts.verdict == ASK).sum())
        others = len(kept) - hits
        every = "every frame" if skip == 0 else f"every {skip + 1}th"
        yield Row(
            f"hamilton, {words}, {every}: true frames, others",
            f"{hits} of {len(due)}, {others}",
            f"{asks} in doubt",
            required="all, 0" if words == "dlib" else "",
            met=(hits == len(due) and not others) if words == "dlib" else None,
            values={"found": hits, "true": len(due), "others": others, "asked": asks},
        )
