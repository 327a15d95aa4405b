"""Who is asked for: names, and the pictures of several people."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from clips import write_image
from fakes import HUE, paint, painted_eyes, scene

from facegrab.errors import AccessError, GalleryError, MissingError, SettingError
from facegrab.people.gallery import Gallery
from facegrab.people.judge import Person
from facegrab.people.who import (
    References,
    check_names,
    collect_others,
    collect_people,
    named,
    people_in,
)
from facegrab.vision.feed import Wanted
from facegrab.vision.look import Look

TOLERANCE = 0.6


def look() -> Look:
    return Look(painted_eyes(), Wanted(0.5, extract_size=64))


def never() -> Look:
    raise AssertionError("the networks were opened for nothing")


def people_of(references: References) -> tuple[Person, ...]:
    return collect_people(references, 1, look, HUE, TOLERANCE)


def others_of(paths: Sequence[Path], people: Sequence[Person]) -> tuple[Gallery, ...]:
    return collect_others([str(path) for path in paths], people, 1, look, HUE, TOLERANCE)


def picture(path: Path, who: str) -> Path:
    """A picture of somebody, no two alike, in a folder made for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = scene()
    paint(frame, who, 10 + 5 * len(path.name), 20)
    return write_image(path, frame)


def one_line(error: pytest.ExceptionInfo[Exception], *named: object) -> None:
    said = str(error.value)
    assert "\n" not in said
    for each in named:
        assert str(each) in said


class TestPeopleIn:
    def test_each_sub_folder_is_one_by_its_name(self, tmp_path: Path) -> None:
        for name in ("Zoë", "Al Smith", ".thumbnails"):
            picture(tmp_path / name / "1.png", "red")
        picture(tmp_path / "cover.png", "green")
        assert people_in(str(tmp_path)) == {
            name: [str(tmp_path / name)] for name in ("Al Smith", "Zoë")
        }

    def test_one_without_sub_folders_is_told(self, tmp_path: Path) -> None:
        picture(tmp_path / "1.png", "red")
        (tmp_path / ".hidden").mkdir()
        with pytest.raises(GalleryError) as error:
            people_in(str(tmp_path))
        one_line(error, tmp_path, "sub-folder")

    @pytest.mark.parametrize("name", ["none", "1.png"])
    def test_no_folder(self, tmp_path: Path, name: str) -> None:
        picture(tmp_path / "1.png", "red")
        with pytest.raises(MissingError) as error:
            people_in(str(tmp_path / name))
        one_line(error, tmp_path / name)

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: Path) -> None:
            raise PermissionError

        monkeypatch.setattr(Path, "iterdir", refuse)
        with pytest.raises(AccessError) as error:
            people_in(str(tmp_path))
        one_line(error, tmp_path)


class TestNamed:
    def test_paths_are_one_person_without_a_name(self) -> None:
        assert named(["a.jpg", "b"]) == {"": ["a.jpg", "b"]}
        assert named(["*"]) == {"": ["*"]}

    def test_each_name_is_a_person(self) -> None:
        given = ["Al=a.jpg", "Zoë =b", "Al=c/d=e.jpg"]
        assert named(given) == {"Al": ["a.jpg", "c/d=e.jpg"], "Zoë": ["b"]}

    def test_a_path_that_is_there_is_a_path(self, tmp_path: Path) -> None:
        path = picture(tmp_path / "x=y.png", "red")
        assert named([str(path)]) == {"": [str(path)]}
        assert named([f"Al={path}"]) == {"Al": [str(path)]}

    @pytest.mark.parametrize("given", [["Al=a.jpg", "b.jpg"], ["b.jpg", "Al=a.jpg"], ["*", "A=b"]])
    def test_some_with_a_name_and_some_without(self, given: list[str]) -> None:
        (without,) = (each for each in given if "=" not in each)
        with pytest.raises(SettingError) as error:
            named(given)
        one_line(error, f"-r {without}", f"NAME={without}")

    @pytest.mark.parametrize("given", ["=a.jpg", "  =a.jpg"])
    def test_an_empty_name(self, given: str) -> None:
        with pytest.raises(SettingError) as error:
            named([given])
        one_line(error, given, "missing")

    @pytest.mark.parametrize("path", ["x" * 5000, "a\0b"])
    def test_a_path_that_no_system_takes_is_left_to_who_reads_it(self, path: str) -> None:
        assert named([f"Al={path}"]) == {"Al": [path]}


