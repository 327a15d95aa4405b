"""Putting indexes together: looks that are whole as they are, shares of one look linked anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from facegrab.errors import MissingError, StoreError
from facegrab.indexing import index_file
from facegrab.joined import Chain, Look, Placed, join
from facegrab.shard import is_sound, unmarked
from facegrab.store.copies import copy_look, first_difference
from facegrab.store.database import Database
from facegrab.store.files import make_folder
from facegrab.store.index import Index, Request, Seen


@dataclass(slots=True)
class Merged:
    """What was put together.

    Attributes:
        path: of the index that holds it.
        sources: looks that are there to their sources' ends.
        faces: of them.
        known: of these looks, those that were there before.
        lacking: a line for each source of which shares are missing.
        broken: sources of which the rest is still to be scanned.
        warnings: what else there is to know, a line each.
    """

    path: Path
    sources: int = 0
    faces: int = 0
    known: int = 0
    lacking: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """All looks through one source for one request."""

    content: str
    asked: Request
    whole: list[Look] = field(default_factory=list)
    shares: list[Look] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where the source lies."""
        return (self.shares or self.whole)[0].seen.path


def merge(paths: Sequence[Path], into: Path | None = None) -> Merged:
    """Puts indexes together; what is there already is compared, and not entered twice.

    Args:
        paths: of the indexes, or of folders that runs wrote.
        into: the index that gets it all, made if missing; None: the first one.

    Returns:
        what was done. Of a source of which shares are missing those that are there are kept by
        themselves; one more call with the others does the rest.

    Raises:
        MissingError: there is no such index.
        StoreError: one is damaged, newer or in use; or they contradict each other: shares of one
            source that were looked at differently, or one segment that was seen in two ways.
        OutputError, AccessError: the result cannot be written.
    """
    files = _files(paths)
    target = files[0] if into is None else _target(into)
    merged = Merged(target)
    make_folder(target.parent)
    with ExitStack() as stack:
        index = Index(stack.enter_context(Database(target)))
        others = [
            Index(stack.enter_context(Database(file, alone=False)))
            for file in files
            if not _is_same(file, target)
        ]
        groups = _groups(index, others, merged)
        _check_settings(groups)
        for group in groups:
            _Joining(index, group, merged).run()
    return merged


def _files(paths: Sequence[Path]) -> list[Path]:
    files: dict[str, Path] = {}
    for path in paths:
        file = index_file(path)
        files.setdefault(os.path.realpath(file), file)
    if not files:
        raise MissingError("name the indexes to put together")
    return list(files.values())


def _target(into: Path) -> Path:
    return index_file(into) if into.is_dir() else into


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _groups(index: Index, others: Sequence[Index], merged: Merged) -> list[_Group]:
    """What belongs together, in the order in which the sources were scanned."""
    groups: dict[tuple[str, Request], _Group] = {}
    for each in (index, *others):
        for seen in each.scans():
            content = each.content(seen.row)
            if content is None or seen.forgotten:
                if each is not index:
                    merged.warnings.append(
                        f"{seen.path} in {each.database.path} is left out: it answers no other "
                        "question"
                    )
                continue
            asked, shard = unmarked(seen.request)
            group = groups.setdefault((content, asked), _Group(content, asked))
            look = Look(each, seen, shard)
            (group.whole if shard is None else group.shares).append(look)
    return list(groups.values())


def _check_settings(groups: Sequence[_Group]) -> None:
    """Shares of one source that were looked at differently never become whole.

    Raises:
        StoreError: there are such.
    """
    open_groups: dict[str, _Group] = {}
    for group in groups:
        if not group.shares or any(each.seen.complete for each in group.whole):
            continue
        other = open_groups.setdefault(group.content, group)
        if other is not group:
            one, two = other.shares[0], group.shares[0]
            raise StoreError(
                f"{one.path} and {two.path} hold shares of {group.path} that were looked at with "
                f"different settings ({_difference(other.asked, group.asked)}): scan one of them "
                "again with the other's"
            )


def _difference(one: Request, other: Request) -> str:
    if one.every != other.every:
        return f"1 frame in {one.every}, 1 in {other.every}"
    if (one.smallest_px, one.largest_px) != (other.smallest_px, other.largest_px):
        return f"faces from {one.smallest_px:g} px, from {other.smallest_px:g} px"
    return f"{one.detection}, {other.detection}"


