"""From what the user names as references to a gallery."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from facegrab.errors import GalleryError, MediaError
from facegrab.media.images import read_image
from facegrab.media.source import find_sources
from facegrab.models.specs import RecogniserSpec
from facegrab.people.gallery import Gallery
from facegrab.vision.look import Look

EVERYBODY = "*"
"""The reference that stands for every face."""
MOST_COMPARED = 2000
"""With more references than this they are not compared: memory grows with the square."""
MOST_NAMED = 5
"""References that are warned of one by one; of more only the number is told."""

logger = logging.getLogger(__name__)


def collect(
    references: Sequence[str | Path],
    jitter: int,
    look: Callable[[], Look],
    spec: RecogniserSpec,
    tolerance: float,
) -> Gallery:
    """The gallery of one person. A warning names references that may show somebody else.

    Args:
        references: images, folders of images and ``.npz`` files, or just ``"*"`` for every face.
        jitter: resamples a picture.
        look: makes the look; it is called only if a picture has to be encoded.
        spec: of the recogniser that the look has.
        tolerance: the largest distance of the same person.

    Returns:
        an empty gallery for ``"*"``, else at least one reference.

    Raises:
        MissingError, AccessError: a path names nothing or may not be read.
        GalleryError: there is no usable face in any of them, or an ``.npz`` is no reference file.
    """
    names = [str(reference) for reference in references]
    if not names:
        raise GalleryError("no reference given: name an image, a folder, an .npz, or *")
    if EVERYBODY in names:
        if len(names) > 1:
            raise GalleryError("* stands for every face: give it alone or leave it out")
        return Gallery.empty(spec)
    gallery = Gallery.empty(spec)
    look = cache(look)
    for name in names:
        if name.lower().endswith(".npz"):
            gallery += load(Path(name), jitter, look, spec)
            continue
        for picture in pictures_of(name):
            gallery += _encode(picture, jitter, look(), named=picture == Path(name))
    if not len(gallery):
        raise GalleryError(
            f"no face found in {', '.join(names)}: give a sharp picture of one face, "
            "seen from the front"
        )
    if 2 <= len(gallery) <= MOST_COMPARED:
        _warn_of_strangers(gallery, tolerance)
    return gallery


def pictures_of(name: str) -> list[Path]:
    """The pictures that a path, folder, pattern or glob names."""
    sources = find_sources([name])
    pictures = [picture for source in sources for picture in source.images]
    if not pictures:
        raise GalleryError(
            f"no picture in {name}: a reference is an image, a folder of images or an .npz"
        )
    return pictures


def load(path: Path, jitter: int, look: Callable[[], Look], spec: RecogniserSpec) -> Gallery:
    """The references of an ``.npz``; those of another recogniser are made anew from the pictures.

    Returns:
        at least one reference.

    Raises:
        GalleryError: it is no reference file, or it is another recogniser's and a picture that it
            was made from is missing or no longer the same, or no face is found in any.
        MissingError, AccessError: it is not there or may not be read.
    """
    saved = Gallery.load(path)
    if saved.recogniser == spec.key:
        if (saved.embedding.shape[1], saved.metric) != (spec.length, spec.metric):
            raise GalleryError(
                f"{path} is damaged: its references are none of the recogniser {spec.key} that it "
                "names; give the pictures with -r"
            )
        return saved
    pictures = [Path(name) for name in saved.names]
    gone = sum(
        not hashed or hash_of(picture) != hashed
        for picture, hashed in zip(pictures, saved.hashes, strict=True)
    )
    if gone:
        raise GalleryError(
            f"{path} holds references of the recogniser {saved.recogniser}, this run's is "
            f"{spec.key}, and {gone} of the {len(saved)} pictures it was made from are not there "
            f"as they were: give the pictures with -r, or --recogniser {saved.recogniser}"
        )
    logger.info("%s is of the recogniser %s: encoding its pictures anew", path, saved.recogniser)
    gallery = Gallery.empty(spec)
    for picture in pictures:
        gallery += _encode(picture, jitter, look(), named=False)
    if not len(gallery):  # an empty one would stand for everybody
        raise GalleryError(
            f"{path} holds references of the recogniser {saved.recogniser}, this run's is "
            f"{spec.key}, and no face was found anew in its pictures: give others with -r, "
            f"or --recogniser {saved.recogniser}"
        )
    return gallery


def hash_of(picture: Path) -> str:
    """SHA-256 of a file's content, "" if it cannot be read."""
    try:
        with picture.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _encode(picture: Path, jitter: int, look: Look, *, named: bool) -> Gallery:
    spec = look.eyes.recogniser.spec
    try:
        embedding, faces = look.reference(read_image(picture), jitter)
    except MediaError as error:
        if named:
            raise
        logger.warning("reference passed over: %s", error)
        return Gallery.empty(spec)
    if faces == 0:
        logger.warning("reference passed over: no face found in %s", picture)
        return Gallery.empty(spec)
    if faces > 1:
        logger.warning("%s shows %d faces: using the largest", picture, faces)
    name = str(picture.absolute())
    return Gallery(embedding, (name,), (hash_of(picture),), spec.key, spec.metric)


def _warn_of_strangers(gallery: Gallery, tolerance: float) -> None:
    """One line for each reference that does not fit the others, worst first."""
    strangers = _strangers(gallery, tolerance)
    if len(gallery) == 2 and strangers:  # neither is more likely to be the wrong one
        logger.warning(
            "%s and %s may show two people: %.2f apart (tolerance %g)",
            *gallery.names,
            strangers[0][1],
            tolerance,
        )
        return
    for name, median in strangers[:MOST_NAMED]:
        logger.warning(
            "%s may show somebody else: %.2f from the other references (tolerance %g)",
            name,
            median,
            tolerance,
        )
    if len(strangers) > MOST_NAMED:
        logger.warning("%d more references may show somebody else", len(strangers) - MOST_NAMED)


def _strangers(gallery: Gallery, tolerance: float) -> list[tuple[str, float]]:
    """(name, median distance to the others) of references that do not fit, worst first.

    Two kinds: farther than the tolerance from most of the others, and the outliers of
    ``GalleryStats``. "Most" and not the median, which is a mean where there are two others: of
    three references the one stranger would lift it for both of the person.

    Measured on 10 people x 10 photographs of LFW at tolerance .6: the one stranger among 3, 5 or 10
    references is named in 99 to 100 % of the draws. Where there is none, somebody is named in 0, 5
    and 20 %: two of the ten people have an odd picture, .52 and .60 from their others.
    """
    count = len(gallery)
    pairs = gallery.distances(gallery.embedding)[~np.eye(count, dtype=bool)]
    others = pairs.reshape(count, count - 1)
    median = np.median(others, axis=1)
    far = (others > tolerance).sum(axis=1) * 2 > count - 1
    # Whoever is as near as half the tolerance is no stranger, but where pictures agree to some
    # hundredths, as those of one day, one of another day is an outlier.
    odd = {name for name, far_off in gallery.stats().outliers if far_off > tolerance / 2}
    return [
        (gallery.names[row], float(median[row]))
        for row in np.argsort(-median, kind="stable").tolist()
        if far[row] or gallery.names[row] in odd
    ]
