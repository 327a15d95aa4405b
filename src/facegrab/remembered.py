"""A run's question, kept with its folder: it can be put again without the references' pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from facegrab.choice import Choice
from facegrab.errors import SettingError, StoreError
from facegrab.models.specs import Metric
from facegrab.people.gallery import Gallery
from facegrab.people.judge import Asked, Person
from facegrab.people.who import check_names
from facegrab.settings import AUTO, ProcessSettings, RecognitionSettings
from facegrab.types import FloatArray
from facegrab.vision.alignments import Alignment, parse_alignments

_ONLY_SPEED = ("batch_size", "device", "threads", "jobs", "engine", "address", "shard")
_METRICS: dict[str, Metric] = {"euclidean": "euclidean", "cosine": "cosine"}
_LENGTHS = range(16, 4097)
"""Of embeddings."""
_MOST = 100_000
"""References of one person."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model of which no more is known than its key."""

    key: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """A question as it was put.

    Attributes:
        asked: who is asked for.
        process: how sources were read and what is written.
        recognition: how faces are compared.
        detector: that found the faces.
        recogniser: that described them.
        alignments: of the extracts.
    """

    asked: Asked
    process: ProcessSettings
    recognition: RecognitionSettings
    detector: Model
    recogniser: Model
    alignments: tuple[Alignment, ...]


def to_json(
    asked: Asked, choice: Choice, recognition: RecognitionSettings, process: ProcessSettings
) -> dict[str, Any]:
    """What ``of_json`` takes; the same for the same question, whatever it was computed on."""
    written = {name: each for name, each in asdict(process).items() if name not in _ONLY_SPEED}
    return {
        "people": [[each.name, _packed(each.gallery)] for each in asked.people],
        "others": [_packed(each) for each in asked.others],
        "tolerance": asked.tolerance,
        "metric": asked.metric,
        "detector": choice.detector.key,
        "recogniser": choice.recogniser.key,
        "process": written | {"align": list(process.align)},
        "recognition": asdict(recognition),
        "alignments": [f"{each.fingerprint} {each.label}" for each in choice.alignments],
    }


def of_json(value: Any, where: str) -> Remembered:
    """The question that a folder keeps.

    Args:
        value: from its index, which may come from anywhere.
        where: the folder, for messages.

    Raises:
        StoreError: it keeps none, or none of ours.
        SettingError: a template of its extracts has changed or is gone.
    """
    if value is None:
        raise StoreError(
            f"{where} does not say who was asked for, because an older FaceGrab wrote it: give its "
            "command once more, which takes seconds"
        )
    try:
        asked, recogniser = _asked(value), _text(value["recogniser"])
        process = ProcessSettings(**_known(value["process"], ProcessSettings))
        recognition = RecognitionSettings(**_known(value["recognition"], RecognitionSettings))
        detector, fingerprints = _text(value["detector"]), list(value["alignments"])
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
        SettingError,
    ) as error:
        raise StoreError(f"{where} is damaged (its question: {error}): run it again") from error
    alignments = parse_alignments(process.align, process.extract_size)
    if [f"{each.fingerprint} {each.label}" for each in alignments] != fingerprints:
        raise SettingError(
            f"{', '.join(process.align)} places faces otherwise than when {where} was written: put "
            "the template back, or run into another folder"
        )
    return Remembered(asked, process, recognition, Model(detector), Model(recogniser), alignments)


def _asked(value: Mapping[str, Any]) -> Asked:
    metric, recogniser = _METRICS[value["metric"]], _text(value["recogniser"])
    people = tuple(
        Person(_text(name), _gallery(packed, recogniser, metric))
        for name, packed in value["people"]
    )
    check_names([each.name for each in people])
    tolerance = float(value["tolerance"])
    recognition = value["recognition"]
    if not 0 < tolerance <= 2:
        raise ValueError(f"a tolerance of {tolerance}")
    return Asked(
        people,
        tuple(_gallery(each, recogniser, metric) for each in value["others"]),
        tolerance,
        metric,
        by_tolerance=recognition["tolerance"] != AUTO,
        per_frame=bool(recognition["per_frame"]),
    )


def _packed(gallery: Gallery) -> list[Any]:
    return [len(gallery), base64.b64encode(gallery.embedding.astype("<f2").tobytes()).decode()]


def _gallery(packed: Sequence[Any], recogniser: str, metric: Metric) -> Gallery:
    count, text = packed
    if type(count) is not int or not 0 < count <= _MOST:
        raise ValueError(f"{count!r} references")
    values = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    if len(values) % count or len(values) // count not in _LENGTHS:
        raise ValueError(f"{len(values)} numbers for {count} references")
    if not np.isfinite(values).all():
        raise ValueError("what is no embedding")
    embedding: FloatArray = values.reshape(count, -1)
    names = tuple(f"#{row}" for row in range(count))
    return Gallery(embedding, names, (), recogniser, metric)


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > 300:
        raise ValueError(f"{str(value)[:40]!r} for a name")
    return value


def _known(values: Mapping[str, Any], settings: type[Any]) -> dict[str, Any]:
    """Settings of a class that are given; a list for a tuple, as JSON has it."""
    names = {each.name for each in fields(settings)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in names
    }
