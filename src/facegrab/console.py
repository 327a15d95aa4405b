"""What a run shows in a terminal: one bar a source, warnings, a summary."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from facegrab.summary import BLURRED, ENLARGED, NO_POSE, OTHER_PERSON, Plan, Summary

_DROPPED = {
    OTHER_PERSON: "of other people",
    BLURRED: "dropped as blurred",
    ENLARGED: "smaller than their extracts",
    NO_POSE: "without a pose",
}
_ALWAYS_TOLD = (OTHER_PERSON, BLURRED)


class Screen:
    """Watches a run for a person. Bars only where the output is a terminal.

    Use it as a context manager: meanwhile it also shows what the library logs.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True, emoji=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[counts]}", markup=False),
            _FramesPerSecond(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._several = False
        self._pictures: Collection[Path] = ()
        self._task: TaskID | None = None
        self._name = self._result = ""
        self._asking = True
        self._log = _LogLines(self)
        self._log_level = logging.NOTSET

    def __enter__(self) -> Screen:
        logger = logging.getLogger("facegrab")
        logger.addHandler(self._log)
        self._log_level = logger.level
        logger.setLevel(logging.INFO)
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()
        logger = logging.getLogger("facegrab")
        logger.removeHandler(self._log)
        logger.setLevel(self._log_level)

    def say(self, line: str) -> None:
        """Prints a line as it is."""
        self._console.print(self._printable(line), markup=False)

    def expect(self, sources: int, pictures: Collection[Path], *, asking: bool = True) -> None:
        """Is told what will come.

        Args:
            asking: somebody is looked for; else everything is only seen.
            sources: how many. Of several, each leaves a line when it ends instead of its bar:
                forty bars would fill the terminal.
            pictures: paths of those that are no videos.
        """
        self._several, self._pictures, self._asking = sources > 1, pictures, asking

    def say_references(self, count: int, people: Sequence[str] = ("",)) -> None:
        """Who is looked for: how many references in all, and the people's names."""
        if count == 0:
            self.say("looking for every face")
        elif len(people) == 1:
            who = people[0] or "one person"
            self.say(f"looking for {who}, {_number(count, 'reference')}")
        else:
            self.say(f"looking for {', '.join(people)}: {_number(count, 'reference')}")

    def begin(self, plan: Plan) -> None:
        """Says what will be done with a source."""
        if plan.known:
            words = "in the index already, not looked at again"
            self.say(f"{plan.source.name}: {plan.width}x{plan.height}, {words}")
        else:
            self._say_plan(plan)
        self._name, self._result = plan.source.name, ""
        self._task = self._bars.add_task(
            self._printable(self._name), total=plan.frame_count, counts=""
        )

    def _say_plan(self, plan: Plan) -> None:
        self.say(
            f"{plan.source.name}: {plan.width}x{plan.height}, looking {self._at_frames(plan)}"
            f"for faces of {plan.smallest_face_px} px and more "
            f"(detection at {plan.fed_width}x{plan.fed_height})"
        )

    def step(self, frames_read: int, faces_found: int, faces_written: int) -> None:
        """Moves the bar."""
        if self._task is not None:
            kept = f", {faces_written} kept" if self._asking else ""
            counts = f"frame {frames_read}, {faces_found} found{kept}"
            self._bars.update(self._task, completed=frames_read, counts=counts)
        kept = f"{faces_written} kept of " if self._asking else ""
        self._result = f"{self._name}: {kept}{_number(faces_found, 'face')}"

    def end(self) -> None:
        """Stops the bar; one of several makes way for a line, if anything of it was read."""
        if self._task is None:
            return
        self._bars.stop_task(self._task)
        if self._several:
            self._bars.remove_task(self._task)
            if self._result:
                self.say(self._result)
        self._task = None

    def _at_frames(self, plan: Plan) -> str:
        """``at 5 of 30 frames (1 in 7) ``, or nothing where there is just one."""
        if plan.frame_count == 1:
            return ""
        pictures = plan.source in self._pictures
        frames = "pictures" if pictures else "frames"
        if plan.frame_count is not None:
            frames = f"{-(-plan.frame_count // plan.every)} of {plan.frame_count} {frames}"
        if plan.every > 1:
            # Nobody expects this of a folder of photos.
            hint = "; -sf 0 looks at all" if pictures else ""
            frames += f" (1 in {plan.every}{hint})"
        return f"at {frames} "

    def _printable(self, line: str) -> str:
        """The line with backslashes for what the terminal cannot show: file names may hold it."""
        encoding = self._console.encoding
        return line.encode(encoding, "backslashreplace").decode(encoding)

    def say_scanned(self, summary: Summary, index: str) -> None:
        """What was seen, where nothing was asked."""
        for line in summary.not_read():
            self.say(line)
        for warning in summary.warnings:
            self.say(f"warning: {warning}")
        self.say(_frames_line(summary))
        self.say(f"{_number(summary.faces_found, 'face')} in {index}")
        if summary.computed:
            self.say(f"computed on {summary.computed}")
        if summary.shard:
            self.say(_next_of_shard(summary.shard, index))
            return
        self.say(f"ask it: facegrab -r REFERENCE -i ... -o FOLDER --index {index}")

    def say_summary(self, summary: Summary, output: str) -> None:
        """What was done and where to look."""
        for line in result_lines(summary, output):
            self.say(line)


def result_lines(summary: Summary, output: str) -> list[str]:
    """What went wrong, and a summary in words."""
    warnings = [f"warning: {warning}" for warning in summary.warnings]
    lines = summary_lines(summary, output)
    if summary.shard:
        lines = [_frames_line(summary), _next_of_shard(summary.shard, output)]
    return [*summary.not_read(), *warnings, *lines]


def _next_of_shard(shard: str, where: str) -> str:
    return (
        f"share {shard} is in {where}; when all are there: facegrab index merge {where} ... "
        "-o ALL.db, and ask that: facegrab -r REFERENCE -i ... -o FOLDER --index ALL.db"
    )


def _frames_line(summary: Summary) -> str:
    seconds = summary.seconds.get("all", 0.0)
    damaged = f", {summary.frames_damaged} damaged" if summary.frames_damaged else ""
    known = (
        f" ({summary.frames_known} of them before, in the index)" if summary.frames_known else ""
    )
    new = summary.frames_read - summary.frames_known
    speed = f", {new / seconds:.0f} frames/s" if seconds > 0 and new else ""
    head = "stopped; " if summary.interrupted else ""
    return (
        f"{head}{_number(summary.frames_read, 'frame')} read{known}, "
        f"{summary.frames_looked_at} looked at{damaged}, in {seconds:.1f} s{speed}"
    )


def summary_lines(summary: Summary, output: str) -> list[str]:
    """A summary in words."""
    dropped = "".join(
        f", {summary.dropped[reason]} {words}"
        for reason, words in _DROPPED.items()
        if summary.dropped[reason] or reason in _ALWAYS_TOLD
    )
    lines = [
        _frames_line(summary),
        f"{_number(summary.faces_found, 'face')} found: {summary.faces_written} written{dropped}",
    ]
    lines += _people_lines(summary)
    if summary.faces_by_track:
        lines.append(
            f"{_number(summary.faces_by_track, 'face')} of the person by their tracks alone: "
            "by_track in facegrab.csv"
        )
    if summary.computed:
        lines.append(f"computed on {summary.computed}")
    if summary.licences:
        lines.append(f"weights: {'; '.join(summary.licences)}")
    if summary.faces_written:
        lines.append(f"look at {output}: index.html shows it, facegrab.csv lists every face")
    elif summary.faces_found == 0:
        lines.append("no faces: a smaller --min_face finds smaller ones, at the cost of time")
    elif summary.dropped[ENLARGED]:
        lines.append(
            "every sharp face of the person is smaller than the extract: a smaller --extract_size "
            "keeps them, or leave out --no_upsample"
        )
    elif summary.faces_matched:
        lines.append(
            "every face of the person was dropped as blurred: a lower --blur_threshold keeps "
            "them, 0 keeps all"
        )
    else:
        lines.append(
            "none of them is the person: facegrab.csv lists the distances; more and different "
            "references help, or a higher --tolerance"
        )
    return lines


def _people_lines(summary: Summary) -> list[str]:
    """Whose the faces are, and how sure that is."""
    lines = []
    if len(summary.written_of) > 1 or "" not in summary.written_of:
        each = [f"{name} {count}" for name, count in sorted(summary.written_of.items())]
        lines += [f"of them: {', '.join(each)}"] if each else []
    if summary.unsure["ask"]:
        lines.append(
            f"{_number(summary.unsure['ask'], 'more face')} in doubt, in the folder uncertain"
        )
    if summary.unsure["ambiguous"]:
        count = _number(summary.unsure["ambiguous"], "more face")
        lines.append(f"{count} of people who look too much alike, in the folder ambiguous")
    wrong, missed = summary.probably_wrong, summary.probably_missed
    if summary.faces_matched and not math.isnan(wrong + missed):
        lines.append(
            f"probably {_about(wrong)} of those written somebody else's, and {_about(missed)} of "
            "the others missed"
        )
    stranger = summary.stranger
    if stranger:
        lines.append(
            f"closest stranger: distance {stranger.distance:.2f} at {_time(stranger.pts_seconds)} "
            f"in {stranger.source.name} ({_number(stranger.faces, 'face')})"
        )
    return lines


def _about(count: float) -> str:
    return "none" if count < 0.5 else str(round(count))


def _time(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}"


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


class _FramesPerSecond(ProgressColumn):
    def render(self, task: object) -> Text:
        speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None)
        return Text(f"{speed:.0f} frames/s" if speed else "")


class _LogLines(logging.Handler):
    """Shows what the library logs as plain lines."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        line = f"{prefix}{record.getMessage()}"
        if line not in self._said:  # sources are looked for twice: before and in the run
            self._said.add(line)
            self._screen.say(line)
