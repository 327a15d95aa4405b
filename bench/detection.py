"""What the detectors find: labelled stills, and shrunken faces of known size.

``python -m bench.detection FILE.svg`` draws recall by size.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.media import Setup, media, shared_weights
from bench.table import Row, UnmeasurableError, unmeasured
from bench.truth import found_count
from facegrab.cache import content_hash
from facegrab.media.images import read_image
from facegrab.models import packs
from facegrab.models.compute import choose
from facegrab.models.registry import KNOWN
from facegrab.models.specs import DetectorSpec
from facegrab.types import Detections, Image
from facegrab.vision.detect import Detector
from facegrab.vision.eyes import open_detector
from facegrab.vision.feed import Feed
from facegrab.vision.points import tree_box_of

Boxes = NDArray[np.float64]

SIZES_PX = (12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 130, 160, 200)
CANVAS_PX = (1280, 720)
REQUIRED = {"mtcnn": (41, 44, None), "yunet": (43, 46, 6)}
"""By detector: dlib's boxes, CompreFace's noses, and at most so many extra boxes."""
SHADES = 24
"""Of the grey grain around the pasted faces."""


def detection(setup: Setup) -> Iterator[Row]:
    """Labelled stills, then recall by size."""
    for spec in detectors():
        detector = open_detector(spec, choose(by_itself=True))
        yield from _still_rows(spec.name, detector)
        shares = recall(detector, 12 if setup.quick else 60)
        words = ", ".join(
            f"{size}: {share:.0%}" for size, share in zip(SIZES_PX, shares, strict=True)
        )
        yield Row(f"{spec.name}: found by size of the face as fed, px", words)
    yield from unmeasured("yunet: detection", shared_yunet)


def detectors() -> list[DetectorSpec]:
    """The embedded ones, and YuNet where its weights lie beside the media."""
    found = [packs.resolve_detector(name) for name in ("dlib", "mtcnn")]
    with suppress(UnmeasurableError):
        found.append(shared_yunet())
    return found


def shared_yunet() -> DetectorSpec:
    """OpenCV Zoo's YuNet from the shared weights.

    Raises:
        UnmeasurableError: it is not there.
    """
    graph = shared_weights("yunet", "yunet_s_640_640.onnx")
    spec = KNOWN["yunet"]
    if content_hash(graph) != spec.sha256:
        raise UnmeasurableError(f"{graph} is another YuNet")
    assert isinstance(spec, DetectorSpec)
    return replace(spec, graph=graph)


def _still_rows(name: str, detector: Detector) -> Iterator[Row]:
    boxes_required, noses_required, extra_allowed = REQUIRED.get(name, (None, None, None))
    total = hits = extra = 0
    for path, truth in dlib_faces().items():
        found = _find(detector, read_image(path))
        total += len(truth)
        each = found_count(truth, found)
        hits, extra = hits + each, extra + len(found) - each
    yield _row(f"{name}: dlib's example boxes", hits, total, boxes_required)
    total = hits = 0
    for path, points in noses().items():
        found = _find(detector, read_image(path))
        total += len(points)
        each = noses_found(points, found)
        hits, extra = hits + each, extra + len(found) - each
    yield _row(f"{name}: noses in CompreFace's stills", hits, total, noses_required)
    yield Row(
        f"{name}: boxes beside the labels, both",
        str(extra),
        required="" if extra_allowed is None else f"<= {extra_allowed}",
        met=None if extra_allowed is None else extra <= extra_allowed,
        values={"extra": extra},
    )


def _row(work: str, hits: int, total: int, required: int | None) -> Row:
    return Row(
        work,
        f"{hits} of {total}",
        required="" if required is None else f">= {required}",
        met=None if required is None else hits >= required,
        values={"found": hits, "true": total},
    )


def _find(detector: Detector, image: Image) -> Detections:
    """As reference pictures are looked at."""
    height, width = image.shape[:2]
    feed = Feed.widest(detector.smallest_px, detector.longest_fed_px, width, height)
    return detector([image], [feed])[0]


@lru_cache(maxsize=1)
def dlib_faces() -> dict[Path, Boxes]:
    """Pictures and the boxes that dlib's author drew."""
    truth: dict[Path, Boxes] = {}
    for name in ("training.xml", "testing.xml"):
        file = media("detection", "dlib_faces", name)
        for image in ElementTree.parse(file).getroot().iter("image"):
            corners = [
                [float(box.attrib[side]) for side in ("left", "top", "width", "height")]
                for box in image.iter("box")
            ]
            box = np.array(corners, np.float64).reshape(-1, 4)
            box[:, 2:] += box[:, :2] - 1
            truth[file.parent / image.attrib["file"]] = box
    return truth


