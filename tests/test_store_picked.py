"""The folder best: whole or as it was, nobody else's files lost, no name that leads elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fakes import fail_at

from facegrab.errors import OutputError
from facegrab.store import picked
from facegrab.store.picked import BEST, COLUMNS, SHEET, TABLE


def fill(place: Path, names: Sequence[str] = ("1_a.jpg", "2_b.jpg")) -> None:
    """As a pick does."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / TABLE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for rank, name in enumerate(names):
            table.writerow([rank + 1, name, f"of {name}", *[""] * (len(COLUMNS) - 3)])
    for name in (*names, SHEET):
        path = place / name
        if ".." not in name:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())


def everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def replaced(folder: Path, meanwhile: Callable[[Path], object]) -> None:
    with picked.replacing(folder) as new:
        fill(new, ["1_c.jpg"])
        meanwhile(new)


def raising(error: BaseException) -> None:
    raise error


class TestReplacing:
    def test_the_old_one_goes_wholly(self, tmp_path: Path) -> None:
        fill(tmp_path / BEST)
        with picked.replacing(tmp_path) as new:
            fill(new, ["1_c.jpg"])
        assert everything(tmp_path) == ["best/1_c.jpg", "best/best.csv", "best/best.jpg"]

    def test_nothing_is_there_before_the_end(self, tmp_path: Path) -> None:
        with picked.replacing(tmp_path) as new:
            fill(new)
            assert not (tmp_path / BEST).exists()
            assert new.name.startswith(".")

    def test_the_old_one_stays_if_something_goes_wrong(self, tmp_path: Path) -> None:
        fill(tmp_path / BEST)
        before = everything(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            replaced(tmp_path, lambda new: raising(KeyboardInterrupt()))
        assert everything(tmp_path) == before

    def test_the_old_one_comes_back_if_the_new_one_cannot_take_its_place(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(tmp_path / BEST)
        before = everything(tmp_path)
        fail_at(monkeypatch, Path, "rename", 2, OSError(28, "no space"))
        with pytest.raises(OutputError, match="no space"):
            replaced(tmp_path, lambda _: None)
        assert everything(tmp_path) == before

    @pytest.mark.parametrize("place", ["best/mine.jpg", "best/nick/notes.txt"])
    def test_somebody_elses_file_is_not_lost(self, tmp_path: Path, place: str) -> None:
        fill(tmp_path / BEST / "nick")
        mine = tmp_path / place
        mine.write_bytes(b"mine")
        with pytest.raises(OutputError, match=mine.name), picked.replacing(tmp_path):
            pytest.fail("nothing is made")
        assert mine.read_bytes() == b"mine"

    def test_nor_is_one_that_comes_meanwhile(self, tmp_path: Path) -> None:
        fill(tmp_path / BEST)
        with pytest.raises(OutputError):
            replaced(tmp_path, lambda _: (tmp_path / BEST / "mine.jpg").write_bytes(b"mine"))
        assert (tmp_path / BEST / "mine.jpg").exists()
        assert (tmp_path / BEST / "1_a.jpg").exists()

    def test_a_folder_of_that_name_without_a_table_is_somebody_elses(self, tmp_path: Path) -> None:
        (tmp_path / BEST).mkdir()
        (tmp_path / BEST / "1_a.jpg").write_bytes(b"mine")
        with pytest.raises(OutputError, match=r"1_a\.jpg"), picked.replacing(tmp_path):
            pytest.fail("nothing is made")

    def test_what_systems_leave_is_nobodys(self, tmp_path: Path) -> None:
        fill(tmp_path / BEST)
        (tmp_path / BEST / ".DS_Store").write_bytes(b"")
        with picked.replacing(tmp_path) as new:
            fill(new)
        assert not (tmp_path / BEST / ".DS_Store").exists()

    @pytest.mark.parametrize("kind", ["file", "link"])
    def test_no_folder(self, tmp_path: Path, kind: str) -> None:
        elsewhere = tmp_path / "elsewhere"
        fill(elsewhere)
        if kind == "file":
            (tmp_path / BEST).write_bytes(b"mine")
        else:
            (tmp_path / BEST).symlink_to(elsewhere)
        with pytest.raises(OutputError, match="best is no folder"), picked.replacing(tmp_path):
            pytest.fail("nothing is made")
        assert everything(elsewhere) == ["1_a.jpg", "2_b.jpg", "best.csv", "best.jpg"]

    def test_what_the_dead_left_goes(self, tmp_path: Path) -> None:
        fill(tmp_path / ".best.new.99.part")
        with picked.replacing(tmp_path) as new:
            fill(new)
        assert [each.name for each in tmp_path.iterdir()] == [BEST]


class TestCopies:
    def test_of_one_and_of_several_people(self, tmp_path: Path) -> None:
        fill(tmp_path / BEST, ["1_a.jpg"])
        fill(tmp_path / BEST / "nick", ["arcface-112/1_b.jpg"])
        assert picked.copies(tmp_path) == {
            "best/1_a.jpg": "of 1_a.jpg",
            "best/nick/arcface-112/1_b.jpg": "of arcface-112/1_b.jpg",
        }

    def test_none(self, tmp_path: Path) -> None:
        assert picked.copies(tmp_path) == {}
        assert not picked.remove(tmp_path)

    @pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "..", "", "a/../../../b.jpg"])
    def test_a_name_that_leads_elsewhere_is_not_followed(self, tmp_path: Path, name: str) -> None:
        outside = tmp_path / "a.jpg"
        outside.write_bytes(b"mine")
        fill(tmp_path / "out" / BEST, ["1_a.jpg"])
        table = tmp_path / "out" / BEST / TABLE
        table.write_text(table.read_text("utf-8").replace("1,1_a.jpg", f"1,{name}"), "utf-8")
        assert picked.copies(tmp_path / "out") == {}
        picked.remove(tmp_path / "out")
        assert outside.exists()

    @pytest.mark.parametrize("text", ["", "rank,file\n1,a.jpg\n", "\0\0", '"' * 200_000, "\xff"])
    def test_another_table_lists_nothing(self, tmp_path: Path, text: str) -> None:
        fill(tmp_path / BEST)
        (tmp_path / BEST / TABLE).write_bytes(text.encode("latin-1"))
        assert picked.copies(tmp_path) == {}


class TestRemove:
    def test_all_of_it(self, tmp_path: Path) -> None:
        fill(tmp_path / BEST / "nick", ["arcface-112/1_b.jpg"])
        fill(tmp_path / BEST / "friend")
        fill(tmp_path / ".best.old.99.part")
        assert picked.remove(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_somebody_elses_files_stay(self, tmp_path: Path) -> None:
        fill(tmp_path / BEST)
        (tmp_path / BEST / "mine.jpg").write_bytes(b"mine")
        picked.remove(tmp_path)
        assert everything(tmp_path) == ["best/mine.jpg"]
