"""Processors of this machine."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may use, which can be fewer than there are."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
