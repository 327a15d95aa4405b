"""Seen once, asked often: what the index knows is not looked at again, and answers the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clips import another, write_clip, write_image
from fakes import (
    CLIP_FRAMES,
    RED_UNTIL,
    CtrlC,
    Notes,
    PaintedDetector,
    assert_consistent,
    contents,
    paint,
    painted_eyes,
    pictures,
    query,
    rows,
    scene,
    table,
)

from facegrab import answering
from facegrab.answering import Answering
from facegrab.cataloguing import scan_into
from facegrab.errors import MediaError, MissingError
from facegrab.grab import FaceGrab
from facegrab.media import Source, demuxing
from facegrab.media.plan import plan
from facegrab.settings import ProcessSettings, RecognitionSettings
from facegrab.store import album as albums
from facegrab.summary import Plan, Summary, Watcher

FAST = {"skip_frames": 0, "extract_size": 64, "scale": 0.5}


class User:
    """Somebody who asks, and sees how many frames were looked at for it."""

    def __init__(self) -> None:
        self.looked_at = 0

    def asks(
        self,
        reference: Path | str,
        source: Path | list[Path],
        folder: Path,
        *,
        index: Path | None = None,
        watcher: Watcher | None = None,
        tolerance: float = 0.6,
        per_frame: bool = False,
        **process: Any,
    ) -> Summary:
        eyes = painted_eyes()
        recognition = RecognitionSettings(tolerance, jitter=1, per_frame=per_frame)
        grab = FaceGrab(reference, recognition, ProcessSettings(**FAST | process), eyes=eyes)
        assert isinstance(eyes.detector, PaintedDetector)
        eyes.detector.batches.clear()
        try:
            return grab.process(source, folder, index=index, watcher=watcher)
        finally:
            self.looked_at = sum(eyes.detector.batches)

    def scans(
        self, index: Path, source: Path | list[Path], watcher: Watcher | None = None, **process: Any
    ) -> Summary:
        eyes = painted_eyes()
        assert isinstance(eyes.detector, PaintedDetector)
        try:
            settings = ProcessSettings(**FAST | process)
            return scan_into(index, source, settings, eyes=eyes, watcher=watcher)
        finally:
            self.looked_at = sum(eyes.detector.batches)


@pytest.fixture
def user() -> User:
    return User()


@pytest.fixture
def video(clip: Path, tmp_path: Path) -> Path:
    """A copy of the clip."""
    return Path(shutil.copy(clip, tmp_path / "video.mp4"))


def below(folder: Path) -> dict[str, bytes]:
    """Every file but the index by its path below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "facegrab.db"
    }


def images(folder: Path) -> dict[str, bytes]:
    """The same without the table."""
    return {name: data for name, data in below(folder).items() if name != "facegrab.csv"}


