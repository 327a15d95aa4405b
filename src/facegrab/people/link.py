"""Linking: the shot and the track of every face, as frames come."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from facegrab.errors import StoreError
from facegrab.models.specs import Metric
from facegrab.people.track import GAP, Tracker
from facegrab.types import Faces, Frame
from facegrab.vision.shots import MEMORY, SIGNATURE_LENGTH, Cuts, Signature

LONGEST_STATE_BYTES = 16_384
"""Of text: four signatures of 432 bytes and some numbers take 3 kB."""
_MOST = 2**62
"""Of frames and tracks: what numbers of 64 bits hold, with room for more."""


class Compares(Protocol):
    """What linking needs of a recogniser; models.specs.RecogniserSpec has it."""

    @property
    def metric(self) -> Metric:
        """How two embeddings are compared."""

    @property
    def tolerance(self) -> float:
        """Distance up to which two faces are one person."""


class Linker:
    """Gives faces their shots and tracks, frame by frame, in order.

    Args:
        recogniser: that described the faces.
        follows: frames show one moment after the other; else each is a shot of its own, as in a
            folder of photographs.
    """

    def __init__(self, recogniser: Compares, *, follows: bool = True) -> None:
        self._follows = follows
        self._signatures: deque[Signature] = deque(maxlen=MEMORY)
        self._looked_at: deque[int] = deque(maxlen=GAP)
        self._shot = -1
        self._cuts = Cuts()
        self._tracker = Tracker(recogniser.metric, recogniser.tolerance)

    def resume(self, state: str, recent: Faces, recogniser: Compares, path: Path) -> None:
        """Goes on from where another linker ended, as if it were that one.

        Args:
            state: of the other one, then.
            recent: the faces of the frames of ``frames_needed``, with their tracks.
            recogniser: that described the faces.
            path: of the index that they are from, for the message.

        Raises:
            StoreError: it is no such state.
        """
        signatures, looked_at, self._shot, tracks = _parsed(state, path)
        self._signatures.extend(signatures)
        self._looked_at.extend(looked_at)
        self._cuts = Cuts(signatures)
        self._tracker = Tracker.resumed(
            recogniser.metric,
            recogniser.tolerance,
            tracks,
            np.array(looked_at, np.int64),
            recent.frame,
            recent.box,
            recent.embedding,
            recent.track,
        )

    @property
    def state(self) -> str:
        """All that another linker needs to go on from here, besides the faces."""
        return json.dumps(
            {
                "signatures": [
                    base64.b64encode(each.tobytes()).decode("ascii") for each in self._signatures
                ],
                "looked_at": list(self._looked_at),
                "shot": self._shot,
                "tracks": self._tracker.next_track,
            }
        )

    def __call__(
        self, frames: Sequence[Frame], faces: Faces, signatures: Sequence[Signature]
    ) -> Faces:
        """The faces of the next frames, with shots and tracks.

        Args:
            frames: that were looked at, with and without faces.
            faces: of them all.
            signatures: of the frames.
        """
        shot, track = faces.shot.copy(), faces.track.copy()
        for frame, signature in zip(frames, signatures, strict=True):
            cut = self._begins_shot(frame.index, signature)
            rows = np.flatnonzero(faces.frame == frame.index)
            shot[rows] = self._shot
            track[rows] = self._tracker.add(
                frame.index, cut, faces.box[rows], faces.embedding[rows]
            )
        return replace(faces, shot=shot, track=track)

    def _begins_shot(self, frame: int, signature: Signature) -> bool:
        cut = self._cuts(signature) if self._follows else True
        cut = cut or self._shot < 0
        if cut:
            self._shot += 1
            self._looked_at.clear()
        self._signatures.append(signature)
        self._looked_at.append(frame)
        return cut


def frames_needed(state: str, path: Path) -> int:
    """The first frame whose faces ``Linker.resume`` needs.

    Raises:
        StoreError: the text is no state of a linker.
    """
    _, looked_at, _, _ = _parsed(state, path)
    return looked_at[0] if looked_at else 0


def _parsed(state: str, path: Path) -> tuple[list[Signature], list[int], int, int]:
    try:
        if len(state) > LONGEST_STATE_BYTES:
            raise ValueError("too long")
        content = json.loads(state)
        texts = [base64.b64decode(text, validate=True) for text in content["signatures"]]
        signatures = [np.frombuffer(text, np.uint8) for text in texts]
        looked_at, shot, tracks = content["looked_at"], content["shot"], content["tracks"]
        odd = [each for each in signatures if len(each) != SIGNATURE_LENGTH]
        numbers = [*looked_at, shot + 1, tracks]
        whole = all(type(each) is int and 0 <= each <= _MOST for each in numbers)
        if odd or not whole or looked_at != sorted(set(looked_at)):
            raise ValueError("no state")
        return signatures, looked_at, shot, tracks
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: choose another index, or remove it") from error
