"""The options of a run, and what every command's parser has in common."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import NoReturn

from facegrab import __version__, settings
from facegrab.errors import SettingError
from facegrab.settings import ProcessSettings, RecognitionSettings

OK, FAILED, INTERRUPTED = 0, 1, 130
"""Exit codes of every command."""


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        """Raises SettingError, which names the way to the help."""
        raise SettingError(f"{message} ({self.prog} --help shows the options)")


def run_parser() -> Parser:
    """The options of a run."""
    parser = Parser(
        prog="facegrab",
        description="Writes aligned images of one person's face, and nobody else's, out of videos "
        "and pictures.",
        epilog="Long options take - as well as _: --skip-frames is --skip_frames. Other commands: "
        "facegrab scan, facegrab index, facegrab models, facegrab refs, facegrab eval, facegrab "
        "show, facegrab report, facegrab review, facegrab pick, facegrab doctor; each has its own "
        "--help.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"facegrab {__version__}")
    _add_paths(parser)
    _add_recognition(parser)
    _add_process(parser)
    _add_models(parser)
    return parser


def add_run_options(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """Adds some options of a run to another command.

    Args:
        parser: of that.
        names: of the options, as they are called in what is parsed.
    """
    group = parser.add_argument_group("as in a run")
    for action in run_parser()._actions:
        if action.dest in names:
            group._add_action(action)


def _add_paths(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what and where")
    group.add_argument(
        "-r",
        "--reference",
        nargs="+",
        action="extend",
        metavar="[NAME=]PATH",
        help="who: an image, a folder of images, an .npz saved earlier, or '*' (quoted) for every "
        "face; several are all of one person, or of as many as have a NAME= before them",
    )
    group.add_argument(
        "--people",
        metavar="FOLDER",
        help="who, of several people: a folder with a sub-folder of pictures for each, called by "
        "the name; each gets a folder of the output",
    )
    group.add_argument(
        "--not",
        dest="others",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="pictures of people it is not: a face nearer to one of them is refused",
    )
    group.add_argument(
        "-i",
        "--input",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="where to look: a video, an image, an image pattern (frames/img_%%04d.jpg), a glob, "
        "a folder of images or of videos (with its sub-folders), or an address: s3://bucket/films/ "
        "(pip install 'facegrab[s3]'), https://host/film.mp4; several may be given. With "
        "--index it may be left out: then all that the index holds",
    )
    group.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FOLDER",
        help="for the faces; made if missing. Or s3://bucket/folder (pip install 'facegrab[s3]')",
    )
    group.add_argument(
        "--work",
        metavar="FOLDER",
        help="with an output in a bucket: where all of it lies here, too, in place of a folder in "
        "the cache; the run says where",
    )
    group.add_argument(
        "--index",
        metavar="FILE",
        help="the index of what was seen, if not the one in the output folder: that of another "
        "run, or one that several share; what it holds is not looked at again",
    )
    group.add_argument(
        "--best",
        type=whole,
        metavar=_span(settings.BEST),
        help="when all is done, copy so many of the best extracts of each person, unlike each "
        "other, into the folder best of the output; facegrab pick does the same later",
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
    group.add_argument(
        "-do",
        "--display_output",
        action="store_true",
        help="show the run in a browser page, on this machine only: the frame being looked at, "
        "the last extracts, progress",
    )
    group.add_argument(
        "--no_browser",
        action="store_true",
        help="with -do: open no browser, print the page's address only",
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
        help="distance that still counts as the same person, and nothing else then decides; lower "
        "is stricter (default auto: how probable it is, by the distance, the people beside and "
        "the rest of the video; what is in doubt goes to the folder uncertain)",
    )
    group.add_argument(
        "-j",
        "--jitter",
        type=whole,
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
        "--grow",
        action="store_true",
        help="when all is seen, the person's surest faces join the references, and everything is "
        "decided once more",
    )
    group.add_argument(
        "--group",
        action="store_true",
        help="with -r '*': sort the faces into people who are not known, a folder each, the one "
        "with the most faces first",
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
        type=whole,
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
        type=whole,
        default=default.min_face,
        metavar=_span_or_auto(settings.MIN_FACE),
        help="side of the smallest face to look for, in pixels of the source; smaller takes longer "
        "(default auto: a quarter of the extract's size)",
    )
    group.add_argument(
        "--max_face",
        type=whole,
        metavar=_span(settings.MAX_FACE),
        help="side of the largest face to look for, in pixels of the source",
    )
    group.add_argument(
        "-xs",
        "--extract_size",
        type=whole,
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
        type=whole,
        default=default.batch_size,
        metavar=_span(settings.BATCH_SIZE),
        help="frames that go through together, at most (default %(default)s)",
    )
    group.add_argument(
        "--full_scan",
        action="store_true",
        help="look at all of every frame; else, with -sf 13 or less, that is done once a second or "
        "so, and frames between are searched where faces were, unless something changes",
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
        type=whole,
        default=default.threads,
        metavar=_span(settings.THREADS),
        help="of the processor that networks and decoding use; 0 is one for each core (default "
        "%(default)s)",
    )

    group.add_argument(
        "--jobs",
        type=whole,
        default=default.jobs,
        metavar=_span(settings.JOBS),
        help="processes that each look through a part of a video at a time; the result is the same "
        "(default %(default)s)",
    )
    group.add_argument(
        "--engine",
        choices=settings.ENGINES,
        default=default.engine,
        help="who looks: local, this machine; ray, the nodes of a Ray cluster that see the same "
        "files by the same paths (pip install 'facegrab[ray]'); the result is the same (default "
        "%(default)s)",
    )
    group.add_argument(
        "--address",
        default=default.address,
        metavar="HOST:PORT",
        help="of the Ray cluster (default auto: the one that this machine is part of)",
    )
    group.add_argument(
        "--shard",
        metavar="K/N",
        help="look only at share K of N, for N machines that know nothing of each other; facegrab "
        "index merge puts the shares together. With all in an --index: write share K's faces",
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


def whole(text: str) -> int | str:
    """A number, or the text that is none."""
    try:
        return int(text)
    except ValueError:
        return text


def normalised(arguments: Sequence[str]) -> list[str]:
    """Long options with _ for every - after the first two."""
    return [_with_underscores(argument) for argument in arguments]


def _with_underscores(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"
