"""What kind of network an ONNX file of others is, as far as the file tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegrab.errors import DeviceError, WeightsError
from facegrab.models.any_size import load_detector
from facegrab.models.canvas import InputCanvas
from facegrab.models.compute import Compute
from facegrab.models.graph_file import GraphInput, graph_input, read_graph
from facegrab.models.heads import SMALLEST_PX, Shape, check_outputs, embedding_output
from facegrab.models.runtime import ManyNet, load_many
from facegrab.models.specs import (
    ColourOrder,
    DetectorKind,
    DetectorSpec,
    Pixels,
    RecogniserKind,
    RecogniserSpec,
    Triple,
)
from facegrab.types import FloatArray, Image

if TYPE_CHECKING:
    from onnx import ModelProto

DETECTORS: tuple[DetectorKind, ...] = ("yunet", "scrfd", "ultraface", "retinaface")
ARCFACE: RecogniserKind = "arcface"
KINDS: tuple[str, ...] = (*DETECTORS, ARCFACE)
"""What ``--kind`` may say of an ONNX file."""

USUAL: dict[str, tuple[ColourOrder, Triple, Triple]] = {
    "yunet": ("bgr", (0.0,) * 3, (1.0,) * 3),  # OpenCV, FaceDetectorYN
    "scrfd": ("rgb", (127.5,) * 3, (128.0,) * 3),  # insightface, scrfd.py
    "ultraface": ("rgb", (127.0,) * 3, (128.0,) * 3),  # Linzaer, run_video_face_detect_onnx.py
    "retinaface": ("bgr", (104.0, 117.0, 123.0), (1.0,) * 3),  # biubug6, detect.py
    ARCFACE: ("rgb", (127.5,) * 3, (127.5,) * 3),  # insightface, arcface_onnx.py
}
"""Order, mean and divisor of the colours that a kind is usually trained with: no graph tells."""

PROBES_PX = ((320, 256), (112, 112))
"""Widths and heights at which a graph is run that leaves them open: a detector's, a recogniser's"""
CHIP_STEPS_PX = (112, 128)
"""A chip's side is a multiple of one of them (insightface, estimate_norm)."""
LARGEST_CHIP_PX = 512


@dataclass(frozen=True, slots=True)
class Findings:
    """What a file tells of itself, and what its kind is usually like.

    Attributes:
        kind: how its outputs are read.
        pixels: its input. Width, height and batch are the graph's; order, mean and divisor are the
            kind's usual ones, or none where the graph begins by subtracting a mean.
        smallest_px: of a detector, see DetectorSpec; None for a recogniser.
        length: of a recogniser's embedding; None for a detector.
    """

    kind: DetectorKind | RecogniserKind
    pixels: Pixels
    smallest_px: int | None
    length: int | None


def inspect_graph(path: Path, kind: str | None = None) -> Findings:
    """Tells the kind of a network from its input and the shapes of its outputs.

    The graph is run once, on a black picture: what files declare of their outputs is often wrong.

    Args:
        path: an ONNX file.
        kind: one of KINDS, if the user says so; then only that is looked for.

    Raises:
        MissingError, AccessError: the file is not there, or may not be read.
        WeightsError: it is no such network, or does not tell; says what the user can do.
    """
    if kind is not None and kind not in KINDS:
        raise WeightsError(f"there is no kind {kind!r} of network: {', '.join(KINDS)}")
    model = read_graph(path)
    declared = graph_input(model, path)
    net = _loaded(path, model)
    outputs, width, height = _probed(net, declared, path)
    shapes = [output.shape for output in outputs]
    wanted = KINDS if kind is None else (kind,)
    refusals = {each: _refusal(each, shapes, width, height) for each in wanted}
    found = next((each for each, why in refusals.items() if why is None), None)
    if found is None:
        raise WeightsError(_unknown(path, shapes, kind, refusals))
    return _findings(path, found, model, declared, shapes)


def try_out(spec: DetectorSpec | RecogniserSpec, image: Image | None = None) -> None:
    """Runs a network once, as it would be used, and looks whether the answer can be one.

    Args:
        spec: with a graph.
        image: RGB uint8 (H, W, 3), of which the upper left part is shown; None for noise.

    Raises:
        WeightsError: the answer has another shape, or is not of finite numbers.
    """
    if spec.graph is None:
        raise ValueError(f"{spec.name} has no graph of its own")
    if isinstance(spec, DetectorSpec):
        net, pixels = load_detector(spec.graph, spec.kind, spec.pixels, Compute())
    else:
        net, pixels = load_many(spec.graph), spec.pixels
    width, height = pixels.width_px or PROBES_PX[0][0], pixels.height_px or PROBES_PX[0][1]
    shown = _noise(width, height) if image is None else image[:height, :width]
    x = InputCanvas(pixels)(shown, width, height).repeat(pixels.batch or 1, axis=0)
    outputs = _ran(net, x, spec.graph)
    if not all(np.isfinite(output).all() for output in outputs):
        raise WeightsError(
            f"{spec.graph} answers a picture with numbers that are not finite: "
            "the file is damaged, or its mean and divisor are others"
        )
    _check_answer(spec, [output.shape for output in outputs], width, height)


