"""What a live page costs a run: none, one that nobody opens, one that is open."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import cv2
import numpy as np

from bench.measure import ROOT, warm_up
from bench.media import Setup
from bench.runs import seconds_of
from bench.table import AtMost, Row, UnmeasurableError
from bench.tour import tour, tour_reference

OPEN_REQUIRED, CLOSED_REQUIRED = AtMost(1.10), AtMost(1.01)
NONE, CLOSED, OPEN = "no page", "a page that nobody opens", "a page that is open"


@dataclass(frozen=True, slots=True)
class _Shown:
    """A run, and what a page saw of it."""

    seconds: float
    cpu_s: float
    pictures: int = 0


def live(setup: Setup) -> Iterator[Row]:
    """The same clip in the three ways by turns; the page reads, and decodes pictures, as a
    browser does."""
    seconds = seconds_of(setup)
    clip, reference = tour(seconds), tour_reference()
    warm_up()
    ran: dict[str, list[_Shown]] = {NONE: [], CLOSED: [], OPEN: []}
    for _ in range(setup.rounds(7, 2)):
        for way, runs in ran.items():
            runs.append(_run(clip, reference, way))
    work = f"live page, {seconds} s of 1080p"
    yield _row(f"{work}: open, time", "seconds", ran[OPEN], ran[NONE], OPEN_REQUIRED)
    yield _row(f"{work}: open, processor", "cpu_s", ran[OPEN], ran[NONE], OPEN_REQUIRED)
    yield _row(f"{work}: not opened, time", "seconds", ran[CLOSED], ran[NONE], None)
    yield _row(f"{work}: not opened, processor", "cpu_s", ran[CLOSED], ran[NONE], CLOSED_REQUIRED)
    each = median(run.pictures / run.seconds for run in ran[OPEN])
    yield Row("  pictures that the page shows", f"{each:.1f} a second", values={"a_second": each})


def _row(
    work: str, figure: str, ours: Sequence[_Shown], bare: Sequence[_Shown], limit: AtMost | None
) -> Row:
    mine, theirs = ([getattr(run, figure) for run in runs] for runs in (ours, bare))
    ratio = median(a / b for a, b in zip(mine, theirs, strict=True))
    return Row(
        work,
        f"{median(mine):.2f} s",
        f"{NONE} {median(theirs):.2f} s",
        f"{ratio:.3f}x",
        str(limit or ""),
        None if limit is None else ratio <= limit.ratio,
        {"ours_s": mine, "without_s": theirs, "ratio": ratio},
    )


def _run(clip: Path, reference: Path, way: str) -> _Shown:
    with TemporaryDirectory(prefix="facegrab-bench-") as folder:
        command = [sys.executable, "-m", "bench.child", "run", str(clip)]
        command += ["--reference", str(reference), "--output", folder]
        command += ["--live"] if way != NONE else []
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            page = _Page(process.stdout.readline()) if way != NONE else None
            if page and way == OPEN:
                page.start()
            said = process.stdout.read()
            if page and way == OPEN:
                page.join()
    if process.returncode:
        raise UnmeasurableError(f"a run with {way} ended with {process.returncode}")
    result: dict[str, Any] = json.loads(said)
    if page and way == OPEN and not page.pictures:
        raise UnmeasurableError("the page got no picture")
    pictures = page.pictures if page else 0
    return _Shown(result["seconds"]["all"], result["cpu_s"], pictures)


class _Page(Thread):
    """Reads what a browser with the page open reads."""

    def __init__(self, line: str) -> None:
        super().__init__()
        found = re.search(r"http://([^/]+)(/\S+)", line)
        if found is None:
            raise UnmeasurableError("a run with a page said no address")
        self._host, self._first = found[1], found[2]
        self.pictures = 0

    def run(self) -> None:
        """Until the run ends."""
        pictures = http.client.HTTPConnection(self._host, timeout=60)
        first = _got(pictures, self._first, "")
        cookie = first.headers["set-cookie"].partition(";")[0]
        for name in ("/live.js", "/live.css"):
            _got(pictures, name, cookie)
        events = http.client.HTTPConnection(self._host, timeout=60)
        shown = 0
        for line in _stream(events, cookie):
            told = json.loads(line.removeprefix(b"data: "))
            if told["end"]:
                break
            number = (told["sight"] or {}).get("number", 0)
            if number == shown:
                continue
            answer = _got(pictures, f"/frame/{number}", cookie)
            if answer.status == http.HTTPStatus.OK:
                cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
                self.pictures += 1
                shown = number
        events.close()  # the run waits for that


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    content: bytes


def _got(connection: http.client.HTTPConnection, path: str, cookie: str) -> _Answer:
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    return _Answer(answer.status, answer.headers, answer.read())


def _stream(connection: http.client.HTTPConnection, cookie: str) -> Iterator[bytes]:
    connection.request("GET", "/events", headers={"Cookie": cookie})
    yield from filter(None, map(bytes.strip, connection.getresponse()))
