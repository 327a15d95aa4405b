"""The conductor: references, settings, networks; one call a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from facegrab.early import Early
from facegrab.errors import MissingError, SettingError
from facegrab.media.source import Source, find_sources
from facegrab.models import compute, packs
from facegrab.people.gallery import GalleryStats
from facegrab.people.references import collect, load
from facegrab.run import Choice, Run, result_settings
from facegrab.settings import AUTO, COMMERCIAL, ProcessSettings, RecognitionSettings
from facegrab.store.output import Output
from facegrab.summary import Plan, Summary, Watcher
from facegrab.vision import eyes as opening
from facegrab.vision.alignments import parse_alignments, require_points68
from facegrab.vision.feed import UPSAMPLE, Wanted
from facegrab.vision.look import Eyes, Look

ADVICE = "; facegrab models get yunet: finds more of the dark and turned faces"
"""In 40 frames of a concert YuNet finds 71 faces of 64 px and more where MTCNN finds 56."""

PathName: TypeAlias = str | PathLike[str]


class FaceGrab:
    """Finds one person's faces in videos and pictures and writes aligned images of them.

    Args:
        reference: an image, a folder of images, an ``.npz`` saved earlier, several of these (all
            of one person), or ``"*"`` for every face.
        recognition: how faces are compared.
        process: how sources are read and what is written.
        eyes: the networks; by default those of the settings, loaded when first needed.

    Raises:
        MissingError, AccessError: a reference names nothing or may not be read.
        GalleryError: no usable face in any reference.
        SettingError: an unknown alignment, or what the models cannot do.
        WeightsError, DeviceError: the networks cannot be loaded, or their licence is not what was
            asked for.
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
        self._choice = _choice(self._recognition, self._process, eyes)
        self._gallery = collect(
            _listed(reference),
            self._recognition.jitter,
            self._look,
            self._choice.recogniser,
            self._choice.tolerance,
        )

    @property
    def reference_count(self) -> int:
        """References loaded; 0 means that every face is wanted."""
        return len(self._gallery)

    @property
    def models(self) -> str:
        """The models in words, and what a better detector would gain."""
        choice = self._choice
        words = f"detector {choice.detector.name}, recogniser {choice.recogniser.name}"
        return words + ADVICE if choice.detector.name == "mtcnn" else words

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
            GalleryError, MissingError, AccessError: it is no reference file, or another
                recogniser's whose pictures are gone.
        """
        self._gallery = load(
            Path(path), self._recognition.jitter, self._look, self._choice.recogniser
        )

    def process(
        self,
        source: PathName | Sequence[PathName],
        output: PathName = ".",
        *,
        watcher: Watcher | None = None,
        early: Early | None = None,
    ) -> Summary:
        """Writes the person's faces out of videos and pictures into a folder.

        Args:
            source: a video, an image, an image pattern, a folder, a glob, or several of these.
            output: folder for the extracts, the index and the table; made if missing.
            watcher: is told how it goes.
            early: may have the first source open already, decoded while the networks loaded.

        Returns:
            what was done. Ctrl-C ends the run early and is noted there; of several sources, those
            that could not be read are named there.

        Raises:
            MissingError, AccessError, MediaError: none of the sources can be read.
            OutputError, AccessError: the output cannot be written; what is done is kept.
            StoreError: the folder holds another run's result.
        """
        sources = find_sources(_listed(source))
        settings = result_settings(self._choice, self._gallery, self._process)
        with Output(Path(output), settings) as folder:
            sources = _without_extracts(sources, folder)
            run = Run(
                self._look(),
                self._gallery,
                self._choice,
                self._process,
                folder,
                watcher or _Nobody(),
                early,
            )
            return run.over(sources)

    def _look(self) -> Look:
        process = self._process
        if self._eyes is None:
            self._eyes = opening.open_eyes(
                self._choice.detector,
                self._choice.recogniser,
                compute.choose(process.device, process.precision, process.threads),
                mesh=process.licence != COMMERCIAL,
            )
        wanted = Wanted(process.scale, process.min_face, process.max_face, process.extract_size)
        return Look(self._eyes, wanted)


def _choice(
    recognition: RecognitionSettings, process: ProcessSettings, eyes: Eyes | None
) -> Choice:
    """The models and alignments that settings name.

    Raises:
        SettingError: an alignment is unknown or needs points that the licence forbids, or the
            detector does not see faces as small as wanted.
        WeightsError: a model is unknown or damaged, or may not be used commercially.
    """
    alignments = parse_alignments(process.align, process.extract_size)
    if eyes is not None:
        detector, recogniser = eyes.detector_spec, eyes.recogniser.spec
    else:
        detector, recogniser = packs.choose(process.models, process.detector, process.recogniser)
    if process.licence == COMMERCIAL:
        packs.check_licence([detector, recogniser])
        require_points68(alignments, "the model may not be used commercially")
    smallest_px = ceil(detector.smallest_px / UPSAMPLE)
    if process.min_face != AUTO and int(process.min_face) < smallest_px:
        raise SettingError(
            f"the detector {detector.name} finds no face below {smallest_px} px: "
            f"--min_face {smallest_px} or more, or another --detector"
        )
    tolerance = recognition.tolerance
    return Choice(
        detector,
        recogniser,
        recogniser.tolerance if tolerance == AUTO else float(tolerance),
        alignments,
        tuple(
            f"{name}: {each.name}"
            for name, each in opening.licences(
                detector, recogniser, mesh=process.licence != COMMERCIAL
            ).items()
        ),
    )


def _listed(paths: PathName | Sequence[PathName]) -> list[str]:
    if isinstance(paths, (str, PathLike)):
        return [fspath(paths)]
    return [fspath(path) for path in paths]


def _without_extracts(sources: Sequence[Source], folder: Output) -> list[Source]:
    """The sources less what earlier runs wrote: the output may lie in the folder that is read."""
    written: dict[str, set[str]] = {}
    for extract in folder.extracts():
        place, _, name = extract.rpartition("/")
        written.setdefault(place, set()).add(name)
    kept = []
    for source in sources:
        images = source.images
        for place, names in written.items():
            where = folder.folder / place
            if images and where.is_dir() and images[0].parent.samefile(where):
                images = tuple(image for image in images if image.name not in names)
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
