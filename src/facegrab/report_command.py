"""``facegrab report``: the page about what a run wrote, made anew."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from facegrab.address import Address, located
from facegrab.errors import SettingError
from facegrab.options import OK, Parser
from facegrab.telling import in_one_line, say


def main(arguments: Sequence[str]) -> int:
    """Writes the report.

    Args:
        arguments: those after ``report``.

    Returns:
        0, 1 on an error, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _write(_parser().parse_args(list(arguments))))


def _write(options: argparse.Namespace) -> int:
    if isinstance(options.folder, Address) and options.output and not options.embed:
        raise SettingError(
            f"extracts of {options.folder} stay there, where {options.output} could not show them: "
            "add --embed, or leave -o out"
        )
    from facegrab.sending import work_folder
    from facegrab.view.report import write_report

    with work_folder(options.folder, say) as folder:
        written = write_report(folder, options.output, embed=options.embed)
    extracts = f"{written.extracts} extract" + ("" if written.extracts == 1 else "s")
    pages = f" on {written.pages} pages" if written.pages > 1 else ""
    say(f"{written.path}: {extracts}{pages}")
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab report",
        description="Writes the page about what a run found, as the run itself does at its end: "
        "who is on screen when, all extracts, what was dropped and why, how it was computed.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder", type=located, metavar="FOLDER", help="that a run wrote, or s3://..."
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the page (default index.html in the folder)",
    )
    parser.add_argument(
        "--embed",
        action="store_true",
        help="one page with small copies of all extracts in it, to be passed on",
    )
    return parser