class TestNames:
    @pytest.mark.parametrize(
        "name", ["", "Al", "Zoë Müller-Lüdenscheidt", "李小龍", "person-1", "O'Hara", "a.b"]
    )
    def test_names_of_folders(self, name: str) -> None:
        check_names([name])

    @pytest.mark.parametrize(
        "name",
        [
            "a/b", "a\\b", "/etc", "..", ".", "../..", "...", ".hidden", "C:", "a\nb", "a\0b",
            "a\x1bb", "con", "NUL", "x" * 151, "ö" * 76, "a|b", 'a"b', "ends.", " ", "uncertain",
            "Ambiguous", "REPORT", "best", "facegrab.db", "FaceGrab.csv", "index.html",
        ],
    )  # fmt: skip
    def test_none_of_a_folder_or_one_that_is_taken(self, name: str) -> None:
        with pytest.raises(SettingError) as error:
            check_names(["Al", name])
        one_line(error, repr(name))

    @pytest.mark.parametrize(
        "names", [("Al", "al"), ("STRASSE", "straße"), ("ZOË", unicodedata.normalize("NFD", "Zoë"))]
    )
    def test_two_that_are_one_folder_to_some_systems(self, names: tuple[str, str]) -> None:
        with pytest.raises(SettingError) as error:
            check_names(names)
        one_line(error, *names)

    def test_letters_as_a_mac_writes_them(self, tmp_path: Path) -> None:
        """With the dots as a character of their own."""
        name = unicodedata.normalize("NFD", "Zoë")
        assert len(name) == 4
        path = picture(tmp_path / "a.png", "red")
        (person,) = people_of({name: [str(path)]})
        assert person.name == "Zoë"


class TestPeople:
    def test_each_has_references_of_their_own(self, tmp_path: Path) -> None:
        for name, who in (("Al", "red"), ("Zoë", "green")):
            for number in (1, 2):
                picture(tmp_path / name / f"{number}.png", who)
        al, zoe = people_of(people_in(str(tmp_path)))
        assert (al.name, zoe.name) == ("Al", "Zoë")
        assert al.gallery.names == tuple(str(tmp_path / "Al" / f"{n}.png") for n in (1, 2))
        assert set(al.gallery.embedding.argmax(axis=1)) == {0}
        assert set(zoe.gallery.embedding.argmax(axis=1)) == {1}

    def test_everybody_is_nobody_and_needs_no_network(self) -> None:
        assert collect_people({"": ["*"]}, 1, never, HUE, TOLERANCE) == ()

    def test_everybody_has_no_name(self, red: Path) -> None:
        for references in ({"Al": ["*"]}, {"Al": [str(red)], "Zoë": ["*"]}):
            with pytest.raises(SettingError) as error:
                people_of(references)
            one_line(error, "*")

    def test_a_name_is_refused_before_a_network_is_opened(self, red: Path) -> None:
        with pytest.raises(SettingError):
            collect_people({"../Al": [str(red)]}, 1, never, HUE, TOLERANCE)

    def test_one_without_a_picture_is_named(self, tmp_path: Path) -> None:
        picture(tmp_path / "Al" / "1.png", "red")
        (tmp_path / "Zoë").mkdir()
        with pytest.raises((GalleryError, MissingError)) as error:
            people_of(people_in(str(tmp_path)))
        one_line(error, tmp_path / "Zoë")

    def test_two_with_the_same_picture(self, tmp_path: Path) -> None:
        one = picture(tmp_path / "Al" / "1.png", "red")
        picture(tmp_path / "Bo" / "2nd.png", "green")
        shutil.copy(one, tmp_path / "Bo" / "copy.png")
        with pytest.raises(GalleryError) as error:
            people_of(people_in(str(tmp_path)))
        one_line(error, "Al and Bo", one)

    def test_of_many_that_are_the_same_some_are_named(self, tmp_path: Path) -> None:
        for number in range(5):
            picture(tmp_path / "Al" / f"{number}.png", "red")
        shutil.copytree(tmp_path / "Al", tmp_path / "Bo")
        with pytest.raises(GalleryError) as error:
            people_of(people_in(str(tmp_path)))
        one_line(error, *(tmp_path / "Al" / f"{n}.png" for n in range(3)), "and 2 more")

    def test_the_same_picture_saved_and_not(self, tmp_path: Path, red: Path) -> None:
        (person,) = people_of({"Al": [str(red)]})
        person.gallery.save(tmp_path / "saved.npz")
        with pytest.raises(GalleryError) as error:
            people_of({"Al": [str(red)], "Bo": [str(tmp_path / "saved.npz")]})
        one_line(error, "Al and Bo", red)


