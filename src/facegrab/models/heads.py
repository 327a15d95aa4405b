"""Which of a graph's outputs says what: told by shapes, because exporters name them anyhow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from facegrab.models.specs import DetectorKind

Shape: TypeAlias = tuple[int, ...]

STRIDES_PX = (8, 16, 32)
"""Fed pixels from one cell to the next, finest first, of YuNet, SCRFD and RetinaFace."""
STEP_PX = 32
"""Sides of a fed image are multiples of it, where the graph leaves them open: all of these
networks halve it five times."""
ULTRAFACE_CELLS = ((8, 3), (16, 2), (32, 2), (64, 3))
"""Stride and boxes a cell of UltraFace (Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB)."""
RETINAFACE_ANCHORS = 2
"""Boxes a cell of RetinaFace (biubug6/Pytorch_Retinaface, both of its backbones)."""
MOST_ANCHORS = 4
"""Boxes a cell of the kinds that leave it open; more is some other network."""

CLASSES, CORNERS, POINTS = 2, 4, 10
"""Numbers a row: no face and face; a box; five points."""
YUNET_COLUMNS = (1, 1, CORNERS, POINTS)
"""Numbers a cell of YuNet: class and object score, box, points."""
JOINED_COLUMNS = sum(YUNET_COLUMNS)
"""The same in one output (``joined_heads``)."""
EMBEDDING_LENGTHS = (32, 8192)
"""Shortest and longest embedding that is believed to be one."""

SMALLEST_PX: dict[DetectorKind, int] = {
    # Measured on 217 faces: 98.6 % were found at 28 px (the box's longer side), 93.5 % at 24. Its
    # points need more: on LFW 10x10 a MobileFaceNet accepts 99 % of the true pairs at a false
    # accept rate of .001 where faces are fed at 45 px and more, 96 % at 32 to 37, 83 % at 25.
    "yunet": 28,
    # Not measured: half again as much as the smallest anchor.
    "scrfd": 24,
    "ultraface": 24,
    "retinaface": 24,
}
"""Side of the smallest face in the fed image that a kind finds reliably."""


class Head(NamedTuple):
    """The outputs of one stride, by their place among all of the graph's.

    Attributes:
        stride_px: fed pixels from one cell to the next.
        anchors: rows a cell.
        scores: of (rows, 1) each.
        box: of (rows, 4).
        points: of (rows, 10), or None where the graph has none.
    """

    stride_px: int
    anchors: int
    scores: tuple[int, ...]
    box: int
    points: int | None


class Flat(NamedTuple):
    """The outputs of a graph that gives all strides in one, by their place.

    Attributes:
        classes: of (rows, 2): no face, face.
        box: of (rows, 4).
        points: of (rows, 10), or None where the graph has none.
    """

    classes: int
    box: int
    points: int | None


def yunet_heads(shapes: Sequence[Shape], width: int, height: int) -> list[Head]:
    """YuNet: class score, object score, box and points for each of three strides.

    Args:
        shapes: of all outputs, in the graph's order: (1, rows, n) or (rows, n).
        width: of the fed image.
        height: of the fed image.

    Raises:
        ValueError: this is no such network.
    """
    return _heads(shapes, width, height, scores=2, points=True)


def check_joined(shapes: Sequence[Shape], width: int, height: int) -> None:
    """YuNet of three outputs, finest stride first; see yunet_heads and ``joined_heads``.

    Raises:
        ValueError: this is no such network.
    """
    expected = [(1, cells(width, height, stride), JOINED_COLUMNS) for stride in STRIDES_PX]
    if list(shapes) != expected:
        raise ValueError(
            f"outputs {_told(shapes)} are not {_told(expected)}, as of an image of {width}x{height}"
        )


def scrfd_heads(shapes: Sequence[Shape], width: int, height: int) -> list[Head]:
    """SCRFD: score, box and perhaps points for each of three strides; see yunet_heads."""
    return _heads(shapes, width, height, scores=1, points=len(shapes) == 3 * len(STRIDES_PX))


def ultraface_outputs(shapes: Sequence[Shape], width: int, height: int) -> Flat:
    """UltraFace: classes and boxes; see yunet_heads."""
    rows = sum(anchors * cells(width, height, stride) for stride, anchors in ULTRAFACE_CELLS)
    return _flat(shapes, rows, points=False)


def retinaface_outputs(shapes: Sequence[Shape], width: int, height: int) -> Flat:
    """RetinaFace: classes, boxes and points; see yunet_heads."""
    rows = sum(RETINAFACE_ANCHORS * cells(width, height, stride) for stride in STRIDES_PX)
    return _flat(shapes, rows, points=True)


def embedding_output(shapes: Sequence[Shape]) -> int:
    """A recogniser of one picture: the place of (1, length); others may be of (1, 1), as norms are.

    Raises:
        ValueError: this is no such network.
    """
    least, most = EMBEDDING_LENGTHS
    places = [
        place
        for place, shape in enumerate(shapes)
        if len(shape) == 2 and shape[0] == 1 and least <= shape[1] <= most
    ]
    if len(places) != 1 or any(shape[1:] not in ((1,), shapes[places[0]][1:]) for shape in shapes):
        raise ValueError(f"outputs {_told(shapes)} are no embedding of 1x{least} to 1x{most}")
    return places[0]


def check_outputs(
    kind: str, shapes: Sequence[Shape], width: int, height: int, *, joined: bool = False
) -> None:
    """Checks that outputs are those of a kind of detector.

    Args:
        kind: which.
        shapes: of the outputs.
        width: of the fed image.
        height: of the fed image.
        joined: they may be YuNet's joined heads, which a file of somebody else's never has.

    Raises:
        ValueError: they are not.
    """
    readers: dict[str, Callable[[Sequence[Shape], int, int], object]] = {
        "yunet": check_joined if joined and len(shapes) == len(STRIDES_PX) else yunet_heads,
        "scrfd": scrfd_heads,
        "ultraface": ultraface_outputs,
        "retinaface": retinaface_outputs,
    }
    readers[kind](shapes, width, height)


def cells(width: int, height: int, stride_px: int) -> int:
    """Cells of one stride in a fed image; those that reach over its edge count."""
    return -(-width // stride_px) * -(-height // stride_px)


def _heads(
    shapes: Sequence[Shape], width: int, height: int, *, scores: int, points: bool
) -> list[Head]:
    """The outputs of each number of columns, sorted by rows, dealt out to the strides."""
    strides = len(STRIDES_PX)
    found = _by_columns(shapes)
    score, box, point = (found.pop(columns, []) for columns in (1, CORNERS, POINTS))
    expected = (scores * strides, strides, strides if points else 0)
    if found or (len(score), len(box), len(point)) != expected:
        raise ValueError(f"outputs {_told(shapes)} are not {expected} of 1, 4 and 10 columns")
    anchors = box[0][0] // cells(width, height, STRIDES_PX[0])
    if not 1 <= anchors <= MOST_ANCHORS:
        raise ValueError(f"outputs {_told(shapes)} do not fit an image of {width}x{height}")
    heads = []
    for level, stride in enumerate(STRIDES_PX):
        mine = [*score[level * scores : (level + 1) * scores], box[level], *point[level:][:1]]
        if {rows for rows, _ in mine} != {anchors * cells(width, height, stride)}:
            raise ValueError(f"outputs {_told(shapes)} do not fit an image of {width}x{height}")
        places = [place for _, place in mine]
        last = places[scores + 1] if points else None
        heads.append(Head(stride, anchors, tuple(places[:scores]), places[scores], last))
    return heads


def _flat(shapes: Sequence[Shape], rows: int, *, points: bool) -> Flat:
    found = _by_columns(shapes)
    columns = (CLASSES, CORNERS, POINTS) if points else (CLASSES, CORNERS)
    if len(shapes) != len(columns) or set(found) != set(columns):
        raise ValueError(f"outputs {_told(shapes)} are not of {columns} columns")
    if {each[0][0] for each in found.values()} != {rows}:
        raise ValueError(f"outputs {_told(shapes)} are not of {rows} rows")
    last = found[POINTS][0][1] if points else None
    return Flat(found[CLASSES][0][1], found[CORNERS][0][1], last)


def _by_columns(shapes: Sequence[Shape]) -> dict[int, list[tuple[int, int]]]:
    """Columns to rows and place of each output, most rows first."""
    found: dict[int, list[tuple[int, int]]] = {}
    for place, shape in enumerate(shapes):
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] != 1):
            raise ValueError(f"output {place + 1} is {shape}, not (rows, columns) of one image")
        found.setdefault(shape[-1], []).append((shape[-2], place))
    for outputs in found.values():
        outputs.sort(key=lambda each: -each[0])
    return found


def _told(shapes: Sequence[Shape]) -> str:
    return " ".join("x".join(map(str, shape)) for shape in shapes)
