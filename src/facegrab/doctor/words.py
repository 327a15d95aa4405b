"""A report in words, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from facegrab.cores import usable_cores
from facegrab.doctor.facts import (
    Cache,
    Estimate,
    HardwareDecoder,
    Machine,
    Model,
    Network,
    Report,
    Runtimes,
    Use,
)

WIDTH = 80
INDENT = 16

RUNTIMES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
SHOWN_PACKAGES = ("av", "numpy", "opencv", "onnxruntime", "openvino", "numba")
BUSY = 0.5
"""Others that wait for a core, for each core there is, from which on figures come out low."""
PRECISIONS = ("FP32", "FP16", "BF16", "INT8")
"""Of OpenVINO's capabilities, those that say something to people."""


def examination(report: Report) -> Iterator[str]:
    """All but estimate and problems, a line a piece."""
    yield f"FaceGrab {report.facegrab_version}, Python {report.machine.python}"
    yield from _part("machine", chain(_machine(report.machine), _packages(report)))
    yield from _part("computes with", _runtimes(report.runtimes, report.hardware_decoders))
    if report.use is not None:
        yield from _part("a run uses", _use(report.use, report.models))
    if report.cache is not None:
        yield from _part("model cache", _cache(report.cache))


def estimate(found: Estimate) -> Iterator[str]:
    """The estimate, a line a piece."""
    yield from _part(f"estimate for {_what(found)}", _estimate(found))


def verdict(report: Report) -> Iterator[str]:
    """What is wrong, if anything."""
    if not report.problems:
        yield from ("", "no problems")
        return
    yield from ("", "problems")
    for each in report.problems:
        yield from _wrapped("  ! " if each.fatal else "  - ", each.message, 4)
    if not report.works:
        yield from ("", "no run can work before what is marked ! is done")


def _part(head: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from ("", head)
    for name, value in pairs:
        yield from _wrapped(f"  {name}".ljust(INDENT), value, INDENT)


def _wrapped(first: str, text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def printable(text: str) -> str:
    """Backslashes for what is no character to see: a path may say anything to a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _machine(found: Machine) -> Iterator[tuple[str, str]]:
    yield "processor", found.processor
    cores = _number(found.usable_cores, "core")
    if found.cores is not None and found.cores != found.usable_cores:
        cores += f" of {found.cores} may be used"
    yield "cores", cores
    if found.memory_mb is not None:
        yield "memory", f"{found.memory_mb / 1000:.1f} GB"
    sets = found.instruction_sets
    yield "instructions", "unknown" if sets is None else " ".join(sets) or "nothing special"
    yield "system", f"{found.system}, {found.architecture}"


def _packages(report: Report) -> Iterator[tuple[str, str]]:
    yield "packages", ", ".join(map(partial(_package, report), SHOWN_PACKAGES))


def _package(report: Report, name: str) -> str:
    version = report.packages.get(name) or "not installed"
    codec = report.ffmpeg_libraries.get("libavcodec")
    return f"{name} {version}" + (f" (libavcodec {codec})" if name == "av" and codec else "")


def _runtimes(found: Runtimes, decoders: Collection[HardwareDecoder]) -> Iterator[tuple[str, str]]:
    if found.openvino_capabilities is not None:
        able = [each for each in PRECISIONS if each in found.openvino_capabilities]
        yield "OpenVINO", ", ".join(able) or "yes"
    else:
        yield "OpenVINO", found.why_no_openvino or "does not load, see problems"
    providers = found.onnxruntime_providers
    if providers is None:
        yield "ONNX Runtime", "does not load, see problems"
    else:
        yield (
            "ONNX Runtime",
            ", ".join(each.removesuffix("ExecutionProvider") for each in providers),
        )
    if found.cuda is not None:
        cards = f" ({', '.join(found.cuda.cards)})" if found.cuda.cards else ""
        yield "CUDA", f"no: {found.cuda.why_not}{cards}" if found.cuda.why_not else f"yes{cards}"
    here = [each for each in decoders if each.opens]
    known = ", ".join(each.device for each in decoders)
    words = ", ".join(f"{each.device} ({' '.join(each.codecs)})" for each in here)
    none = f"no hardware decoder here; this build knows {known}" if known else "no other"
    yield "video", f"decoded by the processor; {f'not used: {words}' if here else none}"


def _provider(name: str) -> str:
    return name.removesuffix("ExecutionProvider")


def _use(found: Use, models: Iterable[Model]) -> Iterator[tuple[str, str]]:
    yield "detector", _network(found.detector, found.device)
    yield "recogniser", _network(found.recogniser, found.device)
    slow = "" if found.landmarks == "compiled" else ", six times as slow as compiled"
    yield "landmarks", f"{found.landmarks}{slow}"
    of_network = _number(found.threads_per_network, "thread")
    yield "threads", f"{found.threads_looking} look side by side, a network takes {of_network}"
    yield "licences", "; ".join(f"{what}: {terms}" for what, terms in found.licences.items())
    here = ", ".join(f"{each.name} ({each.role})" for each in models if each.sound)
    yield "models here", here
    if found.advice:
        yield "better", found.advice


def _network(found: Network, device: str) -> str:
    runtime = RUNTIMES.get(found.runtime, found.runtime)
    return f"{found.name}, on {device} with {runtime} in {found.precision}"


def _cache(found: Cache) -> Iterator[tuple[str, str]]:
    yield "folder", found.path
    state = "can be written" if found.writable else "cannot be written"
    size = f"{found.size_mb:.0f} MB" if found.exists else "not made yet"
    yield "state", f"{size}, {state}, {found.free_mb / 1000:.1f} GB free"


def _what(found: Estimate) -> str:
    if found.sources == 1:
        return printable(Path(found.source).name)
    return f"{found.sources} sources, measured on {_number(found.sources_measured, 'source')}"


def _estimate(found: Estimate) -> Iterator[tuple[str, str]]:
    each = "every frame" if found.every == 1 else f"1 frame in {found.every}"
    first = "first source: " if found.sources > 1 else ""
    yield (
        "looks",
        f"at {each}, for faces of {found.smallest_face_px} px and more ({first}"
        f"{found.width_px}x{found.height_px}, detection at "
        f"{found.fed_width_px}x{found.fed_height_px})",
    )
    yield "computed on", found.computed
    yield (
        "speed",
        f"{_rate(found.frames_per_second)} frames/s, of which it looks at "
        f"{_rate(found.frames_looked_at_per_second)} (over {found.measured_frames} frames, "
        f"{found.measured_seconds:.1f} s)",
    )
    yield "decoding", f"{_rate(found.decode_only_frames_per_second)} frames/s, if that were all"
    no_face = "; slower where there are faces" if not found.faces_per_frame else ""
    yield "faces", f"{found.faces_per_frame:.1f} a frame looked at{no_face}"
    shares = sorted(found.stage_shares.items(), key=lambda each: -each[1])
    yield "time goes to", ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in shares)
    yield "all of it", _whole(found)
    if found.load_average is not None and found.load_average > BUSY * usable_cores():
        yield (
            "but",
            (
                f"other programs were busy here (load {found.load_average:.1f} on "
                f"{_number(usable_cores(), 'core')}): a run is faster without them"
            ),
        )


def _whole(found: Estimate) -> str:
    if found.whole_run_seconds is None:
        return "unknown: no header says how many frames there are"
    opening = f"{found.opening_seconds:.1f} s to open the networks"
    about = "" if found.complete else "about "
    return (
        f"{found.frames_total} frames: {about}{_clock(found.whole_run_seconds)}, {opening}, and "
        "what it takes to write the images"
    )


def _rate(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{_rate(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")
