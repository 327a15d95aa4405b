"""The command line of `facegrab models`: arguments to library, and what it says to words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from facegrab.errors import SettingError, WeightsError
from facegrab.models import download, folder, install, listing, packs, registry
from facegrab.models.listing import Row
from facegrab.models.own import Told
from facegrab.models.packfile import DETECTOR, RECOGNISER, Spec, role_of
from facegrab.models.specs import RecogniserSpec, Triple
from facegrab.options import OK, Parser
from facegrab.telling import in_one_line

ROLES = (DETECTOR, RECOGNISER)
KINDS = ("yunet", "scrfd", "ultraface", "retinaface", "arcface")
PROGRESS_STEP = 0.1
"""A line each tenth of a download."""

LONGEST_SECONDS = 7 * 24 * 3600

COMMAND = "facegrab models"

Cells: TypeAlias = tuple[str, str, str, str, str, str]
HEAD: Cells = ("", "name", "what", "licence", "commercial", "state")


def main(arguments: Sequence[str]) -> int:
    """Runs `facegrab models` with what follows it.

    Args:
        arguments: without ``facegrab models``.

    Returns:
        0, 1 on an error, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _run(_parser().parse_args([_dashed(each) for each in arguments])))


def _run(options: argparse.Namespace) -> int:
    options.run(options)
    return OK


def _say(line: str) -> None:
    """Prints a line, with backslashes for what the terminal cannot show."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _dashed(argument: str) -> str:
    """Long options take _ as well as -."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab models",
        description="Models that find faces and tell them apart: what there is, what is installed.",
        allow_abbrev=False,
    )
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    _add_list(add)
    _add_get(add)
    _add_add(add)
    _add_use(add)
    _add_remove(add)
    return parser


AddParser: TypeAlias = Callable[..., argparse.ArgumentParser]


def _add_list(add: AddParser) -> None:
    command = add("list", help="what there is", allow_abbrev=False)
    command.set_defaults(run=_list)


def _add_get(add: AddParser) -> None:
    command = add("get", help="download a known one", allow_abbrev=False)
    command.add_argument("name", metavar="NAME", help="of a model or pack")
    command.add_argument(
        "--accept-licence",
        "--accept-license",
        action="store_true",
        help="agree to terms that forbid commercial use",
    )
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=download.DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="for all of a download (default %(default)g)",
    )
    command.add_argument(
        "--sha256", default="", metavar="HEX", help="of the file, where it is not known"
    )
    command.add_argument(
        "--file", type=Path, metavar="FILE", help="take this instead of downloading it"
    )
    command.set_defaults(run=_get)


def _add_add(add: AddParser) -> None:
    command = add("add", help="install one of your own", allow_abbrev=False)
    command.add_argument("file", type=Path, metavar="FILE.onnx")
    command.add_argument("--name", help="what to call it (default: as the file)")
    command.add_argument("--kind", choices=KINDS, help="if it cannot be told from the file")
    command.add_argument("--licence", "--license", metavar="TEXT", help="on what terms it is used")
    command.add_argument("--source", metavar="TEXT", help="where it and its terms are published")
    command.add_argument("--commercial", action="store_true", help="the terms allow that")
    command.add_argument(
        "--tolerance",
        type=_number,
        help="distance up to which two faces are one person (recognisers; "
        f"default {registry.ARCFACE_TOLERANCE:g})",
    )
    for option, what in (("--mean", "subtracted"), ("--divisor", "divided by")):
        command.add_argument(
            option,
            type=_number,
            nargs="+",
            metavar="LEVEL",
            help=f"of colours 0 to 255, {what}: one number, or one a channel",
        )
    command.add_argument("--order", choices=("rgb", "bgr"), help="of the channels")
    command.set_defaults(run=_add)


def _add_use(add: AddParser) -> None:
    command = add("use", help="make one the default", allow_abbrev=False)
    command.add_argument("name", metavar="NAME", help="of a model or pack")
    command.add_argument(
        "--as", dest="role", choices=ROLES, help="only so, where one name stands for both"
    )
    command.set_defaults(run=_use)


def _add_remove(add: AddParser) -> None:
    command = add("remove", help="remove an installed one", allow_abbrev=False)
    command.add_argument("name", metavar="NAME", help="of a model or pack")
    command.set_defaults(run=_remove)


def _list(_: argparse.Namespace) -> None:
    rows, damaged = listing.listed()
    _say(f"models in {folder.models_folder()}; * is used where nothing else is asked for")
    for line in _table([HEAD, *map(_cells, rows)]):
        _say(line)
    for line in damaged:
        _say(f"warning: {line}")


def _cells(row: Row) -> Cells:
    commercial = {True: "yes", False: "no", None: listing.UNKNOWN}[row.commercial]
    return ("*" if row.default else "", row.name, row.what, row.licence, commercial, row.state)


