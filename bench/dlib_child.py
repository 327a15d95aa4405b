"""A dlib of another Python: ``python -m bench.dlib_child FOLDER``.

Reads one word a line, answers with one line of JSON. Runs where FaceGrab is not installed: it needs
dlib and NumPy alone. The folder holds the paths of the weights (weights.json) and the images
(image.npy, chip.npy).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Answers until there is nothing more to read."""
    peer = _Peer(Path(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(getattr(peer, line.strip())()), flush=True)


class _Peer:
    """What it can be asked."""

    def __init__(self, folder: Path) -> None:
        import dlib
        import numpy as np

        weights = json.loads((folder / "weights.json").read_text())
        self._dlib: Any = dlib
        self._image = np.load(folder / "image.npy", allow_pickle=False)
        self._chip = np.load(folder / "chip.npy", allow_pickle=False)
        self._detector = dlib.cnn_face_detection_model_v1(weights["detector"])
        self._recogniser = dlib.face_recognition_model_v1(weights["recogniser"])

    def about(self) -> dict[str, object]:
        """Its version and what it was built with."""
        return {
            "version": self._dlib.__version__,
            "blas": bool(getattr(self._dlib, "DLIB_USE_BLAS", False)),
            "cuda": bool(getattr(self._dlib, "DLIB_USE_CUDA", False)),
        }

    def detect(self) -> list[list[int]]:
        """Boxes of the image, x0 y0 x1 y1."""
        found = (each.rect for each in self._detector(self._image, 0))
        return [[r.left(), r.top(), r.right(), r.bottom()] for r in found]

    def embed(self) -> list[float]:
        """The embedding of the chip."""
        return list(self._recogniser.compute_face_descriptor(self._chip))


if __name__ == "__main__":
    main()
