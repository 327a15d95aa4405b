"""What a live page tells of a run: written by the run, read by the server's thread."""

from __future__ import annotations

import base64
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from facegrab.errors import FaceGrabError
from facegrab.fetching import content_of
from facegrab.people.judge import Asked
from facegrab.store.album import leads_inside
from facegrab.store.files import printable
from facegrab.summary import Plan, Watcher
from facegrab.types import Faces, Frame
from facegrab.view.links import clock, spell
from facegrab.view.sight import Sight, sight_of, thumb
from facegrab.view.words import number

EVERY_SECONDS = 0.25
"""Between two frames that are shown, at least."""
LAST_EXTRACTS = 24
PARTING_SECONDS = 1.0
"""That a page has for what it still waits for, once it was told that the run has ended."""
_SPEED_SECONDS = 5.0
"""That the speed is measured over."""
_LARGEST_EXTRACT_BYTES = 16 * 2**20
"""Of a file: a PNG of the largest size has 3 MB."""


@dataclass(slots=True)
class _Kept:
    """An extract; its copy is made when a page first wants it."""

    number: int
    file: str
    picture: str = ""
    is_read: bool = False


@dataclass(slots=True)
class _Counts:
    """Of a source, or of all before it."""

    frames: int = 0
    found: int = 0
    kept: int = 0


