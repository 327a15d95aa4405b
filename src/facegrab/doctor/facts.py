"""What the doctor finds out. The names of the fields are those of ``facegrab doctor --json``."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong.

    Attributes:
        message: what, and the way out, in one line.
        fatal: no run can work.
    """

    message: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer.

    Attributes:
        processor: what it calls itself.
        architecture: ``x86_64``, ``arm64`` ...
        system: the operating system.
        python: version.
        cores: there are, None if that is not known.
        usable_cores: those that this process may use.
        memory_mb: in all, or what a container allows; None if that is not known.
        instruction_sets: of those that the networks' speed depends on, as Linux names them; None
            if that is not known.
    """

    processor: str
    architecture: str
    system: str
    python: str
    cores: int | None
    usable_cores: int
    memory_mb: int | None
    instruction_sets: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Cuda:
    """Whether networks can run on an NVIDIA card.

    Attributes:
        usable: ``--device cuda`` works.
        why_not: and the way out; None if it is usable.
        cards: names of those that the driver shows.
    """

    usable: bool
    why_not: str | None
    cards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Runtimes:
    """What computes networks.

    Attributes:
        openvino: whether OpenVINO is used; why_no_openvino says why not.
        why_no_openvino: see there.
        openvino_capabilities: what it says that the processor can do, None if it was not asked.
        onnxruntime_providers: what ONNX Runtime computes on, None if it does not load.
        cuda: None if it could not be looked at.
    """

    openvino: bool
    why_no_openvino: str | None
    openvino_capabilities: tuple[str, ...] | None
    onnxruntime_providers: tuple[str, ...] | None
    cuda: Cuda | None


@dataclass(frozen=True, slots=True)
class HardwareDecoder:
    """A kind of hardware decoder that this build of PyAV knows; no run uses any.

    Attributes:
        device: as FFmpeg calls it.
        codecs: that it decodes.
        opens: there is one, and it starts.
        why_not: what FFmpeg says; None if it opens.
    """

    device: str
    codecs: tuple[str, ...]
    opens: bool
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """A detector or recogniser that is here.

    Attributes:
        name: of it.
        role: ``detector``, ``recogniser``, or ``?`` where it is damaged.
        licence: in words.
        commercial: whether commercial use is allowed; None if that is not known.
        sound: it can be used.
    """

    name: str
    role: str
    licence: str
    commercial: bool | None
    sound: bool


@dataclass(frozen=True, slots=True)
class Network:
    """A network of a run.

    Attributes:
        name: of the model.
        kind: how its input and output are laid out.
        runtime: that computes it.
        precision: of its numbers.
    """

    name: str
    kind: str
    runtime: str
    precision: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a run would use.

    Attributes:
        device: ``cpu`` or ``cuda``.
        detector: finds faces.
        recogniser: tells them apart.
        landmarks: how landmark models are computed, ``compiled`` or ``numpy`` (six times as long).
        licences: of all weights, by what they are for.
        threads_looking: that look at frames side by side.
        threads_per_network: of the processor.
        advice: what would be better, or nothing.
    """

    device: str
    detector: Network
    recogniser: Network
    landmarks: str
    licences: dict[str, str]
    threads_looking: int
    threads_per_network: int
    advice: str


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights that comes with a Python package.

    Attributes:
        path: of it.
        package: that brings it.
        sound: it is there and is the published one, by its SHA-256.
    """

    path: str
    package: str
    sound: bool


@dataclass(frozen=True, slots=True)
class Cache:
    """Where networks are kept that were prepared once.

    Attributes:
        path: of the folder, which may not exist yet.
        exists: it does.
        writable: it can be written, or made.
        size_mb: of the files in it.
        free_mb: of the disk.
    """

    path: str
    exists: bool
    writable: bool
    size_mb: float
    free_mb: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """How fast an input is searched on this machine, measured; nothing was written.

    Attributes:
        sources: videos, pictures and folders of pictures in the input.
        sources_measured: those that the figures are of.
        source: the first of these.
        width_px: of its first frame.
        height_px: likewise.
        every: one frame in so many is looked at.
        smallest_face_px: side of the smallest face that is looked for, in pixels of the source.
        fed_width_px: of the image that the detector sees.
        fed_height_px: likewise.
        computed: device, runtime and precision.
        opening_seconds: that it took to open the networks.
        measured_seconds: that the figures are of.
        measured_frames: frames of the source in that time, passed over or looked at.
        frames_per_second: frames of the source.
        frames_looked_at_per_second: those of them that are looked at.
        faces_per_frame: in those looked at.
        decode_only_frames_per_second: frames of the source, if they are only decoded.
        stage_shares: of the time of all threads, which overlap; they add up to 1.
        frames_total: of all sources, as their headers say; None if one does not say.
        whole_run_seconds: for all of them, without opening the networks and writing images; None
            if frames_total is.
        complete: all sources were searched to the end.
        not_read: a line for each source that cannot be read.
        load_average: programs that wanted a core in the minute before; None where that is not told.
    """

    sources: int
    sources_measured: int
    source: str
    width_px: int
    height_px: int
    every: int
    smallest_face_px: int
    fed_width_px: int
    fed_height_px: int
    computed: str
    opening_seconds: float
    measured_seconds: float
    measured_frames: int
    frames_per_second: float
    frames_looked_at_per_second: float
    faces_per_frame: float
    decode_only_frames_per_second: float
    stage_shares: dict[str, float]
    frames_total: int | None
    whole_run_seconds: float | None
    complete: bool
    not_read: tuple[str, ...]
    load_average: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it; what could not be looked at is None or empty, and there is a problem that says so.

    Attributes:
        facegrab_version: of FaceGrab.
        works: no problem is fatal.
        problems: everything wrong.
        machine: the computer.
        packages: versions by name, None for what is not installed.
        ffmpeg_libraries: versions by name, of those in PyAV.
        runtimes: what computes networks.
        hardware_decoders: that this build of PyAV knows.
        models_folder: where installed models lie.
        models: that are here.
        use: what a run would use.
        weights: files that come with Python packages.
        cache: where prepared networks are kept.
        estimate: how fast the input is searched, None without one.
    """

    facegrab_version: str
    works: bool
    problems: tuple[Problem, ...]
    machine: Machine
    packages: dict[str, str | None]
    ffmpeg_libraries: dict[str, str]
    runtimes: Runtimes
    hardware_decoders: tuple[HardwareDecoder, ...]
    models_folder: str | None
    models: tuple[Model, ...]
    use: Use | None
    weights: tuple[WeightsFile, ...]
    cache: Cache | None
    estimate: Estimate | None = None
