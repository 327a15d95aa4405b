"""How well models tell people apart: all pairs of labelled photographs.

``python -m bench.verification`` prints what the default tolerances rest on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bench.detection import detectors, shared_yunet
from bench.media import Setup, media, shared_weights
from bench.table import Row, UnmeasurableError, unmeasured
from facegrab.cache import content_hash
from facegrab.evaluate import Described, Evaluation, Labelled, compare, describe
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.models.registry import KNOWN
from facegrab.models.specs import DetectorSpec, RecogniserSpec
from facegrab.verification import At, figures
from facegrab.vision.eyes import open_eyes
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

DEFAULT, PEER = "mtcnn + dlib", "dlib + dlib"
"""What comes with FaceGrab may not be worse than dlib's own chain."""
QUICK_PICTURES = 4
"""Of each person, in a smoke run."""
EUCLIDEAN_TOLERANCES = (0.5, 0.52, 0.54, 0.55, 0.56, 0.57, 0.58, 0.59, 0.6, 0.61, 0.62)
COSINE_TOLERANCES = (0.56, 0.58, 0.6, 0.62, 0.64, 0.66, 0.68, 0.7, 0.72)

LFW, ALL = "LFW 10x10", "all"
_AZURE = re.compile(r"Family\d-[A-Z][a-z]+")
_AZURE_MORE = {"man2-person-group": "Family2-Man", "woman1-person-group": "Family2-Lady"}
"""The rest of the person groups are the pictures of the families once more."""
_STILLS = {"obama": "obama", "obama2": "obama", "biden": "biden"}


def verification(setup: Setup) -> Iterator[Row]:
    """Rates by models and material, the default's accuracy against dlib's."""
    accuracy: dict[tuple[str, str], float] = {}
    for models, recogniser, material, result in _evaluations(setup):
        row, accuracy[models, material] = _row(models, recogniser, material, result)
        yield row
    for material in (LFW, ALL):
        ours, peer = accuracy[DEFAULT, material], accuracy[PEER, material]
        judged = material == LFW  # the rest is too little for a verdict
        yield Row(
            f"{DEFAULT} against {PEER}, {material}: accuracy",
            f"{ours:.2%}",
            f"{peer:.2%}",
            f"{100 * (ours - peer):+.2f} points",
            ">= peer" if judged else "",
            ours >= peer if judged else None,
            {"ours": ours, "peer": peer},
        )
    yield from unmeasured("verification, yunet", shared_yunet)
    yield from unmeasured("verification, mobilefacenet", _mobilefacenet)


def _row(
    models: str, recogniser: RecogniserSpec, material: str, result: Evaluation
) -> tuple[Row, float]:
    each = figures(result.pairs, recogniser.tolerance)
    values: dict[str, Any] = {
        "missed": len(result.missed),
        "same_pairs": each.same_pairs,
        "different_pairs": each.different_pairs,
        "accuracy": each.accuracy,
        "best_tolerance": each.best_tolerance,
        "equal_error_rate": each.equal_error_rate,
        "tolerance": recogniser.tolerance,
        "true_accept_rate": each.used.true_accept_rate,
        "false_accept_rate": each.used.false_accept_rate,
    }
    said = [f"accuracy {each.accuracy:.2%} at {each.best_tolerance:.3f}"]
    for rate, at in each.at_rate.items():
        values[f"at_{rate:g}"] = None if at is None else [at.tolerance, at.true_accept_rate]
        said.append(f"TAR at {rate:g}: {_at(at)}")
    used = each.used
    said.append(
        f"at {used.tolerance:g}: TAR {used.true_accept_rate:.2%}, FAR {used.false_accept_rate:.2%}"
    )
    work = f"{models}, {material}, {len(result.missed)} missed"
    return Row(work, "; ".join(said), values=values), each.accuracy


def _at(at: At | None) -> str:
    return "too few pairs" if at is None else f"{at.true_accept_rate:.2%} (-t {at.tolerance:.3f})"


