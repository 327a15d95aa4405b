"""What bad people get at the command line: one line, exit code 1, and nothing written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from clips import write_image
from fakes import scene
from stopped import portrait

from facegrab.cli import main
from facegrab.options import FAILED, OK

pytestmark = pytest.mark.usefixtures("fake_networks")


class User:
    """Somebody at the command line, whose people are red, green and red's double."""

    def __init__(self, home: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._clip, self._capsys = clip, capsys
        self.red = str(portrait(home / "red.png", 0))
        self.green = str(portrait(home / "green.png", 90))

    def types(self, *who: str) -> int:
        self.before = sorted(self.home.rglob("*"))
        output = str(self.home / "deep" / "out")
        options = ["-i", str(self._clip), "-o", output, "-xs", "64", "-sf", "9", "-j", "1"]
        return main([*who, *options])

    def is_told(self, *named: object) -> str:
        """The one line, which names what it is about; no file or folder was made."""
        out, err = self._capsys.readouterr()
        assert err.count("\n") == 1
        assert err.startswith("facegrab: ")
        assert "Traceback" not in out + err
        for each in named:
            assert str(each) in err
        assert sorted(self.home.rglob("*")) == self.before
        return err

    def folder(self, name: str, *pictures: str) -> Path:
        folder = self.home / name
        folder.mkdir(parents=True)
        for picture in pictures:
            shutil.copy(picture, folder)
        return folder


@pytest.fixture
def user(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> User:
    return User(tmp_path, clip, capsys)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["../Al", "a/b", "a\\b", "..", ".", "/tmp/al", "~/../x", "uncertain", "Ambiguous", "a\nb",
         "\x1b[31m", "con", "x" * 999, "facegrab.db", "C:\\al", "\udcff"],
    )  # fmt: skip
    def test_one_that_no_folder_has(self, user: User, name: str) -> None:
        assert user.types("-r", f"{name}={user.red}", f"Zoë={user.green}") == FAILED
        assert "name" in user.is_told()

    def test_folders_of_such_names(self, user: User) -> None:
        user.folder("people/Uncertain", user.red)
        assert user.types("--people", str(user.home / "people")) == FAILED
        user.is_told("Uncertain")

    def test_the_same_but_for_capitals(self, user: User) -> None:
        assert user.types("-r", f"Al={user.red}", f"AL={user.green}") == FAILED
        user.is_told("Al", "AL")

    def test_none(self, user: User) -> None:
        assert user.types("-r", f"={user.red}") == FAILED
        user.is_told(f"={user.red}")

    def test_some_with_and_some_without(self, user: User) -> None:
        assert user.types("-r", f"Al={user.red}", user.green) == FAILED
        user.is_told(user.green, "NAME=")

    def test_everybody_by_name(self, user: User) -> None:
        for who in (["Al=*"], [f"Al={user.red}", "all=*"], [f"Al={user.red}", "*"]):
            assert user.types("-r", *who) == FAILED
            user.is_told("*")

    def test_a_path_that_is_not_there_or_cannot_be(self, user: User) -> None:
        for path in ("none.png", "x" * 5000, "a\0b.png"):
            assert user.types("-r", f"Al={path}") == FAILED
            user.is_told()


class TestFolder:
    def test_one_that_is_not_there(self, user: User) -> None:
        assert user.types("--people", str(user.home / "none")) == FAILED
        user.is_told(user.home / "none", "no such folder")

    def test_a_file(self, user: User) -> None:
        assert user.types("--people", user.red) == FAILED
        user.is_told(user.red)

    def test_an_empty_one(self, user: User) -> None:
        assert user.types("--people", str(user.folder("people"))) == FAILED
        user.is_told(user.home / "people", "sub-folder")

    def test_pictures_and_no_sub_folder(self, user: User) -> None:
        assert user.types("--people", str(user.folder("people", user.red))) == FAILED
        user.is_told(user.home / "people", "sub-folder")

    @pytest.mark.parametrize("content", [None, "notes.txt", "empty.png", "broken.jpg"])
    def test_a_sub_folder_without_a_usable_picture(self, user: User, content: str | None) -> None:
        user.folder("people/Al", user.red)
        folder = user.folder("people/Zoë")
        if content == "empty.png":
            write_image(folder / content, scene())
        elif content:
            (folder / content).write_bytes(b"hello")
        assert user.types("--people", str(user.home / "people")) == FAILED
        user.is_told(folder)

    def test_two_with_the_same_picture(self, user: User) -> None:
        user.folder("people/Al", user.red)
        user.folder("people/Zoë", user.red, user.green)
        assert user.types("--people", str(user.home / "people")) == FAILED
        user.is_told("Al and Zoë", "red.png")

    @pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links on this system")
    def test_two_that_are_one_by_a_link(self, user: User) -> None:
        (user.home / "people" / "Zoë").parent.mkdir()
        (user.home / "people" / "Zoë").symlink_to(user.folder("people/Al", user.red))
        assert user.types("--people", str(user.home / "people")) == FAILED
        user.is_told("Al and Zoë", "red.png")


class TestNot:
    def test_the_person_asked_for(self, user: User) -> None:
        again = str(shutil.copy(user.red, user.home / "again.png"))
        assert user.types("-r", user.red, "--not", user.green, again) == FAILED
        user.is_told("--not", again)

    def test_one_of_several_asked_for(self, user: User) -> None:
        who = [f"Al={user.red}", f"Zoë={user.green}"]
        assert user.types("-r", *who, "--not", user.green) == FAILED
        user.is_told("--not", user.green, "Zoë")

    def test_one_that_is_not_there(self, user: User) -> None:
        assert user.types("-r", user.red, "--not", str(user.home / "none.png")) == FAILED
        user.is_told(user.home / "none.png")

    def test_nobody_in_it(self, user: User) -> None:
        assert user.types("-r", user.red, "--not", str(user.folder("empty"))) == FAILED
        user.is_told(user.home / "empty")

    def test_everybody(self, user: User) -> None:
        assert user.types("-r", user.red, "--not", "*") == FAILED
        user.is_told("--not", "*")

    def test_of_everybody(self, user: User) -> None:
        assert user.types("-r", "*", "--not", user.red) == FAILED
        user.is_told("*")


class TestWhatDoesNotGoTogether:
    def test_neither_references_nor_people(self, user: User) -> None:
        assert user.types() == FAILED
        user.is_told("-r")

    def test_both(self, user: User) -> None:
        user.folder("people/Al", user.red)
        assert user.types("-r", user.red, "--people", str(user.home / "people")) == FAILED
        user.is_told("-r", "--people")

    def test_groups_of_somebody(self, user: User) -> None:
        user.folder("people/Al", user.red)
        for who in (["-r", user.red], ["--people", str(user.home / "people")]):
            assert user.types(*who, "--group") == FAILED
            user.is_told("group", "*")

    def test_nobody_can_grow(self, user: User) -> None:
        assert user.types("-r", "*", "--grow") == FAILED
        user.is_told("grow", "references")

    def test_growing_by_a_tolerance(self, user: User) -> None:
        assert user.types("-r", user.red, "--grow", "-t", "0.6") == FAILED
        user.is_told("grow", "tolerance")

    def test_growing_and_forgetting_who_stood_beside(self, user: User) -> None:
        assert user.types("-r", user.red, "--grow", "--forget_others") == FAILED
        user.is_told("grow", "forget_others")

    def test_groups_and_growing(self, user: User) -> None:
        for who in ("*", user.red):
            assert user.types("-r", who, "--group", "--grow") == FAILED
            user.is_told()

    def test_references_of_several_cannot_be_saved_in_one_file(self, user: User) -> None:
        saved = user.home / "saved.npz"
        who = ["-r", f"Al={user.red}", f"Zoë={user.green}"]
        assert user.types(*who, "-sr", str(saved)) == FAILED
        user.is_told("Al", "Zoë")


def test_what_looks_bad_and_is_not(user: User) -> None:
    """A folder called by a name with = in it, and a name of letters of all kinds."""
    folder = user.folder("Al=Zoë", user.red)
    assert user.types("-r", str(folder)) == OK
    shutil.rmtree(user.home / "deep")
    assert user.types("-r", f"李小龍 (Ämter & Würden, 100%)={folder}") == OK
    (person,) = (each for each in (user.home / "deep" / "out").iterdir() if each.is_dir())
    assert person.name == "李小龍 (Ämter & Würden, 100%)"
    assert len([*person.glob("*.jpg")]) == 2
