"""``facegrab review``: a page on which somebody says who is who, and a folder that follows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from facegrab.address import located
from facegrab.options import FAILED, OK, Parser, normalised
from facegrab.telling import in_one_line, say, warnings_shown


def main(arguments: Sequence[str]) -> int:
    """Serves the page, or applies what was said on it.

    Args:
        arguments: those after ``review``.

    Returns:
        0, 1 on an error, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _review(_parser().parse_args(normalised(list(arguments)))))


def _review(options: argparse.Namespace) -> int:
    from facegrab.sending import work_folder

    with warnings_shown(), work_folder(options.folder, say) as folder:
        return _apply(folder, options) if options.apply else _serve(folder, options)


def _apply(folder: Path, options: argparse.Namespace) -> int:
    from facegrab.applying import apply
    from facegrab.review_desk import applied_lines
    from facegrab.view.report import renew_report

    done = apply(folder, device=options.device)
    renew_report(folder)
    for line in applied_lines(done.made, done.gone, done.there, done.failed):
        say(line)
    return FAILED if done.failed else OK


def _serve(folder: Path, options: argparse.Namespace) -> int:
    from facegrab.review_desk import ReviewDesk
    from facegrab.view.report import renew_report
    from facegrab.view.review_page import review_page

    desk = ReviewDesk(folder, lambda: renew_report(folder), options.device)
    for path in desk.unseen:
        say(f"not seen to its end, and left out: {path}")
    try:
        with review_page(desk, say, browser=not options.no_browser):
            while not desk.ended.wait(1):  # so that Ctrl-C is heard everywhere
                pass
    finally:
        applying = desk.applying()
        if applying and applying.running:
            say("the folder is still being brought up to date: that is finished first")
        desk.close()
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab review",
        description="Opens a page, on this machine only, that asks about the tracks in doubt, "
        "those first from which most is learnt. Each answer is kept at once and everything is "
        "decided anew; the button Apply moves, makes or removes extracts to match. Ctrl-C or the "
        "button End ends it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder", type=located, metavar="FOLDER", help="that a run wrote, or s3://..."
    )
    parser.add_argument(
        "--apply",
        action="store_true",
        help="open no page: bring the extracts up to the answers given so far",
    )
    parser.add_argument(
        "--no_browser", action="store_true", help="open no browser, print the page's address only"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="that decodes (default cpu)"
    )
    return parser
