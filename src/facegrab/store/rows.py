"""Faces to rows of the index, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegrab.errors import StoreError
from facegrab.store.files import as_text
from facegrab.types import Faces, FloatArray

SHORTEST_EMBEDDING = 16
"""No recogniser makes do with fewer numbers."""

COLUMNS = (
    "frame, number, pts_seconds, x0, y0, x1, y1, score, points5, points68, embedding, sharpness,"
    " shot, track"
)
"""What ``to_faces`` reads, in its order."""


def of_faces(scan: int, faces: Faces, pictures: Sequence[Path | None]) -> Iterator[tuple[Any, ...]]:
    """Rows of the table face.

    Args:
        scan: row of the scan that saw them.
        faces: N faces.
        pictures: (N,), path of the image file the face was in; None for a video.
    """
    size_px = faces.size_px
    for row, picture in enumerate(pictures):
        yield (
            scan,
            int(faces.frame[row]),
            int(faces.number[row]),
            None if picture is None else as_text(picture),
            float(faces.pts_seconds[row]),
            *faces.box[row].tolist(),
            float(faces.score[row]),
            faces.points5[row].astype("<f4").tobytes(),
            faces.points68[row].astype("<f4").tobytes(),
            faces.embedding[row].astype("<f2").tobytes(),
            float(faces.sharpness[row]),
            float(size_px[row]),
            int(faces.shot[row]),
            int(faces.track[row]),
        )


def to_faces(rows: Sequence[tuple[Any, ...]], path: Path) -> Faces:
    """Faces of rows of COLUMNS.

    Args:
        rows: in the order wanted.
        path: of the index, for the message.

    Raises:
        StoreError: a row is not one that FaceGrab wrote.
    """
    columns = list(zip(*rows, strict=True)) or [()] * 14
    try:
        return Faces(
            frame=np.array(columns[0], np.int64),
            number=np.array(columns[1], np.int64),
            pts_seconds=np.array(columns[2], np.float64),
            box=np.array(columns[3:7], np.float32).T.reshape(-1, 4),
            score=np.array(columns[7], np.float32),
            points5=_stack(columns[8], "<f4").reshape(-1, 5, 2),
            points68=_stack(columns[9], "<f4").reshape(-1, 68, 2),
            embedding=to_embeddings(columns[10]),
            sharpness=np.array(columns[11], np.float32),
            shot=np.array(columns[12], np.int64),
            track=np.array(columns[13], np.int64),
        )
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): scan again into another folder") from error


def to_embeddings(blobs: Sequence[bytes]) -> FloatArray:
    """float32 (N, D), of D numbers each, as the recogniser of the scan makes them.

    Raises:
        ValueError: they are of different lengths, or of no length that a recogniser has.
    """
    embedding = _stack(blobs, "<f2").reshape(max(len(blobs), 1), -1)[: len(blobs)]
    if len(blobs) and embedding.shape[1] < SHORTEST_EMBEDDING:
        raise ValueError(f"embeddings of {embedding.shape[1]} numbers")
    return embedding


def _stack(blobs: Sequence[bytes], dtype: str) -> NDArray[np.float32]:
    return np.frombuffer(b"".join(blobs), dtype).astype(np.float32)
