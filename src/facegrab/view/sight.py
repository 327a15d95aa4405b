"""What a live page shows of a frame: a small copy, and who is where in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facegrab.people.decide import people_distances
from facegrab.people.judge import Asked
from facegrab.store.files import printable
from facegrab.types import Faces, FloatArray, Frame, Image

LONGEST_PX = 960
"""Of the copy's sides, at most: half of a frame of 1080p, which is shrunk in .3 ms."""
JPEG_QUALITY = 80
THUMB_PX = 192
"""Of an extract's copy: it is shown at half of that, for screens that have two pixels in one."""


@dataclass(frozen=True, slots=True)
class FaceSeen:
    """A face in a frame.

    Attributes:
        place: left, top, width and height of its box, in percent of the frame.
        mine: it is within the tolerance of somebody who is asked for.
        name: of that person, if there are several.
        distance: from the nearest person asked for; None where everybody is.
    """

    place: Sequence[float]
    mine: bool
    name: str
    distance: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A frame as it is shown.

    Attributes:
        number: of the sight.
        pts_seconds: of the frame.
        width: of the frame in pixels; 0 where another process has the pixels.
        height: likewise.
        image: the copy, RGB uint8.
        faces: in the frame.
    """

    number: int
    pts_seconds: float
    width: int
    height: int
    image: Image
    faces: Sequence[FaceSeen]

    def jpeg(self) -> bytes:
        """The copy as a file."""
        return jpeg(self.image)


def sight_of(
    number: int, frames: Sequence[Frame], faces: Faces, asked: Asked, size: tuple[int, int]
) -> Sight:
    """The last frame of a batch with a face in it, or the last one.

    Args:
        number: that the sight gets.
        frames: of the batch.
        faces: theirs.
        asked: who is asked for.
        size: width and height of the frames, where another process has their pixels.
    """
    index = int(faces.frame[-1]) if len(faces) else frames[-1].index
    frame = next(each for each in frames if each.index == index)
    of_frame = faces.select(faces.frame == frame.index)
    height, width = frame.image.shape[:2]
    if not frame.image.size:
        return Sight(number, frame.pts_seconds, 0, 0, frame.image, _seen(of_frame, asked, size))
    seen = _seen(of_frame, asked, (width, height))
    return Sight(number, frame.pts_seconds, width, height, shrunk(frame.image), seen)


def shrunk(image: Image, longest_px: int = LONGEST_PX) -> Image:
    """A copy, by a whole factor, which is fast; RGB uint8 (H, W, 3)."""
    height, width = image.shape[:2]
    factor = -(-max(height, width) // longest_px)
    size = max(width // factor, 1), max(height // factor, 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(image: Image) -> bytes:
    """A picture to be looked at, of RGB uint8 (H, W, 3)."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def thumb(content: bytes) -> bytes | None:
    """A small copy of an image file, or None if it is none."""
    try:
        bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # an empty file
        return None
    if bgr is None:
        return None
    return jpeg(shrunk(np.asarray(bgr[..., ::-1], np.uint8), THUMB_PX))


def _seen(faces: Faces, asked: Asked, size: tuple[int, int]) -> list[FaceSeen]:
    width, height = (max(side, 1) for side in size)
    scale = np.array([width, height], np.float32) / 100
    corner = faces.box[:, :2] / scale
    extent = (faces.box[:, 2:] - faces.box[:, :2] + 1) / scale
    places = np.round(np.hstack([corner, extent]), 2).tolist()
    if not len(faces) or not asked.people:
        return [FaceSeen(each, True, "", None) for each in places]
    apart = people_distances(faces.embedding, asked.galleries)
    seen = zip(places, *_at_sight(apart, asked), strict=True)
    return [FaceSeen(place, mine, printable(who), far) for place, mine, who, far in seen]


def _at_sight(apart: FloatArray, asked: Asked) -> tuple[list[bool], list[str], list[float]]:
    """Whose each face would be by itself: what is decided later goes by whole tracks."""
    count = len(asked.people)
    nearest = apart[:, :count].argmin(axis=1)
    distance = apart[np.arange(len(apart)), nearest]
    mine = distance <= asked.tolerance
    if asked.others:
        mine &= distance <= apart[:, count:].min(axis=1)
    names = [asked.names[each] for each in nearest.tolist()]
    return mine.tolist(), names, np.round(distance, 2).tolist()
