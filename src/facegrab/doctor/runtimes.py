"""What computes networks here, and what could decode video."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from facegrab.doctor.facts import Cuda, HardwareDecoder
from facegrab.errors import DeviceError
from facegrab.models import compute

if TYPE_CHECKING:
    import av

CODECS = ("h264", "hevc", "vp9", "av1")
"""What nearly all video is coded in."""

NO_CARD = "no NVIDIA card, or no driver that shows one"

_MOST_CARDS = 64
_NAME_BYTES = 256


def openvino_capabilities() -> tuple[str, ...] | None:
    """What OpenVINO says that the processor can do; None where it is not used.

    Raises:
        DeviceError: it does not load.
    """
    if not compute.has_openvino():
        return None
    from facegrab.models.openvino_runtime import capabilities

    return tuple(capabilities())


def onnxruntime_providers() -> tuple[str, ...]:
    """What ONNX Runtime computes on, best first.

    Raises:
        ImportError: it does not load.
    """
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


def cuda() -> Cuda:
    """Whether CUDA can be used; a network of one layer is tried.

    Raises:
        ImportError: ONNX Runtime does not load.
    """
    cards = nvidia_cards()
    if not cards:
        return Cuda(False, NO_CARD, ())
    try:
        _try_cuda()
    except DeviceError as error:
        return Cuda(False, str(error), cards)
    return Cuda(True, None, cards)


def nvidia_cards() -> tuple[str, ...]:
    """Names of the cards that the driver shows (CUDA Driver API: cuInit, cuDeviceGetName)."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int()
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return ()
        names = []
        for number in range(min(count.value, _MOST_CARDS)):
            name = ctypes.create_string_buffer(_NAME_BYTES)
            driver.cuDeviceGetName(name, _NAME_BYTES, number)
            names.append(name.value.decode("utf-8", "replace"))
    except (OSError, AttributeError):
        return ()
    return tuple(names)


def hardware_decoders() -> tuple[HardwareDecoder, ...]:
    """Those that this build of PyAV knows, each opened to see whether there is one.

    Raises:
        ImportError: PyAV does not load.
    """
    from av.codec.hwaccel import hwdevices_available

    found = (_decoder(device) for device in hwdevices_available())
    return tuple(each for each in found if each.codecs)


def _decoder(device: str) -> HardwareDecoder:
    import av
    from av.codec.hwaccel import HWAccel

    decoders = dict(_decoders(device))
    why_not = None
    for decoder in list(decoders.values())[:1]:
        try:
            HWAccel(device, allow_software_fallback=False).create(decoder)
        except (av.FFmpegError, NotImplementedError, ValueError) as error:
            why_not = getattr(error, "strerror", None) or str(error)
    return HardwareDecoder(device, tuple(decoders), why_not is None, why_not)


def _decoders(device: str) -> Iterator[tuple[str, av.Codec]]:
    """By name of the codec, what decodes it on a device: FFmpeg's own decoder or a separate one."""
    import av

    for codec in CODECS:
        for name in (codec, f"{codec}_{device}"):
            try:
                decoder = av.Codec(name, "r")
            except ValueError:  # There is none in this build; UnknownCodecError is one.
                continue
            if _runs_on(decoder, device):
                yield codec, decoder
                break


def _runs_on(decoder: av.Codec, device: str) -> bool:
    for config in decoder.hardware_configs or ():
        try:
            if config.is_supported and config.device_type.name == device:
                return True
        except ValueError:  # A kind that is newer than this PyAV.
            continue
    return False


def _try_cuda() -> None:
    from facegrab.models import onnx_runtime

    with TemporaryDirectory(prefix="facegrab-") as folder:
        graph = Path(folder) / "one-layer.onnx"
        graph.write_bytes(_one_layer())
        onnx_runtime.load(graph, compute.Compute(compute.CUDA))


def _one_layer() -> bytes:
    from onnx import TensorProto, helper

    from facegrab.models.graphs import IR_VERSION, OPSET

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one_layer", [x], [y])
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())
