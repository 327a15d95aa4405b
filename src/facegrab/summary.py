"""What a run tells: its plan, its progress, its result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Protocol

OTHER_PERSON = "other person"
"""Reason for not writing a face: it is farther from the references than the tolerance."""
BLURRED = "blurred"
"""Reason for not writing a face: its extract is less sharp than the blur threshold."""
ENLARGED = "enlarged"
"""Reason for not writing a face: each of its extracts would enlarge it, and upsample is off."""
NO_POSE = "no pose"
"""Reason for not writing a face: its points say nothing of how it is turned."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done with one source.

    Attributes:
        source: path of the video or picture folder.
        width: of its (first) frame in pixels.
        height: of its (first) frame in pixels.
        frame_count: frames in it as the file says, or None.
        every: one frame in so many is looked at.
        smallest_face_px: side of the smallest face that will be found, in source pixels.
        fed_width: width of the image that the detector sees, in pixels.
        fed_height: height of it.
        known: it is in the index already: nothing of it is looked at again.
    """

    source: Path
    width: int
    height: int
    frame_count: int | None
    every: int
    smallest_face_px: int
    fed_width: int
    fed_height: int
    known: bool = False


@dataclass(frozen=True, slots=True)
class Stranger:
    """The face of somebody else that is nearest to a person asked for.

    Attributes:
        distance: from the references.
        source: path of the video or picture folder.
        pts_seconds: when.
        faces: of the same track.
    """

    distance: float
    source: Path
    pts_seconds: float
    faces: int


@dataclass(slots=True)
class Summary:
    """What was done.

    Attributes:
        frames_read: frames gone past, those that were skipped too.
        frames_known: of these, those that the index knew, which were not read again.
        sources_known: sources of which the index knew all.
        frames_looked_at: frames searched for faces.
        frames_damaged: frames that could not be decoded and were passed over.
        faces_found: faces seen.
        faces_matched: faces of the person asked for.
        faces_by_track: of these, those that count only because their tracks do.
        faces_written: faces of which at least one extract was written.
        written_of: the same by the person's name, "" where one person is asked for.
        unsure: faces of which an extract was written apart, for somebody to look at: "ask" where
            it is uncertain whether it is a person asked for, "ambiguous" where it is which.
        probably_wrong: of the faces written so many are probably somebody else's; NaN where the
            tolerance decided.
        probably_missed: of all others so many are probably of a person asked for; likewise.
        stranger: the nearest face of somebody else.
        extracts_enlarged: extracts written in which the face is larger than in its source.
        dropped: faces that were not written, by reason.
        seconds: time spent, by stage, and in "all"; stages overlap.
        computed: device, runtime and precision of the networks.
        licences: of the weights that were used, a line each.
        warnings: one line each.
        failed: (path, why) of each source that could not be read.
        interrupted: stopped by Ctrl-C; what was done until then is kept.
        shard: share that was looked at, and nothing is answered yet; empty: all.
    """

    frames_read: int = 0
    frames_known: int = 0
    sources_known: int = 0
    frames_looked_at: int = 0
    frames_damaged: int = 0
    faces_found: int = 0
    faces_matched: int = 0
    faces_by_track: int = 0
    faces_written: int = 0
    written_of: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    probably_wrong: float = 0.0
    probably_missed: float = 0.0
    stranger: Stranger | None = None
    extracts_enlarged: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    computed: str = ""
    licences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    interrupted: bool = False
    shard: str = ""

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Adds to a stage's time."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def add(self, other: Summary) -> None:
        """Adds what was done besides."""
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(ours, dict):
                ours.update({name: ours.get(name, 0) + theirs[name] for name in theirs})
            elif ours is None or isinstance(ours, (bool, str, Stranger)):
                setattr(self, each.name, ours or theirs)
            else:
                setattr(self, each.name, ours + theirs)

    def not_read(self) -> list[str]:
        """A line for each source that could not be read; it names the source."""
        return [
            f"not read: {why if str(path) in why else f'{path}: {why}'}"
            for path, why in self.failed
        ]


class Watcher(Protocol):
    """Is told how a run goes."""

    def begin(self, plan: Plan) -> None:
        """A source has been opened."""

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        """A batch of it is committed; the figures are those of this source so far."""

    def end(self) -> None:
        """The source is done, or could not be finished."""


class Nobody:
    """Watches nothing."""

    def begin(self, plan: Plan) -> None: ...

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None: ...

    def end(self) -> None: ...
