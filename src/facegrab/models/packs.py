"""Which models a run uses: what a name or path stands for, what is chosen, what is allowed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from facegrab import cache
from facegrab.errors import MissingError, WeightsError
from facegrab.models import folder, own, packfile, registry
from facegrab.models.packfile import DETECTOR, RECOGNISER, Spec, role_of
from facegrab.models.specs import DetectorSpec, RecogniserSpec
from facegrab.settings import AUTO

log = logging.getLogger(__name__)

FALLBACK = {DETECTOR: "mtcnn", RECOGNISER: "dlib"}
"""What is used where nothing was chosen or installed: it comes with the Python packages."""

INSTEAD = {
    DETECTOR: "the detectors mtcnn, dlib and yunet",
    RECOGNISER: "the recognisers dlib and sface",
}
"""What may be used commercially, by role."""


def choose(
    models: str = AUTO, detector: str = AUTO, recogniser: str = AUTO
) -> tuple[DetectorSpec, RecogniserSpec]:
    """Detector and recogniser of a run.

    Args:
        models: a pack, or ``"auto"``: the defaults.
        detector: another detector than the pack's (a name or the path of an ``.onnx``), or
            ``"auto"``.
        recogniser: the same for the recogniser.

    Raises:
        WeightsError: something is unknown, not installed or damaged.
        MissingError: there is no file of that path.
    """
    pack = pack_models(models) if models != AUTO else (AUTO, AUTO)
    names = (
        detector if detector != AUTO else pack[0],
        recogniser if recogniser != AUTO else pack[1],
    )
    return (
        default_detector() if names[0] == AUTO else resolve_detector(names[0]),
        default_recogniser() if names[1] == AUTO else resolve_recogniser(names[1]),
    )


def resolve_pack(name: str) -> tuple[DetectorSpec, RecogniserSpec]:
    """Detector and recogniser of a pack.

    Raises:
        WeightsError: the pack is unknown, or one of its models not installed or damaged.
    """
    detector, recogniser = pack_models(name)
    return resolve_detector(detector), resolve_recogniser(recogniser)


def pack_models(name: str) -> tuple[str, str]:
    """Names of a pack's detector and recogniser.

    Raises:
        WeightsError: there is no such pack.
    """
    if name not in registry.PACKS:
        raise WeightsError(f"{name!r} is no pack of models: there are {', '.join(registry.PACKS)}")
    return registry.PACKS[name]


def resolve_detector(name_or_path: str) -> DetectorSpec:
    """The detector of a name, or of the path of an ``.onnx``.

    Raises:
        WeightsError: it is unknown, not installed, damaged or no detector.
        MissingError: there is no file of that path.
    """
    spec = _resolve(name_or_path, DETECTOR)
    if not isinstance(spec, DetectorSpec):
        raise WeightsError(f"{name_or_path} is a recogniser, not a detector: {_known(DETECTOR)}")
    return spec


def resolve_recogniser(name_or_path: str) -> RecogniserSpec:
    """The recogniser of a name, or of the path of an ``.onnx``.

    Raises:
        WeightsError: it is unknown, not installed, damaged or no recogniser.
        MissingError: there is no file of that path.
    """
    spec = _resolve(name_or_path, RECOGNISER)
    if not isinstance(spec, RecogniserSpec):
        raise WeightsError(f"{name_or_path} is a detector, not a recogniser: {_known(RECOGNISER)}")
    return spec


def default_detector() -> DetectorSpec:
    """What was chosen with `facegrab models use`, else yunet if it is installed, else mtcnn.

    Raises:
        WeightsError: what was chosen is no longer there, or damaged: no other takes its place.
    """
    return resolve_detector(default_name(DETECTOR))


def default_recogniser() -> RecogniserSpec:
    """What was chosen with `facegrab models use`, else dlib.

    Raises:
        WeightsError: see default_detector.
    """
    return resolve_recogniser(default_name(RECOGNISER))


def default_name(role: str) -> str:
    """Name of the model that is used where none is asked for.

    Raises:
        WeightsError: ``use.json`` is damaged.
    """
    chosen = chosen_names().get(role)
    if chosen is not None:
        return chosen
    if role == DETECTOR and folder.spec_path(registry.RECOMMENDED).exists():
        return registry.RECOMMENDED
    return FALLBACK[role]


def chosen_names() -> dict[str, str]:
    """Names of the models chosen with `facegrab models use`, by role.

    Raises:
        WeightsError: ``use.json`` is damaged.
    """
    return packfile.read_choice(_choice_path())


def use(choice: dict[str, str]) -> None:
    """Makes installed or embedded models the defaults; roles that are not named stay as they are.

    Args:
        choice: names by role.

    Raises:
        WeightsError: a model is unknown, damaged or of the other role.
        OutputError, AccessError: the choice cannot be written.
    """
    if DETECTOR in choice:
        resolve_detector(choice[DETECTOR])
    if RECOGNISER in choice:
        resolve_recogniser(choice[RECOGNISER])
    _write_choice({**chosen_names(), **choice})


def forget(name: str) -> list[str]:
    """Takes back the choice of a model.

    Returns:
        The roles it was chosen for.
    """
    choice = chosen_names()
    roles = [role for role, chosen in choice.items() if chosen == name]
    if roles:
        _write_choice({role: chosen for role, chosen in choice.items() if chosen != name})
    return roles


def check_licence(specs: Sequence[Spec]) -> None:
    """Checks that models may be used in commercial products.

    Raises:
        WeightsError: one may not, or nobody said so; names it and what may be used instead.
    """
    for spec in specs:
        if not spec.licence.commercial:
            raise WeightsError(
                f"the {role_of(spec)} {spec.name} may not be used commercially "
                f"({spec.licence.name}): {INSTEAD[role_of(spec)]} may"
            )


def installed(name: str) -> Spec:
    """The installed model of a name, checked against its hash.

    Raises:
        WeightsError: it is not installed, or damaged.
    """
    spec = packfile.read(folder.spec_path(name))
    graph = folder.graph_path(name) if spec.graph is None else spec.graph
    if not graph.is_file():
        raise WeightsError(f"{graph} is missing: {packfile.REMOVE_IT}")
    if cache.content_hash(graph) != spec.sha256:
        raise WeightsError(
            f"{graph} is not the file that was installed, its hash differs: {packfile.REMOVE_IT}"
        )
    return spec


def is_installed(name: str) -> bool:
    """Whether there is a model of that name in the folder, sound or not."""
    return folder.is_name(name) and folder.spec_path(name).exists()


def of_file(graph: Path) -> Spec:
    """What a graph is: a known one by its hash, else what looking into it tells.

    Args:
        graph: an ``.onnx``.

    Raises:
        MissingError: there is no such file.
        WeightsError: it is no graph of a known kind, or does not tell all that must be known.
    """
    if not graph.is_file():
        raise MissingError(f"{graph} is no file: give the path of an .onnx")
    graph = graph.absolute()
    return own.spec_of(graph, cache.content_hash(graph))


def _resolve(text: str, role: str) -> Spec:
    if "/" in text or "\\" in text or text.lower().endswith(folder.GRAPH_SUFFIX):
        return of_file(Path(text).expanduser())
    if text in registry.EMBEDDED[role]:
        return registry.EMBEDDED[role][text]
    if is_installed(text):
        return installed(text)
    known = registry.KNOWN.get(text)
    if known is not None and role_of(known) == role:
        source = registry.source_of(text)
        way_out = f"get {source}" if source else "add FILE.onnx"
        raise WeightsError(f"{text} is not installed: facegrab models {way_out}")
    if text in registry.PACKS:
        raise WeightsError(f"{text} is a pack, not a {role}: --models {text}")
    raise WeightsError(f"there is no {role} {text!r}: {_known(role)}")


def _known(role: str) -> str:
    known = [name for name, spec in registry.KNOWN.items() if role_of(spec) == role]
    others = [name for name in folder.installed_names() if name not in registry.KNOWN]
    names = ", ".join([*registry.EMBEDDED[role], *known, *others])
    return f"there are {names} (facegrab models list tells which are installed), or an .onnx's path"


def _choice_path() -> Path:
    return folder.models_folder() / f"{folder.CHOICE_NAME}{folder.SPEC_SUFFIX}"


def _write_choice(choice: dict[str, str]) -> None:
    folder.put(_choice_path(), packfile.encode_choice(choice))
