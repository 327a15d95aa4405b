"""What the review's pages show, as plain values, and what they ask of whoever has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

PER_PAGE = 60
"""Tracks of a list on one page."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A face of a track.

    Attributes:
        number: of it in its track, by which it is asked for.
        time: in its source, in words.
    """

    number: int
    time: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A track.

    Attributes:
        key: that names it.
        source: name of the video or the folder of pictures.
        start: time of its first face, in words.
        end: of its last.
        faces: how many.
        person: whose it most probably is; "" also where only one is asked for.
        percent: how probably; None where that is not asked.
        state: what becomes of it, in words.
        told: somebody has said so.
        pictures: some of its faces, or all.
    """

    key: str
    source: str
    start: str
    end: str
    faces: int
    person: str
    percent: int | None
    state: str
    told: bool
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How far the review is.

    Attributes:
        answers: given.
        doubtful: tracks that are still asked about.
        kept: tracks that are somebody's.
        tracks: in all.
    """

    answers: int
    doubtful: int
    kept: int
    tracks: int


@dataclass(frozen=True, slots=True)
class Grouped:
    """People whom nobody has named.

    Attributes:
        faces: how many.
        tracks: the keys of all that are theirs.
        shown: some of them.
    """

    faces: int
    tracks: tuple[str, ...]
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Applying:
    """How far the folder is changed.

    Attributes:
        running: it is not done.
        lines: what there is to tell.
    """

    running: bool
    lines: tuple[str, ...]


class Desk(Protocol):
    """A folder under review, as the pages ask for it. Any call may raise a FaceGrabError."""

    @property
    def title(self) -> str:
        """Of the folder."""

    @property
    def people(self) -> Sequence[str]:
        """Names of all who are asked for; of one without a name ""."""

    def counts(self) -> Counts:
        """How far the review is."""

    def next(self) -> Shown | None:
        """The track to be asked about; None: nothing is in doubt."""

    def surest(self, person: str) -> tuple[tuple[str, Picture], ...]:
        """Keys of tracks that are surely a person's, to compare with, and a face of each."""

    def track(self, key: str) -> Shown:
        """A track with all of its faces, up to a bound."""

    def listed(self, state: str, page: int) -> tuple[tuple[Shown, ...], int]:
        """Tracks of a state, those of one page, and the number of pages."""

    def groups(self) -> tuple[Grouped, ...]:
        """Of those who are nobody's, the largest first."""

    def say(self, said: str, person: str, keys: Sequence[str], since: int | None) -> int:
        """Keeps an answer; gives its number. ``since``: of one track, only faces from there on."""

    def undo(self, mine: Sequence[int]) -> int | None:
        """Takes the last of these answers back, or of all; which."""

    def face(self, key: str, number: int) -> tuple[bytes, str] | None:
        """An image of a face, and its media type; None: it cannot be had."""

    def frame(self, key: str, number: int) -> bytes | None:
        """The whole frame as JPEG, the face marked; None: it cannot be had."""

    def apply(self) -> None:
        """Begins to change the folder, unless that is going on."""

    def applying(self) -> Applying | None:
        """How far that is; None: it was not begun."""

    def end(self) -> None:
        """The user has done with it."""
