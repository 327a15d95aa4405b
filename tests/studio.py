"""Films of people of any hue, asked about by whole runs, and what that costs and leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from clips import write_clip
from fakes import PaintedDetector, painted_eyes, query, scene
from stopped import portrait, square

from facegrab.grab import FaceGrab
from facegrab.media.spans import SpansReader
from facegrab.media.video import VideoReader
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.summary import Summary, Watcher
from facegrab.types import Frame

COUNT = 8
"""Frames of a clip: two segments."""
RED, COUSIN, DOUBT, LIME, GREEN, BLUE = 0, 22, 32, 60, 90, -90
"""Hues. By dlib's tolerance of .6 a track of COUSIN is red's, of DOUBT may be."""
EITHER = 30
"""Red's as probably as LIME's."""
NIGHT = 36
"""Too far from red, and near enough if EVENING is known to be red too."""
EVENING = 16
FAST: dict[str, Any] = {"skip_frames": 0, "extract_size": 32, "scale": 0.5, "batch_size": 4}

Hue = float | Callable[[int], float]


class Studio:
    """Makes clips and references, asks, and sees what it costs.

    Attributes:
        looked_at: frames that were searched for faces by the last question.
        read: frames that were taken from the videos for it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.looked_at = self.read = 0

    def film(self, name: str, *hues: Hue, count: int = COUNT) -> Path:
        """People of these hues side by side; one may change from frame to frame."""
        frames = []
        for number in range(count):
            frame = scene((256, 144))
            for place, hue in enumerate(hues):
                square(frame, hue(number) if callable(hue) else hue, 8 + 80 * place + number, 20)
            frames.append(frame)
        options = {"preset": "ultrafast", "g": "4", "sc_threshold": "0"}
        return write_clip(self.home / f"{name}.mp4", frames, options=options)

    def of(self, hue: float) -> Path:
        return portrait(self.home / f"{hue}.png", hue)

    def asks(
        self,
        who: Path | str | Mapping[str, Path],
        sources: Path | Sequence[Path],
        out: str,
        *,
        others: Sequence[Path] = (),
        index: Path | None = None,
        watcher: Watcher | None = None,
        align: tuple[str, ...] = ("mean-face",),
        **recognition: Any,
    ) -> Summary:
        eyes = painted_eyes()
        settings = RecognitionSettings(jitter=1, **recognition)
        process = ProcessSettings(**FAST, align=align)
        grab = FaceGrab(who, settings, process, others=others, eyes=eyes)
        assert isinstance(eyes.detector, PaintedDetector)
        eyes.detector.batches.clear()
        self.read = 0
        with pytest.MonkeyPatch.context() as patch:
            for reader in (VideoReader, SpansReader):
                patch.setattr(reader, "__next__", self._counting(reader.__next__))
            try:
                return grab.process(sources, self.home / out, index=index, watcher=watcher)
            finally:
                self.looked_at = sum(eyes.detector.batches)

    def _counting(self, following: Callable[[Any], Frame]) -> Callable[[Any], Frame]:
        def counted(reader: Any) -> Frame:
            frame = following(reader)
            self.read += 1
            return frame

        return counted

    def files(self, out: str) -> dict[str, bytes]:
        """All that lies in a folder but its index, and folders that are empty."""
        folder = self.home / out
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
            for path in folder.rglob("*")
            if path.name != "facegrab.db" and not (path.is_dir() and any(path.iterdir()))
        }

    def images(self, out: str) -> dict[str, int]:
        """How many there are in each folder; all of them, and no others, are in the index."""
        names = [name for name in self.files(out) if name.endswith(".jpg")]
        assert sorted(query(self.home / out, "SELECT file FROM extract")) == sorted(
            (name,) for name in names
        )
        assert not query(self.home / out, "SELECT * FROM coming")
        return dict(Counter(name.rpartition("/")[0] for name in names))

    def verdicts(self, out: str) -> set[tuple[Any, ...]]:
        """What the index says of the faces: source, person, verdict."""
        return set(
            query(
                self.home / out,
                "SELECT name, person, verdict FROM outcome JOIN source ON id = source",
            )
        )
