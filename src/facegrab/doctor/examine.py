"""The examination: every part on its own, so that a broken one does not hide the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TypeVar

from facegrab import __version__
from facegrab.doctor import machine, models, runtimes, storage
from facegrab.doctor.facts import Cuda, Estimate, Problem, Report, Runtimes, Use, WeightsFile
from facegrab.errors import FaceGrabError
from facegrab.models import compute
from facegrab.settings import ProcessSettings

OUT_OF_MEMORY = "out of memory: try a smaller --batch_size or --scale"

T = TypeVar("T")


def examine(process: ProcessSettings, *, alone: bool = True) -> Report:
    """Everything but the estimate.

    Args:
        process: how a run would be.
        alone: no estimate follows: where something is wrong, the networks are opened to see
            whether a run works all the same.
    """
    problems: list[Problem] = machine.package_problems()
    harmless: list[Problem] = []
    with _warnings_into(harmless):
        cache = _part(problems, storage.cache)
        problems += storage.cache_problems(cache) if cache else []
        found, damaged = _part(problems, models.models) or ((), [])
        folder = _part(problems, models.models_folder)
        weights = _weights(problems)
        use = _part(problems, lambda: models.use(process), fatal=True)
        of_runtimes = _runtimes(problems)
        decoders = _part(problems, runtimes.hardware_decoders) or ()
        libraries = _part(problems, _ffmpeg) or {}
        _part(problems, _check_numba)
        problems += _cuda_problems(process, of_runtimes.cuda)
        if alone and problems and not any(each.fatal for each in problems):
            _part(problems, lambda: _open(process), fatal=True)
        # Among these a damaged model that is not used; one that is, use has met.
        harmless += [*damaged, *_slow(use)]
    return _judged(
        Report(
            facegrab_version=__version__,
            works=True,
            problems=(*problems, *harmless),
            machine=machine.machine(),
            packages=machine.packages(),
            ffmpeg_libraries=libraries,
            runtimes=of_runtimes,
            hardware_decoders=decoders,
            models_folder=folder,
            models=found,
            use=use,
            weights=weights,
            cache=cache,
        )
    )


def measure(report: Report, inputs: Sequence[str], process: ProcessSettings) -> Report:
    """The report with an estimate for an input; what cannot be read or opened is a problem.

    Args:
        report: of an examination.
        inputs: what ``-i`` takes.
        process: how a run would be.
    """
    problems = list(report.problems)

    def estimate() -> Estimate:
        from facegrab.doctor.estimate import estimate

        return estimate(inputs, process)

    with _warnings_into(problems):
        found = _part(problems, estimate, fatal=True)
    problems += map(Problem, found.not_read if found else ())
    return _judged(replace(report, problems=tuple(problems), estimate=found))


def _judged(report: Report) -> Report:
    """Each problem once, the worst first; and what that means."""
    fatal = {each.message for each in report.problems if each.fatal}
    once = {each.message: Problem(each.message, each.message in fatal) for each in report.problems}
    problems = sorted(once.values(), key=lambda each: not each.fatal)
    return replace(report, problems=tuple(problems), works=not fatal)


def _part(problems: list[Problem], ask: Callable[[], T], *, fatal: bool = False) -> T | None:
    """What a part answers, or None and a problem."""
    try:
        return ask()
    except FaceGrabError as error:
        problems.append(Problem(_line(error), fatal))
    except ImportError as error:
        problems.append(Problem(f"{_line(error)}: {_install(error)}", fatal))
    except OSError as error:  # A library of a package that does not load.
        problems.append(Problem(_line(error), fatal))
    except MemoryError:
        problems.append(Problem(OUT_OF_MEMORY, fatal))
    return None


def _install(error: ImportError) -> str:
    name = (error.name or "").partition(".")[0]
    name = {"cv2": "opencv"}.get(name, name)
    distributions = machine.DISTRIBUTIONS.get(name, (name or "facegrab",))
    return f"pip install --force-reinstall {distributions[0]}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _weights(problems: list[Problem]) -> tuple[WeightsFile, ...]:
    files = (
        *(_part(problems, models.mtcnn_weights) or ()),
        *(_part(problems, models.dlib_weights) or ()),
    )
    problems += _part(problems, lambda: models.weights_problems(files)) or []
    return files


def _runtimes(problems: list[Problem]) -> Runtimes:
    return Runtimes(
        openvino=compute.has_openvino(),
        why_no_openvino=compute.slow_because(),
        openvino_capabilities=_part(problems, runtimes.openvino_capabilities),
        onnxruntime_providers=_part(problems, runtimes.onnxruntime_providers),
        cuda=_part(problems, runtimes.cuda),
    )


def _cuda_problems(process: ProcessSettings, found: Cuda | None) -> list[Problem]:
    """A card that cannot be used matters to those who ask for it."""
    if process.device != compute.CUDA or found is None or found.why_not is None:
        return []
    return [Problem(f"--device {compute.CUDA} does not work: {found.why_not}", fatal=True)]


def _slow(use: Use | None) -> list[Problem]:
    """What is missing and costs only time."""
    why = compute.slow_because()
    # Where it is not to be had nothing is wrong.
    slow = [Problem(why)] if why and "pip install" in why else []
    if use is not None and use.landmarks == "numpy":
        slow.append(
            Problem("numba is not installed: landmarks take six times as long; pip install numba")
        )
    return slow


def _check_numba() -> None:
    """Whether what compiled code stands on loads; Numba itself would take .3 s.

    Raises:
        ImportError, OSError: it does not.
    """
    if find_spec("numba") is not None:
        import llvmlite.binding

        llvmlite.binding.check_jit_execution()


def _ffmpeg() -> dict[str, str]:
    import av

    return {
        name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())
    }


def _open(process: ProcessSettings) -> None:
    """Opens what a run opens."""
    import facegrab.console  # noqa: F401 - it needs a package that nothing else does
    from facegrab.doctor.estimate import open_look

    open_look(process)


@contextmanager
def _warnings_into(problems: list[Problem]) -> Iterator[None]:
    """What the library warns of is a problem too."""
    logger, handler = logging.getLogger("facegrab"), _Collector(problems)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(logging.WARNING)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        self._problems.append(Problem(record.getMessage()))
