"""The pictures that somebody names as references, with all faces in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from facegrab.errors import AccessError, GalleryError, MediaError, MissingError
from facegrab.media.images import read_image
from facegrab.models.specs import RecogniserSpec
from facegrab.people.gallery import Gallery
from facegrab.people.reference_check import MOST_PICTURES, Finding, Pictured
from facegrab.people.references import hash_of, load, pictures_of
from facegrab.types import Faces
from facegrab.vision.look import Look
from facegrab.vision.pose import head_pose_of_five
from facegrab.vision.quality import fingerprint

Progress = Callable[[int, int], None]
"""Is told how many pictures are done, and of how many."""


def look_at(
    references: Sequence[str],
    jitter: int,
    look: Callable[[], Look],
    spec: RecogniserSpec,
    progress: Progress | None = None,
) -> list[Pictured]:
    """Every picture once, in the order given; one is in memory at a time.

    Args:
        references: images, folders of images and ``.npz`` files.
        jitter: resamples that each embedding is the mean of.
        look: makes the look; it is called only if a picture has to be looked at.
        spec: of the recogniser that the look has.
        progress: is told how far it is.

    Raises:
        MissingError, AccessError: a path names nothing or may not be read.
        GalleryError: an ``.npz`` is no reference file, or there are too many pictures.
        WeightsError, DeviceError: the networks cannot be loaded.
    """
    look = cache(look)
    found: list[Pictured] = []
    paths: dict[Path, None] = {}
    for name in references:
        if name.lower().endswith(".npz"):
            found += _saved(load(Path(name), jitter, look, spec))
        else:
            paths |= dict.fromkeys(pictures_of(name))
    if len(paths) + len(found) > MOST_PICTURES:
        raise GalleryError(
            f"{len(paths) + len(found)} pictures are more than {MOST_PICTURES}: give some of them"
        )
    for number, path in enumerate(paths):
        if progress is not None:
            progress(number, len(paths))
        found.append(_pictured(path, jitter, look()))
    return found


def kept(
    pictures: Sequence[Pictured], findings: Sequence[Finding], spec: RecogniserSpec
) -> Gallery:
    """The references that are kept.

    Args:
        pictures: all of them.
        findings: one for each.
        spec: of the recogniser that described them.
    """
    gallery = Gallery.empty(spec)
    for each, finding in zip(pictures, findings, strict=True):
        if finding.verdict == "kept" and finding.face is not None:
            embedding = each.embedding[finding.face : finding.face + 1]
            name = str(Path(each.name).absolute()) if each.fingerprint is not None else each.name
            gallery += Gallery(embedding, (name,), (each.hash,), spec.key, spec.metric)
    return gallery


def _pictured(path: Path, jitter: int, look: Look) -> Pictured:
    try:
        image = read_image(path)
    except (MediaError, MissingError, AccessError):
        return _of_faces(path, Faces.empty(look.eyes.recogniser.spec.length), readable=False)
    faces = look.everybody(image, jitter)
    return replace(_of_faces(path, faces), hash=hash_of(path), fingerprint=fingerprint(image))


def _of_faces(path: Path, faces: Faces, *, readable: bool = True) -> Pictured:
    yaw, _, _ = head_pose_of_five(faces.points5)
    return Pictured(
        str(path), "", faces.embedding, faces.size_px, faces.sharpness, yaw, readable=readable
    )


def _saved(gallery: Gallery) -> list[Pictured]:
    """References of which nothing but the embedding is known."""
    infinite, unknown = np.full(1, np.inf, np.float32), np.full(1, np.nan, np.float32)
    return [
        Pictured(name, hashed, embedding[None], infinite, infinite, unknown)
        for name, hashed, embedding in zip(
            gallery.names, gallery.hashes, gallery.embedding, strict=True
        )
    ]
