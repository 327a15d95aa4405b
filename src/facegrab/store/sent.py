"""What a bucket holds of a folder that is sent there, noted in the folder itself."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from facegrab.errors import OutputError
from facegrab.store.album import leads_inside
from facegrab.store.away import Stamp, away_of
from facegrab.store.database import Database
from facegrab.store.files import atomic, make_folder, writing

NOTE_NAME = ".facegrab.sent"
_LONGEST_LINE_BYTES = 4096
"""Of a note: a name has four parts of 255 bytes at most, which JSON may spell out as six each."""


class Sent:
    """The files that a bucket has, or may have, of a folder that is there for it alone.

    Lines are added when a file is there; what was on its way when a run was stopped the bucket
    itself tells.

    Args:
        folder: made if missing.
        address: where its files go.

    Raises:
        OutputError: the folder holds anything else, or is another address's.
        AccessError: it may not be written.
    """

    def __init__(self, folder: Path, address: str) -> None:
        make_folder(folder)
        self._path = folder / NOTE_NAME
        self._address = address
        self.work = secrets.token_hex(16)
        """By which the bucket knows the folder."""
        self.stamps: dict[str, Stamp | None] = {}
        """Of the files, by their names below the folder; None: what is there may be another's."""
        if self._path.exists():
            self._read()
        elif any(folder.iterdir()):
            raise OutputError(
                f"{folder} holds other files: choose an empty folder for what goes to {address}"
            )

    def keep(self, stamps: Mapping[str, Stamp | None]) -> None:
        """Begins the note anew.

        Args:
            stamps: all there are.
        """
        self.stamps = dict(stamps)
        head = json.dumps({"address": self._address, "work": self.work})
        with atomic(self._path) as part, part.open("w", encoding="ascii") as file:
            file.write(f"{head}\n")
            file.writelines(_line(name, stamp) for name, stamp in self.stamps.items())

    def add(self, stamps: Mapping[str, Stamp | None]) -> None:
        """Notes some files that are there now, or that are about to be others."""
        self.stamps.update(stamps)
        with writing(self._path), self._path.open("a", encoding="ascii") as file:
            file.writelines(_line(name, stamp) for name, stamp in stamps.items())
            file.flush()
            os.fsync(file.fileno())

    def drop(self, names: Iterable[str]) -> None:
        """Files that the bucket has no longer; a note too many does no harm."""
        for name in names:
            self.stamps.pop(name, None)

    def _read(self) -> None:
        with writing(self._path), self._path.open("rb") as file:
            head = _parsed(file)
            if not isinstance(head, dict) or not isinstance(head.get("work"), str):
                raise OutputError(f"{self._path} is damaged: remove the folder, or choose another")
            if head.get("address") != self._address:
                raise OutputError(
                    f"{self._path.parent} is the work folder of {head.get('address')}: choose "
                    f"another for {self._address}"
                )
            self.work = head["work"]
            while (line := _parsed(file)) is not None:
                if isinstance(line, list):
                    self._take(line)

    def _take(self, line: list[Any]) -> None:
        name, *stamp = line or [None]
        if not isinstance(name, str) or not leads_inside(name):
            return
        whole = len(stamp) == 2 and all(isinstance(each, int) for each in stamp)
        self.stamps[name] = (stamp[0], stamp[1]) if whole else None


def _line(name: str, stamp: Stamp | None) -> str:
    return json.dumps([name, *(stamp or ())]) + "\n"


def _parsed(file: BinaryIO) -> Any:
    """The next line's value; "" if it is none, as where writing was cut; None at the end."""
    line = file.readline(_LONGEST_LINE_BYTES)
    if not line:
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return ""


def stamp_of(path: Path) -> Stamp:
    """By which a file is known to be the same as before.

    Raises:
        OutputError, AccessError: it is gone, or may not be looked at.
    """
    with writing(path):
        found = path.stat()
    away = away_of(path, found.st_size)
    return away.stamp if away else (found.st_size, found.st_mtime_ns)


def address_in(folder: Path) -> str | None:
    """Where the files of a folder go, as its note says; None if it has none."""
    try:
        with (folder / NOTE_NAME).open("rb") as file:
            head = _parsed(file)
    except OSError:
        return None
    address = head.get("address") if isinstance(head, dict) else None
    return address if isinstance(address, str) else None


def listed_in(path: Path) -> frozenset[str]:
    """Names of the extracts that an index from elsewhere lists; those that lead out are left out.

    Args:
        path: of the index, brought up to date if older.

    Raises:
        StoreError: it is none, is damaged or newer than this program.
    """
    with Database(path) as database:
        files = (str(file) for (file,) in database.fetch("SELECT file FROM extract"))
        return frozenset(file for file in files if leads_inside(file))


def forget_lost(path: Path, names: Iterable[str]) -> None:
    """Forgets extracts that are nowhere any more: the next run makes them again.

    Args:
        path: of the index that lists them.
        names: of their files.

    Raises:
        StoreError: it is in use.
    """
    with Database(path) as database, database.transaction():
        for name in names:
            database.execute(
                "UPDATE source SET complete = 0 WHERE id IN"
                " (SELECT source FROM extract WHERE file = ?)",
                (name,),
            )
            database.execute("DELETE FROM extract WHERE file = ?", (name,))
