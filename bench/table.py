"""What a measurement says, and the table of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OK, MISSED, INFORMATION = "ok", "MISSED", ""
_HEADS = ("work", "ours", "peer", "ratio", "required", "")


class UnmeasurableError(Exception):
    """Something that a row needs is missing; the message names it and the way out."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """A ratio that is not to be exceeded.

    Attributes:
        ratio: the requirement.
        goal: what is aimed at, beyond it.
    """

    ratio: float
    goal: float | None = None

    def __str__(self) -> str:
        goal = "" if self.goal is None else f" (goal {self.goal:g}x)"
        return f"<= {self.ratio:g}x{goal}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        work: what was measured.
        ours: FaceGrab's figure, with its unit.
        peer: what it is compared with, with its unit; empty if with nothing.
        ratio: of the two, as the requirement counts it.
        required: the figure to reach; empty if the row only informs.
        met: whether it is reached; None if nothing is required.
        values: the bare numbers, for ``--json``.
        quick: from a smoke run, so that it proves nothing.
    """

    work: str
    ours: str
    peer: str = ""
    ratio: str = ""
    required: str = ""
    met: bool | None = None
    values: dict[str, Any] = field(default_factory=dict)
    quick: bool = False

    @property
    def verdict(self) -> str:
        """ok, MISSED or nothing; and whether the run was a quick one."""
        verdict = INFORMATION if self.met is None else OK if self.met else MISSED
        return f"{verdict} (quick)".strip() if self.quick else verdict


def failed(work: str, why: str) -> Row:
    """The row of something that could not be measured."""
    return Row(work, "not measured", why, required="measured", met=False)


def unmeasured(work: str, need: Callable[[], object]) -> Iterator[Row]:
    """A failed row where what the work needs is missing, or none."""
    try:
        need()
    except UnmeasurableError as error:
        yield failed(work, str(error))


def rendered(rows: Sequence[Row]) -> str:
    """The table as text."""
    cells = [_HEADS, *((r.work, r.ours, r.peer, r.ratio, r.required, r.verdict) for r in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def write_json(path: Path, machine: dict[str, str], rows: Sequence[Row]) -> None:
    """The table for programs."""
    content = {"machine": machine, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
