"""``facegrab pick``: the best extracts of a folder, unlike each other."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from facegrab.address import located
from facegrab.options import OK, Parser, normalised, whole
from facegrab.settings import BEST, best_count
from facegrab.telling import Progress, in_one_line, say

if TYPE_CHECKING:
    from facegrab.picking import Picked

DEFAULT = 50
MOST_NAMED = 3
"""Files that a line names."""


def main(arguments: Sequence[str]) -> int:
    """Picks the best extracts, and says what came of it.

    Args:
        arguments: those after ``pick``.

    Returns:
        0, 1 on an error, which is said in one line, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _run(_parser().parse_args(normalised(arguments))))


def _run(options: argparse.Namespace) -> int:
    count = best_count("-n", options.number)
    # Imported here, so that --help and a wrong value answer at once.
    from facegrab.picking import pick
    from facegrab.sending import work_folder
    from facegrab.view.report import renew_report

    progress = Progress("picking")
    with work_folder(options.folder, say) as folder:
        try:
            picked = pick(folder, count, progress)
        finally:
            progress.end()
        for line in picked_lines(picked):
            say(line)
        renew_report(folder)
    return OK


def picked_lines(picked: Sequence[Picked]) -> Iterator[str]:
    """What was picked, in words."""
    for each in picked:
        who = f"{each.person}: " if each.person else ""
        yield f"{who}{each.count} of {_number(each.extracts, 'extract')} picked{_fewer(each)}"
        if each.unreadable:
            names = ", ".join(each.unreadable[:MOST_NAMED])
            more = len(each.unreadable) - MOST_NAMED
            yield f"{who}left out, no images: {names}" + (f" and {more} more" if more > 0 else "")
        if each.gone:
            yield f"{who}left out: {_number(each.gone, 'extract')} no longer in the folder"
    if any(each.count for each in picked):
        # All lie in one folder, or in one each below it.
        first = next(each for each in picked if each.count)
        folder = first.folder.parent if first.person else first.folder
        yield f"look at {folder}: best.jpg shows them, before.jpg as many at random, best.csv why"


def _fewer(each: Picked) -> str:
    """Why there are fewer than were asked for."""
    if each.count == each.asked:
        return ""
    why = []
    if each.poor:
        why.append(f"{each.poor} too small, blurred, dark or covered")
    if each.left:
        why.append(f"{each.left} too like those picked")
    return f", {each.asked} asked for: " + (", ".join(why) or "there are no more")


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab pick",
        description="Copies the best extracts of each person into the folder best of FOLDER: "
        "sharp, large, well lit, with nothing before the face, unlike each other, spread over "
        "turns of the head, shots and videos. The folder best is made anew each time.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder", type=located, metavar="FOLDER", help="that a run wrote, or s3://..."
    )
    parser.add_argument(
        "-n",
        "--number",
        type=whole,
        default=DEFAULT,
        metavar=f"{BEST[0]}-{BEST[1]}",
        help="how many of each person, at most (default %(default)s)",
    )
    return parser
