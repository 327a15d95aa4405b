"""What tracks gain: the hamilton clip, and the company, each person looked for by turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from bench.company import SCENES, SCENES_QUICK, Company, company
from bench.found import PERSON
from bench.known import Count, asked_for, company_who, gallery
from bench.media import Setup, media, shared_weights
from bench.seen import Looker, Seen
from bench.table import Row, UnmeasurableError, failed
from facegrab.media.images import read_image
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.people.decide import Decisions, decide
from facegrab.people.gallery import Gallery
from facegrab.people.track import Tracker
from facegrab.types import IntArray
from facegrab.vision.eyes import open_detector

SMALL_FACE_PX = 36
SKIPPED = (0, 6)

Bools = NDArray[np.bool_]


def tracks(setup: Setup) -> Iterator[Row]:
    """The decision by track beside the decision by frame."""
    yield from _hamilton()
    made = company(
        SCENES_QUICK if setup.quick else SCENES,
        lambda: open_detector(packs.resolve_detector("mtcnn"), choose(by_itself=True)),
    )
    yield from _company(made, "dlib", Looker(SMALL_FACE_PX))
    try:
        path = str(shared_weights("mobilefacenet", "MobileFaceNet.onnx"))
    except UnmeasurableError as error:
        yield failed("company, mobilefacenet", str(error))
    else:
        yield from _company(made, "mobilefacenet", Looker(SMALL_FACE_PX, path))
    yield from _time_rows()


def _hamilton() -> Iterator[Row]:
    """The singer by one reference: all true frames, nobody else."""
    truth = json.loads(media("truth", "hamilton.json").read_text(encoding="utf-8"))
    person = truth["people"][PERSON]
    visible = {frame for first, last in person["visible"] for frame in range(first, last + 1)}
    looker = Looker(SMALL_FACE_PX)
    references = gallery(looker, looker.reference([read_image(media(person["reference"]))]))
    for skip in SKIPPED:
        seen = looker.see(media(truth["video"]), skip)
        due = visible & set(seen.looked_at)
        by_track, by_frame = (_decided(seen, references, looker, flag) for flag in (False, True))
        (hits, others), (frame_hits, frame_others) = (
            _true_and_others(seen, decisions, due) for decisions in (by_track, by_frame)
        )
        yield Row(
            f"hamilton, {_every(skip)}, faces of {SMALL_FACE_PX} px: true frames, others",
            f"{hits} of {len(due)}, {others}",
            f"by frame {frame_hits}, {frame_others}",
            required="all, 0",
            met=hits == len(due) and not others,
            values={
                "found": hits,
                "true": len(due),
                "others": others,
                "rescued": int(by_track.by_track.sum()),
                "by_frame": {"found": frame_hits, "others": frame_others},
            },
        )


def _true_and_others(seen: Seen, decisions: Decisions, due: set[int]) -> tuple[int, int]:
    """True frames with a face that counts as the person, and other faces that do."""
    frames = seen.faces.frame[decisions.matched].tolist()
    hits = len(due & set(frames))
    return hits, len(frames) - hits


def _company(made: Company, words: str, looker: Looker) -> Iterator[Row]:
    references = [looker.reference(images) for images in made.references]
    for skip in SKIPPED:
        seen = looker.see(made.path, skip)
        who = company_who(seen, made)
        for several in (False, True):
            asked = list(asked_for(looker, references, several=several))
            by_track = _counted(seen, who, looker, asked, per_frame=False)
            by_frame = _counted(seen, who, looker, asked, per_frame=True)
            number = len(references[0]) if several else 1
            yield from _rows(
                f"company of {len(made.people)}, {words}, {_every(skip)}, "
                f"{number} reference{'s' * several}",
                by_track,
                by_frame,
            )
        yield _purity_row(f"company, {words}, {_every(skip)}", seen, who, made)


def _counted(
    seen: Seen,
    who: IntArray,
    looker: Looker,
    asked: Sequence[tuple[int, Gallery]],
    *,
    per_frame: bool,
) -> tuple[Count, Count]:
    """By face, and by track: one is a person's, or kept, if more than half of its faces are."""
    faces, tracks = Count(), Count()
    lengths = np.bincount(seen.track)
    for person, references in asked:
        matched = _decided(seen, references, looker, per_frame).matched
        theirs = who == person
        faces.add(matched, theirs)
        kept, own = (np.bincount(seen.track, each) * 2 > lengths for each in (matched, theirs))
        tracks.add(kept, own)
    return faces, tracks


