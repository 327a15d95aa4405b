"""Makes docs/extracts.jpg, the picture in README: extracts of both people out of the demo's clip.

python demo/sheet.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import make_clip
import numpy as np
from numpy.typing import NDArray

from facegrab import FaceGrab, ProcessSettings

SHEET = make_clip.WORK.parents[1] / "docs" / "extracts.jpg"
EXTRACT_PX = 128
COLUMNS = 7
GAP_PX = 4
QUALITY = 88
WHITE = 255


def main() -> None:
    """Runs once a person and lays the extracts out, a row a person."""
    clip = make_clip.write_all(make_clip.WORK)
    with TemporaryDirectory() as folder:
        rows = [
            _row(clip, make_clip.WORK / f"{who}.png", Path(folder, who))
            for who in (make_clip.ASTRONAUT, make_clip.HOPPER)
        ]
    sheet = np.vstack([rows[0], np.full((GAP_PX, rows[0].shape[1], 3), WHITE, np.uint8), rows[1]])
    _, encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    SHEET.write_bytes(encoded.tobytes())
    print(f"{SHEET}: {SHEET.stat().st_size / 1000:.0f} kB")


def _row(clip: Path, reference: Path, output: Path) -> NDArray[np.uint8]:
    """Extracts of one person, evenly spread over the clip, side by side (BGR)."""
    FaceGrab(reference, process=ProcessSettings(extract_size=EXTRACT_PX)).process(clip, output)
    files = sorted(output.glob("*.jpg"))
    chosen = [files[round(at)] for at in np.linspace(0, len(files) - 1, COLUMNS)]
    white = np.full((EXTRACT_PX, GAP_PX, 3), WHITE, np.uint8)
    parts = [white]
    for file in chosen:
        parts += [_read(file), white]
    return np.hstack(parts[1:-1])


def _read(file: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR), np.uint8)


if __name__ == "__main__":
    main()
