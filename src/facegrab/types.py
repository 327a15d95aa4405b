"""The data that walks through the house: frames and faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""Upright RGB, uint8 (H, W, 3)."""

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        index: number of the frame in its source, from 0, in the order of presentation.
        pts_seconds: seconds since the source's first frame (pts x time_base, never index / fps).
        image: upright RGB uint8 (H, W, 3) with square pixels.
        segment: number of its Segment, from 0.
    """

    index: int
    pts_seconds: float
    image: Image
    segment: int = 0

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(
                f"a frame is uint8 (H, W, 3), not {self.image.dtype} {self.image.shape}"
            )

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({self.index}, {self.pts_seconds:.3f} s, {width}x{height})"


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a source that begins with a key frame, and how to go on reading from there.

    Whole numbers, bools and None only, so that
    ``Segment(**json.loads(json.dumps(asdict(segment))))`` is the same.

    Attributes:
        number: of the segment in its source, from 0.
        first_frame: index of its first frame.
        frames_read: sound frames of the source before it, those that were skipped too.
        frames_damaged: damaged frames of the source before it.
        width: pixels of the source's first frame, upright and with square pixels.
        height: likewise.
        pts: ticks of its first frame; None for images and where a video has no times.
        origin: ticks of the source's first frame; None likewise.
        pos: first byte of its first frame in the file; None where the file does not say.
        trial: frames that are still decoded before any is left out; None: all are decoded, and
            counted as they come out.
        is_steady: whether all frames before it had times of their own, in order.
    """

    number: int
    first_frame: int
    frames_read: int
    frames_damaged: int
    width: int
    height: int
    pts: int | None = None
    origin: int | None = None
    pos: int | None = None
    trial: int | None = None
    is_steady: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in one image.

    Attributes:
        box: float32 (N, 4), x0 y0 x1 y1, the corner pixels themselves (both inclusive, as dlib's
            rectangles), best score first. A box may reach over the edge of the image.
        score: float32 (N,).
        points5: float32 (N, 5, 2), x y of the centres of the eyes, the tip of the nose and the
            corners of the mouth, the picture's left one of two first; NaN where a detector finds
            boxes only.
    """

    box: FloatArray
    score: FloatArray
    points5: FloatArray

    def __post_init__(self) -> None:
        count = len(self.score)
        if self.box.shape != (count, 4) or self.points5.shape != (count, 5, 2):
            raise ValueError(
                f"boxes {self.box.shape} and points {self.points5.shape} do not fit {count} scores"
            )

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def without_points(cls, box: FloatArray, score: FloatArray) -> Detections:
        """What a detector of boxes found."""
        return cls(box, score, np.full((len(score), 5, 2), np.nan, np.float32))

    @classmethod
    def empty(cls) -> Detections:
        """No face."""
        return cls.without_points(np.empty((0, 4), np.float32), np.empty(0, np.float32))


_ROW_SHAPES: dict[str, tuple[tuple[int, ...], type[Any]]] = {
    "frame": ((), np.int64),
    "number": ((), np.int64),
    "pts_seconds": ((), np.float64),
    "box": ((4,), np.float32),
    "score": ((), np.float32),
    "points5": ((5, 2), np.float32),
    "points68": ((68, 2), np.float32),
    "sharpness": ((), np.float32),
    "shot": ((), np.int64),
    "track": ((), np.int64),
}

UNKNOWN = -1
"""The shot and track of a face as long as they are not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces as a struct of arrays: one row a face, over any number of frames.

    Attributes:
        frame: int64 (N,), the index of the row's frame in its source.
        number: int64 (N,), the face's number within its frame, from 0, best score first.
        pts_seconds: float64 (N,), time of the frame since the source's first frame.
        box: float32 (N, 4), x0 y0 x1 y1 in pixels of the full frame, corner pixels inclusive.
        score: float32 (N,), the detector's score.
        points5: float32 (N, 5, 2), x y in the full frame: see Detections.
        points68: float32 (N, 68, 2), x y of the 68 points of the iBUG 300-W scheme; NaN where the
            68-point model is not used.
        embedding: float32 (N, D); the recogniser says how two are compared. Values are exactly
            representable in float16.
        sharpness: float32 (N,), variance of the Laplacian of the aligned face, not enlarged.
        shot: int64 (N,), number of the shot within the source, from 0; or UNKNOWN.
        track: int64 (N,), number of the track within the source, from 0; or UNKNOWN. A track is
            one person through neighbouring frames of a shot.
    """

    frame: IntArray
    number: IntArray
    pts_seconds: NDArray[np.float64]
    box: FloatArray
    score: FloatArray
    points5: FloatArray
    points68: FloatArray
    embedding: FloatArray
    sharpness: FloatArray
    shot: IntArray
    track: IntArray

    def __post_init__(self) -> None:
        for name, (row, dtype) in _ROW_SHAPES.items():
            array = getattr(self, name)
            if array.shape != (len(self.frame), *row) or array.dtype != dtype:
                raise ValueError(
                    f"{name} is {array.dtype} {array.shape}, "
                    f"not {np.dtype(dtype)} {(len(self.frame), *row)}"
                )
        if self.embedding.ndim != 2 or len(self.embedding) != len(self.frame):
            raise ValueError(f"{self.embedding.shape} embeddings of {len(self.frame)} faces")
        if self.embedding.dtype != np.float32:
            raise ValueError(f"embedding is {self.embedding.dtype}, not float32")

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"Faces({len(self)} in {len(np.unique(self.frame))} frames)"

    @property
    def size_px(self) -> FloatArray:
        """float32 (N,): the longer side of the box, in source pixels."""
        sides = self.box[:, 2:] - self.box[:, :2] + 1
        return np.asarray(sides.max(axis=1, initial=0), np.float32)

    def select(self, rows: NDArray[Any]) -> Faces:
        """The rows a mask or index array names, in its order."""
        return Faces(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def empty(cls, embedding_length: int = 0) -> Faces:
        """No faces."""
        columns = {name: np.empty((0, *row), dtype) for name, (row, dtype) in _ROW_SHAPES.items()}
        return cls(**columns, embedding=np.empty((0, embedding_length), np.float32))

    @classmethod
    def concatenate(cls, parts: Sequence[Faces]) -> Faces:
        """All rows of all parts, in order."""
        if not parts:
            return cls.empty()
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )
