"""The head that poses are read by, measured on the shared media; how well they agree.

``python -m bench.pose`` prints the numbers of facegrab.vision.pose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from bench.media import HAMILTON_CLIP, Setup, decoded, media
from bench.table import Row
from facegrab.media.images import read_image
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.models.specs import RecogniserSpec
from facegrab.types import Faces, FloatArray, Frame, Image, IntArray
from facegrab.vision import pose
from facegrab.vision.align import MEAN_FACE, MEAN_FACE_SIZE
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

Array: TypeAlias = NDArray[np.float64]

STILLS = ("people/lfw10x10", "people/azure", "people/stills", "detection")
HEADS_CLIP = "intel__head-pose-face-detection-female-and-male.gif"
SMALLEST_EYES_PX = 15
"""Between the eyes: points are in whole pixels."""
PROFILE_FRAMES, PROFILE_PX = range(20, 49), 80
"""Of the hamilton clip, where one man in profile is the only one of that size."""
ROUNDS = 300
"""The residual stands still after 200."""
USED_SHARE = 0.9
"""Of the faces, those that fit best: the rest have points beside the face."""
MIRRORED = dict(zip(pose.STEADY, (27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 42, 39, 36, 54, 51, 48),
                    strict=True))  # fmt: skip
MIRRORED_FIVE = (1, 0, 2, 4, 3)
_DEPTH = {27: -0.05, 28: -0.12, 29: -0.2, 30: -0.28, 36: 0.1, 45: 0.1, 39: 0.03, 42: 0.03,
          48: 0.0, 54: 0.0}  # fmt: skip
"""To begin with, in widths of the mean face: any nose that stands out leads to the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Points of faces: float32 (N, 5, 2) and (N, 68, 2), of photographs, and mirrored."""

    five: FloatArray
    all68: FloatArray
    still: NDArray[np.bool_]


class _Undescribed:
    """In the recogniser's place, which is not needed."""

    def __init__(self, spec: RecogniserSpec) -> None:
        self.spec = spec

    def chips(
        self, images: Sequence[Image], image_of: IntArray, tree_box: FloatArray, points5: FloatArray
    ) -> list[Image]:
        return [images[0][:1, :1]] * len(image_of)

    def __call__(self, chips: Sequence[Image]) -> FloatArray:
        return np.zeros((len(chips), self.spec.length), np.float32)


def poses(setup: Setup) -> Iterator[Row]:
    """How well what poses are read by agrees with itself."""
    seen = faces(quick=setup.quick)
    if not setup.quick:
        head, five = measured(seen)
        away = max(np.abs(head - pose.HEAD).max(), np.abs(five - pose.HEAD_OF_FIVE).max())
        yield Row(
            "pose: head measured anew against the one in use",
            f"{away:.3f}",
            required="<= .05",
            met=bool(away <= 0.05),
            values={"away": float(away)},
        )
    whole, small = pose.head_pose(seen.all68), pose.head_pose_of_five(seen.five)
    for name, a, b in zip(("yaw", "pitch", "roll"), whole, small, strict=True):
        yield _apart(f"pose: {name} of five points and of 68", a, b)
    yaw = whole[0]
    count = f"{len(yaw)} faces"
    yield Row("pose: yaw of the shared media", _percentiles(yaw), ratio=count)
    yield Row("pose: pitch of the shared media", _percentiles(whole[1]))
    profile = _profile()
    for words, found in (
        ("68 points", pose.head_pose(profile.points68)[0]),
        ("five points", pose.head_pose_of_five(profile.points5)[0]),
    ):
        yield Row(
            f"pose: yaw of one man in profile, by {words}",
            _percentiles(found),
            ratio=f"{len(found)} faces",
        )
    other = mirrored_faces()
    each = pose.head_pose(other[0]), pose.head_pose(other[1])
    yield _apart("pose: yaw of a picture and of its mirror image", each[0][0], -each[1][0])
    yield _apart("pose: pitch of a picture and of its mirror image", each[0][1], each[1][1])


def _apart(work: str, a: FloatArray, b: FloatArray) -> Row:
    off = np.abs(a - b)
    middle, most = (float(np.nanpercentile(off, share)) for share in (50, 90))
    return Row(work, f"{middle:.1f} degrees apart", f"90th percentile {most:.1f}",
               values={"median": middle, "p90": most})  # fmt: skip


def _percentiles(angle: FloatArray) -> str:
    found = np.nanpercentile(angle, [1, 10, 50, 90, 99])
    return ", ".join(f"{share} %: {each:.0f}" for share, each in zip((1, 10, 50, 90, 99), found,
                                                                      strict=True))  # fmt: skip


@lru_cache(maxsize=2)
def faces(*, quick: bool = False) -> Seen:
    """Every face of the shared media that is large enough."""
    look = _look()
    five, all68, still = [], [], []
    for images, is_still in [(_stills(), True), *([] if quick else [(_frames(), False)])]:
        for image in images:
            found = look([Frame(0, 0.0, image, 0)])
            five.append(found.points5)
            all68.append(found.points68)
            still += [is_still] * len(found)
    points = np.concatenate(all68)
    apart = points[:, 36:42].mean(axis=1) - points[:, 42:48].mean(axis=1)
    large = np.hypot(*apart.T) >= SMALLEST_EYES_PX
    return Seen(np.concatenate(five)[large], points[large], np.array(still)[large])


