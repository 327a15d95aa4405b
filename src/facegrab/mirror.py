"""Results in a bucket: a work folder here, whose files are sent there while a run goes on.

The run writes into the folder as into any other; the index cannot live elsewhere. What is sent is
ordered so that the index in the bucket never lists an extract that is not there, whenever it stops:
first what is coming is named (STATE_NAME), then extracts go up, then a copy of the index, and at
last what is no longer wanted goes away. Extracts that workers put there themselves (shelf.py) are
copied by the store; of those, files in the folder stand in their places (store/away.py).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from facegrab.cache import cache_folder
from facegrab.errors import FaceGrabError, OutputError
from facegrab.media.bucket import Bucket
from facegrab.store.album import leads_inside
from facegrab.store.away import PARTS, Away, Stamp, away_of
from facegrab.store.database import Database
from facegrab.store.files import atomic, make_folder, printable, safe_name, writing
from facegrab.store.output import INDEX_NAME, Output
from facegrab.store.sent import Sent, forget_lost, listed_in, stamp_of

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
"""From one sending to the next: what another machine would have to do again, at most."""
MOST_OF_TIME = 20
"""Times as long as a sending took are waited before the next: it costs a twentieth of a run."""
THREADS = 8
"""Objects on their way at a time: each takes some tens of milliseconds, mostly waiting."""
FEWEST_COPIES = 1000
"""That others are asked for: it takes some seconds to begin."""
STATE_NAME = ".facegrab.state"
"""An object that says which work folder writes there, and the names that are on their way."""
_PROBE_NAME = ".facegrab.probe"
_MOST_STATE_BYTES = 256 * 2**20
"""Names of millions of extracts, as when a bucket was emptied and all go up again."""
_WORK_FOLDERS = "outputs"
"""In the cache."""
_RESULTS = re.compile(r"facegrab\.csv|index(-\d+)?\.html|([^/]+/)?references\.npz|best/.+")
"""What of a folder no index lists."""


class Mirror:
    """A work folder and the bucket that gets what is in it.

    All that can be known is said at once: an object is put there and taken away again. A folder
    that is new gets what the bucket has.

    Args:
        name: ``s3://bucket/folder``.
        work: the folder here, empty or the same address's; None: one in the cache.
        away: workers put extracts there, and those that are there stay there.
        copies: copies many objects there, given their names and those of the copies; None: they
            are asked for here.

    Raises:
        OutputError: the address or the folder holds something else, another machine has written
            there since, or there is not enough room here for what is there.
        MissingError: no such bucket.
        AccessError: the keys do not allow it, or there are none.
        MediaError: the store does not answer.
        DeviceError: what is needed for it is not installed.
        StoreError: the folder is in use by another run, or the bucket's index is damaged.
    """

    def __init__(
        self,
        name: str,
        work: Path | None = None,
        *,
        away: bool = False,
        copies: Callable[[Sequence[tuple[str, str]]], None] | None = None,
    ) -> None:
        self._bucket = Bucket(name)
        self._copies = copies
        self.away = away
        self.address = str(self._bucket.address)
        self.folder = work or _work_folder(self.address)
        self._next_seconds = 0.0
        self._sent = Sent(self.folder, self.address)
        index = self.folder / INDEX_NAME
        if index.exists():
            with Database(index):  # nobody else is at it
                pass
        there = self._bucket.sizes_bytes()
        state = self._state()
        self._check_free(state, there, new=not index.exists())
        coming = {each for each in state.get("coming", ()) if each in there and leads_inside(each)}
        stamps = {each: stamp for each, stamp in self._sent.stamps.items() if each in there}
        self._sent.keep(
            {
                name: stamp if stamp and stamp[0] == there[name] else None
                for name, stamp in {**dict.fromkeys(coming), **stamps}.items()
            }
        )
        self._claim(sorted(coming))
        if not index.exists() and INDEX_NAME in there:
            self._bring(there)
        if index.exists():
            self._look_after(there)
        else:
            self._sweep(there)

    def follow(self, output: Output) -> None:
        """Sends what is new, if it is time; called when all that is in the folder is committed.

        Raises:
            OutputError: it cannot be sent; nothing here is lost.
        """
        if time.monotonic() >= self._next_seconds:
            self._send(output.copy_index)

    def finish(self) -> int:
        """Sends all that is not sent yet; the run has let go of the folder.

        Returns:
            the files that the bucket has now, besides the index.

        Raises:
            OutputError: it cannot be sent; nothing here is lost.
            StoreError: somebody else has taken the folder.
        """
        if (self.folder / INDEX_NAME).exists():  # else stopped before there was anything
            with Database(self.folder / INDEX_NAME) as database:
                self._send(database.copy_to)
            self._sweep(self._bucket.sizes_bytes(PARTS))
        return len(self._sent.stamps)

    # Beginning

    def _state(self) -> dict[str, Any]:
        """What the bucket says about who writes there; empty if nobody has.

        Raises:
            OutputError: it is damaged.
        """
        text = self._bucket.read(STATE_NAME, _MOST_STATE_BYTES)
        if text is None:
            return {}
        try:
            state = json.loads(text)
            if isinstance(state["work"], str) and all(isinstance(n, str) for n in state["coming"]):
                return dict(state)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise OutputError(
            f"{self.address}/{STATE_NAME} is damaged: remove it, and run the same command again"
        )

    def _check_free(self, state: dict[str, Any], there: dict[str, int], *, new: bool) -> None:
        others = any(each != _PROBE_NAME and not _is_part(each) for each in there)
        if not state and others and INDEX_NAME not in there:
            raise OutputError(f"{self.address} holds other files: choose an empty folder there")
        if state and not new:
            self._check_ours(state)

    def _check_ours(self, state: dict[str, Any]) -> None:
        if state.get("work") != self._sent.work:
            raise OutputError(
                f"{self.address} has been written from another machine or folder since "
                f"({printable(str(state.get('host')))[:60]}): if no run is at it any more, remove "
                f"{self.folder} and run the same command again: it goes on from what is there"
            )

    def _claim(self, coming: list[str]) -> None:
        """Says whose the folder is from now on, after a try whether it may be written."""
        self._bucket.write(_PROBE_NAME, b"")
        self._bucket.remove(_PROBE_NAME)
        self._tell(coming)

    def _tell(self, coming: Iterable[str]) -> None:
        state = {"work": self._sent.work, "host": platform.node(), "coming": list(coming)}
        self._bucket.write(STATE_NAME, json.dumps(state).encode("ascii"))

    def _bring(self, there: dict[str, int]) -> None:
        """What the bucket has comes here, the index last."""
        part = self.folder / f".{INDEX_NAME}.brought"
        self._bucket.get(INDEX_NAME, part)
        extracts = listed_in(part)
        self._forget(part, extracts - there.keys())
        wanted = [
            name
            for name in there
            if name in extracts or (leads_inside(name) and _RESULTS.fullmatch(name))
        ]
        missing = [name for name in wanted if not self._is_here(name, there[name])]
        if self.away:
            stay = [name for name in missing if name in extracts]
            for name in stay:
                make_folder((self.folder / name).parent)
                with atomic(self.folder / name) as path:
                    path.write_bytes(Away.found(name, there[name]).content)
            missing = [name for name in missing if name not in extracts]
        needed = sum(there[name] for name in missing)
        if needed > shutil.disk_usage(self.folder).free:
            raise OutputError(
                f"{self.address} holds {needed / 1e9:.1f} GB, for which there is no room in "
                f"{self.folder}: free some, or choose another folder with --work"
            )
        for each in missing:
            make_folder((self.folder / each).parent)
        _LOG.info("bringing %d files, %.1f MB, from %s", len(missing), needed / 1e6, self.address)
        self._each(missing, lambda name: self._bucket.get(name, self.folder / name))
        self._sent.add({name: stamp_of(self.folder / name) for name in wanted})
        with writing(part):
            part.replace(self.folder / INDEX_NAME)

    def _is_here(self, name: str, size_bytes: int) -> bool:
        path = self.folder / name
        return path.is_file() and stamp_of(path)[0] == size_bytes

    def _look_after(self, there: dict[str, int]) -> None:
        """What lies in the bucket only: parts that nobody wants go, what is gone comes again."""
        sent = set(self._sent.stamps.values())
        parts, lost = set[str](), list[str]()
        for name, _ in _files(self.folder):
            away = self._away(name)
            if away is None or away.stamp in sent:
                continue
            if away.place in there:
                parts.add(away.place)
            else:
                lost.append(name)
        if lost:
            self._forget(self.folder / INDEX_NAME, lost)
            for name in lost:
                with writing(self.folder / name):
                    (self.folder / name).unlink()
        self._sweep(each for each in there if each not in parts)

    def _forget(self, index: Path, lost: Collection[str]) -> None:
        """Extracts that are nowhere any more are made again."""
        if lost:
            _LOG.warning("%d extracts are gone from %s: made again", len(lost), self.address)
            forget_lost(index, lost)

    def _away(self, name: str) -> Away | None:
        path = self.folder / name
        return away_of(path, path.stat().st_size)

    def _sweep(self, names: Iterable[str]) -> None:
        """Takes parts away that nobody wants any more."""
        self._bucket.remove_all([each for each in names if _is_part(each)])

    # Sending

    def _send(self, copy_index: Callable[[Path], None]) -> None:
        start = time.monotonic()
        try:
            self._check_ours(self._state())
            self._send_all(copy_index)
        except FaceGrabError as error:
            raise OutputError(
                f"{error}; nothing is lost: all that is done lies in {self.folder}"
            ) from error
        end = time.monotonic()
        self._next_seconds = end + max(EVERY_SECONDS, MOST_OF_TIME * (end - start))

    def _send_all(self, copy_index: Callable[[Path], None]) -> None:
        here = dict(_files(self.folder))
        known = self._sent.stamps
        new = [name for name, stamp in here.items() if known.get(name) != stamp]
        gone = [name for name in known if name not in here]
        copy = self.folder / f".{INDEX_NAME}.copy"
        try:
            copy_index(copy)
            self._tell([*new, *gone])
            self._sent.add(dict.fromkeys(name for name in new if name in known))
            copied = self._bring_up(new)
            self._sent.add({name: here[name] for name in new})
            self._each([INDEX_NAME], lambda name: self._bucket.put(name, copy))
        finally:
            with writing(copy):
                copy.unlink(missing_ok=True)
        self._sweep(copied)
        self._each(gone, self._bucket.remove)
        self._sent.drop(gone)
        self._tell(())

    def _bring_up(self, names: Sequence[str]) -> list[str]:
        """Puts files there, or has the store copy what lies there already.

        Returns:
            of what there are copies.
        """
        places = {stamp: name for name, stamp in self._sent.stamps.items() if stamp}
        aways = {name: away for name in names if (away := self._away(name))}
        pairs = [(places.get(away.stamp, away.place), name) for name, away in aways.items()]
        files = [name for name in names if name not in aways]
        self._each(files, lambda name: self._bucket.put(name, self.folder / name))
        if self._copies and len(pairs) >= FEWEST_COPIES:
            self._copies(pairs)
        else:
            self._each(pairs, lambda pair: self._bucket.copy(*pair))
        return [place for place, _ in pairs]

    def _each(self, names: Iterable[T], call: Callable[[T], None]) -> None:
        """Does something with several objects; when it returns or raises, none is on its way."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="facegrab-mirror") as pool:
            for _ in pool.map(call, names):
                pass


def check_apart(output: str, inputs: Iterable[object]) -> None:
    """Refuses an output that lies in what is searched.

    Args:
        output: address of a bucket's folder.
        inputs: paths and addresses.

    Raises:
        OutputError: it does.
    """
    for each in inputs:
        if f"{output}/".startswith(f"{str(each).rstrip('/')}/"):
            raise OutputError(
                f"{output} lies in what is searched, {each}: its extracts would be searched, too; "
                "choose another output"
            )


def _work_folder(address: str) -> Path:
    key = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return cache_folder() / _WORK_FOLDERS / f"{safe_name(address.rpartition('/')[2])}-{key}"


def _is_part(name: str) -> bool:
    return name.startswith(f"{PARTS}/")


def _files(folder: Path) -> Iterable[tuple[str, Stamp]]:
    """All files to be sent, by their names below the folder; hidden ones and the index are not."""
    for inside, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for each in names:
            path = Path(inside, each)
            name = path.relative_to(folder).as_posix()
            ours = not each.startswith(".") and not name.startswith(INDEX_NAME)
            if ours and leads_inside(name) and not path.is_symlink():
                yield name, stamp_of(path)
