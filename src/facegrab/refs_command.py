"""``facegrab refs``: which of some pictures are good references of one person."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegrab.errors import GalleryError, SettingError
from facegrab.options import OK, Parser, add_run_options, normalised
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.telling import Progress, in_one_line, say, warnings_shown

if TYPE_CHECKING:
    from facegrab.people.reference_check import Finding, Pictured
    from facegrab.people.reference_gaps import Found, Turns

RECOGNITION = ("tolerance", "jitter")
PROCESS = (
    "blur_threshold", "models", "detector", "recogniser", "licence", "device", "precision",
    "threads",
)  # fmt: skip
"""Options of a run on which it depends what is seen."""
NO_NUMBER = 9.999
"""Stands last where there is no distance to sort by."""


def main(arguments: Sequence[str]) -> int:
    """Prints what is wrong with references, and writes the good ones where that is asked for.

    Args:
        arguments: those after ``refs``.

    Returns:
        0, 1 on an error, which is said in one line, 130 on Ctrl-C.
    """
    return in_one_line(lambda: _run(_parser().parse_args(normalised(arguments))))


@warnings_shown()
def _run(options: argparse.Namespace) -> int:
    recognition = RecognitionSettings(**{name: getattr(options, name) for name in RECOGNITION})
    process = ProcessSettings(**{name: getattr(options, name) for name in PROCESS})
    _check_fix(options)
    # Imported here, so that --help and a wrong value answer at once.
    from facegrab.choice import Opener, choice_of
    from facegrab.people.reference_check import check
    from facegrab.people.reference_gaps import turns
    from facegrab.people.reference_look import kept, look_at

    choice = choice_of(recognition, process, None)
    spec = choice.recogniser
    progress = Progress("looking")
    try:
        opener = Opener(choice, process, None)
        pictures = look_at(options.path, recognition.jitter, opener, spec, progress)
    finally:
        progress.end()
    blur_threshold = process.blur_threshold
    found = check(pictures, spec.metric, choice.tolerance, blur_threshold=blur_threshold)
    heads = turns(pictures, found)
    gallery = kept(pictures, found, spec)
    if options.json:
        print(json.dumps(_content(pictures, found, heads, choice.tolerance), indent=1))
    else:
        for line in _report(pictures, found, heads, process):
            say(line)
    if options.fix:
        if not len(gallery):
            raise GalleryError(f"no reference is good enough: {options.fix} is not written")
        gallery.save(options.fix)
        if not options.json:
            say(f"{_number(len(gallery), 'reference')} saved to {options.fix}")
    return OK


def _check_fix(options: argparse.Namespace) -> None:
    """Before anything is looked at: a name that a run would not read, or that would lose some."""
    if options.fix is None:
        return
    if options.fix.suffix.lower() != ".npz":
        raise SettingError(f"--fix {options.fix}: the name of a reference file ends in .npz")
    if options.fix.resolve() in [Path(each).resolve() for each in options.path]:
        raise SettingError(f"--fix {options.fix} is one of those to look at: give another name")


def _report(
    pictures: Sequence[Pictured], found: Sequence[Finding], heads: Turns, process: ProcessSettings
) -> Iterator[str]:
    """All of it in words."""
    from facegrab.people.reference_check import SMALLEST_PX

    good = sum(each.verdict == "kept" for each in found)
    yield f"{_number(len(found), 'picture')}: {_number(good, 'good reference')} of one person"
    titles = {
        "kept": "kept, with the distance from the nearest three others",
        "other": "somebody else, with the distance of the face most like the person",
        "duplicate": "duplicates",
        "small": f"too small: a face below {SMALLEST_PX} pixels",
        "blurred": f"blurred: sharpness below {process.blur_threshold:g}",
        "no face": "no face found",
        "unreadable": "no readable picture",
    }
    both = list(zip(pictures, found, strict=True))
    for verdict, title in titles.items():
        those = [each for each in both if each[1].verdict == verdict]
        if those:
            yield ""
            yield f"{title}:"
            # The least like the rest first: if one is wrong, it is there.
            those.sort(key=lambda each: -_distance(each[1]))
            yield from (f"  {_line(*each)}" for each in those)
    if good:
        yield ""
        yield from _of_heads(heads)


def _distance(finding: Finding) -> float:
    return NO_NUMBER if finding.distance is None else finding.distance


def _line(picture: Pictured, finding: Finding) -> str:
    face = finding.face
    if finding.verdict == "duplicate":
        return f"{finding.name} shows what {finding.of} does"
    if face is None:
        return finding.name
    figure = "    -" if finding.distance is None else f"{finding.distance:.3f}"
    if finding.verdict == "small":
        figure = f"{picture.size_px[face]:3.0f} px"
    elif finding.verdict == "blurred":
        figure = f"{picture.sharpness[face]:5.1f}"
    several = f" (of {finding.faces} faces)" if finding.faces > 1 else ""
    return f"{figure}  {finding.name}{several}"


def _of_heads(heads: Turns) -> Iterator[str]:
    """Which turns are covered, and what is lost by those that are not."""
    from facegrab.people.reference_gaps import found_by_front

    shown = [f"{count} {name}" for name, count in heads.counts.items() if count]
    if heads.unknown:
        shown.append(f"{heads.unknown} of unknown turn")
    yield f"heads: {', '.join(shown)} (left and right are the picture's)"
    if not any(heads.counts.values()):
        return
    costs: dict[Found | None, list[str]] = {}
    for name in heads.missing:
        costs.setdefault(found_by_front(name), []).append(name)
    for found, names in costs.items():
        yield f"  none {', '.join(names)}: {_cost(found)}"


def _cost(found: Found | None) -> str:
    if found is None:
        return "add one, most faces look ahead"
    people = "one person" if found.people == 1 else f"{found.people} people"
    return (
        f"references from the front find {found.share:.0%} of such faces "
        f"(measured on {found.faces} of {people})"
    )


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def _content(
    pictures: Sequence[Pictured], found: Sequence[Finding], heads: Turns, tolerance: float
) -> dict[str, Any]:
    """For programs; what is not known is null."""
    from facegrab.people.reference_gaps import found_by_front
    from facegrab.store.files import as_text

    def known(values: Any, face: int | None) -> float | None:
        value = float("nan") if face is None else float(values[face])
        return round(value, 4) if abs(value) < float("inf") else None

    return {
        "tolerance": tolerance,
        "pictures": [
            asdict(finding)
            | {
                "name": as_text(Path(finding.name)),
                "of": as_text(Path(finding.of)) if finding.of else None,
                "size_px": known(each.size_px, finding.face),
                "sharpness": known(each.sharpness, finding.face),
                "yaw": known(each.yaw, finding.face),
            }
            for each, finding in zip(pictures, found, strict=True)
        ],
        "heads": heads.counts,
        "heads_unknown": heads.unknown,
        "found_by_front": {
            name: None if (each := found_by_front(name)) is None else each.share
            for name in heads.missing
        },
    }


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="facegrab refs",
        description="Looks whether pictures are good references of one person: finds whom most of "
        "them show, and lists who is somebody else, duplicates, faces that are too small or "
        "blurred, how far each is from the others, and how no head is turned. No picture is "
        "changed or removed.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "path",
        nargs="+",
        metavar="PATH",
        help="as -r of a run takes them: an image, a folder of images, a glob, an .npz; of group "
        "photos all faces are looked at",
    )
    parser.add_argument(
        "--fix", type=Path, metavar="FILE.npz", help="write the good ones, for -r of a run"
    )
    parser.add_argument("--json", action="store_true", help="print it for programs")
    add_run_options(parser, (*RECOGNITION, *PROCESS))
    return parser
