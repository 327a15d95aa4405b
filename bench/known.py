"""Clips of which is known who is who: their faces as a scan sees them, and whose each is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from bench.company import SCENES, SCENES_QUICK, SIGNERS, Company, company
from bench.crowd import CROWD, SCENE_SECONDS, SPEAKERS, Crowd, crowd
from bench.media import Setup
from bench.seen import Looker, Seen
from bench.tour import GRIDS, PEOPLE, clip_names, tour
from bench.video import HEIGHT, RATE, WIDTH
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.people.gallery import Gallery
from facegrab.types import Faces, FloatArray, IntArray
from facegrab.vision.detect import Detector
from facegrab.vision.eyes import open_detector

Bools = NDArray[np.bool_]

NOBODY = -1
"""Of a face that is none of the people: a print on a shirt, somebody behind."""
UNKNOWN = -2
"""Of one of which is not known whose it is."""
TILED = ("crowd", "tour")


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is seen of a clip, and the truth.

    Attributes:
        words: what it is.
        seen: faces and tracks.
        who: int64 (N,), the number of each face's person, NOBODY or UNKNOWN.
    """

    words: str
    seen: Seen
    who: IntArray

    @property
    def faces(self) -> Faces:
        """With their tracks."""
        return replace(self.seen.faces, track=self.seen.track)


class Count:
    """True, false and missed, over all people looked for."""

    def __init__(self) -> None:
        self.true = self.false = self.missed = 0

    def add(self, kept: Bools, theirs: Bools) -> None:
        """Adds what is kept of one person."""
        self.true += int((kept & theirs).sum())
        self.false += int((kept & ~theirs).sum())
        self.missed += int((theirs & ~kept).sum())

    @property
    def precision(self) -> float:
        """Of what is kept, what is right."""
        return self.true / max(self.true + self.false, 1)

    @property
    def recall(self) -> float:
        """Of what is right, what is kept."""
        return self.true / max(self.true + self.missed, 1)

    def __str__(self) -> str:
        return f"precision {self.precision:.4f}, recall {self.recall:.4f}"


def detector() -> Detector:
    """The default one."""
    return open_detector(packs.resolve_detector("mtcnn"), choose(by_itself=True))


def the_company(setup: Setup) -> Company:
    """The company, whose people are those of all the clips."""
    return company(SCENES_QUICK if setup.quick else SCENES, detector)


def known(setup: Setup, made: Company, looker: Looker, skips: Sequence[int]) -> Iterator[Known]:
    """The clips, looked at with each of some values of ``skip_frames``."""
    seconds = 8 if setup.quick else 30
    tiled, tour_seconds = crowd(seconds, detector), 10 if setup.quick else 60
    for skip in skips:
        every = "every frame" if skip == 0 else f"every {skip + 1}th frame"
        seen = looker.see(made.path, skip)
        yield Known(f"company, {every}", seen, company_who(seen, made))
        seen = looker.see(tiled.path, skip)
        yield Known(f"crowd, {every}", seen, _crowd_who(seen, tiled, made.people))
        if skip:
            seen = looker.see(tour(tour_seconds), skip)
            yield Known(f"tour, {every}", seen, _tour_who(seen, made.people, tour_seconds))


def asked_for(
    looker: Looker, references: Sequence[FloatArray], *, several: bool
) -> Iterator[tuple[int, Gallery]]:
    """Whom to look for by what: each person by all references, or by each of them."""
    for person, embedding in enumerate(references):
        for part in [embedding] if several else np.split(embedding, len(embedding)):
            yield person, gallery(looker, part)


def gallery(looker: Looker, embedding: FloatArray) -> Gallery:
    """References of one person."""
    names = tuple(str(row) for row in range(len(embedding)))
    return Gallery(embedding, names, (), looker.spec.key, looker.spec.metric)


def company_who(seen: Seen, made: Company) -> IntArray:
    """The person whose face each is: of those whose face the box's middle lies in, the first."""
    who = np.full(len(seen.faces), NOBODY, np.int64)
    middle = (seen.faces.box[:, :2] + seen.faces.box[:, 2:]) / 2
    for row, frame in enumerate(seen.faces.frame.tolist()):
        x, y = middle[row].tolist()
        for person, x0, y0, x1, y1 in made.faces[frame]:
            if x0 <= x <= x1 and y0 <= y <= y1:
                who[row] = person
    return who


def _crowd_who(seen: Seen, made: Crowd, people: Sequence[str]) -> IntArray:
    who = np.full(len(seen.faces), NOBODY, np.int64)
    middle = (seen.faces.box[:, :2] + seen.faces.box[:, 2:]) / 2
    for row, frame in enumerate(seen.faces.frame.tolist()):
        x, y = middle[row].tolist()
        scene = frame // (SCENE_SECONDS * RATE)
        for each, box in enumerate(made.boxes[frame]):
            if box is not None and box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                speaker = SPEAKERS[(scene * CROWD + each) % len(SPEAKERS)]
                who[row] = people.index(speaker)
    return who


def _tour_who(seen: Seen, people: Sequence[str], seconds: int) -> IntArray:
    """The surest face of each tile is that of its clip's person; others are nobody's."""
    owner = {clip: name for name, clips in SIGNERS.items() for clip in clips}
    clips = [owner.get(clip, clip) for clip in clip_names()]
    who = np.full(len(seen.faces), NOBODY, np.int64)
    length = ceil(seconds * RATE / len(PEOPLE))
    firsts = np.cumsum([0, *PEOPLE])
    middle = (seen.faces.box[:, :2] + seen.faces.box[:, 2:]) / 2
    surest: dict[tuple[int, int], int] = {}
    for row, frame in enumerate(seen.faces.frame.tolist()):
        scene = frame // length
        columns, rows = GRIDS[PEOPLE[scene]]
        x, y = middle[row].tolist()
        tile = int(y // (HEIGHT // rows)) * columns + int(x // (WIDTH // columns))
        before = surest.get((frame, tile))
        if before is None or seen.faces.score[before] < seen.faces.score[row]:
            surest[frame, tile] = row
    for (frame, tile), row in surest.items():
        name = clips[(firsts[frame // length] + tile) % len(clips)]
        who[row] = people.index(name) if name in people else UNKNOWN
    return who
