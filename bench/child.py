"""One measured run in a process of its own: ``python -m bench.child decode|run|match ...``.

Prints one line of JSON. Nothing is imported that the run does not need: its memory and its start
are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import peak_bytes

if TYPE_CHECKING:
    from facegrab.summary import Plan
    from facegrab.view.live import Live


def main() -> None:
    """Does what the arguments say."""
    options = _options()
    if options.kind == "match":
        result = _match(**options.settings)
    else:
        result = _decode(options.clip) if options.kind == "decode" else _run(options)
    used = os.times()
    result |= {"cpu_s": used.user + used.system, "peak_bytes": peak_bytes()}
    print(json.dumps(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.child")
    parser.add_argument("kind", choices=("decode", "run", "match"))
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--index", type=Path)
    parser.add_argument("--reference", default="*")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--live", action="store_true", help="serve a page, its address said first")
    return parser.parse_args()


def _decode(clip: Path) -> dict[str, Any]:
    """Decodes every frame, converts none."""
    import av

    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return {"frames": sum(1 for _ in container.decode(video=0))}


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """FaceGrab with the settings given, at embedded defaults else, as the command line runs it."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from facegrab import ProcessSettings
    from facegrab.early import Early
    from facegrab.media.source import find_sources
    from facegrab.memory import in_own_process

    in_own_process()
    settings = ProcessSettings(**{"detector": "mtcnn"} | options.settings)
    watch = _Watch()
    (source,) = find_sources([str(options.clip)])
    with _page(options, watch) as live, Early(source, settings, options.index) as early:
        from facegrab import FaceGrab

        grab = FaceGrab(options.reference, process=settings)
        summary = grab.process(
            options.clip,
            options.output,
            index=options.index,
            watcher=live or watch,
            early=early,
            onlooker=live,
        )
    return {
        "frames": summary.frames_read,
        "looked_at": summary.frames_looked_at,
        "faces": summary.faces_found,
        "written": summary.faces_written,
        "seconds": summary.seconds,
        "begun": watch.begun,
        "first_batch": watch.first_batch,
        "first_batch_frames": watch.first_batch_frames,
        "ended": time.time(),
    }


def _page(options: argparse.Namespace, watch: _Watch) -> AbstractContextManager[Live | None]:
    if not options.live:
        return nullcontext()
    from facegrab.view.live_page import live_page

    return live_page(watch, partial(print, flush=True), 1, browser=False)


def _match(count: int, people: int, references: int, length: int) -> dict[str, Any]:
    """Faces in memory against people: distances alone, then tracks of ten faces and decisions."""
    import numpy as np

    from facegrab.people.decide import decide, people_distances
    from facegrab.people.gallery import Gallery

    random = np.random.default_rng(5)
    embedding = np.empty((count, length), np.float32)
    for start in range(0, count, 10_000):
        part = random.normal(0, 0.09, (len(embedding[start : start + 10_000]), length))
        embedding[start : start + 10_000] = part.astype(np.float16)
    galleries = [
        Gallery(embedding[n * 99 : n * 99 + references].copy(), ("",) * references)
        for n in range(people)
    ]
    track, frame = np.arange(count, dtype=np.int64) // 10, np.arange(count, dtype=np.int64)
    loaded_bytes = peak_bytes()
    start_s = time.perf_counter()
    people_distances(embedding, galleries)
    distances_s = time.perf_counter() - start_s
    for each in galleries:
        decide(embedding, each, 0.6, track=track, frame=frame)
    return {
        "distances_s": distances_s,
        "decide_s": time.perf_counter() - start_s - distances_s,
        "loaded_bytes": loaded_bytes,
    }


class _Watch:
    """Notes when the first frame was there, and when the first batch was committed."""

    begun = first_batch = 0.0
    first_batch_frames = 0

    def begin(self, plan: Plan) -> None:
        self.begun = self.begun or time.time()

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        if not self.first_batch:
            self.first_batch, self.first_batch_frames = time.time(), frames_read

    def end(self) -> None: ...


if __name__ == "__main__":
    main()
