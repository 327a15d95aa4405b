"""What a scan sees of a clip, as arrays: faces, tracks, the frames looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegrab.media import open_source
from facegrab.media.source import find_sources
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.people.track import Tracker
from facegrab.scan import Scanned, scan_as
from facegrab.settings import ProcessSettings
from facegrab.types import Faces, FloatArray, Image, IntArray
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look
from facegrab.vision.shots import Cuts, signature

JITTER = 5


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Faces of a clip and their tracks.

    Attributes:
        faces: all of them.
        track: int64 (N,).
        looked_at: numbers of the frames looked at.
        cuts: those of them at which a new shot was seen to begin.
    """

    faces: Faces
    track: IntArray
    looked_at: tuple[int, ...]
    cuts: tuple[int, ...]


class Looker:
    """The networks of a choice of models, and what they see.

    Args:
        min_face: side of the smallest face, in pixels.
        recogniser: see ProcessSettings.
    """

    def __init__(self, min_face: int, recogniser: str = "auto") -> None:
        detector, spec = packs.choose("auto", "mtcnn", recogniser)
        self.spec = spec
        self._min_face = min_face
        eyes = open_eyes(detector, spec, choose(by_itself=True))
        self._look = Look(eyes, Wanted(min_face=min_face))

    def reference(self, images: Sequence[Image]) -> FloatArray:
        """Embeddings of the largest face of each, float32 (N, D)."""
        return np.concatenate([self._look.reference(image, JITTER)[0] for image in images])

    def see(self, clip: Path, skip_frames: int) -> Seen:
        """Looks at a clip as a run with these settings does."""
        tracker, cuts = Tracker(self.spec.metric, self.spec.tolerance), Cuts()
        looked_at, new = [], []
        faces, tracks = [Faces.empty(self.spec.length)], [np.empty(0, np.int64)]
        for scanned in self._scan(clip, skip_frames):
            faces.append(scanned.faces)
            for frame in scanned.frames:
                rows = np.flatnonzero(scanned.faces.frame == frame.index)
                cut = cuts(signature(frame.image))
                box, embedding = scanned.faces.box[rows], scanned.faces.embedding[rows]
                tracks.append(tracker.add(frame.index, cut, box, embedding))
                looked_at.append(frame.index)
                new += [frame.index] * cut
        every = Faces.concatenate(faces)
        return Seen(every, np.concatenate(tracks), tuple(looked_at), tuple(new))

    def _scan(self, clip: Path, skip_frames: int) -> Iterator[Scanned]:
        settings = ProcessSettings(skip_frames=skip_frames, min_face=self._min_face)
        (source,) = find_sources([str(clip)])
        with open_source(source, skip_frames + 1, settings.device) as reader:
            yield from scan_as(iter(reader), self._look, settings, pictures=False)
