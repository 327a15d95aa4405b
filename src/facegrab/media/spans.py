from __future__ import annotations

from collections.abc import Iterator, Sequence

from facegrab.errors import MediaError
from facegrab.media import open_source
from facegrab.media.source import Source
from facegrab.types import Frame


def frames_at(
    source: Source, wanted: Sequence[tuple[int, float]], device: str = "cpu"
) -> Iterator[Frame]:
    left = dict(wanted)
    with open_source(source, 1, device) as reader:
        for frame in reader:
            if frame.index in left:
                if left.pop(frame.index) != frame.pts_seconds:
                    raise MediaError(f"{source.path} has changed")
                yield frame
            if not left:
                return
    raise MediaError(f"{source.path} has changed since it was scanned: scan it again")
