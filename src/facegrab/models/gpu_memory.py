"""How many images go through a network at a time: as many as the graphics card has room for."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence

import numpy as np

from facegrab.models.compute import CUDA
from facegrab.models.gpu_graphs import GpuGraph
from facegrab.types import FloatArray, Image

log = logging.getLogger(__name__)

MOST_IMAGES = 128
"""Frames and chips at a time; more keep no card busier and only take memory."""

MOST_VALUES = 2**31 - 1
"""In one array: kernels of ONNX Runtime and cuDNN count in 32 bits."""

USED_SHARE = 0.5
"""Of the free memory, for the images of one network: the other networks need some too."""

_MIB = 2**20
_ASKING_SECONDS = 20
_QUERY = ("--query-gpu=memory.free", "--format=csv,noheader,nounits")


class BatchedNet:
    """Shows a network as many images at a time as there is memory for.

    Where there is too little after all, half as many are tried, and from then on no more than
    those. What a network says does not depend on the number.

    Args:
        net: uint8 (N, ...) to float32 (N, ...); it raises MemoryError.
        most: images to begin with.
    """

    def __init__(self, net: Callable[[Image], FloatArray], most: int = MOST_IMAGES) -> None:
        self._net = net
        self._most = max(most, 1)

    def __call__(self, images: Sequence[Image] | Image) -> FloatArray:
        """float32 (N, ...) of N images, one or more, uint8 and of one shape.

        Raises:
            MemoryError: not even one of them finds room.
            DeviceError: the device failed.
        """
        parts: list[FloatArray] = []
        start = 0
        while start < len(images):
            shown = np.stack([*images[start : start + self._most]])
            try:
                parts.append(self._net(shown))
            except MemoryError as error:
                self._most = _fewer(shown, error)
            else:
                start += len(shown)
        return np.concatenate(parts)


def _fewer(shown: Image, error: MemoryError) -> int:
    """Half as many images as were too many.

    Raises:
        MemoryError: it was one.
    """
    count, *shape = (int(side) for side in shown.shape)
    size = "x".join(str(side) for side in shape)
    if count == 1:
        raise MemoryError(
            f"the device has no room for one image of {size} bytes ({error}): look for larger "
            "faces (min_face), end what else uses the device, or use the device cpu"
        ) from error
    log.info("%d images of %s bytes are too many for the device", count, size)
    return count // 2


def fitting(graph: GpuGraph, device: str, most: int = MOST_IMAGES) -> int:
    """Images that probably find room at a time, 1 to most.

    Args:
        graph: that they go through.
        device: ``"cpu"`` or ``"cuda"``.
        most: of them.
    """
    most = min(most, MOST_VALUES // graph.image_values)
    free = free_bytes() if device == CUDA else None
    if free is not None:
        most = min(most, int(free * USED_SHARE) // graph.image_bytes)
    return max(most, 1)


def free_bytes() -> int | None:
    """Free memory of the graphics card in use, as its driver's own tool says; None if it does not.

    ONNX Runtime does not tell.
    """
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    # CUDA counts only the cards that this variable names, and ONNX Runtime takes the first.
    cards = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    which = ["-i", cards[0].strip()] if cards[0].strip() else []
    try:
        answer = subprocess.run(
            [tool, *_QUERY, *which],
            capture_output=True,
            check=True,
            text=True,
            timeout=_ASKING_SECONDS,
        ).stdout
        return int(answer.split()[0]) * _MIB
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        log.info("nvidia-smi does not tell the free memory: %s", error)
        return None
