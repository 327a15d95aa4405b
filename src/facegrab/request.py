"""What a run asks for, in terms that can be compared with those of another run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from facegrab.choice import Choice
from facegrab.people.judge import Asked
from facegrab.settings import AUTO, COMMERCIAL, ProcessSettings, RecognitionSettings
from facegrab.store.index import Request
from facegrab.vision.feed import UPSAMPLE, USEFUL_SHARE

METHOD = 6
"""Counted up when the same settings find or place faces otherwise than before."""
JUDGEMENT = 1
"""Counted up when the same settings judge faces otherwise than before."""
_ONLY_SPEED = ("batch_size", "device", "threads", "jobs", "engine", "address", "shard")


def request_of(choice: Choice, process: ProcessSettings) -> Request:
    """Which faces a run looks for: what it has in common with runs of other questions."""
    detection = {
        "detector": choice.detector.key,
        "recogniser": choice.recogniser.key,
        "points68": process.licence != COMMERCIAL,
        "precision": process.precision,
        "full_scan": process.full_scan,
        "method": METHOD,
    }
    return Request(
        json.dumps(detection, sort_keys=True),
        process.skip_frames + 1,
        _smallest_px(choice, process),
        None if process.max_face is None else float(process.max_face),
    )


def _smallest_px(choice: Choice, process: ProcessSettings) -> float:
    if process.min_face != AUTO:
        return float(process.min_face)
    if process.scale != AUTO:
        return choice.detector.smallest_px / (UPSAMPLE * float(process.scale))
    return float(round(USEFUL_SHARE * process.extract_size))


def result_settings(
    choice: Choice, asked: Asked, recognition: RecognitionSettings, process: ProcessSettings
) -> dict[str, Any]:
    """What the content of an output folder depends on."""
    people = {each.name: each.gallery.digest for each in asked.people}
    settings: dict[str, Any] = {
        "references": people.get("", people) if people else "*",
        "not": sorted(each.digest for each in asked.others),
        "tolerance": choice.tolerance,
        "by_tolerance": asked.by_tolerance,
        "per_frame": choice.per_frame,
        "grow": recognition.grow,
        "group": recognition.group,
    }
    settings |= {name: each for name, each in asdict(process).items() if name not in _ONLY_SPEED}
    settings["detector"] = choice.detector.key
    settings["recogniser"] = choice.recogniser.key
    settings["licences"] = list(choice.licences)
    settings["align"] = [f"{each.fingerprint} {each.label}" for each in choice.alignments]
    for name in ("blur_threshold", "scale"):  # 10 and 10.0 are the same request
        settings[name] = (
            settings[name] if isinstance(settings[name], str) else float(settings[name])
        )
    return settings | {"method": METHOD, "judgement": JUDGEMENT}
