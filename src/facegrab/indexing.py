"""What can be done with an index besides asking it: look into it, forget, tidy up."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facegrab.address import is_address
from facegrab.errors import MissingError, StoreError
from facegrab.media.source import is_pattern
from facegrab.people.decide import decide
from facegrab.people.gallery import Gallery
from facegrab.store import picked
from facegrab.store.album import leads_inside
from facegrab.store.answers import write_table
from facegrab.store.database import Database
from facegrab.store.files import as_text
from facegrab.store.index import Index, Seen
from facegrab.store.output import CSV_NAME, INDEX_NAME
from facegrab.store.reviews import Reviews

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What an index holds of one source.

    Attributes:
        number: of the look, by which it can be named.
        path: where the source lay last.
        seconds: of it, if known.
        frames_read: frames gone past.
        frames_looked_at: frames searched.
        frames_damaged: frames that could not be decoded.
        every: one frame in so many was looked at.
        smallest_px: of the faces looked for.
        detector: that found them.
        recogniser: that described them.
        faces: found.
        tracks: that they form.
        shots: that have faces.
        extracts: images of them, where the index is an output folder's.
        complete: to the source's end.
        forgotten: faces of other people were removed.
        shard: share of the source that was looked at, K/N; empty: all of it.
        warnings: what was odd about it, and segments that were set aside, a line each.
    """

    number: int
    path: str
    seconds: float | None
    frames_read: int
    frames_looked_at: int
    frames_damaged: int
    every: int
    smallest_px: float
    detector: str
    recogniser: str
    faces: int
    tracks: int
    shots: int
    extracts: int
    complete: bool
    forgotten: bool
    shard: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index holds.

    Attributes:
        path: of the file.
        size_bytes: of it.
        sources: in the order in which they were scanned.
    """

    path: Path
    size_bytes: int
    sources: tuple[SourceInfo, ...]

    def to_json(self) -> dict[str, object]:
        """For json.dumps."""
        sources = [asdict(each) for each in self.sources]
        return {"path": as_text(self.path), "size_bytes": self.size_bytes, "sources": sources}


def index_file(path: Path) -> Path:
    """The index of a path: the file itself, or that of an output folder.

    Raises:
        MissingError: there is none, or the folder's faces lie in another one, which it names.
    """
    file = path / INDEX_NAME if path.is_dir() else path
    if not file.is_file():
        what = "holds no index" if path.is_dir() else "is no file"
        raise MissingError(f"{path} {what}: name an index, or a folder that a run wrote")
    elsewhere = _elsewhere(file)
    if elsewhere is not None:
        raise MissingError(f"the faces of {path} lie in {elsewhere}: name that one")
    return file


def _elsewhere(file: Path) -> str | None:
    """The index that a folder's run was given, if it was given one."""
    with Database(file, alone=False) as database:
        rows = database.fetch("SELECT value FROM run WHERE name = 'index'")
    try:
        value = json.loads(rows[0][0]) if rows else None
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, str) else None


def info(path: Path) -> IndexInfo:
    """What an index holds.

    Raises:
        MissingError: there is no such index.
        StoreError: it is damaged, newer or in use.
    """
    file = index_file(path)
    with Database(file, alone=False) as database:
        sources = tuple(_source_info(database, seen) for seen in Index(database).scans())
    return IndexInfo(file, file.stat().st_size, sources)


def sources_in(path: Path) -> list[str]:
    """Paths of the sources of an index that are still there.

    Raises:
        MissingError: there is no such index, or none of its sources is where it was.
        StoreError: it is damaged, newer or in use.
    """
    file = index_file(path)
    with Database(file, alone=False) as database:
        sources = [_source_info(database, seen) for seen in Index(database).scans()]
    paths = list(dict.fromkeys(each.path for each in sources if not each.shard))
    if not paths and sources:
        raise MissingError(
            f"{file} holds shares only: put them together with facegrab index merge, or name the "
            "sources with -i"
        )
    there = [
        each
        for each in paths
        if is_address(each) or Path(each).exists() or is_pattern(Path(each).name)
    ]
    if not there:
        raise MissingError(f"none of the sources of {file} is where it was: name them with -i")
    for gone in set(paths) - set(there):
        logger.warning("not where it was when it was scanned: %s", gone)
    return there


def forget_sources(path: Path, names: Sequence[str]) -> list[str]:
    """Removes sources: their faces, and in an output folder their images too.

    The folder of the best extracts goes too if it may show any of them; it can be made anew.

    Args:
        path: of the index, or the output folder.
        names: of sources: paths, ends of paths, or numbers as ``info`` gives them.

    Returns:
        the paths of what was removed.

    Raises:
        MissingError: a name fits nothing, or several.
        StoreError: the index is damaged, newer or in use.
    """
    file = index_file(path)
    with Database(file) as database:
        index = Index(database)
        scans = index.scans()
        chosen = {seen.row: seen for name in names for seen in _named(scans, name, file)}
        files = _files(database, list(chosen))
        with database.transaction():
            for row in chosen:
                content = index.content(row)
                if content is not None:
                    Reviews(database).forget(content)
                _forget_answers(database, row)
                index.remove(row)
        _remove_images(file.parent, files)
        if files:  # their sheets show them, whichever were picked
            picked.remove(file.parent)
        _rewrite_table(database, file)
        database.shrink()
    return [seen.path for seen in chosen.values()]


