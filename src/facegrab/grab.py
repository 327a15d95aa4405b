"""The conductor: references, settings, networks; one call a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from facegrab.errors import MissingError
from facegrab.media.source import Source, find_sources
from facegrab.people.gallery import Gallery, GalleryStats
from facegrab.people.references import collect
from facegrab.run import Run, result_settings
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store.output import Output
from facegrab.summary import Plan, Summary, Watcher
from facegrab.vision.feed import DLIB_SCALES
from facegrab.vision.look import Eyes, Look

PathName: TypeAlias = str | PathLike[str]


class FaceGrab:
    """Finds one person's faces in videos and pictures and writes aligned images of them.

    Args:
        reference: an image, a folder of images, an ``.npz`` saved earlier, several of these (all
            of one person), or ``"*"`` for every face.
        recognition: how faces are compared.
        process: how sources are read and what is written.
        eyes: the networks; by default dlib's, loaded when first needed.

    Raises:
        MissingError, AccessError: a reference names nothing or may not be read.
        GalleryError: no usable face in any reference.
        WeightsError, DeviceError: the networks cannot be loaded.
    """

    def __init__(
        self,
        reference: PathName | Sequence[PathName],
        recognition: RecognitionSettings | None = None,
        process: ProcessSettings | None = None,
        *,
        eyes: Eyes | None = None,
    ) -> None:
        self._recognition = recognition or RecognitionSettings()
        self._process = process or ProcessSettings()
        self._eyes = eyes
        self._gallery = collect(
            _listed(reference), self._recognition.jitter, self._look, self._recognition.tolerance
        )

    @property
    def reference_count(self) -> int:
        """References loaded; 0 means that every face is wanted."""
        return len(self._gallery)

    def stats(self) -> GalleryStats:
        """How well the references agree; ``print`` it."""
        return self._gallery.stats()

    def save(self, path: PathName) -> Path:
        """Writes the references as an ``.npz`` (the suffix is added if it is missing).

        Returns:
            the path written.

        Raises:
            OutputError, AccessError: it cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() != ".npz":
            target = target.with_name(f"{target.name}.npz")
        self._gallery.save(target)
        return target

    def load(self, path: PathName) -> None:
        """Takes the references of an ``.npz`` instead of those loaded.

        Raises:
            GalleryError, MissingError, AccessError: it is no reference file.
        """
        self._gallery = Gallery.load(Path(path))

    def process(
        self,
        source: PathName | Sequence[PathName],
        output: PathName = ".",
        *,
        watcher: Watcher | None = None,
    ) -> Summary:
        """Writes the person's faces out of videos and pictures into a folder.

        Args:
            source: a video, an image, an image pattern, a folder, a glob, or several of these.
            output: folder for the extracts, the index and the table; made if missing.
            watcher: is told how it goes.

        Returns:
            what was done. Ctrl-C ends the run early and is noted there; of several sources, those
            that could not be read are named there.

        Raises:
            MissingError, AccessError, MediaError: none of the sources can be read.
            OutputError, AccessError: the output cannot be written; what is done is kept.
            StoreError: the folder holds another run's result.
        """
        sources = find_sources(_listed(source))
        settings = result_settings(self._recognition, self._process, self._gallery)
        with Output(Path(output), settings) as folder:
            sources = _without_extracts(sources, folder)
            run = Run(
                self._look(),
                self._gallery,
                self._recognition.tolerance,
                self._process,
                folder,
                watcher or _Nobody(),
            )
            return run.over(sources)

    def _look(self) -> Look:
        if self._eyes is None:
            from facegrab.vision.eyes import open_eyes

            exact = self._process.scale in DLIB_SCALES
            self._eyes = open_eyes(self._process.device, exact=exact)
        return Look(self._eyes, self._process.scale, self._process.extract_size)


def _listed(paths: PathName | Sequence[PathName]) -> list[str]:
    if isinstance(paths, (str, PathLike)):
        return [fspath(paths)]
    return [fspath(path) for path in paths]


def _without_extracts(sources: Sequence[Source], folder: Output) -> list[Source]:
    """The sources less what earlier runs wrote: the output may lie in the folder that is read."""
    extracts = folder.extracts()
    kept = []
    for source in sources:
        images = source.images
        if extracts and images and images[0].parent.samefile(folder.folder):
            images = tuple(image for image in images if image.name not in extracts)
        if images or not source.images:
            kept.append(replace(source, images=images))
    if not kept:
        raise MissingError(f"{folder.folder} holds nothing but what an earlier run wrote")
    return kept


class _Nobody:
    """Watches nothing."""

    def begin(self, plan: Plan) -> None: ...

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None: ...

    def end(self) -> None: ...
