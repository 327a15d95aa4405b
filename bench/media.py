"""Where the real clips and the peer are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.table import UnmeasurableError
from facegrab.cache import cache_folder
from facegrab.models.weights import weights_folder
from facegrab.types import Image

MEDIA_VARIABLE = "FACEGRAB_MEDIA"
HAMILTON_CLIP = "face_recognition__short_hamilton_clip.mp4"
"""Of the folder video: 275 frames of 640x360."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the rows share.

    Attributes:
        quick: short clips and few rounds: shows that everything works, proves no figure.
        long: also what takes minutes a run.
    """

    quick: bool
    long: bool = False

    def rounds(self, full: int, quick: int = 1) -> int:
        """How often something is measured."""
        return quick if self.quick else full


def media(*parts: str) -> Path:
    """A file of the shared media."""
    folder = os.environ.get(MEDIA_VARIABLE)
    root = Path(folder) if folder else Path(__file__).parents[2] / "shared" / "media"
    path = root.joinpath(*parts)
    if not path.exists():
        raise UnmeasurableError(f"no {path}: set {MEDIA_VARIABLE} to the folder of shared media")
    return path


def shared_weights(*parts: str) -> Path:
    """A file of the weights that lie beside the shared media."""
    path = media().parent.joinpath("weights", *parts)
    if not path.exists():
        raise UnmeasurableError(f"no {path}")
    return path


def cache() -> Path:
    """The folder for clips that the bench makes; made if missing."""
    folder = cache_folder() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def decoded(path: Path) -> list[Image]:
    """All frames of a short clip, RGB."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [np.asarray(frame, np.uint8) for frame in frames]


def dlib() -> Any:
    """The peer."""
    try:
        import dlib as module
    except ImportError as error:
        raise UnmeasurableError("the peer dlib is missing: pip install dlib-bin") from error
    return module


def dlib_weights(name: str) -> str:
    """The path of one of dlib's weight files."""
    return str(weights_folder() / name)
