"""dlib's networks as FaceGrab runs them against a dlib that was built with a BLAS."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np

from bench.measure import ROOT, Timed, interleaved
from bench.media import Setup, dlib_weights
from bench.networks import (
    AS_BY_DEFAULT,
    DETECTOR_FILE,
    FED,
    RECOGNISER_FILE,
    boxes_differ,
    embedding_differs,
    face_chip,
    fed_image,
    opened,
    speed_row,
)
from bench.table import Row, UnmeasurableError, failed
from facegrab.types import Image
from facegrab.vision.embed import BATCH
from facegrab.vision.feed import Feed

VARIABLE = "FACEGRAB_BENCH_DLIB"
DETECTOR_REQUIRED = 35.0
RECOGNISER_REQUIRED = 12.0
WORK = "dlib with BLAS"


def blas(setup: Setup) -> Iterator[Row]:
    """Printed where the variable names a Python with such a dlib; both networks as by default."""
    python = os.environ.get(VARIABLE)
    if not python:
        way = f"set {VARIABLE} to a Python whose dlib was built from source with OpenBLAS"
        yield Row(WORK, "not measured", way)
        return
    image, chip = fed_image(), face_chip()
    with _other_dlib(python, image, chip) as peer:
        name = _require_blas(python, peer)
        yield _detector_row(setup, peer, image, name)
        yield _recogniser_row(setup, peer, chip, name)


class _Other:
    """A dlib in a process of its own, which answers one question at a time."""

    def __init__(self, python: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._python = python
        self._process = process
        self._errors = errors

    def ask(self, question: str) -> Any:
        """The answer; the time that it takes to pass is some .05 ms.

        Raises:
            UnmeasurableError: the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(question + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            answer = ""
        else:
            answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            last = (self._errors.read().strip().splitlines() or ["no message"])[-1]
            raise UnmeasurableError(f"the dlib of {self._python} does not answer: {last}")
        return json.loads(answer)


@contextmanager
def _other_dlib(python: str, image: Image, chip: Image) -> Iterator[_Other]:
    with TemporaryDirectory(prefix="facegrab-bench-") as name:
        folder = Path(name)
        np.save(folder / "image.npy", image)
        np.save(folder / "chip.npy", chip)
        weights = {
            "detector": dlib_weights(DETECTOR_FILE),
            "recogniser": dlib_weights(RECOGNISER_FILE),
        }
        (folder / "weights.json").write_text(json.dumps(weights), encoding="utf-8")
        with (folder / "errors").open("w+", encoding="utf-8") as errors:
            process = _started(python, folder, errors)
            try:
                yield _Other(python, process, errors)
            finally:
                process.kill()
                process.communicate()


def _started(python: str, folder: Path, errors: IO[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [python, "-m", "bench.dlib_child", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    except OSError as error:
        raise UnmeasurableError(f"{VARIABLE} names {python}: {error.strerror}") from error


def _require_blas(python: str, peer: _Other) -> str:
    """What the peer is called.

    Raises:
        UnmeasurableError: it is none with BLAS on the processor.
    """
    about = peer.ask("about")
    if not about["blas"]:
        raise UnmeasurableError(f"the dlib {about['version']} of {python} has no BLAS")
    if about["cuda"]:
        raise UnmeasurableError(f"the dlib {about['version']} of {python} computes with CUDA")
    return f"dlib {about['version']} with BLAS"


def _detector_row(setup: Setup, peer: _Other, image: Image, name: str) -> Row:
    ours = opened(AS_BY_DEFAULT.precision).detector
    work = f"detector, {FED[0]}x{FED[1]} fed, {AS_BY_DEFAULT.words}"
    boxes = np.array(peer.ask("detect"))
    if why := boxes_differ(ours([image], [Feed(1.0)])[0].box, boxes, AS_BY_DEFAULT):
        return failed(work, why)
    our_time, peer_time = interleaved(
        setup.rounds(5),
        Timed(lambda: ours([image], [Feed(1.0)]), calls=12),
        Timed(lambda: peer.ask("detect")),
    )
    return speed_row(work, our_time, peer_time, DETECTOR_REQUIRED, name)


def _recogniser_row(setup: Setup, peer: _Other, chip: Image, name: str) -> Row:
    ours = opened(AS_BY_DEFAULT.precision).recogniser
    work = f"recogniser, a face (in {BATCH}s), {AS_BY_DEFAULT.words}"
    embedding = np.array(peer.ask("embed"))
    if why := embedding_differs(ours([chip])[0], embedding, AS_BY_DEFAULT):
        return failed(work, why)
    chips = [chip] * BATCH
    our_time, peer_time = interleaved(
        setup.rounds(5),
        Timed(lambda: ours(chips), calls=3, work=BATCH),
        Timed(lambda: peer.ask("embed"), calls=8),
    )
    return speed_row(work, our_time, peer_time, RECOGNISER_REQUIRED, name)
