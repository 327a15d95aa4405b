"""From what the user names as references to a gallery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from facegrab.errors import GalleryError, MediaError
from facegrab.media.images import read_image
from facegrab.media.source import find_sources
from facegrab.people.gallery import Gallery
from facegrab.vision.look import Look

EVERYBODY = "*"
"""The reference that stands for every face."""

logger = logging.getLogger(__name__)


def collect(
    references: Sequence[str | Path],
    jitter: int,
    look: Callable[[], Look],
) -> Gallery:
    """The gallery of one person.

    Args:
        references: images, folders of images and ``.npz`` files, or just ``"*"`` for every face.
        jitter: resamples a picture.
        look: makes the look; it is called only if a picture has to be encoded.

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
        return Gallery.empty()
    gallery = Gallery.empty()
    eyes: Look | None = None
    for name in names:
        if name.lower().endswith(".npz"):
            gallery += Gallery.load(Path(name))
            continue
        for picture in _pictures(name):
            eyes = eyes or look()
            gallery += _encode(picture, jitter, eyes, named=picture == Path(name))
    if not len(gallery):
        raise GalleryError(
            f"no face found in {', '.join(names)}: give a sharp picture of one face, "
            "seen from the front"
        )
    return gallery


def _pictures(name: str) -> list[Path]:
    """The pictures that a path, folder, pattern or glob names."""
    sources = find_sources([name])
    pictures = [picture for source in sources for picture in source.images]
    if not pictures:
        raise GalleryError(
            f"no picture in {name}: a reference is an image, a folder of images or an .npz"
        )
    return pictures


def _encode(picture: Path, jitter: int, look: Look, *, named: bool) -> Gallery:
    try:
        embedding, faces = look.reference(read_image(picture), jitter)
    except MediaError as error:
        if named:
            raise
        logger.warning("reference passed over: %s", error)
        return Gallery.empty()
    if faces == 0:
        logger.warning("reference passed over: no face found in %s", picture)
    elif faces > 1:
        logger.warning("%s shows %d faces: using the largest", picture, faces)
    return Gallery(embedding, (str(picture),) * len(embedding))
