"""FaceGrab: aligned images of one person's face, and nobody else's, out of any amount of video.

from facegrab import FaceGrab
FaceGrab("reference.jpg").process("film.mp4", "faces")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from facegrab.errors import (
    AccessError,
    DeviceError,
    FaceGrabError,
    GalleryError,
    MediaError,
    MissingError,
    OutputError,
    SettingError,
    StoreError,
    WeightsError,
)
from facegrab.settings import ProcessSettings, RecognitionSettings

if TYPE_CHECKING:
    from facegrab.cataloguing import scan_into
    from facegrab.grab import FaceGrab
    from facegrab.picking import pick
    from facegrab.summary import Plan, Summary, Watcher

__version__ = "1.0.0.dev0"

__all__ = [
    "AccessError",
    "DeviceError",
    "FaceGrab",
    "FaceGrabError",
    "GalleryError",
    "MediaError",
    "MissingError",
    "OutputError",
    "Plan",
    "ProcessSettings",
    "RecognitionSettings",
    "SettingError",
    "StoreError",
    "Summary",
    "Watcher",
    "WeightsError",
    "__version__",
    "pick",
    "scan_into",
]

_LATER = {
    "FaceGrab": "facegrab.grab",
    "Plan": "facegrab.summary",
    "Summary": "facegrab.summary",
    "Watcher": "facegrab.summary",
    "pick": "facegrab.picking",
    "scan_into": "facegrab.cataloguing",
}


def __getattr__(name: str) -> object:
    """Loads what a run begins without when it is first asked for: NumPy and OpenCV above all."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'facegrab' has no attribute {name!r}")
