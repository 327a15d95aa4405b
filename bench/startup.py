"""What a user waits for before anything happens."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.measure import wall_of
from bench.media import Setup
from bench.table import Row

HELP_REQUIRED = 0.200


def startup(setup: Setup) -> Iterator[Row]:
    """``facegrab --help``, beside a Python that does nothing."""
    command = shutil.which("facegrab", path=str(Path(sys.executable).parent))
    program = [command] if command else [sys.executable, "-m", "facegrab"]
    bare, wall = [], []
    for _ in range(setup.rounds(15, 3)):
        bare.append(wall_of([sys.executable, "-c", ""]))
        wall.append(wall_of([*program, "--help"]))
    ours, python = median(wall), median(bare)
    yield Row(
        "facegrab --help",
        f"{ours * 1e3:.0f} ms",
        f"bare python {python * 1e3:.0f} ms",
        required=f"<= {HELP_REQUIRED * 1e3:.0f} ms",
        met=ours <= HELP_REQUIRED,
        values={"ours_s": ours, "python_s": python},
    )