class TestOthers:
    @pytest.fixture
    def people(self, red: Path) -> tuple[Person, ...]:
        return people_of({"": [str(red)]})

    def test_a_path_is_a_person_and_so_is_each_sub_folder(
        self, tmp_path: Path, people: tuple[Person, ...]
    ) -> None:
        single = picture(tmp_path / "single.png", "orange")
        picture(tmp_path / "one" / "1.png", "green")
        picture(tmp_path / "one" / "2nd.png", "green")
        picture(tmp_path / "many" / "a" / "1.png", "green")
        picture(tmp_path / "many" / "b" / "1.png", "blue")
        (tmp_path / "many" / ".cache").mkdir()
        paths = [single, tmp_path / "one", tmp_path / "many"]
        others = others_of(paths, people)
        assert [each.names for each in others] == [
            (str(single),),
            (str(tmp_path / "one" / "1.png"), str(tmp_path / "one" / "2nd.png")),
            (str(tmp_path / "many" / "a" / "1.png"),),
            (str(tmp_path / "many" / "b" / "1.png"),),
        ]

    def test_pictures_beside_sub_folders_are_one_person(
        self, tmp_path: Path, people: tuple[Person, ...]
    ) -> None:
        own = picture(tmp_path / "in" / "1.png", "green")
        more = picture(tmp_path / "in" / "more" / "1.png", "green")
        (other,) = others_of([tmp_path / "in"], people)
        assert other.names == (str(own), str(more))

    def test_nobody_needs_no_network(self, people: tuple[Person, ...]) -> None:
        assert collect_others([], people, 1, never, HUE, TOLERANCE) == ()

    def test_the_very_one_who_is_asked_for(
        self, tmp_path: Path, people: tuple[Person, ...]
    ) -> None:
        picture(tmp_path / "in" / "1.png", "green")
        own = picture(tmp_path / "in" / "2nd.png", "red")
        with pytest.raises(GalleryError) as error:
            others_of([tmp_path / "in"], people)
        one_line(error, "--not", own, "the person asked for")
        assert "1.png" not in str(error.value)

    def test_of_several_who_are_asked_for_it_is_said_who(self, tmp_path: Path) -> None:
        paths = {who: picture(tmp_path / f"{who}.png", who) for who in ("red", "green")}
        people = people_of({"Al": [str(paths["red"])], "Zoë": [str(paths["green"])]})
        with pytest.raises(GalleryError) as error:
            others_of([picture(tmp_path / "again.png", "green")], people)
        one_line(error, "again.png", "Zoë")

    def test_everybody_is_no_other(self, people: tuple[Person, ...]) -> None:
        with pytest.raises(GalleryError) as error:
            collect_others(["*"], people, 1, look, HUE, TOLERANCE)
        one_line(error, "--not", "*")

    def test_one_that_is_not_there(self, tmp_path: Path, people: tuple[Person, ...]) -> None:
        with pytest.raises(MissingError) as error:
            others_of([tmp_path / "none.png"], people)
        one_line(error, tmp_path / "none.png")
