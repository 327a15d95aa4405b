"""The networks, ready to load: found in ``face_recognition_models``, converted once, cached.

That package's own module is never imported: it needs ``pkg_resources``, which newer setuptools
lack. Only its folder of weights is looked up. What converts them is loaded when it is to be done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from facegrab import cache
from facegrab.errors import WeightsError
from facegrab.models import forest_file, ranges
from facegrab.models.dat_forest import ShapePredictor, read_shape_predictor
from facegrab.models.quantise import Ranges, quantised

log = logging.getLogger(__name__)

PACKAGE = "face_recognition_models"
DETECTOR_FILE = "mmod_human_face_detector.dat"
RECOGNISER_FILE = "dlib_face_recognition_resnet_model_v1.dat"
SHAPE_FILES = {
    5: "shape_predictor_5_face_landmarks.dat",
    68: "shape_predictor_68_face_landmarks.dat",
}

CONVERSION = 2
"""Counted up whenever a conversion gives another result, so that older files are left alone."""

QUANTISATION = 3
"""The same for what makes int8 of a graph, its ranges included."""

KEY_LENGTH = 16


def weights_folder() -> Path:
    """The folder of the ``.dat`` files.

    Raises:
        WeightsError: the package that brings them is not installed.
    """
    try:
        spec = find_spec(PACKAGE)
    except ValueError:  # A module of that name without a spec: nothing that was installed.
        spec = None
    for folder in spec.submodule_search_locations or () if spec else ():
        if (models := Path(folder) / "models").is_dir():
            return models
    raise WeightsError(f"the networks' weights are missing: pip install {PACKAGE}")


def detector_graph(*, int8: bool = False) -> Path:
    """The detector's ONNX graph, made on first use.

    Args:
        int8: the form whose convolutions compute in int8.

    Raises:
        WeightsError: the weights are missing or damaged, or the cache cannot be written.
    """

    def convert(source: Path) -> bytes:
        from facegrab.models import dat, graphs

        return graphs.detector_graph(dat.read_detector(source).layers)

    return _graph("detector", DETECTOR_FILE, convert, ranges.DETECTOR if int8 else None)


def recogniser_graph(*, int8: bool = False) -> Path:
    """The recogniser's ONNX graph, made on first use.

    Args:
        int8: the form whose convolutions compute in int8.

    Raises:
        WeightsError: the weights are missing or damaged, or the cache cannot be written.
    """

    def convert(source: Path) -> bytes:
        from facegrab.models import dat, graphs

        weights = dat.read_recogniser(source)
        return graphs.recogniser_graph(weights.layers, weights.chip_px)

    return _graph("recogniser", RECOGNISER_FILE, convert, ranges.RECOGNISER if int8 else None)


def shape_predictor(points: Literal[5, 68]) -> ShapePredictor:
    """dlib's shape predictor of 5 or 68 points, its fast-loading copy made on first use.

    Raises:
        WeightsError: the weights are missing or damaged, or the cache cannot be written.
    """
    source = _source(SHAPE_FILES[points])
    name = _name(f"landmarks{points}", source)
    if found := cache.find(name, ".bin"):
        path, content = found
        try:
            return forest_file.unpack(content)
        except ValueError as error:
            log.warning("%s is damaged (%s): making it anew", path, error)
    log.info("preparing the %d-point landmark model, once, some seconds", points)
    forest = read_shape_predictor(source)
    if len(forest.initial) != points:
        raise WeightsError(f"{source} has {len(forest.initial)} points, not {points}")
    cache.put(name, ".bin", forest_file.pack(forest))
    return forest


def _graph(
    kind: str, file: str, convert: Callable[[Path], bytes], int8: Ranges | None = None
) -> Path:
    source = _source(file)
    name = _name(f"{kind}-int8v{QUANTISATION}" if int8 else kind, source)
    if found := cache.find(name, ".onnx"):
        return found[0]
    log.info("preparing the %s%s, once", kind, " in int8" if int8 else "")
    try:
        content = convert(source)
        if int8:
            content = quantised(content, int8)
    except WeightsError:
        raise
    except ValueError as error:
        raise WeightsError(f"{source} is not the known network: {error}") from error
    return cache.put(name, ".onnx", [content])


def _source(file: str) -> Path:
    path = weights_folder() / file
    if not path.is_file():
        raise WeightsError(f"{path} is missing: pip install --force-reinstall {PACKAGE}")
    return path


def _name(kind: str, source: Path) -> str:
    """What is derived from a file is called by the file's content and the way of deriving."""
    return f"{kind}-v{CONVERSION}-{cache.content_hash(source)[:KEY_LENGTH]}"
