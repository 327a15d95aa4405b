"""How many threads decode a video."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegrab.media import demuxing
from facegrab.media.demuxing import Demuxing, decoding_threads

HD, ULTRA_HD = 1920 * 1080, 3840 * 2160


@pytest.mark.parametrize(
    ("cores", "pixels", "expected"),
    [(1, HD, 1), (2, HD, 4), (4, HD, 8), (32, HD, 16), (2, ULTRA_HD, 3), (1, ULTRA_HD, 1)],
)
def test_two_a_core_decode_and_fewer_what_is_large(
    monkeypatch: pytest.MonkeyPatch, cores: int, pixels: int, expected: int
) -> None:
    monkeypatch.setattr(demuxing, "usable_cores", lambda: cores)
    assert decoding_threads(0, pixels) == expected
    assert decoding_threads(cores, pixels) == expected


def test_a_film_says_how_large_its_frames_are(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def noted(threads: int, pixels: int) -> int:
        asked.append((threads, pixels))
        return 2

    monkeypatch.setattr(demuxing, "decoding_threads", noted)
    file = Demuxing(clip, threads=3)
    assert file.stream.codec_context.thread_count == 2
    file.container.close()
    assert asked == [(3, 256 * 144)]
