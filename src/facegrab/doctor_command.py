"""``facegrab doctor``: what this machine has, what a run would use, how fast it is."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from facegrab.doctor import words
from facegrab.doctor.examine import examine, measure
from facegrab.doctor.facts import Report
from facegrab.options import FAILED, OK, Parser, add_run_options, normalised
from facegrab.settings import ProcessSettings
from facegrab.telling import in_one_line

RUN_OPTIONS = (
    "skip_frames",
    "scale",
    "min_face",
    "max_face",
    "extract_size",
    "batch_size",
    "device",
    "precision",
    "threads",
    "models",
    "detector",
    "recogniser",
    "licence",
)
"""Those of a run that its speed depends on, or what it would use."""

MEASURING = "measuring, some 8 seconds; longer the first time"
DIGITS = 4
"""Of what was measured, in JSON."""

_OUTPUTS = (1, 2)


def main(arguments: Sequence[str]) -> int:
    """Prints the report.

    Args:
        arguments: those after ``doctor``.

    Returns:
        0, 1 if no run can work or the arguments are wrong, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _run(_parser().parse_args(normalised(list(arguments)))))


def _run(options: argparse.Namespace) -> int:
    process = ProcessSettings(**{name: getattr(options, name) for name in RUN_OPTIONS})
    return OK if _reported(options, process).works else FAILED


def _reported(options: argparse.Namespace, process: ProcessSettings) -> Report:
    inputs = [*options.inputs, *(options.input or ())]
    with _quiet():
        report = examine(process, alone=not inputs)
    if not options.json:
        _say(words.examination(report))
    if inputs:
        with _progress(), _quiet():
            report = measure(report, inputs, process)
    if options.json:
        print(json.dumps(_rounded(asdict(report)), indent=2))
        return report
    if report.estimate is not None:
        _say(words.estimate(report.estimate))
    _say(words.verdict(report))
    return report


def _rounded(value: Any) -> Any:
    """The same with so many digits of every measured number as there is sense in."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value


def _say(lines: Iterable[str]) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


@contextmanager
def _progress() -> Iterator[None]:
    """Says in a terminal that it takes a while."""
    shown = sys.stderr.isatty()
    if shown:
        print(f"\n{MEASURING}", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print("\r\x1b[K\x1b[A", end="", file=sys.stderr, flush=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Meanwhile what libraries say past Python goes nowhere, and neither do their warnings."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings(), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path
        warnings.simplefilter("ignore")
        kept = [(output, os.dup(output)) for output in _OUTPUTS]
        try:
            for output, _ in kept:
                os.dup2(nowhere.fileno(), output)
            yield
        finally:
            for output, copy in kept:
                os.dup2(copy, output)
                os.close(copy)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab doctor",
        description="Shows what this machine has, what a run would use, and what is wrong; for an "
        "input it measures for some seconds how fast a run would be, and writes nothing.",
        epilog="The exit code is 1 if no run can work.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="what -i of a run takes, to be measured"
    )
    parser.add_argument(
        "-i", "--input", nargs="+", action="extend", metavar="INPUT", help="the same"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_run_options(parser, RUN_OPTIONS)
    return parser
