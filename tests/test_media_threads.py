"""How many threads decode a video."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegrab.media import demuxing
from facegrab.media.demuxing import Demuxing, decoding_threads


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 4), (4, 8), (32, 16)])
def test_two_a_core_decode(monkeypatch: pytest.MonkeyPatch, cores: int, expected: int) -> None:
    monkeypatch.setattr(demuxing, "usable_cores", lambda: cores)
    assert decoding_threads() == expected
    assert decoding_threads(cores) == expected


def test_a_film_is_decoded_by_them(clip: Path) -> None:
    file = Demuxing(clip, threads=3)
    assert file.stream.codec_context.thread_count == decoding_threads(3) == 6
    file.container.close()
