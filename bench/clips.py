"""The clips that the bench makes out of the shared ones, once, in its cache.

The crowd: six people at a time, faces of 64 to 110 px that move and grow and shrink, with the
truth. The tour: one to six people at a time, tiled, with cuts, as an ordinary video goes. Both are
H.264, 1920x1080, 25 frames a second, and the same on every machine but for the encoder's version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, pi, sin
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.media import cache, decoded, media
from bench.truth import Person, find_person
from bench.video import HEIGHT, RATE, WIDTH, repeat_video, write_video
from facegrab.types import Image
from facegrab.vision.detect import Detector

CROWD_RECIPE = 2
RECIPE = 1
"""Counted up whenever the clips change, so that old ones are left alone."""

SPEAKERS = (
    "bbaf2n", "brbk7n", "lbax4n", "lbbc2a", "lrwp9a", "lwbsza", "pwij3p", "sbia1a", "sbwe5n",
    "swiz3n",
)  # fmt: skip
SIGNERS = (
    "again", "book", "night", "want", "milk", "learn", "yes", "sister", "hungry", "please", "walk",
    "brother", "sorry", "student", "school",
)  # fmt: skip

FACE_PX = (64.0, 110.0)
CROWD = 6
CROWD_COLUMNS = 3
SCENE_SECONDS = 6
"""Of the crowd: then six others come."""

TOUR_PEOPLE = (1, 2, 3, 4, 5, 6, 3, 2, 4, 1)
"""People in each scene of the tour: 3.1 in the mean."""
TOUR_GRIDS = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 5: (3, 2), 6: (3, 2)}
"""Columns and rows that so many people stand in."""
GRAIN = 2.0
"""Standard deviation of the noise on the tour: enlarged clips are smoother than a camera's picture,
and would decode faster than real ones."""

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
    path = cache() / f"crowd-{seconds}s-v{CROWD_RECIPE}.mp4"
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


def tour(seconds: int) -> Path:
    """The tour of so many seconds."""
    path = cache() / f"tour-{seconds}s-v{RECIPE}.mp4"
    if not path.exists():
        write_video(path, _tour_frames(seconds * RATE))
    return path


def tour_repeated(seconds: int, times: int) -> Path:
    """The tour so many times in a row."""
    path = cache() / f"tour-{seconds}s-x{times}-v{RECIPE}.mp4"
    return path if path.exists() else repeat_video(tour(seconds), path, times)


def tour_reference() -> Path:
    """A picture of one of the people of the tour."""
    path = cache() / f"reference-v{RECIPE}.png"
    if not path.exists():
        image = decoded(media("video", f"intel__{SIGNERS[0]}.mkv"))[0]
        _, encoded = cv2.imencode(".png", image[..., ::-1])
        path.write_bytes(encoded.tobytes())
    return path


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
        moment=_back_and_forth(number, len(person.frames)),
        side=low + (high - low) * (0.5 + 0.5 * sin(2 * pi * seconds / (3.7 + 0.3 * each) + each)),
        x=(column + 0.5) * width + 0.21 * width * sin(2 * pi * seconds / (5 + 0.7 * each) + each),
        y=(row + 0.5) * height
        + 0.22 * height * sin(2 * pi * seconds / (6 - 0.4 * each) + 2 * each),
    )


def _back_and_forth(number: int, count: int) -> int:
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


def _tour_frames(count: int) -> Iterator[Image]:
    clips = _tour_clips()
    scene_length = ceil(count / len(TOUR_PEOPLE))
    grain = _Grain()
    first = 0
    for scene, people in enumerate(TOUR_PEOPLE):
        cast = [clips[(first + each) % len(clips)] for each in range(people)]
        first += people
        columns, rows = TOUR_GRIDS[people]
        width, height = WIDTH // columns, HEIGHT // rows
        for number in range(scene * scene_length, min(count, (scene + 1) * scene_length)):
            canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            for each, clip in enumerate(cast):
                row, column = divmod(each, columns)
                image = clip.frames[_back_and_forth(number, len(clip.frames))]
                tile = _covering(image, width, height, clip.anchor)
                top, left = row * height, column * width
                canvas[top : top + height, left : left + width] = tile
            yield grain(canvas, number)


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    frames: list[Image]
    anchor: float
    """Where a picture that is too high is cut: 0 keeps the top, .5 the middle."""


def _tour_clips() -> list[_Clip]:
    """Signers and speakers by turns."""
    clips: list[_Clip] = []
    for number, signer in enumerate(SIGNERS):
        clips.append(_Clip(decoded(media("video", f"intel__{signer}.mkv")), 0.0))
        if number < len(SPEAKERS):
            path = media("video", f"lipnet__{SPEAKERS[number]}.mpg")
            clips.append(_Clip(decoded(path), 0.5))
    return clips


def _covering(image: Image, width: int, height: int, anchor: float) -> Image:
    """The image enlarged until it fills width x height, cut to that."""
    rows, columns = image.shape[:2]
    factor = max(width / columns, height / rows)
    matrix = np.array(
        [
            [factor, 0, (width - factor * columns) / 2],
            [0, factor, (height - factor * rows) * anchor],
        ]
    )
    tile = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(tile, np.uint8)


class _Grain:
    """Noise as a camera's, the same in every run."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self._noise = (random.standard_normal((HEIGHT, WIDTH, 1)) * GRAIN).round().astype(np.int16)

    def __call__(self, image: Image, number: int) -> Image:
        shift = (number * 389 % HEIGHT, number * 701 % WIDTH)
        noise = np.roll(self._noise, shift, axis=(0, 1))
        return np.asarray((image + noise).clip(0, 255), np.uint8)
