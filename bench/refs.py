"""What references are worth: by how the head is turned, by size, and how copies are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.media import HAMILTON_CLIP, Setup, decoded, media
from bench.pose import PROFILE_FRAMES, PROFILE_PX
from bench.table import Row
from bench.verification import family_pictures, lfw_pictures, recognisers
from facegrab.media.images import read_image
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.models.specs import RecogniserSpec
from facegrab.people.decide import people_distances
from facegrab.people.gallery import Gallery, distances
from facegrab.people.reference_check import check
from facegrab.people.reference_look import look_at
from facegrab.settings import ProcessSettings
from facegrab.types import Faces, FloatArray, Image
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look
from facegrab.vision.pose import EDGES_DEGREES, TURNS, head_pose_of_five
from facegrab.vision.quality import fingerprint

JITTER = 5
"""As a run has it."""
REFERENCES = 3
BLUR_THRESHOLD = ProcessSettings().blur_threshold
DRAWS, DRAWS_QUICK = 40, 4
"""Of references, for each face that is looked for."""
FRONT = TURNS.index("front")
PIANIST = "alex-lacamoire.png"
SIZES_PX = (20, 25, 30, 40, 50, 60, 80)

Bools: TypeAlias = NDArray[np.bool_]
Change = Callable[[Image], Image]


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The largest face of each labelled picture.

    Attributes:
        person: int (N,).
        embedding: float32 (N, D), as of a reference.
        plain: float32 (N, D), as of a face that is looked for.
        turn: int (N,), number in TURNS.
        size_px: float32 (N,).
        images: the pictures.
    """

    person: NDArray[np.intp]
    embedding: FloatArray
    plain: FloatArray
    turn: NDArray[np.intp]
    size_px: FloatArray
    images: tuple[Image, ...]


def refs(setup: Setup) -> Iterator[Row]:
    """By each recogniser at hand."""
    for spec in recognisers():
        look = Look(
            open_eyes(packs.resolve_detector("mtcnn"), spec, choose(by_itself=True), mesh=False),
            Wanted(),
        )
        known = _known(setup, look)
        yield _mixed(setup, spec, look)
        yield from _turned(setup, spec, known)
        yield _profile(spec, look)
        yield from _small(setup, spec, look, known)
        yield from _copies(setup, spec, look, known)


def _mixed(setup: Setup, spec: RecogniserSpec, look: Look) -> Row:
    """Of ten pictures of one and nine of another, in every pair of people, those that are kept."""
    folders = sorted(media("people", "lfw10x10").iterdir())[: setup.rounds(10, 3)]
    people = [look_at([str(each)], JITTER, lambda: look, spec) for each in folders]
    right = strangers = lost = 0
    pairs = list(permutations(people, 2))
    for one, other in pairs:
        mixed = [*one, *other[:-1]]
        found = check(mixed, spec.metric, spec.tolerance, blur_threshold=BLUR_THRESHOLD)
        own, others = found[: len(one)], found[len(one) :]
        wrong = sum(each.verdict == "kept" for each in others)
        strangers += wrong
        lost += sum(each.verdict == "other" for each in own)
        right += sum(each.verdict == "kept" for each in own) > wrong
    return Row(
        f"refs, {spec.name}: the one meant, ten pictures of one and nine of another",
        f"{right} of {len(pairs)} right",
        f"{strangers} strangers kept, {lost} called strangers",
        required="all",
        met=right == len(pairs),
        values={"right": right, "pairs": len(pairs), "strangers": strangers, "lost": lost},
    )


def _known(setup: Setup, look: Look) -> _Known:
    pictures = [*lfw_pictures(setup), *family_pictures()]
    people = sorted({each.person for each in pictures})
    person, faces, plain, images = [], [], [], []
    for picture in pictures:
        image = read_image(picture.path)
        found = _largest(look.everybody(image, JITTER))
        if len(found):
            person.append(people.index(picture.person))
            faces.append(found)
            plain.append(_largest(look.everybody(image, 1)).embedding)
            images.append(image)
    every = Faces.concatenate(faces)
    yaw, _, _ = head_pose_of_five(every.points5)
    return _Known(
        np.array(person),
        every.embedding,
        np.concatenate(plain),
        np.digitize(yaw, EDGES_DEGREES),
        every.size_px,
        tuple(images),
    )


def _largest(faces: Faces) -> Faces:
    return faces.select(np.argsort(-faces.size_px, kind="stable")[:1])


