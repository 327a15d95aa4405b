"""What a user may choose: immutable, validated at birth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from facegrab.errors import SettingError

AUTO = "auto"
FORMATS = ("jpg", "png")
DEVICES = ("cpu", "cuda")
EXACT = "exact"
PRECISIONS = (AUTO, EXACT, "f32", "bf16", "int8")
COMMERCIAL = "commercial"
LICENCES = ("any", COMMERCIAL)
LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)

BATCH_SIZE = (2, 128)
THREADS = (0, 256)
JOBS = (1, 64)
SHARDS = (1, 1_000_000)
SKIP_FRAMES = (0, 1000)
EXTRACT_SIZE = (32, 1024)
SCALE = (0.1, 1.0)
MIN_FACE = (8, 2000)
MAX_FACE = (8, 20000)
TOLERANCE = (0.1, 1.0)
JITTER = (1, 1000)
BLUR_THRESHOLD = (0.0, 9999.0)
BEST = (1, 5000)

_SHARD = re.compile(r"([0-9]{1,7})/([0-9]{1,7})")
_ADDRESS = re.compile(r"(?:ray://)?[^\s/]+:[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class RecognitionSettings:
    """How faces are compared.

    Args:
        tolerance: the distance that still counts as the same person, .1 to 1, or ``"auto"``: the
            recogniser's own, at which about one stranger in 1000 is accepted.
        jitter: resamples averaged into each reference's embedding, 1 to 1000; 1 is the plain crop.
            On 10 x 10 photographs of LFW, 5 instead of 1 raises the true pairs accepted at a false
            accept rate of .001 from 96.9 to 97.7 %; more than 5 gains nothing.
        per_frame: decide about each face by itself. Else faces that follow each other through a
            shot are decided about together.
        grow: when all is seen, the person's surest faces join the references, and everything is
            decided once more.
        group: of everybody, sort the faces into people who are not known, a folder each.

    Raises:
        SettingError: a value is out of range.
    """

    tolerance: float | str = AUTO
    jitter: int = 5
    per_frame: bool = False
    grow: bool = False
    group: bool = False

    def __post_init__(self) -> None:
        if self.tolerance != AUTO:
            _check_number("tolerance", self.tolerance, TOLERANCE, f', or "{AUTO}"')
        _check_whole("jitter", self.jitter, JITTER)


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """How a source is read and what is written.

    Args:
        batch_size: frames that go through together, at most; 2 to 128.
        skip_frames: frames passed over after each one looked at, 0 to 1000.
        extract_size: side of the written squares in pixels, 32 to 1024.
        scale: detection looks at the frame enlarged by 2 x scale, .1 to 1, or ``"auto"``: as
            min_face says.
        min_face: side of the smallest face to look for in source pixels, 8 to 2000, or ``"auto"``:
            a quarter of extract_size, whose extract is enlarged about twice.
        max_face: side of the largest face to look for in source pixels, or None.
        models: name of a pack: a detector with a recogniser; ``"auto"`` is the best one installed.
        detector: name of a detector or path of an ``.onnx``; ``"auto"`` is that of the pack.
        recogniser: the same of a recogniser.
        align: names of alignments, ``name:size`` for another size than extract_size, or paths of
            templates (``.json``); one image is written for each.
        upsample: also write extracts that enlarge the face.
        blur_threshold: variance of the Laplacian below which an extract is dropped, 0 to 9999.
        format: ``"jpg"`` (quality 95, 4:4:4) or ``"png"``.
        device: ``"cpu"`` or ``"cuda"``.
        precision: of the networks: ``"auto"`` is the fastest that this machine has and that decides
            as float32 does; ``"exact"`` is float32, and dlib's detector finds dlib's own boxes;
            ``"f32"``, ``"bf16"``; ``"int8"``: dlib's networks compute in int8, others as by
            ``"auto"``.
        threads: of the processor that networks and decoding use, 0 to 256; 0 is one for each core.
        licence: ``"any"``, or ``"commercial"``: no weights that may not be used commercially.
        jobs: processes that each look through a segment of a video at a time, 1 to 64; more than
            one pays on many cores.
        forget_others: keep no face of other people in the index once a source is done.
        full_scan: look at all of every frame. Else that is done once in 28 frames of the source,
            and those between are looked at where faces were, unless something changes.
        engine: who looks: ``"local"``, this machine; ``"ray"``, the nodes of a Ray cluster, which
            see the same files by the same paths (needs ``facegrab[ray]``).
        address: of the cluster, HOST:PORT, or ``"auto"``: the one that this machine is part of.
        shard: ``"K/N"``: only share K of N of all sources' segments is looked at, and nothing is
            answered about them; ``facegrab index merge`` puts the shares together. Where an index
            knows all sources wholly, share K of these is answered.

    Raises:
        SettingError: a value is out of range.
    """

    batch_size: int = 128
    skip_frames: int = 6
    extract_size: int = 256
    scale: float | str = AUTO
    blur_threshold: float = 10.0
    format: str = "jpg"
    device: str = "cpu"
    precision: str = AUTO
    threads: int = 0
    min_face: int | str = AUTO
    max_face: int | None = None
    models: str = AUTO
    detector: str = AUTO
    recogniser: str = AUTO
    align: tuple[str, ...] = ("mean-face",)
    upsample: bool = True
    licence: str = "any"
    full_scan: bool = False
    forget_others: bool = False
    jobs: int = 1
    engine: str = LOCAL
    address: str = AUTO
    shard: str | None = None

    def __post_init__(self) -> None:
        _check_whole("batch_size", self.batch_size, BATCH_SIZE)
        _check_whole("skip_frames", self.skip_frames, SKIP_FRAMES)
        _check_whole("extract_size", self.extract_size, EXTRACT_SIZE)
        if self.scale != AUTO:
            _check_number("scale", self.scale, SCALE, f', or "{AUTO}"')
        self._check_faces()
        _check_number("blur_threshold", self.blur_threshold, BLUR_THRESHOLD)
        _check_choice("format", self.format, FORMATS)
        _check_choice("device", self.device, DEVICES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_whole("threads", self.threads, THREADS)
        _check_whole("jobs", self.jobs, JOBS)
        _check_choice("licence", self.licence, LICENCES)
        _check_choice("engine", self.engine, ENGINES)
        self._check_address()
        if self.shard is not None:
            shard_numbers(self.shard)
        if isinstance(self.align, str) or not self.align:
            raise SettingError(f"align is a tuple of alignments, not {self.align!r}")

    def _check_address(self) -> None:
        text = self.address
        if text == AUTO:
            return
        if self.engine == LOCAL:
            raise SettingError("address is that of a cluster: it goes with engine ray")
        if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
            raise SettingError(f'address is HOST:PORT of a cluster, or "{AUTO}", not {text!r}')

    def _check_faces(self) -> None:
        if self.min_face != AUTO:
            _check_whole("min_face", self.min_face, MIN_FACE, f', or "{AUTO}"')
        if self.max_face is not None:
            _check_whole("max_face", self.max_face, MAX_FACE)
        if AUTO not in (self.scale, self.min_face):
            raise SettingError("scale and min_face say the same in two ways: give one of them")
        smallest = 0 if self.min_face == AUTO else int(self.min_face)
        if self.max_face is not None and self.max_face < smallest:
            raise SettingError(f"max_face {self.max_face} is less than min_face {smallest}")


def shard_numbers(text: str) -> tuple[int, int]:
    """The K and N of ``"K/N"``.

    Raises:
        SettingError: they are none.
    """
    match = _SHARD.fullmatch(text) if isinstance(text, str) else None
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count <= SHARDS[1]:
        raise SettingError(
            f"shard is K/N, share K of N from 1/N to N/N (N up to {SHARDS[1]}), not {text!r}"
        )
    return number, count


def best_count(name: str, value: Any) -> int:
    """How many of the best extracts of each person are wanted.

    Args:
        name: of the option, for the message.
        value: that is given.

    Raises:
        SettingError: it is out of range.
    """
    _check_whole(name, value, BEST)
    return int(value)


def _check_whole(name: str, value: Any, span: tuple[int, int], more: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not span[0] <= value <= span[1]:
        raise SettingError(
            f"{name} is a whole number from {span[0]} to {span[1]}{more}, not {value!r}"
        )


def _check_number(name: str, value: Any, span: tuple[float, float], more: str = "") -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not span[0] <= value <= span[1]:
        raise SettingError(
            f"{name} is a number from {span[0]:g} to {span[1]:g}{more}, not {value!r}"
        )


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingError(f"{name} is one of {', '.join(choices)}, not {value!r}")
