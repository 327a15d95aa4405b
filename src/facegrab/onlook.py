"""Looking on: what somebody is shown of a run besides its progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from facegrab.people.judge import Asked
from facegrab.types import Faces, Frame


class Onlooker(Protocol):
    """Is shown what a run looks at and what it keeps, in the run's own time."""

    def ask(self, asked: Asked, folder: Path) -> None:
        """A run begins.

        Args:
            asked: who is asked for.
            folder: where extracts go.
        """

    def see(self, frames: Sequence[Frame], faces: Faces) -> None:
        """A batch was looked at. Its frames are gone afterwards, if nobody keeps them.

        Args:
            frames: at least one; looked at by another process, without pixels.
            faces: theirs, not yet on tracks.
        """

    def keep(self, files: Sequence[str]) -> None:
        """Extracts are in place.

        Args:
            files: their paths below the folder.
        """
