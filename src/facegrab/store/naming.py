"""File names of extracts: sorted by name they are sorted by time."""

from __future__ import annotations

from dataclasses import dataclass

from facegrab.store.files import LONGEST_PICTURE_BYTES, safe_name


@dataclass(frozen=True, slots=True)
class Naming:
    """Names the extracts of one source.

    Attributes:
        source: what every name begins with, safe as a file name.
        suffix: ``jpg`` or ``png``.
        duration_seconds: of the source, if known; from ten hours on the hours get two digits.
        frame_count: of the source, if known; pictures are numbered with as many digits.
    """

    source: str
    suffix: str
    duration_seconds: float | None
    frame_count: int | None

    def of_video(self, pts_seconds: float, frame: int, number: int) -> str:
        """``<video>_<h>h<mm>m<ss.mmm>s_f<frame>_<n>.<suffix>``."""
        milliseconds = round(pts_seconds * 1000)
        hours, rest = divmod(milliseconds, 3_600_000)
        minutes, rest = divmod(rest, 60_000)
        digits = len(str(int((self.duration_seconds or 0) // 3600)))
        time = f"{hours:0{digits}}h{minutes:02}m{rest // 1000:02}.{rest % 1000:03}s"
        return f"{self.source}_{time}_f{frame}_{number}.{self.suffix}"

    def of_picture(self, picture: str, frame: int, number: int) -> str:
        """``<folder>_f<frame>_<picture>_<n>.<suffix>``: a picture has no time, but a name."""
        digits = len(str(max((self.frame_count or 1) - 1, 0)))
        stem = safe_name(picture.rsplit(".", 1)[0], LONGEST_PICTURE_BYTES)
        name = f"{self.source}_f{frame:0{digits}}_{stem}"
        return f"{name}_{number}.{self.suffix}"
