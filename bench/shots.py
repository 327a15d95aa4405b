"""Cuts found in joined clips, beside PySceneDetect's detectors on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from bench.joined import Joined, joined
from bench.media import Setup, decoded
from bench.table import Row, failed
from bench.video import RATE
from facegrab.types import Image
from facegrab.vision.shots import Cuts, signature

CLIPS, CLIPS_QUICK = 3, 1
STEPS = (1, 7)
MISSING = "the peer is missing: pip install --no-deps scenedetect, where Python finds it"
"""Without its dependencies, because it asks for another build of OpenCV."""

Detect = Callable[[Sequence[Image], int], list[int]]
"""From looked-at frames, one in so many, to those of them that begin a shot."""


def shots(setup: Setup) -> Iterator[Row]:
    """F1 of cuts, every frame and every 7th looked at."""
    clips = joined(setup.rounds(CLIPS, CLIPS_QUICK))
    content, adaptive = _peers()
    for step in STEPS:
        peers = {"ContentDetector": content, "AdaptiveDetector": adaptive}
        ours = _score(_ours, clips, step)
        found = {name: _score(peer, clips, step) for name, peer in peers.items() if peer}
        work = "cuts in joined clips, " + ("every frame" if step == 1 else f"every {step}th frame")
        content_f1 = found.get("ContentDetector", {}).get("f1")
        yield Row(
            work,
            _words(ours),
            ", ".join(f"{name} {_words(score)}" for name, score in found.items()),
            # The other one decides on a frame when it has seen the next two, which a run that
            # writes a frame's faces at once cannot.
            required="" if content_f1 is None else ">= ContentDetector",
            met=None if content_f1 is None else ours["f1"] >= content_f1,
            values={"ours": ours, **found},
        )
        if not found:
            yield failed(f"  {work}, against PySceneDetect", MISSING)
    yield from _time_rows(clips[0])


def _ours(images: Sequence[Image], _: int) -> list[int]:
    cuts = Cuts()
    return [number for number, image in enumerate(images) if cuts(signature(image))]


def _peers() -> tuple[Detect | None, Detect | None]:
    """PySceneDetect's detectors as they come, but for the shortest scene, which is in frames."""
    try:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector, ContentDetector
    except ImportError:
        return None, None

    def detect(kind: Any, images: Sequence[Image], step: int) -> list[int]:
        detector = kind() if step == 1 else kind(min_scene_len=1)
        found: list[int] = []
        for number, image in enumerate(images):
            moment = FrameTimecode(number, float(RATE))
            cuts = detector.process_frame(moment, np.ascontiguousarray(image[..., ::-1]))
            found += [cut.frame_num for cut in cuts]
        last = FrameTimecode(len(images) - 1, float(RATE))
        return found + [cut.frame_num for cut in detector.post_process(last)]

    return (
        lambda images, step: detect(ContentDetector, images, step),
        lambda images, step: detect(AdaptiveDetector, images, step),
    )


def _score(detect: Detect, clips: Sequence[Joined], step: int) -> dict[str, float]:
    """Hits, false and missed cuts of all clips; what is unclear counts neither way."""
    hits = false = missed = 0
    for clip in clips:
        images = decoded(clip.path)[::step]
        found = set(detect(images, step))
        cuts, unclear = (
            {-(-frame // step) for frame in frames if -(-frame // step) < len(images)}
            for frames in (clip.cuts, clip.unclear)
        )
        hits += len(found & cuts)
        false += len(found - cuts - unclear)
        missed += len(cuts - found)
    f1 = 2 * hits / max(2 * hits + false + missed, 1)
    return {"f1": f1, "hits": hits, "false": false, "missed": missed}


def _words(score: dict[str, float]) -> str:
    return f"F1 {score['f1']:.3f} ({score['missed']} missed, {score['false']} false)"


def _time_rows(clip: Joined) -> Iterator[Row]:
    image = np.tile(decoded(clip.path)[0], (6, 6, 1))  # 1920x1080
    cuts, rounds = Cuts(), 200
    start = perf_counter()
    for _ in range(rounds):
        made = signature(image)
    middle = perf_counter()
    for _ in range(rounds):
        cuts(made)
    end = perf_counter()
    seconds = (middle - start) / rounds, (end - middle) / rounds
    yield Row(
        "  a 1080p frame's signature, and the cut",
        f"{seconds[0] * 1e3:.2f} and {seconds[1] * 1e3:.2f} ms",
        values={"signature_s": seconds[0], "cut_s": seconds[1]},
    )