def _check_answer(
    spec: DetectorSpec | RecogniserSpec, shapes: Sequence[Shape], width: int, height: int
) -> None:
    try:
        if isinstance(spec, DetectorSpec):
            # Those that were tried may be joined by now; what the file has was looked at before.
            check_outputs(spec.kind, shapes, width, height, joined=True)
            return
        one = [(1, *shape[1:]) for shape in shapes]
        length = one[embedding_output(one)][1]
    except ValueError as error:
        raise WeightsError(f"{spec.graph} is no {spec.kind}: {error}") from error
    if length != spec.length:
        raise WeightsError(f"{spec.graph} gives {length} numbers a face, not {spec.length}")


def _loaded(path: Path, model: ModelProto) -> ManyNet:
    try:
        return load_many(path)
    except WeightsError as error:
        if "opset" not in str(error).lower() and "ir version" not in str(error).lower():
            raise
        import onnxruntime

        opset = max((each.version for each in model.opset_import if not each.domain), default=0)
        raise WeightsError(
            f"{path} is of opset {opset} and ONNX IR {model.ir_version}, newer than ONNX Runtime "
            f"{onnxruntime.__version__} reads: pip install -U onnxruntime, or export it at opset 17"
        ) from error


def _probed(
    net: ManyNet, declared: GraphInput, path: Path
) -> tuple[tuple[FloatArray, ...], int, int]:
    """The answer to a black picture, and the picture's width and height."""
    batch = declared.batch or 1
    sizes = [(declared.width_px or w, declared.height_px or h) for w, h in PROBES_PX]
    for width, height in dict.fromkeys(sizes):
        try:
            return net(np.zeros((batch, 3, height, width), np.float32)), width, height
        except DeviceError as error:
            refusal = error
    raise WeightsError(
        f"{path} cannot be run on a picture of {width}x{height}: {refusal}"
    ) from refusal


def _ran(net: ManyNet, x: FloatArray, path: Path) -> tuple[FloatArray, ...]:
    try:
        return net(x)
    except DeviceError as error:
        raise WeightsError(f"{path} cannot be run on a picture: {error}") from error


def _refusal(kind: str, shapes: Sequence[Shape], width: int, height: int) -> str | None:
    """Why outputs are not a kind's; None if they are."""
    try:
        if kind == ARCFACE:
            embedding_output([(1, *shape[1:]) for shape in shapes])
            _check_chip(width, height)
        else:
            check_outputs(kind, shapes, width, height)
    except ValueError as error:
        return str(error)
    return None


def _check_chip(width: int, height: int) -> None:
    fits = any(width % step == 0 for step in CHIP_STEPS_PX) and width <= LARGEST_CHIP_PX
    if width != height or not fits:
        raise ValueError(f"no chip is {width}x{height}, but 112 or 128 px on both sides")


def _findings(
    path: Path, kind: str, model: ModelProto, declared: GraphInput, shapes: Sequence[Shape]
) -> Findings:
    order, mean, divisor = USUAL[kind]
    if _subtracts(model, declared.name):
        mean, divisor = (0.0,) * 3, (1.0,) * 3
    pixels = Pixels(
        order, mean, divisor, declared.width_px, declared.height_px, batch=declared.batch
    )
    for detector in DETECTORS:
        if detector == kind:
            if (declared.batch or 1) > 1:
                raise WeightsError(f"{path} takes {declared.batch} images at a time, not one")
            pixels = load_detector(path, detector, pixels, Compute())[1]
            return Findings(detector, pixels, SMALLEST_PX[detector], None)
    width, height = PROBES_PX[1]
    pixels = replace(
        pixels, width_px=declared.width_px or width, height_px=declared.height_px or height
    )
    length = next(shape[1] for shape in shapes if shape[1:] != (1,))
    return Findings(ARCFACE, pixels, None, length)


def _subtracts(model: ModelProto, name: str) -> bool:
    """Whether the graph begins by subtracting from its input: then it normalises it itself.

    Insightface tells its older recognisers apart in this way too (arcface_onnx.py).
    """
    users = [node for node in model.graph.node if name in node.input]
    return len(users) == 1 and users[0].op_type == "Sub"


def _unknown(
    path: Path, shapes: Sequence[Shape], kind: str | None, refusals: dict[str, str | None]
) -> str:
    if kind is not None:
        return f"{path} is no {kind}: {refusals[kind]}"
    told = " ".join("x".join(map(str, shape)) for shape in shapes[:12])
    return (
        f"{path} is of no kind that FaceGrab knows (outputs {told}): "
        f"if it is one of {', '.join(KINDS)}, --kind says why it does not fit"
    )


def _noise(width: int, height: int) -> Image:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
