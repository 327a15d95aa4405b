"""Where an extract is from, written into the image file itself: JSON in an XMP property."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facegrab.address import IN_BUCKET, STANDS_FOR
from facegrab.errors import AccessError, MediaError, MissingError
from facegrab.store.files import as_text
from facegrab.store.xmp import insert_packet, packets

VERSION = 1
MAX_FILE_BYTES = 64 * 2**20
"""An extract of 2048 px is 12 MB without any compression."""
MAX_JSON_BYTES = 64 * 1024
_LONGEST_TEXT = 40_000
_LARGEST_NUMBER = 1e12

NAMESPACE = "urn:x-facegrab:origin:1#"
_BEFORE = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:facegrab="{NAMESPACE}"><facegrab:origin>'
)
_AFTER = '</facegrab:origin></rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
_PROPERTY = re.compile(rb"<facegrab:origin>([^<]*)</facegrab:origin>")
_ENTITY = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,5}));|&")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

Numbers: TypeAlias = NDArray[np.floating[Any]]

_SHAPES: dict[str, tuple[int, ...]] = {
    "box": (4,),
    "points5": (5, 2),
    "points68": (68, 2),
    "matrix": (2, 3),
}


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where an extract is from, and what made it. Nothing else about the machine or its user.

    Attributes:
        source: path of the video, or of the folder or pattern of pictures, as text (as_text).
        frame: number of the frame in its source, from 0.
        pts_seconds: time since the source's first frame.
        picture: path of the image file the face was in, as text; None for a video.
        box: (4,), x0 y0 x1 y1 in pixels of the full frame, corner pixels inclusive.
        points5: (5, 2), see types.Detections.
        points68: (68, 2), NaN where the 68-point model was not used.
        matrix: (2, 3), from full frame to extract; whole numbers are centres of pixels.
        alignment: name of the alignment.
        size_px: side of the extract.
        native_scale: pixels of the extract per pixel of the source: above 1 it is enlarged.
        detector: which found the face: its key, the name and the begin of its weights' SHA-256.
        recogniser: which decided whose it is, likewise.
        distance: to the references; NaN where there were none.
        sharpness: variance of the Laplacian.
        source_name: what the source is called in the names of the run's files.

    Raises:
        ValueError: an array is of another shape.
    """

    source: str
    frame: int
    pts_seconds: float
    picture: str | None
    box: Numbers
    points5: Numbers
    points68: Numbers
    matrix: Numbers
    alignment: str
    size_px: int
    native_scale: float
    detector: str
    recogniser: str
    distance: float
    sharpness: float
    source_name: str = ""

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} is {getattr(self, name).shape}, not {shape}")

    def to_json(self) -> dict[str, Any]:
        """For json.dumps: points to .01 px, the matrix and numbers to 9 digits, None for NaN."""
        known_68 = bool(np.isfinite(self.points68).all())
        return {
            "version": VERSION,
            "source": self.source,
            "source_name": self.source_name,
            "frame": self.frame,
            "pts_seconds": round(self.pts_seconds, 6),
            "picture": self.picture,
            "box": _hundredths(self.box),
            "points5": _hundredths(self.points5),
            "points68": _hundredths(self.points68) if known_68 else None,
            "matrix": [[_digits(value) for value in row] for row in self.matrix.tolist()],
            "alignment": self.alignment,
            "size_px": self.size_px,
            "native_scale": _digits(self.native_scale),
            "detector": self.detector,
            "recogniser": self.recogniser,
            "distance": _digits(self.distance) if isfinite(self.distance) else None,
            "sharpness": _digits(self.sharpness) if isfinite(self.sharpness) else None,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Origin:
        """What to_json wrote; keys that it does not write are left aside.

        Raises:
            ValueError: something is missing, of another kind or out of range; or a newer FaceGrab
                made it.
        """
        version = _whole(content, "version")
        if version != VERSION:
            raise ValueError(f"its version is {version}, made by a newer FaceGrab: update this one")
        numbers = {name: _array(content, name) for name in ("box", "points5", "matrix")}
        picture = content.get("picture")
        no_68 = content.get("points68") is None
        return cls(
            source=_text(content, "source"),
            source_name=_text(content, "source_name"),
            frame=_whole(content, "frame"),
            pts_seconds=_number(content, "pts_seconds"),
            picture=None if picture is None else _text(content, "picture"),
            points68=np.full((68, 2), np.nan) if no_68 else _array(content, "points68"),
            alignment=_text(content, "alignment"),
            size_px=_whole(content, "size_px"),
            native_scale=_number(content, "native_scale"),
            detector=_text(content, "detector"),
            recogniser=_text(content, "recogniser"),
            distance=_number_or_nan(content, "distance"),
            sharpness=_number_or_nan(content, "sharpness"),
            **numbers,
        )


def embed_origin(encoded: bytes, origin: Origin) -> bytes:
    """The image file with its origin inside; its pixels stay as they are.

    Args:
        encoded: a whole JPEG or PNG without XMP.
        origin: some 2 kB.

    Raises:
        ValueError: it is neither or has XMP already, a value is NaN that may not be, or the origin
            is longer than a JPEG's segment (64 kB).
    """
    # Only ASCII: so names that no encoding holds survive, as \udcxx, and XML has nothing to say.
    text = json.dumps(origin.to_json(), allow_nan=False, separators=(",", ":"))
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return insert_packet(encoded, (_BEFORE + text + _AFTER).encode("utf-8"))


def read_origin(path: Path) -> dict[str, Any]:
    """The origin in an image file, as it is there.

    No XML is parsed: the one property is looked for, so that nothing in a hostile file expands.

    Raises:
        MissingError: there is no such file.
        AccessError: it may not be read.
        MediaError: it is no JPEG or PNG, has no origin, or is damaged or too large.
    """
    path = Path(path)
    content = _content(path)
    try:
        for packet in packets(content):
            if NAMESPACE.encode() in packet and (found := _PROPERTY.search(packet)):
                return _parsed(found[1])
    except (ValueError, RecursionError) as error:
        raise MediaError(f"{as_text(path)} has no readable origin: {error}") from error
    raise MediaError(f"{as_text(path)} carries no origin: it is no extract that FaceGrab made")


def load_origin(path: Path) -> Origin:
    """The origin in an image file, checked.

    Raises:
        MissingError, AccessError, MediaError: as read_origin; also if a value is none that
            FaceGrab writes.
    """
    content = read_origin(path)
    try:
        return Origin.from_json(content)
    except ValueError as error:
        raise MediaError(f"{as_text(path)} has no readable origin: {error}") from error


def _content(path: Path) -> bytes:
    name = as_text(path)
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its other end
            raise MediaError(f"{name} is no image file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"no such file: {name}") from error
    except PermissionError as error:
        raise AccessError(f"no permission to read {name}") from error
    except OSError as error:
        raise MediaError(f"{name} cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise MediaError(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MB, no extract")
    if content.startswith(STANDS_FOR):
        raise MediaError(f"{name} {IN_BUCKET}")
    return content


def _parsed(escaped: bytes) -> dict[str, Any]:
    if len(escaped) > MAX_JSON_BYTES:
        raise ValueError(f"it is longer than {MAX_JSON_BYTES // 1024} kB")
    text = _ENTITY.sub(_character, escaped.decode("utf-8"))
    content = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    return content


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return _ENTITIES[match[1]]
    if match[2]:
        return chr(int(match[2]))
    raise ValueError("an unknown entity")


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _hundredths(array: Numbers) -> Any:
    return array.astype(np.float64).round(2).tolist()


def _digits(value: float) -> float:
    return float(f"{value:.9g}")


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(f"{key} is no text")
    return value


def _whole(content: Mapping[str, Any], key: str) -> int:
    value = content.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_NUMBER:
        raise ValueError(f"{key} is no whole number")
    return value


def _number(content: Mapping[str, Any], key: str) -> float:
    value = content.get(key)
    if not _is_numbers(value, ()):
        raise ValueError(f"{key} is no number")
    return float(value)  # type: ignore[arg-type]


def _number_or_nan(content: Mapping[str, Any], key: str) -> float:
    return float("nan") if content.get(key) is None else _number(content, key)


def _array(content: Mapping[str, Any], key: str) -> Numbers:
    value, shape = content.get(key), _SHAPES[key]
    if not _is_numbers(value, shape):
        raise ValueError(f"{key} is no array of {' x '.join(map(str, shape))} numbers")
    return np.array(value, np.float64)


def _is_numbers(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether it is lists of finite numbers of this shape."""
    if not shape:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and abs(value) <= _LARGEST_NUMBER
    if not isinstance(value, list) or len(value) != shape[0]:
        return False
    return all(_is_numbers(each, shape[1:]) for each in value)
