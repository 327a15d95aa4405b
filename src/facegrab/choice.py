"""What settings come down to: models, tolerance, alignments; and the networks, opened once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from os import PathLike, fspath
from typing import TypeAlias

from facegrab.errors import SettingError
from facegrab.models import compute, packs
from facegrab.models.specs import DetectorSpec, RecogniserSpec
from facegrab.settings import AUTO, COMMERCIAL, ProcessSettings, RecognitionSettings
from facegrab.vision import eyes as opening
from facegrab.vision.alignments import Alignment, parse_alignments, require_points68
from facegrab.vision.feed import UPSAMPLE, Wanted
from facegrab.vision.look import Eyes, Look

PathName: TypeAlias = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the settings come down to, once names are looked up.

    Attributes:
        detector: finds faces.
        recogniser: tells them apart.
        tolerance: the largest distance of the same person.
        alignments: of the extracts, at least one.
        licences: of all weights in use, a line each.
        per_frame: each face is decided by itself, whatever its track says.
    """

    detector: DetectorSpec
    recogniser: RecogniserSpec
    tolerance: float
    alignments: tuple[Alignment, ...]
    licences: tuple[str, ...]
    per_frame: bool = False


class Opener:
    """Opens the networks when a look is first needed.

    Args:
        choice: which they are.
        process: what they run on, and which faces are looked for.
        eyes: networks to use instead.
    """

    def __init__(self, choice: Choice, process: ProcessSettings, eyes: Eyes | None) -> None:
        self._choice = choice
        self._process = process
        self._eyes = eyes

    def __call__(self) -> Look:
        """A look.

        Raises:
            WeightsError, DeviceError: the networks cannot be loaded.
        """
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


def choice_of(
    recognition: RecognitionSettings, process: ProcessSettings, eyes: Eyes | None
) -> Choice:
    """The models and alignments that settings name.

    Args:
        recognition: how faces are compared.
        process: how sources are read and what is written.
        eyes: networks that are used whatever the settings say, or None.

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
        recognition.per_frame,
    )


def listed(paths: PathName | Sequence[PathName]) -> list[str]:
    """One path or several, as text."""
    if isinstance(paths, (str, PathLike)):
        return [fspath(paths)]
    return [fspath(path) for path in paths]
