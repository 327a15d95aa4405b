"""Looks from one index in another: copied, compared, read in part."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from facegrab.address import located
from facegrab.store.index import Index
from facegrab.store.rows import COLUMNS, to_faces
from facegrab.types import Faces

_EVERYTHING = 2**63 - 1
_SEEN = (
    "frame, number, pts_seconds, x0, y0, x1, y1, score, points5, points68, embedding, sharpness,"
    " size_px"
)
"""What a face is, wherever its source lies and whatever it is linked to."""
_LINKED = ", shot, track"


def copy_look(source: Index, row: int, target: Index) -> int:
    """Copies a look with its segments and faces; call it in a transaction of the target.

    Args:
        source: the index that holds it.
        row: of it there.
        target: another index.

    Returns:
        the row there.
    """
    with source.database.errors(source.schema):
        columns, values = _rows(source, "scan", "id", row)
        target.database.execute(_insert(target, "scan", columns), next(values))
        ((copied,),) = target.database.fetch("SELECT last_insert_rowid()")
        for table in ("segment", "face"):
            columns, values = _rows(source, table, "scan", row)
            target.database.executemany(
                _insert(target, table, ["scan", *columns]), ((copied, *each) for each in values)
            )
    return int(copied)


def first_difference(
    one: Index, row: int, other: Index, other_row: int, begin: int = 0, end: int | None = None,
    *, linked: bool = False,
) -> int | None:  # fmt: skip
    """The first frame whose faces are not the same in two looks; None if there is none.

    Args:
        one: an index.
        row: of the look there.
        other: an index.
        other_row: of the look there.
        begin: frames before are left out.
        end: so are this one and those after it.
        linked: shots and tracks count too.
    """
    columns = _SEEN + (_LINKED if linked else "")
    with (
        one.database.errors(one.schema),
        closing(_faces(one, row, columns, begin, end)) as ours,
        closing(_faces(other, other_row, columns, begin, end)) as theirs,
    ):
        while True:
            a, b = next(ours, None), next(theirs, None)
            if a != b:
                return min(int(each[0]) for each in (a, b) if each is not None)
            if a is None:
                return None


def faces_between(index: Index, row: int, begin: int, end: int | None) -> Faces:
    """The faces of some frames of a look, in order.

    Args:
        index: that holds it.
        row: of it.
        begin: the first frame.
        end: the frame after the last; None for all.

    Raises:
        StoreError: the index is damaged.
    """
    with index.database.errors(index.schema):
        rows = list(_faces(index, row, COLUMNS, begin, end))
    return to_faces(rows, index.database.path)


def pictures_between(index: Index, row: int, begin: int, end: int | None) -> list[Path | None]:
    """The image file of each of these faces; None where they are of a video."""
    with index.database.errors(index.schema):
        rows = list(_faces(index, row, "picture", begin, end))
    return [None if picture is None else located(str(picture)) for (picture,) in rows]


def _faces(
    index: Index, row: int, columns: str, begin: int, end: int | None
) -> Generator[tuple[Any, ...], None, None]:
    last = _EVERYTHING if end is None else end
    cursor = index.database.execute(
        f"SELECT {columns} FROM {index.schema}.face WHERE scan = ? AND frame >= ? AND frame < ?"
        " ORDER BY frame, number",
        (row, begin, last),
    )
    with closing(cursor):
        yield from cursor


def _rows(
    index: Index, table: str, key: str, row: int
) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """The columns of a table but the one that names the look, and the look's rows."""
    cursor = index.database.execute(f"SELECT * FROM {index.schema}.{table} LIMIT 0")
    columns = [name for name, *_ in cursor.description if name != key]
    cursor.close()
    return columns, index.database.execute(
        f"SELECT {', '.join(columns)} FROM {index.schema}.{table} WHERE {key} = ?", (row,)
    )


def _insert(index: Index, table: str, columns: list[str]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {index.schema}.{table} ({', '.join(columns)}) VALUES ({places})"
