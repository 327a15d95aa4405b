"""``facegrab scan``: every face of videos and pictures into an index, and no picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from facegrab.options import FAILED, INTERRUPTED, OK, Parser, add_run_options, normalised
from facegrab.settings import ProcessSettings
from facegrab.telling import in_one_line

RUN_OPTIONS = (
    "skip_frames",
    "scale",
    "min_face",
    "max_face",
    "extract_size",
    "batch_size",
    "full_scan",
    "device",
    "precision",
    "threads",
    "jobs",
    "engine",
    "address",
    "shard",
    "models",
    "detector",
    "recogniser",
    "licence",
)
"""Those of a run on which it depends what is seen, or how fast."""


def main(arguments: Sequence[str]) -> int:
    """Scans.

    Args:
        arguments: those after ``scan``.

    Returns:
        0, 1 on an error, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _scan(_parser().parse_args(normalised(list(arguments)))))


def _scan(options: argparse.Namespace) -> int:
    process = ProcessSettings(**{name: getattr(options, name) for name in RUN_OPTIONS})
    # Imported here, so that --help and a wrong value answer at once.
    from facegrab.console import Screen
    from facegrab.early import Early
    from facegrab.media.source import find_sources

    with Screen() as screen:
        sources = find_sources(options.input)
        screen.expect(
            len(sources), {source.path for source in sources if source.images}, asking=False
        )
        with Early(sources[0], process, Path(options.index)) as early:
            # All else is loaded while the first film is decoded.
            from facegrab.cataloguing import scan_into

            summary = scan_into(options.index, options.input, process, watcher=screen, early=early)
        screen.say_scanned(summary, options.index)
    if summary.interrupted:
        return INTERRUPTED
    return FAILED if summary.failed else OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab scan",
        description="Writes every face of videos and pictures into an index, and no picture: what "
        "is scanned once answers any number of questions (facegrab -r ... --index FILE).",
        epilog="The index holds biometric data: facegrab index shows and removes what is in it.",
        allow_abbrev=False,
    )
    paths = parser.add_argument_group("what and where")
    paths.add_argument(
        "-i",
        "--input",
        nargs="+",
        action="extend",
        required=True,
        metavar="PATH",
        help="where to look, as in a run",
    )
    paths.add_argument(
        "--index",
        required=True,
        metavar="FILE",
        help="the index; made if missing. What it holds already is not looked at again",
    )
    add_run_options(parser, RUN_OPTIONS)
    return parser
