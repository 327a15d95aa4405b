"""Review: what answers of somebody who tells the truth gain, and how soon all is decided anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from bench.known import UNKNOWN, Bools, Count, Known, asked_for, known, the_company
from bench.media import Setup
from bench.seen import Looker
from bench.table import Row
from facegrab.choice import choice_of
from facegrab.models import packs
from facegrab.models.specs import RecogniserSpec
from facegrab.people.gallery import Gallery
from facegrab.people.judge import Asked, Person
from facegrab.people.verdicts import KEEP
from facegrab.remembered import to_json
from facegrab.reviewing import IS, IS_NOT, SKIPPED, Reviewing
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.answers import Answers
from facegrab.store.database import OWN, Database
from facegrab.store.index import Index, Request, SegmentRow
from facegrab.store.output import INDEX_NAME, QUESTION
from facegrab.types import Faces, FloatArray

SMALL_FACE_PX = 36
ANSWERS = (0, 5, 10, 20)
SECONDS = 1.0
"""From an answer to the next question, at most."""
TRACKS, FACES_A_TRACK, IDENTITIES = 10_000, 10, 400
FILMS = 10
MEASURED = 10
REQUEST = Request("bench", 7, 36.0)
"""One frame in seven, as a run looks by default."""


def review(setup: Setup) -> Iterator[Row]:
    """Precision and recall after some answers, and the time that one takes."""
    for films in (1, FILMS):
        yield _speed(films)
    made = the_company(setup)
    looker = Looker(SMALL_FACE_PX)
    references = [looker.reference(images) for images in made.references]
    for clip in known(setup, made, looker, (6,)):
        asked = list(asked_for(looker, references, several=False))
        yield from _gain(clip, asked, looker.spec)


@dataclass(frozen=True, slots=True, eq=False)
class _Folder:
    """A folder as a run leaves it, less its extracts."""

    place: Path

    def write(self, films: Sequence[Faces], people: Gallery, spec: RecogniserSpec) -> None:
        """Fills the index with looks at some films and the question who of them is a person."""
        process = ProcessSettings()
        recognition = RecognitionSettings()
        asked = Asked((Person("", people),), (), spec.tolerance, spec.metric)
        question = to_json(asked, choice_of(recognition, process, None), recognition, process)
        question["recogniser"] = spec.key
        with Database(self.place / INDEX_NAME) as database:
            index = Index(database)
            answers = Answers(database, OWN, {"references": people.digest})
            answers.remember(QUESTION, question)
            for number, faces in enumerate(films):
                content, path = f"film {number}", Path(f"/{number}.mp4")
                with database.transaction():
                    row = index.begin(content, REQUEST, path)
                    index.add(row, SegmentRow(0, "", None, 1, ""), faces, [None] * len(faces))
                    index.update(row, complete=1)
                    entered = answers.enter(content, path, path.stem, REQUEST, row)
                    answers.finish(entered.row)


def _speed(films: int) -> Row:
    """From an answer to the next question, 100,000 faces in some films."""
    # As the command line runs: with one thread for products of matrices, which are small here.
    done = subprocess.run(
        [sys.executable, "-m", "bench.review", str(films)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    middle, slowest = median(found["seconds"]), max(found["seconds"])
    return Row(
        f"review, 100,000 faces in {films} film{'s' * (films > 1)}: from an answer to the next",
        f"{middle:.2f} s",
        f"slowest {slowest:.2f} s, opened in {found['opened']:.1f} s; {found['doubt']} tracks in "
        "doubt",
        required=f"<= {SECONDS:g} s",
        met=middle <= SECONDS,
        values=found,
    )


def _timed(films: int) -> dict[str, Any]:
    """Seconds of some answers, and of opening the folder before."""
    spec = packs.choose("auto", "mtcnn", "auto")[1]
    faces, person = _many(films)
    with tempfile.TemporaryDirectory() as name:
        folder = _Folder(Path(name))
        names = tuple(map(str, range(len(person))))
        folder.write(faces, Gallery(person, names, (), spec.key, spec.metric), spec)
        start = perf_counter()
        reviewing = Reviewing(folder.place)
        opened = perf_counter() - start
        seconds = []
        for number in range(MEASURED):
            track = reviewing.next() or number
            start = perf_counter()
            reviewing.say((IS, IS_NOT)[number % 2], "", [track])
            reviewing.next()
            seconds.append(perf_counter() - start)
        doubt = int((reviewing.tracks.doubt > 0).sum())
    return {"seconds": seconds, "opened": opened, "doubt": doubt}


def _many(films: int) -> tuple[list[Faces], FloatArray]:
    """Films of people who look like each other more or less, and references of one of them."""
    random = np.random.default_rng(7)

    def about(centre: FloatArray, spread: float) -> FloatArray:
        return np.asarray(centre + random.normal(0, spread, centre.shape), np.float32)

    middle = random.normal(0, 1, 128)
    who = about(np.tile(0.06 * middle, (IDENTITIES, 1)).astype(np.float32), 0.048)
    of_track = random.integers(0, IDENTITIES, TRACKS)
    of_track[: TRACKS // 4] = 0  # the person is in a quarter of them
    of_track = random.permutation(of_track)
    embedding = about(np.repeat(about(who[of_track], 0.022), FACES_A_TRACK, axis=0), 0.018)
    embedding = embedding.astype(np.float16).astype(np.float32)
    count = TRACKS * FACES_A_TRACK
    track = np.repeat(np.arange(TRACKS), FACES_A_TRACK)
    # Three people at a time.
    frame = 7 * ((track // 3) * FACES_A_TRACK + np.tile(np.arange(FACES_A_TRACK), TRACKS))
    number = track % 3
    corner = np.column_stack([number * 100.0, np.zeros(count)])
    faces = Faces(
        frame=frame,
        number=number,
        pts_seconds=frame * 0.04,
        box=np.hstack([corner, corner + 80]).astype(np.float32),
        score=np.ones(count, np.float32),
        points5=np.zeros((count, 5, 2), np.float32),
        points68=np.zeros((count, 68, 2), np.float32),
        embedding=embedding,
        sharpness=random.uniform(20, 200, count).astype(np.float32),
        shot=track // 3,
        track=track,
    ).select(np.lexsort((number, frame)))
    edges = np.searchsorted(faces.shot, np.linspace(0, TRACKS / 3 + 1, films + 1).round())
    parts = [faces.select(np.arange(a, b)) for a, b in pairwise(edges.tolist())]
    references = about(np.tile(who[:1], (5, 1)), 0.03).astype(np.float16).astype(np.float32)
    return parts, references


def _gain(clip: Known, asked: Sequence[tuple[int, Gallery]], spec: RecogniserSpec) -> Iterator[Row]:
    """Everybody is asked for by one reference, and somebody who knows answers."""
    counts = {answers: Count() for answers in ANSWERS}
    given = 0
    for person, gallery in asked:
        with tempfile.TemporaryDirectory() as name:
            folder = _Folder(Path(name))
            folder.write([clip.faces], gallery, spec)
            reviewing = Reviewing(folder.place)
            for answer in range(max(ANSWERS) + 1):
                if answer in counts:
                    _count(counts[answer], reviewing, clip, person)
                track = reviewing.next()
                if track is not None and answer < max(ANSWERS):
                    given += 1
                    reviewing.say(_truth(reviewing, track, clip, person), "", [track])
    values = {str(n): {"precision": c.precision, "recall": c.recall} for n, c in counts.items()}
    before, after = counts[ANSWERS[0]], counts[ANSWERS[-1]]
    yield Row(
        f"review, {clip.words}, dlib, 1 reference: after {', '.join(map(str, ANSWERS))} answers",
        "; ".join(f"{c.precision:.4f}, {c.recall:.4f}" for c in counts.values()),
        f"precision, recall of faces; {given / len(asked):.1f} questions a person",
        required="F1 no worse",
        met=_f1(after) >= _f1(before),
        values=values,
    )


def _f1(count: Count) -> float:
    both = count.precision + count.recall
    return 2 * count.precision * count.recall / both if both else 0.0


def _truth(reviewing: Reviewing, track: int, clip: Known, person: int) -> str:
    """What somebody who knows says of a track: of one of two people nothing."""
    who = clip.who[reviewing.tracks.rows_of(track)]
    theirs = float((who == person).mean())
    return IS if theirs > 0.5 else SKIPPED if (who == UNKNOWN).mean() > 0.5 else IS_NOT


def _count(count: Count, reviewing: Reviewing, clip: Known, person: int) -> None:
    kept: Bools = np.asarray(reviewing.verdicts(0).verdict == KEEP, np.bool_)
    sure = clip.who != UNKNOWN
    count.add(kept[sure], (clip.who == person)[sure])


if __name__ == "__main__":
    print(json.dumps(_timed(int(sys.argv[1]))))
