"""Which numbers the convolutions of dlib's networks see: what int8 needs to know.

``python -m bench.calibrate`` writes ``facegrab/models/ranges.py`` anew from the labelled pictures,
in some minutes. A range is the largest number in all pictures, or the share of it with which the
network in int8 answers most as it does in float32: rare large numbers are given up for finer
steps. The shares are tried one convolution at a time. (The 99.99th percentile, for all
convolutions, moved one embedding in a hundred by .1, the largest number by .04.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
import onnx

from bench.media import media
from facegrab.media.images import read_image
from facegrab.models import packs, weights
from facegrab.models import ranges as written
from facegrab.models.compute import OPENVINO, Compute
from facegrab.models.quantise import quantised
from facegrab.models.runtime import load_many, load_net
from facegrab.types import FloatArray
from facegrab.vision.embed import ResnetRecogniser
from facegrab.vision.feed import Feed
from facegrab.vision.landmarks import TreeLandmarker
from facegrab.vision.mmod import MmodDetector
from facegrab.vision.points import PointFinder
from facegrab.vision.pyramid import coarse_layout

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
HOPELESS = 1.5
"""Times the least error so far: smaller shares are not tried."""
DIGITS = 4

MODULE = '''"""The largest numbers that convolutions of dlib's networks read, for computing in int8.

One a convolution, in the graph's order; None for one that stays in float (bench/calibrate.py says
why). Written by ``python -m bench.calibrate`` from {pictures} photographs with {faces} faces: LFW,
Azure's families, dlib's examples, CompreFace's, portraits.
"""

from __future__ import annotations

from facegrab.models.quantise import Ranges

{tables}
'''


@dataclass(frozen=True, slots=True)
class Subject:
    """A network.

    Attributes:
        name: in capitals in the table.
        graph: in float.
        in_float: the convolutions that stay so.
        least: answers that are smaller do not count.
        every: shares are tried on so many of what the network was shown.
    """

    name: str
    graph: Path
    in_float: tuple[int, ...]
    least: float
    every: int


class Tapped:
    """A network that remembers what its convolutions read.

    Args:
        subject: which.
        folder: for a graph that is needed meanwhile.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        model = onnx.load(subject.graph)
        sources = [node.input[0] for node in model.graph.node if node.op_type == "Conv"]
        # The first reads the network's own input, which is not to be had as an output.
        kind = onnx.TensorProto.FLOAT
        taps = [onnx.helper.make_tensor_value_info(each, kind, None) for each in sources[1:]]
        model.graph.output.extend(taps)
        path = folder / "tapped.onnx"
        onnx.save(model, path)
        self._net = load_many(path)
        self._every = subject.every
        self._calls = 0
        self.largest = np.zeros(len(sources))
        self.shown: list[tuple[FloatArray, FloatArray]] = []
        """Some inputs, and the answers."""

    def __call__(self, x: FloatArray) -> FloatArray:
        answer, *read = self._net(x)
        self.largest = np.maximum(self.largest, [each.max() for each in (x, *read)])
        if self._calls % self._every == 0:
            self.shown.append((x.copy(), answer))
        self._calls += 1
        return answer


def main() -> None:
    """Shows the networks all pictures, then tries shares."""
    subjects = (
        # First, last, which is a column and a row, and the third: its inputs have the longest tail
        # and bring more error than the rest together, for a tenth of the arithmetic. The fifth
        # makes scores greater in the mean and loses faces at the threshold.
        Subject("DETECTOR", weights.detector_graph(), (0, 2, 4, 6, 7), least=-0.2, every=6),
        # First, and the five that bring the most error each: a half of all together, and one of
        # them nearly all of what makes distances smaller in the mean. The last is no convolution.
        Subject(
            "RECOGNISER",
            weights.recogniser_graph(),
            (0, 1, 23, 24, 27, 28),
            least=-inf,
            every=2,
        ),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tapped = [Tapped(each, folder) for each in subjects]
        pictures, faces = _show(*tapped)
        tables = [
            _table(subject.name, _ranges(subject, each, folder))
            for subject, each in zip(subjects, tapped, strict=True)
        ]
    text = MODULE.format(pictures=pictures, faces=faces, tables="\n".join(tables))
    path = Path(written.__file__)
    path.write_text(text, encoding="utf-8")
    print(f"{path} is written")


def _show(detector: Tapped, recogniser: Tapped) -> tuple[int, int]:
    """Finds and describes every face of every picture; their numbers."""
    corners = TreeLandmarker(weights.shape_predictor(5))
    points = PointFinder(corners, None)
    finds = MmodDetector(detector, coarse_layout)
    describes = ResnetRecogniser(recogniser, corners, packs.resolve_recogniser("dlib"))
    pictures = faces = 0
    for path in _pictures():
        image = read_image(path)
        height, width = image.shape[:2]
        feed = Feed.widest(finds.smallest_px, finds.longest_fed_px, width, height)
        (found,) = finds([image], [feed])
        pictures, faces = pictures + 1, faces + len(found)
        if len(found):
            image_of = np.zeros(len(found), np.int64)
            at = points([image], image_of, found.box, found.points5)
            describes(describes.chips([image], image_of, at.tree_box, at.points5))
    return pictures, faces


def _pictures() -> Iterator[Path]:
    folders = [media("people", name) for name in ("azure", "lfw10x10", "stills")]
    folders += [media("detection", name) for name in ("dlib_faces", "compreface_sample_images")]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
                yield path


def _ranges(subject: Subject, tapped: Tapped, folder: Path) -> list[float | None]:
    """For each convolution its range, None for one that stays in float."""
    count = len(tapped.largest)
    found: list[float | None] = [None] * count
    for number in range(count):
        if number in subject.in_float:
            continue
        best = inf
        for share in SHARES:
            tried: list[float | None] = [None] * count
            tried[number] = float(share * tapped.largest[number])
            error = _error(subject, tapped, tried, folder)
            if error < best:
                best, found[number] = error, tried[number]
            if error > HOPELESS * best:
                break
        print(f"{subject.name} {number}: {found[number]:.3f} of {tapped.largest[number]:.3f}")
    print(f"{subject.name}: {_error(subject, tapped, found, folder):.4f} from float32")
    return found


def _error(subject: Subject, tapped: Tapped, ranges: list[float | None], folder: Path) -> float:
    """How far the answers are from those in float32: the root of the mean square."""
    path = folder / "tried.onnx"
    path.write_bytes(quantised(subject.graph.read_bytes(), ranges))
    net = load_net(path, Compute(runtime=OPENVINO))
    squares, numbers = 0.0, 0
    for x, answer in tapped.shown:
        counts = answer > subject.least
        squares += float(((net(x) - answer)[counts].astype(np.float64) ** 2).sum())
        numbers += int(counts.sum())
    return (squares / numbers) ** 0.5


def _table(name: str, ranges: list[float | None]) -> str:
    lines = "".join(
        "    None,\n" if each is None else f"    {each:.{DIGITS}g},\n" for each in ranges
    )
    return f"{name}: Ranges = (\n{lines})"


if __name__ == "__main__":
    main()
