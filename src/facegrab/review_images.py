"""Images for the review's pages: extracts that lie in the folder, faces and frames cut anew."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from facegrab.applying import source_of
from facegrab.errors import AccessError, FaceGrabError, MediaError, MissingError
from facegrab.fetching import content_of
from facegrab.media.spans import SpansReader
from facegrab.reviewing import Film
from facegrab.store.album import leads_inside
from facegrab.types import FloatArray, Image, IntArray

FACE_PX, FRAME_PX = 192, 1600
"""Longer sides of the images that are made for the pages."""
MARGIN = 0.25
"""Of a face's side that is shown around it."""
MOST_KEPT = 512
"""Images that are remembered: some 10 kB each."""
MOST_FILE_BYTES = 32 * 2**20
_KINDS = {".jpg": "image/jpeg", ".png": "image/png"}
_MARK = (0, 176, 112)


class FaceImages:
    """Makes images of a folder's faces, and remembers some; safe to use from several threads.

    Args:
        folder: that holds the extracts.
        extracts: gives their names.
        device: that decodes.
    """

    def __init__(self, folder: Path, extracts: Callable[[], frozenset[str]], device: str) -> None:
        self._folder = folder
        self._extracts = extracts
        self._device = device
        self._made: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._decoding = threading.Lock()

    def face(self, film: Film, row: int, shown: IntArray) -> tuple[bytes, str] | None:
        """An image of a face, and its media type: its extract, or what its frame shows there.

        Args:
            film: whose.
            row: of the film's faces.
            shown: rows that are probably asked for next: they are made in one go.

        Returns:
            None where there is no extract and the source is gone or is another one now.
        """
        faces = film.faces
        file = film.files.get((int(faces.frame[row]), int(faces.number[row])))
        found = self._extract(file) if file else None
        if found:
            return found
        place = film.known.content, int(faces.frame[row]), int(faces.number[row])
        with self._decoding:
            if place not in self._made:
                self._cut(film, shown, row)
            image = self._made.get(place)
        return None if image is None else (image, "image/jpeg")

    def frame(self, film: Film, row: int) -> bytes | None:
        """The whole frame of a face as JPEG, the face marked; None where it cannot be had."""
        for _, image in self._frames(film, [row]):
            return _jpeg(_marked(image, film.faces.box[row]), FRAME_PX)
        return None

    def _extract(self, file: str) -> tuple[bytes, str] | None:
        """A file of the folder; its name comes from the index, which may come from anywhere."""
        kind = _KINDS.get(Path(file).suffix)
        if kind is None or not leads_inside(file):
            return None
        try:
            path = (self._folder / file).resolve(strict=True)
            if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
                return None
            content = content_of(self._folder, file, MOST_FILE_BYTES)
        except (OSError, FaceGrabError):  # then it is cut from its frame
            return None
        return content, kind

    def _cut(self, film: Film, rows: IntArray, row: int) -> None:
        """Makes images of some faces of a track that have no extract, and of one of them surely."""
        content, faces = film.known.content, film.faces
        wanted = sorted({row, *(rows.tolist() if row in rows else ())})
        for each, image in self._frames(film, wanted):
            place = content, int(faces.frame[each]), int(faces.number[each])
            self._made[place] = _jpeg(_cut_out(image, faces.box[each]), FACE_PX)
        while len(self._made) > MOST_KEPT:
            self._made.popitem(last=False)

    def _frames(self, film: Film, rows: Sequence[int]) -> Iterator[tuple[int, Image]]:
        """Frames of some faces, ascending rows; none where the source is gone."""
        try:
            source = source_of(film.known, self._folder, self._extracts())
        except (MediaError, MissingError, AccessError):
            return
        faces = film.faces
        of_frame: dict[int, list[int]] = {}
        for row in rows:
            of_frame.setdefault(int(faces.frame[row]), []).append(row)
        wanted = [(frame, float(faces.pts_seconds[own[0]])) for frame, own in of_frame.items()]
        seen = film.seen
        try:
            with SpansReader(
                source, wanted, seen.origin, seen.request.every, self._device
            ) as reader:
                for frame in reader:
                    for row in of_frame[frame.index]:
                        yield row, frame.image
        except MediaError:
            return


def spread(values: IntArray, most: int) -> IntArray:
    """Some of the values, from the first to the last."""
    if len(values) <= most:
        return values
    places = np.linspace(0, len(values) - 1, most).round().astype(np.int64)
    return np.asarray(values[places], np.int64)


def _cut_out(image: Image, box: FloatArray) -> Image:
    x0, y0, x1, y1 = box.tolist()
    margin = MARGIN * max(x1 - x0, y1 - y0)
    left, top = (max(int(each - margin), 0) for each in (x0, y0))
    part = image[top : int(y1 + margin) + 1, left : int(x1 + margin) + 1]
    return part if part.size else image


def _marked(image: Image, box: FloatArray) -> Image:
    marked = image.copy()
    x0, y0, x1, y1 = (round(each) for each in box.tolist())
    cv2.rectangle(marked, (x0, y0), (x1, y1), _MARK, max(2, image.shape[1] // 400))
    return marked


def _jpeg(image: Image, longest_px: int) -> bytes:
    share = longest_px / max(image.shape[:2])
    if share < 1:
        image = np.asarray(
            cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8
        )
    _, content = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return content.tobytes()
