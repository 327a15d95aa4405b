"""MTCNN against facenet-pytorch's, in one process, by turns, on the same 1080p frames."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from bench.crowd import crowd
from bench.found import CROWD_SECONDS, CROWD_SECONDS_QUICK
from bench.measure import Timed, interleaved
from bench.media import Setup
from bench.table import Row, failed
from bench.truth import found_count
from facegrab.models import packs
from facegrab.models.compute import Compute, choose
from facegrab.types import Detections, Image
from facegrab.vision.candidates import kept
from facegrab.vision.eyes import open_detector
from facegrab.vision.feed import Feed
from facegrab.vision.mtcnn import SMALLEST_PX, MtcnnDetector, open_mtcnn

MIN_FACE_PX = 60
FRAMES = 10
BATCH = 5
"""Frames of 1080p that a run looks at together."""
MOST_MS = 15.0
RATIO_REQUIRED = 8.0
MISSING = (
    "the peer is missing: pip install torch requests tqdm pillow, "
    "and pip install --no-deps facenet-pytorch"
)
"""Without its dependencies, because it asks for an old torch and an old numpy."""

Find = Callable[[Image], Detections]
Truth = Sequence[NDArray[np.float64]]


EXACTLY = Compute(exact=True)


def mtcnn(setup: Setup) -> Iterator[Row]:
    """Six faces of 90 to 110 px in each frame, looked for from 60 px up."""
    images, truth = _frames(CROWD_SECONDS_QUICK if setup.quick else CROWD_SECONDS)
    ours, peer = open_mtcnn(choose(by_itself=True)), _peer()
    seconds = interleaved(
        setup.rounds(5),
        Timed(lambda: _batches(ours, images), calls=3, work=FRAMES),
        *([Timed(lambda: [peer(image) for image in images], work=FRAMES)] if peer else []),
    )
    yield _time_row(seconds)
    if peer is None:
        yield failed("  against facenet-pytorch", MISSING)
        yield failed("  faces found", MISSING)
        return
    yield _ratio_row(*seconds)
    yield _found_row(_batches(ours, images), [peer(image) for image in images], truth)


def _frames(seconds: int) -> tuple[list[Image], Truth]:
    """Some of the crowd's, far from each other, and the boxes of the faces seen in each."""
    made = crowd(
        seconds, lambda: open_detector(packs.resolve_detector("dlib"), Compute(exact=True))
    )
    numbers = np.linspace(0, len(made.boxes) - 1, FRAMES).astype(int).tolist()
    boxes = [[box for box in made.boxes[number] if box is not None] for number in numbers]
    truth = [np.array(each, np.float64).reshape(-1, 4) for each in boxes]
    return list(_picked(made.path, set(numbers))), truth


def _picked(clip: Path, numbers: set[int]) -> Iterator[Image]:
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _batches(detector: MtcnnDetector, images: Sequence[Image]) -> list[Detections]:
    found = []
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        found += detector(part, [Feed(SMALLEST_PX / MIN_FACE_PX)] * len(part))
    return found


def _time_row(seconds: Sequence[float]) -> Row:
    return Row(
        f"mtcnn, a 1080p frame of 6 faces, from {MIN_FACE_PX} px",
        f"{seconds[0] * 1e3:.1f} ms",
        required=f"<= {MOST_MS:.0f} ms",
        met=seconds[0] * 1e3 <= MOST_MS,
        values={"ours_s": seconds[0]},
    )


def _ratio_row(ours: float, peer: float) -> Row:
    return Row(
        "  against facenet-pytorch",
        f"{ours * 1e3:.1f} ms",
        f"{peer * 1e3:.1f} ms",
        f"{peer / ours:.1f}x",
        f">= {RATIO_REQUIRED:.0f}x",
        peer / ours >= RATIO_REQUIRED,
        {"ours_s": ours, "peer_s": peer, "ratio": peer / ours},
    )


def _found_row(ours: list[Detections], peer: list[Detections], truth: Truth) -> Row:
    """True faces found."""
    true = sum(map(len, truth))
    hits, others = _hits(ours, truth), _hits(peer, truth)
    return Row(
        "  faces found",
        f"{hits} of {true}",
        f"facenet-pytorch {others} of {true}",
        f"{hits / true:.1%}",
        "as many",
        hits >= others,
        {"found": hits, "peer_found": others, "true": true},
    )


def _hits(found: list[Detections], truth: Truth) -> int:
    return sum(found_count(boxes, each) for boxes, each in zip(truth, found, strict=True))


def _peer() -> Find | None:
    """facenet-pytorch's MTCNN at the same settings; None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _provide_torchvision()
            from facenet_pytorch import MTCNN
    except ImportError:
        return None
    detector = MTCNN(keep_all=True, min_face_size=MIN_FACE_PX)

    def find(image: Image) -> Detections:
        box, score = detector.detect(image)
        if box is None:
            return Detections.empty()
        return Detections.without_points(np.asarray(box, np.float32), np.asarray(score, np.float32))

    return find


def _provide_torchvision() -> None:
    """The one function of torchvision that the peer needs, where that large package is missing."""
    try:
        import torchvision  # noqa: F401
    except ImportError:
        names = ("", ".transforms", ".transforms.functional", ".ops", ".ops.boxes")
        modules = {name: ModuleType(f"torchvision{name}") for name in names}
        vars(modules[".transforms"])["functional"] = modules[".transforms.functional"]
        vars(modules[".ops.boxes"])["batched_nms"] = _batched_nms
        sys.modules.update({module.__name__: module for module in modules.values()})


def _batched_nms(box: Any, score: Any, group: Any, most: float) -> Any:
    """Suppression within each group: they are moved apart, as torchvision does it."""
    import torch

    if not len(box):
        return torch.empty(0, dtype=torch.int64)
    apart = box + (group.to(box) * (box.max() + 1))[:, None]
    return torch.from_numpy(kept(apart.numpy(), score.numpy(), most))