def forget_others(path: Path, galleries: Sequence[Gallery], tolerance: float) -> int:
    """Removes every face that is none of some people's; what is left answers nothing else.

    Args:
        path: of the index, or the output folder.
        galleries: the people's references, each one person's.
        tolerance: the largest distance of the same person.

    Returns:
        the number of faces removed.

    Raises:
        MissingError, StoreError: see forget_sources; or the references are another recogniser's.
    """
    file = index_file(path)
    removed = 0
    with Database(file) as database:
        index = Index(database)
        for seen in index.scans():
            _check_recogniser(seen, galleries, file)
            faces = index.faces(seen.row)
            kept = np.zeros(len(faces), np.bool_)
            for gallery in galleries:
                kept |= decide(
                    faces.embedding, gallery, tolerance, track=faces.track, frame=faces.frame,
                ).matched  # fmt: skip
            others = faces.select(~kept)
            with database.transaction():
                index.remove_faces(seen.row, others)
            removed += len(others)
        with database.transaction():
            Reviews(database).forget_examples()
        _rewrite_table(database, file)
        database.shrink()
    return removed


def vacuum(path: Path) -> tuple[int, int]:
    """Removes looks that were not finished or that another one covers, and gives space back.

    Returns:
        looks removed; bytes given back.

    Raises:
        MissingError, StoreError: see forget_sources.
    """
    file = index_file(path)
    before = file.stat().st_size
    with Database(file) as database:
        index = Index(database)
        scans = index.scans()
        answered = {row for (row,) in database.fetch("SELECT scan FROM source")}
        gone = [
            seen.row
            for seen in scans
            if seen.row not in answered
            and (not seen.complete or any(_covers(other, seen, index) for other in scans))
        ]
        with database.transaction():
            for row in gone:
                index.remove(row)
        database.shrink()
    return len(gone), before - file.stat().st_size


def _covers(other: Seen, seen: Seen, index: Index) -> bool:
    return (
        other.row > seen.row
        and other.complete
        and not other.forgotten
        and index.content(other.row) == index.content(seen.row)
        and other.request.answers(seen.request)
    )


def _source_info(database: Database, seen: Seen) -> SourceInfo:
    ((faces, tracks, shots),) = database.fetch(
        "SELECT count(*), count(DISTINCT nullif(track, -1)), count(DISTINCT nullif(shot, -1))"
        " FROM face WHERE scan = ?",
        (seen.row,),
    )
    ((extracts,),) = database.fetch(
        "SELECT count(*) FROM extract JOIN source ON source.id = extract.source WHERE scan = ?",
        (seen.row,),
    )
    detection: dict[str, str] = {}
    with suppress(ValueError):
        detection = json.loads(seen.request.detection or "{}")
    return SourceInfo(
        number=seen.row,
        path=seen.path,
        seconds=seen.duration_seconds,
        frames_read=seen.frames_read,
        frames_looked_at=seen.frames_looked_at,
        frames_damaged=seen.frames_damaged,
        every=seen.request.every,
        smallest_px=seen.request.smallest_px,
        detector=str(detection.get("detector", "")),
        recogniser=str(detection.get("recogniser", "")),
        faces=faces,
        tracks=tracks,
        shots=shots,
        extracts=extracts,
        complete=seen.complete,
        forgotten=seen.forgotten,
        shard=str(detection.get("shard", "")),
        warnings=seen.warnings,
    )


def _named(scans: Sequence[Seen], name: str, file: Path) -> list[Seen]:
    """The looks through the one source that a name fits."""
    found = [
        seen
        for seen in scans
        if name == str(seen.row)
        or Path(seen.path) == Path(name).absolute()
        or Path(seen.path).parts[-len(Path(name).parts) :] == Path(name).parts
    ]
    if not found:
        raise MissingError(f"{file} holds no source {name}: facegrab index info shows them")
    if len({seen.path for seen in found}) > 1:
        raise MissingError(
            f"{name} fits several sources of {file}: give more of the path, or the number that "
            "facegrab index info shows"
        )
    return found


def _files(database: Database, scans: Sequence[int]) -> list[str]:
    rows = [
        database.fetch(
            "SELECT file FROM extract JOIN source ON source.id = extract.source WHERE scan = ?",
            (scan,),
        )
        for scan in scans
    ]
    return [str(file) for each in rows for (file,) in each]


def _forget_answers(database: Database, scan: int) -> None:
    for table in ("extract", "outcome"):
        database.execute(
            f"DELETE FROM {table} WHERE source IN (SELECT id FROM source WHERE scan = ?)", (scan,)
        )
    database.execute("DELETE FROM source WHERE scan = ?", (scan,))


def _remove_images(folder: Path, files: Sequence[str]) -> None:
    for name in files:
        if leads_inside(name):
            with suppress(OSError):
                (folder / name).unlink()


def _rewrite_table(database: Database, file: Path) -> None:
    """The table beside an output folder's index, which else would tell what is forgotten."""
    table = file.parent / CSV_NAME
    if file.name == INDEX_NAME and table.exists():
        write_table(database, table)


def _check_recogniser(seen: Seen, galleries: Sequence[Gallery], file: Path) -> None:
    detection = json.loads(seen.request.detection or "{}")
    for gallery in galleries:
        if detection.get("recogniser") != gallery.recogniser:
            raise StoreError(
                f"{seen.path} was scanned with the recogniser {detection.get('recogniser')}, the "
                f"references are of {gallery.recogniser}: make them anew with --recogniser"
            )