class Live:
    """Watches a run and looks on, for pages; a page that nobody opens costs nothing.

    It is a Watcher and an Onlooker. The run calls ``begin`` to ``part``, the server's thread the
    others.

    Args:
        watcher: is told what this one is told.
        sources: that will come.
    """

    def __init__(self, watcher: Watcher, sources: int = 1) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)
        self._pages = 0
        self._start = monotonic()
        self._sources = sources
        self._begun = 0
        self._plan: Plan | None = None
        self._now, self._before = _Counts(), _Counts()
        self._pace: deque[tuple[float, int]] = deque()
        self._asked: Asked | None = None
        self._folder = Path()
        self._wanted = False
        self._sight: Sight | None = None
        self._sight_time = 0.0
        self._kept: deque[_Kept] = deque(maxlen=LAST_EXTRACTS)
        self._kept_count = 0
        self._end: dict[str, Any] | None = None

    # What the run tells

    def begin(self, plan: Plan) -> None:
        """See Watcher."""
        self._watcher.begin(plan)
        with self._lock:
            self._before = _sum(self._before, self._now)
            self._now = _Counts()
            self._plan = plan
            self._begun += 1
            self._pace.clear()

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        """See Watcher."""
        self._watcher.step(frames_read, faces_found, faces_written)
        now = monotonic()
        with self._lock:
            if self._plan is None:  # decided once more: no source is gone through
                return
            self._now = _Counts(frames_read, faces_found, faces_written)
            self._pace.append((now, frames_read))
            while len(self._pace) > 2 and self._pace[1][0] < now - _SPEED_SECONDS:
                self._pace.popleft()

    def end(self) -> None:
        """See Watcher."""
        self._watcher.end()
        with self._lock:
            self._before = _sum(self._before, self._now)
            self._now = _Counts()
            self._plan = None

    def ask(self, asked: Asked, folder: Path) -> None:
        """See Onlooker."""
        self._asked, self._folder = asked, folder

    def see(self, frames: Sequence[Frame], faces: Faces) -> None:
        """Copies a frame, if a page waits for one."""
        if not self._wanted or self._asked is None:
            return
        now = monotonic()
        if now - self._sight_time < EVERY_SECONDS:
            return
        plan, before = self._plan, self._sight.number if self._sight else 0
        size = (plan.width, plan.height) if plan else (0, 0)
        sight = sight_of(before + 1, frames, faces, self._asked, size)
        with self._lock:
            self._sight, self._sight_time, self._wanted = sight, now, False

    def keep(self, files: Sequence[str]) -> None:
        """See Onlooker."""
        with self._lock:
            for file in files[-LAST_EXTRACTS:]:
                self._kept_count += 1
                self._kept.append(_Kept(self._kept_count, file))

    def finish(self, words: str, lines: Sequence[str] = (), report: Path | None = None) -> None:
        """The run has ended; once it was said, nothing else is.

        Args:
            words: how.
            lines: what was done.
            report: where it lies, if there is one.
        """
        with self._lock:
            if self._end is None:
                self._end = {
                    "words": words,
                    "lines": [printable(line) for line in lines],
                    "report": printable(str(report.absolute())) if report else "",
                }

    def part(self) -> None:
        """Waits until every page has heard the end and left, but not for one that hangs."""
        with self._left:
            self._left.wait_for(lambda: not self._pages, 2 * PARTING_SECONDS)

    # What a page asks for

    @contextmanager
    def page(self) -> Iterator[None]:
        """As long as a page listens."""
        with self._lock:
            self._pages += 1
        try:
            yield
        finally:
            with self._left:
                self._pages -= 1
                self._left.notify_all()

    @property
    def ended(self) -> bool:
        """The run has."""
        return self._end is not None

    def want(self) -> None:
        """A page waits for the next frame."""
        self._wanted = True

    def picture(self, sight: int) -> bytes | None:
        """A frame's copy as JPEG; None if another one is shown by now, or there are no pixels."""
        shown = self._sight
        if shown is None or shown.number != sight or not shown.width:
            return None
        return shown.jpeg()

    def told(self, after: int = 0) -> dict[str, Any]:
        """Everything that a page shows, ready for JSON.

        Args:
            after: number of the last extract that the page has.
        """
        with self._lock:
            told = {
                "end": self._end,
                "last": self._kept_count,
                **self._progress(),
                "sight": self._sight_told(),
            }
            new = [each for each in self._kept if each.number > after]
        return told | {"extracts": [self._extract(each) for each in new]}

    def _progress(self) -> dict[str, Any]:
        plan, now, total = self._plan, self._now, _sum(self._before, self._now)
        name = printable(plan.source.name) if plan else ""
        count = plan.frame_count if plan else None
        speed = self._speed()
        left = (count - now.frames) / speed if count and speed and now.frames < count else None
        return {
            "source": name,
            "place": f"{self._begun} of {self._sources}" if self._sources > 1 else "",
            "share": min(now.frames / count, 1) if count else None,
            "frames": f"{now.frames:,} of {count:,}" if count else f"{now.frames:,}",
            "speed": f"{speed:,.0f} frames/s" if speed else "",
            "left": spell(left) if left is not None else "",
            "passed": spell(monotonic() - self._start),
            "found": f"{total.found:,}",
            "kept": f"{total.kept:,}",
        }

    def _speed(self) -> float:
        if len(self._pace) < 2:
            return 0.0
        (since, first), (until, last) = self._pace[0], self._pace[-1]
        return (last - first) / max(until - since, 1e-3)

    def _sight_told(self) -> dict[str, Any] | None:
        sight = self._sight
        if sight is None:
            return None
        mine = sum(each.mine for each in sight.faces)
        words = f"{clock(sight.pts_seconds, tenths=True)}: {number(len(sight.faces), 'face')}"
        if self._asked and self._asked.people:
            words += f", {mine} within the tolerance"
        return {
            "number": sight.number,
            "pixels": bool(sight.width),
            "words": words,
            "faces": [asdict(each) for each in sight.faces],
        }

    def _extract(self, kept: _Kept) -> dict[str, Any]:
        if not kept.is_read:
            kept.picture, kept.is_read = self._read(kept.file), True
        folder, _, name = printable(kept.file).rpartition("/")
        return {"name": name, "folder": folder, "picture": kept.picture}

    def _read(self, file: str) -> str:
        """A small copy of an extract as an address that holds it; "" if it is gone."""
        if not leads_inside(file):
            return ""
        try:
            content = content_of(self._folder, file, _LARGEST_EXTRACT_BYTES)
        except (OSError, FaceGrabError):
            return ""
        small = thumb(content)
        return f"data:image/jpeg;base64,{base64.b64encode(small).decode()}" if small else ""


def _sum(one: _Counts, other: _Counts) -> _Counts:
    return _Counts(one.frames + other.frames, one.found + other.found, one.kept + other.kept)
