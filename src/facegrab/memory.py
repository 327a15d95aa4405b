"""Memory that was freed, back to the system."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


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


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return None