class TestTheSameSource:
    def test_one_that_was_moved_is_recognised(
        self, user: User, red: Path, video: Path, tmp_path: Path
    ) -> None:
        out, moved = tmp_path / "out", tmp_path / "elsewhere" / "other name.mp4"
        user.asks(red, video, out)
        before = images(out)
        moved.parent.mkdir()
        video.rename(moved)
        notes = Notes()
        summary = user.asks(red, moved, out, watcher=notes)
        assert user.looked_at == 0
        assert notes.plans[0].known
        assert (summary.sources_known, summary.frames_known) == (1, CLIP_FRAMES)
        assert (summary.faces_written, summary.faces_found) == (RED_UNTIL, CLIP_FRAMES + RED_UNTIL)
        assert images(out) == before
        assert {line["source"] for line in table(out)} == {str(moved)}
        assert query(out, "SELECT path FROM scan") == [(str(moved),)]
        assert_consistent(out)

    def test_a_folder_of_pictures_likewise(self, user: User, red: Path, tmp_path: Path) -> None:
        old, new, out = tmp_path / "old", tmp_path / "new", tmp_path / "out"
        old.mkdir()
        for number in range(3):
            write_image(old / f"{number}.png", scene(red=(10 + 9 * number, 20)))
        user.asks(red, old, out)
        assert user.looked_at == 3
        old.rename(new)
        assert user.asks(red, new, out).faces_written == 3
        assert user.looked_at == 0
        assert [line["source"] for line in table(out)] == [str(new / f"{n}.png") for n in range(3)]
        assert_consistent(out)

    def test_a_picture_that_joined_them_makes_it_another(
        self, user: User, red: Path, tmp_path: Path
    ) -> None:
        folder, out = tmp_path / "in", tmp_path / "out"
        folder.mkdir()
        for number in (1, 2):
            write_image(folder / f"{number}.png", scene(red=(10, 20)))
            assert user.asks(red, folder, out).faces_written == number
            assert user.looked_at == number
        assert_consistent(out)

    def test_one_that_changed_is_looked_at_and_its_old_images_go(
        self, user: User, red: Path, video: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        user.asks(red, video, out)
        before = pictures(out)
        write_clip(video, [scene(red=(100, 20)) for _ in range(3)])
        assert user.asks(red, video, out).faces_written == 3
        assert user.looked_at == 3
        assert len(pictures(out)) == 3
        assert pictures(out)[0] == before[0]  # the name stays, the picture is another
        assert query(out, "SELECT count(*) FROM scan") == [(1,)]
        assert query(out, "SELECT count(*) FROM face") == [(3,)]
        assert_consistent(out)
        user.asks(red, video, tmp_path / "fresh")
        assert contents(out) == contents(tmp_path / "fresh")

    def test_twice_in_one_run_it_is_read_once_and_that_is_said(
        self, user: User, red: Path, clip: Path, video: Path, tmp_path: Path
    ) -> None:
        summary = user.asks(red, [video, clip, video], tmp_path / "out")
        assert user.looked_at == summary.frames_read == CLIP_FRAMES
        assert summary.faces_written == RED_UNTIL == len(pictures(tmp_path / "out"))
        (line,) = set(summary.warnings)
        assert line == f"{clip} is the same as {video}: read once"
        assert not summary.failed
        assert_consistent(tmp_path / "out")


CHANGES: list[dict[str, Any]] = [
    {"reference": "green"},
    {"reference": "*"},
    {"tolerance": 0.3},
    {"per_frame": True},
    {"extract_size": 48},
    {"align": ("arcface:112",)},
    {"align": ("mean-face:64", "ffhq:96")},
    {"format": "png"},
    {"blur_threshold": 9000},
    {"upsample": False, "extract_size": 36},
    {"min_face": 40, "max_face": 46, "scale": "auto"},
]


class TestAnotherQuestion:
    """Of another folder, put to the index of the first."""

    @pytest.mark.parametrize("change", CHANGES, ids=str)
    def test_it_looks_at_nothing_and_answers_as_a_run_of_its_own(
        self,
        user: User,
        red: Path,
        green: Path,
        clip: Path,
        tmp_path: Path,
        change: dict[str, Any],
    ) -> None:
        first, second, fresh = (tmp_path / name for name in ("first", "second", "fresh"))
        sizes: dict[str, Any] = {"min_face": 40, "scale": "auto"} if "max_face" in change else {}
        user.asks(red, clip, first, **sizes)
        before = contents(first), rows(first)
        assert user.looked_at == CLIP_FRAMES
        others: dict[str, Path | str] = {"green": green, "*": "*"}
        reference = others.get(change.get("reference", ""), red)
        more = {name: value for name, value in change.items() if name != "reference"}
        asked = user.asks(reference, clip, second, index=first / "facegrab.db", **more)
        assert user.looked_at == 0
        assert asked.sources_known == 1
        alone = user.asks(reference, clip, fresh, **more)
        assert user.looked_at == CLIP_FRAMES
        assert images(second) == images(fresh)
        assert (second / "facegrab.csv").read_text() == (fresh / "facegrab.csv").read_text()
        for name in ("faces_found", "faces_matched", "faces_written", "dropped", "frames_read"):
            assert getattr(asked, name) == getattr(alone, name)
        assert (contents(first), rows(first)) == before

    def test_nobody_decodes_with_more_threads_than_may_be_used(
        self, user: User, red: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[int] = []

        def noted(threads: int) -> int:
            given.append(threads)
            return 1

        monkeypatch.setattr(demuxing, "decoding_threads", noted)
        assert user.asks(red, clip, tmp_path / "first", threads=3).faces_written
        looked = len(given)
        index = tmp_path / "first" / "facegrab.db"
        assert user.asks(red, clip, tmp_path / "second", index=index, threads=3, extract_size=32)
        assert user.looked_at == 0
        sought = len(given)
        assert plan(Source(clip), threads=3)
        assert 0 < looked < sought < len(given)
        assert {*given} == {3}

    def test_a_coarser_one_is_answered_from_a_finer_look(
        self, user: User, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        user.asks(red, clip, tmp_path / "fine", skip_frames=1)
        index = tmp_path / "fine" / "facegrab.db"
        user.asks(red, clip, tmp_path / "coarse", index=index, skip_frames=5)
        assert user.looked_at == 0
        user.asks(red, clip, tmp_path / "fresh", skip_frames=5)
        assert below(tmp_path / "coarse") == below(tmp_path / "fresh")
        assert {line["frame"] for line in table(tmp_path / "coarse")} == {
            str(frame) for frame in range(0, CLIP_FRAMES, 6)
        }

    @pytest.mark.parametrize("finer", [{"skip_frames": 0}, {"skip_frames": 3}, {"scale": 0.6}])
    def test_a_finer_one_looks_again(
        self, user: User, red: Path, clip: Path, tmp_path: Path, finer: dict[str, Any]
    ) -> None:
        asked: dict[str, Any] = {"skip_frames": 4} | finer
        user.asks(red, clip, tmp_path / "coarse", skip_frames=4)
        index = tmp_path / "coarse" / "facegrab.db"
        user.asks(red, clip, tmp_path / "fine", index=index, **asked)
        assert user.looked_at == len(range(0, CLIP_FRAMES, asked["skip_frames"] + 1))
        user.asks(red, clip, tmp_path / "fresh", **asked)
        assert below(tmp_path / "fine") == below(tmp_path / "fresh")
        assert query(tmp_path / "coarse", "SELECT count(*) FROM scan") == [(2,)]

    def test_an_interrupted_one_goes_on(
        self, user: User, green: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index = tmp_path / "seen.db"
        user.scans(index, clip)
        monkeypatch.setattr(answering, "AT_A_TIME", 4)
        out = tmp_path / "out"
        assert user.asks(green, clip, out, index=index, watcher=CtrlC(2)).interrupted
        # What is in place is in the index, too; after the second batch nothing more came.
        files = sorted(file for (file,) in query(out, "SELECT file FROM extract"))
        assert files == pictures(out)
        assert len(files) == 8
        assert not user.asks(green, clip, out, index=index).interrupted
        assert user.looked_at == 0
        user.asks(green, clip, tmp_path / "fresh")
        assert below(out) == below(tmp_path / "fresh")

    def test_two_folders_learn_that_a_video_changed(
        self, user: User, red: Path, green: Path, video: Path, tmp_path: Path
    ) -> None:
        index, one, other = (tmp_path / name for name in ("seen.db", "one", "other"))
        for reference, folder in ((red, one), (green, other)):
            user.asks(reference, video, folder, index=index)
        write_clip(video, [scene(red=(100, 20), green=(10, 20)) for _ in range(3)])
        for reference, folder, looked_at in ((red, one, 3), (green, other, 0)):
            user.asks(reference, video, folder, index=index)
            assert user.looked_at == looked_at
            assert len(pictures(folder)) == 3
            assert len(table(folder)) == 6
            user.asks(reference, video, tmp_path / "fresh" / folder.name)
            assert below(folder) == below(tmp_path / "fresh" / folder.name)

    def test_an_index_in_the_folder_itself_is_no_other(
        self, user: User, red: Path, clip: Path, tmp_path: Path
    ) -> None:
        user.asks(red, clip, tmp_path, index=tmp_path / "facegrab.db")
        before = rows(tmp_path)
        user.asks(red, clip, tmp_path)
        assert user.looked_at == 0
        assert rows(tmp_path) == before
        assert_consistent(tmp_path)


class TestScanInto:
    def test_everything_is_seen_and_no_picture_made(
        self, user: User, red: Path, green: Path, clip: Path, tmp_path: Path
    ) -> None:
        index = tmp_path / "deep" / "seen.db"
        summary = user.scans(index, clip)
        assert user.looked_at == summary.frames_looked_at == CLIP_FRAMES
        assert summary.faces_found == CLIP_FRAMES + RED_UNTIL
        assert summary.faces_written == 0
        assert [path.name for path in index.parent.iterdir()] == ["seen.db"]
        for reference in (red, green):
            name = reference.stem
            user.asks(reference, clip, tmp_path / name, index=index)
            assert user.looked_at == 0
            user.asks(reference, clip, tmp_path / "fresh" / name)
            assert below(tmp_path / name) == below(tmp_path / "fresh" / name)

    def test_again_it_looks_at_nothing(self, user: User, clip: Path, tmp_path: Path) -> None:
        first = user.scans(tmp_path / "seen.db", clip)
        before = (tmp_path / "seen.db").read_bytes()
        again = user.scans(tmp_path / "seen.db", clip)
        assert user.looked_at == 0
        assert (again.sources_known, again.frames_known) == (1, CLIP_FRAMES)
        assert again.faces_found == first.faces_found
        assert (tmp_path / "seen.db").read_bytes() == before

    @pytest.mark.usefixtures("short_segments")
    @pytest.mark.parametrize("batches", [1, 3, 6])
    def test_interrupted_it_goes_on_with_the_segment_that_was_not_finished(
        self, user: User, red: Path, clip: Path, tmp_path: Path, batches: int
    ) -> None:
        index = tmp_path / "a.db"
        assert user.scans(index, clip, CtrlC(batches), batch_size=2).interrupted
        summary = user.scans(index, clip, batch_size=2)
        # Two batches of two are a segment of four; a whole one is committed when the next begins.
        done = 4 * ((batches - 1) // 2)
        assert user.looked_at == CLIP_FRAMES - done
        assert summary.frames_known == done
        assert summary.frames_looked_at == CLIP_FRAMES
        user.scans(tmp_path / "b.db", clip, batch_size=2)
        asked = (user.asks(red, clip, tmp_path / n, index=tmp_path / f"{n}.db") for n in "ab")
        assert [each.faces_written for each in asked] == [RED_UNTIL] * 2
        assert below(tmp_path / "a") == below(tmp_path / "b")

    def test_nothing_readable_makes_no_index(self, user: User, tmp_path: Path) -> None:
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"no video at all" * 99)
        with pytest.raises(MediaError, match=r"bad\.mp4"):
            user.scans(tmp_path / "deep" / "seen.db", bad)
        assert not (tmp_path / "deep").exists()


class Meddler(Notes):
    """Somebody who changes a source after it was recognised, before its images are made."""

    def __init__(self, source: Path, meddle: Callable[[Path], object]) -> None:
        super().__init__()
        self._source, self._meddle = source, meddle

    def begin(self, plan: Plan) -> None:
        super().begin(plan)
        if plan.source == self._source:
            self._meddle(self._source)


def shorten(path: Path) -> None:
    write_clip(path, [scene(green=(10, 20)) for _ in range(5)])


def slow_down(path: Path) -> None:
    write_clip(path, [scene(green=(10, 20)) for _ in range(CLIP_FRAMES)], rate=10)


def spoil(path: Path) -> None:
    path.write_bytes(b"no video at all" * 99)


class TestGoneBetween:
    """A source that vanished or changed between the look and the images: a line, no more."""

    @pytest.mark.parametrize("meddle", [Path.unlink, shorten, slow_down, spoil])
    def test_the_others_are_done(
        self,
        user: User,
        green: Path,
        clip: Path,
        video: Path,
        tmp_path: Path,
        meddle: Callable[[Path], object],
    ) -> None:
        other = another(clip, tmp_path / "other.mp4")
        user.scans(tmp_path / "seen.db", [video, other])
        out, watcher = tmp_path / "out", Meddler(video, meddle)
        summary = user.asks(green, [video, other], out, index=tmp_path / "seen.db", watcher=watcher)
        assert user.looked_at == 0
        ((path, why),) = summary.failed
        assert path == video
        assert str(video) in why
        assert "\n" not in why
        files = pictures(out)
        assert len([name for name in files if name.startswith("other_")]) == CLIP_FRAMES
        assert files == sorted(file for (file,) in query(out, "SELECT file FROM extract"))
        assert watcher.ended == 2

    def test_of_the_only_one_it_is_the_error(
        self, user: User, green: Path, video: Path, tmp_path: Path
    ) -> None:
        user.scans(tmp_path / "seen.db", video)
        watcher = Meddler(video, Path.unlink)
        with pytest.raises(MissingError, match=r"video\.mp4"):
            user.asks(green, video, tmp_path / "o", index=tmp_path / "seen.db", watcher=watcher)
        assert watcher.ended == 1


class TestPerFrame:
    @pytest.fixture
    def flicker(self, tmp_path: Path) -> Path:
        """Red, who looks like their cousin for two frames."""
        frames = [scene() for _ in range(12)]
        for number, frame in enumerate(frames):
            paint(frame, "orange" if number in (5, 6) else "red", 20 + 2 * number, 40)
        return write_clip(tmp_path / "f.mp4", frames, options={"preset": "ultrafast", "g": "1"})

    def test_a_track_speaks_for_its_faces_unless_each_is_to_decide_by_itself(
        self, user: User, red: Path, flicker: Path, tmp_path: Path
    ) -> None:
        together, alone = tmp_path / "together", tmp_path / "alone"
        summary = user.asks(red, flicker, together, tolerance=0.35)
        assert (summary.faces_written, summary.faces_by_track) == (12, 2)
        by_track = [line["frame"] for line in table(together) if line["by_track"] == "1"]
        assert by_track == ["5", "6"]
        summary = user.asks(red, flicker, alone, tolerance=0.35, per_frame=True)
        assert (summary.faces_written, summary.faces_by_track) == (10, 0)
        assert {line["by_track"] for line in table(alone)} == {"0"}
        files = [line["frame"] for line in table(alone) if not line["file"]]
        assert files == ["5", "6"]
        for folder in (together, alone):
            assert_consistent(folder)

    def test_extracts_for_which_there_was_no_room_are_made_again(
        self, user: User, red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Red looks like their cousin at first: not before their track is known are they wanted."""
        frames = [scene() for _ in range(12)]
        for number, frame in enumerate(frames):
            paint(frame, "orange" if number < 2 else "red", 20 + 2 * number, 40)
        late = write_clip(tmp_path / "l.mp4", frames, options={"preset": "ultrafast", "g": "1"})
        room, none = tmp_path / "room", tmp_path / "none"
        user.asks(red, late, room, tolerance=0.35, batch_size=2)
        monkeypatch.setattr(albums, "MOST_HELD_BYTES", 0)
        made_again: list[int] = []
        write = Answering._write

        def counted(answering: Answering, place: Any, rows: Any, part: Any) -> None:
            made_again.extend(frame.index for frame, _ in part)
            write(answering, place, rows, part)

        monkeypatch.setattr(Answering, "_write", counted)
        summary = user.asks(red, late, none, tolerance=0.35, batch_size=2)
        assert (summary.faces_written, summary.faces_by_track) == (12, 2)
        assert made_again == [0, 1]
        assert below(none) == below(room)
        assert_consistent(none)

    def test_from_the_index_as_from_the_frames(
        self, user: User, red: Path, flicker: Path, tmp_path: Path
    ) -> None:
        user.scans(tmp_path / "seen.db", flicker)
        for per_frame in (False, True):
            asked, fresh = (tmp_path / f"{name}{per_frame}" for name in ("asked", "fresh"))
            more: dict[str, Any] = {"tolerance": 0.35, "per_frame": per_frame}
            user.asks(red, flicker, asked, index=tmp_path / "seen.db", **more)
            user.asks(red, flicker, fresh, **more)
            assert below(asked) == below(fresh)
