"""Joined clips: pieces of the shared clips and of the hamilton clip's shots, one after the other.

With the truth: where each begins, and whether it shows the same person in the same place as the one
before, which no picture tells from a person who moves. Made once, in the bench's cache: H.264,
320x180.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.company import SIGNERS
from bench.crowd import SPEAKERS
from bench.media import HAMILTON_CLIP, cache, decoded, media
from bench.video import write_video
from facegrab.types import Image

RECIPE = 1
"""Counted up whenever the clips change, so that old ones are left alone."""

SIZE = (320, 180)
PIECE_FRAMES = (15, 75)
WALKS = 4
"""Shots that the clip of people who walk through is cut into; it is a single one."""
WALK_CLIP = "intel__one-by-one-person-detection.mp4"
GROUP_CLIPS = (
    "intel__face-demographics-walking-and-pause.gif",
    "intel__head-pose-face-detection-female-and-male.gif",
    "lipnet__id2_vcd_swwp2s.mpg",
    "torchcodec__av1_video.mkv",
)
SAME_PLACE = "walks"


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """A joined clip and its truth.

    Attributes:
        path: of the video.
        cuts: frames that begin a piece of another person or place than the one before.
        unclear: frames that begin one of the same person in the same place.
    """

    path: Path
    cuts: frozenset[int]
    unclear: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Shot:
    """Frames of one shot, and who or what it shows."""

    what: str
    frames: list[Image]
    whole: bool = False


def joined(count: int) -> list[Joined]:
    """So many of them, each in another order and of other pieces."""
    names = [cache() / f"joined-{number}-v{RECIPE}.mp4" for number in range(count)]
    missing = [
        number
        for number, path in enumerate(names)
        if not path.exists() or not path.with_suffix(".json").exists()
    ]
    if missing:
        shots = list(_shots())
        for number in missing:
            _write(names[number], shots, np.random.default_rng(number))
    return [_read(path) for path in names]


def _read(path: Path) -> Joined:
    truth = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Joined(path, frozenset(truth["cuts"]), frozenset(truth["unclear"]))


def _write(path: Path, shots: list[_Shot], random: np.random.Generator) -> None:
    order = random.permutation(len(shots))
    frames: list[Image] = []
    cuts, unclear = [], []
    before = ""
    for shot in (shots[each] for each in order):
        length = len(shot.frames)
        if not shot.whole:
            length = min(length, int(random.integers(PIECE_FRAMES[0], PIECE_FRAMES[1] + 1)))
        first = int(random.integers(0, len(shot.frames) - length + 1))
        if before:
            (unclear if shot.what == before else cuts).append(len(frames))
        frames += shot.frames[first : first + length]
        before = shot.what
    write_video(path, frames, SIZE)
    truth = json.dumps({"cuts": cuts, "unclear": unclear})
    path.with_suffix(".json").write_text(truth, encoding="utf-8")


def _shots() -> Iterator[_Shot]:
    for who, clips in SIGNERS.items():
        for clip in clips:
            yield _Shot(who, _small(f"intel__{clip}.mkv"))
    for who in SPEAKERS:
        yield _Shot(who, _small(f"lipnet__{who}.mpg"))
    for clip in GROUP_CLIPS:
        yield _Shot(clip, _small(clip))
    truth = json.loads(media("truth", "hamilton.json").read_text(encoding="utf-8"))
    frames = _small(HAMILTON_CLIP)
    for number, (first, end) in enumerate(
        zip([0, *truth["cuts"]], [*truth["cuts"], len(frames)], strict=True)
    ):
        yield _Shot(f"hamilton {number}", frames[first:end])
    frames = _small(WALK_CLIP)[: WALKS * 4 * PIECE_FRAMES[1]]
    for number in range(WALKS):
        part = len(frames) // WALKS
        yield _Shot(SAME_PLACE, frames[number * part : (number + 1) * part], whole=True)


def _small(clip: str) -> list[Image]:
    """The frames, shrunk or enlarged and cut to SIZE."""
    small = []
    for image in decoded(media("video", clip)):
        height, width = image.shape[:2]
        factor = max(SIZE[0] / width, SIZE[1] / height)
        whole = (max(round(width * factor), SIZE[0]), max(round(height * factor), SIZE[1]))
        resized = cv2.resize(image, whole, interpolation=cv2.INTER_AREA)
        left, top = (whole[0] - SIZE[0]) // 2, (whole[1] - SIZE[1]) // 2
        part = resized[top : top + SIZE[1], left : left + SIZE[0]]
        small.append(np.asarray(part, np.uint8).copy())
    return small
