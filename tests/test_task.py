"""A segment given to a worker: what is cut out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import write_clip
from fakes import paint, painted_eyes, scene

from facegrab.grab import FaceGrab
from facegrab.media import find_sources
from facegrab.media.plan import plan
from facegrab.people.judge import Asked, Person
from facegrab.people.references import collect
from facegrab.question import Place
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store import album as albums
from facegrab.store.album import Tray
from facegrab.store.naming import Naming
from facegrab.task import Orders, Part, Task, Worker
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

PROCESS = ProcessSettings(skip_frames=0, extract_size=64, scale=0.5, batch_size=2)
RECOGNITION = RecognitionSettings(0.35, jitter=1)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Red, and their cousin, who is near to them in every frame, but nobody's who is asked for."""
    frames = [scene() for _ in range(8)]
    for number, frame in enumerate(frames):
        paint(frame, "red", 10 + 2 * number, 10)
        paint(frame, "orange", 150, 60)
    return write_clip(tmp_path / "f.mp4", frames, options={"preset": "ultrafast", "g": "1"})


def seen(film: Path, red: Path) -> Part:
    eyes = painted_eyes()
    spec = eyes.recogniser.spec
    gallery = collect([red], 1, lambda: Look(eyes, Wanted(0.5, extract_size=64)), spec, 0.35)
    orders = Orders(
        PROCESS,
        RECOGNITION,
        Asked((Person("", gallery),), (), 0.35, "euclidean", by_tolerance=True),
        eyes=eyes,
    )
    (source,) = find_sources([str(film)])
    (segment,) = plan(source, 1) or ()
    place = Place(source, 1, Naming("f", "png", None, None))
    return Worker(orders, tray=Tray()).see(Task(source, segment, place, "content"))


def cut(part: Part) -> list[str]:
    return sorted(name for batch in part.batches for name, _ in batch.extracts or ())


def test_only_what_its_segment_wants_is_made(film: Path, red: Path, tmp_path: Path) -> None:
    """Not what came near: else everybody's extracts would travel, for nothing."""
    part = seen(film, red)
    grab = FaceGrab(red, RECOGNITION, PROCESS, eyes=painted_eyes())
    summary = grab.process(film, tmp_path / "out")
    assert summary.faces_written == 8
    assert len(cut(part)) == 8
    assert sum(len(batch.faces) for batch in part.batches) == 16
    assert [bool(batch.extracts) for batch in part.batches] == [False] * 3 + [True]


def test_what_there_was_no_room_for_is_left_to_whoever_takes_it(
    film: Path, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of red are likely, and made when they have to go; those of the cousin are not."""
    expected = cut(seen(film, red))
    made = []
    encoded = albums.encoded

    def counted(name: str, *rest: object) -> bytes:
        made.append(name)
        return encoded(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(albums, "encoded", counted)
    monkeypatch.setattr(albums, "MOST_HELD_BYTES", 0)
    assert cut(seen(film, red)) == expected
    assert sorted(made) == expected
