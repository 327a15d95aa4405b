"""Bytes -> Frames: finds the sources an input names and reads their frames."""

from __future__ import annotations

from facegrab.media.images import ImagesReader, read_image
from facegrab.media.reader import FrameReader
from facegrab.media.source import Source, find_sources
from facegrab.media.video import CPU, VideoReader

__all__ = ["FrameReader", "Source", "find_sources", "open_source", "read_image"]


def open_source(source: Source, every: int = 1, device: str = CPU) -> FrameReader:
    """A reader of every ``every``-th frame (index % every == 0), at its first frame.

    Args:
        source: a video or images.
        every: 1 or more.
        device: that decodes videos, see VideoReader.

    Raises:
        MediaError: the source is no video or image, or nothing in it can be decoded.
        MissingError: the file is gone.
        AccessError: the file may not be read.
        SettingError: ``every`` is below 1.
    """
    if source.images:
        return ImagesReader(source, every)
    return VideoReader(source.path, every, device)
