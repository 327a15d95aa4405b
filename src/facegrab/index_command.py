"""``facegrab index``: what an index holds; removing, tidying, exporting."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from facegrab import settings
from facegrab.errors import SettingError
from facegrab.options import FAILED, OK, Parser
from facegrab.telling import in_one_line

_BIOMETRIC = "it holds biometric data: whoever has it can recognise these people elsewhere"


def main(arguments: Sequence[str]) -> int:
    """Does what the arguments say.

    Args:
        arguments: those after ``index``.

    Returns:
        0, 1 on an error, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _run(_parser().parse_args(list(arguments))))


def _run(options: argparse.Namespace) -> int:
    run: Callable[[argparse.Namespace], int | None] = options.run
    return run(options) or OK


def _info(options: argparse.Namespace) -> None:
    from facegrab.indexing import info
    from facegrab.store.files import printable

    found = info(options.index)
    if options.json:
        print(json.dumps(found.to_json(), indent=2))
        return
    faces = sum(each.faces for each in found.sources)
    _say(
        f"{found.path}: {found.size_bytes / 1e6:.1f} MB, "
        f"{_number(len(found.sources), 'source')}, {_number(faces, 'face')}"
    )
    for each in found.sources:
        seconds = "" if each.seconds is None else f", {_clock(each.seconds)}"
        state = "" if each.complete else ", not finished"
        state += f", share {each.shard} of it" if each.shard else ""
        state += ", others forgotten" if each.forgotten else ""
        extracts = f", {_number(each.extracts, 'extract')}" if each.extracts else ""
        _say(
            f"{each.number:>4}  {each.path}{seconds}: {_number(each.faces, 'face')} in "
            f"{_number(each.tracks, 'track')}{extracts}{state}"
        )
        _say(
            f"      {each.frames_looked_at} of {_number(each.frames_read, 'frame')} looked at "
            f"(1 in {each.every}) for faces of {each.smallest_px:g} px and more; "
            f"detector {each.detector or 'unknown'}, recogniser {each.recogniser or 'unknown'}"
        )
        for line in each.warnings:
            _say(f"      warning: {printable(line)}")
    if faces:
        _say(_BIOMETRIC)


def _forget(options: argparse.Namespace) -> None:
    from facegrab.indexing import forget_sources

    if options.all_but:
        _forget_others(options)
        return
    if not options.source:
        raise SettingError("name what to forget: sources, or --all_but REFERENCE")
    for path in forget_sources(options.index, options.source):
        _say(f"forgotten: {path}")
    _renew_report(options.index)


def _forget_others(options: argparse.Namespace) -> None:
    from facegrab.choice import Opener, choice_of
    from facegrab.indexing import forget_others
    from facegrab.people.references import collect
    from facegrab.settings import ProcessSettings, RecognitionSettings

    if options.source:
        raise SettingError("forget sources, or all people --all_but some: one at a time")
    process = ProcessSettings(recogniser=options.recogniser)
    recognition = RecognitionSettings(tolerance=options.tolerance)
    choice = choice_of(recognition, process, None)
    look = Opener(choice, process, None)
    galleries = [
        collect([each], recognition.jitter, look, choice.recogniser, choice.tolerance)
        for each in options.all_but
    ]
    removed = forget_others(options.index, galleries, choice.tolerance)
    _say(f"forgotten: {_number(removed, 'face')} of other people")
    _renew_report(options.index)


def _renew_report(index: Path) -> None:
    """The report beside an index, which else would tell what is forgotten."""
    from facegrab.indexing import index_file
    from facegrab.view.report import renew_report

    renew_report(index_file(index).parent)


def _vacuum(options: argparse.Namespace) -> None:
    from facegrab.indexing import vacuum

    looks, size_bytes = vacuum(options.index)
    _say(
        f"{_number(looks, 'unfinished or outdated scan')} removed, {size_bytes / 1e6:.1f} MB freed"
    )


