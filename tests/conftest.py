"""What all tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clips import write_clip, write_image
from fakes import CLIP_FRAMES, RED_UNTIL, our_threads, paint, painted_eyes, scene
from hypothesis import settings

from facegrab.media import segments
from facegrab.vision.look import Eyes

# The same examples in every run, and no race against a busy machine.
settings.register_profile("facegrab", deadline=None, derandomize=True, database=None)
settings.load_profile("facegrab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that at the end no worker is left with one of them alone."""
    items.sort(key=lambda item: item.get_closest_marker("real") is None)


def pytest_collection_finish() -> None:
    """What was loaded stays: nobody need look there for rings of objects that nobody holds."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _programs_keep_their_byte_code() -> Iterator[None]:
    """Also where Python is told to keep none: each that a test starts would compile everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, every thread that FaceGrab started has ended after it."""
    yield
    assert our_threads() == []


@pytest.fixture(autouse=True)
def _no_models_are_installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the developer has installed changes no default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEGRAB_MODELS", str(tmp_path_factory.getbasetemp() / "no-models"))
        yield


@pytest.fixture
def eyes() -> Eyes:
    """Networks that see painted people."""
    return painted_eyes()


@pytest.fixture
def fake_networks(monkeypatch: pytest.MonkeyPatch) -> Eyes:
    """The same, for whoever opens the networks by name: the command line."""
    eyes = painted_eyes()
    monkeypatch.setattr("facegrab.vision.eyes.open_eyes", lambda *_, **options: eyes)
    return eyes


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what the tests read."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def red(media: Path) -> Path:
    """A reference picture of red."""
    return write_image(media / "red.png", scene((160, 120), red=(40, 30)))


@pytest.fixture(scope="session")
def green(media: Path) -> Path:
    """A reference picture of green."""
    return write_image(media / "green.png", scene((160, 120), green=(40, 30)))


@pytest.fixture(scope="session")
def clip(media: Path) -> Path:
    """30 frames of 256x144 at 25 a second: red until frame 20, green always, both moving."""
    frames = []
    for number in range(CLIP_FRAMES):
        frame = scene(green=(200 - 2 * number, 80))
        if number < RED_UNTIL:
            paint(frame, "red", 10 + 3 * number, 20)
        frames.append(frame)
    return write_clip(media / "clip.mp4", frames, options={"g": "4", "sc_threshold": "0"})


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of four frames of ``clip``."""
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", 0.15)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium, by playwright."""
    from browsers import launched

    yield from launched()