def _table(rows: Sequence[Cells]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _get(options: argparse.Namespace) -> None:
    needed = install.missing(options.name)
    if not needed:
        _say(f"{options.name} is there already")
        return
    for spec in needed:
        _say(f"{spec.name}: {_terms(spec)}")
    before = _default_names()
    installed = install.get(
        options.name,
        accept_licence=options.accept_licence,
        sha256=options.sha256,
        file=options.file,
        timeout_seconds=options.timeout,
        progress=_ProgressLines(),
    )
    _say(f"installed {_listed(spec.name for spec in installed)} in {folder.models_folder()}")
    _say_new_defaults(before)
    if options.name in registry.PACKS:
        _say(f"use it with --models {options.name}, or always: {COMMAND} use {options.name}")
    for spec in installed if options.name not in registry.PACKS else ():
        if _default_names().get(role_of(spec)) != spec.name:
            _say(_how_to_use(spec))


def _add(options: argparse.Namespace) -> None:
    told = Told(
        name=options.name,
        kind=options.kind,
        licence=options.licence,
        source=options.source,
        commercial=options.commercial,
        tolerance=options.tolerance,
        order=options.order,
        mean=_triple("--mean", options.mean),
        divisor=_triple("--divisor", options.divisor),
    )
    before = _default_names()
    spec = install.add(options.file, told)
    _say(f"installed the {role_of(spec)} {spec.name} ({spec.kind}) in {folder.models_folder()}")
    _say(f"colours: {spec.pixels.order}, {_pixels_in_words(spec)}")
    if isinstance(spec, RecogniserSpec):
        _say(f"embedding: {spec.length} numbers, {spec.metric} distance up to {spec.tolerance:g}")
    _say(f"licence: {_terms(spec)}")
    if not (registry.is_known(spec.sha256) or options.mean or options.divisor):
        _say("no file tells how its colours are scaled: this is what its kind is trained with")
    _say_new_defaults(before)
    _say(_how_to_use(spec))


def _use(options: argparse.Namespace) -> None:
    choice = _choice(options.name, options.role)
    packs.use(choice)
    for role, name in choice.items():
        _say(f"{name} is the default {role} from now on")


def _choice(name: str, role: str | None) -> dict[str, str]:
    """Which model is chosen for which role by one name."""
    if name in registry.PACKS and role is None:
        return dict(zip(ROLES, registry.PACKS[name], strict=True))
    if role is not None:
        return {role: name}
    for each in ROLES:
        if name in registry.EMBEDDED[each]:
            return {each: name}
    if name in registry.KNOWN:
        return {role_of(registry.KNOWN[name]): name}
    if packs.is_installed(name):
        return {role_of(packs.installed(name)): name}
    raise WeightsError(f"there is no model or pack {name!r}: {COMMAND} list shows what there is")


def _remove(options: argparse.Namespace) -> None:
    before = _default_names()
    removed, kept = install.remove(options.name)
    for name, pack in kept.items():
        _say(f"kept {name}: the pack {pack} needs it")
    if removed:
        _say(f"removed {_listed(removed)}")
    _say_new_defaults(before)


def _default_names() -> dict[str, str]:
    return {role: packs.default_name(role) for role in ROLES}


def _say_new_defaults(before: dict[str, str]) -> None:
    for role, name in _default_names().items():
        if before[role] != name:
            back = f"; {COMMAND} use {before[role]} goes back" if _is_there(before[role]) else ""
            _say(f"{name} is the default {role} from now on{back}")


def _is_there(name: str) -> bool:
    embedded = any(name in registry.EMBEDDED[role] for role in ROLES)
    return embedded or packs.is_installed(name)


def _how_to_use(spec: Spec) -> str:
    return f"use it with --{role_of(spec)} {spec.name}, or always: {COMMAND} use {spec.name}"


def _terms(spec: Spec) -> str:
    allowed = "may be used commercially" if spec.licence.commercial else "no commercial use"
    return ", ".join(filter(None, (spec.licence.name, allowed, spec.licence.source)))


def _pixels_in_words(spec: Spec) -> str:
    mean, divisor = (
        " ".join(f"{each:g}" for each in dict.fromkeys(triple))
        for triple in (spec.pixels.mean, spec.pixels.divisor)
    )
    return f"less {mean}, divided by {divisor}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)


class _ProgressLines:
    """Says in a terminal how far a download is, a line each tenth."""

    def __init__(self) -> None:
        self._next = PROGRESS_STEP

    def __call__(self, received: int, expected: int | None) -> None:
        if not expected or not sys.stdout.isatty() or received / expected < self._next:
            return
        _say(f"{received / 1e6:.1f} of {expected / 1e6:.1f} MB")
        while self._next <= received / expected:
            self._next += PROGRESS_STEP


def _triple(option: str, values: Sequence[float] | None) -> Triple | None:
    if values is None:
        return None
    if len(values) not in (1, 3):
        raise SettingError(f"{option} takes one number, or one for each of three channels")
    first, second, third = values if len(values) == 3 else [*values] * 3
    return first, second, third


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0 and up to {LONGEST_SECONDS}")
    return seconds
