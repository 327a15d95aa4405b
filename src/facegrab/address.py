"""Addresses of what lies elsewhere, in the place of paths: ``s3://bucket/film.mp4``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    _Base: TypeAlias = Path
else:  # before Python 3.12 only the class that a path has on this system can be derived from
    _Base = type(Path())

_ADDRESS = re.compile(r"(s3|https?)://[^/]", re.IGNORECASE)

STANDS_FOR = b"FaceGrab: this image lies in the bucket only.\n"
"""Begins a file that is in the place of an image, see store/away.py."""

IN_BUCKET = "stands for an image that lies in a bucket only: name that, or fetch it from there"
"""What is said of such a file."""


class Address(_Base):
    """A path that begins with a scheme and a host or bucket; it is read by ``media.remote``.

    It is absolute, and what it is, it stays: names, messages and the index have it as it was given.
    No two separators follow each other behind the host.
    """

    __slots__ = ()

    def __str__(self) -> str:
        scheme, *rest = self.parts
        return f"{scheme}//{'/'.join(rest)}"

    def __fspath__(self) -> str:
        return str(self)

    @property
    def scheme(self) -> str:
        """``s3``, ``http`` or ``https``."""
        return self.parts[0].removesuffix(":")

    @property
    def name(self) -> str:
        """The last part; on the web without what is asked for behind a question mark."""
        if self.scheme == "s3":
            return self.parts[-1]
        return urlsplit(str(self)).path.rpartition("/")[2]

    def absolute(self) -> Address:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> Address:
        """Itself."""
        return self

    def is_absolute(self) -> bool:
        """It always is."""
        return True


def is_address(name: str) -> bool:
    """Whether a name is that of something elsewhere, which is read from there."""
    return _ADDRESS.match(name) is not None


def located(name: str) -> Path:
    """The path that a name is, or the address: what an index says, say."""
    if not is_address(name):
        return Path(name)
    scheme, rest = name.split("://", 1)
    return Address(f"{scheme.lower()}:", *rest.split("/"))