class _Joining:
    """Brings one group into the index.

    Args:
        index: that gets it.
        group: the looks.
        merged: is told what was done.
    """

    def __init__(self, index: Index, group: _Group, merged: Merged) -> None:
        self._index = index
        self._group = group
        self._merged = merged
        self._own = [each for each in group.whole if each.index is index]

    def run(self) -> None:
        """Enters the look, unless something is missing."""
        group = self._group
        if group.shares and not any(each.seen.complete for each in group.whole):
            seen = self._joined()
        else:
            seen = self._copied()
        if seen is None:
            return
        self._merged.faces += self._index.count(seen.row)
        if seen.complete:
            self._merged.sources += 1
            self._forget_shares()
        else:
            self._merged.broken.append(seen.path)

    def _copied(self) -> Seen:
        """Of looks that stand by themselves the longest; what else is there must be like it."""
        group, index = self._group, self._index
        best = max(group.whole, key=lambda each: (each.seen.complete, each.whole_segments))
        for each in group.whole:
            if each is not best and each.seen.complete:
                self._compare(best, each, linked=True)
        for each in group.shares:
            for row in each.index.segments(each.seen.row):
                if is_sound(row):
                    self._compare(best, each, Placed(each, row).span)
        if best.index is index:
            self._merged.known += 1
            return best.seen
        with index.database.transaction():
            self._remove_own()
            return index.scan(copy_look(best.index, best.seen.row, index))

    def _joined(self) -> Seen | None:
        """The shares' segments, one after the other."""
        group, merged = self._group, self._merged
        chain = Chain(group.shares)
        for one, other in chain.twice:
            self._compare(one.look, other.look, one.span)
            if not one.is_like(other):
                self._refuse(one.look, other.look, one.span[0])
        lacking = chain.lacking(group.content)
        if lacking:
            merged.lacking.append(f"{group.path}: share {lacking} is missing")
            self._keep_shares()
            return None
        if self._own and self._own[0].whole_segments >= len(chain.sound):
            return self._own[0].seen  # somebody has read on already
        with self._index.database.transaction():
            self._remove_own()
        seen = join(chain, group.content, group.asked, self._index)
        if seen is None:
            merged.broken.append(group.path)
        self._warn_of_machines()
        return seen

    def _keep_shares(self) -> None:
        """Shares wait in the index for those that are missing."""
        index = self._index
        there = {each.seen.request: each for each in self._group.shares if each.index is index}
        for each in self._group.shares:
            own = there.get(each.seen.request)
            if own and own.whole_segments >= each.whole_segments:
                continue
            with index.database.transaction():
                if own:
                    index.remove(own.seen.row)
                row = copy_look(each.index, each.seen.row, index)
            there[each.seen.request] = replace(each, index=index, seen=index.scan(row))

    def _compare(
        self, one: Look, other: Look, span: tuple[int, int | None] = (0, None), *,
        linked: bool = False,
    ) -> None:  # fmt: skip
        frame = first_difference(
            one.index, one.seen.row, other.index, other.seen.row, *span, linked=linked
        )
        if frame is not None:
            self._refuse(one, other, frame)

    def _refuse(self, one: Look, other: Look, frame: int) -> None:
        raise StoreError(
            f"{one.path} and {other.path} hold different things of {self._group.path} from frame "
            f"{frame} on: they were not looked at alike; leave one of them out"
        )

    def _warn_of_machines(self) -> None:
        computed = dict.fromkeys(
            each.seen.computed for each in self._group.shares if each.seen.computed
        )
        if len(computed) > 1:
            self._merged.warnings.append(
                f"{self._group.path} was computed on {' and on '.join(computed)}: its faces may "
                "differ by a hair from those of one machine"
            )

    def _remove_own(self) -> None:
        for each in self._own:
            self._index.remove(each.seen.row)

    def _forget_shares(self) -> None:
        """What is whole now is not kept twice."""
        with self._index.database.transaction():
            for each in self._group.shares:
                if each.index is self._index:
                    self._index.remove(each.seen.row)
