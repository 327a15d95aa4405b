"""The result in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facegrab.store.found import SourceFound
from facegrab.summary import BLURRED, ENLARGED, NO_POSE, OTHER_PERSON
from facegrab.view.links import spell
from facegrab.view.timeline import Timeline
from facegrab.view.told import Told

THE_PERSON = "the person"

_WHY = {
    OTHER_PERSON: ("of other people", "farther from the references than the tolerance, or on a "
                   "track that is", "a higher --tolerance, or more and different references"),
    BLURRED: ("blurred", "less sharp than --blur_threshold", "a lower --blur_threshold; 0 keeps "
              "all"),
    ENLARGED: ("too small", "smaller than its extract, with --no_upsample", "a smaller "
               "--extract_size, or no --no_upsample"),
    NO_POSE: ("without a pose", "its points say nothing of how it is turned", "--align none"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dropped:
    """Faces of which there is no extract.

    Attributes:
        name: in words.
        count: how many.
        share: of all faces seen, in percent.
        why: they were dropped.
        way_out: what would keep them.
    """

    name: str
    count: int
    share: float
    why: str
    way_out: str


def number(count: int, thing: str, things: str | None = None) -> str:
    """``1 face``, ``1,200 faces``."""
    return f"{count:,} " + (thing if count == 1 else things or f"{thing}s")


def who(person: str) -> str:
    """A name; without one, only one person was asked for."""
    return person or THE_PERSON


def dropped(sources: Sequence[SourceFound]) -> list[Dropped]:
    """What was dropped, the most first."""
    counts = Counter[str]()
    for each in sources:
        counts.update(each.dropped)
    percent = 100 / (sum(each.found for each in sources) or 1)
    found = []
    for why, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        name, reason, way_out = _WHY.get(why, (why, "", ""))
        found.append(Dropped(name, count, round(percent * count, 1), reason, way_out))
    return found


def title(sources: Sequence[SourceFound], people: Collection[str], *, everybody: bool) -> str:
    """What the report is about.

    Args:
        sources: all.
        people: who has extracts that are not in doubt.
        everybody: every face was asked for.
    """
    written = sum(each.written for each in sources)
    if everybody:
        whose = "everybody"
    elif len(people) > 1:
        whose = number(len(people), "person", "people")
    else:
        whose = "".join(people) or "the person asked for"
    return f"{number(written, 'face')} of {whose}, in {_films(sources)}"


def sentences(
    sources: Sequence[SourceFound],
    timelines: Sequence[Timeline],
    settings: Mapping[str, Any],
    told: Told,
    uncertain: int,
) -> list[str]:
    """The result, for somebody who reads nothing else.

    Args:
        sources: all.
        timelines: of them.
        settings: of the folder.
        told: by the last run.
        uncertain: faces that count only because their tracks do, or that should be looked at.
    """
    written = sum(each.written for each in sources)
    found = sum(each.found for each in sources)
    lines = [_seen(sources, found)]
    if written:
        with_any = sum(each.written > 0 for each in sources)
        lines.append(
            f"{number(written, 'face')} became extracts, from {with_any} of {_films(sources)}."
        )
    unsure = sum(each.unsure for each in sources)
    if unsure:
        lines.append(
            f"{number(unsure, 'face is', 'faces are')} in doubt: their extracts lie apart."
        )
    if written:
        lines += _on_screen(timelines)
    lines.append(_left_out(sources, found))
    if uncertain:
        lines.append(
            f"{number(uncertain, 'extract is', 'extracts are')} less certain: see Uncertain, below."
        )
    damaged = sum(each.frames_damaged for each in sources)
    if damaged:
        lines.append(f"{number(damaged, 'frame')} could not be decoded and were passed over.")
    unfinished = [each for each in sources if not each.complete]
    if unfinished or told.interrupted:
        lines.append(
            "The run was stopped before its end: the same command again goes on where it stopped."
        )
    if any(each.forgotten for each in sources):
        lines.append("Faces of other people were forgotten, as asked, and are not counted here.")
    if settings.get("references") == "*":
        lines.append("No reference was given: every face counts.")
    return [line for line in lines if line]


def _seen(sources: Sequence[SourceFound], found: int) -> str:
    seconds = sum(each.seconds or 0.0 for each in sources if not each.pictures)
    looked_at = sum(each.frames_looked_at for each in sources)
    length = f", {spell(seconds)} in all" if seconds else ""
    return (
        f"{_films(sources)}{length}: {number(looked_at, 'frame')} looked at, "
        f"{number(found, 'face')} seen."
    )


def _on_screen(timelines: Sequence[Timeline]) -> list[str]:
    seconds: dict[str, float] = {}
    for each in timelines:
        for person, value in each.on_screen.items():
            if not each.source.pictures:
                seconds[person] = seconds.get(person, 0.0) + value
    return [
        f"{_capital(who(person))} is on screen for about {spell(value)}."
        for person, value in sorted(seconds.items())
        if value
    ]


def _left_out(sources: Sequence[SourceFound], found: int) -> str:
    parts = [f"{each.count:,} {each.name}" for each in dropped(sources)]
    if not parts:
        return "Nothing was dropped." if found else ""
    return f"Not written: {', '.join(parts)}."


def _films(sources: Sequence[SourceFound]) -> str:
    folders = sum(each.pictures for each in sources)
    videos = len(sources) - folders
    parts = [number(videos, "video")] if videos or not folders else []
    parts += [number(folders, "source of pictures", "sources of pictures")] if folders else []
    return " and ".join(parts)


def _capital(text: str) -> str:
    return text if text != THE_PERSON else "The person"
