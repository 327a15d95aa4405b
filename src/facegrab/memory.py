"""Memory that is no longer needed: given back to the system, and looked for now and then."""

from __future__ import annotations

import atexit
import gc
from functools import cache
from typing import Any

COLLECT_OBJECTS = 100_000
"""New ones after which Python looks for rings among them, which is some MB."""

LARGE_BYTES = 8 * 2**20
"""More than a frame of 1080p. What is larger is the system's again as soon as it is free."""
PASSED_BYTES = 192 * 2**20
"""Of large frames, eight of 4K, after which what is free is given back: their faces, and frames
halved, are of the size that stays in the heaps. 150 s of 4K come to 814 MB that way, and to 831 if
it is given back every 20 seconds only (medians of five runs), for the same time."""
TRIM_BYTES = 2 * LARGE_BYTES
"""Free at the end of a heap, from which on it is given back: as glibc has it for such sizes."""

# Of mallopt (glibc, malloc.h).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def in_own_process() -> None:
    """Has this process look rarely for rings of objects, and give large memory back at once.

    For a process of our own only: what others do in theirs is their concern.
    """
    _collect_rarely()
    _return_large()


def _collect_rarely() -> None:
    """What a start loads stays. As Python comes it looks through all of that again and again, and
    once more at the end: a tenth of the processor time of a short run.
    """
    gc.set_threshold(COLLECT_OBJECTS, 10, 10)
    atexit.register(gc.freeze)


def _return_large() -> None:
    """Frames of 4K, of 25 MB, lie apart from all else, not in the C library's heaps (glibc).

    By itself it moves what is freed often, up to 32 MB, into its heaps, one for each thread, where
    holes stay: 30 s of 4K came to 874 MB that way and 300 s to 1056, this way to 806 and 831
    (bench: 4k). Smaller frames are where they were: apart, they took longer (measured).
    """
    library = _library()
    try:
        library.mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_TRIM_THRESHOLD, TRIM_BYTES)
    except AttributeError:  # another C library, or Windows
        return


class Passing:
    """Counts what passes through, and gives back what is free now and then if that is large."""

    def __init__(self) -> None:
        self._bytes = 0

    def count(self, size_bytes: int) -> None:
        """So much, in one piece, is about to be free."""
        if size_bytes > LARGE_BYTES:
            self._bytes += size_bytes
        if self._bytes >= PASSED_BYTES:
            self._bytes = 0
            give_back()


def give_back() -> None:
    """Gives what is free inside the C library's heaps back to the system, where it can (glibc).

    Frames come from the threads that decode and go from others, so heaps that nobody reads stay as
    large as they ever were, and a long film finds more ways to fill them than a short one: without
    this, every 20 seconds of video, the peak of 600 s of 1080p is 5 to 7 % above that of 60 s, and
    with it 20 MB lower. It takes 5 ms (both measured: bench, growth).
    """
    trim = _trim()
    if trim is not None:
        trim(0)


def _trim() -> Any:
    return getattr(_library(), "malloc_trim", None)


@cache
def _library() -> Any:
    """The C library; None where it is not asked for by this name (Windows)."""
    import ctypes  # not for who only imports this

    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
