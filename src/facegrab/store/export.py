"""The index for other programs: tables of faces, and boxes in the form of COCO."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from facegrab.errors import MissingError, SettingError
from facegrab.store.database import Database
from facegrab.store.files import atomic
from facegrab.store.rows import to_embeddings

SUFFIXES = (".csv", ".jsonl", ".parquet", ".json")
"""Of the forms that can be written; .json is COCO's."""
ROWS_AT_A_TIME = 10_000
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""The five points; left and right are the picture's."""

_FACES = (
    "SELECT coalesce(f.picture, c.path), f.frame, f.number, f.pts_seconds, f.x0, f.y0, f.x1, f.y1,"
    " f.score, f.sharpness, f.size_px, f.shot, f.track, f.points5, f.embedding,"
    " o.distance, o.by_track, o.dropped, e.file"
    " FROM face f JOIN scan c ON c.id = f.scan LEFT JOIN source s ON s.scan = c.id"
    " LEFT JOIN outcome o ON o.source = s.id AND o.frame = f.frame AND o.number = f.number"
    " LEFT JOIN (SELECT source, frame, number, file, min(rowid) FROM extract"
    " GROUP BY source, frame, number) AS e"
    " ON e.source = s.id AND e.frame = f.frame AND e.number = f.number"
    " ORDER BY f.scan, f.frame, f.number"
)
_EXTRACTS = (
    "SELECT c.id, coalesce(f.picture, c.path), f.picture IS NULL, c.width, c.height, f.frame,"
    " f.pts_seconds, f.x0, f.y0, f.x1, f.y1, f.score, f.track, f.points5, e.file"
    " FROM extract e JOIN source s ON s.id = e.source JOIN scan c ON c.id = s.scan"
    " JOIN face f ON f.scan = c.id AND f.frame = e.frame AND f.number = e.number"
    " WHERE e.rowid IN (SELECT min(rowid) FROM extract GROUP BY source, frame, number)"
    " ORDER BY c.id, f.frame, f.number"
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        faces: rows in it, or boxes.
    """

    path: Path
    faces: int


def export(database: Database, path: Path, *, embeddings: bool = False) -> Exported:
    """Writes the faces of an index into a file, replaced in one step.

    Args:
        database: an index, or that of an output folder: then with what was decided.
        path: ending in .csv, .jsonl or .parquet for a table of all faces, in .json for the boxes
            of those that have an extract, as COCO.
        embeddings: also write the numbers by which people are recognised.

    Raises:
        SettingError: another suffix, or embeddings in CSV or COCO.
        MissingError: .parquet without pyarrow.
        StoreError: the index is damaged.
        OutputError, AccessError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SettingError(f"{path}: name a file that ends in {', '.join(SUFFIXES)}")
    if embeddings and suffix not in (".jsonl", ".parquet"):
        raise SettingError(f"embeddings go into .jsonl or .parquet, not into {path.name}")
    if suffix == ".parquet":
        return _export_parquet(database, path, embeddings=embeddings)
    writers: dict[str, Callable[[IO[str], Database, bool], int]] = {
        ".csv": _write_csv,
        ".jsonl": _write_jsonl,
        ".json": _write_coco,
    }
    with (
        database.errors(),
        atomic(path) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        return Exported(path, writers[suffix](file, database, embeddings))


def faces_of(database: Database, *, embeddings: bool) -> Iterator[dict[str, Any]]:
    """Every face as names and values."""
    for row in database.execute(_FACES):
        face = dict(zip(_NAMES, row, strict=True))
        points = np.frombuffer(face.pop("points5"), "<f4")
        embedding = face.pop("embedding")
        for number, name in enumerate(POINTS):
            face[f"{name}_x"], face[f"{name}_y"] = _numbers(points[2 * number : 2 * number + 2])
        face["by_track"] = None if face["by_track"] is None else bool(face["by_track"])
        if embeddings:
            face["embedding"] = to_embeddings([embedding])[0].tolist()
        yield face


_NAMES = (
    "source", "frame", "number", "pts_seconds", "x0", "y0", "x1", "y1", "score", "sharpness",
    "size_px", "shot", "track", "points5", "embedding", "distance", "by_track", "dropped", "file",
)  # fmt: skip
COLUMNS = (
    *(name for name in _NAMES if name not in ("points5", "embedding")),
    *(f"{name}_{axis}" for name in POINTS for axis in "xy"),
)
"""Of the tables, but for the embedding."""


def _numbers(values: Any) -> list[float | None]:
    """Numbers as JSON knows them: None for what is not known."""
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]


def _write_csv(file: IO[str], database: Database, embeddings: bool) -> int:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    count = 0
    for face in faces_of(database, embeddings=embeddings):
        writer.writerow(face)
        count += 1
    return count


def _write_jsonl(file: IO[str], database: Database, embeddings: bool) -> int:
    count = 0
    for face in faces_of(database, embeddings=embeddings):
        file.write(json.dumps(face, ensure_ascii=False) + "\n")
        count += 1
    return count


def _write_coco(file: IO[str], database: Database, _: bool) -> int:
    images: dict[tuple[int, int], dict[str, Any]] = {}
    boxes: list[Mapping[str, Any]] = []
    for row in database.execute(_EXTRACTS):
        scan, path, is_video, width, height, frame, seconds, *place = row
        x0, y0, x1, y1, score, track, points5, extract = place
        image = images.setdefault(
            (scan, frame),
            {
                "id": len(images) + 1,
                "file_name": f"{path}#f{frame}" if is_video else path,
                "source": path,
                "frame": frame,
                "pts_seconds": seconds,
                "width": width,
                "height": height,
            },
        )
        size = (x1 - x0 + 1, y1 - y0 + 1)
        boxes.append(
            {
                "id": len(boxes) + 1,
                "image_id": image["id"],
                "category_id": 1,
                "bbox": [x0, y0, *size],
                "area": size[0] * size[1],
                "iscrowd": 0,
                "score": score,
                "track_id": track,
                "keypoints": _keypoints(points5),
                "num_keypoints": len(POINTS),
                "extract": extract,
            }
        )
    category = {"id": 1, "name": "person", "keypoints": POINTS, "skeleton": []}
    json.dump(
        {"images": [*images.values()], "annotations": boxes, "categories": [category]},
        file,
        ensure_ascii=False,
    )
    return len(boxes)


def _keypoints(points5: bytes) -> list[float]:
    """x, y and 2, which says that it is seen, of each; zeros where they are not known."""
    numbers = _numbers(np.frombuffer(points5, "<f4"))
    if None in numbers:
        return [0.0] * 3 * len(POINTS)
    return [value for x, y in zip(numbers[::2], numbers[1::2], strict=True) for value in (x, y, 2)]  # type: ignore[misc]


def _export_parquet(database: Database, path: Path, *, embeddings: bool) -> Exported:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingError(
            f"{path.name} needs pyarrow: pip install 'facegrab[parquet]', or export .jsonl"
        ) from error
    schema = _schema(pa, embeddings=embeddings)
    count = 0
    faces = faces_of(database, embeddings=embeddings)
    with (
        database.errors(),
        atomic(path) as part,
        parquet.ParquetWriter(str(part), schema) as writer,
    ):
        while rows := list(islice(faces, ROWS_AT_A_TIME)):
            writer.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
    return Exported(path, count)


def _schema(pa: Any, *, embeddings: bool) -> Any:
    """Arrow's types of the columns."""
    texts = ("source", "dropped", "file")
    whole = ("frame", "number", "shot", "track")
    fields = [
        (
            name,
            pa.string()
            if name in texts
            else pa.int64()
            if name in whole
            else pa.bool_()
            if name == "by_track"
            else pa.float64(),
        )
        for name in COLUMNS
    ]
    return pa.schema([*fields, *([("embedding", pa.list_(pa.float32()))] if embeddings else [])])
