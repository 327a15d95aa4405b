"""The company: fifteen people, three to five at a time, who walk past each other, with cuts.

With the truth: who is where in every frame, and who covers whom. Made out of the shared clips,
once, in the bench's cache: H.264, 1280x720, 25 frames a second, the same on every machine but for
the encoder's version. Faces are of 40 to 110 px; some are blurred, dark or tilted, by times.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import pi, sin
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.crowd import SPEAKERS, back_and_forth
from bench.media import cache, decoded, media
from bench.truth import Person, find_person
from bench.video import RATE, write_video
from facegrab.types import Image
from facegrab.vision.detect import Detector

RECIPE = 1
"""Counted up whenever the clip changes, so that old ones are left alone."""

SIZE = (1280, 720)
SCENE_FRAMES = 4 * RATE
SCENES, SCENES_QUICK = 18, 6
PER_SCENE = (3, 4, 5)
"""People in one scene after the other."""
MARGIN = 1.3
"""Half of a tile's side, in sides of the face in its middle."""
FACE_PX = (40, 110)
REFERENCES = 3
"""Pictures of each person, of another clip than those that are shown, or of frames that are not."""
LEFT_OUT = 25
"""Frames at the start of a person's only clip, which only the references are taken from."""

SIGNERS = {
    "hoodie": ("again", "brother", "help", "no", "student", "yes"),
    "grey": ("milk", "bird", "please", "sorry", "thanks"),
    "orange": ("book", "learn", "school", "walk"),
    "pattern": ("night", "eat", "sister"),
    "plaid": ("want",),
}
"""Whose clips are which, told apart by eye; references are from the first one."""


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """The clip and its truth.

    Attributes:
        path: of the video.
        people: their names.
        references: images of each, as many as there are people.
        faces: per frame, who is seen, the one behind first: (number of the person, x0, y0, x1, y1).
        cuts: frames that begin a scene.
    """

    path: Path
    people: tuple[str, ...]
    references: tuple[tuple[Image, ...], ...]
    faces: list[list[tuple[int, float, float, float, float]]]
    cuts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """A person: the frames that references are from, and the clips that are shown."""

    name: str
    references: tuple[Image, ...]
    clips: tuple[Person, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One person's part in a scene."""

    who: int
    clip: Person
    side: float
    start: tuple[float, float]
    end: tuple[float, float]
    blur: float
    """Standard deviation at worst, in hundredths of the face's side."""
    light: float
    tilt: float
    phase: float

    def place(self, number: int) -> tuple[float, float]:
        """The middle of the tile in a frame of the scene."""
        share = 0.5 - 0.5 * np.cos(2 * pi * number / SCENE_FRAMES * 0.75)
        x, y = (a + (b - a) * share for a, b in zip(self.start, self.end, strict=True))
        return float(x), float(y)


def company(scenes: int, detector: Callable[[], Detector]) -> Company:
    """The company of so many scenes; the detector finds the faces in the source clips."""
    path = cache() / f"company-{scenes}-v{RECIPE}.mp4"
    truth = path.with_suffix(".json")
    members = None
    if not path.exists() or not truth.exists():
        members = _members(detector())
        plan = [_scene(members, scene) for scene in range(scenes)]
        faces: list[list[tuple[int, ...]]] = []
        write_video(path, _frames(plan, faces), SIZE)
        truth.write_text(json.dumps(faces), encoding="utf-8")
    found = [[tuple(face) for face in each] for each in json.loads(truth.read_text("utf-8"))]
    references = tuple(_reference_frames())
    names = tuple(name for name, _ in references)
    cuts = tuple(range(SCENE_FRAMES, scenes * SCENE_FRAMES, SCENE_FRAMES))
    return Company(path, names, tuple(images for _, images in references), found, cuts)


def _reference_frames() -> Iterator[tuple[str, tuple[Image, ...]]]:
    """Names, and the pictures that show them."""
    for name, clips in SIGNERS.items():
        frames = decoded(media("video", f"intel__{clips[0]}.mkv"))
        frames = frames if len(clips) > 1 else frames[:LEFT_OUT]
        shown = frames[:: max(len(frames) // REFERENCES, 1)][:REFERENCES]
        # The upper half: on a shirt there is a skull, which is the largest face of all.
        yield name, tuple(frame[: len(frame) // 2] for frame in shown)
    for name in SPEAKERS:
        frames = decoded(media("video", f"lipnet__{name}.mpg"))[:LEFT_OUT]
        yield name, tuple(frames[:: LEFT_OUT // REFERENCES][:REFERENCES])


def _members(detector: Detector) -> list[_Member]:
    members = []
    for name, images in _reference_frames():
        if name in SIGNERS:
            clips = [media("video", f"intel__{each}.mkv") for each in SIGNERS[name]]
            shown = [decoded(each) for each in clips[1:]] or [decoded(clips[0])[LEFT_OUT:]]
        else:
            shown = [decoded(media("video", f"lipnet__{name}.mpg"))[LEFT_OUT:]]
        people = tuple(find_person(frames, detector) for frames in shown)
        members.append(_Member(name, images, people))
    return members


def _scene(members: Sequence[_Member], scene: int) -> list[_Part]:
    """Who takes part, and how: each walks across, so that paths cross; the same in every run."""
    random = np.random.default_rng(100 + scene)
    count = PER_SCENE[scene % len(PER_SCENE)]
    first = sum(PER_SCENE[each % len(PER_SCENE)] for each in range(scene))
    parts = []
    for each in range(count):
        who = (first + each) % len(members)
        clips = members[who].clips
        clip = clips[(first + each) // len(members) % len(clips)]
        side = float(random.uniform(FACE_PX[0], min(FACE_PX[1], clip.side)))
        half = MARGIN * side
        xs = np.linspace(half, SIZE[0] - half, count)
        y = random.uniform(half, SIZE[1] - half, 2)
        other = (each + 1 + int(random.integers(0, count - 1))) % count
        poor = bool(random.random() < 0.5)
        parts.append(
            _Part(
                who=who,
                clip=clip,
                side=side,
                start=(float(xs[each]), float(y[0])),
                end=(float(xs[other]), float((y[0] + y[1]) / 2)),
                blur=float(random.uniform(2, 7)) if poor else 0.0,
                light=float(random.uniform(0.15, 0.5)) if random.random() < 0.35 else 1.0,
                tilt=float(random.uniform(-25, 25)),
                phase=float(random.uniform(0, 2 * pi)),
            )
        )
    return parts


def _frames(plan: Sequence[Sequence[_Part]], faces: list[list[tuple[int, ...]]]) -> Iterator[Image]:
    """The images; the truth of each is added to faces."""
    random = np.random.default_rng(9)
    for scene, parts in enumerate(plan):
        ground = _ground(scene)
        for number in range(SCENE_FRAMES):
            canvas = ground.copy()
            seen: list[tuple[int, ...]] = []
            for part in parts:
                seen += _painted(canvas, part, number)
            faces.append(seen)
            noise = random.integers(-4, 5, (SIZE[1], SIZE[0], 1), np.int16)
            yield np.asarray((canvas + noise).clip(0, 255), np.uint8)


def _painted(canvas: Image, part: _Part, number: int) -> list[tuple[int, ...]]:
    """Paints a person's tile; where the face is, or nothing where the source shows none."""
    moment = back_and_forth(number, len(part.clip.frames))
    image = part.clip.frames[moment]
    middle = np.nanmedian(part.clip.centre, axis=0)
    factor = part.side / part.clip.side
    wave = sin(2 * pi * number / SCENE_FRAMES * 2 + part.phase)
    x, y = part.place(number)
    matrix = cv2.getRotationMatrix2D(middle.tolist(), part.tilt * wave, factor)
    matrix[:, 2] += np.array([x, y]) - middle
    half = MARGIN * part.side
    left, top = (max(int(v - half), 0) for v in (x, y))
    right, bottom = (min(int(v + half), limit) for v, limit in zip((x, y), SIZE, strict=True))
    tile = cv2.warpAffine(
        image,
        matrix - np.array([[0, 0, left], [0, 0, top]]),
        (right - left, bottom - top),
        flags=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    sigma = part.blur / 100 * part.side * max(wave, 0.0)
    if sigma > 0.3:
        tile = cv2.GaussianBlur(tile, (0, 0), sigma)
    canvas[top:bottom, left:right] = (tile * part.light).astype(np.uint8)
    centre: NDArray[np.float64] = part.clip.centre[moment]
    if np.isnan(centre).any():
        return []
    x, y = matrix @ [*centre, 1]
    half = part.side / 2
    return [(part.who, *(round(float(v), 1) for v in (x - half, y - half, x + half, y + half)))]


def _ground(scene: int) -> Image:
    """Soft clouds of muted colours, others in each scene."""
    coarse = np.random.default_rng(scene).integers(40, 170, (6, 10, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
