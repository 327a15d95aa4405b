"""The extracts in groups, by person, source and track, and these on pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from facegrab.store.found import FaceFound

PER_PAGE = 2000
"""Extracts on a page. In headless Chromium on two cores one of them is there after .7 s, one of
20,000 after 1.8 s."""

Key = tuple[str, int, int]
"""Person, source and track."""


@dataclass(frozen=True, slots=True)
class Block:
    """Extracts of one person on one track.

    Attributes:
        person: whose; '' where only one is asked for.
        source: row of the source.
        track: number of the track in the source; of pictures, which have none, -1.
        faces: the extracts, by time.
        begins: the track's first extract is among them: a long one may go over pages.
    """

    person: str
    source: int
    track: int
    faces: Sequence[FaceFound]
    begins: bool

    @property
    def key(self) -> Key:
        """By which it is found."""
        return self.person, self.source, self.track


@dataclass(frozen=True, slots=True)
class Group:
    """Blocks of one person in one source.

    Attributes:
        person: see Block.
        source: see Block.
        blocks: in the order of their times.
    """

    person: str
    source: int
    blocks: list[Block] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Extracts."""
        return sum(len(each.faces) for each in self.blocks)


def paged(
    extracts: Iterable[FaceFound], pictures: frozenset[int], most: int | None = PER_PAGE
) -> list[list[Group]]:
    """The groups of each page; one page at least.

    Args:
        extracts: by person, source and time.
        pictures: rows of the sources that are pictures, whose extracts stand together.
        most: extracts on a page; None for all on one.
    """
    pages: list[list[Group]] = [[]]
    room = most
    for block in _blocks(extracts, pictures):
        for part in _parted(block, room, most):
            if room is not None:
                if room < len(part.faces):
                    pages.append([])
                    room = most or 0
                room -= len(part.faces)
            groups = pages[-1]
            if not groups or (groups[-1].person, groups[-1].source) != part.key[:2]:
                groups.append(Group(part.person, part.source))
            groups[-1].blocks.append(part)
    return pages


def page_of(pages: Sequence[Sequence[Group]]) -> dict[Key, int]:
    """On which page each track begins, from 0."""
    return {
        block.key: number
        for number, groups in enumerate(pages)
        for group in groups
        for block in group.blocks
        if block.begins
    }


def anchors(pages: Sequence[Sequence[Group]]) -> Mapping[Key, str]:
    """What each track is called in its page: nothing that comes from a name."""
    people: dict[str, int] = {}
    for groups in pages:
        for group in groups:
            people.setdefault(group.person, len(people))
    return {
        (person, source, track): f"p{people[person]}-s{source}-t{track}"
        for person, source, track in page_of(pages)
    }


def _blocks(extracts: Iterable[FaceFound], pictures: frozenset[int]) -> Iterator[Block]:
    """One for each track, in the order of their first faces."""
    tracks: dict[Key, list[FaceFound]] = {}
    place: tuple[str, int] | None = None
    for each in extracts:
        if (each.person, each.source) != place:
            yield from _whole(tracks)
            tracks, place = {}, (each.person, each.source)
        track = -1 if each.source in pictures else each.track
        tracks.setdefault((each.person, each.source, track), []).append(each)
    yield from _whole(tracks)


def _whole(tracks: Mapping[Key, list[FaceFound]]) -> Iterator[Block]:
    for (person, source, track), faces in tracks.items():
        yield Block(person, source, track, faces, begins=True)


def _parted(block: Block, room: int | None, most: int | None) -> Iterator[Block]:
    """A block in parts that fit; one that fits a page is not parted."""
    count = len(block.faces)
    if room is None or most is None or count <= most:
        yield block
        return
    edges = [0, *range(room or most, count, most), count]
    for start, end in pairwise(edges):
        part = block.faces[start:end]
        yield Block(block.person, block.source, block.track, part, begins=start == 0)
