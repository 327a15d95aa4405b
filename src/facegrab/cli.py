"""The command line: arguments to settings to library. Besides console.py nothing prints."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from facegrab import __version__, settings
from facegrab.errors import FaceGrabError, SettingError
from facegrab.settings import ProcessSettings, RecognitionSettings

if TYPE_CHECKING:
    from facegrab.console import Screen
    from facegrab.summary import Summary

OK, FAILED, INTERRUPTED = 0, 1, 130

COMMANDS = {
    "doctor": "facegrab.doctor_command",
    "eval": "facegrab.eval_command",
    "index": "facegrab.index_command",
    "models": "facegrab.models_command",
    "scan": "facegrab.scan_command",
    "show": "facegrab.show_command",
}
"""Words that may stand first in place of the options, and the module that goes on from there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: without the program's name; by default those of the process.

    Returns:
        0, 1 on an error, 130 on Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # NumPy's BLAS starts a thread a core, which wait for work by asking for it without end. What
    # is multiplied here is small.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if arguments and arguments[0] in COMMANDS:
            return _command(arguments[0], arguments[1:])
        options = _parser().parse_args(_normalised(arguments))
        if not options.input and not options.index:
            raise SettingError("-i is missing: where to look (facegrab --help shows the options)")
        recognition = RecognitionSettings(
            tolerance=options.tolerance, jitter=options.jitter, per_frame=options.per_frame
        )
        process = ProcessSettings(
            batch_size=options.batch_size,
            skip_frames=options.skip_frames,
            extract_size=options.extract_size,
            scale=options.scale,
            min_face=options.min_face,
            max_face=options.max_face,
            models=options.models,
            detector=options.detector,
            recogniser=options.recogniser,
            align=tuple(options.align or ProcessSettings().align),
            upsample=not options.no_upsample,
            licence=options.licence,
            full_scan=options.full_scan,
            forget_others=options.forget_others,
            blur_threshold=options.blur_threshold,
            format=options.format,
            device=options.device,
            precision=options.precision,
            threads=options.threads,
            jobs=options.jobs,
        )
        return _run(options, recognition, process)
    except FaceGrabError as error:
        print(f"facegrab: {error}", file=sys.stderr)
        return FAILED
    except MemoryError:
        print("facegrab: out of memory: try a smaller --batch_size or --scale", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("facegrab: stopped", file=sys.stderr)
        return INTERRUPTED


def _command(name: str, arguments: Sequence[str]) -> int:
    from importlib import import_module

    return int(import_module(COMMANDS[name]).main(arguments))


def _run(
    options: argparse.Namespace, recognition: RecognitionSettings, process: ProcessSettings
) -> int:
    # Imported here, so that --help and a wrong value answer at once.
    from facegrab.console import Screen
    from facegrab.early import Early
    from facegrab.grab import FaceGrab
    from facegrab.media.source import find_sources

    with Screen() as screen:
        # First, because a mistyped path should not cost the loading of the networks.
        inputs = options.input or _indexed(options.index)
        sources = find_sources(inputs)
        screen.expect(len(sources), {source.path for source in sources if source.images})
        with Early(sources[0], process) as early:
            grab = FaceGrab(options.reference, recognition, process)
            screen.say_references(grab.reference_count)
            screen.say(grab.models)
            if options.display_stats:
                screen.say(str(grab.stats()))
            if options.save_references:
                screen.say(f"references saved to {grab.save(options.save_references)}")
            summary = grab.process(
                inputs, options.output, index=options.index, watcher=screen, early=early
            )
        return _end(screen, summary, options.output)


def _indexed(index: str) -> list[str]:
    """The sources that an index holds."""
    from facegrab.indexing import sources_in

    return sources_in(Path(index))


def _end(screen: Screen, summary: Summary, output: str) -> int:
    screen.say_summary(summary, output)
    if summary.interrupted:
        return INTERRUPTED
    return FAILED if summary.failed else OK


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingError(f"{message} (facegrab --help shows the options)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="facegrab",
        description="Writes aligned images of one person's face, and nobody else's, out of videos "
        "and pictures.",
        epilog="Long options take - as well as _: --skip-frames is --skip_frames. Other commands: "
        "facegrab scan, facegrab index, facegrab models, facegrab eval, facegrab show, facegrab "
        "doctor; each has a --help.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"facegrab {__version__}")
    _add_paths(parser)
    _add_recognition(parser)
    _add_process(parser)
    _add_models(parser)
    return parser


def _add_paths(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what and where")
    group.add_argument(
        "-r",
        "--reference",
        nargs="+",
        action="extend",
        required=True,
        metavar="PATH",
        help="who: an image, a folder of images, an .npz saved earlier, or '*' (quoted) for every "
        "face; several are all of one person",
    )
    group.add_argument(
        "-i",
        "--input",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="where to look: a video, an image, an image pattern (frames/img_%%04d.jpg), a glob, "
        "a folder of images or of videos (with its sub-folders); several may be given. With "
        "--index it may be left out: then all that the index holds",
    )
    group.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="for the faces; made if missing"
    )
    group.add_argument(
        "--index",
        metavar="FILE",
        help="the index of what was seen, if not the one in the output folder: that of another "
        "run, or one that several share; what it holds is not looked at again",
    )
    group.add_argument(
        "-sr", "--save_references", metavar="FILE", help="save the references' encodings as .npz"
    )
    group.add_argument(
        "-ds",
        "--display_stats",
        action="store_true",
        help="show how well the references agree, and which do not fit",
    )


def _add_recognition(parser: argparse.ArgumentParser) -> None:
    default = RecognitionSettings()
    group = parser.add_argument_group("who counts")
    group.add_argument(
        "-t",
        "--tolerance",
        type=_number,
        default=default.tolerance,
        metavar=_span_or_auto(settings.TOLERANCE),
        help="distance that still counts as the same person; lower is stricter (default auto: the "
        "recogniser's own, at which one stranger in 1000 is accepted)",
    )
    group.add_argument(
        "-j",
        "--jitter",
        type=_whole,
        default=default.jitter,
        metavar=_span(settings.JITTER),
        help="resamples averaged for each reference picture (default %(default)s)",
    )
    group.add_argument(
        "--per_frame",
        action="store_true",
        help="decide about each face by itself; else faces that follow each other through a shot "
        "are decided about together",
    )
    group.add_argument(
        "-bt",
        "--blur_threshold",
        type=_number,
        default=ProcessSettings().blur_threshold,
        metavar=_span(settings.BLUR_THRESHOLD),
        help="extracts less sharp than this are dropped: variance of the Laplacian of the extract, "
        "measured at no more than the face's own resolution (default %(default)g)",
    )


def _add_process(parser: argparse.ArgumentParser) -> None:
    default = ProcessSettings()
    group = parser.add_argument_group("how")
    group.add_argument(
        "-sf",
        "--skip_frames",
        type=_whole,
        default=default.skip_frames,
        metavar=_span(settings.SKIP_FRAMES),
        help="frames (or pictures of a folder) to pass over: 5 looks at every 6th, 0 at all "
        "(default %(default)s)",
    )
    group.add_argument(
        "-s",
        "--scale",
        type=_number,
        default=default.scale,
        metavar=_span_or_auto(settings.SCALE),
        help="factor for detection, which then enlarges once by 2: another way to say --min_face",
    )
    group.add_argument(
        "--min_face",
        type=_whole,
        default=default.min_face,
        metavar=_span_or_auto(settings.MIN_FACE),
        help="side of the smallest face to look for, in pixels of the source; smaller takes longer "
        "(default auto: a quarter of the extract's size)",
    )
    group.add_argument(
        "--max_face",
        type=_whole,
        metavar=_span(settings.MAX_FACE),
        help="side of the largest face to look for, in pixels of the source",
    )
    group.add_argument(
        "-xs",
        "--extract_size",
        type=_whole,
        default=default.extract_size,
        metavar=_span(settings.EXTRACT_SIZE),
        help="side of the square extracts in pixels (default %(default)s)",
    )
    group.add_argument(
        "--align",
        nargs="+",
        action="extend",
        metavar="NAME[:SIZE]",
        help="how the face is placed: mean-face (default), dlib-chip, arcface, ffhq, "
        "faceswap-face, faceswap-head, none, or a template (.json); several are written in one go",
    )
    group.add_argument(
        "--no_upsample",
        action="store_true",
        help="write no extract in which the face would be enlarged",
    )
    group.add_argument(
        "--forget_others",
        action="store_true",
        help="keep no face of other people in the index once a video is done; it then answers "
        "nothing else",
    )
    group.add_argument(
        "--format", choices=settings.FORMATS, default=default.format, help="default %(default)s"
    )
    group.add_argument(
        "-bs",
        "--batch_size",
        type=_whole,
        default=default.batch_size,
        metavar=_span(settings.BATCH_SIZE),
        help="frames that go through together, at most (default %(default)s)",
    )
    group.add_argument(
        "--full_scan",
        action="store_true",
        help="look at all of every frame; else, with -sf 0 or 1, frames between are searched where "
        "faces were, unless something changes",
    )
    group.add_argument(
        "--device", choices=settings.DEVICES, default=default.device, help="default %(default)s"
    )
    group.add_argument(
        "--precision",
        choices=settings.PRECISIONS,
        default=default.precision,
        help="of the networks: auto is the fastest that decides as f32 does; exact is f32, and "
        "--detector dlib then finds dlib's own boxes; int8 is for dlib's networks, others compute "
        "as by auto (default %(default)s)",
    )
    group.add_argument(
        "--threads",
        type=_whole,
        default=default.threads,
        metavar=_span(settings.THREADS),
        help="of the processor that the networks use; 0 is one for each core (default %(default)s)",
    )

    group.add_argument(
        "--jobs",
        type=_whole,
        default=default.jobs,
        metavar=_span(settings.JOBS),
        help="processes that each look through a part of a video at a time; the result is the same "
        "(default %(default)s)",
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    default = ProcessSettings()
    group = parser.add_argument_group("models (facegrab models list shows them)")
    group.add_argument(
        "--models",
        default=default.models,
        metavar="NAME",
        help="a detector with a recogniser (default auto: the best detector installed, with "
        "dlib's recogniser)",
    )
    group.add_argument(
        "--detector",
        default=default.detector,
        metavar="NAME|FILE",
        help="another detector: mtcnn, dlib, yunet, ... or an .onnx",
    )
    group.add_argument(
        "--recogniser",
        default=default.recogniser,
        metavar="NAME|FILE",
        help="another recogniser: dlib, ... or an .onnx",
    )
    group.add_argument(
        "--licence",
        choices=settings.LICENCES,
        default=default.licence,
        help="commercial: use no weights that may not be used commercially (default %(default)s)",
    )


def _span_or_auto(span: tuple[float, float]) -> str:
    return f"{_span(span)}|{settings.AUTO}"


def _span(span: tuple[float, float]) -> str:
    return f"{span[0]:g}-{span[1]:g}"


# What is no number goes on as the text it is: the settings refuse it and name the range.


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _whole(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _normalised(arguments: Sequence[str]) -> list[str]:
    """Long options with _ for every - after the first two."""
    return [_with_underscores(argument) for argument in arguments]


def _with_underscores(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"
