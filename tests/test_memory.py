"""Memory that is no longer needed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FREED = """
import numpy as np
from facegrab.memory import in_own_process

def kept_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024

in_own_process()
before, small = kept_mb(), []
for _ in range(4):  # the C library learns what is freed often
    large = []
    for _ in range(8):
        large.append(np.ones(12 * 2**20, np.uint8))
        small.append(np.ones(2**16, np.uint8))  # lies behind it, if it lies in a heap
    del large
print(kept_mb() - before)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="it is glibc that is told"
)
def test_what_frames_of_4k_leave_is_given_back_at_once() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FREED], check=True, capture_output=True, text=True, timeout=60
    )
    assert float(run.stdout) < 12
