"""Drawn faces, of which sharpness, light and what is before them can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from clips import write_image
from fakes import random_faces
from stores import ASKED, SETTINGS, add_scan

from facegrab.address import located
from facegrab.models.details import EMBEDDING_LENGTH
from facegrab.store.answers import Answers, Extract, Rows
from facegrab.store.database import OWN, Database
from facegrab.store.index import Index
from facegrab.types import Faces, FloatArray, Image
from facegrab.vision.pose import HEAD_OF_FIVE, turn_of

SIDE = 256
DLIB = {**SETTINGS, "tolerance": 0.6, "recogniser": "dlib", "group": False}


def drawn(
    *,
    smile: float = 0.0,
    turn: float = 0.0,
    blur: float = 0.0,
    light: float = 1.0,
    hand: bool = False,
    side: int = SIDE,
) -> Image:
    """A face with skin, eyes, nose and mouth, RGB (side, side, 3).

    Args:
        smile: -1 to 1.
        turn: -1 to 1, which way it looks.
        blur: in pixels of 256.
        light: factor of the brightness.
        hand: something bright covers the mouth.
        side: of the image.
    """
    image = np.full((SIDE, SIDE, 3), 60, np.uint8)
    shift = round(25 * turn)
    cv2.ellipse(image, (128, 128), (85, 105), 0, 0, 360, (190, 150, 130), -1)
    for x in (90, 166):
        cv2.ellipse(image, (x + shift, 105), (18, 9), 0, 0, 360, (240, 240, 240), -1)
        cv2.circle(image, (x + shift, 105), 8, (40, 25, 20), -1)
        cv2.line(image, (x - 18 + shift, 85), (x + 18 + shift, 82), (70, 45, 35), 5)
    cv2.line(image, (128 + shift, 110), (120 + 2 * shift, 145), (140, 105, 90), 4)
    mouth, opening = (128 + shift, 178 - round(10 * smile)), (34, 3 + round(12 * abs(smile)))
    cv2.ellipse(image, mouth, opening, 0, 0, 360, (120, 40, 45), -1)
    if hand:
        cv2.ellipse(image, (128, 185), (70, 40), 10, 0, 360, (250, 225, 205), -1)
    lit = np.clip(image.astype(np.float32) * light, 0, 255).astype(np.uint8)
    if blur:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), blur), np.uint8)
    if side != SIDE:
        how = cv2.INTER_AREA if side < SIDE else cv2.INTER_CUBIC
        lit = np.asarray(cv2.resize(lit, (side, side), interpolation=how), np.uint8)
    return np.asarray(lit, np.uint8)


def points_of(yaw: Sequence[float], pitch: Sequence[float]) -> FloatArray:
    """Five points, float32 (N, 5, 2), of heads that are turned so, in degrees."""
    turns = turn_of(np.array(yaw, float), np.array(pitch, float), np.zeros(len(yaw)))
    turned = HEAD_OF_FIVE @ np.swapaxes(turns, 1, 2)
    return np.asarray(turned[..., :2] * 40 + 200, np.float32)


def faces_of(embedding: FloatArray, yaw: Sequence[float], **columns: Any) -> Faces:
    """Faces of 100 px, one every seventh frame, a track and shot every ten."""
    count = len(embedding)
    number = np.arange(count, dtype=np.int64)
    faces = replace(
        random_faces(count),
        frame=number * 7,
        number=np.zeros(count, np.int64),
        pts_seconds=np.asarray(number * 0.28, np.float64),
        box=np.tile(np.array([150, 150, 249, 249], np.float32), (count, 1)),
        points5=points_of(yaw, [0.0] * count),
        embedding=np.asarray(embedding, np.float16).astype(np.float32),
        sharpness=np.full(count, 100, np.float32),
        shot=number // 10,
        track=number // 10,
    )
    return replace(faces, **columns)


def apart(count: int, step: float = 0.35, seed: int = 3) -> FloatArray:
    """Embeddings of one person that are about so far apart, float32 (N, D)."""
    away = np.random.default_rng(seed).normal(0, 1, (count, EMBEDDING_LENGTH))
    away *= step / np.sqrt(2) / np.linalg.norm(away, axis=1, keepdims=True)
    middle = np.random.default_rng(0).normal(0, 1, EMBEDDING_LENGTH)
    return np.asarray(middle / np.linalg.norm(middle) * 1.3 + away, np.float32)


def write_portraits(
    folder: Path,
    images: Sequence[Image],
    faces: Faces | None = None,
    *,
    person: str = "",
    verdict: str = "keep",
    content: str = "film",
    films: str = "/films",
    settings: dict[str, Any] = DLIB,
    alignments: Sequence[str] = ("",),
) -> list[str]:
    """A folder as a run leaves it, with these extracts of a film; or one film more in it.

    Args:
        folder: made if missing.
        images: an extract each.
        faces: as many.
        person: whose.
        verdict: on them.
        content: of the film, and its name.
        films: the folder that it lies in, or an address.
        settings: of the run.
        alignments: folders, for each an extract.

    Returns:
        paths of the first alignment's extracts, below the folder.
    """
    count = len(images)
    faces = faces_of(apart(count), np.linspace(-30, 30, count).tolist()) if faces is None else faces
    place = "/".join(filter(None, [person, "uncertain" if verdict == "ask" else ""]))
    extracts = [
        Extract(row, each or "mean-face-256",
                "/".join(filter(None, [place, each, f"{content}_f{faces.frame[row]}_0.png"])),
                SIDE, 1.0)
        for row in range(count) for each in alignments
    ]  # fmt: skip
    for each in extracts:
        (folder / each.file).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / each.file, images[each.row])
    with Database(folder / "facegrab.db") as database:
        index, answers = Index(database), Answers(database, OWN, settings)
        path = located(f"{films}/{content}.mp4")
        scan = add_scan(index, faces, content, path=str(path))
        with database.transaction():
            index.update(scan, width=640, height=480)
            row = answers.enter(content, path, content, ASKED, scan).row
            answers.put(
                Rows(row, faces, np.full(count, 0.3, np.float32), np.ones(count, np.int64),
                     np.zeros(count, np.bool_), [None] * count, extracts, [person] * count,
                     None, [verdict] * count)
            )  # fmt: skip
            answers.finish(row)
    return [each.file for each in extracts[:: len(alignments)]]