def _evaluations(setup: Setup) -> Iterator[tuple[str, RecogniserSpec, str, Evaluation]]:
    """Every detector with every recogniser on LFW, on the rest, and on all joined."""
    lfw, rest = lfw_pictures(setup), family_pictures()
    for detector, recogniser in product(detectors(), recognisers()):
        look = _look(detector, recogniser)
        name = f"{detector.name} + {recogniser.name}"
        first, second = describe(lfw, look), describe(rest, look)
        for material, each in (
            (LFW, first),
            ("families and stills", second),
            (ALL, _joined(first, second)),
        ):
            yield name, recogniser, material, compare(each)


def _look(detector: DetectorSpec, recogniser: RecogniserSpec) -> Look:
    return Look(open_eyes(detector, recogniser, choose(by_itself=True), mesh=False), Wanted())


def recognisers() -> list[RecogniserSpec]:
    """dlib's, and MobileFaceNet where its weights lie beside the media."""
    found = [packs.resolve_recogniser("dlib")]
    with suppress(UnmeasurableError):
        found.append(_mobilefacenet())
    return found


def _mobilefacenet() -> RecogniserSpec:
    """From the shared weights.

    Raises:
        UnmeasurableError: it is not there.
    """
    graph = shared_weights("mobilefacenet", "MobileFaceNet.onnx")
    spec = KNOWN["mobilefacenet"]
    if content_hash(graph) != spec.sha256:
        raise UnmeasurableError(f"{graph} is another MobileFaceNet")
    assert isinstance(spec, RecogniserSpec)
    return replace(spec, graph=graph)


def lfw_pictures(setup: Setup) -> list[Labelled]:
    """LFW 10x10."""
    found = []
    for folder in sorted(media("people", "lfw10x10").iterdir()):
        paths = sorted(folder.glob("*.jpg"))
        found += [Labelled(folder.name, path) for path in paths[: setup.rounds(99, QUICK_PICTURES)]]
    return found


def family_pictures() -> list[Labelled]:
    """The families and the stills."""
    return [*_azure(), *_stills()]


def _azure() -> list[Labelled]:
    """Four people of a family, and two couples; children and parents are hard to tell apart."""
    found = []
    for path in sorted(media("people", "azure").glob("*.jpg")):
        family = _AZURE.match(path.stem)
        person = family[0] if family else _AZURE_MORE.get(path.stem)
        if person is not None:
            found.append(Labelled(person, path))
    return found


def _stills() -> list[Labelled]:
    return [
        Labelled(person, media("people", "stills", f"{name}.jpg"))
        for name, person in _STILLS.items()
    ]


def _joined(*parts: Described) -> Described:
    return Described(
        tuple(picture for part in parts for picture in part.pictures),
        np.concatenate([part.found for part in parts]),
        np.concatenate([part.embedding for part in parts]),
        parts[0].metric,
        tuple(path for part in parts for path in part.unreadable),
    )


def _print_tolerances() -> None:
    """True and false accept rates at many tolerances, and the tolerance for one in 1000."""
    for models, recogniser, material, result in _evaluations(Setup(quick=False)):
        pairs = result.pairs
        print(
            f"{models}, {material}: {result.people} people, {result.pictures} pictures, "
            f"{len(pairs.same)} pairs of one person, {len(pairs.different)} of two, "
            f"equal error rate {pairs.equal_error_rate():.2%}"
        )
        for rate in (0.01, 0.002, 0.001):
            at = pairs.tolerance_at(rate)
            true = "too few pairs" if at is None else f"-t {at:.4f}, TAR {pairs.rates(at)[0]:.2%}"
            print(f"  FAR {rate:g}: {true}")
        cosine = recogniser.metric == "cosine"
        _print_rates(result, COSINE_TOLERANCES if cosine else EUCLIDEAN_TOLERANCES)
        for path in _short(result.missed):
            print(f"  missed {path}")
        for each in result.nearest_strangers:
            print(f"  near {each.distance:.3f} {each.first.name} {each.second.name}")
        for each in result.farthest_same:
            print(f"  far {each.distance:.3f} {each.first.name} {each.second.name}")


def _print_rates(result: Evaluation, tolerances: Sequence[float]) -> None:
    count = len(result.pairs.different)
    for tolerance in tolerances:
        true, false = result.pairs.rates(tolerance)
        print(f"  {tolerance:.2f}: TAR {true:.2%}, FAR {false:.3%} ({round(false * count)} pairs)")


def _short(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]


if __name__ == "__main__":
    _print_tolerances()