def mirrored_faces() -> tuple[FloatArray, FloatArray]:
    """The 68 points of the only face of each still, and those found in its mirror image."""
    look = _look()
    pairs = []
    for image in _stills():
        both = [
            look([Frame(0, 0.0, np.ascontiguousarray(each), 0)]) for each in (image, image[:, ::-1])
        ]
        if [len(each) for each in both] == [1, 1]:
            pairs.append([each.points68[0] for each in both])
    found = np.array(pairs)
    return found[:, 0], found[:, 1]


def _profile() -> Faces:
    """The largest face of each frame that shows the man at the piano, to the picture's left."""
    frames = decoded(media("video", HAMILTON_CLIP))[PROFILE_FRAMES.start : PROFILE_FRAMES.stop]
    faces = _look()([Frame(number, 0.0, image) for number, image in enumerate(frames)])
    large = [
        rows[faces.size_px[rows].argmax()]
        for rows in (np.flatnonzero(faces.frame == number) for number in range(len(frames)))
        if len(rows)
    ]
    found = faces.select(np.array(large, np.int64))
    return found.select(found.size_px >= PROFILE_PX)


@lru_cache(maxsize=1)
def _look() -> Look:
    eyes = open_eyes(*packs.choose(), choose(by_itself=True))
    blind = replace(eyes, recogniser=_Undescribed(eyes.recogniser.spec))
    return Look(blind, Wanted(min_face=40))


def _stills() -> Iterator[Image]:
    for folder in STILLS:
        for path in sorted(media(*folder.split("/")).rglob("*")):
            if path.suffix.lower() in (".jpg", ".png"):
                yield read_image(path)


def _frames() -> Iterator[Image]:
    for path in sorted(media("video").iterdir()):
        every = 3 if path.name in (HEADS_CLIP, HAMILTON_CLIP) else 10
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index % every == 0 and index < 900:
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def measured(seen: Seen) -> tuple[Array, Array]:
    """The head (16, 3) that best explains the points of all faces, and that (5, 3) of the five.

    Poses by the head, the head by the poses, in turn (structure from motion); both halves of it
    alike. That leaves open which way is level: the median photograph looks straight ahead.
    """
    points = seen.all68[:, pose.STEADY].astype(np.float64)
    order = [pose.STEADY.index(MIRRORED[each]) for each in pose.STEADY]
    xy = MEAN_FACE[np.array(pose.STEADY) - (68 - MEAN_FACE_SIZE)]
    head = _even(np.column_stack([xy, [_DEPTH.get(each, -0.12) for each in pose.STEADY]]), order)
    for _ in range(ROUNDS):
        head = _even(_solved(points, points, head), order)
    head = head @ _level(pose.angles(pose.fit(points, head))[1][seen.still]).T
    centre = head.mean(axis=0)
    five = _solved(seen.five.astype(np.float64), points, head) - centre
    return head - centre, _evened(five, list(MIRRORED_FIVE))


def _solved(wanted: Array, points: Array, head: Array) -> Array:
    """Where points (N, Q, 2) lie in space, (Q, 3), if the head's points (N, P, 2) tell the pose."""
    middle = points.mean(axis=1, keepdims=True)
    turn = pose.fit(points, head)
    flat = ((head - head.mean(axis=0)) @ np.swapaxes(turn, 1, 2))[..., :2]
    scale = (flat * (points - middle)).sum((1, 2)) / (flat**2).sum((1, 2))
    off = (points - middle) / scale[:, None, None] - flat
    residual = (off**2).sum((1, 2))
    used = residual <= np.quantile(residual, USED_SHARE)
    camera = turn[used, :2]
    there = ((wanted - middle) / scale[:, None, None])[used]
    square = np.einsum("nij,nik->jk", camera, camera)
    space = np.linalg.solve(square, np.einsum("nij,npi->jp", camera, there)).T
    return np.asarray(space + head.mean(axis=0))


def _even(head: Array, order: list[int]) -> Array:
    """Mirrored on itself, around nothing, of size 1."""
    even = _evened(head - head.mean(axis=0), order)
    return np.asarray(even / np.sqrt((even**2).sum(axis=1).mean()))


def _evened(head: Array, order: list[int]) -> Array:
    return np.asarray((head + head[order] * [-1.0, 1.0, 1.0]) / 2)


def _level(pitch: FloatArray) -> Array:
    """The turn that takes the median pitch, in degrees, away from poses."""
    middle = np.array([float(np.median(pitch))])
    return np.asarray(pose.turn_of(np.zeros(1), middle, np.zeros(1))[0])


if __name__ == "__main__":
    for array in measured(faces()):
        print(array.round(3).tolist())
