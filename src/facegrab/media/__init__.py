"""Bytes -> Frames: finds the sources an input names and reads their frames."""

from __future__ import annotations

from facegrab.media.images import ImagesReader, read_image
from facegrab.media.reader import FrameReader
from facegrab.media.source import Source, find_sources
from facegrab.media.video import CPU, VideoReader
from facegrab.types import Segment

__all__ = ["FrameReader", "Source", "find_sources", "open_source", "read_image"]


def open_source(
    source: Source,
    every: int = 1,
    device: str = CPU,
    start: Segment | None = None,
    *,
    only: bool = False,
    threads: int = 0,
) -> FrameReader:
    """A reader of every ``every``-th frame (index % every == 0), at its first frame.

    Args:
        source: a video or images.
        every: 1 or more.
        device: that decodes videos, see VideoReader.
        start: segment to begin with, as a reader of the same source and ``every`` noted it; None:
            the first.
        only: nothing after that segment is handed out; ``segments`` then ends with the one that
            follows, if one does.
        threads: of the CPU that may be used; 0 is as many as the process may use.

    Raises:
        MediaError: the source is no video or image, nothing in it can be decoded, or it does not
            hold the start.
        MissingError: the file is gone.
        AccessError: the file may not be read.
        SettingError: ``every`` is below 1.
    """
    if source.images:
        return ImagesReader(source, every, start, only=only)
    return VideoReader(source.path, every, device, start, only=only, threads=threads)
