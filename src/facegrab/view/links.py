"""Links from a page to files, and times in words."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from facegrab.address import Address

_IN_ADDRESSES = "/:?=&%+,;@~"
_NO_UTF8 = re.compile(r"\\udc([89a-f][0-9a-f])")


def link(path: Path, folder: Path) -> str:
    """A reference to a file, relative where it can be: only ASCII, nothing that a page obeys.

    Args:
        path: absolute; what ``as_text`` wrote for bytes that are no UTF-8 is understood.
        folder: absolute, of the page.
    """
    if isinstance(path, Address):
        return quote(str(path), safe=_IN_ADDRESSES)
    # Back to the bytes that the file's name has.
    path = Path(_NO_UTF8.sub(lambda found: chr(0xDC00 + int(found[1], 16)), str(path)))
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # on another drive
        return path.as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")


def at(seconds: float) -> str:
    """A media fragment: players open the file at that time (https://www.w3.org/TR/media-frags/)."""
    return f"#t={max(seconds, 0):.3f}".rstrip("0").rstrip(".")


def clock(seconds: float, *, tenths: bool = False) -> str:
    """``1:02:03``, ``2:03`` or ``2:03.4``."""
    units = round(abs(seconds) * 10) if tenths else round(abs(seconds)) * 10
    minutes, rest = divmod(units, 600)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if seconds < 0 and units else ""
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    tail = f".{rest % 10}" if tenths else ""
    return f"{sign}{head}:{rest // 10:02}{tail}"


def spell(seconds: float) -> str:
    """``1 h 2 min``, ``2 min 3 s`` or ``3.4 s``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"