@lru_cache(maxsize=1)
def noses() -> dict[Path, Boxes]:
    """Pictures and the points that CompreFace's authors set on noses."""
    file = media("detection", "compreface_sample_images", "annotations.py")
    rows = re.findall(r"Row\('([^']+)',\s*(\[[^\]]*\])", file.read_text(encoding="utf-8"))
    return {
        file.parent / name: np.array(ast.literal_eval(points), np.float64).reshape(-1, 2)
        for name, points in rows
    }


def noses_found(noses: Boxes, found: Detections) -> int:
    free = list(range(len(found)))
    hits = 0
    for nose in noses:
        inside = [
            each
            for each in free
            if (found.box[each, :2] <= nose).all() and (nose <= found.box[each, 2:]).all()
        ]
        if inside:
            hits += 1
            free.remove(inside[0])
    return hits


def recall(detector: Detector, faces: int) -> list[float]:
    """Share of faces found by size, fed as they are.

    Args:
        detector: any.
        faces: of LFW, one picture each, shrunk or enlarged and pasted on grey grain.
    """
    pictures = list(_portraits(faces))
    shares = []
    for size in SIZES_PX:
        hits = 0
        for canvas, truth in _pasted(pictures, size):
            hits += found_count(truth, detector([canvas], [Feed(1.0)])[0])
        shares.append(hits / len(pictures))
    return shares


def _portraits(count: int) -> Iterator[tuple[Image, Boxes]]:
    """Pictures of LFW with the box (4,) of the face in the middle, by MTCNN's points."""
    finder = open_detector(packs.resolve_detector("mtcnn"), choose(by_itself=True))
    paths = sorted(media("people", "lfw10x10").glob("*/*.jpg"))
    for path in paths[:: max(1, len(paths) // count)][:count]:
        image = read_image(path)
        found = finder([image], [Feed(1.0)])[0]
        middle = np.array(image.shape[1::-1]) / 2
        centres = (found.box[:, :2] + found.box[:, 2:]) / 2
        nearest = int(np.linalg.norm(centres - middle, axis=1).argmin())
        yield image, tree_box_of(found.points5[nearest]).astype(np.float64)


def _pasted(
    pictures: list[tuple[Image, Boxes]], size_px: int
) -> Iterator[tuple[Image, NDArray[np.float64]]]:
    """Canvases full of faces of a size, and their boxes (N, 4)."""
    width, height = CANVAS_PX
    random = np.random.default_rng(size_px)
    canvas, boxes = _grain(random), list[Boxes]()
    x = y = row_height = 0
    for image, box in pictures:
        scale = size_px / (box[2] - box[0])
        small = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=_interpolation(scale)),
            np.uint8,
        )
        if x + small.shape[1] > width:
            x, y, row_height = 0, y + row_height + 8, 0
        if y + small.shape[0] > height:
            yield canvas, np.array(boxes)
            canvas, boxes, x, y, row_height = _grain(random), [], 0, 0, 0
        part = small[: height - y, : width - x]
        canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
        boxes.append((box + 0.5) * scale - 0.5 + [x, y, x, y])
        x, row_height = x + small.shape[1] + 8, max(row_height, small.shape[0])
    yield canvas, np.array(boxes)


def _interpolation(scale: float) -> int:
    return cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC


def _grain(random: np.random.Generator) -> Image:
    width, height = CANVAS_PX
    return random.integers(110, 110 + SHADES, (height, width, 3)).astype(np.uint8)


def draw(path: Path) -> None:
    """Recall by size of every detector, as a plot."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for spec, style in zip(detectors(), ("-s", "-o", "-^"), strict=False):
        shares = recall(open_detector(spec, choose(by_itself=True)), 100)
        axes.plot(SIZES_PX, [100 * share for share in shares], style, label=spec.name)
    axes.set_xscale("log")
    axes.set_xticks(SIZES_PX, [str(size) for size in SIZES_PX])
    axes.minorticks_off()
    axes.set_xlabel("side of the face in the image that the detector is fed, px")
    axes.set_ylabel("faces found, %")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
