"""Extracts that lie in a bucket only: in their places here stand files that say what they are.

All that goes for an extract's file, that it is whole or not there, moves and is removed, goes for
such a file, too; whoever sends the folder copies the extract in the bucket in its place.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from facegrab.address import STANDS_FOR
from facegrab.store.album import leads_inside

Stamp: TypeAlias = tuple[int, int]
"""By which a file is known to be the same: its size in bytes, and when it was changed, in
nanoseconds; of an extract that lies in a bucket the number that its digest is."""

PARTS = ".facegrab-parts"
"""Folder in a bucket of what workers cut out, until it is known whether it stays and where."""
_MOST_BYTES = 8192
"""Of such a file: a name has four parts of 255 bytes at most, which JSON may spell out as six each.
"""
_PART = re.compile(rf"{re.escape(PARTS)}/[0-9a-f]{{32}}/\d{{1,7}}\.(jpg|png)")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_LARGEST_BYTES = 2**40


@dataclass(frozen=True, slots=True)
class Away:
    """An extract that lies in a bucket.

    Attributes:
        place: its name there, below the folder, when this was written: a part's, or a file's.
        size_bytes: of it.
        digest: of its content, 32 hexadecimal digits; of one that was found there, of its name.
    """

    place: str
    size_bytes: int
    digest: str

    @classmethod
    def of(cls, place: str, content: bytes) -> Away:
        """One that is put there."""
        return cls(place, len(content), _digest(content))

    @classmethod
    def found(cls, name: str, size_bytes: int) -> Away:
        """One that is there already."""
        return cls(name, size_bytes, _digest(name.encode("utf-8", "surrogateescape")))

    @property
    def stamp(self) -> Stamp:
        """Of the extract, wherever it is moved."""
        return self.size_bytes, int(self.digest, 16)

    def is_of(self, content: bytes) -> bool:
        """Whether it is what was read from the bucket; of one that was found, all of its size."""
        digests = (_digest(content), _digest(self.place.encode("utf-8", "surrogateescape")))
        return len(content) == self.size_bytes and self.digest in digests

    @property
    def content(self) -> bytes:
        """What the file in its place holds."""
        return STANDS_FOR + json.dumps(asdict(self)).encode("ascii") + b"\n"


def part_name(attempt: str, number: int, suffix: str) -> str:
    """The name of a part.

    Args:
        attempt: to look at a segment, 32 hexadecimal digits.
        number: of the extract in it.
        suffix: of its name.
    """
    return f"{PARTS}/{attempt}/{number}{suffix}"


def away_of(path: Path, size_bytes: int) -> Away | None:
    """What a file stands for, which may come from anywhere; None if it is one itself.

    Args:
        path: of it; one that is gone or cannot be read stands for nothing.
        size_bytes: its size, by which nearly all others are known not to be.
    """
    if not len(STANDS_FOR) < size_bytes <= _MOST_BYTES:
        return None
    try:
        with path.open("rb") as file:
            if file.read(len(STANDS_FOR)) != STANDS_FOR:
                return None
            values = json.loads(file.read(_MOST_BYTES))
        away = Away(str(values["place"]), values["size_bytes"], str(values["digest"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    named = _PART.fullmatch(away.place) or leads_inside(away.place)
    sized = type(away.size_bytes) is int and 0 <= away.size_bytes < _LARGEST_BYTES
    return away if named and sized and _DIGEST.fullmatch(away.digest) else None


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
