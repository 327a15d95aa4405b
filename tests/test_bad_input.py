"""What bad input gets: one clear line that names the thing, exit code 1, nothing half-written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from clips import claim_png, write_clip, write_image, write_sound
from fakes import assert_consistent, contents, fail_at, pictures, scene

from facegrab.cli import main
from facegrab.options import FAILED, OK

ROOT = not hasattr(os, "geteuid") or os.geteuid() == 0

pytestmark = pytest.mark.usefixtures("fake_networks")


class User:
    """Somebody at the command line, in a folder of their own."""

    def __init__(self, home: Path, red: Path, clip: Path, capsys: pytest.CaptureFixture[str]):
        self.home = home
        self.output = home / "deep" / "out"
        self._red, self._clip, self._capsys = red, clip, capsys

    def types(self, *more: str, r: object = None, i: object = None, o: object = None) -> int:
        paths = ["-r", str(r or self._red), "-i", str(i or self._clip), "-o", str(o or self.output)]
        return main([*paths, "-xs", "64", "-sf", "0", "-s", ".5", "-j", "1", *more])

    def is_told(self, *named: object) -> str:
        """The one line, which names what it is about; no output folder was made."""
        out, err = self._capsys.readouterr()
        assert err.count("\n") == 1
        assert err.startswith("facegrab: ")
        for each in named:
            assert str(each) in err
        assert "Traceback" not in out + err
        assert not self.output.parent.exists()
        return err

    def reads(self) -> str:
        """What was shown; nothing of it is an error."""
        out, err = self._capsys.readouterr()
        assert err == ""
        return out


@pytest.fixture
def user(red: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> User:
    return User(tmp_path, red, clip, capsys)


class TestInput:
    @pytest.mark.parametrize("name", ["none.mp4", "none/clip.mp4", "none.jpg", "x" * 300, ""])
    def test_a_missing_file(self, user: User, name: str) -> None:
        assert main(["-r", "*", "-i", name, "-o", str(user.output)]) == FAILED
        user.is_told(name, "no such file")

    @pytest.mark.parametrize("pattern", ["img_%04d.jpg", "*.mp4", "**/*.png", "none/*.mp4"])
    def test_a_pattern_that_matches_nothing(self, user: User, pattern: str) -> None:
        assert user.types(i=user.home / pattern) == FAILED
        user.is_told(user.home / pattern)

    def test_a_folder_without_videos_or_images(self, user: User) -> None:
        (user.home / "empty").mkdir()
        (user.home / "empty" / "notes.txt").write_text("hello")
        assert user.types(i=user.home / "empty") == FAILED
        user.is_told(user.home / "empty")

    @pytest.mark.parametrize("name", ["notes.txt", "clip.mp4", "clip.mkv", "picture.jpg"])
    @pytest.mark.parametrize("data", [b"", b"hello", bytes(5000), b"no video at all " * 500])
    def test_no_video(self, user: User, name: str, data: bytes) -> None:
        (user.home / name).write_bytes(data)
        assert user.types(i=user.home / name) == FAILED
        user.is_told(user.home / name)

    def test_a_video_without_frames(self, user: User) -> None:
        sound = write_sound(user.home / "song.mp3", "mp3")
        assert user.types(i=sound) == FAILED
        user.is_told(sound)

    def test_a_video_cut_off_before_its_first_frame(self, user: User) -> None:
        whole = write_clip(user.home / "v.mkv", [scene(red=(10, 20))] * 5).read_bytes()
        cut = user.home / "cut.mkv"
        for length in (40, 300, 600):
            cut.write_bytes(whole[:length])
            assert user.types(i=cut) == FAILED
            user.is_told(cut)

    def test_a_picture_that_claims_to_be_huge(self, user: User) -> None:
        path = claim_png(user.home / "huge.png", 100_000, 100_000)
        assert user.types(i=path) == FAILED
        user.is_told(path, "100000x100000")

    def test_one_that_is_no_video_among_others(self, user: User, clip: Path) -> None:
        folder = user.home / "in"
        folder.mkdir()
        shutil.copy(clip, folder / "good.mp4")
        (folder / "bad.mp4").write_bytes(b"no video at all " * 500)
        assert user.types(i=folder) == FAILED
        assert f"not read: {folder / 'bad.mp4'}" in user.reads()
        assert len(pictures(user.output)) == 20

    @pytest.mark.skipif(ROOT, reason="the superuser may read everything")
    def test_no_permission(self, user: User, clip: Path) -> None:
        closed = Path(shutil.copy(clip, user.home / "closed.mp4"))
        closed.chmod(0)
        assert user.types(i=closed) == FAILED
        user.is_told(closed, "no permission")

    def test_no_permission_as_the_system_tells_it(
        self, user: User, clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_at(monkeypatch, Path, "open", 1, PermissionError(errno.EACCES, "denied"))
        assert user.types(r="*") == FAILED
        user.is_told(clip, "no permission")


def empty_folder(path: Path) -> Path:
    path.mkdir()
    return path


def faceless(path: Path) -> Path:
    return write_image(path.with_suffix(".png"), scene())


def folder_without_faces(path: Path) -> Path:
    path.mkdir()
    write_image(path / "a.png", scene())
    (path / "b.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return path


def no_picture(path: Path) -> Path:
    path.with_suffix(".jpg").write_bytes(b"no picture")
    return path.with_suffix(".jpg")


def no_zip(path: Path) -> Path:
    path.with_suffix(".npz").write_bytes(b"no zip")
    return path.with_suffix(".npz")


def wrong_shape(path: Path) -> Path:
    np.savez(path.with_suffix(".npz"), np.zeros((3, 64)))
    return path.with_suffix(".npz")


def pickled(path: Path) -> Path:
    np.savez(path.with_suffix(".npz"), np.array([None] * 128, object))
    return path.with_suffix(".npz")


def missing(path: Path) -> Path:
    return path.with_suffix(".jpg")


def missing_npz(path: Path) -> Path:
    return path.with_suffix(".npz")


def a_text(path: Path) -> Path:
    path.with_suffix(".txt").write_text("hello")
    return path.with_suffix(".txt")


class TestReference:
    @pytest.mark.parametrize(
        "make",
        [
            empty_folder, faceless, folder_without_faces, no_picture, no_zip, wrong_shape, pickled,
            missing, missing_npz, a_text,
        ],
    )  # fmt: skip
    def test_nothing_to_go_by(self, user: User, make: Callable[[Path], Path]) -> None:
        path = make(user.home / "reference")
        assert user.types(r=path) == FAILED
        user.is_told(path)

    def test_star_with_others(self, user: User, red: Path) -> None:
        assert main(["-r", "*", str(red), "-i", str(red), "-o", str(user.output)]) == FAILED
        user.is_told("*")

    def test_everybody_cannot_be_saved(self, user: User) -> None:
        assert user.types("-sr", str(user.home / "a.npz"), r="*") == FAILED
        user.is_told("*")
        assert not (user.home / "a.npz").exists()

    def test_references_that_cannot_be_saved(self, user: User) -> None:
        assert user.types("-sr", str(user.home / "none" / "a.npz")) == FAILED
        user.is_told(user.home / "none" / "a.npz")


class TestOutput:
    @pytest.mark.parametrize("below", ["", "/below", "/far/below"])
    def test_a_file_in_the_place_of_the_folder(self, user: User, below: str) -> None:
        (user.home / "file").write_text("keep me")
        assert user.types(o=f"{user.home}/file{below}") == FAILED
        user.is_told(user.home / "file")
        assert (user.home / "file").read_text() == "keep me"

    def test_a_name_that_is_too_long(self, user: User) -> None:
        assert user.types(o=user.home / ("x" * 300)) == FAILED
        user.is_told("x" * 300)

    def test_a_database_of_something_else(self, user: User) -> None:
        (user.home / "facegrab.db").write_bytes(b"something else " * 99)
        assert user.types(o=user.home) == FAILED
        user.is_told(user.home / "facegrab.db")
        assert [path.name for path in user.home.iterdir()] == ["facegrab.db"]

    def test_the_result_of_another_run(self, user: User, green: Path) -> None:
        done = user.home / "done"
        assert user.types(o=done) == OK
        user.reads()
        before = contents(done)
        for change in (["-t", "0.5"], ["-xs", "96"], ["-r", str(green)]):
            assert user.types(*change, o=done) == FAILED
            user.is_told(done, "another run")
        assert contents(done) == before

    @pytest.mark.skipif(ROOT, reason="the superuser may write everywhere")
    def test_no_permission(self, user: User) -> None:
        closed = user.home / "closed"
        closed.mkdir()
        closed.chmod(0o500)
        for output in (closed, closed / "out"):
            assert user.types(o=output) == FAILED
            user.is_told(output, "no permission")

    @pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "denied"), None])
    def test_no_permission_as_the_system_tells_it(
        self, user: User, monkeypatch: pytest.MonkeyPatch, error: OSError | None
    ) -> None:
        if error:
            fail_at(monkeypatch, Path, "mkdir", 1, error)
        else:
            monkeypatch.setattr("facegrab.store.files.os.access", lambda _, mode: mode != os.W_OK)
            user.output.mkdir(parents=True)
        assert user.types() == FAILED
        if not error:
            user.output.rmdir()
            user.output.parent.rmdir()
        user.is_told(user.output, "no permission")

    @pytest.mark.usefixtures("short_segments")
    def test_a_disk_that_fills_up(
        self, user: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fail_at(monkeypatch, Path, "write_bytes", 7, OSError(errno.ENOSPC, "full"))
        assert user.types("-bs", "5") == FAILED
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "no space left" in err
        assert str(user.output) in err
        # Segments of four frames: the second one was not finished.
        assert len(pictures(user.output)) == 4
        assert_consistent(user.output)


class TestGoodInputThatLooksBad:
    def test_names_with_spaces_and_letters_of_all_kinds(
        self, user: User, red: Path, clip: Path
    ) -> None:
        folder = user.home / "Ämter & Würden – 写真 [1]"
        folder.mkdir()
        reference = shutil.copy(red, folder / "das ist sie (neu).png")
        video = shutil.copy(clip, folder / "Ein Tag am Meer, 100%.mp4")
        output = folder / "Ausgabe mit Leerzeichen"
        saved = folder / "Gesichter – 写.npz"
        assert user.types("-sr", str(saved), r=reference, i=video, o=output) == OK
        assert str(output) in user.reads()
        assert len(pictures(output)) == 20
        assert user.types(r=saved, i=folder / "*.mp4", o=output) == OK

    def test_a_damaged_picture_among_others_is_counted(self, user: User) -> None:
        folder = user.home / "in"
        folder.mkdir()
        write_image(folder / "1.png", scene(red=(10, 20)))
        (folder / "2.png").write_bytes(b"\x89PNG no picture")
        assert user.types(i=folder) == OK
        shown = user.reads()
        assert "1 frame read, 1 looked at, 1 damaged" in shown
        assert f"warning: {folder / '2.png'}" in shown

    def test_a_truncated_video_gives_a_warning(self, user: User, clip: Path) -> None:
        data = clip.read_bytes()
        cut = user.home / "cut.mp4"
        cut.write_bytes(data[: len(data) * 6 // 10])
        assert user.types(i=cut) == OK
        assert "warning: " in user.reads()
        assert len(pictures(user.output)) > 3
