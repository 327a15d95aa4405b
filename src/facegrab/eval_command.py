"""``facegrab eval``: figures of models on the user's own labelled pictures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from facegrab.errors import SettingError
from facegrab.options import OK, Parser
from facegrab.settings import AUTO, DEVICES, PRECISIONS, RecognitionSettings
from facegrab.telling import Progress, in_one_line, say, warnings_shown

if TYPE_CHECKING:
    from facegrab.evaluate import Doubtful, Evaluation, Labelled
    from facegrab.models.compute import Compute
    from facegrab.models.specs import DetectorSpec, RecogniserSpec
    from facegrab.verification import At, Figures

    Models: TypeAlias = tuple[DetectorSpec, RecogniserSpec]

MOST_NAMED = 20
"""Pictures without a face that are named; of more only the number is told."""
FEW_PAIRS = 10
"""A rate that rests on fewer pairs is called rough."""
TOO_FEW = "too few pairs"


def main(arguments: Sequence[str]) -> int:
    """Prints the figures, and writes a plot or the figures for programs where that is asked for.

    Args:
        arguments: those after ``eval``.

    Returns:
        0, 1 on an error, which is said in one line, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _run(_parser().parse_args(arguments)))


@warnings_shown()
def _run(options: argparse.Namespace) -> int:
    # Imported here, so that --help answers at once.
    from facegrab.evaluate import labelled
    from facegrab.models.compute import choose
    from facegrab.verification import figures

    sets = _sets(options)
    _check_tolerance(options.tolerance, sets)
    pictures = labelled(options.folder)
    compute = choose(options.device, options.precision, by_itself=True)
    results = [_measured(each, pictures, compute) for each in sets]
    found = [
        figures(result.pairs, _tolerance(options, each))
        for each, result in zip(sets, results, strict=True)
    ]
    for line in _report(sets, results, found):
        say(line)
    if options.json:
        _write_json(options.json, options.folder, sets, results, found)
        say(f"the figures are in {options.json}")
    if options.plot:
        _draw(options.plot, sets, results, found)
        say(f"the curve is in {options.plot}: a browser shows it")
    return OK


def _sets(options: argparse.Namespace) -> list[Models]:
    """Every pack with every detector and every recogniser that was named, each set once."""
    from facegrab.models import packs

    named = (options.models, options.detector, options.recogniser)
    chosen = [packs.choose(*each) for each in product(*(names or [AUTO] for names in named))]
    return list({(each[0].key, each[1].key): each for each in chosen}.values())


def _check_tolerance(tolerance: float | None, sets: Sequence[Models]) -> None:
    if tolerance is None:
        return
    RecognitionSettings(tolerance=tolerance)
    if len({recogniser.metric for _, recogniser in sets}) > 1:
        raise SettingError(
            "one tolerance does not fit these recognisers, their distances differ: leave out -t"
        )


def _tolerance(options: argparse.Namespace, models: Models) -> float:
    return models[1].tolerance if options.tolerance is None else float(options.tolerance)


def _measured(models: Models, pictures: Sequence[Labelled], compute: Compute) -> Evaluation:
    from facegrab.evaluate import compare, describe
    from facegrab.vision.eyes import open_eyes
    from facegrab.vision.feed import Wanted
    from facegrab.vision.look import Look

    # As a run has it by default.
    eyes = open_eyes(*models, compute, mesh=False)
    progress = Progress(_name(models))
    try:
        return compare(describe(pictures, Look(eyes, Wanted()), progress))
    finally:
        progress.end()


def _name(models: Models) -> str:
    return f"{models[0].name} + {models[1].name}"


def _report(
    sets: Sequence[Models], results: Sequence[Evaluation], found: Sequence[Figures]
) -> Iterator[str]:
    """All of it in words."""
    first, pairs = results[0], found[0]
    yield (
        f"{first.people} people, {first.pictures} pictures: {pairs.same_pairs} pairs of one person "
        f"(true pairs), {pairs.different_pairs} of two (strangers)"
    )
    yield ""
    yield from _table(
        ["", *map(_name, sets)],
        [_rows(pairs), *(_column(*each) for each in zip(results, found, strict=True))],
    )
    yield ""
    yield "accuracy: at the best tolerance for these pictures, both kinds of pairs weighed alike"
    if pairs.different_pairs / 1000 < FEW_PAIRS:
        yield f"1 stranger in 1000 is {pairs.different_pairs / 1000:.1f} pairs here: a rough figure"
    for models, result, each in zip(sets, results, found, strict=True):
        yield ""
        yield f"{_name(models)}:"
        yield from _remarks(result, each)


