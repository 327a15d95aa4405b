"""The best extracts of a folder, copied: good ones, unlike each other, of all shots and videos."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegrab.address import located
from facegrab.again import OTHERS
from facegrab.appraisal import (
    LARGEST_BYTES,
    Measured,
    Progress,
    is_extract,
    measure,
    read_extract,
)
from facegrab.errors import MediaError, MissingError
from facegrab.fetching import content_of
from facegrab.people.choose import choose
from facegrab.settings import best_count
from facegrab.sheet import MOST_CELLS, cell, sheet
from facegrab.store.candidates import Candidates, Portfolio
from facegrab.store.files import as_text, make_folder, writing
from facegrab.store.picked import BEFORE, BEST, COLUMNS, SHEET, TABLE, replacing
from facegrab.types import Image, IntArray

SEED = 1
"""Of what the sheet of as many at random shows: the same each time."""


@dataclass(frozen=True, slots=True)
class Picked:
    """What was picked of one person.

    Attributes:
        person: name, "" where one is asked for.
        folder: of the copies.
        asked: how many were asked for.
        count: how many there are.
        extracts: there were to choose from.
        poor: of those looked at so many are too small, blurred, dark or covered.
        left: of those looked at so many are good and were not picked.
        gone: so many are not in the folder any more.
        unreadable: files that are no images.
    """

    person: str
    folder: Path
    asked: int
    count: int
    extracts: int
    poor: int
    left: int
    gone: int
    unreadable: tuple[str, ...]


def pick(folder: Path, count: int, progress: Progress = lambda done, of: None) -> list[Picked]:
    """Copies the best extracts of each person of a folder into its folder ``best``, made anew.

    Args:
        folder: that a run wrote.
        count: how many of each person, at most.
        progress: is told how many extracts were read, and of how many.

    Raises:
        SettingError: the count is out of range.
        MissingError: there is nothing to choose from.
        StoreError: the index is damaged, newer or in use.
        OutputError, AccessError: the copies cannot be written; those of before stay.
    """
    best_count("the number to pick", count)
    with Portfolio(folder) as portfolio:
        people = portfolio.people()
        if portfolio.settings.get("group"):
            people = [each for each in people if each != OTHERS]
        if not people:
            raise MissingError(
                f"{folder} holds no extracts that are surely somebody's, so there is nothing to "
                "pick from: other references may find some; those in uncertain do not count"
            )
        with replacing(folder) as new:
            picked = [_pick(portfolio, folder, name, new, count, progress) for name in people]
            if not any(each.count for each in picked):
                raise MissingError(_none(folder, picked))
    return picked


def _pick(
    portfolio: Portfolio, folder: Path, person: str, new: Path, count: int, progress: Progress
) -> Picked:
    measured = measure(portfolio, folder, person, count, progress)
    rows = choose(measured.pictures(), count)
    if len(rows):
        below = new / person
        make_folder(below)
        _write(portfolio, folder, below, person, measured, rows)
        _write_sheets(portfolio, folder, below, person, measured, rows, count)
    return Picked(
        person=person,
        folder=folder / BEST / person,
        asked=count,
        count=len(rows),
        extracts=measured.extracts,
        poor=int((~measured.is_good).sum()),
        left=int(measured.is_good.sum()) - len(rows),
        gone=measured.gone,
        unreadable=measured.unreadable,
    )


def _write(
    portfolio: Portfolio,
    folder: Path,
    below: Path,
    person: str,
    measured: Measured,
    rows: IntArray,
) -> None:
    """The copies, and the table that says why these."""
    digits = len(str(len(rows)))
    path = below / TABLE
    with writing(path), path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number, row in enumerate(rows.tolist()):
            facts = _facts(measured, row)
            for extract in _extracts(portfolio, folder, measured.candidates, row):
                # As the extracts: of several alignments each has a folder.
                parts = extract.removeprefix(f"{person}/").split("/")[-2:]
                name = "/".join([*parts[:-1], f"{number + 1:0{digits}}_{parts[-1]}"])
                make_folder((below / name).parent)
                (below / name).write_bytes(content_of(folder, extract, LARGEST_BYTES))
                table.writerow([number + 1, name, extract, *facts])


def _extracts(
    portfolio: Portfolio, folder: Path, candidates: Candidates, row: int
) -> Iterator[str]:
    """The images of a face that are there, one an alignment."""
    face = [int(each[row]) for each in (candidates.source, candidates.frame, candidates.number)]
    for file in portfolio.files_of(*face):
        if is_extract(folder, file):
            yield file


def _facts(measured: Measured, row: int) -> list[object]:
    """COLUMNS from the source on."""
    candidates, worth = measured.candidates, measured.worth
    source = candidates.picture[row] or candidates.path[row]
    qualities = (worth.total, worth.clear, worth.large, worth.lit, worth.free, worth.inside)
    turn = (measured.yaw[row], measured.pitch[row])
    return [
        as_text(located(source)),
        round(float(candidates.pts_seconds[row]), 6),
        int(candidates.frame[row]),
        int(candidates.shot[row]),
        *(round(float(each[row]), 3) for each in qualities),
        round(float(candidates.size_px[row]), 1),
        round(measured.portraits[row].clarity, 4),
        *("" if np.isnan(each) else round(float(each), 1) for each in turn),
    ]


def _write_sheets(
    portfolio: Portfolio,
    folder: Path,
    below: Path,
    person: str,
    measured: Measured,
    rows: IntArray,
    count: int,
) -> None:
    """What was picked at a glance, and for comparison as many at random."""
    of_all = portfolio.candidates(person)
    random = np.random.default_rng(SEED)
    some = np.sort(random.choice(len(of_all), min(count, len(of_all)), replace=False))
    best = measured.candidates.select(rows)
    scores = [f"worth {each:.2f}" for each in measured.worth.total[rows]]
    _write_sheet(folder, below / SHEET, best, scores)
    _write_sheet(folder, below / BEFORE, of_all.select(some), [""] * len(some))


def _write_sheet(folder: Path, path: Path, candidates: Candidates, words: Sequence[str]) -> None:
    cells: list[Image] = []
    for row in range(min(len(candidates), MOST_CELLS)):
        with suppress(MissingError, MediaError):
            image = read_extract(folder, candidates.file[row])
            cells.append(cell(image, [_where(candidates, row), words[row]]))
    if cells:
        with writing(path):
            path.write_bytes(sheet(cells))


def _where(candidates: Candidates, row: int) -> str:
    """Time or frame of a face; names do not fit, and may be of any script."""
    if candidates.picture[row] is not None:
        return f"picture {candidates.frame[row]}"
    minutes, seconds = divmod(float(candidates.pts_seconds[row]), 60)
    return f"{int(minutes)}:{seconds:04.1f}"


def _none(folder: Path, picked: Sequence[Picked]) -> str:
    gone = sum(each.gone + len(each.unreadable) for each in picked)
    if gone:
        return f"{gone} extracts of {folder} are gone or unreadable, and no other is good enough"
    return (
        f"no extract of {folder} is good enough to be picked: all are too small, blurred, dark or "
        "covered"
    )