def _rows(work: str, by_track: tuple[Count, Count], by_frame: tuple[Count, Count]) -> Iterator[Row]:
    for each, ours, old in zip(("faces", "tracks"), by_track, by_frame, strict=True):
        better = ours.precision >= old.precision and ours.recall >= old.recall
        yield Row(
            f"{work}: {each}",
            str(ours),
            f"by frame {old}",
            required="both better" if each == "faces" else "",
            met=better if each == "faces" else None,
            values={
                "precision": ours.precision,
                "recall": ours.recall,
                "by_frame": {"precision": old.precision, "recall": old.recall},
            },
        )


def _purity_row(work: str, seen: Seen, who: IntArray, made: Company) -> Row:
    """Faces on a track that is mostly of the same person, and tracks for each that could be one."""
    known = who >= 0
    votes = np.zeros((int(seen.track.max()) + 1, len(made.people)), np.int64)
    np.add.at(votes, (seen.track[known], who[known]), 1)
    pure = int(votes.max(axis=1).sum()) / max(int(known.sum()), 1)
    scene = np.searchsorted(np.array(made.cuts), seen.faces.frame, side="right")
    least = len(set(zip(scene[known].tolist(), who[known].tolist(), strict=True)))
    count = int((votes.sum(axis=1) > 0).sum())
    return Row(
        f"{work}: faces on a track of their own person",
        f"{pure:.2%}, in {count} tracks",
        f"{least} people's parts",
        values={"pure": pure, "tracks": count, "parts": least},
    )


def _decided(seen: Seen, gallery: Gallery, looker: Looker, per_frame: bool) -> Decisions:
    return decide(
        seen.faces.embedding,
        gallery,
        looker.spec.tolerance,
        track=seen.track,
        frame=seen.faces.frame,
        per_frame=per_frame,
    )


def _every(skip: int) -> str:
    return "every frame" if skip == 0 else f"every {skip + 1}th frame"


def _time_rows() -> Iterator[Row]:
    """The tracker and the decision on made-up faces: people who stand still."""
    people, frames = 5, 2000
    random = np.random.default_rng(0)
    place = np.arange(people)[:, None] * np.array([100, 0, 100, 0]) + np.array([0, 0, 60, 60])
    own = random.normal(0, 0.06, (people, 128))
    box = (place + random.normal(0, 2, (frames, people, 4))).astype(np.float32)
    embedding = (own + random.normal(0, 0.02, (frames, people, 128))).astype(np.float32)
    tracker = Tracker("euclidean", 0.6)
    start = perf_counter()
    track = [tracker.add(n, n % 100 == 0, box[n], embedding[n]) for n in range(frames)]
    tracking = perf_counter() - start
    gallery = Gallery(own[:3].astype(np.float32), ("a", "b", "c"))
    number = np.repeat(np.arange(frames, dtype=np.int64), people)
    flat = embedding.reshape(-1, 128)
    start = perf_counter()
    decide(flat, gallery, 0.6, track=np.concatenate(track), frame=number)
    deciding = perf_counter() - start
    count = people * frames
    yield Row(
        f"tracks and decisions of {people} faces a frame",
        f"{count / tracking:,.0f} and {count / deciding:,.0f} faces/s",
        values={"tracked_per_s": count / tracking, "decided_per_s": count / deciding},
    )
