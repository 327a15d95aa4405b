"""The command line: arguments to settings to library. Besides console.py nothing prints."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from facegrab.errors import FaceGrabError, MissingError, SettingError
from facegrab.memory import in_own_process
from facegrab.options import FAILED, INTERRUPTED, OK, normalised, run_parser
from facegrab.settings import RAY, ProcessSettings, RecognitionSettings, best_count
from facegrab.telling import in_one_line

if TYPE_CHECKING:
    from facegrab.console import Screen
    from facegrab.mirror import Mirror
    from facegrab.summary import Summary
    from facegrab.view.live import Live

COMMANDS = {
    "doctor": "facegrab.doctor_command",
    "eval": "facegrab.eval_command",
    "index": "facegrab.index_command",
    "models": "facegrab.models_command",
    "pick": "facegrab.pick_command",
    "refs": "facegrab.refs_command",
    "report": "facegrab.report_command",
    "review": "facegrab.review_command",
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
    if arguments is None:
        in_own_process()
        arguments = sys.argv[1:]
    # NumPy's BLAS starts a thread a core, which wait for work by asking for it without end. What
    # is multiplied here is small.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return in_one_line(lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        return _command(arguments[0], arguments[1:])
    options = run_parser().parse_args(normalised(arguments))
    if not options.input and not options.index:
        raise SettingError("-i is missing: where to look (facegrab --help shows the options)")
    if bool(options.reference) == bool(options.people):
        which = "either -r or --people" if options.people else "-r is missing"
        raise SettingError(f"{which}: who to look for (facegrab --help shows the options)")
    if options.best is not None:
        best_count("best", options.best)
    recognition = RecognitionSettings(
        tolerance=options.tolerance,
        jitter=options.jitter,
        per_frame=options.per_frame,
        grow=options.grow,
        group=options.group,
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
        engine=options.engine,
        address=options.address,
        shard=options.shard,
    )
    return _run(options, recognition, process)


def _command(name: str, arguments: Sequence[str]) -> int:
    from importlib import import_module

    return int(import_module(COMMANDS[name]).main(arguments))


def _run(
    options: argparse.Namespace, recognition: RecognitionSettings, process: ProcessSettings
) -> int:
    # Imported here, so that --help and a wrong value answer at once.
    from facegrab.console import Screen
    from facegrab.early import Early
    from facegrab.media.source import find_sources

    with Screen() as screen, ExitStack() as stack:
        # First, because a mistyped path should not cost the loading of the networks.
        inputs = options.input or _indexed(options.index)
        sources = find_sources(inputs)
        mirror = _mirror(options, inputs)
        if mirror:  # from here on this is the output
            options.output = str(mirror.folder)
            screen.say(_where(mirror))
        screen.expect(len(sources), {source.path for source in sources if source.images})
        live = stack.enter_context(_live(options, screen, len(sources)))
        if options.best is not None:  # nor should what is in the way of the last step
            from facegrab.store.picked import check

            check(Path(options.output))
        index = Path(options.index or Path(options.output, "facegrab.db"))
        bucket = mirror.address if mirror and mirror.away else None
        with Early(sources[0], process, index, recognition, bucket) as early:
            # All else is loaded while the first film is decoded.
            from facegrab.grab import FaceGrab
            from facegrab.people.who import named, people_in

            people = people_in(options.people) if options.people else named(options.reference)
            grab = FaceGrab(people, recognition, process, others=options.others or ())
            screen.say_references(grab.reference_count, grab.people)
            screen.say(grab.models)
            if options.display_stats:
                for name in grab.people or ("",):
                    screen.say(f"{name}:\n{grab.stats(name)}" if name else str(grab.stats()))
            if options.save_references:
                screen.say(f"references saved to {grab.save(options.save_references)}")
            summary = grab.process(
                inputs,
                options.output,
                index=options.index,
                watcher=live or screen,
                early=early,
                onlooker=live,
                committed=mirror.follow if mirror else None,
                bucket=bucket,
            )
        picked = _pick(screen, summary, options)
        report = _report(summary, options.output)
        if live:
            _tell(live, summary, options.output, report)
        code = _end(screen, summary, options.output)
        for line in picked or ():
            screen.say(line)
        if mirror:
            screen.say(f"sending the rest to {mirror.address}")
            screen.say(f"{mirror.finish()} files and the index are in {mirror.address}")
        return FAILED if picked is None else code


def _mirror(options: argparse.Namespace, inputs: Sequence[str]) -> Mirror | None:
    """The bucket that the results go to; None where they stay in a folder."""
    output = options.output
    if not output.lower().startswith("s3://"):
        if options.work:
            raise SettingError("work is for an output in a bucket: leave it out")
        return None
    from facegrab.mirror import Mirror, check_apart

    check_apart(output, inputs)
    work = Path(options.work) if options.work else None
    if options.engine != RAY:
        return Mirror(output, work)
    from facegrab.copying import Copies

    return Mirror(output, work, away=True, copies=Copies(output, options.address))


def _where(mirror: Mirror) -> str:
    if mirror.away:
        return f"workers put extracts into {mirror.address}; the index lies in {mirror.folder}, too"
    return f"what goes to {mirror.address} lies in {mirror.folder}, too"


def _live(
    options: argparse.Namespace, screen: Screen, sources: int
) -> AbstractContextManager[Live | None]:
    """The page of -do; None without it, and then nothing of it is loaded."""
    if not options.display_output:
        return nullcontext()
    from facegrab.view.live_page import live_page

    return live_page(screen, screen.say, sources, browser=not options.no_browser)


def _tell(live: Live, summary: Summary, output: str, report: Path | None) -> None:
    from facegrab.console import result_lines

    words = "The run was stopped" if summary.interrupted else "The run has ended"
    live.finish(words, result_lines(summary, output), report)


def _indexed(index: str) -> list[str]:
    """The sources that an index holds."""
    from facegrab.indexing import sources_in

    return sources_in(Path(index))


def _report(summary: Summary, output: str) -> Path | None:
    """Writes the report; if it cannot be written the run is as good without.

    Returns:
        where it lies.
    """
    from facegrab.view.report import write_report

    try:
        return write_report(Path(output), summary=summary).path
    except MissingError:  # stopped before there was anything to tell
        return None
    except FaceGrabError as error:
        summary.warnings.append(f"no report: {error}")
        return None


def _pick(screen: Screen, summary: Summary, options: argparse.Namespace) -> list[str] | None:
    """Picks the best, where that is asked for.

    Returns:
        what came of it, in words; None if something went wrong, which is a warning of the run.
    """
    if options.best is None or summary.shard:
        return []
    if summary.interrupted:
        return ["stopped, so no best extracts are picked: run the same command again"]
    from facegrab.pick_command import picked_lines
    from facegrab.picking import pick

    screen.say("picking the best extracts")
    try:
        return list(picked_lines(pick(Path(options.output), options.best)))
    except MissingError as error:  # who is not found cannot be picked
        return [f"no best extracts: {error}"]
    except FaceGrabError as error:
        summary.warnings.append(f"no best extracts: {error}")
        return None


def _end(screen: Screen, summary: Summary, output: str) -> int:
    screen.say_summary(summary, output)
    if summary.interrupted:
        return INTERRUPTED
    return FAILED if summary.failed else OK
