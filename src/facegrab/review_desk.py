"""A folder under review, as its pages ask for it: tracks in words, faces and frames as images."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from facegrab.address import located
from facegrab.applying import apply
from facegrab.errors import (
    FaceGrabError,
    SettingError,
    StoreError,
)
from facegrab.people.group import NOBODY, group
from facegrab.people.verdicts import AMBIGUOUS, ASK, DROP, KEEP
from facegrab.review_images import FaceImages, spread
from facegrab.reviewing import APART, ONE, Film, Reviewing
from facegrab.store.database import may_be_held
from facegrab.store.output import INDEX_NAME
from facegrab.store.reviews import SAID
from facegrab.types import IntArray
from facegrab.view.links import clock
from facegrab.view.review import PER_PAGE, Applying, Counts, Grouped, Picture, Shown

IN_A_STRIP = 12
"""Faces by which a track is shown."""
SURELY = 8
"""Tracks that are shown to compare with."""
MOST_SHOWN = 400
"""Faces of one track on its page."""
MOST_NAMED = 10_000
"""Tracks, the longest, that one answer about a group is about."""
MOST_GROUPS, MOST_OF_A_GROUP = 20, 3
"""People without a name on a page, and tracks by which each is shown."""
_STATES = {KEEP: "kept", ASK: "in doubt", AMBIGUOUS: "one of several", DROP: "somebody else"}


class ReviewDesk:
    """See view.review.Desk.

    Args:
        folder: that a run wrote.
        renew: is called when the folder was changed, to bring its report up to date.
        device: that decodes.

    Raises:
        MissingError, StoreError, SettingError: see Reviewing.
    """

    def __init__(self, folder: Path, renew: Callable[[], object], device: str = "cpu") -> None:
        self._reviewing = Reviewing(folder)
        self._renew = renew
        self._device = device
        self._images = FaceImages(folder, lambda: self._reviewing.extracts, device)
        self._thread: threading.Thread | None = None
        self._lines: tuple[str, ...] = ()
        self.ended = threading.Event()

    def close(self) -> None:
        """Waits for what is being applied."""
        if self._thread:
            self._thread.join()

    @property
    def title(self) -> str:
        """See Desk."""
        return self._reviewing.folder.absolute().name

    @property
    def people(self) -> Sequence[str]:
        """See Desk."""
        return self._reviewing.people

    @property
    def unseen(self) -> Sequence[str]:
        """Paths of sources that were not seen to their end, and are not shown."""
        return self._reviewing.unseen

    def counts(self) -> Counts:
        """See Desk."""
        tracks = self._reviewing.tracks
        kept = int((tracks.verdict == KEEP).sum())
        doubtful = int((tracks.doubt > 0).sum())
        return Counts(self._reviewing.answers, doubtful, kept, len(tracks))

    def next(self) -> Shown | None:
        """See Desk."""
        with self._reviewing.lock:
            self._refresh()
            track = self._reviewing.next()
            return None if track is None else self._shown(track)

    def surest(self, person: str) -> tuple[tuple[str, Picture], ...]:
        """See Desk."""
        with self._reviewing.lock:
            tracks = self._reviewing.tracks
            theirs = np.flatnonzero((tracks.person == person) & (tracks.verdict == KEEP))
            order = np.lexsort(
                (-tracks.length[theirs], -tracks.share[theirs], ~tracks.told[theirs])
            )
            found = []
            for track in theirs[order[:SURELY]].tolist():
                faces = self._film(track).faces
                rows = tracks.rows_of(track)
                best = int(faces.sharpness[rows].argmax())
                found.append((self._reviewing.key(track), self._picture(track, best)))
            return tuple(found)

    def track(self, key: str) -> Shown:
        """See Desk."""
        with self._reviewing.lock:
            return self._shown(self._reviewing.find(key), MOST_SHOWN)

    def listed(self, state: str, page: int) -> tuple[tuple[Shown, ...], int]:
        """See Desk."""
        with self._reviewing.lock:
            self._refresh()
            tracks = self._reviewing.tracks
            is_so = {
                "doubt": (tracks.doubt > 0) | np.isin(tracks.verdict, (ASK, AMBIGUOUS)),
                "kept": tracks.verdict == KEEP,
                "told": tracks.told | tracks.refused,
                "skipped": tracks.skipped,
                "other": tracks.verdict == DROP,
            }[state]
            rows = np.flatnonzero(is_so)
            share = np.nan_to_num(tracks.share[rows], nan=0)
            key = -share if state == "other" else share
            rows = rows[np.lexsort((-tracks.length[rows], key))]
            pages = max(-(-len(rows) // PER_PAGE), 1)
            part = rows[page * PER_PAGE : (page + 1) * PER_PAGE].tolist()
            return tuple(self._shown(track, 6) for track in part), pages

    def groups(self) -> tuple[Grouped, ...]:
        """See Desk."""
        with self._reviewing.lock:
            self._refresh()
            tracks, films = self._reviewing.tracks, self._reviewing.films
            theirs = np.flatnonzero((tracks.verdict == DROP) & ~tracks.told)
            if not len(theirs):
                return ()
            rows = [tracks.rows_of(track) for track in theirs.tolist()]
            of = np.repeat(theirs, [len(each) for each in rows])
            faces = [films[int(tracks.film[t])].faces for t in theirs.tolist()]
            asked = self._reviewing.asked
            person = group(
                np.concatenate([f.embedding[r] for f, r in zip(faces, rows, strict=True)]),
                of,
                np.concatenate([f.frame[r] for f, r in zip(faces, rows, strict=True)]),
                tracks.film[of],
                asked.metric,
                asked.tolerance,
            )
            return tuple(self._groups_of(of, person))

    def _refresh(self) -> None:
        """Notices what others did; while a run holds the folder, what is known is shown."""
        if not may_be_held(self._reviewing.folder / INDEX_NAME):
            with suppress(StoreError):
                self._reviewing.refresh()

    def _groups_of(self, of: IntArray, person: IntArray) -> Iterator[Grouped]:
        for number in range(min(int(person.max(initial=NOBODY)) + 1, MOST_GROUPS)):
            members, counts = np.unique(of[person == number], return_counts=True)
            longest = members[np.argsort(-counts, kind="stable")][:MOST_OF_A_GROUP]
            known = members[np.argsort(-counts, kind="stable")][:MOST_NAMED]
            keys = tuple(self._reviewing.key(track) for track in known.tolist())
            shown = tuple(self._shown(track, 6) for track in longest.tolist())
            yield Grouped(int(counts.sum()), keys, shown)

    def say(self, said: str, person: str, keys: Sequence[str], since: int | None) -> int:
        """See Desk."""
        if said not in SAID:
            raise SettingError("That was not sent by this page")
        if not keys:
            raise SettingError("Choose a track first")
        with self._reviewing.lock:
            tracks = [self._reviewing.find(key) for key in dict.fromkeys(keys)]
            rows = None
            if said == APART:
                every = self._reviewing.tracks.rows_of(tracks[0])
                if len(tracks) != 1 or since is None or not 0 < since < len(every):
                    raise SettingError("A track is split at one of its faces, not at the first")
                rows = every[since:]
            if said == ONE and len(tracks) < 2:
                raise SettingError("Choose two tracks or more that are one person")
            whose = "" if said in (APART, ONE) else person
            return self._reviewing.say(said, whose, tracks, rows)

    def undo(self, mine: Sequence[int]) -> int | None:
        """See Desk."""
        return self._reviewing.undo(mine)

    def face(self, key: str, number: int) -> tuple[bytes, str] | None:
        """See Desk."""
        with self._reviewing.lock:
            film, row, rows = self._row(key, number)
        return self._images.face(film, row, spread(rows, IN_A_STRIP))

    def frame(self, key: str, number: int) -> bytes | None:
        """See Desk."""
        with self._reviewing.lock:
            film, row, _ = self._row(key, number)
        return self._images.frame(film, row)

    def apply(self) -> None:
        """See Desk."""
        with self._reviewing.lock:
            if self._thread and self._thread.is_alive():
                return
            self._lines = ("Applying.",)
            self._thread = threading.Thread(target=self._apply, name="facegrab-apply")
            self._thread.start()

    def applying(self) -> Applying | None:
        """See Desk."""
        thread = self._thread
        return None if thread is None else Applying(thread.is_alive(), self._lines)

    def end(self) -> None:
        """See Desk."""
        self.ended.set()

    def _apply(self) -> None:
        def step(path: str, done: int, count: int) -> None:
            self._lines = (f"Source {done + 1} of {count}: {path}",) if path else self._lines

        lines: tuple[str, ...] = ()
        try:
            done = apply(self._reviewing.folder, step, self._device)
            lines = applied_lines(done.made, done.gone, done.there, done.failed)
            self._lines = (*lines, "Writing the report.")
            self._renew()
            self._reviewing.reread()
            self._lines = lines
        except FaceGrabError as error:  # what was done before stays said
            self._lines = (*lines, str(error))

    def _film(self, track: int) -> Film:
        return self._reviewing.films[int(self._reviewing.tracks.film[track])]

    def _row(self, key: str, number: int) -> tuple[Film, int, IntArray]:
        """A face: its film, its row there, and the rows of its track."""
        track = self._reviewing.find(key)
        rows = self._reviewing.tracks.rows_of(track)
        if not 0 <= number < len(rows):
            raise SettingError("There is no such face")
        return self._film(track), int(rows[number]), rows

    def _picture(self, track: int, number: int) -> Picture:
        row = self._reviewing.tracks.rows_of(track)[number]
        seconds = float(self._film(track).faces.pts_seconds[row])
        return Picture(number, clock(seconds, tenths=True))

    def _shown(self, track: int, most: int = IN_A_STRIP) -> Shown:
        tracks, film = self._reviewing.tracks, self._film(track)
        rows, share = tracks.rows_of(track), float(tracks.share[track])
        seconds = film.faces.pts_seconds[rows]
        number = np.arange(len(rows))
        chosen = number[:most] if most == MOST_SHOWN else spread(number, most)
        state = _STATES[str(tracks.verdict[track])]
        answered = bool(tracks.told[track] or tracks.refused[track])
        return Shown(
            self._reviewing.key(track),
            located(film.known.path).name,
            clock(float(seconds[0]), tenths=True),
            clock(float(seconds[-1]), tenths=True),
            len(rows),
            str(tracks.person[track]),
            None if np.isnan(share) else round(100 * share),
            f"{state}, answered" if answered else state,
            answered,
            tuple(self._picture(track, each) for each in chosen.tolist()),
        )


def applied_lines(
    made: int, gone: int, there: int, failed: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """What applying did, in sentences."""
    lines = [f"Applied: {made} extracts came, {gone} went, {there} are there."]
    lines += [f"Not all of {path}: {why}" for path, why in failed]
    return tuple(lines)