def _merge(options: argparse.Namespace) -> int:
    from facegrab.merging import merge

    merged = merge(options.index, options.output)
    for line in merged.warnings:
        _say(f"warning: {line}")
    known = f", {merged.known} of them before" if merged.known else ""
    _say(
        f"{merged.path}: {_number(merged.sources, 'source')}{known}, "
        f"{_number(merged.faces, 'face')}"
    )
    for line in merged.lacking:
        _say(f"not whole: {line}")
    if merged.lacking:
        _say(f"what there is of these waits in {merged.path}: merge the missing ones into it")
    for path in merged.broken:
        _say(f"not whole: {path} is damaged, and what follows is to be read by one machine")
    if merged.broken:
        _say(f"that goes on from there: facegrab scan -i ... --index {merged.path}")
    return FAILED if merged.lacking or merged.broken else OK


def _export(options: argparse.Namespace) -> None:
    from facegrab.indexing import index_file
    from facegrab.store.database import Database
    from facegrab.store.export import export

    with Database(index_file(options.index), alone=False) as database:
        written = export(database, options.file, embeddings=options.embeddings)
    _say(f"{written.path}: {_number(written.faces, 'face')}")
    if options.embeddings:
        _say(_BIOMETRIC)


def _say(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding))


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab index",
        description="Looks into an index, removes from it, and hands it to other programs. An "
        "index is the file of facegrab scan, or facegrab.db in the folder of a run; the folder's "
        "name will do.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    _add_info(commands)
    _add_forget(commands)
    vacuum = commands.add_parser(
        "vacuum",
        help="remove scans that were not finished or that a finer one covers; give space back",
    )
    vacuum.add_argument("index", type=Path, metavar="INDEX")
    vacuum.set_defaults(run=_vacuum)
    _add_merge(commands)
    _add_export(commands)
    return parser


def _add_info(commands: argparse._SubParsersAction[Parser]) -> None:
    info = commands.add_parser("info", help="what is in it")
    info.add_argument("index", type=Path, metavar="INDEX")
    info.add_argument("--json", action="store_true", help="for programs")
    info.set_defaults(run=_info)


def _add_forget(commands: argparse._SubParsersAction[Parser]) -> None:
    forget = commands.add_parser(
        "forget",
        help="remove sources, or all people but some",
        description="Removes sources, with their images where the index is an output folder's; or "
        "every face that is not one of some people's. What is removed is written over.",
    )
    forget.add_argument("index", type=Path, metavar="INDEX")
    forget.add_argument(
        "source", nargs="*", metavar="SOURCE", help="path, end of a path, or number as by info"
    )
    forget.add_argument(
        "--all_but",
        "--all-but",
        nargs="+",
        action="extend",
        metavar="REFERENCE",
        help="keep only these people's faces: each an image, a folder of images or an .npz of one",
    )
    forget.add_argument(
        "-t",
        "--tolerance",
        default=settings.AUTO,
        type=_tolerance,
        metavar="0.1-1|auto",
        help="distance that still counts as one of them (default auto)",
    )
    forget.add_argument(
        "--recogniser",
        default=settings.AUTO,
        metavar="NAME|FILE",
        help="that the index was made with",
    )
    forget.set_defaults(run=_forget)


def _add_merge(commands: argparse._SubParsersAction[Parser]) -> None:
    merge = commands.add_parser(
        "merge",
        help="put several indexes, or the shares of facegrab scan --shard, together",
        description="Puts indexes together: what each holds, and as one what several looked at in "
        "shares (--shard). The result is that of one run, row for row; the same call once more "
        "changes nothing.",
    )
    merge.add_argument("index", type=Path, nargs="+", metavar="INDEX")
    merge.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the result (default: the first one)"
    )
    merge.set_defaults(run=_merge)


def _add_export(commands: argparse._SubParsersAction[Parser]) -> None:
    export = commands.add_parser(
        "export",
        help="write the faces into a file for other programs",
        description="FILE.csv, FILE.jsonl or FILE.parquet (needs facegrab[parquet]): a table of "
        "all faces. FILE.json: the boxes of those that have an extract, as COCO.",
    )
    export.add_argument("index", type=Path, metavar="INDEX")
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument(
        "--embeddings",
        action="store_true",
        help="also the numbers by which people are recognised (.jsonl, .parquet)",
    )
    export.set_defaults(run=_export)


def _tolerance(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
