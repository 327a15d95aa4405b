"""Shards: which segments are whose, and how one is kept that was seen without those before it."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from facegrab.errors import StoreError
from facegrab.models.specs import Metric, RecogniserSpec
from facegrab.scan import Scanned
from facegrab.settings import shard_numbers
from facegrab.store.index import Request, SegmentRow
from facegrab.survey import segment_of, text_of
from facegrab.task import NO_PIXELS, Part
from facegrab.types import Faces, Frame, Segment
from facegrab.vision.shots import SIGNATURE_LENGTH

MOST_FRAMES = 2**20
"""Looked at in one segment: ten hours at 29 frames/s without a key frame between them."""
_LONGEST_STATE_BYTES = 2**30
"""Of text: so many signatures that do not compress, and some numbers, take 600 MB."""
_MOST = 2**62
_MARK = "shard"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several shares in all segments, the same whoever works it out.

    Attributes:
        number: from 1.
        count: of shares.
    """

    number: int
    count: int

    @classmethod
    def of(cls, text: str) -> Shard:
        """The shard of a setting.

        Raises:
            SettingError: it is none.
        """
        return cls(*shard_numbers(text))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def owns(self, content: str, segment: int) -> bool:
        """Whether a segment of a source is this share's; a source without segments is its first.

        Args:
            content: what the source is known by.
            segment: number.
        """
        return owner(content, segment, self.count) == self.number


def owner(content: str, segment: int, count: int) -> int:
    """The number of the share, from 1, that a segment is in."""
    digest = blake2b(f"{content} {segment}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count + 1


def marked(asked: Request, shard: Shard) -> Request:
    """A request of which a shard sees its share: its faces answer no other."""
    detection = {**json.loads(asked.detection), _MARK: str(shard)}
    return replace(asked, detection=json.dumps(detection, sort_keys=True))


def unmarked(request: Request) -> tuple[Request, Shard | None]:
    """What all shards of a request are to answer, and which one it is; None if it is none.

    Raises:
        SettingError: it names no shard.
    """
    try:
        detection = json.loads(request.detection or "{}")
    except (ValueError, RecursionError):
        return request, None
    if not isinstance(detection, dict) or _MARK not in detection:
        return request, None
    shard = Shard.of(str(detection.pop(_MARK)))
    return replace(request, detection=json.dumps(detection, sort_keys=True)), shard


@dataclass(frozen=True, slots=True)
class Terms:
    """How the faces of a source are to be linked.

    Attributes:
        metric: how the recogniser's embeddings are compared.
        tolerance: distance up to which two are one person.
        follows: frames show one moment after the other.
    """

    metric: Metric
    tolerance: float
    follows: bool

    @classmethod
    def of(cls, spec: RecogniserSpec, *, follows: bool) -> Terms:
        """Those of a recogniser."""
        return cls(spec.metric, spec.tolerance, follows)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A segment that was seen by itself.

    Attributes:
        segment: where it begins.
        part: what was seen.
        terms: how its faces are to be linked.
        is_sound: it came out as its packets had announced; else nothing from it on is certain.
    """

    segment: Segment
    part: Part
    terms: Terms
    is_sound: bool

    @property
    def frames(self) -> tuple[int, ...]:
        """Indices of the frames that were looked at."""
        return tuple(frame.index for batch in self.part.batches for frame in batch.frames)

    @property
    def faces(self) -> Faces:
        """All of the segment's."""
        return Faces.concatenate([batch.faces for batch in self.part.batches])

    def is_like(self, other: Kept) -> bool:
        """Whether two saw the same frames to the same end; their faces are another matter."""
        ours, theirs = ((k.frames, k._signatures, k.terms, k.is_sound) for k in (self, other))
        return ours == theirs

    @property
    def _signatures(self) -> bytes:
        return b"".join(each.tobytes() for b in self.part.batches for each in b.signatures)

    def row(self) -> SegmentRow:
        """As an index keeps it: what linking needs besides the faces is in its state."""
        part = self.part
        state = {
            "frames": self.frames,
            "signatures": base64.b64encode(zlib.compress(self._signatures)).decode("ascii"),
            "read": part.frames_read,
            "damaged": part.frames_damaged,
            "origin": part.origin,
            "warnings": part.warnings,
            "metric": self.terms.metric,
            "tolerance": self.terms.tolerance,
            "follows": self.terms.follows,
            "sound": self.is_sound,
            "aside": part.aside,
        }
        following = None if part.following is None else text_of(part.following)
        return SegmentRow(
            self.segment.number,
            text_of(self.segment),
            following,
            len(self.frames),
            json.dumps(state),
        )


def kept_of(row: SegmentRow, faces: Faces, path: Path) -> Kept:
    """A segment that an index keeps.

    Args:
        row: of it.
        faces: its faces.
        path: of the index, for the message.

    Raises:
        StoreError: it is none that a shard wrote.
    """
    segment = segment_of(row.start, path)
    following = None if row.next is None else segment_of(row.next, path)
    try:
        if len(row.state) > _LONGEST_STATE_BYTES:
            raise ValueError("too long")
        state = json.loads(row.state)
        frames, signatures = _frames(state, segment.number)
        part = Part(
            (Scanned(frames, faces, signatures),) if frames else (),
            following,
            _whole(state["read"]),
            _whole(state["damaged"]),
            None if state["origin"] is None else _whole(state["origin"], -_MOST),
            tuple(str(line) for line in state["warnings"]),
            {},
            aside=state["aside"] is True,
        )
        terms = _terms(state)
        indices = [frame.index for frame in frames]
        if row.number != segment.number or not np.isin(faces.frame, indices).all():
            raise ValueError("of another segment")
        return Kept(segment, part, terms, state["sound"] is True)
    except (ValueError, TypeError, KeyError, RecursionError, zlib.error) as error:
        raise StoreError(
            f"{path} is damaged, or no shard of FaceGrab: scan that shard again into another file"
        ) from error


def is_sound(row: SegmentRow) -> bool:
    """Whether a kept segment came out as its packets had announced."""
    try:
        return json.loads(row.state)["sound"] is True
    except (ValueError, TypeError, KeyError, RecursionError):
        return True  # whoever reads it all will say what is wrong


def _frames(
    state: dict[str, Any], segment: int
) -> tuple[tuple[Frame, ...], tuple[np.ndarray[Any, np.dtype[np.uint8]], ...]]:
    indices = [_whole(each) for each in state["frames"]]
    if len(indices) > MOST_FRAMES or indices != sorted(set(indices)):
        raise ValueError("no frames")
    size = len(indices) * SIGNATURE_LENGTH
    unpack = zlib.decompressobj()
    data = unpack.decompress(base64.b64decode(state["signatures"], validate=True), size + 1)
    if len(data) != size:
        raise ValueError("no signatures")
    signatures = np.frombuffer(data, np.uint8).reshape(len(indices), SIGNATURE_LENGTH)
    return tuple(Frame(each, 0.0, NO_PIXELS, segment) for each in indices), tuple(signatures)


def _terms(state: dict[str, Any]) -> Terms:
    metric, tolerance = state["metric"], float(state["tolerance"])
    if metric not in ("euclidean", "cosine") or not 0 < tolerance < 10:
        raise ValueError("no terms")
    return Terms(metric, tolerance, state["follows"] is True)


def _whole(value: object, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= _MOST:
        raise ValueError("no whole number")
    return value
