"""Opens the networks that a run needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from facegrab.models import weights
from facegrab.models.compute import (
    BF16,
    CPU,
    FP16,
    INT8,
    NUMBA,
    ONNX_RUNTIME,
    OPENVINO,
    Best,
    Compute,
    slow_because,
)
from facegrab.models.runtime import load_net
from facegrab.models.specs import DetectorSpec, Licence, RecogniserSpec
from facegrab.vision.detect import Detector
from facegrab.vision.embed import Recogniser, ResnetRecogniser
from facegrab.vision.landmarks import Landmarker, TreeLandmarker
from facegrab.vision.look import Eyes
from facegrab.vision.points import PointFinder

_DLIB_MODELS = "https://github.com/davisking/dlib-models"
BEST_DETECTORS: dict[str, Best] = {
    # In bf16 its boxes shift by a pixel or two, and one embedding in a hundred by .2. So bf16 only
    # says where to look in float32 (vision/sieve.py).
    "mtcnn": (OPENVINO, ()),
    # In int8 a face of the film hamilton is lost, with the rest in bf16.
    "dlib": (OPENVINO, (BF16, INT8)),
    # Mostly layers of one filter a channel, which ONNX Runtime computes in two thirds of the time.
    "yunet": (ONNX_RUNTIME, ()),
}
"""By kind of network, the fastest of what decides as float32 does (bench: precision)."""
BEST_RECOGNISERS: dict[str, Best] = {"dlib": (OPENVINO, (INT8, BF16))}
"""The same of recognisers."""

CORNERS_LICENCE = Licence("CC0-1.0", commercial=True, source=_DLIB_MODELS)
MESH_LICENCE = Licence("iBUG 300-W, not for commercial use", commercial=False, source=_DLIB_MODELS)


def open_eyes(
    detector: DetectorSpec,
    recogniser: RecogniserSpec,
    compute: Compute,
    *,
    mesh: bool = True,
) -> Eyes:
    """Detector, landmarks and recogniser.

    Args:
        detector: which.
        recogniser: which.
        compute: how the networks are run.
        mesh: use dlib's 68-point model, which may not be used commercially.

    Raises:
        WeightsError: the weights are missing or damaged.
        DeviceError: the device is not there.
    """
    corners = TreeLandmarker(weights.shape_predictor(5))
    # Side by side: the runtimes prepare the networks without holding up Python.
    with ThreadPoolExecutor(2, thread_name_prefix="facegrab-open") as pool:
        finds = pool.submit(open_detector, detector, compute)
        describes = pool.submit(open_recogniser, recogniser, compute, corners)
        full = TreeLandmarker(weights.shape_predictor(68)) if mesh else None
    opened, how = finds.result(), compute.of_network(detector.kind, BEST_DETECTORS)
    if getattr(opened, "in_machine_code", False):
        how = replace(how, runtime=NUMBA)
    return Eyes(
        detector=opened,
        points=PointFinder(corners, full),
        recogniser=describes.result(),
        detector_spec=detector,
        computed=_computed(how, compute.of_network(recogniser.kind, BEST_RECOGNISERS)),
    )


def _computed(detector: Compute, recogniser: Compute) -> str:
    """In words what computes."""
    words = (
        f"{detector}"
        if detector == recogniser
        else (f"{detector} (detector), {recogniser} (recogniser)")
    )
    why = slow_because() if detector.device == CPU else None
    return f"{words} ({why})" if why else words


def licences(
    detector: DetectorSpec, recogniser: RecogniserSpec, *, mesh: bool
) -> dict[str, Licence]:
    """On what terms the weights of a run may be used, by what they are for."""
    used = {
        f"detector {detector.name}": detector.licence,
        f"recogniser {recogniser.name}": recogniser.licence,
        "5-point landmarks": CORNERS_LICENCE,
    }
    return used | {"68-point landmarks": MESH_LICENCE} if mesh else used


def open_detector(spec: DetectorSpec, compute: Compute) -> Detector:
    """A detector that is ready to run.

    Raises:
        WeightsError, DeviceError: see open_eyes.
    """
    compute = compute.of_network(spec.kind, BEST_DETECTORS)
    if compute.precision == FP16:
        return _open_gpu_detector(spec.kind, compute)
    if spec.kind == "mtcnn":
        from facegrab.vision.mtcnn import open_mtcnn

        return open_mtcnn(compute)
    if spec.kind == "dlib":
        from facegrab.vision.mmod import MmodDetector  # few runs look with it
        from facegrab.vision.pyramid import coarse_layout, dlib_layout

        layout_of = dlib_layout if compute.exact else coarse_layout
        return MmodDetector(
            load_net(weights.detector_graph(int8=compute.precision == INT8), compute), layout_of
        )
    from facegrab.vision import open_onnx

    return open_onnx.open_detector(spec, compute)


def _open_gpu_detector(kind: str, compute: Compute) -> Detector:
    from facegrab.vision import gpu_mmod, gpu_mtcnn

    return gpu_mtcnn.open_mtcnn(compute) if kind == "mtcnn" else gpu_mmod.open_mmod(compute)


def open_recogniser(spec: RecogniserSpec, compute: Compute, corners: Landmarker) -> Recogniser:
    """A recogniser that is ready to run; dlib's cuts its chip by the corners of the eyes.

    Raises:
        WeightsError, DeviceError: see open_eyes.
    """
    compute = compute.of_network(spec.kind, BEST_RECOGNISERS)
    if compute.precision == FP16:
        from facegrab.vision import gpu_embed

        return gpu_embed.open_resnet(compute, corners, spec)
    if spec.kind == "dlib":
        return ResnetRecogniser(
            load_net(weights.recogniser_graph(int8=compute.precision == INT8), compute),
            corners,
            spec,
        )
    from facegrab.vision import open_onnx

    return open_onnx.open_recogniser(spec, compute)
