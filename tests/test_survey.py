"""What the index keeps between two runs of a survey: read back as it was, or refused in a line."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import HUE

from facegrab.errors import StoreError
from facegrab.people.link import Linker, frames_needed
from facegrab.survey import segment_of, text_of
from facegrab.types import Faces, Segment
from facegrab.vision.shots import SIGNATURE_LENGTH

INDEX = Path("/somewhere/facegrab.db")
SEGMENT: dict[str, Any] = {
    "number": 1, "first_frame": 500, "frames_read": 500, "frames_damaged": 2, "width": 64,
    "height": 48, "pts": -7, "origin": None, "pos": None, "trial": None,
}  # fmt: skip
STATE: dict[str, Any] = {
    "signatures": [base64.b64encode(bytes(SIGNATURE_LENGTH)).decode()],
    "looked_at": [493, 499],
    "shot": 2,
    "tracks": 9,
}
NO_JSON = ["", "no JSON", "[" * 15_000, '{"number": ' * 2_000, "3", "null", '"text"', "[1, 2]"]


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def one_line(caught: pytest.ExceptionInfo[StoreError]) -> None:
    assert str(caught.value).startswith(f"{INDEX} is damaged")
    assert "\n" not in str(caught.value)


class TestSegment:
    def test_it_comes_back(self) -> None:
        for segment in (Segment(**SEGMENT), Segment(0, 0, 0, 0, 640, 360, 2**61, -(2**61), 48, 33)):
            assert segment_of(text_of(segment), INDEX) == segment

    @pytest.mark.parametrize(
        "text",
        [
            *NO_JSON,
            *(
                json.dumps(SEGMENT | change)
                for change in (
                    {"number": -1}, {"first_frame": 1.5}, {"frames_read": "all"}, {"width": True},
                    {"height": None}, {"pts": 2**63}, {"origin": -(2**63)}, {"trial": -1},
                    {"pos": -1},
                    {"first_frame": float("inf")}, {"first_frame": 10**400}, {"more": 1},
                )
            ),
            json.dumps(without(SEGMENT, "first_frame")),
        ],
    )  # fmt: skip
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(StoreError) as caught:
            segment_of(text, INDEX)
        one_line(caught)


class TestState:
    def test_it_comes_back(self) -> None:
        linker = Linker(HUE)
        linker.resume(json.dumps(STATE), Faces.empty(128), HUE, INDEX)
        assert json.loads(linker.state) == STATE
        assert frames_needed(linker.state, INDEX) == 493
        assert frames_needed(Linker(HUE).state, INDEX) == 0

    @pytest.mark.parametrize(
        "text",
        [
            *NO_JSON,
            *(
                json.dumps(STATE | change)
                for change in (
                    {"signatures": ["no base64!"]}, {"signatures": ["AAAA"]}, {"signatures": 3},
                    {"signatures": [3]}, {"looked_at": [499, 493]}, {"looked_at": [1, 1]},
                    {"looked_at": [-1]}, {"looked_at": [2**63]}, {"looked_at": [float("inf")]},
                    {"looked_at": ["1"]}, {"looked_at": 3}, {"looked_at": "493"}, {"shot": -2},
                    {"shot": 1.5}, {"shot": None}, {"tracks": -1}, {"tracks": 2**63},
                    {"tracks": float("nan")}, {"tracks": "9"}, {"shot": " " * 20_000},
                )
            ),
            *(json.dumps(without(STATE, name)) for name in STATE),
        ],
    )  # fmt: skip
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(StoreError) as caught:
            Linker(HUE).resume(text, Faces.empty(128), HUE, INDEX)
        one_line(caught)
        with pytest.raises(StoreError) as caught:
            frames_needed(text, INDEX)
        one_line(caught)
