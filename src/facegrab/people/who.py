"""Who is asked for: people by name with their references, and those whom it is not."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from facegrab.address import is_address
from facegrab.errors import AccessError, GalleryError, MissingError, SettingError
from facegrab.models.specs import RecogniserSpec
from facegrab.people.gallery import Gallery
from facegrab.people.judge import Person
from facegrab.people.probability import BY_ITSELF, near
from facegrab.people.references import EVERYBODY, collect
from facegrab.store.files import safe_name
from facegrab.vision.look import Look

NOT_NAMES = (
    "uncertain", "ambiguous", "report", "best", "facegrab.db", "facegrab.csv", "index.html"
)  # fmt: skip
"""What the output holds that is nobody's."""
MOST_NAMED = 3
"""Files that a message names."""

References = Mapping[str, Sequence[str]]
"""Paths by the person's name; "" where only one person is."""


def people_in(folder: str) -> dict[str, list[str]]:
    """The people of a folder that has a sub-folder for each.

    Raises:
        MissingError, AccessError: it is not there or may not be read.
        GalleryError: it has no sub-folder.
    """
    path = Path(folder)
    try:
        found = sorted(each for each in path.iterdir() if each.is_dir() and each.name[:1] != ".")
    except PermissionError as error:
        raise AccessError(f"no permission to read {path}") from error
    except OSError as error:
        raise MissingError(f"no such folder: {path}") from error
    if not found:
        raise GalleryError(f"{path} has no sub-folder: --people takes a folder with one a person")
    return {each.name: [str(each)] for each in found}


def named(references: Sequence[str]) -> dict[str, list[str]]:
    """The people of references as they are given: paths, or ``NAME=PATH``.

    A path that is there is a path, whatever it is called.

    Raises:
        SettingError: some have a name and others have none.
    """
    people: dict[str, list[str]] = {}
    for reference in references:
        name, equals, path = reference.partition("=")
        if not equals or _exists(reference):
            name, path = "", reference
        elif not name.strip():
            raise SettingError(f"-r {reference}: the name before = is missing")
        people.setdefault(name.strip(), []).append(path)
    if "" in people and len(people) > 1:
        raise SettingError(
            f"-r {people[''][0]} has no name, and others have: give each as NAME={people[''][0]}"
        )
    return people


def check_names(names: Sequence[str]) -> None:
    """Refuses names that cannot be those of folders.

    Raises:
        SettingError: one is no name of a folder, or two are the same to some systems.
    """
    for name in names:
        if not name:
            continue
        if _composed(name) != safe_name(name) or name.casefold() in NOT_NAMES:
            raise SettingError(
                f"{name!r} cannot be a person's name, because the folder is called by it: letters, "
                "digits and spaces, without / or \\ and none of " + ", ".join(NOT_NAMES)
            )
    for one, other in combinations(sorted(names), 2):
        if _composed(one).casefold() == _composed(other).casefold():
            raise SettingError(f"{one} and {other} would share a folder: give one another name")


def collect_people(
    references: References,
    jitter: int,
    look: Callable[[], Look],
    spec: RecogniserSpec,
    tolerance: float,
) -> tuple[Person, ...]:
    """Everybody who is asked for; nobody in particular for ``"*"``.

    Args:
        references: see References.
        jitter: resamples a picture.
        look: see references.collect.
        spec: of the recogniser.
        tolerance: the largest distance of the same person.

    Raises:
        SettingError: a name cannot be a folder's, or * stands beside people.
        GalleryError: a person has no usable reference, or two people have the same one.
        MissingError, AccessError: a path names nothing or may not be read.
    """
    check_names(list(references))
    if any(EVERYBODY in paths for name, paths in references.items() if name):
        raise SettingError("* stands for every face and has no name: give it alone")
    people = []
    for name, paths in references.items():
        gallery = collect(paths, jitter, look, spec, tolerance)
        if len(gallery):
            people.append(Person(_composed(name), gallery))
    for one, other in combinations(people, 2):
        shared = _same(one.gallery, other.gallery)
        if shared:
            raise GalleryError(
                f"{one.name} and {other.name} have the same reference ({_listed(shared)}): whose "
                "is it?"
            )
    return tuple(people)


def collect_others(
    paths: Sequence[str],
    people: Sequence[Person],
    jitter: int,
    look: Callable[[], Look],
    spec: RecogniserSpec,
    tolerance: float,
) -> tuple[Gallery, ...]:
    """People it is not: of a folder with sub-folders each of these is one.

    Raises:
        GalleryError: one has no usable picture, or shows somebody who is asked for.
        MissingError, AccessError: a path names nothing or may not be read.
    """
    others = [
        collect([each], jitter, look, spec, tolerance) for path in paths for each in _apart(path)
    ]
    if not all(len(each) for each in others):
        raise GalleryError("--not takes pictures of somebody, not *")
    for person in people:
        for other in others:
            apart = near(person.gallery.distances(other.embedding), tolerance, spec.metric)
            rows = np.flatnonzero(np.median(apart, axis=1) <= BY_ITSELF)
            if len(rows):
                who = person.name or "the person asked for"
                files = _listed([other.names[row] for row in rows])
                raise GalleryError(f"--not {files} shows {who}: leave it out")
    return tuple(others)


def _composed(name: str) -> str:
    """A name as it is typed: some systems give a folder's accents apart from its letters."""
    return unicodedata.normalize("NFC", name)


def _exists(path: str) -> bool:
    if is_address(path):
        return True
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # longer than any, or of characters that no name has
        return False


def _apart(path: str) -> list[str]:
    """The sub-folders of a folder that holds nothing else; else the path itself."""
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    inside = [each for each in folder.iterdir() if each.name[:1] != "."]
    if inside and all(each.is_dir() for each in inside):
        return sorted(str(each) for each in inside)
    return [path]


def _same(one: Gallery, other: Gallery) -> list[str]:
    """Files of references that two people share."""
    theirs = {row.tobytes() for row in other.embedding}
    return [
        name for name, row in zip(one.names, one.embedding, strict=True) if row.tobytes() in theirs
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
