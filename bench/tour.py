"""The tour: one to six people at a time, tiled, with cuts, as an ordinary video goes.

Made out of the shared clips, once, in the bench's cache: H.264, 25 frames a second, the same on
every machine but for the encoder's version.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from bench.crowd import SPEAKERS, back_and_forth
from bench.media import cache, decoded, media
from bench.video import HEIGHT, RATE, WIDTH, repeat_video, write_video
from facegrab.types import Image

RECIPE = 1
"""Counted up whenever the clip changes, so that old ones are left alone."""

FULL_HD = (WIDTH, HEIGHT)
ULTRA_HD = (3840, 2160)

SIGNERS = (
    "again", "book", "night", "want", "milk", "learn", "yes", "sister", "hungry", "please", "walk",
    "brother", "sorry", "student", "school",
)  # fmt: skip

PEOPLE = (1, 2, 3, 4, 5, 6, 3, 2, 4, 1)
"""People in each scene: 3.1 in the mean."""
GRIDS = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 5: (3, 2), 6: (3, 2)}
"""Columns and rows that so many people stand in."""
GRAIN = 2.0
"""Standard deviation of the noise: enlarged clips are smoother than a camera's picture, and would
decode faster than real ones."""

Size = tuple[int, int]
"""Width and height in pixels."""

BITS_PER_SECOND: dict[Size, int] = {ULTRA_HD: 20_000_000}
"""1080p has the encoder's constant quality instead, which takes 4 to 5 Mbit/s."""


def tour(seconds: int, size: Size = FULL_HD) -> Path:
    """The tour of so many seconds."""
    wide = "" if size == FULL_HD else f"{size[0]}x{size[1]}-"
    path = cache() / f"tour-{wide}{seconds}s-v{RECIPE}.mp4"
    if not path.exists():
        write_video(path, _frames(seconds * RATE, size), size, BITS_PER_SECOND.get(size))
    return path


@contextmanager
def repeated(clip: Path, times: int) -> Iterator[Path]:
    """A clip so many times in a row, while the context lasts: it may take gigabytes."""
    with TemporaryDirectory(prefix="repeated-", dir=cache()) as folder:
        yield repeat_video(clip, Path(folder) / clip.name, times)


def tour_reference() -> Path:
    """A picture of one of the people of the tour."""
    return _picture("reference", media("video", f"intel__{SIGNERS[0]}.mkv"))


def tour_other() -> Path:
    """A picture of another one."""
    return _picture("other", media("video", f"lipnet__{SPEAKERS[0]}.mpg"))


def _picture(name: str, clip: Path) -> Path:
    """The first frame of a clip."""
    path = cache() / f"{name}-v{RECIPE}.png"
    if not path.exists():
        image = decoded(clip)[0]
        _, encoded = cv2.imencode(".png", image[..., ::-1])
        path.write_bytes(encoded.tobytes())
    return path


def _frames(count: int, size: Size) -> Iterator[Image]:
    clips = _clips()
    scene_length = ceil(count / len(PEOPLE))
    grain = _Grain(size)
    first = 0
    for scene, people in enumerate(PEOPLE):
        cast = [clips[(first + each) % len(clips)] for each in range(people)]
        first += people
        for number in range(scene * scene_length, min(count, (scene + 1) * scene_length)):
            yield grain(_tiled(cast, number, size), number)


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    frames: list[Image]
    anchor: float
    """Where a picture that is too high is cut: 0 keeps the top, .5 the middle."""


def clip_names() -> list[str]:
    """Signers and speakers by turns."""
    names = list[str]()
    for number, signer in enumerate(SIGNERS):
        names += [signer, *SPEAKERS[number : number + 1]]
    return names


def _clips() -> list[_Clip]:
    return [
        _Clip(decoded(media("video", f"lipnet__{name}.mpg")), 0.5)
        if name in SPEAKERS
        else _Clip(decoded(media("video", f"intel__{name}.mkv")), 0.0)
        for name in clip_names()
    ]


def _tiled(cast: list[_Clip], number: int, size: Size) -> Image:
    """Everybody's frame of that number, side by side."""
    columns, rows = GRIDS[len(cast)]
    width, height = size[0] // columns, size[1] // rows
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    for each, clip in enumerate(cast):
        row, column = divmod(each, columns)
        image = clip.frames[back_and_forth(number, len(clip.frames))]
        tile = _covering(image, width, height, clip.anchor)
        top, left = row * height, column * width
        canvas[top : top + height, left : left + width] = tile
    return canvas


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

    def __init__(self, size: Size) -> None:
        random = np.random.default_rng(7)
        noise = (random.standard_normal((size[1], size[0])) * GRAIN).round().astype(np.int16)
        self._noise = np.stack([noise] * 3, axis=-1)

    def __call__(self, image: Image, number: int) -> Image:
        height, width = image.shape[:2]
        shift = (number * 389 % height, number * 701 % width)
        noise = np.roll(self._noise, shift, axis=(0, 1))
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
