"""Settings: immutable, checked at birth, the offending value in the message."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from facegrab.errors import SettingError
from facegrab.settings import ProcessSettings, RecognitionSettings

Kind = type[ProcessSettings] | type[RecognitionSettings]

GOOD: list[tuple[Kind, str, Any]] = [
    (RecognitionSettings, "tolerance", 0.1),
    (RecognitionSettings, "tolerance", 1),
    (RecognitionSettings, "jitter", 1),
    (RecognitionSettings, "jitter", 1000),
    (ProcessSettings, "batch_size", 2),
    (ProcessSettings, "batch_size", 128),
    (ProcessSettings, "skip_frames", 0),
    (ProcessSettings, "skip_frames", 1000),
    (ProcessSettings, "extract_size", 32),
    (ProcessSettings, "extract_size", 1024),
    (ProcessSettings, "scale", 0.1),
    (ProcessSettings, "scale", 1.0),
    (ProcessSettings, "scale", "auto"),
    (ProcessSettings, "min_face", 8),
    (ProcessSettings, "min_face", "auto"),
    (ProcessSettings, "max_face", 20000),
    (RecognitionSettings, "tolerance", "auto"),
    (ProcessSettings, "blur_threshold", 0),
    (ProcessSettings, "blur_threshold", 9999),
    (ProcessSettings, "format", "png"),
    (ProcessSettings, "device", "cuda"),
]

BAD: list[tuple[Kind, str, Any]] = [
    (RecognitionSettings, "tolerance", 0.0999),
    (RecognitionSettings, "tolerance", 1.0001),
    (RecognitionSettings, "tolerance", float("nan")),
    (RecognitionSettings, "tolerance", "0.6"),
    (RecognitionSettings, "tolerance", True),
    (RecognitionSettings, "jitter", 0),
    (RecognitionSettings, "jitter", 1001),
    (RecognitionSettings, "jitter", 2.0),
    (ProcessSettings, "batch_size", 1),
    (ProcessSettings, "batch_size", 129),
    (ProcessSettings, "batch_size", True),
    (ProcessSettings, "skip_frames", -1),
    (ProcessSettings, "skip_frames", 1001),
    (ProcessSettings, "skip_frames", None),
    (ProcessSettings, "extract_size", 31),
    (ProcessSettings, "extract_size", 1025),
    (ProcessSettings, "extract_size", 256.0),
    (ProcessSettings, "scale", 0.09),
    (ProcessSettings, "scale", 1.01),
    (ProcessSettings, "scale", "Auto"),
    (ProcessSettings, "scale", float("inf")),
    (ProcessSettings, "blur_threshold", -0.1),
    (ProcessSettings, "blur_threshold", 9999.1),
    (ProcessSettings, "format", "gif"),
    (ProcessSettings, "format", None),
    (ProcessSettings, "device", "tpu"),
    (ProcessSettings, "min_face", 7),
    (ProcessSettings, "min_face", 64.0),
    (ProcessSettings, "min_face", "small"),
    (ProcessSettings, "max_face", 7),
    (ProcessSettings, "max_face", "auto"),
    (ProcessSettings, "licence", "free"),
    (ProcessSettings, "align", "arcface"),
    (ProcessSettings, "align", ()),
]


@pytest.mark.parametrize(("kind", "name", "value"), GOOD)
def test_both_ends_of_a_range_are_in_it(kind: Kind, name: str, value: Any) -> None:
    assert getattr(kind(**{name: value}), name) == value


@pytest.mark.parametrize(("kind", "name", "value"), BAD)
def test_what_lies_outside_is_refused_by_name_and_value(kind: Kind, name: str, value: Any) -> None:
    with pytest.raises(SettingError) as caught:
        kind(**{name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_defaults_are_those_of_the_manual() -> None:
    process = ProcessSettings()
    assert (process.batch_size, process.skip_frames, process.extract_size) == (128, 6, 256)
    assert (process.scale, process.blur_threshold, process.format) == ("auto", 10, "jpg")
    assert (process.min_face, process.max_face, process.align) == ("auto", None, ("mean-face",))
    assert (process.upsample, process.licence) == (True, "any")
    assert (process.models, process.detector, process.recogniser) == ("auto",) * 3
    assert RecognitionSettings().tolerance == "auto"


def test_the_smallest_face_is_said_in_one_way() -> None:
    with pytest.raises(SettingError, match="give one of them"):
        ProcessSettings(scale=0.5, min_face=40)
    with pytest.raises(SettingError, match="max_face 50 is less than min_face 60"):
        ProcessSettings(min_face=60, max_face=50)


def test_nothing_can_be_changed_afterwards() -> None:
    settings = ProcessSettings()
    with pytest.raises(FrozenInstanceError):
        settings.batch_size = 500  # type: ignore[misc]
