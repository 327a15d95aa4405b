"""MTCNN's three networks, ready to load: found in the package ``mtcnn``, converted once, cached.

The package's own code is never imported: it needs TensorFlow. Only its folder of weights is looked
up. Those files are pickles (joblib's, packed with lz4), which can run any code when they are read:
each is read only after its SHA-256 was found to be that of the published file.
"""

from __future__ import annotations

import hashlib
import io
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facegrab import cache
from facegrab.errors import WeightsError
from facegrab.models.compute import ONNX_RUNTIME, OPENVINO
from facegrab.models.mtcnn_shapes import OUTPUT, PROPOSAL, REFINEMENT, Shape

if TYPE_CHECKING:
    from facegrab.models.mtcnn_graphs import Graph, Weights

log = logging.getLogger(__name__)

PACKAGE = "mtcnn"
VERSION = "1.0.0"
INSTALL = f"pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}"

ROUGH = "rough"
"""Beside the runtimes: the graph for OpenVINO in bfloat16."""

CONVERSION = 1
"""Counted up whenever a conversion gives another result, so that older files are left alone."""

KEY_LENGTH = 16
LARGEST_BYTES = 1 << 22
"""The largest of the files has 1.6 MB."""


class File(NamedTuple):
    """A file of weights as it was published."""

    name: str
    sha256: str


FILES: dict[str, File] = {
    PROPOSAL.name: File(
        "pnet.lz4", "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5"
    ),
    REFINEMENT.name: File(
        "rnet.lz4", "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee"
    ),
    OUTPUT.name: File(
        "onet.lz4", "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3"
    ),
}


class MtcnnGraphs(NamedTuple):
    """The ONNX files of the three networks, in the order in which they look."""

    proposal: Path
    refinement: Path
    output: Path


def mtcnn_graphs(runtime: str = ONNX_RUNTIME) -> MtcnnGraphs:
    """The networks' ONNX graphs, made on first use.

    Args:
        runtime: that is to run them: both run either, but each has one that is faster.

    Raises:
        WeightsError: the weights are missing or not the published ones, or the cache cannot be
            written.
    """
    return MtcnnGraphs(*(_cached(shape, runtime) for shape in (PROPOSAL, REFINEMENT, OUTPUT)))


def rough_graph() -> Path:
    """The graph that gives the first network's logits on OpenVINO in bfloat16.

    Raises:
        WeightsError: see mtcnn_graphs.
    """
    return _cached(PROPOSAL, ROUGH)


def mtcnn_folder() -> Path:
    """The folder of the weights.

    Raises:
        WeightsError: the package that brings them is not installed.
    """
    try:
        spec = find_spec(PACKAGE)
    except ValueError:  # A module of that name without a spec: nothing that was installed.
        spec = None
    for folder in spec.submodule_search_locations or () if spec else ():
        if (weights := Path(folder) / "assets" / "weights").is_dir():
            return weights
    raise WeightsError(
        f"MTCNN's weights are missing: pip install {PACKAGE}=={VERSION}, or choose another detector"
    )


def _cached(shape: Shape, kind: str) -> Path:
    """The graph is called by the hash of the only weights that are accepted."""
    hashed = FILES[shape.name].sha256[:KEY_LENGTH]
    name = f"mtcnn-{shape.name}-{kind}-v{CONVERSION}-{hashed}"
    if found := cache.find(name, ".onnx"):
        return found[0]
    rough = f"{ROUGH} " if kind == ROUGH else ""
    log.info("preparing MTCNN's %s%s network, once", rough, shape.name)
    return cache.put(name, ".onnx", [_converted(shape, kind)])


def empty_graph(kind: str) -> Graph:
    """A graph to fill, as a runtime computes it fastest; or the rough one."""
    from facegrab.models.mtcnn_graphs import Graph, RoughGraph  # what builds them is needed once

    if kind == ROUGH:
        return RoughGraph()
    if kind == OPENVINO:
        return Graph()
    from facegrab.models.mtcnn_blocked import BlockedGraph

    return BlockedGraph()


def _converted(shape: Shape, kind: str) -> bytes:
    from facegrab.models.mtcnn_graphs import mtcnn_graph

    path = mtcnn_folder() / FILES[shape.name].name
    weights = _read(path, FILES[shape.name].sha256)
    try:
        return mtcnn_graph(shape, weights, empty_graph(kind))
    except ValueError as error:
        raise WeightsError(f"{path} is not the known network: {error}") from error


def _read(path: Path, sha256: str) -> Weights:
    """The arrays of a file that is the published one; no other is unpacked."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"cannot read {path} ({error.strerror or error}): {INSTALL}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(f"{path} is not the file of {PACKAGE} {VERSION}: {INSTALL}")
    import joblib

    # The very bytes that were checked: the file may have changed since.
    weights: Weights = joblib.load(io.BytesIO(content))
    return weights