def _turned(setup: Setup, spec: RecogniserSpec, known: _Known) -> Iterator[Row]:
    """Faces of each bin, by three references of the same person that look ahead."""
    random = np.random.default_rng(5)
    for turns in (("front",), ("half left", "half right")):
        found = drawn = faces = 0
        people = set()
        for row in np.flatnonzero(np.isin(known.turn, [TURNS.index(t) for t in turns])).tolist():
            others = (known.person == known.person[row]) & (known.turn == FRONT)
            ahead = np.setdiff1d(np.flatnonzero(others), [row])
            if len(ahead) < REFERENCES:
                continue
            faces += 1
            people.add(int(known.person[row]))
            for _ in range(setup.rounds(DRAWS, DRAWS_QUICK)):
                rows = random.permutation(ahead)[:REFERENCES]
                found += _found(spec, known.embedding[rows], known.plain[row])
                drawn += 1
        yield Row(
            f"refs, {spec.name}: faces {' or '.join(turns)}, by {REFERENCES} from the front",
            f"{found / max(drawn, 1):.1%} found",
            f"{faces} faces of {len(people)} people",
            values={"faces": faces, "people": len(people), "found": found / max(drawn, 1)},
        )


def _found(spec: RecogniserSpec, references: FloatArray, face: FloatArray) -> int:
    gallery = Gallery(references, ("",) * len(references), (), spec.key, spec.metric)
    return int(people_distances(face[None], [gallery])[0, 0] <= spec.tolerance)


def _profile(spec: RecogniserSpec, look: Look) -> Row:
    """One man in profile, by his portrait from the front."""
    portrait, _ = look.reference(read_image(media("people", PIANIST)), JITTER)
    frames = decoded(media("video", HAMILTON_CLIP))
    found = [_largest(look.everybody(frames[index], 1)) for index in PROFILE_FRAMES]
    faces = Faces.concatenate([each for each in found if len(each)])
    faces = faces.select(faces.size_px >= PROFILE_PX)
    away = distances(faces.embedding, portrait, spec.metric)[:, 0]
    share = float((away <= spec.tolerance).mean())
    return Row(
        f"refs, {spec.name}: one man in profile, his portrait from the front",
        f"{share:.1%} found",
        f"distances {away.min():.2f} to {away.max():.2f}",
        f"{len(faces)} faces",
        values={"faces": len(faces), "found": share},
    )


def _small(setup: Setup, spec: RecogniserSpec, look: Look, known: _Known) -> Iterator[Row]:
    """True pairs accepted where one of two pictures, the reference, is shrunk."""
    for size in SIZES_PX:
        kept, references = [], []
        for row, image in enumerate(known.images[: setup.rounds(999, 20)]):
            found = _largest(look.everybody(_shrunk(image, size / known.size_px[row]), JITTER))
            if len(found) and known.size_px[row] >= size:
                kept.append(row)
                references.append(found.embedding)
        away = distances(known.plain, np.concatenate(references), spec.metric)
        same = known.person[:, None] == known.person[kept]
        same[kept, np.arange(len(kept))] = False
        true, false = (
            float((away[which] <= spec.tolerance).mean())
            for which in (same, known.person[:, None] != known.person[kept])
        )
        yield Row(
            f"refs, {spec.name}: one reference of {size} px",
            f"{true:.1%} of true pairs accepted",
            f"strangers {false:.2%}",
            f"{len(kept)} found",
            values={"true": true, "false": false},
        )


def _shrunk(image: Image, factor: float) -> Image:
    size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _copies(setup: Setup, spec: RecogniserSpec, look: Look, known: _Known) -> Iterator[Row]:
    """How far copies are from what they were made of, and other pictures of the same person."""
    rows = range(len(known.images))[: setup.rounds(999, 20)]
    prints = np.array([fingerprint(image) for image in known.images])
    for words, change in _CHANGES.items():
        off, bits = [], []
        for row in rows:
            copy = change(known.images[row])
            found = _largest(look.everybody(copy, JITTER))
            if len(found):
                of_one = known.embedding[row : row + 1]
                off.append(float(distances(found.embedding, of_one, spec.metric)[0, 0]))
                bits.append(int((fingerprint(copy) != prints[row]).sum()))
        yield Row(
            f"refs, {spec.name}: copies, {words}",
            f"99 % within {np.percentile(off, 99):.3f}",
            f"and {np.percentile(bits, 99):.0f} bits",
        )
    away = distances(known.embedding, known.embedding, spec.metric)
    bits_apart = (prints[:, None] != prints[None]).sum(axis=2)
    pairs = np.triu(known.person[:, None] == known.person, 1)
    order = np.argsort(away[pairs])[:3]
    yield Row(
        f"refs, {spec.name}: other pictures of the same person, nearest",
        ", ".join(f"{away[pairs][each]:.3f}" for each in order),
        "bits " + ", ".join(str(bits_apart[pairs][each]) for each in order),
    )


def _jpeg(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def _brighter(image: Image) -> Image:
    return np.asarray((image * 1.2 + 10).clip(0, 255), np.uint8)


_CHANGES: dict[str, Change] = {
    "half as large": lambda image: _shrunk(image, 0.5),
    "as JPEG of quality 40": _jpeg,
    "brighter by a fifth": _brighter,
}