def _rows(found: Figures) -> list[str]:
    """What the cells of a column are."""
    rows = ["pictures without a face", "accuracy", "  at tolerance", "equal error rate"]
    for rate in found.at_rate:
        rows += [f"1 stranger in {1 / rate:.0f} accepted: true pairs accepted", "  at tolerance"]
    return [*rows, "a run's tolerance", "  true pairs accepted", "  strangers accepted"]


def _column(result: Evaluation, found: Figures) -> list[str]:
    cells = [
        f"{len(result.missed)}",
        _percent(found.accuracy),
        f"{found.best_tolerance:.3f}",
        _percent(found.equal_error_rate),
    ]
    for at in found.at_rate.values():
        if at is None:
            cells += [TOO_FEW, ""]
        else:
            cells += [_percent(at.true_accept_rate), _floored(at)]
    used = found.used
    return [
        *cells,
        f"{used.tolerance:g}",
        _percent(used.true_accept_rate),
        f"{100 * used.false_accept_rate:.2f} %",
    ]


def _remarks(result: Evaluation, found: Figures) -> Iterator[str]:
    """What to do about it, and which pictures to look at."""
    rate, strict = min(found.at_rate.items())
    if strict is not None:
        many = f"{1 / rate:.0f}"
        yield f"  -t {_floored(strict)} would accept about 1 stranger in {many} of such pictures"
    for doubtful in result.nearest_strangers[:1]:
        yield f"  the most alike of two people: {_both(doubtful)}"
    for doubtful in result.farthest_same[:1]:
        yield f"  the least alike of one person: {_both(doubtful)}"
    for path in result.missed[:MOST_NAMED]:
        yield f"  no face found in {path}"
    if len(result.missed) > MOST_NAMED:
        yield f"  and in {len(result.missed) - MOST_NAMED} more"


def _both(doubtful: Doubtful) -> str:
    return f"{doubtful.first} and {doubtful.second}, {doubtful.distance:.3f} apart"


def _floored(at: At) -> str:
    """Rounded down: rounded up it might let in one stranger more."""
    return f"{floor(at.tolerance * 1000) / 1000:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(heads: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, figures to the right."""
    full = [[head, *column] for head, column in zip(heads, columns, strict=True)]
    widths = [max(map(len, column)) for column in full]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in zip(*full, strict=True)
    ]


def _write_json(
    path: Path,
    folder: Path,
    sets: Sequence[Models],
    results: Sequence[Evaluation],
    found: Sequence[Figures],
) -> None:
    from facegrab.store.files import as_text, atomic

    def doubts(pairs: Sequence[Doubtful]) -> list[dict[str, Any]]:
        return [
            {"pictures": [as_text(p.first), as_text(p.second)], "distance": p.distance}
            for p in pairs
        ]

    content = {
        "folder": as_text(folder),
        "people": results[0].people,
        "pictures": results[0].pictures,
        "unreadable": [as_text(path) for path in results[0].unreadable],
        "models": [
            {
                "detector": detector.key,
                "recogniser": recogniser.key,
                "metric": recogniser.metric,
                "missed": [as_text(path) for path in result.missed],
                **asdict(each),
                "nearest_strangers": doubts(result.nearest_strangers),
                "farthest_same": doubts(result.farthest_same),
            }
            for (detector, recogniser), result, each in zip(sets, results, found, strict=True)
        ],
    }
    with atomic(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _draw(
    path: Path, sets: Sequence[Models], results: Sequence[Evaluation], found: Sequence[Figures]
) -> None:
    from facegrab.roc import Curve, write_roc

    write_roc(
        path,
        [
            Curve(_name(models), result.pairs, each.used.tolerance)
            for models, result, each in zip(sets, results, found, strict=True)
        ],
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab eval",
        description="Measures how well models tell apart the people in your own pictures. Every "
        "picture's largest face is compared with every other's. A picture without a face counts "
        "as not recognised.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="with a sub-folder of pictures for each person"
    )
    for name in ("--models", "--detector", "--recogniser"):
        parser.add_argument(
            name, action="append", metavar="NAME", help="as in a run; give it again to compare"
        )
    parser.add_argument(
        "-t",
        "--tolerance",
        type=float,
        help="that a run would have (default: the recogniser's own)",
    )
    parser.add_argument("--device", choices=DEVICES, default=DEVICES[0])
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=AUTO,
        help="of the networks (default %(default)s: as in a run)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for programs")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.svg",
        help="draw accepted true pairs over accepted strangers (ROC)",
    )
    return parser
