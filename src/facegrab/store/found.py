"""What a folder of extracts has to tell, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["kept", "ask", "left", "other"]
"""Of a face: there is an extract; there is one, and somebody should look at it; it is the person's
and there is none (blurred ...); it is somebody else's."""


@dataclass(frozen=True, slots=True)
class SourceFound:
    """A video or a folder of pictures, and what became of its faces.

    Attributes:
        row: of the source.
        path: where it lay last.
        pictures: it is a folder of pictures, or one.
        seconds: of it, if known.
        frame_count: of it, if known.
        every: one frame in so many counts.
        frames_read: frames gone past.
        frames_looked_at: frames searched.
        frames_damaged: frames that could not be decoded.
        complete: to its end.
        forgotten: faces of other people were removed.
        written: faces of a person, with an extract.
        unsure: faces in doubt, with an extract too.
        dropped: the others, by the reason for that.
    """

    row: int
    path: str
    pictures: bool
    seconds: float | None
    frame_count: int | None
    every: int
    frames_read: int
    frames_looked_at: int
    frames_damaged: int
    complete: bool
    forgotten: bool
    written: int
    unsure: int
    dropped: Mapping[str, int]

    @property
    def found(self) -> int:
        """Faces in all."""
        return self.written + self.unsure + sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class Appearance:
    """Faces of one track that the same became of.

    Attributes:
        source: row of the source.
        person: whose; '' where only one is asked for.
        state: what became of them.
        track: number of the track in the source.
        start_seconds: time of the first.
        end_seconds: time of the last.
        faces: how many.
    """

    source: int
    person: str
    state: State
    track: int
    start_seconds: float
    end_seconds: float
    faces: int


@dataclass(frozen=True, slots=True)
class FaceFound:
    """A face; with an extract, or a stranger without.

    Attributes:
        source: row of the source.
        person: whose, or whom it is compared with; '' where only one is asked for.
        state: what became of it.
        track: number of the track in the source.
        frame: of the source.
        seconds: time of that.
        picture: the image file that the frame is, or None for a video.
        distance: to the references, None where there are none.
        probability: that it is the person, None where that was not asked.
        sharpness: variance of the Laplacian.
        size_px: the longer side of the face's box.
        by_track: it belongs to the person only because its track does.
        file: the extract's path below the folder, with ``/``; of several alignments the first's.
        extracts: how many alignments there are of it.
        faces: how many faces of its track it stands for.
    """

    source: int
    person: str
    state: State
    track: int
    frame: int
    seconds: float
    picture: str | None
    distance: float | None
    probability: float | None
    sharpness: float
    size_px: float
    by_track: bool
    file: str | None = None
    extracts: int = 0
    faces: int = 1
