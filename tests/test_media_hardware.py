"""Videos that a graphics card decodes, or does not: never without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.error import PermissionError as AvPermissionError
from clips import square_frames, write_clip

from facegrab.errors import MediaError, MissingError
from facegrab.media import Source, decoding, demuxing, open_source
from facegrab.types import Frame

OPEN = av.open


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "a.mp4", square_frames(12))


class Card:
    """A card that is asked to open files, and hands them to the processor in secret."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[Any] = []
        self._failure = failure

    def open(self, *args: Any, hwaccel: Any = None, **options: Any) -> Any:
        self.asked.append(hwaccel)
        if hwaccel is not None and self._failure is not None:
            raise self._failure
        return OPEN(*args, **options)


def use(monkeypatch: pytest.MonkeyPatch, card: Card, *, decodes: bool = True) -> None:
    monkeypatch.setattr(av, "open", card.open)
    monkeypatch.setattr(demuxing, "_is_in_hardware", lambda codec: decodes)


def read(path: Path, device: str) -> tuple[list[Frame], list[str]]:
    with open_source(Source(path), 3, device) as reader:
        return list(reader), reader.warnings


def test_a_card_decodes_without_a_fall_back(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    use(monkeypatch, card := Card())
    frames, warnings = read(clip, "cuda")
    assert [frame.index for frame in frames] == [0, 3, 6, 9]
    assert warnings == []
    (asked,) = card.asked
    assert not asked.allow_software_fallback
    assert not asked.is_hw_owned


@pytest.mark.parametrize(
    ("failure", "decodes", "why"),
    [
        (AvPermissionError(1, "Operation not permitted"), True, "Operation not permitted"),
        (RuntimeError("decode requested but no stream is compatible"), True, "no stream is compat"),
        # The file was opened for the sake of another stream, a cover picture, say.
        (None, False, "no decoder for h264"),
    ],
)
def test_where_no_card_decodes_the_processor_does_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
    clip: Path,
    failure: Exception | None,
    decodes: bool,
    why: str,
) -> None:
    expected, _ = read(clip, "cpu")
    use(monkeypatch, card := Card(failure), decodes=decodes)
    frames, (warning,) = read(clip, "cuda")
    assert warning.startswith("decoded on the processor, because cuda does not")
    assert why in warning
    assert [each is None for each in card.asked] == [False, True]
    for one, other in zip(frames, expected, strict=True):
        assert np.array_equal(one.image, other.image)


def test_a_first_frame_that_fails_is_no_damage(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    """A card may accept a codec, and refuse the profile of a film when it meets it."""
    use(monkeypatch, card := Card())
    decode = decoding.Decoding.frames

    def refusing(self: Any) -> Any:
        if len(card.asked) > 1:
            yield from decode(self)
        self.count_damaged()

    monkeypatch.setattr(decoding.Decoding, "frames", refusing)
    with open_source(Source(clip), 3, "cuda") as reader:
        assert reader.frames_damaged == 0
        assert "no frame of the video can be decoded" in reader.warnings[0]
        next(reader)


def test_a_processor_is_not_told_of_cards(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    use(monkeypatch, card := Card())
    read(clip, "cpu")
    assert card.asked == [None]


def test_what_is_no_video_is_none_on_a_card_either(tmp_path: Path) -> None:
    (broken := tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(MediaError, match="no readable video"):
        read(broken, "cuda")
    with pytest.raises(MissingError):
        read(tmp_path / "none.mp4", "cuda")
