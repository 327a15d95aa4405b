"""The crowd: six people at a time, faces of 64 to 110 px that move and grow and shrink.

With the truth. Made out of the shared clips, once, in the cache: H.264, 1920x1080, 25 frames
a second, the same on every machine but for the encoder's version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sin
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.media import cache, decoded, media
from bench.truth import Person, find_person
from bench.video import HEIGHT, RATE, WIDTH, write_video
from facegrab.types import Image
from facegrab.vision.detect import Detector

RECIPE = 2
"""Counted up whenever the clip changes, so that old ones are left alone."""

SPEAKERS = (
    "bbaf2n", "brbk7n", "lbax4n", "lbbc2a", "lrwp9a", "lwbsza", "pwij3p", "sbia1a", "sbwe5n",
    "swiz3n",
)  # fmt: skip
FACE_PX = (64.0, 110.0)
CROWD = 6
CROWD_COLUMNS = 3
SCENE_SECONDS = 6
"""Of the crowd: then six others come."""

Boxes = list[list[float] | None]


@dataclass(frozen=True, slots=True)
class Crowd:
    """The crowd and its truth.

    Attributes:
        path: of the video.
        boxes: per frame, per person, x0 y0 x1 y1; None where the face is not seen in the source.
    """

    path: Path
    boxes: list[Boxes]


def crowd(seconds: int, detector: Callable[[], Detector]) -> Crowd:
    """The crowd of so many seconds; the detector finds the truth in the source clips."""
    path = cache() / f"crowd-{seconds}s-v{RECIPE}.mp4"
    truth = path.with_suffix(".json")
    if not path.exists() or not truth.exists():
        eyes = detector()
        people = [
            find_person(decoded(media("video", f"lipnet__{name}.mpg")), eyes) for name in SPEAKERS
        ]
        plan = [_crowd_frame(people, number) for number in range(seconds * RATE)]
        write_video(path, (_painted(places, number) for number, places in enumerate(plan)))
        boxes = [[place.box() for place in places] for places in plan]
        truth.write_text(json.dumps(boxes), encoding="utf-8")
    return Crowd(path, json.loads(truth.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class _Place:
    """One person in one frame of the crowd."""

    person: Person
    moment: int
    side: float
    x: float
    y: float

    def box(self) -> list[float] | None:
        """The face, in the frame's pixels; None where it is not seen in the source."""
        image = self.person.frames[self.moment]
        centre = self.person.centre[self.moment]
        if np.isnan(centre).any():
            return None
        x, y = self._matrix(image) @ [*centre, 1]
        half = self.side / 2
        return [round(float(v), 2) for v in (x - half, y - half, x + half, y + half)]

    def paint(self, canvas: Image) -> None:
        """Puts the person onto a frame."""
        image = self.person.frames[self.moment]
        matrix = self._matrix(image)
        left, top = (int(value) for value in matrix[:, 2])
        right, bottom = (int(value) + 2 for value in matrix @ [image.shape[1], image.shape[0], 1])
        part = canvas[top:bottom, left:right]
        cv2.warpAffine(
            image,
            matrix - np.array([[0, 0, left], [0, 0, top]]),
            (part.shape[1], part.shape[0]),
            dst=part,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        )

    def _matrix(self, image: Image) -> NDArray[np.float64]:
        shrink = self.side / self.person.side
        height, width = image.shape[:2]
        return np.array(
            [
                [shrink, 0, self.x - shrink * (width - 1) / 2],
                [0, shrink, self.y - shrink * (height - 1) / 2],
            ]
        )


def _crowd_frame(people: Sequence[Person], number: int) -> list[_Place]:
    scene = number // (SCENE_SECONDS * RATE)
    return [
        _place(people[(scene * CROWD + each) % len(people)], each, number) for each in range(CROWD)
    ]


def _place(person: Person, each: int, number: int) -> _Place:
    """Everybody swings through a field of their own, each in another rhythm; nobody is enlarged."""
    row, column = divmod(each, CROWD_COLUMNS)
    width, height = WIDTH / CROWD_COLUMNS, HEIGHT * CROWD_COLUMNS / CROWD
    seconds = number / RATE
    low, high = FACE_PX[0], min(FACE_PX[1], person.side)
    return _Place(
        person=person,
        moment=back_and_forth(number, len(person.frames)),
        side=low + (high - low) * (0.5 + 0.5 * sin(2 * pi * seconds / (3.7 + 0.3 * each) + each)),
        x=(column + 0.5) * width + 0.21 * width * sin(2 * pi * seconds / (5 + 0.7 * each) + each),
        y=(row + 0.5) * height
        + 0.22 * height * sin(2 * pi * seconds / (6 - 0.4 * each) + 2 * each),
    )


def back_and_forth(number: int, count: int) -> int:
    """The frame to show of a clip of so many, which goes forwards, backwards, forwards."""
    position = number % (2 * count - 2)
    return min(position, 2 * count - 2 - position)


def _painted(places: Sequence[_Place], number: int) -> Image:
    canvas = np.roll(_ground(), 2 * number, axis=1)
    for place in places:
        place.paint(canvas)
    return canvas


_GROUND: list[Image] = []


def _ground() -> Image:
    """Soft clouds of muted colours."""
    if not _GROUND:
        coarse = np.random.default_rng(5).integers(60, 170, (9, 16, 3), np.uint8)
        coarse = np.hstack([coarse, coarse[:, :1]])
        large = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        _GROUND.append(np.asarray(large, np.uint8))
    return _GROUND[0]
